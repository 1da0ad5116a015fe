//! Users, as administrators and as themselves see them.

use auth::{Caller, Permissions};
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{TenantId, UserId};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::Identity;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, USER, UserActivated, UserSuspended};
use crate::rejection::Rejection;
use crate::rules::roles::{OWNER, check_held, may_change};
use crate::tables::sessions::{self, EndReason};
use crate::tables::users::{self, Status, User};
use crate::tables::{roles, tenants};

const REASON_LENGTH_MAX: usize = 500;

/// Who changes something, and in which circumstances.
pub(crate) struct Cause<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) context: &'a CommandContext,
}

impl Identity {
    /// The caller and everything the caller's roles grant now.
    ///
    /// # Errors
    /// When no user is calling.
    pub(crate) async fn me(&self, caller: &Caller) -> fault::Result<(User, Permissions)> {
        let id = caller.user()?;
        let mut transaction = self.store.read(caller.tenant).await?;
        let user = find(&mut transaction, caller.tenant, id).await?;
        let (_, permissions) = roles::held_by(&mut transaction, caller.tenant, id).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok((user, permissions))
    }

    /// At most `limit` users of the tenant, newest first, behind `before`.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn list_users(
        &self,
        tenant: TenantId,
        before: Option<Uuid>,
        limit: i64,
    ) -> fault::Result<Vec<User>> {
        let mut transaction = self.store.read(tenant).await?;
        let page = users::page(&mut transaction, tenant, before, limit).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(page)
    }

    /// Stops a user from signing in and ends the open sessions.
    pub(crate) async fn suspend_user(
        &self,
        cause: &Cause<'_>,
        id: UserId,
        reason: &str,
    ) -> fault::Result<User> {
        if reason.chars().count() > REASON_LENGTH_MAX {
            return Err(Rejection::ReasonTooLong { max: REASON_LENGTH_MAX }.into());
        }
        let (mut unit, user) = self.begin_change(cause, id).await?;
        if user.status == Status::Suspended {
            return Ok(user);
        }
        let tenant = cause.context.tenant;
        keep_an_owner(unit.connection(), tenant, &user, &[]).await?;
        users::set_status(unit.connection(), tenant, id, Status::Suspended).await?;
        let (now, why) = (self.clock.wall(), EndReason::Suspended);
        sessions::end(unit.connection(), tenant, id, None, now, why).await?;
        let event = UserSuspended { user: id, reason: reason.to_owned() };
        unit.append_fact(USER, id.as_uuid(), IdentityEvent::UserSuspended(event)).await?;
        let before = json!({ "status": user.status.as_str() });
        let after = json!({ "status": Status::Suspended.as_str(), "reason": reason });
        self.finish_change(unit, cause, "user.suspend", id, (before, after)).await
    }

    /// A user, if there is one.
    pub(crate) async fn look_up_user(&self, tenant: TenantId, id: UserId) -> fault::Result<Option<User>> {
        let mut transaction = self.store.read(tenant).await?;
        let found = users::find(&mut transaction, tenant, id).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(found)
    }

    /// Lets a suspended user sign in again.
    pub(crate) async fn activate_user(&self, cause: &Cause<'_>, id: UserId) -> fault::Result<User> {
        let (mut unit, user) = self.begin_change(cause, id).await?;
        if user.status == Status::Active {
            return Ok(user);
        }
        users::set_status(unit.connection(), cause.context.tenant, id, Status::Active).await?;
        let event = IdentityEvent::UserActivated(UserActivated { user: id });
        unit.append_fact(USER, id.as_uuid(), event).await?;
        let before = json!({ "status": user.status.as_str() });
        let after = json!({ "status": Status::Active.as_str() });
        self.finish_change(unit, cause, "user.activate", id, (before, after)).await
    }

    /// Sets the roles of a user; they take effect when the user's next access token is issued.
    pub(crate) async fn set_user_roles(
        &self,
        cause: &Cause<'_>,
        id: UserId,
        mut names: Vec<String>,
    ) -> fault::Result<User> {
        names.sort_unstable();
        names.dedup();
        check_held(&names, &Permissions::none())?;
        let (mut unit, user) = self.begin_change(cause, id).await?;
        if user.roles == names {
            return Ok(user);
        }
        let tenant = cause.context.tenant;
        let mut granted = Permissions::none();
        for name in &names {
            let role = roles::granted_by(unit.connection(), tenant, name).await?;
            granted = granted.union(&role.ok_or_else(|| Rejection::RoleUnknown { name: name.clone() })?);
        }
        check_held(&names, &granted)?;
        for holder in self.authority(unit.connection(), cause.caller).await? {
            may_change(&holder, &Permissions::none(), &granted)?;
        }
        keep_an_owner(unit.connection(), tenant, &user, &names).await?;
        users::set_roles(unit.connection(), tenant, id, &names).await?;
        let (before, after) = (json!({ "roles": user.roles }), json!({ "roles": names }));
        self.finish_change(unit, cause, "user.roles", id, (before, after)).await
    }

    /// Begins a change to a user: takes the locks and refuses whoever holds less than the user.
    async fn begin_change(&self, cause: &Cause<'_>, id: UserId) -> fault::Result<(UnitOfWork, User)> {
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        users::lock(unit.connection(), tenant, id).await?;
        let user = find(unit.connection(), tenant, id).await?;
        let (_, held) = roles::held_by(unit.connection(), tenant, id).await?;
        for holder in self.authority(unit.connection(), cause.caller).await? {
            may_change(&holder, &held, &Permissions::none())?;
        }
        Ok((unit, user))
    }

    async fn finish_change(
        &self,
        mut unit: UnitOfWork,
        cause: &Cause<'_>,
        name: &'static str,
        id: UserId,
        (before, after): (serde_json::Value, serde_json::Value),
    ) -> fault::Result<User> {
        let action = Action {
            name,
            target: format!("user/{id}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: Some(before),
            after: Some(after),
        };
        audit::record(&mut unit, action).await?;
        let user = find(unit.connection(), cause.context.tenant, id).await?;
        unit.commit().await?;
        Ok(user)
    }
}

async fn find(on: &mut PgConnection, tenant: TenantId, id: UserId) -> fault::Result<User> {
    Ok(users::find(on, tenant, id).await?.ok_or(Rejection::UserUnknown)?)
}

/// Refuses to take the owner's role, or the right to sign in, from the last active owner.
async fn keep_an_owner(
    on: &mut PgConnection,
    tenant: TenantId,
    user: &User,
    roles_after: &[String],
) -> fault::Result<()> {
    let owns = |roles: &[String]| roles.iter().any(|role| role == OWNER);
    let stops = user.status == Status::Active && owns(&user.roles) && !owns(roles_after);
    if stops && !users::another_owner(on, tenant, user.id).await? {
        return Err(Rejection::LastOwner.into());
    }
    Ok(())
}
