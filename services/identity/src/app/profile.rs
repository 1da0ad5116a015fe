//! What is known about a person: reading and editing it, by the person or by staff.
//!
//! The audit trail keeps what it was and what it became, sealed with the person's key.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{TenantId, UserId};
use serde_json::json;
use sqlx::PgConnection;

use crate::app::Identity;
use crate::app::register::display_name;
use crate::app::user::{Cause, find};
use crate::audit::{self, Action};
use crate::events::{AboutUser, IdentityEvent, USER};
use crate::rejection::Rejection;
use crate::rules::details::{Details, check};
use crate::tables::users::{self, User};
use crate::tables::{details, sessions};

/// A user with details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) user: User,
    pub(crate) details: Details,
}

/// An edit, as it was asked for.
pub(crate) struct Edit<'a> {
    pub(crate) revision: i64,
    pub(crate) display_name: &'a str,
    pub(crate) details: Details,
}

impl Identity {
    /// A user with details.
    ///
    /// # Errors
    /// `user_not_found`.
    pub(crate) async fn get_user(&self, tenant: TenantId, user: UserId) -> fault::Result<Profile> {
        let mut transaction = self.store.read(tenant).await?;
        let profile = self.profile(&mut transaction, tenant, user).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(profile)
    }

    pub(super) async fn profile(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
    ) -> fault::Result<Profile> {
        let details = details::find(on, tenant, user).await?;
        Ok(Profile { user: find(on, tenant, user).await?, details })
    }

    /// Edits a user.
    ///
    /// # Errors
    /// `user_not_found`, `privilege_escalation`, `revision_stale`; unfit name or details.
    pub(crate) async fn update_user(
        &self,
        cause: &Cause<'_>,
        user: UserId,
        edit: Edit<'_>,
    ) -> fault::Result<Profile> {
        let (unit, _) = self.begin_change(cause, user).await?;
        self.edit(unit, cause.caller, user, edit).await
    }

    /// Edits the caller.
    ///
    /// # Errors
    /// `own_session_required`, `revision_stale`; unfit name or details.
    pub(crate) async fn update_account(
        &self,
        caller: &Caller,
        context: &CommandContext,
        edit: Edit<'_>,
    ) -> fault::Result<Profile> {
        let (user, session) = caller.own_session()?;
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), context.tenant, user).await?;
        let now = self.clock.wall();
        if !sessions::is_open(unit.connection(), context.tenant, user, session, now).await? {
            return Err(Rejection::SessionEnded.into());
        }
        self.edit(unit, caller, user, edit).await
    }

    async fn edit(
        &self,
        mut unit: UnitOfWork,
        caller: &Caller,
        user: UserId,
        edit: Edit<'_>,
    ) -> fault::Result<Profile> {
        let (name, new) = (display_name(edit.display_name)?, check(edit.details)?);
        let tenant = caller.tenant;
        let before = self.profile(unit.connection(), tenant, user).await?;
        if edit.revision != 0 && edit.revision != before.user.revision {
            return Err(Rejection::RevisionStale.into());
        }
        if before.user.display_name == name && before.details == new {
            return Ok(before);
        }
        if !users::rename(unit.connection(), tenant, user, edit.revision, &name).await? {
            return Err(Rejection::RevisionStale.into());
        }
        details::put(unit.connection(), tenant, user, &new).await?;
        let event = IdentityEvent::UserUpdated(AboutUser { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        let was = json!({ "display_name": before.user.display_name, "details": before.details });
        let is = json!({ "display_name": name, "details": new });
        let action = Action {
            name: "user.update",
            target: format!("user/{user}"),
            origin: caller.origin.as_deref(),
            at: self.clock.wall(),
            before: Some(self.seal_state(unit.connection(), tenant, user, &was).await?),
            after: Some(self.seal_state(unit.connection(), tenant, user, &is).await?),
        };
        audit::record(&mut unit, action).await?;
        let profile = self.profile(unit.connection(), tenant, user).await?;
        unit.commit().await?;
        Ok(profile)
    }
}
