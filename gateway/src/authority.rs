//! What a caller may do right now.
//!
//! A token says who calls; what that means is asked of identity and kept for seconds, so that a change
//! of roles, a suspension or the end of a session is effective on the next call and not when the token
//! expires. Three things drop what is kept: identity's events, heard over NATS by every replica within
//! milliseconds; a change that went through this replica, before its answer leaves; and age, which
//! bounds what a lost notice can cost. While identity cannot answer, what was known goes on being true,
//! and then what the token says: nobody can change anything in that time. Whoever a notice was about is
//! refused instead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Caller, Permissions, Subject, Via};
use bus::Bus;
use contracts::vbwd::identity::v1::authority_service_client::AuthorityServiceClient;
use contracts::vbwd::identity::v1::{Authority, ResolveApiKeyRequest, ResolveSessionRequest};
use fault::{Code, Fault};
use futures::StreamExt as _;
use ids::{SessionId, TenantId, UserId};
use moka::sync::Cache;
use runtime::Drain;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::upstream::{self, Upstream};

/// What a lost notice can cost.
const FRESH: Duration = Duration::from_secs(10);
/// How long a call waits for an answer about its caller.
const PATIENCE: Duration = Duration::from_secs(2);
const USABLE: Duration = Duration::from_secs(600);
const REMEMBERED_MAX: u64 = 100_000;
/// How every API key begins.
const KEY_PREFIX: &str = "vbwd_";

/// Events that change what somebody may do. When you add one to identity, also add it here.
const CHANGES: [&str; 15] = [
    "tenant.suspended",
    "tenant.reactivated",
    "tenant.deletion_scheduled",
    "tenant.purged",
    "user.roles_changed",
    "user.suspended",
    "user.activated",
    "user.erased",
    "user.access_changed",
    "session.ended",
    "session.reuse_detected",
    "role.changed",
    "access_level.changed",
    "api_key.revoked",
    "second_factor_policy.changed",
];

/// Knows what callers may do.
pub struct Authorities {
    upstream: Upstream,
    known: Cache<Key, Known>,
    /// When something changed: for one user, or for everybody in a tenant.
    changed: Cache<(TenantId, Option<UserId>), Instant>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Session(TenantId, UserId, SessionId),
    Secret(TenantId, [u8; 32]),
}

#[derive(Clone)]
struct Known {
    caller: Arc<Caller>,
    /// Before it was asked for, so that a change while the answer was under way counts as later.
    since: Instant,
}

#[derive(Deserialize)]
struct Notice {
    #[serde(rename = "type")]
    kind: String,
    tenantid: TenantId,
    data: About,
}

#[derive(Deserialize)]
struct About {
    #[serde(rename = "userId", default)]
    user: Option<UserId>,
}

impl Authorities {
    /// Nothing known yet.
    #[must_use]
    pub fn new(upstream: Upstream) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(USABLE).build();
        let changed = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(USABLE).build();
        Self { upstream, known, changed }
    }

    /// The caller that a valid token names, with what the user holds now.
    ///
    /// # Errors
    /// `session_ended`; unavailable when something has changed and identity cannot say what.
    pub async fn of_token(&self, token: Arc<Caller>) -> fault::Result<Arc<Caller>> {
        let (Subject::User(user), Some(session)) = (&token.subject, token.session) else {
            return Ok(token);
        };
        let (tenant, user) = (token.tenant, *user);
        let key = Key::Session(tenant, user, session);
        let known = self.known.get(&key).filter(|known| self.is_current(known));
        if let Some(known) = known.as_ref().filter(|known| known.since.elapsed() < FRESH) {
            return Ok(Arc::clone(&known.caller));
        }
        let since = Instant::now();
        match self.ask_session(tenant, user, session).await {
            Ok(held) => {
                let caller = Arc::new(with_authority(Arc::unwrap_or_clone(token), held)?);
                self.known.insert(key, Known { caller: Arc::clone(&caller), since });
                Ok(caller)
            }
            Err(fault) if matches!(fault.reason(), "session_ended" | "tenant_suspended") => {
                self.known.invalidate(&key);
                Err(fault)
            }
            Err(fault) => {
                let unchanged = self.changed_since(tenant, user).is_none().then_some(token);
                let caller = known.map(|known| known.caller).or(unchanged).ok_or(fault)?;
                // Kept as if it were fresh: a dead identity is not asked again by every call.
                self.known.insert(key, Known { caller: Arc::clone(&caller), since });
                Ok(caller)
            }
        }
    }

    /// The caller behind an API key; `None` when `token` is none.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired`; unavailable when identity cannot say.
    pub async fn of_key(
        &self,
        token: &str,
        tenant: TenantId,
        origin: Option<&str>,
    ) -> fault::Result<Option<Arc<Caller>>> {
        if !token.starts_with(KEY_PREFIX) {
            return Ok(None);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let key = Key::Secret(tenant, digest);
        let known = self.known.get(&key).filter(|known| self.is_current(known));
        if let Some(known) = known.as_ref().filter(|known| known.since.elapsed() < FRESH) {
            return Ok(Some(Arc::clone(&known.caller)));
        }
        let since = Instant::now();
        match self.ask_key(tenant, digest, origin).await {
            Ok(caller) => {
                let caller = Arc::new(caller);
                self.known.insert(key, Known { caller: Arc::clone(&caller), since });
                Ok(Some(caller))
            }
            Err(fault) if fault.is_transient() && known.is_some() => Ok(known.map(|known| known.caller)),
            Err(fault) => Err(fault),
        }
    }

    /// Something in this tenant has changed through this replica.
    pub fn changed(&self, tenant: TenantId, user: Option<UserId>) {
        self.changed.insert((tenant, user), Instant::now());
    }

    /// Hears what changes through others.
    ///
    /// # Errors
    /// When the subscription cannot be made.
    pub async fn listen(self: Arc<Self>, bus: Bus, drain: Drain) -> fault::Result<()> {
        let subject = bus.subject("evt.*.identity.>");
        let unreachable = |error| Fault::unavailable("broker_unavailable", error);
        let mut heard = bus.client().subscribe(subject).await.map_err(unreachable)?;
        loop {
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                message = heard.next() => match message {
                    Some(message) => self.hear(&message.payload),
                    None => return Err(Fault::unavailable("broker_unavailable", "the subscription ended")),
                },
            }
        }
    }

    fn hear(&self, payload: &[u8]) {
        let Ok(notice) = serde_json::from_slice::<Notice>(payload) else { return };
        if CHANGES.contains(&notice.kind.as_str()) {
            self.changed(notice.tenantid, notice.data.user);
        }
    }

    fn is_current(&self, known: &Known) -> bool {
        let Subject::User(user) = known.caller.subject else { return false };
        self.changed_since(known.caller.tenant, user).is_none_or(|changed| changed < known.since)
    }

    fn changed_since(&self, tenant: TenantId, user: UserId) -> Option<Instant> {
        self.changed.get(&(tenant, None)).max(self.changed.get(&(tenant, Some(user))))
    }

    async fn ask_session(
        &self,
        tenant: TenantId,
        user: UserId,
        session: SessionId,
    ) -> fault::Result<Authority> {
        let peer = self.upstream.peer("identity")?;
        let message = ResolveSessionRequest { user_id: user.to_string(), session_id: session.to_string() };
        let request = upstream::own(peer, Some(tenant), message)?;
        let mut client = AuthorityServiceClient::new(peer.channel());
        let answer = in_time(client.resolve_session(request)).await?;
        answer.into_inner().authority.ok_or_else(|| Fault::internal("an answer without authority"))
    }

    async fn ask_key(
        &self,
        tenant: TenantId,
        digest: [u8; 32],
        origin: Option<&str>,
    ) -> fault::Result<Caller> {
        let peer = self.upstream.peer("identity")?;
        let origin_address = origin.unwrap_or_default().to_owned();
        let message = ResolveApiKeyRequest { key_digest: digest.to_vec(), origin_address };
        let request = upstream::own(peer, Some(tenant), message)?;
        let mut client = AuthorityServiceClient::new(peer.channel());
        let answer = in_time(client.resolve_api_key(request)).await?.into_inner();
        let held = answer.authority.ok_or_else(|| Fault::internal("an answer without authority"))?;
        let owner = held.user_id.parse().map_err(Fault::internal)?;
        let via = Via::Key(answer.key_id.parse().map_err(Fault::internal)?);
        let nobody = Caller::anonymous(tenant);
        with_authority(Caller { subject: Subject::User(owner), via: Some(via), ..nobody }, held)
    }
}

async fn in_time<T>(asking: impl Future<Output = Result<T, tonic::Status>>) -> fault::Result<T> {
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    let late = |_| Fault::new(Code::Timeout, "call_timeout", "No answer in time.");
    Ok(answer.map_err(late)??)
}

fn with_authority(caller: Caller, held: Authority) -> fault::Result<Caller> {
    let permissions = Permissions::new(held.permissions).map_err(Fault::internal)?;
    Ok(Caller { roles: held.roles, permissions, levels: held.levels, ..caller })
}
