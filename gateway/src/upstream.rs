//! Calls to the services: encoded message in, encoded message out, no generated client per rpc.

use std::collections::HashMap;
use std::time::Duration;

use auth::Caller;
use bytes::{Buf as _, BufMut as _, Bytes};
use fault::{Code, Fault};
use ids::{OperationId, TenantId};
use runtime::{OPERATION_ID, Peer, Platform, USER_AGENT};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::plan::Plan;

/// The name under which the gateway signs assertions.
pub const ME: &str = "gateway";
/// Largest answer that is taken from a service.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The services behind the edge. One that is not configured refuses its calls and no others.
#[derive(Clone)]
pub struct Upstream {
    peers: HashMap<&'static str, Peer>,
}

impl Upstream {
    /// Every service that has a route, as the platform knows them.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        let names = contracts::methods().iter().map(|rpc| rpc.service.as_str());
        let peers = names.filter_map(|name| Some((name, platform.peer(ME, name).ok()?)));
        Self { peers: peers.collect() }
    }

    /// The service with this name.
    ///
    /// # Errors
    /// `service_unknown` when the fleet does not know where it is.
    pub fn peer(&self, service: &str) -> fault::Result<&Peer> {
        self.peers.get(service).ok_or_else(|| {
            Fault::new(Code::Unavailable, "service_unknown", "This part of the platform is not running.")
                .with_fact("service", service)
        })
    }

    /// Calls the rpc of `plan` for `caller`, who said to be `device`.
    ///
    /// # Errors
    /// What the service answers; `service_unreachable` or `call_timeout` when it does not.
    pub async fn call(
        &self,
        plan: &Plan,
        caller: &Caller,
        operation: OperationId,
        message: Bytes,
        device: Option<&str>,
        patience: Duration,
    ) -> fault::Result<Bytes> {
        let peer = self.peer(&plan.rpc.service)?;
        let mut request = peer.request_as(caller, message)?;
        let mut id = Uuid::encode_buffer();
        let id: &str = operation.as_uuid().hyphenated().encode_lower(&mut id);
        let id = MetadataValue::try_from(id).map_err(Fault::internal)?;
        request.metadata_mut().insert(OPERATION_ID, id);
        if let Some(device) = device.and_then(|device| MetadataValue::try_from(device).ok()) {
            request.metadata_mut().insert(USER_AGENT, device);
        }
        let call = unary(peer, plan, request);
        tokio::time::timeout(patience, call).await.unwrap_or_else(|_| {
            Err(Fault::new(Code::Timeout, "call_timeout", "No answer in time; the outcome may be unknown."))
        })
    }
}

async fn unary(peer: &Peer, plan: &Plan, request: Request<Bytes>) -> fault::Result<Bytes> {
    let mut client = Grpc::new(peer.channel()).max_decoding_message_size(ANSWER_BYTES_MAX);
    client.ready().await?;
    let answer = client.unary(request, plan.wire_path.clone(), Untouched).await?;
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
