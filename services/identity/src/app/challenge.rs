//! The second half of a log-in.
//!
//! Who has a second factor, or must have one, gets a challenge for a right password: a token of 256
//! random bits that names the log-in for five minutes. It is taken away by the answer that succeeds,
//! by five that fail, and by another password.

use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{TenantId, UserId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::place::Place;
use crate::app::proof::{Attempt, refuse_locked};
use crate::app::second_proof::Answer;
use crate::app::{Identity, TokenPair, decode_token, encode_token, later};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::second_factor::{CHALLENGE_FAILURES_MAX, CHALLENGE_LIFE_SECONDS, is_strong};
use crate::secrets::{random, token_digest};
use crate::tables::challenges::{self, Challenge};
use crate::tables::users::{self, Status, User};
use crate::tables::{factors, guards, roles};

/// What is wanted beyond the first factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Demand {
    Nothing,
    /// One of these.
    Factor(Vec<&'static str>),
    Enrolment,
}

/// A log-in that waits for its second half, as the client is told.
pub(crate) struct Pending {
    pub(crate) token: String,
    pub(crate) life_seconds: u32,
    pub(crate) methods: Vec<&'static str>,
    pub(crate) enrolment: bool,
}

/// A log-in that somebody wants to complete.
pub(super) struct Waiting<'a> {
    pub(super) challenge: Challenge,
    pub(super) person: User,
    pub(super) attempt: Attempt<'a>,
}

impl Identity {
    /// What is wanted of a user beyond the first factor.
    pub(super) async fn demand(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
    ) -> fault::Result<Demand> {
        let held = factors::of(on, tenant, user).await?;
        if held.any() {
            return Ok(Demand::Factor(held.methods()));
        }
        let required = factors::required_of(on, tenant).await?;
        let (_, permissions) = roles::held_by(on, tenant, user).await?;
        Ok(if required.concerns(&permissions) { Demand::Enrolment } else { Demand::Nothing })
    }

    /// Whether a session rests on one factor while the tenant demands two of its user. Whoever acts as
    /// somebody else has proven it in a session of their own.
    pub(super) async fn is_too_weak(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
        (methods, impersonated): (&[String], bool),
    ) -> fault::Result<bool> {
        if impersonated || is_strong(methods) {
            return Ok(false);
        }
        let required = factors::required_of(on, tenant).await?;
        let (_, permissions) = roles::held_by(on, tenant, user).await?;
        Ok(required.concerns(&permissions))
    }

    /// Writes a challenge for a user whose first factor was proven.
    pub(super) async fn challenge(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
        methods: Vec<String>,
        demand: Demand,
        now: Timestamp,
    ) -> fault::Result<Pending> {
        let (tenant, token) = (unit.context()?.tenant, random::<32>()?);
        let challenge = Challenge {
            id: Uuid::now_v7(),
            user,
            methods,
            failures: 0,
            expires_at: later(now, CHALLENGE_LIFE_SECONDS),
        };
        challenges::insert(unit.connection(), tenant, &challenge, &token_digest(&token), now).await?;
        let (methods, enrolment) = match demand {
            Demand::Factor(methods) => (methods, false),
            Demand::Enrolment | Demand::Nothing => (Vec::new(), true),
        };
        Ok(Pending { token: encode_token(&token), life_seconds: CHALLENGE_LIFE_SECONDS, methods, enrolment })
    }

    /// Completes a log-in with a second factor.
    ///
    /// # Errors
    /// `challenge_invalid`, `second_factor_invalid`, `account_locked`, `account_suspended`.
    pub(crate) async fn complete_log_in(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        token: &str,
        answer: Option<Answer>,
    ) -> fault::Result<TokenPair> {
        let waiting = self.waiting(context, place.origin, token).await?;
        let (user, now) = (waiting.person.id, waiting.attempt.now);
        let answer = answer.ok_or(Rejection::SecondFactorInvalid)?;
        let Some(shown) = self.judge(context.tenant, user, &answer, now).await? else {
            return Err(self.refuse_answer(&waiting.attempt, user).await?);
        };
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(context).await?;
        self.settle_waiting(&mut unit, &waiting).await?;
        if !self.use_up(&mut unit, user, &shown, now).await? {
            unit.rollback().await?;
            return Err(self.refuse_answer(&waiting.attempt, user).await?);
        }
        let mut methods = waiting.challenge.methods;
        methods.extend(shown.methods());
        let pair = self.open(&mut unit, &keys, place, user, methods, now).await?;
        unit.commit().await?;
        crate::metrics::log_in("ok");
        Ok(pair)
    }

    /// The log-in that waits under `token`.
    ///
    /// # Errors
    /// `challenge_invalid`, `account_locked`.
    pub(super) async fn waiting<'a>(
        &self,
        context: &'a CommandContext,
        origin: Option<&'a str>,
        token: &str,
    ) -> fault::Result<Waiting<'a>> {
        let digest = token_digest(&decode_token(token).ok_or(Rejection::ChallengeInvalid)?);
        let (tenant, now) = (context.tenant, self.clock.wall());
        let mut transaction = self.store.read(tenant).await?;
        let challenge = challenges::find(&mut transaction, tenant, &digest).await?;
        let challenge = challenge.filter(|one| now < one.expires_at && one.failures < CHALLENGE_FAILURES_MAX);
        let challenge = challenge.ok_or(Rejection::ChallengeInvalid)?;
        let person = users::find(&mut transaction, tenant, challenge.user).await?;
        let person = person.ok_or(Rejection::ChallengeInvalid)?;
        let address = EmailAddress::parse(&person.email).ok_or(Rejection::ChallengeInvalid)?;
        let attempt = self.attempt(context, origin, &address);
        let guard = guards::look(&mut transaction, tenant, &attempt.digest).await?;
        transaction.rollback().await.map_err(storage)?;
        refuse_locked(guard.as_ref(), now)?;
        let attempt = Attempt { challenge: Some(challenge.id), ..attempt };
        Ok(Waiting { challenge, person, attempt })
    }

    /// Takes the challenge within the transaction that acts on it, under the locks of address and user.
    pub(super) async fn settle_waiting(
        &self,
        unit: &mut UnitOfWork,
        waiting: &Waiting<'_>,
    ) -> fault::Result<()> {
        let (tenant, user) = (unit.context()?.tenant, waiting.person.id);
        self.forgive(unit, tenant, &waiting.attempt.digest, waiting.attempt.now).await?;
        users::lock(unit.connection(), tenant, user).await?;
        if !challenges::take(unit.connection(), tenant, waiting.challenge.id).await? {
            return Err(Rejection::ChallengeInvalid.into());
        }
        let person = users::find(unit.connection(), tenant, user).await?;
        match person.map(|person| person.status) {
            Some(Status::Active) => Ok(()),
            _ => Err(Rejection::AccountSuspended.into()),
        }
    }
}
