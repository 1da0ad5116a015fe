//! Tenants, as operators of the installation create, stop, limit and delete them.
//!
//! Operators are users of one tenant that no other can be: the platform ([`auth::PLATFORM_TENANT`]). What
//! they do to another tenant happens in a transaction of the worker, under the lock of that tenant's
//! administration, and is told in both audit trails: the platform's, and the tenant's own, whose owners
//! may know what was done to them. Heads are locked in that order.

mod create;
mod hosts;
mod purge;

use auth::PLATFORM_TENANT;
use contracts::vbwd::identity::v1 as proto;
use eventstore::{CommandContext, UnitOfWork};
use ids::TenantId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::Identity;
use crate::app::user::Cause;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, TENANT, TenantDeletionScheduled, TenantNews};
use crate::rejection::Rejection;
use crate::rules::tenant::Limits;
use crate::tables::platform::{self, Profile, TenantStatus};
use crate::tables::{tenant_search, tenants};

const GRACE_DAYS: i32 = 30;
const GRACE_DAYS_MAX: i32 = 365;
const REASON_LENGTH_MAX: usize = 500;

impl Identity {
    /// At most `limit` tenants that fit, newest first, behind `before`.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn list_tenants(
        &self,
        wanted: (&str, Option<TenantStatus>),
        before: Option<Uuid>,
        limit: i64,
    ) -> fault::Result<Vec<Profile>> {
        let mut unit = self.store.begin_worker(None).await?;
        let page = tenant_search::page(unit.connection(), wanted, before, limit).await?;
        unit.rollback().await?;
        Ok(page)
    }

    /// One tenant.
    ///
    /// # Errors
    /// `tenant_not_found`.
    pub(crate) async fn tenant(&self, tenant: TenantId) -> fault::Result<Profile> {
        let mut unit = self.store.begin_worker(Some(tenant)).await?;
        let found = platform::find(unit.connection(), tenant, false).await?;
        unit.rollback().await?;
        Ok(found.ok_or(Rejection::TenantUnknown)?)
    }

    /// Stops a tenant.
    ///
    /// # Errors
    /// `tenant_not_found`, `platform_stays`, a reason that is too long.
    pub(crate) async fn suspend_tenant(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        reason: &str,
    ) -> fault::Result<Profile> {
        if reason.chars().count() > REASON_LENGTH_MAX {
            return Err(Rejection::ReasonTooLong { max: REASON_LENGTH_MAX }.into());
        }
        let (mut unit, before) = self.begin_on_tenant(cause, tenant).await?;
        if before.status != TenantStatus::Active {
            return Ok(before);
        }
        let suspended_reason = reason.to_owned();
        let after = Profile { status: TenantStatus::Suspended, suspended_reason, ..before.clone() };
        let event = IdentityEvent::TenantSuspended(TenantNews {});
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        self.finish_on_tenant(unit, cause, "tenant.suspend", &before, after).await
    }

    /// Lets a tenant go on.
    ///
    /// # Errors
    /// `tenant_not_found`.
    pub(crate) async fn reactivate_tenant(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
    ) -> fault::Result<Profile> {
        let (mut unit, before) = self.begin_on_tenant(cause, tenant).await?;
        if before.status == TenantStatus::Active {
            return Ok(before);
        }
        let (status, suspended_reason, purge_at) = (TenantStatus::Active, String::new(), None);
        let after = Profile { status, suspended_reason, purge_at, ..before.clone() };
        let event = IdentityEvent::TenantReactivated(TenantNews {});
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        self.finish_on_tenant(unit, cause, "tenant.reactivate", &before, after).await
    }

    /// Stops a tenant for good, after a grace period in which it can be reactivated.
    ///
    /// # Errors
    /// `tenant_not_found`, `platform_stays`, a grace period out of range.
    pub(crate) async fn delete_tenant(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        grace_days: i32,
    ) -> fault::Result<Profile> {
        let days = if grace_days == 0 { GRACE_DAYS } else { grace_days };
        if !(1..=GRACE_DAYS_MAX).contains(&days) {
            return Err(Rejection::TenantUnfit { pointer: "/grace_days", code: "out_of_range" }.into());
        }
        let (mut unit, before) = self.begin_on_tenant(cause, tenant).await?;
        if before.status == TenantStatus::Deleting {
            return Ok(before);
        }
        let grace = SignedDuration::from_hours(24 * i64::from(days));
        let purge_at = self.clock.wall().saturating_add(grace).unwrap_or(Timestamp::MAX);
        let after = Profile { status: TenantStatus::Deleting, purge_at: Some(purge_at), ..before.clone() };
        let event = IdentityEvent::TenantDeletionScheduled(TenantDeletionScheduled { purge_at });
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        self.finish_on_tenant(unit, cause, "tenant.delete", &before, after).await
    }

    /// Sets what a tenant may use.
    ///
    /// # Errors
    /// `tenant_not_found`, limits out of range.
    pub(crate) async fn set_tenant_limits(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        wanted: Option<proto::TenantLimits>,
    ) -> fault::Result<Profile> {
        let limits = limits(wanted)?;
        let (unit, before) = self.begin_on_tenant(cause, tenant).await?;
        let after = Profile { limits, ..before.clone() };
        self.finish_changed(unit, cause, "tenant.limits", &before, after).await
    }

    /// A transaction on another tenant, in the operator's circumstances.
    pub(super) async fn worker_for(&self, cause: &Cause<'_>, tenant: TenantId) -> fault::Result<UnitOfWork> {
        let mut unit = self.store.begin_worker(Some(tenant)).await?;
        unit.set_context(self.context_in(cause, tenant));
        Ok(unit)
    }

    async fn begin_on_tenant(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
    ) -> fault::Result<(UnitOfWork, Profile)> {
        if tenant == PLATFORM_TENANT {
            return Err(Rejection::PlatformStays.into());
        }
        let mut unit = self.worker_for(cause, tenant).await?;
        let found = locked(&mut unit, tenant).await?;
        if found.status == TenantStatus::Purged {
            return Err(Rejection::TenantUnknown.into());
        }
        Ok((unit, found))
    }

    async fn finish_changed(
        &self,
        mut unit: UnitOfWork,
        cause: &Cause<'_>,
        name: &'static str,
        before: &Profile,
        after: Profile,
    ) -> fault::Result<Profile> {
        let event = IdentityEvent::TenantChanged(TenantNews {});
        unit.append_fact(TENANT, before.id.as_uuid(), event).await?;
        self.finish_on_tenant(unit, cause, name, before, after).await
    }

    async fn finish_on_tenant(
        &self,
        mut unit: UnitOfWork,
        cause: &Cause<'_>,
        name: &'static str,
        before: &Profile,
        after: Profile,
    ) -> fault::Result<Profile> {
        platform::write(unit.connection(), &after).await?;
        let states = (Some(shown(before)), Some(shown(&after)));
        self.record_twice(&mut unit, cause, before.id, name, states).await?;
        let now = locked(&mut unit, before.id).await?;
        unit.commit().await?;
        Ok(now)
    }

    /// In the platform's trail and in the tenant's own.
    async fn record_twice(
        &self,
        unit: &mut UnitOfWork,
        cause: &Cause<'_>,
        tenant: TenantId,
        name: &'static str,
        (before, after): (Option<Value>, Option<Value>),
    ) -> fault::Result<()> {
        for trail in [PLATFORM_TENANT, tenant] {
            let action = Action {
                name,
                target: format!("tenant/{tenant}"),
                origin: cause.caller.origin.as_deref(),
                at: self.clock.wall(),
                before: before.clone(),
                after: after.clone(),
            };
            let mut entry = audit::entry(&self.context_in(cause, tenant), action)?;
            if trail == PLATFORM_TENANT && !tenants::exists(unit.connection(), PLATFORM_TENANT).await? {
                continue; // An installation that nobody has bootstrapped purges nothing but its own past.
            }
            entry.actor = format!("{} of platform", cause.context.actor);
            audit::append(unit.connection(), trail, entry).await?;
        }
        Ok(())
    }

    fn context_in(&self, cause: &Cause<'_>, tenant: TenantId) -> CommandContext {
        CommandContext { tenant, at: self.clock.now(tenant), ..cause.context.clone() }
    }
}

async fn locked(unit: &mut UnitOfWork, tenant: TenantId) -> fault::Result<Profile> {
    let found = platform::find(unit.connection(), tenant, true).await?;
    Ok(found.ok_or(Rejection::TenantUnknown)?)
}

fn limits(wanted: Option<proto::TenantLimits>) -> Result<Limits, Rejection> {
    let wanted = wanted.unwrap_or_default();
    let limits = Limits {
        users_max: wanted.users_max,
        api_keys_max: wanted.api_keys_max,
        requests_per_minute: wanted.requests_per_minute,
    };
    limits.check().map(|()| limits)
}

/// What the audit trails keep of a tenant.
fn shown(profile: &Profile) -> Value {
    let hosts: Vec<_> = profile.hosts.iter().map(|(host, _)| host).collect();
    json!({
        "status": profile.status.as_str(),
        "reason": profile.suspended_reason,
        "purge_at": profile.purge_at,
        "hosts": hosts,
        "limits": profile.limits,
    })
}
