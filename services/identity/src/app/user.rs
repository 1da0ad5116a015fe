//! Users, as administrators and as themselves see them.

use auth::{Caller, Permissions};
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{SessionId, TenantId, UserId};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::log_out::sessions_ended;
use crate::app::{Identity, Profile};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, USER, UserActivated, UserRolesChanged, UserSuspended};
use crate::rejection::Rejection;
use crate::rules::roles::{OWNER, check_held, may_change};
use crate::tables::details;
use crate::tables::levels;
use crate::tables::search::{self, Filter};
use crate::tables::sessions::{self, EndReason, Session};
use crate::tables::users::{self, Status, User};
use crate::tables::{roles, tenants};

const REASON_LENGTH_MAX: usize = 500;

/// The caller, as the caller sees it.
pub(crate) struct Me {
    pub(crate) profile: Profile,
    pub(crate) permissions: Permissions,
    pub(crate) levels: Vec<String>,
    /// The session of this call, when somebody else acts in it.
    pub(crate) impersonated: Option<Session>,
}

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
    pub(crate) async fn me(&self, caller: &Caller) -> fault::Result<Me> {
        let (tenant, id) = (caller.tenant, caller.user()?);
        let mut transaction = self.store.read(tenant).await?;
        let profile = self.profile(&mut transaction, tenant, id).await?;
        let (_, permissions) = roles::held_by(&mut transaction, tenant, id).await?;
        let levels = levels::held_by(&mut transaction, tenant, id, self.clock.wall()).await?;
        let mut open = sessions::open_of(&mut transaction, tenant, id, self.clock.wall()).await?;
        transaction.rollback().await.map_err(storage)?;
        open.retain(|session| caller.session == Some(session.id) && session.impersonation.is_some());
        Ok(Me { profile, permissions, levels, impersonated: open.pop() })
    }

    /// At most `limit` users of the tenant that fit, newest first, behind `before`.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn list_users(
        &self,
        tenant: TenantId,
        filter: &Filter,
        before: Option<Uuid>,
        limit: i64,
    ) -> fault::Result<Vec<User>> {
        let mut transaction = self.store.read(tenant).await?;
        let page = search::page(&mut transaction, tenant, filter, before, limit).await?;
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
        if sessions::end(unit.connection(), tenant, id, None, now, why).await? > 0 {
            sessions_ended(&mut unit, id, None, why).await?;
        }
        self.end_impersonations(&mut unit, Some(id)).await?;
        let event = UserSuspended { user: id, reason: reason.to_owned() };
        unit.append_fact(USER, id.as_uuid(), IdentityEvent::UserSuspended(event)).await?;
        let before = json!({ "status": user.status.as_str() });
        let after = json!({ "status": Status::Suspended.as_str(), "reason": reason });
        self.finish_change(unit, cause, "user.suspend", id, (before, after)).await
    }

    /// A user and the user's language, if there is such a user.
    pub(crate) async fn look_up_user(
        &self,
        tenant: TenantId,
        id: UserId,
    ) -> fault::Result<Option<(User, String)>> {
        let mut transaction = self.store.read(tenant).await?;
        let found = users::find(&mut transaction, tenant, id).await?;
        let locale = details::locale(&mut transaction, tenant, id).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(found.map(|user| (user, locale)))
    }

    /// The open sessions of a user.
    pub(crate) async fn list_user_sessions(
        &self,
        tenant: TenantId,
        id: UserId,
    ) -> fault::Result<Vec<Session>> {
        let mut transaction = self.store.read(tenant).await?;
        find(&mut transaction, tenant, id).await?;
        let open = sessions::open_of(&mut transaction, tenant, id, self.clock.wall()).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(open)
    }

    /// Ends one session of a user, or all of them; answers how many.
    pub(crate) async fn end_user_sessions(
        &self,
        cause: &Cause<'_>,
        id: UserId,
        session: Option<SessionId>,
    ) -> fault::Result<u64> {
        let (mut unit, _) = self.begin_change(cause, id).await?;
        let (tenant, now, why) = (cause.context.tenant, self.clock.wall(), EndReason::Revoked);
        let ended = sessions::end(unit.connection(), tenant, id, session, now, why).await?;
        if ended == 0 {
            return if session.is_some() { Err(Rejection::SessionUnknown.into()) } else { Ok(0) };
        }
        sessions_ended(&mut unit, id, session, why).await?;
        let after = json!({ "sessions_ended": ended });
        self.finish_change(unit, cause, "user.end_sessions", id, (json!({}), after)).await?;
        Ok(ended)
    }

    /// Ends the sessions in which somebody acts as this user or by this user's power: what that rested
    /// on has changed. Without a user, those of the whole tenant.
    pub(super) async fn end_impersonations(
        &self,
        unit: &mut UnitOfWork,
        user: Option<UserId>,
    ) -> fault::Result<()> {
        let (tenant, now) = (unit.context()?.tenant, self.clock.wall());
        for (whose, session) in sessions::end_impersonations(unit.connection(), tenant, user, now).await? {
            sessions_ended(unit, whose, Some(session), EndReason::Revoked).await?;
        }
        Ok(())
    }

    /// Lets a suspended user sign in again.
    pub(crate) async fn activate_user(&self, cause: &Cause<'_>, id: UserId) -> fault::Result<User> {
        let (mut unit, user) = self.begin_change(cause, id).await?;
        match user.status {
            Status::Active => return Ok(user),
            Status::Invited => return Err(Rejection::InvitationPending.into()),
            Status::Suspended | Status::Erased => {}
        }
        users::set_status(unit.connection(), cause.context.tenant, id, Status::Active).await?;
        let event = IdentityEvent::UserActivated(UserActivated { user: id });
        unit.append_fact(USER, id.as_uuid(), event).await?;
        let before = json!({ "status": user.status.as_str() });
        let after = json!({ "status": Status::Active.as_str() });
        self.finish_change(unit, cause, "user.activate", id, (before, after)).await
    }

    /// Sets the roles of a user; they are effective on the user's next call.
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
        self.may_grant(&mut unit, cause.caller, &names).await?;
        keep_an_owner(unit.connection(), tenant, &user, &names).await?;
        users::set_roles(unit.connection(), tenant, id, &names).await?;
        self.end_impersonations(&mut unit, Some(id)).await?;
        let event = UserRolesChanged { user: id, roles: names.clone() };
        unit.append_fact(USER, id.as_uuid(), IdentityEvent::UserRolesChanged(event)).await?;
        let (before, after) = (json!({ "roles": user.roles }), json!({ "roles": names }));
        self.finish_change(unit, cause, "user.roles", id, (before, after)).await
    }

    /// Refuses to hand out roles that grant what the caller does not hold, or that do not exist.
    pub(super) async fn may_grant(
        &self,
        unit: &mut UnitOfWork,
        caller: &Caller,
        names: &[String],
    ) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        let mut granted = Permissions::none();
        for name in names {
            let role = roles::granted_by(unit.connection(), tenant, name).await?;
            granted = granted.union(&role.ok_or_else(|| Rejection::RoleUnknown { name: name.clone() })?);
        }
        check_held(names, &granted)?;
        for holder in self.authority(unit.connection(), caller).await? {
            may_change(&holder, &Permissions::none(), &granted)?;
        }
        Ok(())
    }

    /// Begins a change to a user: takes the locks and refuses whoever holds less than the user.
    pub(super) async fn begin_change(
        &self,
        cause: &Cause<'_>,
        id: UserId,
    ) -> fault::Result<(UnitOfWork, User)> {
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        users::lock(unit.connection(), tenant, id).await?;
        let user = find(unit.connection(), tenant, id).await?;
        if user.status == Status::Erased {
            return Err(Rejection::UserUnknown.into());
        }
        let (_, held) = roles::held_by(unit.connection(), tenant, id).await?;
        for holder in self.authority(unit.connection(), cause.caller).await? {
            may_change(&holder, &held, &Permissions::none())?;
        }
        Ok((unit, user))
    }

    pub(super) async fn finish_change(
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

pub(super) async fn find(on: &mut PgConnection, tenant: TenantId, id: UserId) -> fault::Result<User> {
    Ok(users::find(on, tenant, id).await?.ok_or(Rejection::UserUnknown)?)
}

/// Refuses to take the owner's role, or the right to sign in, from the last active owner.
pub(super) async fn keep_an_owner(
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
