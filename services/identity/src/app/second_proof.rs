//! Second factors as proof: what an answer shows, and using it up.
//!
//! Judging reads; using is an update that demands the code be unused, in the transaction that acts on
//! it. Of many calls with one code exactly one acts. A wrong answer counts towards the lock of the
//! address, as a wrong password does.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{TenantId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::PgConnection;

use crate::app::Identity;
use crate::app::proof::{Attempt, Proof};
use crate::rejection::Rejection;
use crate::rules::second_factor::{ONE_TIME_CODE, SEVERAL, heard, is_recent, is_strong};
use crate::rules::totp::matching_step;
use crate::tables::factors::{self, Totp};
use crate::tables::sessions;

/// What somebody answers when a second factor is asked for.
pub(crate) enum Answer {
    /// Six digits of an authenticator app.
    Totp(String),
    /// A recovery code.
    RecoveryCode(String),
}

impl Answer {
    /// The answer in two fields of a message, of which one is filled.
    pub(crate) fn given(code: String, recovery_code: String) -> Option<Self> {
        match (code.is_empty(), recovery_code.is_empty()) {
            (false, _) => Some(Self::Totp(code)),
            (true, false) => Some(Self::RecoveryCode(recovery_code)),
            (true, true) => None,
        }
    }
}

/// A right answer; it still has to be used.
pub(super) enum Shown {
    Step(Totp, i64),
    Code([u8; 32]),
}

impl Shown {
    /// How it is told of in a session.
    pub(super) fn methods(&self) -> Vec<String> {
        vec![SEVERAL.to_owned(), ONE_TIME_CODE.to_owned()]
    }
}

impl Identity {
    /// What the answer of a user shows; nothing when it is wrong.
    pub(super) async fn judge(
        &self,
        tenant: TenantId,
        user: UserId,
        answer: &Answer,
        now: Timestamp,
    ) -> fault::Result<Option<Shown>> {
        let mut transaction = self.store.read(tenant).await?;
        let shown = match answer {
            Answer::Totp(code) => {
                let totp = factors::totp(&mut transaction, tenant, user).await?;
                let totp = totp.filter(|totp| totp.confirmed_at.is_some());
                self.shown_by_code(tenant, user, totp, code, now)?
            }
            Answer::RecoveryCode(code) => {
                let digest = self.secrets.code_digest(tenant, user, &heard(code));
                let held = factors::has_code(&mut transaction, tenant, user, &digest).await?;
                held.then_some(Shown::Code(digest))
            }
        };
        transaction.rollback().await.map_err(storage)?;
        Ok(shown)
    }

    pub(super) fn shown_by_code(
        &self,
        tenant: TenantId,
        user: UserId,
        totp: Option<Totp>,
        code: &str,
        now: Timestamp,
    ) -> fault::Result<Option<Shown>> {
        let Some(totp) = totp else { return Ok(None) };
        let secret = self.secrets.open(&totp_context(tenant, user), &totp.sealed_secret)?;
        let step = matching_step(&secret, code, now, totp.last_step);
        Ok(step.map(|step| Shown::Step(totp, step)))
    }

    /// Uses an answer up; `false` when it was used meanwhile. Tells the user of a spent recovery code.
    pub(super) async fn use_up(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
        shown: &Shown,
        now: Timestamp,
    ) -> fault::Result<bool> {
        let tenant = unit.context()?.tenant;
        match shown {
            Shown::Step(totp, step) => factors::use_step(unit.connection(), tenant, user, totp, *step).await,
            Shown::Code(digest) => {
                let spent = factors::spend_code(unit.connection(), tenant, user, digest, now).await?;
                if spent {
                    self.factors_changed(unit, user, "recovery_code_used").await?;
                }
                Ok(spent)
            }
        }
    }

    /// Proves with both factors, of which the second may have been proven in this session a moment ago,
    /// that the caller is there; begins the transaction that acts on it. Users without a second factor
    /// prove the first.
    ///
    /// # Errors
    /// As [`Self::prove_again`]; `second_factor_required`, `second_factor_invalid`.
    pub(super) async fn begin_proven(
        &self,
        caller: &Caller,
        context: &CommandContext,
        password: SecretString,
        answer: Option<Answer>,
    ) -> fault::Result<UnitOfWork> {
        let (user, session) = caller.own_session()?;
        let (proof, address) = self.prove_again(caller, context, password).await?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let attempt = self.attempt(context, caller.origin.as_deref(), &address);
        let shown = match &answer {
            Some(answer) => Some(self.judge(tenant, user, answer, now).await?),
            None => None,
        };
        let mut unit = self.store.begin(context).await?;
        self.settle_half(&mut unit, &proof).await?;
        match shown {
            Some(Some(shown)) => {
                if !self.use_up(&mut unit, user, &shown, now).await? {
                    unit.rollback().await?;
                    return Err(self.refuse_answer(&attempt, user).await?);
                }
                sessions::strengthen(unit.connection(), tenant, session, &shown.methods(), now).await?;
            }
            Some(None) => {
                unit.rollback().await?;
                return Err(self.refuse_answer(&attempt, user).await?);
            }
            None => self.recently_strong(unit.connection(), caller, now).await?,
        }
        self.forgive_proven(&mut unit, &proof).await?;
        Ok(unit)
    }

    /// Refuses a session in which no second factor was proven lately, of a user who has one.
    async fn recently_strong(
        &self,
        on: &mut PgConnection,
        caller: &Caller,
        now: Timestamp,
    ) -> fault::Result<()> {
        let (user, session) = caller.own_session()?;
        if !factors::of(on, caller.tenant, user).await?.any() {
            return Ok(());
        }
        let standing = sessions::standing(on, caller.tenant, user, session, now).await?;
        let strong = |standing: &sessions::Standing| {
            is_strong(&standing.methods) && is_recent(standing.proven_at, now)
        };
        if standing.as_ref().is_some_and(strong) {
            Ok(())
        } else {
            Err(Rejection::SecondFactorRequired.into())
        }
    }

    async fn forgive_proven(&self, unit: &mut UnitOfWork, proof: &Proof) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        self.forgive(unit, tenant, proof.digest(), self.clock.wall()).await
    }

    /// Counts a wrong answer; answers what the user is told.
    pub(super) async fn refuse_answer(
        &self,
        attempt: &Attempt<'_>,
        user: UserId,
    ) -> fault::Result<fault::Fault> {
        Ok(match self.settle_failure(attempt, Some(user)).await? {
            Rejection::CredentialsInvalid => Rejection::SecondFactorInvalid.into(),
            locked => locked.into(),
        })
    }
}

/// What a secret is sealed for.
pub(super) fn totp_context(tenant: TenantId, user: UserId) -> String {
    format!("totp {tenant}/{user}")
}
