//! What a tenant demands of its users' log-ins, and helping out a user who has lost a second factor.

use auth::{Caller, Subject};
use eventstore::storage;
use ids::{TenantId, UserId};
use serde_json::json;

use crate::app::Identity;
use crate::app::log_out::sessions_ended;
use crate::app::user::Cause;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, SecondFactorPolicyChanged, TENANT};
use crate::rejection::Rejection;
use crate::rules::second_factor::{RequiredOf, is_strong};
use crate::tables::sessions::{self, EndReason};
use crate::tables::{factors, roles, tenants};

const REASON_LENGTH_MAX: usize = 500;

impl Identity {
    /// Of whom the tenant demands a second factor.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn second_factor_policy(&self, tenant: TenantId) -> fault::Result<RequiredOf> {
        let mut transaction = self.store.read(tenant).await?;
        let required = factors::required_of(&mut transaction, tenant).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(required)
    }

    /// Says of whom the tenant demands a second factor. Who is concerned must have proven one, so that
    /// nobody is locked out by mistake.
    ///
    /// # Errors
    /// `invalid_input` at `/required_of`, `second_factor_missing`.
    pub(crate) async fn set_second_factor_policy(
        &self,
        cause: &Cause<'_>,
        required_of: &str,
    ) -> fault::Result<RequiredOf> {
        let wanted = RequiredOf::parse(required_of).ok_or(Rejection::PolicyUnknown)?;
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let before = factors::required_of(unit.connection(), tenant).await?;
        if before == wanted {
            return Ok(wanted);
        }
        if self.would_lock_out(unit.connection(), cause.caller, wanted).await? {
            return Err(Rejection::SecondFactorMissing.into());
        }
        factors::set_required_of(unit.connection(), tenant, wanted).await?;
        let event = SecondFactorPolicyChanged { required_of: wanted.as_str().to_owned() };
        let event = IdentityEvent::SecondFactorPolicyChanged(event);
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        let action = Action {
            name: "second_factor_policy.set",
            target: format!("tenant/{tenant}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: Some(json!({ "required_of": before.as_str() })),
            after: Some(json!({ "required_of": wanted.as_str() })),
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(wanted)
    }

    async fn would_lock_out(
        &self,
        on: &mut sqlx::PgConnection,
        caller: &Caller,
        wanted: RequiredOf,
    ) -> fault::Result<bool> {
        let (Subject::User(user), Some(session)) = (&caller.subject, caller.session) else {
            return Ok(false);
        };
        let (_, held) = roles::held_by(on, caller.tenant, *user).await?;
        if !wanted.concerns(&held) {
            return Ok(false);
        }
        let standing = sessions::standing(on, caller.tenant, *user, session, self.clock.wall()).await?;
        Ok(!standing.is_some_and(|standing| is_strong(&standing.methods)))
    }

    /// Removes every second factor of another user and ends the sessions.
    ///
    /// # Errors
    /// `user_not_found`, `privilege_escalation`, `not_on_yourself`; an unfit reason.
    pub(crate) async fn reset_second_factor(
        &self,
        cause: &Cause<'_>,
        id: UserId,
        reason: &str,
    ) -> fault::Result<()> {
        if reason.trim().is_empty() {
            return Err(Rejection::ReasonMissing.into());
        }
        if reason.chars().count() > REASON_LENGTH_MAX {
            return Err(Rejection::ReasonTooLong { max: REASON_LENGTH_MAX }.into());
        }
        if cause.caller.subject == Subject::User(id) {
            return Err(Rejection::NotOnOneself.into());
        }
        let (mut unit, _) = self.begin_change(cause, id).await?;
        let (tenant, now, why) = (cause.context.tenant, self.clock.wall(), EndReason::Revoked);
        let held = factors::of(unit.connection(), tenant, id).await?;
        self.remove_factors(unit.connection(), tenant, id).await?;
        if sessions::end(unit.connection(), tenant, id, None, now, why).await? > 0 {
            sessions_ended(&mut unit, id, None, why).await?;
        }
        self.tell_factors_changed(&mut unit, id, "reset").await?;
        let before =
            json!({ "totp": held.totp, "passkeys": held.passkeys, "recovery_codes": held.recovery_codes });
        let after = json!({ "reason": reason });
        self.finish_change(unit, cause, "user.reset_second_factor", id, (before, after)).await.map(|_| ())
    }
}
