//! Channels between services: a function call in one process, HTTP/2 between processes, and the
//! same generated clients above both.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use auth::{AssertionKeys, Caller};
use eventstore::CommandContext;
use fault::{Code, Fault};
use kernel::Clock;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::{Ascii, MetadataValue};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::trace;
use crate::{CORRELATION_ID, OPERATION_ID};

type HttpRequest = http::Request<Body>;
type HttpResponse = http::Response<Body>;
/// A guarded service, ready to be called in this process.
pub(crate) type Local = BoxCloneSyncService<HttpRequest, HttpResponse, Infallible>;

/// How long a call between services may take before it counts as lost.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// A channel to one service; what a generated client is built on.
#[derive(Clone)]
pub struct Channel(Target);

#[derive(Clone)]
enum Target {
    /// Filled when the service has been built: services of one process may refer to each other.
    Local(Arc<OnceLock<Local>>),
    Remote(tonic::transport::Channel),
}

impl tower::Service<HttpRequest> for Channel {
    type Response = HttpResponse;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(())) // readiness is awaited within the call, under its timeout
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let target = self.0.clone();
        Box::pin(async move {
            let answer = tokio::time::timeout(CALL_TIMEOUT, target.call(request)).await;
            answer.unwrap_or_else(|_| {
                Err(Fault::new(Code::Timeout, "call_timeout", "No answer in time.").into())
            })
        })
    }
}

impl Target {
    async fn call(self, request: HttpRequest) -> Result<HttpResponse, Status> {
        match self {
            Self::Local(slot) => match slot.get() {
                Some(service) => match service.clone().oneshot(request).await {
                    Ok(response) => Ok(response),
                    Err(never) => match never {},
                },
                None => Err(Fault::unavailable("service_starting", "not built yet").into()),
            },
            Self::Remote(channel) => channel.oneshot(request).await.map_err(unreachable),
        }
    }
}

fn unreachable(error: tonic::transport::Error) -> Status {
    Fault::unavailable("service_unreachable", error).into()
}

/// Where every service of the fleet is found.
#[derive(Clone, Default)]
pub struct Directory {
    local: Arc<HashMap<String, Arc<OnceLock<Local>>>>,
    remote: Arc<HashMap<String, tonic::transport::Channel>>,
}

impl Directory {
    /// A directory in which `local` services will run in this process and `remote` ones answer at
    /// the given addresses (`http://host:port`); connections are made when they are needed.
    ///
    /// # Errors
    /// `InvalidInput` when an address is malformed.
    pub fn new<'a>(
        local: impl IntoIterator<Item = &'a str>,
        remote: impl IntoIterator<Item = (String, String)>,
    ) -> fault::Result<Self> {
        let local = local.into_iter().map(|name| (name.to_owned(), Arc::default())).collect();
        let remote = remote.into_iter().map(|(name, address)| Ok((name, connect_lazily(&address)?)));
        Ok(Self { local: Arc::new(local), remote: Arc::new(remote.collect::<fault::Result<_>>()?) })
    }

    /// Puts a built service where its callers look for it.
    pub(crate) fn install(&self, name: &str, service: Local) {
        if let Some(slot) = self.local.get(name) {
            // A second installation would be a second service with the name; the first stays.
            let _ = slot.set(service);
        }
    }

    /// The channel to `service`.
    ///
    /// # Errors
    /// `service_unknown` when it neither runs here nor has an address.
    pub fn channel(&self, service: &str) -> fault::Result<Channel> {
        let local = self.local.get(service).map(|slot| Target::Local(Arc::clone(slot)));
        let remote = || self.remote.get(service).map(|channel| Target::Remote(channel.clone()));
        local.or_else(remote).map(Channel).ok_or_else(|| {
            Fault::new(Code::Unavailable, "service_unknown", "A service is not configured.")
                .with_fact("service", service)
        })
    }
}

fn connect_lazily(address: &str) -> fault::Result<tonic::transport::Channel> {
    let endpoint = tonic::transport::Endpoint::from_shared(address.to_owned())
        .map_err(|_| Fault::invalid("/services", "malformed_address", "An address is malformed."))?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(3))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_while_idle(true)
        .initial_connection_window_size(4 * 1024 * 1024)
        .connect_lazy())
}

/// Another service, seen from `me`: its channel and requests that say who asks.
#[derive(Clone)]
pub struct Peer {
    me: &'static str,
    channel: Channel,
    keys: AssertionKeys,
    clock: Arc<dyn Clock>,
}

impl Peer {
    pub(crate) fn new(
        me: &'static str,
        channel: Channel,
        keys: AssertionKeys,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { me, channel, keys, clock }
    }

    /// The channel, for a generated client.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request by this service, on its own account, within `context`.
    ///
    /// # Errors
    /// `internal` when the assertion cannot be signed.
    pub fn request<M>(&self, context: &CommandContext, message: M) -> fault::Result<tonic::Request<M>> {
        let caller = Caller::service(self.me, context.tenant);
        let mut request = self.request_as(&caller, message)?;
        let metadata = request.metadata_mut();
        metadata.insert(OPERATION_ID, ascii(&context.operation_id.to_string())?);
        metadata.insert(CORRELATION_ID, ascii(&context.correlation_id.to_string())?);
        if trace::current().is_none()
            && let Some(traceparent) = &context.traceparent
        {
            metadata.insert(trace::TRACEPARENT, ascii(traceparent)?);
        }
        Ok(request)
    }

    /// A request on behalf of `caller`, in the present trace.
    ///
    /// # Errors
    /// `internal` when the assertion cannot be signed.
    pub fn request_as<M>(&self, caller: &Caller, message: M) -> fault::Result<tonic::Request<M>> {
        let mut request = tonic::Request::new(message);
        let assertion = self.keys.sign(self.me, caller, self.clock.wall())?;
        request.metadata_mut().insert(auth::METADATA_KEY, ascii(&assertion)?);
        if let Some(current) = trace::current() {
            request.metadata_mut().insert(trace::TRACEPARENT, ascii(&current.to_string())?);
        }
        Ok(request)
    }
}

fn ascii(text: &str) -> fault::Result<MetadataValue<Ascii>> {
    text.parse().map_err(|_| Fault::internal("metadata is not ASCII"))
}
