//! The layer alone: what runs behind it, here or on other replicas, is a service that plays back
//! what it is asked.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use auth::Caller;
use bytes::Bytes;
use fed::frames;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, Full, StreamBody};
use ids::TenantId;
use kernel::SystemClock;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower::Layer as _;

use super::*;
use crate::Config;

const MESSAGE: &str = "/vbwd.wallet.v1.LedgerService/GetBalance";
/// What the contracts do not know counts as a stream.
const STREAM: &str = "/vbwd.wallet.v1.LedgerService/Unknown";

/// Bodies that are fed while they are read.
mod fed {
    use std::convert::Infallible;

    use http_body::Frame;

    use super::*;

    /// A body of what is sent, and then trailers.
    pub(super) fn frames(
        parts: mpsc::UnboundedReceiver<Bytes>,
    ) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Send {
        let parts = futures::stream::unfold((parts, false), |(mut parts, over)| async move {
            if over {
                return None;
            }
            let (frame, over) = match parts.recv().await {
                Some(data) => (Frame::data(data), false),
                None => (Frame::trailers(HeaderMap::new()), true),
            };
            Some((Ok(frame), (parts, over)))
        });
        StreamBody::new(parts)
    }
}

/// Answers with the body it got, a header that says who it is, and trailers.
#[derive(Clone)]
struct Echo {
    name: &'static str,
    /// So many first calls are refused, with this reason.
    refusals: Arc<AtomicU32>,
    reason: &'static str,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Echo {
    fn named(name: &'static str) -> Self {
        Self { name, refusals: Arc::default(), reason: "", seen: Arc::default() }
    }

    fn refusing(self, times: u32, reason: &'static str) -> Self {
        Self { refusals: Arc::new(AtomicU32::new(times)), reason, ..self }
    }

    fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Serves it on a port of its own.
    #[allow(clippy::disallowed_methods, reason = "a test's own task")]
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let server = Server::builder().add_service(self.clone());
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        format!("http://{address}")
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "vbwd.wallet.v1.LedgerService";
}

impl tower::Service<HttpRequest> for Echo {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        self.seen.lock().unwrap().push(request.headers().clone());
        let refuses =
            self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let answer = if refuses.is_ok() {
            refusal(Fault::unavailable(self.reason, "as told"))
        } else {
            let trailers =
                async { Some(Ok(HeaderMap::from_iter([(http::header::ETAG, "end".parse().unwrap())]))) };
            let mut answer = HttpResponse::new(Body::new(request.into_body().with_trailers(trailers)));
            answer.headers_mut().insert("name", HeaderValue::from_static(self.name));
            answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            answer
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// A replica that waits at most so long.
fn ledger(service_wait_milliseconds: u32) -> Ledger {
    let config = Config { partitions: 1, service_wait_milliseconds, ..Config::default() };
    Ledger::new(config, Arc::new(SystemClock))
}

fn holder(address: &str) -> Holder {
    Holder { owner: address.to_owned(), address: address.to_owned() }
}

fn request(path: &'static str, body: Body) -> HttpRequest {
    let mut request = http::Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(path);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    request.extensions_mut().insert(Arc::new(Caller::anonymous(TenantId::new())));
    request
}

fn message() -> HttpRequest {
    request(MESSAGE, Body::new(Full::new(Bytes::from_static(b"hello"))))
}

async fn call(ledger: &Ledger, local: &Echo, request: HttpRequest) -> HttpResponse {
    Forwarding::new(ledger.clone()).layer(local.clone()).oneshot(request).await.unwrap()
}

fn name(answer: &HttpResponse) -> &str {
    answer.headers().get("name").map_or("", |name| name.to_str().unwrap())
}

fn reason(answer: &HttpResponse) -> String {
    let status = Status::from_header_map(answer.headers()).expect("a refusal");
    Fault::from(status).reason().to_owned()
}

#[tokio::test]
async fn a_message_goes_to_the_owner_and_its_answer_comes_back_whole() {
    let (ledger, here, there) = (ledger(500), Echo::named("here"), Echo::named("there"));
    ledger.owned_by(0, holder(&there.serve().await));
    let mut call_with_id = message();
    call_with_id.headers_mut().insert("vbwd-assertion", HeaderValue::from_static("signed"));
    let answer = call(&ledger, &here, call_with_id).await;
    assert_eq!(name(&answer), "there");
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["etag"], "end");
    assert_eq!(body.to_bytes(), "hello");
    let seen = there.seen.lock().unwrap()[0].clone();
    assert_eq!(seen["vbwd-assertion"], "signed");
    assert!(seen.contains_key(FORWARDED_BY) && seen.contains_key(runtime::OPERATION_ID));
    assert_eq!(here.calls(), 0);
}

#[tokio::test]
async fn streams_flow_both_ways_while_they_come() {
    let (ledger, there) = (ledger(500), Echo::named("there"));
    ledger.owned_by(0, holder(&there.serve().await));
    let (sender, parts) = mpsc::unbounded_channel();
    let answer = call(&ledger, &Echo::named("here"), request(STREAM, Body::new(frames(parts)))).await;
    assert_eq!(name(&answer), "there");
    let mut body = answer.into_body();
    for part in ["one", "two", "three"] {
        sender.send(Bytes::from(part)).unwrap(); // the next only when this one has come back
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(sender);
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["etag"], "end");
}

#[tokio::test]
async fn a_call_that_was_passed_on_is_answered_where_it_arrives() {
    let (ledger, here, there) = (ledger(500), Echo::named("here"), Echo::named("there"));
    ledger.owned_by(0, holder(&there.serve().await));
    for path in [MESSAGE, STREAM] {
        let mut marked = request(path, Body::empty());
        marked.headers_mut().insert(FORWARDED_BY, HeaderValue::from_static("somebody"));
        assert_eq!(name(&call(&ledger, &here, marked).await), "here");
    }
    assert_eq!(there.calls(), 0);
}

#[tokio::test]
async fn an_owner_without_an_address_leaves_the_answer_to_the_handler() {
    let (ledger, here) = (ledger(500), Echo::named("here"));
    ledger.owned_by(0, Holder { owner: "there".to_owned(), address: String::new() });
    assert_eq!(name(&call(&ledger, &here, message()).await), "here");
}

#[tokio::test]
async fn what_is_passing_is_tried_again_under_one_operation_id() {
    for passing in PASSING {
        let (ledger, there) = (ledger(2_000), Echo::named("there").refusing(3, passing));
        ledger.owned_by(0, holder(&there.serve().await));
        assert_eq!(name(&call(&ledger, &Echo::named("here"), message()).await), "there", "{passing}");
        let seen = there.seen.lock().unwrap();
        let ids: Vec<_> = seen.iter().map(|headers| &headers[runtime::OPERATION_ID]).collect();
        assert!(ids.len() == 4 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}

#[tokio::test]
async fn what_is_final_and_what_streams_is_tried_once() {
    let (ledger, there) = (ledger(500), Echo::named("there").refusing(1, "ledger_overloaded"));
    ledger.owned_by(0, holder(&there.serve().await));
    assert_eq!(reason(&call(&ledger, &Echo::named("here"), message()).await), "ledger_overloaded");
    there.refusals.store(1, Ordering::SeqCst);
    call(&ledger, &Echo::named("here"), request(STREAM, Body::empty())).await;
    assert_eq!(there.calls(), 2);
}

#[tokio::test]
async fn tries_and_time_are_bounded() {
    let (ledger, there) = (ledger(400), Echo::named("there").refusing(u32::MAX, PASSING[0]));
    ledger.owned_by(0, holder(&there.serve().await));
    let began = Instant::now();
    assert_eq!(reason(&call(&ledger, &Echo::named("here"), message()).await), PASSING[0]);
    assert!(began.elapsed() < Duration::from_millis(900) && there.calls() <= TRIES_MAX as usize);
}

#[tokio::test]
async fn a_call_waits_for_whoever_takes_over_from_a_dead_owner() {
    let (ledger, here, next) = (ledger(3_000), Echo::named("here"), Echo::named("next"));
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    ledger.owned_by(0, holder(&format!("http://{dead}")));
    let takeover = async {
        sleep(Duration::from_millis(300)).await;
        ledger.owned_by(0, holder(&next.serve().await));
    };
    let (answer, ()) = tokio::join!(call(&ledger, &here, message()), takeover);
    assert_eq!(name(&answer), "next");
}

#[tokio::test]
async fn a_silent_owner_is_left_when_it_is_replaced() {
    let (ledger, here, next) = (ledger(3_000), Echo::named("here"), Echo::named("next"));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap(); // accepts, and never says a word
    ledger.owned_by(0, holder(&format!("http://{}", silent.local_addr().unwrap())));
    let takeover = async {
        sleep(Duration::from_millis(200)).await;
        ledger.owned_by(0, holder(&next.serve().await));
    };
    let began = Instant::now();
    let (answer, ()) = tokio::join!(call(&ledger, &here, message()), takeover);
    assert_eq!(name(&answer), "next");
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_partition_of_nobody_is_refused_after_the_wait() {
    let (ledger, here) = (ledger(200), Echo::named("here"));
    for path in [MESSAGE, STREAM] {
        let began = Instant::now();
        let answer = call(&ledger, &here, request(path, Body::empty())).await;
        assert_eq!(reason(&answer), "ledger_not_served_here");
        assert!(began.elapsed() < Duration::from_millis(600));
    }
    assert_eq!(here.calls(), 0);
}
