//! Enrolling an authenticator app, in a session or while logging in. A secret counts once a code has
//! confirmed it, so that a mistyped one locks nobody out.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{TenantId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::app::place::Place;
use crate::app::second_proof::{Shown, totp_context};
use crate::app::{Identity, TokenPair};
use crate::rejection::Rejection;
use crate::rules::totp::{SECRET_LENGTH, base32, otpauth_uri};
use crate::secrets::random;
use crate::tables::factors::{self, Totp};
use crate::tables::{sessions, tenants, users};

/// A secret, as it is told once.
pub(crate) struct Enrolment {
    pub(crate) secret: String,
    pub(crate) uri: String,
}

impl Identity {
    /// Makes a secret for the caller's authenticator app.
    ///
    /// # Errors
    /// As [`Self::begin_proven`]; `second_factor_present`.
    pub(crate) async fn enrol_totp(
        &self,
        caller: &Caller,
        context: &CommandContext,
        password: SecretString,
    ) -> fault::Result<Enrolment> {
        let (user, _) = caller.own_session()?;
        let mut unit = self.begin_proven(caller, context, password, None).await?;
        let enrolment = self.make_secret(&mut unit, user).await?;
        unit.commit().await?;
        Ok(enrolment)
    }

    /// Confirms the caller's secret; answers recovery codes, if there were none.
    ///
    /// # Errors
    /// `own_session_required`, `session_ended`, `second_factor_missing`, `second_factor_invalid`,
    /// `account_locked`.
    pub(crate) async fn confirm_totp(
        &self,
        caller: &Caller,
        context: &CommandContext,
        code: &str,
    ) -> fault::Result<Vec<String>> {
        let (user, session) = caller.own_session()?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let attempt = self.attempt_of(caller, context).await?;
        let Some(shown) = self.judge_enrolment(tenant, user, code, now).await? else {
            return Err(self.refuse_answer(&attempt, user).await?);
        };
        let mut unit = self.store.begin(context).await?;
        self.forgive(&mut unit, tenant, &attempt.digest, now).await?;
        users::lock(unit.connection(), tenant, user).await?;
        if !sessions::is_open(unit.connection(), tenant, user, session, now).await? {
            return Err(Rejection::SessionEnded.into());
        }
        let codes = self.finish_enrolment(&mut unit, user, &shown, now).await?;
        sessions::strengthen(unit.connection(), tenant, session, &shown.methods(), now).await?;
        unit.commit().await?;
        Ok(codes)
    }

    /// Makes a secret for somebody who must have a second factor to log in and has none.
    ///
    /// # Errors
    /// `challenge_invalid`, `account_locked`, `second_factor_present`.
    pub(crate) async fn enrol_at_log_in(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        token: &str,
    ) -> fault::Result<Enrolment> {
        let waiting = self.waiting(context, origin, token).await?;
        let (tenant, user) = (context.tenant, waiting.person.id);
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), tenant, user).await?;
        if factors::of(unit.connection(), tenant, user).await?.any() {
            return Err(Rejection::SecondFactorPresent.into());
        }
        let enrolment = self.make_secret(&mut unit, user).await?;
        unit.commit().await?;
        Ok(enrolment)
    }

    /// Confirms that secret and opens the session.
    ///
    /// # Errors
    /// `challenge_invalid`, `second_factor_invalid`, `second_factor_present`, `account_locked`.
    pub(crate) async fn confirm_at_log_in(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        token: &str,
        code: &str,
    ) -> fault::Result<(TokenPair, Vec<String>)> {
        let waiting = self.waiting(context, place.origin, token).await?;
        let (tenant, user, now) = (context.tenant, waiting.person.id, waiting.attempt.now);
        let Some(shown) = self.judge_enrolment(tenant, user, code, now).await? else {
            return Err(self.refuse_answer(&waiting.attempt, user).await?);
        };
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(context).await?;
        self.settle_waiting(&mut unit, &waiting).await?;
        if factors::of(unit.connection(), tenant, user).await?.any() {
            return Err(Rejection::SecondFactorPresent.into());
        }
        let codes = self.finish_enrolment(&mut unit, user, &shown, now).await?;
        let mut methods = waiting.challenge.methods;
        methods.extend(shown.methods());
        let pair = self.open(&mut unit, &keys, place, user, methods, now).await?;
        unit.commit().await?;
        crate::metrics::log_in("ok");
        Ok((pair, codes))
    }

    async fn make_secret(&self, unit: &mut UnitOfWork, user: UserId) -> fault::Result<Enrolment> {
        let (tenant, now) = (unit.context()?.tenant, self.clock.wall());
        let secret = random::<SECRET_LENGTH>()?;
        let sealed = self.secrets.seal(&totp_context(tenant, user), &secret)?;
        if !factors::put_totp(unit.connection(), tenant, user, &sealed, now).await? {
            return Err(Rejection::SecondFactorPresent.into());
        }
        let issuer = tenants::name(unit.connection(), tenant).await?;
        let person = users::find(unit.connection(), tenant, user).await?;
        let account = person.map(|person| person.email).unwrap_or_default();
        Ok(Enrolment { secret: base32(&secret), uri: otpauth_uri(&issuer, &account, &secret) })
    }

    /// What a code shows of a secret that is yet to be confirmed.
    async fn judge_enrolment(
        &self,
        tenant: TenantId,
        user: UserId,
        code: &str,
        now: Timestamp,
    ) -> fault::Result<Option<Shown>> {
        let mut transaction = self.store.read(tenant).await?;
        let totp: Option<Totp> = factors::totp(&mut transaction, tenant, user).await?;
        transaction.rollback().await.map_err(storage)?;
        let totp = totp.ok_or(Rejection::SecondFactorMissing)?;
        if totp.confirmed_at.is_some() {
            return Err(Rejection::SecondFactorPresent.into());
        }
        self.shown_by_code(tenant, user, Some(totp), code, now)
    }

    /// Confirms a secret, under the lock of its user.
    async fn finish_enrolment(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
        shown: &Shown,
        now: Timestamp,
    ) -> fault::Result<Vec<String>> {
        let tenant = unit.context()?.tenant;
        if !self.use_up(unit, user, shown, now).await?
            || !factors::confirm_totp(unit.connection(), tenant, user, now).await?
        {
            return Err(Rejection::SecondFactorInvalid.into());
        }
        let held = factors::of(unit.connection(), tenant, user).await?;
        let codes = if held.recovery_codes > 0 { Vec::new() } else { self.make_codes(unit, user).await? };
        self.factors_changed(unit, user, "totp_enabled").await?;
        Ok(codes)
    }
}
