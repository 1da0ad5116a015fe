//! A proof that the person who calls knows the password of an account: to log in, and again before
//! anything that could take the account away from its owner.
//!
//! Look, verify, settle: the password is verified between two transactions, because hashing takes
//! long and must hold neither a connection nor a lock. What the verification means is settled under
//! the lock of the address. So a hundred guesses sent at once are worth no more than five: whoever
//! comes to the lock after the fifth failure is told "locked", even with the right password.
//! Whether anybody has the address changes neither the steps nor their cost.

use eventstore::{CommandContext, UnitOfWork};
use ids::{TenantId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::app::Identity;
use crate::audit::{self, Action};
use crate::events::{ADDRESS, IdentityEvent, LoginFailed, LoginLocked, USER};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::lockout::{self, Guard};
use crate::tables::users::{Credentials, Status};
use crate::tables::{challenges, guards, persons, users};

/// An attempt, as far as it is known before the password is verified.
pub(super) struct Attempt<'a> {
    pub(super) context: &'a CommandContext,
    pub(super) origin: Option<&'a str>,
    pub(super) digest: [u8; 32],
    pub(super) now: Timestamp,
    /// The log-in whose second half it is.
    pub(super) challenge: Option<Uuid>,
}

/// What an attempt has shown; it still has to be settled.
pub(super) struct Proof {
    pub(super) known: Credentials,
    digest: [u8; 32],
    now: Timestamp,
    /// The hash the password was verified against, and its replacement when that is outdated. None of
    /// an account without a password, whose session was opened a moment ago.
    hash: Option<String>,
    renewed: Option<String>,
}

impl Proof {
    /// The address it is about, as its failures are counted.
    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The proof of somebody who has no password and has just signed in otherwise.
    pub(super) const fn without_password(known: Credentials, digest: [u8; 32], now: Timestamp) -> Self {
        Self { known, digest, now, hash: None, renewed: None }
    }
}

impl Identity {
    /// The attempt to act as whoever has `address`.
    pub(super) fn attempt<'a>(
        &self,
        context: &'a CommandContext,
        origin: Option<&'a str>,
        address: &EmailAddress,
    ) -> Attempt<'a> {
        let digest = self.secrets.address_digest(context.tenant, address);
        Attempt { context, origin, digest, now: self.clock.wall(), challenge: None }
    }

    /// Verifies the password of whoever has `address`, and counts a failure.
    ///
    /// # Errors
    /// `credentials_invalid`, `account_locked`.
    pub(super) async fn prove(
        &self,
        attempt: &Attempt<'_>,
        address: &EmailAddress,
        password: SecretString,
    ) -> fault::Result<Proof> {
        let known = self.look(attempt, address).await?;
        let hash = known.as_ref().and_then(|known| known.password_hash.clone());
        let verified = self.hasher.verify(password.clone(), hash.clone()).await?;
        let (Some(known), Some(hash), true) = (known.clone(), hash, verified.matches) else {
            return Err(self.settle_failure(attempt, known.map(|known| known.user)).await?.into());
        };
        let renewed = match verified.outdated {
            true => Some(self.hasher.hash(password).await?),
            false => None,
        };
        Ok(Proof { known, digest: attempt.digest, now: attempt.now, hash: Some(hash), renewed })
    }

    /// Settles a proof within the transaction that acts on it: the address may have been locked, or
    /// the user suspended or given another password, while this one was verified.
    ///
    /// # Errors
    /// `account_locked`, `credentials_invalid`, `account_suspended`.
    pub(super) async fn settle(&self, unit: &mut UnitOfWork, proof: &Proof) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        self.forgive(unit, tenant, &proof.digest, proof.now).await?;
        self.settle_user(unit, proof).await
    }

    /// As [`Self::settle`], for a proof that is only the first half: failures are not forgotten, or
    /// whoever knows the password could guess at the second half for ever.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub(super) async fn settle_half(&self, unit: &mut UnitOfWork, proof: &Proof) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        let guard = guards::hold(unit.connection(), tenant, &proof.digest, proof.now).await?;
        refuse_locked(Some(&guard), proof.now)?;
        self.settle_user(unit, proof).await
    }

    /// Forgets the failures of an address, under its lock, unless it is locked.
    ///
    /// # Errors
    /// `account_locked`.
    pub(super) async fn forgive(
        &self,
        unit: &mut UnitOfWork,
        tenant: TenantId,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> fault::Result<()> {
        let standing = guards::forgive(unit.connection(), tenant, digest, now).await?;
        Ok(refuse_locked(standing.as_ref(), now)?)
    }

    async fn settle_user(&self, unit: &mut UnitOfWork, proof: &Proof) -> fault::Result<()> {
        let (tenant, user) = (unit.context()?.tenant, proof.known.user);
        users::lock(unit.connection(), tenant, user).await?;
        if let (Some(new), Some(old)) = (&proof.renewed, &proof.hash) {
            users::replace_hash(unit.connection(), tenant, user, old, new).await?;
        }
        let valid = proof.renewed.as_ref().or(proof.hash.as_ref());
        let present = users::hold_credentials(unit.connection(), tenant, user).await?;
        match present.filter(|present| present.password_hash.as_ref() == valid) {
            None => Err(Rejection::CredentialsInvalid.into()),
            Some(present) if present.status == Status::Active => Ok(()),
            Some(_) => {
                crate::metrics::log_in("account_suspended");
                Err(Rejection::AccountSuspended.into())
            }
        }
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
    pub(super) async fn settle_failure(
        &self,
        attempt: &Attempt<'_>,
        user: Option<UserId>,
    ) -> fault::Result<Rejection> {
        let tenant = attempt.context.tenant;
        let mut unit = self.store.begin(attempt.context).await?;
        let guard = guards::hold(unit.connection(), tenant, &attempt.digest, attempt.now).await?;
        if let Err(locked) = refuse_locked(Some(&guard), attempt.now) {
            unit.rollback().await?;
            return Ok(locked);
        }
        let (guard, locked) = lockout::after_failure(Some(guard), &self.config.lockout, attempt.now);
        guards::save(unit.connection(), tenant, &attempt.digest, &guard).await?;
        if let Some(challenge) = attempt.challenge {
            challenges::count_failure(unit.connection(), tenant, challenge).await?;
        }
        let (kind, stream) = stream_of(user, &attempt.digest);
        let failed = self.failure(&mut unit, attempt, user).await?;
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

    /// Where a failure came from is sealed when it is about a person. A key is looked for in any case:
    /// what is done must not tell whether anybody has the address.
    async fn failure(
        &self,
        unit: &mut UnitOfWork,
        attempt: &Attempt<'_>,
        user: Option<UserId>,
    ) -> fault::Result<LoginFailed> {
        let (origin, sealed_origin) = match (user, attempt.origin) {
            (Some(user), Some(origin)) => {
                (None, self.seal_for(unit.connection(), attempt.context.tenant, user, origin).await?)
            }
            (None, origin) => {
                let nobody = UserId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, &attempt.digest));
                persons::find(unit.connection(), attempt.context.tenant, nobody).await?;
                (origin.map(str::to_owned), None)
            }
            (Some(_), None) => (None, None),
        };
        Ok(LoginFailed { user, origin, sealed_origin })
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
}

pub(super) fn refuse_locked(guard: Option<&Guard>, now: Timestamp) -> Result<(), Rejection> {
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
