//! `PlatformService` and `TenantSettingsService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::platform_service_server::PlatformService;
use contracts::vbwd::identity::v1::tenant_settings_service_server::TenantSettingsService;
use fault::Fault;
use ids::TenantId;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Api, convert, host_claim};
use crate::app::{Cause, TenantWords};
use crate::rejection::Rejection;
use crate::rules::tenant::Branding;
use crate::tables::platform::{Profile, TenantStatus};

/// The caller, the circumstances and the message of a request.
macro_rules! asked {
    ($self:ident, $request:ident => $caller:ident, $context:ident, $message:ident) => {
        let ($caller, $context) = $self.context(&$request)?;
        let $message = $request.into_inner();
    };
}

#[tonic::async_trait]
impl PlatformService for Api {
    async fn list_tenants(
        &self,
        request: Request<proto::ListTenantsRequest>,
    ) -> Result<Response<proto::ListTenantsResponse>, Status> {
        let message = request.into_inner();
        let page = convert::page::<Uuid>(message.page_size, &message.cursor)?;
        let status = match message.status.as_str() {
            "" => None,
            word => Some(
                TenantStatus::named(word)
                    .ok_or_else(|| Fault::invalid("/status", "unknown", "There is no such status."))?,
            ),
        };
        let wanted = (message.query.as_str(), status);
        let mut found = self.0.list_tenants(wanted, page.before, page.fetched()).await?;
        let next_cursor = page.cut(&mut found, |last| last.id.as_uuid());
        let tenants = found.into_iter().map(tenant_message).collect();
        Ok(Response::new(proto::ListTenantsResponse { tenants, next_cursor }))
    }

    async fn get_tenant(
        &self,
        request: Request<proto::GetTenantRequest>,
    ) -> Result<Response<proto::GetTenantResponse>, Status> {
        let found = self.0.tenant(tenant_id(&request.get_ref().tenant_id)?).await?;
        Ok(Response::new(proto::GetTenantResponse { tenant: Some(tenant_message(found)) }))
    }

    async fn create_tenant(
        &self,
        request: Request<proto::CreateTenantRequest>,
    ) -> Result<Response<proto::CreateTenantResponse>, Status> {
        asked!(self, request => caller, context, message);
        let cause = Cause { caller: &caller, context: &context };
        Ok(Response::new(self.0.create_tenant(&cause, message).await?))
    }

    async fn suspend_tenant(
        &self,
        request: Request<proto::SuspendTenantRequest>,
    ) -> Result<Response<proto::SuspendTenantResponse>, Status> {
        asked!(self, request => caller, context, message);
        let (cause, id) = (Cause { caller: &caller, context: &context }, tenant_id(&message.tenant_id)?);
        let tenant = tenant_message(self.0.suspend_tenant(&cause, id, &message.reason).await?);
        Ok(Response::new(proto::SuspendTenantResponse { tenant: Some(tenant) }))
    }

    async fn reactivate_tenant(
        &self,
        request: Request<proto::ReactivateTenantRequest>,
    ) -> Result<Response<proto::ReactivateTenantResponse>, Status> {
        asked!(self, request => caller, context, message);
        let (cause, id) = (Cause { caller: &caller, context: &context }, tenant_id(&message.tenant_id)?);
        let tenant = tenant_message(self.0.reactivate_tenant(&cause, id).await?);
        Ok(Response::new(proto::ReactivateTenantResponse { tenant: Some(tenant) }))
    }

    async fn delete_tenant(
        &self,
        request: Request<proto::DeleteTenantRequest>,
    ) -> Result<Response<proto::DeleteTenantResponse>, Status> {
        asked!(self, request => caller, context, message);
        let (cause, id) = (Cause { caller: &caller, context: &context }, tenant_id(&message.tenant_id)?);
        let tenant = tenant_message(self.0.delete_tenant(&cause, id, message.grace_days).await?);
        Ok(Response::new(proto::DeleteTenantResponse { tenant: Some(tenant) }))
    }

    async fn set_tenant_limits(
        &self,
        request: Request<proto::SetTenantLimitsRequest>,
    ) -> Result<Response<proto::SetTenantLimitsResponse>, Status> {
        asked!(self, request => caller, context, message);
        let (cause, id) = (Cause { caller: &caller, context: &context }, tenant_id(&message.tenant_id)?);
        let tenant = tenant_message(self.0.set_tenant_limits(&cause, id, message.limits).await?);
        Ok(Response::new(proto::SetTenantLimitsResponse { tenant: Some(tenant) }))
    }

    async fn add_tenant_host(
        &self,
        request: Request<proto::AddTenantHostRequest>,
    ) -> Result<Response<proto::AddTenantHostResponse>, Status> {
        asked!(self, request => caller, context, message);
        let (cause, id) = (Cause { caller: &caller, context: &context }, tenant_id(&message.tenant_id)?);
        let tenant = tenant_message(self.0.add_tenant_host(&cause, id, &message.host).await?);
        Ok(Response::new(proto::AddTenantHostResponse { tenant: Some(tenant) }))
    }

    async fn remove_tenant_host(
        &self,
        request: Request<proto::RemoveTenantHostRequest>,
    ) -> Result<Response<proto::RemoveTenantHostResponse>, Status> {
        asked!(self, request => caller, context, message);
        let (cause, id) = (Cause { caller: &caller, context: &context }, tenant_id(&message.tenant_id)?);
        let tenant = tenant_message(self.0.remove_tenant_host(&cause, id, &message.host).await?);
        Ok(Response::new(proto::RemoveTenantHostResponse { tenant: Some(tenant) }))
    }
}

#[tonic::async_trait]
impl TenantSettingsService for Api {
    async fn get_tenant_settings(
        &self,
        request: Request<proto::GetTenantSettingsRequest>,
    ) -> Result<Response<proto::GetTenantSettingsResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let found = self.0.own_tenant(&caller).await?;
        let branding = Some(branding_message(found.branding.clone()));
        Ok(Response::new(proto::GetTenantSettingsResponse { tenant: Some(tenant_message(found)), branding }))
    }

    async fn put_tenant_settings(
        &self,
        request: Request<proto::PutTenantSettingsRequest>,
    ) -> Result<Response<proto::PutTenantSettingsResponse>, Status> {
        asked!(self, request => caller, context, message);
        let words = TenantWords {
            name: &message.name,
            currency: &message.default_currency,
            locale: &message.default_locale,
        };
        let cause = Cause { caller: &caller, context: &context };
        let found = self.0.put_tenant_settings(&cause, message.revision, &words).await?;
        Ok(Response::new(proto::PutTenantSettingsResponse { tenant: Some(tenant_message(found)) }))
    }

    async fn put_branding(
        &self,
        request: Request<proto::PutBrandingRequest>,
    ) -> Result<Response<proto::PutBrandingResponse>, Status> {
        asked!(self, request => caller, context, message);
        let wanted = branding(message.branding.unwrap_or_default());
        let cause = Cause { caller: &caller, context: &context };
        let found = self.0.put_branding(&cause, message.revision, wanted).await?;
        Ok(Response::new(proto::PutBrandingResponse { branding: Some(branding_message(found.branding)) }))
    }

    async fn set_main_host(
        &self,
        request: Request<proto::SetMainHostRequest>,
    ) -> Result<Response<proto::SetMainHostResponse>, Status> {
        asked!(self, request => caller, context, message);
        let cause = Cause { caller: &caller, context: &context };
        let found = self.0.set_main_host(&cause, &message.host).await?;
        Ok(Response::new(proto::SetMainHostResponse { tenant: Some(tenant_message(found)) }))
    }

    async fn list_host_claims(
        &self,
        request: Request<proto::ListHostClaimsRequest>,
    ) -> Result<Response<proto::ListHostClaimsResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let claims = self.0.host_claims(&caller).await?;
        let claims = claims.into_iter().map(|claim| host_claim::message(&self.0, claim)).collect();
        Ok(Response::new(proto::ListHostClaimsResponse { claims }))
    }

    async fn claim_host(
        &self,
        request: Request<proto::ClaimHostRequest>,
    ) -> Result<Response<proto::ClaimHostResponse>, Status> {
        asked!(self, request => caller, context, message);
        let cause = Cause { caller: &caller, context: &context };
        let claim = host_claim::message(&self.0, self.0.claim_host(&cause, &message.host).await?);
        Ok(Response::new(proto::ClaimHostResponse { claim: Some(claim) }))
    }

    async fn verify_host(
        &self,
        request: Request<proto::VerifyHostRequest>,
    ) -> Result<Response<proto::VerifyHostResponse>, Status> {
        asked!(self, request => caller, context, message);
        let cause = Cause { caller: &caller, context: &context };
        let claim = host_claim::message(&self.0, self.0.verify_host(&cause, &message.host).await?);
        Ok(Response::new(proto::VerifyHostResponse { claim: Some(claim) }))
    }

    async fn release_host(
        &self,
        request: Request<proto::ReleaseHostRequest>,
    ) -> Result<Response<proto::ReleaseHostResponse>, Status> {
        asked!(self, request => caller, context, message);
        let cause = Cause { caller: &caller, context: &context };
        self.0.release_host(&cause, &message.host).await?;
        Ok(Response::new(proto::ReleaseHostResponse {}))
    }

    async fn get_branding(
        &self,
        request: Request<proto::GetBrandingRequest>,
    ) -> Result<Response<proto::GetBrandingResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let found = self.0.own_tenant(&caller).await?;
        Ok(Response::new(proto::GetBrandingResponse {
            name: found.name,
            branding: Some(branding_message(found.branding)),
            default_currency: found.default_currency,
            default_locale: found.locale,
        }))
    }
}

/// A malformed id names nothing, so it is told like an unknown one.
fn tenant_id(text: &str) -> fault::Result<TenantId> {
    text.parse().map_err(|_| Rejection::TenantUnknown.into())
}

/// A tenant as a message.
pub(crate) fn tenant_message(profile: Profile) -> proto::Tenant {
    let hosts = profile.hosts.into_iter().map(|(host, is_main)| proto::TenantHost { host, is_main });
    let limits = proto::TenantLimits {
        users_max: profile.limits.users_max,
        api_keys_max: profile.limits.api_keys_max,
        requests_per_minute: profile.limits.requests_per_minute,
    };
    proto::Tenant {
        tenant_id: profile.id.to_string(),
        slug: profile.slug,
        name: profile.name,
        status: profile.status.as_str().to_owned(),
        suspended_reason: profile.suspended_reason,
        purge_at: profile.purge_at.map(convert::timestamp),
        default_currency: profile.default_currency,
        default_locale: profile.locale,
        hosts: hosts.collect(),
        limits: Some(limits),
        created_at: Some(convert::timestamp(profile.created_at)),
        revision: profile.revision,
    }
}

fn branding(message: proto::Branding) -> Branding {
    Branding {
        primary_colour: message.primary_colour,
        accent_colour: message.accent_colour,
        background_colour: message.background_colour,
        text_colour: message.text_colour,
        logo_url: message.logo_url,
        logo_dark_url: message.logo_dark_url,
        favicon_url: message.favicon_url,
        product_name: message.product_name,
        legal_name: message.legal_name,
        support_address: message.support_address,
    }
}

fn branding_message(branding: Branding) -> proto::Branding {
    proto::Branding {
        primary_colour: branding.primary_colour,
        accent_colour: branding.accent_colour,
        background_colour: branding.background_colour,
        text_colour: branding.text_colour,
        logo_url: branding.logo_url,
        logo_dark_url: branding.logo_dark_url,
        favicon_url: branding.favicon_url,
        product_name: branding.product_name,
        legal_name: branding.legal_name,
        support_address: branding.support_address,
    }
}
