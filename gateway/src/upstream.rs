//! Calls to the services: encoded message in, encoded message out, no generated client per rpc.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::Caller;
use bytes::{Buf as _, BufMut as _, Bytes};
use fault::{Code, Fault};
use ids::{OperationId, TenantId};
use runtime::{OPERATION_ID, Peer, Platform, USER_AGENT};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataValue;
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

use crate::breaker::{Breaker, is_silence, is_torn};
use crate::metrics;
use crate::plan::Plan;

/// The name under which the gateway signs assertions.
pub const ME: &str = "gateway";
/// Largest answer that is taken from a service.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Before a call that got no answer is made again: time for a connection to be replaced.
const RETRY_PAUSE: Duration = Duration::from_millis(30);

/// The services behind the edge. One that is not configured refuses its calls and no others.
#[derive(Clone)]
pub struct Upstream {
    peers: HashMap<&'static str, (Peer, Arc<Breaker>)>,
}

impl Upstream {
    /// Every service that has a route, as the platform knows them.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        let names = contracts::methods().iter().map(|rpc| rpc.service.as_str());
        let mut peers = HashMap::new();
        for name in names {
            if let Ok(peer) = platform.peer(ME, name) {
                peers.entry(name).or_insert_with(|| (peer, Arc::default()));
            }
        }
        Self { peers }
    }

    /// The service with this name.
    ///
    /// # Errors
    /// `service_unknown` when the fleet does not know where it is.
    pub fn peer(&self, service: &str) -> fault::Result<&Peer> {
        self.guarded(service).map(|(peer, _)| peer)
    }

    fn guarded(&self, service: &str) -> fault::Result<&(Peer, Arc<Breaker>)> {
        self.peers.get(service).ok_or_else(|| {
            Fault::new(Code::Unavailable, "service_unknown", "This part of the platform is not running.")
                .with_fact("service", service)
        })
    }

    /// Calls the rpc of `plan` for `caller`, who said to be `device`. A call that got no answer because
    /// its connection broke is made once more: every rpc is idempotent by its operation id.
    ///
    /// # Errors
    /// What the service answers; `service_unreachable` or `call_timeout` when it does not, and
    /// `service_unavailable` at once while it has not answered for a while.
    pub async fn call(
        &self,
        plan: &Plan,
        caller: &Caller,
        operation: OperationId,
        message: Bytes,
        device: Option<&str>,
        patience: Duration,
    ) -> fault::Result<Bytes> {
        let service = plan.rpc.service.as_str();
        let (peer, breaker) = self.guarded(service)?;
        let deadline = tokio::time::Instant::now() + patience;
        let mut retried = false;
        loop {
            breaker.admit(service, Instant::now())?;
            let request = request(peer, caller, operation, message.clone(), device)?;
            let answer = tokio::time::timeout_at(deadline, unary(peer, plan, request)).await;
            let outcome = answer.unwrap_or_else(|_| Err(late()));
            note(service, breaker, &outcome);
            match outcome {
                Err(fault) if !retried && is_torn(&fault) && breaker.may_retry() => {
                    retried = true;
                    metrics::retried(&plan.rpc.service);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Opens the stream of the rpc of `plan` for `caller`.
    ///
    /// # Errors
    /// As [`Upstream::call`].
    pub async fn open(
        &self,
        plan: &Plan,
        caller: &Caller,
        operation: OperationId,
        message: Bytes,
        patience: Duration,
    ) -> fault::Result<Streaming<Bytes>> {
        let service = plan.rpc.service.as_str();
        let (peer, breaker) = self.guarded(service)?;
        breaker.admit(service, Instant::now())?;
        let request = request(peer, caller, operation, message, None)?;
        let outcome = tokio::time::timeout(patience, streaming(peer, plan, request)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(late()));
        note(service, breaker, &outcome);
        outcome
    }
}

fn note<T>(service: &str, breaker: &Breaker, outcome: &fault::Result<T>) {
    match outcome {
        Err(fault) if is_silence(fault) => {
            if breaker.silent(Instant::now()) {
                tracing::warn!(service, "the service does not answer; its callers are refused for a while");
                metrics::circuit(service, true);
            }
        }
        _ => {
            if breaker.answered() {
                tracing::info!(service, "the service answers again");
                metrics::circuit(service, false);
            }
        }
    }
}

fn late() -> Fault {
    Fault::new(Code::Timeout, "call_timeout", "No answer in time; the outcome may be unknown.")
}

fn request(
    peer: &Peer,
    caller: &Caller,
    operation: OperationId,
    message: Bytes,
    device: Option<&str>,
) -> fault::Result<Request<Bytes>> {
    let mut request = peer.request_as(caller, message)?;
    let mut id = Uuid::encode_buffer();
    let id: &str = operation.as_uuid().hyphenated().encode_lower(&mut id);
    let id = MetadataValue::try_from(id).map_err(Fault::internal)?;
    request.metadata_mut().insert(OPERATION_ID, id);
    if let Some(device) = device.and_then(|device| MetadataValue::try_from(device).ok()) {
        request.metadata_mut().insert(USER_AGENT, device);
    }
    Ok(request)
}

async fn unary(peer: &Peer, plan: &Plan, request: Request<Bytes>) -> fault::Result<Bytes> {
    let mut client = Grpc::new(peer.channel()).max_decoding_message_size(ANSWER_BYTES_MAX);
    client.ready().await?;
    let answer = client.unary(request, plan.wire_path.clone(), Untouched).await?;
    Ok(answer.into_inner())
}

async fn streaming(peer: &Peer, plan: &Plan, request: Request<Bytes>) -> fault::Result<Streaming<Bytes>> {
    let mut client = Grpc::new(peer.channel()).max_decoding_message_size(ANSWER_BYTES_MAX);
    client.ready().await?;
    let answer = client.server_streaming(request, plan.wire_path.clone(), Untouched).await?;
    Ok(answer.into_inner())
}

/// A request by the gateway on its own account; `tenant` is absent before one is known.
///
/// # Errors
/// `internal` when it cannot be signed.
pub fn own<M>(peer: &Peer, tenant: Option<TenantId>, message: M) -> fault::Result<Request<M>> {
    let tenant = tenant.unwrap_or(TenantId::from_uuid(Uuid::nil()));
    peer.request_as(&Caller::service(ME, tenant), message)
}

/// A codec that leaves messages as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Untouched;

impl Codec for Untouched {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Untouched {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.len());
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Untouched {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
