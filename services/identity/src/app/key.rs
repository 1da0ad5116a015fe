//! API keys and service accounts.
//!
//! A key opens no more than who makes it holds, and never more than its owner holds when it is used.
//! Keys are made in an own session only: a key cannot make another one.

use auth::{Caller, Permissions};
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{TenantId, UserId};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::app::register::display_name;
use crate::app::settings::More;
use crate::app::user::{Cause, find};
use crate::app::{Identity, Profile, encode_token};
use crate::audit::{self, Action};
use crate::events::{AboutKey, IdentityEvent, USER, UserRegistered};
use crate::rejection::Rejection;
use crate::rules::keys::{KEYS_MAX, check, prefix};
use crate::secrets::{random, token_digest};
use crate::tables::api_keys::{self, ApiKey};
use crate::tables::{roles, sessions, tenants, users};

/// A key, as it was asked for.
pub(crate) struct KeyWish<'a> {
    pub(crate) name: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) days: i32,
}

impl Identity {
    /// The caller's keys.
    ///
    /// # Errors
    /// `own_session_required`.
    pub(crate) async fn list_own_keys(&self, caller: &Caller) -> fault::Result<Vec<ApiKey>> {
        let (user, _) = caller.own_session()?;
        self.keys_of(caller.tenant, user).await
    }

    /// The keys of a service account.
    ///
    /// # Errors
    /// `user_not_found` when it is none.
    pub(crate) async fn list_service_keys(&self, tenant: TenantId, id: UserId) -> fault::Result<Vec<ApiKey>> {
        let mut transaction = self.store.read(tenant).await?;
        service_account(&find(&mut transaction, tenant, id).await?)?;
        transaction.rollback().await.map_err(storage)?;
        self.keys_of(tenant, id).await
    }

    async fn keys_of(&self, tenant: TenantId, user: UserId) -> fault::Result<Vec<ApiKey>> {
        let mut transaction = self.store.read(tenant).await?;
        let keys = api_keys::of(&mut transaction, tenant, user).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(keys)
    }

    /// Makes a key of the caller; answers the key itself, for the one time it is told.
    ///
    /// # Errors
    /// `own_session_required`, `session_ended`, `privilege_escalation`, `too_many_keys`; unfit input.
    pub(crate) async fn create_own_key(
        &self,
        caller: &Caller,
        context: &CommandContext,
        wish: &KeyWish<'_>,
    ) -> fault::Result<(ApiKey, String)> {
        let (user, session) = caller.own_session()?;
        let now = self.clock.wall();
        let mut unit = self.store.begin(context).await?;
        tenants::lock_administration(unit.connection(), context.tenant).await?;
        users::lock(unit.connection(), context.tenant, user).await?;
        if !sessions::is_open(unit.connection(), context.tenant, user, session, now).await? {
            return Err(Rejection::SessionEnded.into());
        }
        self.make_key(unit, caller, user, wish).await
    }

    /// Makes a key of a service account that holds no more than the caller.
    ///
    /// # Errors
    /// `user_not_found`, `privilege_escalation`, `too_many_keys`; unfit input.
    pub(crate) async fn create_service_key(
        &self,
        cause: &Cause<'_>,
        id: UserId,
        wish: &KeyWish<'_>,
    ) -> fault::Result<(ApiKey, String)> {
        let (unit, account) = self.begin_change(cause, id).await?;
        service_account(&account)?;
        self.make_key(unit, cause.caller, id, wish).await
    }

    /// Under the lock of the owner, so that the number of keys holds.
    async fn make_key(
        &self,
        mut unit: UnitOfWork,
        caller: &Caller,
        owner: UserId,
        wish: &KeyWish<'_>,
    ) -> fault::Result<(ApiKey, String)> {
        let (tenant, now) = (caller.tenant, self.clock.wall());
        let (_, held) = roles::held_by(unit.connection(), tenant, owner).await?;
        let mut authority: Vec<Permissions> = self.authority(unit.connection(), caller).await?;
        authority.push(held);
        let wanted = check(&authority, wish.name, wish.scopes, wish.days)?;
        if api_keys::of(unit.connection(), tenant, owner).await?.len() >= KEYS_MAX {
            return Err(Rejection::KeysTooMany { max: KEYS_MAX }.into());
        }
        self.within_limits(unit.connection(), tenant, More::Key).await?;
        let (visible, secret) = (prefix(&random()?), random::<32>()?);
        let whole = format!("{visible}_{}", encode_token(&secret));
        let life = SignedDuration::from_hours(i64::from(wanted.days).saturating_mul(24));
        let key = ApiKey {
            id: Uuid::now_v7(),
            user: owner,
            name: wanted.name,
            prefix: visible,
            scopes: wanted.scopes.iter().map(str::to_owned).collect(),
            created_at: now,
            expires_at: now.saturating_add(life).unwrap_or(jiff::Timestamp::MAX),
            last_used_at: None,
            last_origin: None,
        };
        api_keys::insert(unit.connection(), tenant, &key, &token_digest(whole.as_bytes())).await?;
        let event = IdentityEvent::ApiKeyCreated(AboutKey { user: owner, key: key.id });
        unit.append_fact(USER, owner.as_uuid(), event).await?;
        let after = json!({ "user": owner, "scopes": key.scopes, "expires_at": key.expires_at });
        self.record_key(&mut unit, caller, "api_key.create", key.id, Some(after)).await?;
        unit.commit().await?;
        Ok((key, whole))
    }

    /// Revokes a key of the caller.
    ///
    /// # Errors
    /// `own_session_required`, `api_key_not_found`.
    pub(crate) async fn revoke_own_key(
        &self,
        caller: &Caller,
        context: &CommandContext,
        key: Uuid,
    ) -> fault::Result<()> {
        let (user, _) = caller.own_session()?;
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), context.tenant, user).await?;
        self.revoke(unit, caller, user, key).await
    }

    /// Revokes a key of a service account.
    ///
    /// # Errors
    /// `user_not_found`, `api_key_not_found`, `privilege_escalation`.
    pub(crate) async fn revoke_service_key(
        &self,
        cause: &Cause<'_>,
        id: UserId,
        key: Uuid,
    ) -> fault::Result<()> {
        let (unit, account) = self.begin_change(cause, id).await?;
        service_account(&account)?;
        self.revoke(unit, cause.caller, id, key).await
    }

    async fn revoke(
        &self,
        mut unit: UnitOfWork,
        caller: &Caller,
        owner: UserId,
        key: Uuid,
    ) -> fault::Result<()> {
        if !api_keys::revoke(unit.connection(), caller.tenant, owner, key, self.clock.wall()).await? {
            return Err(Rejection::KeyUnknown.into());
        }
        let event = IdentityEvent::ApiKeyRevoked(AboutKey { user: owner, key });
        unit.append_fact(USER, owner.as_uuid(), event).await?;
        self.record_key(&mut unit, caller, "api_key.revoke", key, None).await?;
        unit.commit().await?;
        Ok(())
    }

    async fn record_key(
        &self,
        unit: &mut UnitOfWork,
        caller: &Caller,
        name: &'static str,
        key: Uuid,
        after: Option<serde_json::Value>,
    ) -> fault::Result<()> {
        let (target, at) = (format!("api_key/{key}"), self.clock.wall());
        let origin = caller.origin.as_deref();
        audit::record(unit, Action { name, target, origin, at, before: None, after }).await
    }

    /// Creates an account for a program.
    ///
    /// # Errors
    /// An unfit name, an unknown role, `privilege_escalation`.
    pub(crate) async fn create_service_account(
        &self,
        cause: &Cause<'_>,
        name: &str,
        mut wanted: Vec<String>,
    ) -> fault::Result<Profile> {
        let name = display_name(name)?;
        if name.is_empty() {
            return Err(Rejection::DisplayNameUnfit.into());
        }
        wanted.sort_unstable();
        wanted.dedup();
        let (tenant, user) = (cause.context.tenant, UserId::new());
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        self.may_grant(&mut unit, cause.caller, &wanted).await?;
        users::insert_service(unit.connection(), tenant, user, &name, cause.context.at).await?;
        users::set_roles(unit.connection(), tenant, user, &wanted).await?;
        let event = IdentityEvent::UserRegistered(UserRegistered { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        let action = Action {
            name: "service_account.create",
            target: format!("user/{user}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: None,
            after: Some(json!({ "name": name, "roles": wanted })),
        };
        audit::record(&mut unit, action).await?;
        let profile = self.profile(unit.connection(), tenant, user).await?;
        unit.commit().await?;
        Ok(profile)
    }
}

fn service_account(user: &users::User) -> Result<(), Rejection> {
    if user.kind == "service" { Ok(()) } else { Err(Rejection::UserUnknown) }
}
