//! Creating a tenant and inviting its owner.

use auth::Caller;
use contracts::vbwd::identity::v1 as proto;
use eventstore::body_hash;
use ids::{TenantId, UserId};
use serde_json::json;

use super::{limits, locked};
use crate::app::user::Cause;
use crate::app::{Identity, NewMember};
use crate::events::{IdentityEvent, TENANT, TenantNews};
use crate::grpc::tenant_message;
use crate::rejection::Rejection;
use crate::rules::details::Details;
use crate::rules::roles::OWNER;
use crate::rules::tenant::{HOSTS_MAX, Limits, check_host, check_settings, check_slug};
use crate::tables::platform::{self, Profile};
use crate::tables::tenants;

impl Identity {
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
