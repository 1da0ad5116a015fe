//! What a tenant says about itself: name, language, currency, looks, and its main host.

use auth::Caller;
use eventstore::{UnitOfWork, storage};
use ids::TenantId;
use serde_json::{Value, json};

use crate::app::Identity;
use crate::app::user::Cause;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, TENANT, TenantNews};
use crate::rejection::Rejection;
use crate::rules::tenant::{Branding, check_settings};
use crate::tables::platform::{self, Profile, TenantStatus};

/// Name, language and currency of a tenant.
pub(crate) struct TenantWords<'a> {
    pub(crate) name: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) locale: &'a str,
}

impl Identity {
    /// The caller's tenant.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn own_tenant(&self, caller: &Caller) -> fault::Result<Profile> {
        let mut transaction = self.store.read(caller.tenant).await?;
        let found = platform::find(&mut transaction, caller.tenant, false).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(found.ok_or(Rejection::TenantUnknown)?)
    }

    /// Sets name, language and currency.
    ///
    /// # Errors
    /// Unfit input, `revision_stale`.
    pub(crate) async fn put_tenant_settings(
        &self,
        cause: &Cause<'_>,
        revision: i64,
        words: &TenantWords<'_>,
    ) -> fault::Result<Profile> {
        check_settings(words.name, words.currency, words.locale)?;
        let (mut unit, before) = self.begin_settings(cause, revision).await?;
        let after = Profile {
            name: words.name.trim().to_owned(),
            default_currency: words.currency.to_owned(),
            locale: words.locale.to_owned(),
            ..before.clone()
        };
        platform::write(unit.connection(), &after).await?;
        self.finish_settings(unit, cause, "tenant.settings", (shown(&before), shown(&after))).await
    }

    /// Sets how the tenant looks.
    ///
    /// # Errors
    /// Unfit input, `revision_stale`.
    pub(crate) async fn put_branding(
        &self,
        cause: &Cause<'_>,
        revision: i64,
        branding: Branding,
    ) -> fault::Result<Profile> {
        branding.check()?;
        let (mut unit, before) = self.begin_settings(cause, revision).await?;
        let states = (json!(before.branding), json!(branding));
        platform::write(unit.connection(), &Profile { branding, ..before }).await?;
        self.finish_settings(unit, cause, "tenant.branding", states).await
    }

    /// Makes one of the tenant's hosts the main one.
    ///
    /// # Errors
    /// `host_not_found`.
    pub(crate) async fn set_main_host(&self, cause: &Cause<'_>, host: &str) -> fault::Result<Profile> {
        let (mut unit, before) = self.begin_settings(cause, 0).await?;
        if !platform::set_main_host(unit.connection(), before.id, host).await? {
            return Err(Rejection::HostUnknown.into());
        }
        platform::write(unit.connection(), &before).await?;
        let main = before.hosts.iter().find(|(_, is_main)| *is_main).map(|(host, _)| host);
        let states = (json!({ "main": main }), json!({ "main": host }));
        self.finish_settings(unit, cause, "tenant.main_host", states).await
    }

    async fn begin_settings(&self, cause: &Cause<'_>, revision: i64) -> fault::Result<(UnitOfWork, Profile)> {
        let mut unit = self.store.begin(cause.context).await?;
        let found = platform::find(unit.connection(), cause.context.tenant, true).await?;
        let found = found.ok_or(Rejection::TenantUnknown)?;
        if revision != 0 && revision != found.revision {
            return Err(Rejection::RevisionStale.into());
        }
        Ok((unit, found))
    }

    async fn finish_settings(
        &self,
        mut unit: UnitOfWork,
        cause: &Cause<'_>,
        name: &'static str,
        (before, after): (Value, Value),
    ) -> fault::Result<Profile> {
        let tenant = cause.context.tenant;
        let event = IdentityEvent::TenantChanged(TenantNews {});
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        let action = Action {
            name,
            target: format!("tenant/{tenant}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: Some(before),
            after: Some(after),
        };
        audit::record(&mut unit, action).await?;
        let now = platform::find(unit.connection(), tenant, false).await?;
        unit.commit().await?;
        Ok(now.ok_or(Rejection::TenantUnknown)?)
    }

    /// Refuses to let anybody into a tenant that was stopped.
    pub(super) async fn let_in(&self, on: &mut sqlx::PgConnection, tenant: TenantId) -> fault::Result<()> {
        match platform::status(on, tenant).await? {
            Some(TenantStatus::Active) => Ok(()),
            Some(_) => Err(Rejection::TenantSuspended.into()),
            None => Err(Rejection::TenantUnknown.into()),
        }
    }

    /// Refuses one more user, or one more key, than the tenant may have. Where there is a limit, the lock of the
    /// tenant's administration lets one at a time count and add.
    pub(super) async fn within_limits(
        &self,
        on: &mut sqlx::PgConnection,
        tenant: TenantId,
        more: More,
    ) -> fault::Result<()> {
        let Some(limits) = platform::limits(on, tenant).await? else { return Ok(()) };
        let (max, noun) = match more {
            More::User => (limits.users_max, "users"),
            More::Key => (limits.api_keys_max, "api_keys"),
        };
        if max == 0 {
            return Ok(());
        }
        crate::tables::tenants::lock_administration(on, tenant).await?;
        let (users, keys) = platform::used(on, tenant, self.clock.wall()).await?;
        let used = if matches!(more, More::User) { users } else { keys };
        if used < i64::from(max) { Ok(()) } else { Err(Rejection::TenantLimit { noun, max }.into()) }
    }
}

/// What there is to be one more of.
#[derive(Debug, Clone, Copy)]
pub(super) enum More {
    User,
    Key,
}

fn shown(profile: &Profile) -> Value {
    let Profile { name, default_currency, locale, .. } = profile;
    json!({ "name": name, "default_currency": default_currency, "default_locale": locale })
}
