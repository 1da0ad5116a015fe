//! WebSockets: conversations in both directions, for what server-sent events cannot do.
//!
//! A [`Conversation`] is what a part of the product holds with one caller at one path; this file is what
//! all conversations share. Who calls is known before the upgrade: by the session's cookie, by a bearer
//! header, or by the subprotocol `bearer.<token>` beside `vbwd.v1`, which is how scripts in browsers can
//! send a token. A browser's `Origin` must be the host's or one that the tenant allows. Messages have a
//! largest size; a silent client is pinged and then given up; the caller is looked at again with every
//! ping; at a drain the socket closes with 1001 and the client comes back elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::{Caller, permit};
use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use contracts::Access;
use fault::{Code, Fault};
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ids::TenantId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::gate::Gate;
use crate::problem::{self, Refusal};
use crate::reply::Reply;

/// Largest message from a client.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Pings without any sign of the client before it is given up.
const SILENCE_PINGS_MAX: u32 = 3;
const PROTOCOL: &str = "vbwd.v1";
const BEARER: &str = "bearer.";

/// What is talked about at one path.
pub trait Conversation: Send + Sync {
    /// Who may open it.
    fn access(&self) -> Access;

    /// Holds it with one caller until either side ends it.
    fn hold<'a>(&'a self, caller: Arc<Caller>, socket: Socket) -> BoxFuture<'a, ()>;
}

/// Conversations by path.
pub type Conversations = HashMap<&'static str, Arc<dyn Conversation>>;

/// One end of an open conversation.
pub struct Socket {
    stream: WebSocket,
    watch: Watch,
    silent_pings: u32,
    next_ping: Instant,
    _place: OwnedSemaphorePermit,
}

/// What is needed to look at the caller again.
struct Watch {
    gate: Arc<Gate>,
    access: Access,
    headers: HeaderMap,
    tenant: TenantId,
    address: IpAddr,
}

impl Gate {
    /// Upgrades a request for `conversation`.
    ///
    /// # Errors
    /// 401, 403 for who may not; 403 `origin_refused`; 426 for a request that is no upgrade; 503 when too
    /// many are open.
    pub(crate) async fn converse(
        self: &Arc<Self>,
        conversation: Arc<dyn Conversation>,
        parts: &mut Parts,
        tenant: TenantId,
    ) -> problem::Result<Reply> {
        take_token_from_protocols(&mut parts.headers)?;
        if parts.headers.contains_key(header::ORIGIN) && self.is_from_here(parts) != Some(true) {
            let message = "Pages of this origin may not open it.";
            return Err(Fault::new(Code::Forbidden, "origin_refused", message).into());
        }
        let address = self.proxies.client(parts);
        let (headers, access) = (parts.headers.clone(), conversation.access());
        let watch = Watch { gate: Arc::clone(self), access, headers, tenant, address };
        let caller = watch.admitted().await?;
        let too_many =
            |_| Fault::new(Code::Unavailable, "overloaded", "Too many sockets are open; try again.");
        let place = Arc::clone(&self.streams).try_acquire_owned().map_err(too_many)?;
        let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(|_| no_upgrade())?;
        let upgrade = upgrade
            .max_message_size(MESSAGE_BYTES_MAX)
            .max_frame_size(MESSAGE_BYTES_MAX)
            .protocols([PROTOCOL]);
        let response = upgrade.on_upgrade(move |stream| async move {
            let next_ping = Instant::now() + watch.beat();
            let socket = Socket { stream, watch, silent_pings: 0, next_ping, _place: place };
            conversation.hold(caller, socket).await;
        });
        Ok(Reply::Open(response))
    }
}

impl Watch {
    async fn admitted(&self) -> fault::Result<Arc<Caller>> {
        let (origin, now) = (self.address.to_string(), self.gate.clock.wall());
        let caller = self.gate.bearer.caller(&self.headers, self.tenant, Some(&origin), now).await?;
        permit(&caller, Some(&self.access))?;
        Ok(caller)
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(self.gate.config.heartbeat_seconds)
    }
}

impl Socket {
    /// The next message, text or bytes; `None` when the conversation is over, whoever ended it.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let drain = self.watch.gate.drain.clone();
            tokio::select! {
                () = drain.cancelled() => return self.close(1001, "draining").await,
                () = tokio::time::sleep_until(self.next_ping) => self.ping().await?,
                message = self.stream.recv() => match message {
                    Some(Ok(message)) => {
                        self.silent_pings = 0;
                        match message {
                            Message::Text(text) => return Some(text.into()),
                            Message::Binary(bytes) => return Some(bytes),
                            Message::Close(_) => return None,
                            Message::Ping(_) | Message::Pong(_) => {}
                        }
                    }
                    // Too large, malformed, or gone: the library has told the other side what it could.
                    Some(Err(_)) | None => return None,
                },
            }
        }
    }

    /// Sends text; `false` when the other side is gone.
    pub async fn send(&mut self, text: &str) -> bool {
        self.stream.send(Message::Text(text.into())).await.is_ok()
    }

    /// Asks for a sign of life, and whether the caller may still be here.
    async fn ping(&mut self) -> Option<()> {
        self.next_ping = Instant::now() + self.watch.beat();
        self.silent_pings += 1;
        if self.silent_pings > SILENCE_PINGS_MAX {
            return self.close(1001, "silent").await.map(|_: Bytes| ());
        }
        if let Err(fault) = self.watch.admitted().await {
            let reason = fault.reason().to_owned();
            return self.close(1008, &reason).await.map(|_: Bytes| ());
        }
        self.stream.send(Message::Ping(Bytes::new())).await.ok()
    }

    async fn close(&mut self, code: u16, reason: &str) -> Option<Bytes> {
        let frame = CloseFrame { code, reason: reason.into() };
        // The other side may be gone already; then there is nobody to tell.
        let _ = self.stream.send(Message::Close(Some(frame))).await;
        None
    }
}

/// Moves the token of a subprotocol into the header where every other token is.
fn take_token_from_protocols(headers: &mut HeaderMap) -> fault::Result<()> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let token = offered.and_then(|all| all.split(',').find_map(|one| one.trim().strip_prefix(BEARER)));
    let Some(value) = token.map(|token| HeaderValue::try_from(format!("Bearer {token}"))) else {
        return Ok(());
    };
    headers.entry(header::AUTHORIZATION).or_insert(value.map_err(Fault::internal)?);
    Ok(())
}

fn no_upgrade() -> Refusal {
    let message = "This path speaks WebSocket only.";
    Refusal::http(StatusCode::UPGRADE_REQUIRED, "upgrade_required", message)
        .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
}
