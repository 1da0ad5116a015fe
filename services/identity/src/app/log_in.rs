//! Log-in.
//!
//! Look, verify, settle: the password is verified between two transactions, because hashing takes
//! long and must hold neither a connection nor a lock. What the verification means is settled under
//! the lock of the address. So a hundred guesses sent at once are worth no more than five: whoever
//! comes to the lock after the fifth failure is told "locked", even with the right password.
//! Whether anybody has the address changes neither the steps nor their cost.

use eventstore::{CommandContext, UnitOfWork};
use ids::{SessionId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::app::{Identity, TokenPair, later};
use crate::audit::{self, Action};
use crate::events::{ADDRESS, IdentityEvent, LoginFailed, LoginLocked, USER};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::lockout::{self, Guard};
use crate::tables::sessions::NewSession;
use crate::tables::users::{Credentials, Status};
use crate::tables::{guards, sessions, users};

/// An attempt, as far as it is known before the password is verified.
struct Attempt<'a> {
    context: &'a CommandContext,
    origin: Option<&'a str>,
    digest: [u8; 32],
    now: Timestamp,
}

impl Identity {
    /// Opens a session.
    ///
    /// # Errors
    /// `credentials_invalid`, `account_locked`, `account_suspended`.
    pub(crate) async fn log_in(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        email: &str,
        password: SecretString,
    ) -> fault::Result<TokenPair> {
        let address = EmailAddress::parse(email).ok_or(Rejection::EmailMalformed)?;
        let digest = self.secrets.address_digest(context.tenant, &address);
        let attempt = Attempt { context, origin, digest, now: self.clock.wall() };
        let known = self.look(&attempt, &address).await?;
        let hash = known.as_ref().map(|known| known.password_hash.clone());
        let verified = self.hasher.verify(password.clone(), hash).await?;
        let Some(known) = known.clone().filter(|_| verified.matches) else {
            return Err(self.settle_failure(&attempt, known.map(|known| known.user)).await?.into());
        };
        let renewed = match verified.outdated {
            true => Some(self.hasher.hash(password).await?),
            false => None,
        };
        self.settle_success(&attempt, &known, renewed).await
    }

    /// Whose address it is; refuses at once while the address is locked.
    async fn look(
        &self,
        attempt: &Attempt<'_>,
        address: &EmailAddress,
    ) -> fault::Result<Option<Credentials>> {
        let tenant = attempt.context.tenant;
        let mut transaction = self.store.read(tenant).await?;
        let guard = guards::look(&mut transaction, tenant, &attempt.digest).await?;
        let known = users::credentials(&mut transaction, tenant, address).await?;
        transaction.rollback().await.map_err(eventstore::storage)?;
        refuse_locked(guard.as_ref(), attempt.now)?;
        Ok(known)
    }

    /// Counts a failure, unless the address was locked meanwhile.
    async fn settle_failure(&self, attempt: &Attempt<'_>, user: Option<UserId>) -> fault::Result<Rejection> {
        let tenant = attempt.context.tenant;
        let mut unit = self.store.begin(attempt.context).await?;
        let guard = guards::hold(unit.connection(), tenant, &attempt.digest, attempt.now).await?;
        if let Err(locked) = refuse_locked(Some(&guard), attempt.now) {
            unit.rollback().await?;
            return Ok(locked);
        }
        let (guard, locked) = lockout::after_failure(Some(guard), &self.config.lockout, attempt.now);
        guards::save(unit.connection(), tenant, &attempt.digest, &guard).await?;
        let (kind, stream) = stream_of(user, &attempt.digest);
        let failed = LoginFailed { user, origin: attempt.origin.map(str::to_owned) };
        unit.append_fact(kind, stream, IdentityEvent::LoginFailed(failed)).await?;
        if let Some(until) = locked {
            let event = IdentityEvent::LoginLocked(LoginLocked { user, until });
            unit.append_fact(kind, stream, event).await?;
            self.record_lock(&mut unit, attempt, format!("{kind}/{stream}"), &guard).await?;
        }
        unit.commit().await?;
        crate::metrics::log_in("credentials_invalid");
        Ok(Rejection::CredentialsInvalid)
    }

    async fn record_lock(
        &self,
        unit: &mut UnitOfWork,
        attempt: &Attempt<'_>,
        target: String,
        guard: &Guard,
    ) -> fault::Result<()> {
        let after = json!({ "locks": guard.locks, "locked_until": guard.locked_until });
        let action = Action {
            name: "login.locked",
            target,
            origin: attempt.origin,
            at: attempt.now,
            before: None,
            after: Some(after),
        };
        audit::record(unit, action).await
    }

    async fn settle_success(
        &self,
        attempt: &Attempt<'_>,
        known: &Credentials,
        renewed: Option<String>,
    ) -> fault::Result<TokenPair> {
        let (tenant, now) = (attempt.context.tenant, attempt.now);
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(attempt.context).await?;
        let standing = guards::forgive(unit.connection(), tenant, &attempt.digest, now).await?;
        refuse_locked(standing.as_ref(), now)?;
        if let Some(new) = &renewed {
            users::replace_hash(unit.connection(), tenant, known.user, &known.password_hash, new).await?;
        }
        let valid_hash = renewed.as_ref().unwrap_or(&known.password_hash);
        self.still_welcome(&mut unit, known.user, valid_hash).await?;
        let session = NewSession {
            id: SessionId::new(),
            user: known.user,
            origin: attempt.origin,
            at: now,
            expires_at: later(now, self.config.session_life_seconds),
        };
        sessions::insert(unit.connection(), tenant, &session).await?;
        let family = (known.user, session.id);
        let pair = self.issue(unit.connection(), &keys, attempt.context, family, now).await?;
        unit.commit().await?;
        crate::metrics::log_in("ok");
        Ok(pair)
    }

    /// The user may have been suspended, or given another password, while this one was verified.
    async fn still_welcome(&self, unit: &mut UnitOfWork, user: UserId, hash: &str) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        let present = users::hold_credentials(unit.connection(), tenant, user).await?;
        match present.filter(|present| present.password_hash == hash) {
            None => Err(Rejection::CredentialsInvalid.into()),
            Some(present) if present.status == Status::Suspended => {
                crate::metrics::log_in("account_suspended");
                Err(Rejection::AccountSuspended.into())
            }
            Some(_) => Ok(()),
        }
    }
}

fn refuse_locked(guard: Option<&Guard>, now: Timestamp) -> Result<(), Rejection> {
    let Some(retry_after_seconds) = guard.and_then(|guard| guard.locked_for_seconds(now)) else {
        return Ok(());
    };
    crate::metrics::log_in("account_locked");
    Err(Rejection::AccountLocked { retry_after_seconds })
}

/// Where facts about an attempt are kept: with the user, or with the digest of an address that
/// nobody has.
fn stream_of(user: Option<UserId>, digest: &[u8; 32]) -> (&'static str, Uuid) {
    match user {
        Some(user) => (USER, user.as_uuid()),
        None => (ADDRESS, Uuid::new_v5(&Uuid::NAMESPACE_OID, digest)),
    }
}
