//! One's own second factors: enrol, confirm, disable, recovery codes.
//!
//! A secret counts once a code has confirmed it, so that a mistyped one locks nobody out. Recovery
//! codes come with the first factor, are told once and kept as keyed digests. Everything that weakens
//! the account wants both factors; every change is told by letter.

mod enrolment;

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{TenantId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;

use crate::app::Identity;
use crate::app::letters::Draft;
use crate::app::proof::{Attempt, refuse_locked};
use crate::app::second_proof::Answer;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, SecondFactorChanged, USER};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::second_factor::{Factors, RECOVERY_CODE_LENGTH, RECOVERY_CODES, heard, spoken};
use crate::secrets::random;
use crate::tables::factors::{self};
use crate::tables::{challenges, guards, passkeys, sessions, users};

/// A user's second factors, as the user sees them.
pub(crate) struct Overview {
    pub(crate) factors: Factors,
    pub(crate) totp_confirmed_at: Option<Timestamp>,
    pub(crate) required: bool,
}

impl Identity {
    /// The caller's second factors.
    ///
    /// # Errors
    /// `own_session_required`.
    pub(crate) async fn second_factors(&self, caller: &Caller) -> fault::Result<Overview> {
        let (user, _) = caller.own_session()?;
        let mut transaction = self.store.read(caller.tenant).await?;
        let factors = factors::of(&mut transaction, caller.tenant, user).await?;
        let totp = factors::totp(&mut transaction, caller.tenant, user).await?;
        let required = self.is_too_weak(&mut transaction, caller.tenant, user, (&[], false)).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(Overview { factors, totp_confirmed_at: totp.and_then(|totp| totp.confirmed_at), required })
    }

    /// Forgets the caller's authenticator app.
    ///
    /// # Errors
    /// As [`Self::begin_proven`]; `second_factor_missing`.
    pub(crate) async fn disable_totp(
        &self,
        caller: &Caller,
        context: &CommandContext,
        password: SecretString,
        answer: Option<Answer>,
    ) -> fault::Result<()> {
        let (user, _) = caller.own_session()?;
        let mut unit = self.begin_proven(caller, context, password, answer).await?;
        if !factors::remove_totp(unit.connection(), context.tenant, user).await? {
            return Err(Rejection::SecondFactorMissing.into());
        }
        self.forget_codes_of_nothing(&mut unit, user).await?;
        self.factors_changed(&mut unit, user, "totp_disabled").await?;
        unit.commit().await?;
        Ok(())
    }

    /// Makes new recovery codes; the old ones are void.
    ///
    /// # Errors
    /// As [`Self::begin_proven`]; `second_factor_missing`.
    pub(crate) async fn regenerate_codes(
        &self,
        caller: &Caller,
        context: &CommandContext,
        password: SecretString,
        answer: Option<Answer>,
    ) -> fault::Result<Vec<String>> {
        let (user, _) = caller.own_session()?;
        let mut unit = self.begin_proven(caller, context, password, answer).await?;
        if !factors::of(unit.connection(), context.tenant, user).await?.any() {
            return Err(Rejection::SecondFactorMissing.into());
        }
        let codes = self.make_codes(&mut unit, user).await?;
        self.factors_changed(&mut unit, user, "recovery_codes_made").await?;
        unit.commit().await?;
        Ok(codes)
    }

    /// Notes that the caller has proven both factors again.
    ///
    /// # Errors
    /// As [`Self::begin_proven`].
    pub(crate) async fn step_up(
        &self,
        caller: &Caller,
        context: &CommandContext,
        password: SecretString,
        answer: Option<Answer>,
    ) -> fault::Result<Vec<String>> {
        let (user, session) = caller.own_session()?;
        let now = self.clock.wall();
        let mut unit = self.begin_proven(caller, context, password, answer).await?;
        sessions::strengthen(unit.connection(), context.tenant, session, &[], now).await?;
        let standing = sessions::standing(unit.connection(), context.tenant, user, session, now).await?;
        unit.commit().await?;
        Ok(standing.ok_or(Rejection::SessionEnded)?.methods)
    }

    /// The attempt to act as the caller, refused while the address is locked.
    pub(super) async fn attempt_of<'a>(
        &self,
        caller: &'a Caller,
        context: &'a CommandContext,
    ) -> fault::Result<Attempt<'a>> {
        let user = caller.user()?;
        let mut transaction = self.store.read(context.tenant).await?;
        let person = users::find(&mut transaction, context.tenant, user).await?;
        let address = person.and_then(|person| EmailAddress::parse(&person.email));
        let address = address.ok_or(Rejection::SessionEnded)?;
        let attempt = self.attempt(context, caller.origin.as_deref(), &address);
        let guard = guards::look(&mut transaction, context.tenant, &attempt.digest).await?;
        transaction.rollback().await.map_err(storage)?;
        refuse_locked(guard.as_ref(), attempt.now)?;
        Ok(attempt)
    }

    /// Makes recovery codes; they are told once.
    pub(super) async fn make_codes(&self, unit: &mut UnitOfWork, user: UserId) -> fault::Result<Vec<String>> {
        let (tenant, now) = (unit.context()?.tenant, self.clock.wall());
        let fresh = || Ok(spoken(&random::<RECOVERY_CODE_LENGTH>()?));
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| fresh()).collect::<fault::Result<_>>()?;
        let digest = |code: &String| self.secrets.code_digest(tenant, user, &heard(code));
        let digests: Vec<_> = codes.iter().map(digest).collect();
        factors::put_codes(unit.connection(), tenant, user, &digests, now).await?;
        Ok(codes)
    }

    /// Recovery codes stand in for a second factor: without one they are void.
    pub(super) async fn forget_codes_of_nothing(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
    ) -> fault::Result<()> {
        let (tenant, now) = (unit.context()?.tenant, self.clock.wall());
        if !factors::of(unit.connection(), tenant, user).await?.any() {
            factors::put_codes(unit.connection(), tenant, user, &[], now).await?;
        }
        Ok(())
    }

    /// Removes every second factor of a user, and every log-in that waits for one.
    pub(super) async fn remove_factors(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
    ) -> fault::Result<()> {
        factors::remove_totp(on, tenant, user).await?;
        passkeys::remove(on, tenant, user, None).await?;
        factors::put_codes(on, tenant, user, &[], self.clock.wall()).await?;
        challenges::remove_all(on, tenant, user).await
    }

    /// Tells of a change to second factors: others, the user, the audit trail.
    pub(super) async fn factors_changed(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
        change: &'static str,
    ) -> fault::Result<()> {
        self.tell_factors_changed(unit, user, change).await?;
        let action = Action {
            name: "user.second_factor",
            target: format!("user/{user}"),
            origin: None,
            at: self.clock.wall(),
            before: None,
            after: Some(json!({ "change": change })),
        };
        audit::record(unit, action).await
    }

    /// As [`Self::factors_changed`], for changes that are audited otherwise.
    pub(super) async fn tell_factors_changed(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
        change: &'static str,
    ) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        let event = SecondFactorChanged { user, change: change.to_owned() };
        unit.append_fact(USER, user.as_uuid(), IdentityEvent::SecondFactorChanged(event)).await?;
        let Some(person) = users::find(unit.connection(), tenant, user).await? else { return Ok(()) };
        let draft = Draft {
            user,
            name: &person.display_name,
            recipient: &person.email,
            template: "identity.second_factor_changed",
            ticket: None,
            more: &[("change", change), ("at", &self.clock.wall().to_string())],
        };
        self.write_letter(unit, &draft).await
    }
}
