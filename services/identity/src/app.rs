//! The use cases: gather facts, ask the rule, write everything in one transaction.
//!
//! Two clocks: what a customer sees as business time (`created_at`, events) is the tenant's; what
//! protects (locks, lives of tokens and sessions, the audit trail) is the machine's, so that a
//! tenant's test clock neither opens a lock nor ends a session.
//!
//! Locks are taken in this order, which is why no two use cases can deadlock: administration of the
//! tenant, login guard, user, session with its tokens or ticket, source, event stream, head of the audit chain.

mod authority;
mod challenge;
mod email;
mod erase;
mod federated;
mod host_claim;
mod impersonate;
mod invitation;
mod key;
mod letters;
mod level;
mod log_in;
mod log_out;
mod passkey;
mod password;
mod permission;
mod persons;
mod place;
mod platform;
mod policy;
mod profile;
mod proof;
mod provider;
mod refresh;
mod register;
mod role;
mod routing;
mod second_factor;
mod second_proof;
mod settings;
mod source;
mod source_control;
mod trail;
mod upkeep;
mod user;

use std::sync::Arc;

use auth::{Caller, Permissions, Via};
use eventstore::{CommandContext, EventStore};
use ids::{SessionId, UserId};
use jiff::{SignedDuration, Timestamp};
use kernel::Clock;
use secrecy::SecretString;
use sqlx::PgConnection;

use crate::config::Config;
use crate::federation::Outside;
use crate::hashing::Hasher;
use crate::host_probe::HostProbe;
use crate::secrets::{Secrets, random, token_digest};
use crate::signing::{Loaded, SigningKeys};
use crate::tables::{levels, refresh_tokens, roles};

pub(crate) use authority::Authority;
pub(crate) use challenge::Pending;
pub(crate) use federated::Arrival;
pub(crate) use invitation::NewMember;
pub(crate) use key::KeyWish;
pub(crate) use log_in::LogIn;
pub(crate) use place::Place;
pub(crate) use profile::{Edit, Profile};
pub(crate) use provider::Wanted;
pub(crate) use register::NewAccount;
pub(crate) use routing::Routing;
pub(crate) use second_proof::Answer;
pub(crate) use settings::TenantWords;
pub(crate) use source::Account;
pub(crate) use user::{Cause, Me};

/// The use cases of identity.
pub struct Identity {
    pub(crate) store: EventStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    pub(crate) hasher: Hasher,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) keys: SigningKeys,
    pub(crate) outside: Outside,
    pub(crate) probe: HostProbe,
}

/// A pair of tokens.
pub struct TokenPair {
    /// The session both belong to.
    pub session: SessionId,
    /// JWT.
    pub access_token: String,
    /// Life of the access token.
    pub expires_in_seconds: u32,
    /// Opaque, good once.
    pub refresh_token: String,
}

/// A session, as the family of the tokens that belong to it.
struct Family {
    user: UserId,
    session: SessionId,
    impersonator: Option<UserId>,
    methods: Vec<String>,
    ends_at: Timestamp,
}

impl Identity {
    /// The use cases over `store`, with keys derived from the fleet secret.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn new(
        store: EventStore,
        clock: Arc<dyn Clock>,
        fleet_secret: &SecretString,
        config: Config,
    ) -> fault::Result<Self> {
        config.validate()?;
        let secrets = Arc::new(Secrets::derive(fleet_secret)?);
        let keys = SigningKeys::new(store.clone(), Arc::clone(&secrets), config.access_token_life_seconds);
        let hasher = Hasher::new(&config.hashing)?;
        let outside = Outside::new(&config.federation)?;
        let probe = HostProbe::new(&config.hosts)?;
        Ok(Self { store, clock, config, hasher, secrets, keys, outside, probe })
    }

    /// Writes a fresh refresh token into the family and signs an access token with what the user
    /// may do now.
    async fn issue(
        &self,
        on: &mut PgConnection,
        keys: &Loaded,
        context: &CommandContext,
        family: Family,
        now: Timestamp,
    ) -> fault::Result<TokenPair> {
        self.let_in(on, context.tenant).await?;
        let Family { user, session, impersonator, methods, ends_at } = family;
        let token = random::<32>()?;
        let expires_at = later(now, self.config.refresh_token_life_seconds).min(ends_at);
        refresh_tokens::insert(on, context.tenant, session, &token_digest(&token), now, expires_at).await?;
        let (names, permissions) = roles::held_by(on, context.tenant, user).await?;
        let levels = levels::held_by(on, context.tenant, user, now).await?;
        let caller = Caller {
            subject: auth::Subject::User(user),
            session: Some(session),
            roles: names,
            permissions,
            levels,
            via: impersonator.map(Via::Impersonator),
            methods,
            ..Caller::anonymous(context.tenant)
        };
        let left = u32::try_from(ends_at.duration_since(now).as_secs()).unwrap_or(1).max(1);
        let life = self.config.access_token_life_seconds.min(left);
        Ok(TokenPair {
            session,
            access_token: keys.issuer().issue(&caller, now, i64::from(life))?,
            expires_in_seconds: life,
            refresh_token: encode_token(&token),
        })
    }

    /// What the caller may hand out: what the token says and what the tables say now. Services may
    /// hand out everything.
    async fn authority(&self, on: &mut PgConnection, caller: &Caller) -> fault::Result<Vec<Permissions>> {
        if caller.is_service() {
            return Ok(vec![Permissions::all()]);
        }
        let (_, held) = roles::held_by(on, caller.tenant, caller.user()?).await?;
        Ok(vec![caller.permissions.clone(), held])
    }
}

/// `seconds` after `at`.
fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

fn encode_token(token: &[u8; 32]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token)
}

/// The bytes of a refresh token; `None` when the text is none.
fn decode_token(text: &str) -> Option<[u8; 32]> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_tokens_survive_text_and_nothing_else_is_one() {
        assert_eq!(decode_token(&encode_token(&[7; 32])), Some([7; 32]));
        for text in ["", "abc", "!!!!", &"A".repeat(42), &"A".repeat(44), &"A".repeat(10_000)] {
            assert_eq!(decode_token(text), None, "{}", text.len());
        }
    }
}
