//! Tenants, as operators of the installation create, stop, limit and delete them.
//!
//! Operators are users of one tenant that no other can be: the platform ([`auth::PLATFORM_TENANT`]). What
//! they do to another tenant happens in a transaction of the worker, under the lock of that tenant's
//! administration, and is told in both audit trails: the platform's, and the tenant's own, whose owners
//! may know what was done to them. Heads are locked in that order.

use auth::{Caller, PLATFORM_TENANT};
use contracts::vbwd::identity::v1 as proto;
use eventstore::{CommandContext, UnitOfWork, body_hash};
use ids::{TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::user::Cause;
use crate::app::{Identity, NewMember};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, TENANT, TenantDeletionScheduled, TenantNews};
use crate::grpc::tenant_message;
use crate::rejection::Rejection;
use crate::rules::details::Details;
use crate::rules::roles::OWNER;
use crate::rules::tenant::{Limits, check_host, check_settings, check_slug};
use crate::tables::platform::{self, Profile, TenantStatus};
use crate::tables::tenants;

const GRACE_DAYS: i32 = 30;
const GRACE_DAYS_MAX: i32 = 365;
const REASON_LENGTH_MAX: usize = 500;
const HOSTS_MAX: usize = 50;

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
        let page = platform::page(unit.connection(), wanted, before, limit).await?;
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

    /// Creates a tenant and invites its owner. The invitation is a commit of its own, with an id that
    /// follows from the operation: whoever repeats a call that was cut off in between finishes it.
    ///
    /// # Errors
    /// Unfit input, `slug_taken`, `host_taken`, `operation_id_reused`.
    pub(crate) async fn create_tenant(
        &self,
        cause: &Cause<'_>,
        message: proto::CreateTenantRequest,
    ) -> fault::Result<proto::CreateTenantResponse> {
        let limits = limits(message.limits)?;
        check_new(&message)?;
        let hash = body_hash("CreateTenant", &message);
        let mut unit = self.store.begin(cause.context).await?;
        if let Some(answer) = unit.claim(&hash).await? {
            return Ok(answer);
        }
        unit.rollback().await?;
        let tenant = TenantId::derived(&["tenant", &cause.context.operation_id.to_string()]);
        let profile = match self.tenant(tenant).await {
            Ok(begun) => begun,
            Err(_) => self.found_tenant(cause, tenant, &message, limits).await?,
        };
        let owner = self.invite_owner(cause, tenant, &message).await?;
        let answer = proto::CreateTenantResponse {
            tenant: Some(tenant_message(profile)),
            owner_id: owner.map(|owner| owner.to_string()).unwrap_or_default(),
        };
        let mut unit = self.store.begin(cause.context).await?;
        unit.remember(&hash, &answer).await?;
        unit.commit().await?;
        Ok(answer)
    }

    async fn found_tenant(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        message: &proto::CreateTenantRequest,
        limits: Limits,
    ) -> fault::Result<Profile> {
        let row = tenants::NewTenant {
            id: tenant,
            slug: &message.slug,
            name: &message.name,
            default_currency: &message.default_currency,
            locale: &message.default_locale,
            at: self.clock.wall(),
        };
        let mut unit = self.worker_for(cause, tenant).await?;
        if tenants::insert(unit.connection(), &row).await? != tenant {
            return Err(Rejection::SlugTaken.into());
        }
        for host in &message.hosts {
            self.give(&mut unit, tenant, host).await?;
        }
        if let Some(main) = message.hosts.first() {
            platform::set_main_host(unit.connection(), tenant, main).await?;
        }
        let mut profile = locked(&mut unit, tenant).await?;
        profile.limits = limits;
        platform::write(unit.connection(), &profile).await?;
        unit.append_fact(TENANT, tenant.as_uuid(), IdentityEvent::TenantCreated(TenantNews {})).await?;
        let after = json!({ "slug": profile.slug, "hosts": message.hosts, "limits": limits });
        self.record_twice(&mut unit, cause, tenant, "tenant.create", (None, Some(after))).await?;
        unit.commit().await?;
        self.tenant(tenant).await
    }

    /// None when an earlier attempt has invited the owner already.
    async fn invite_owner(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        message: &proto::CreateTenantRequest,
    ) -> fault::Result<Option<UserId>> {
        let service = Caller::service(crate::NAME, tenant);
        let context = self.context_in(cause, tenant);
        let new = NewMember {
            email: &message.owner_email,
            display_name: &message.owner_name,
            roles: vec![OWNER.to_owned()],
            details: Details::default(),
            password: None,
        };
        match self.create_member(&Cause { caller: &service, context: &context }, new).await {
            Ok(profile) => Ok(Some(profile.user.id)),
            Err(fault) if fault.reason() == "email_taken" => Ok(None),
            Err(fault) => Err(fault),
        }
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

    /// Lets a tenant answer on a host.
    ///
    /// # Errors
    /// `tenant_not_found`, `host_taken`, an unfit host, `too_many_hosts`.
    pub(crate) async fn add_tenant_host(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        host: &str,
    ) -> fault::Result<Profile> {
        check_host(host)?;
        let (mut unit, before) = self.begin_on_tenant(cause, tenant).await?;
        if before.hosts.iter().any(|(known, _)| known == host) {
            return Ok(before);
        }
        if before.hosts.len() >= HOSTS_MAX {
            return Err(Rejection::HostsTooMany { max: HOSTS_MAX }.into());
        }
        self.give(&mut unit, tenant, host).await?;
        if !before.hosts.iter().any(|(_, is_main)| *is_main) {
            platform::set_main_host(unit.connection(), tenant, host).await?;
        }
        let after = locked(&mut unit, tenant).await?;
        self.finish_changed(unit, cause, "tenant.add_host", &before, after).await
    }

    /// Takes a host from a tenant.
    ///
    /// # Errors
    /// `tenant_not_found`, `main_host_stays`.
    pub(crate) async fn remove_tenant_host(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        host: &str,
    ) -> fault::Result<Profile> {
        let (mut unit, before) = self.begin_on_tenant(cause, tenant).await?;
        match before.hosts.iter().find(|(known, _)| known == host) {
            None => return Ok(before),
            Some((_, true)) => return Err(Rejection::MainHostStays.into()),
            Some((_, false)) => platform::take_host(unit.connection(), tenant, host).await?,
        }
        let after = locked(&mut unit, tenant).await?;
        self.finish_changed(unit, cause, "tenant.remove_host", &before, after).await
    }

    /// Purges tenants whose grace period is over; any number of processes may do it, the lock of the
    /// tenant lets one.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn purge_tenants(&self) -> fault::Result<()> {
        let mut unit = self.store.begin_worker(None).await?;
        let due = platform::due_to_purge(unit.connection(), self.clock.wall()).await?;
        unit.rollback().await?;
        for tenant in due {
            self.purge_tenant(tenant).await?;
        }
        Ok(())
    }

    async fn purge_tenant(&self, tenant: TenantId) -> fault::Result<()> {
        let (service, context) = (Caller::service(crate::NAME, tenant), self.own_context(tenant));
        let cause = Cause { caller: &service, context: &context };
        let mut unit = self.worker_for(&cause, tenant).await?;
        let before = locked(&mut unit, tenant).await?;
        let due = before.purge_at.is_some_and(|at| at <= self.clock.wall());
        if before.status != TenantStatus::Deleting || !due {
            return Ok(());
        }
        platform::purge(unit.connection(), tenant).await?;
        let after = Profile {
            slug: format!("purged-{}", tenant.as_uuid().simple()),
            name: String::new(),
            status: TenantStatus::Purged,
            suspended_reason: String::new(),
            purge_at: None,
            branding: Default::default(),
            ..before.clone()
        };
        let event = IdentityEvent::TenantPurged(TenantNews {});
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        self.finish_on_tenant(unit, &cause, "tenant.purge", &before, after).await.map(drop)
    }

    /// A transaction on another tenant, in the operator's circumstances.
    async fn worker_for(&self, cause: &Cause<'_>, tenant: TenantId) -> fault::Result<UnitOfWork> {
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

    async fn give(&self, unit: &mut UnitOfWork, tenant: TenantId, host: &str) -> fault::Result<()> {
        let holder = tenants::give_host(unit.connection(), tenant, host).await?;
        if holder == tenant { Ok(()) } else { Err(Rejection::HostTaken { host: host.to_owned() }.into()) }
    }

    fn context_in(&self, cause: &Cause<'_>, tenant: TenantId) -> CommandContext {
        CommandContext { tenant, at: self.clock.now(tenant), ..cause.context.clone() }
    }

    fn own_context(&self, tenant: TenantId) -> CommandContext {
        let operation_id = ids::OperationId::derived(&["purge", &tenant.to_string()]);
        CommandContext {
            tenant,
            actor: format!("service:{}", crate::NAME),
            operation_id,
            correlation_id: operation_id.as_uuid(),
            causation_id: None,
            traceparent: None,
            at: self.clock.now(tenant),
        }
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

fn check_new(message: &proto::CreateTenantRequest) -> Result<(), Rejection> {
    check_slug(&message.slug)?;
    check_settings(&message.name, &message.default_currency, &message.default_locale)?;
    if message.hosts.is_empty() || message.hosts.len() > HOSTS_MAX {
        return Err(Rejection::TenantUnfit { pointer: "/hosts", code: "out_of_range" });
    }
    message.hosts.iter().try_for_each(|host| check_host(host))?;
    match crate::rules::email::EmailAddress::parse(&message.owner_email) {
        Some(_) => Ok(()),
        None => Err(Rejection::TenantUnfit { pointer: "/owner_email", code: "malformed" }),
    }
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
