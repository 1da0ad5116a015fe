//! A double of a KurrentDB server, for tests: streams in memory behind the public gRPC protocol.
//!
//! It appends with expected revisions, reads, refuses what is too large as the server does, and on
//! demand misbehaves: answers get lost, connections are cut (for real, at the socket), the leader is
//! elsewhere, appends are late. It is no KurrentDB: it keeps nothing, has no users and one node. It
//! tests the journal's use of the protocol, not the product.
#![allow(clippy::disallowed_methods, reason = "its tasks end with the test's runtime")]

mod protocol;
mod service;
mod streams;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::Status;
use tonic::metadata::MetadataValue;
use tonic::transport::server::{Router, Server, TcpIncoming};

use protocol::{
    AppendOptions, AppendResp, BatchAppendReq, BatchAppendResp, ProposedMessage, ReadOptions, ReadResp,
    Refusal,
};
use service::{FeaturesServer, StreamsServer};
use streams::Streams;

/// What shall happen to an append that arrives at the double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is appended; the connection is cut before the answer.
    AnswerLost,
    /// The connection is cut; nothing is appended.
    Cut,
    /// The connection is cut; it is appended later.
    Late(Duration),
    /// It is answered late.
    Slow(Duration),
    /// The server says that it is unavailable; nothing is appended.
    Unavailable,
    /// The server says that the leader is elsewhere: at the double's own address.
    NotLeader,
}

/// A server in this process.
pub struct Double(Arc<State>);

struct State {
    address: SocketAddr,
    append_bytes_max: usize,
    batches: bool,
    streams: Mutex<Streams>,
    troubles: Mutex<VecDeque<Trouble>>,
    /// Shared calls that have not ended.
    calls: AtomicUsize,
    /// Changes when all connections are cut; false while none is accepted.
    up: watch::Sender<bool>,
}

impl Double {
    /// A server with this `MaxAppendSize`, on a port of its own.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(append_bytes_max: usize) -> io::Result<Self> {
        Self::begin(append_bytes_max, true).await
    }

    /// The same, of an age when appends could not share a call.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_old(append_bytes_max: usize) -> io::Result<Self> {
        Self::begin(append_bytes_max, false).await
    }

    async fn begin(append_bytes_max: usize, batches: bool) -> io::Result<Self> {
        let (outside, inside) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let state = Arc::new(State {
            address: outside.local_addr()?,
            append_bytes_max,
            batches,
            streams: Mutex::default(),
            troubles: Mutex::default(),
            calls: AtomicUsize::new(0),
            up: watch::Sender::new(true),
        });
        let server = inside.local_addr()?;
        let router: Router = Server::builder()
            .add_service(StreamsServer(Arc::clone(&state)))
            .add_service(FeaturesServer(Arc::clone(&state)));
        tokio::spawn(router.serve_with_incoming(TcpIncoming::from(inside).with_nodelay(Some(true))));
        tokio::spawn(pass_on(outside, server, state.up.subscribe()));
        Ok(Self(state))
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("kurrentdb://{}?tls=false", self.0.address)
    }

    /// Orders troubles for the next appends, one each.
    pub fn order(&self, troubles: impl IntoIterator<Item = Trouble>) {
        lock(&self.0.troubles).extend(troubles);
    }

    /// Cuts all connections and accepts none, or accepts them again.
    pub fn set_up(&self, up: bool) {
        self.0.up.send_replace(up);
    }

    /// How many calls that take several appends are open.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// The types of the events of a stream, in order.
    #[must_use]
    pub fn types(&self, stream: &str) -> Vec<String> {
        lock(&self.0.streams).types(stream)
    }
}

impl State {
    async fn append(
        self: &Arc<Self>,
        options: AppendOptions,
        events: Vec<ProposedMessage>,
    ) -> Result<AppendResp, Status> {
        if events.iter().map(streams::size).sum::<usize>() > self.append_bytes_max {
            return Err(streams::too_large(self.append_bytes_max));
        }
        let trouble = if events.is_empty() { None } else { lock(&self.troubles).pop_front() };
        match trouble {
            None => {}
            Some(Trouble::Slow(pause)) => tokio::time::sleep(pause).await,
            Some(Trouble::Unavailable) => return Err(Status::unavailable("the server is not ready")),
            Some(Trouble::NotLeader) => return Err(self.not_leader()),
            Some(Trouble::Cut) => return self.cut().await,
            Some(Trouble::AnswerLost) => {
                lock(&self.streams).append(&options, events)?;
                return self.cut().await;
            }
            Some(Trouble::Late(pause)) => {
                let state = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    lock(&state.streams).append(&options, events)
                });
                return self.cut().await;
            }
        }
        lock(&self.streams).append(&options, events)
    }

    /// One append of a shared call: what the rules refuse is an answer, the rest ends the call.
    async fn append_batch(self: &Arc<Self>, asked: BatchAppendReq) -> Result<BatchAppendResp, Status> {
        let BatchAppendReq { correlation_id, options, proposed_messages, is_final } = asked;
        let options = options.ok_or_else(|| Status::invalid_argument("no options"))?;
        if !is_final {
            return Err(Status::unimplemented("only whole appends"));
        }
        let stream_identifier = options.stream_identifier.clone();
        let refused = |code, message: &str| Some(Refusal { code, message: message.to_owned() });
        let (success, error) = match self.append(options, proposed_messages).await {
            Ok(AppendResp { success: Some(success), .. }) => (Some(success), None),
            Ok(_) => (None, refused(6, "WrongExpectedVersion")),
            Err(status) if streams::is_too_large(&status) => (None, refused(3, "MaximumAppendSizeExceeded")),
            Err(status) => return Err(status),
        };
        Ok(BatchAppendResp { correlation_id, error, success, stream_identifier })
    }

    fn read(&self, options: &ReadOptions) -> Result<Vec<ReadResp>, Status> {
        lock(&self.streams).read(options)
    }

    /// Ends with the connection it is called over.
    async fn cut<T>(&self) -> T {
        self.up.send_modify(|_| {});
        std::future::pending().await
    }

    fn not_leader(&self) -> Status {
        let mut status = Status::not_found("the leader is elsewhere");
        let metadata = status.metadata_mut();
        metadata.insert("exception", MetadataValue::from_static("not-leader"));
        metadata.insert("leader-endpoint-host", MetadataValue::from_static("127.0.0.1"));
        metadata.insert("leader-endpoint-port", MetadataValue::from(self.address.port()));
        status
    }
}

/// Passes connections on to the server and drops them when they are cut.
async fn pass_on(outside: TcpListener, server: SocketAddr, up: watch::Receiver<bool>) {
    while let Ok((mut client, _)) = outside.accept().await {
        let mut up = up.clone();
        if !*up.borrow_and_update() {
            continue;
        }
        tokio::spawn(async move {
            let mut server = TcpStream::connect(server).await?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            tokio::select! {
                passed = tokio::io::copy_bidirectional(&mut client, &mut server) => passed.map(drop),
                _ = up.changed() => Ok(()),
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
