//! The rpcs: convert, call the use case, convert. Who may call was checked by the guard before.

mod access;
mod account;
mod admin;
mod audit;
mod auth;
mod convert;
mod federation;
mod host_claim;
mod passkey;
mod permission;
mod profile;
mod routing;
mod second_factor;
mod sign_in;
mod source;
mod tenant;
mod ticket;
mod user;

use std::sync::Arc;

use ::auth::Caller;
use contracts::vbwd::identity::v1::access_level_service_server::AccessLevelServiceServer;
use contracts::vbwd::identity::v1::account_service_server::AccountServiceServer;
use contracts::vbwd::identity::v1::api_key_service_server::ApiKeyServiceServer;
use contracts::vbwd::identity::v1::audit_service_server::AuditServiceServer;
use contracts::vbwd::identity::v1::auth_service_server::AuthServiceServer;
use contracts::vbwd::identity::v1::authority_service_server::AuthorityServiceServer;
use contracts::vbwd::identity::v1::federation_service_server::FederationServiceServer;
use contracts::vbwd::identity::v1::identity_provider_service_server::IdentityProviderServiceServer;
use contracts::vbwd::identity::v1::passkey_service_server::PasskeyServiceServer;
use contracts::vbwd::identity::v1::permission_service_server::PermissionServiceServer;
use contracts::vbwd::identity::v1::platform_service_server::PlatformServiceServer;
use contracts::vbwd::identity::v1::role_service_server::RoleServiceServer;
use contracts::vbwd::identity::v1::routing_service_server::RoutingServiceServer;
use contracts::vbwd::identity::v1::second_factor_policy_service_server::SecondFactorPolicyServiceServer;
use contracts::vbwd::identity::v1::second_factor_service_server::SecondFactorServiceServer;
use contracts::vbwd::identity::v1::sign_in_service_server::SignInServiceServer;
use contracts::vbwd::identity::v1::source_service_server::SourceServiceServer;
use contracts::vbwd::identity::v1::tenant_service_server::TenantServiceServer;
use contracts::vbwd::identity::v1::tenant_settings_service_server::TenantSettingsServiceServer;
use contracts::vbwd::identity::v1::ticket_service_server::TicketServiceServer;
use contracts::vbwd::identity::v1::user_directory_service_server::UserDirectoryServiceServer;
use contracts::vbwd::identity::v1::user_service_server::UserServiceServer;
use eventstore::CommandContext;
use tonic::Request;
use tonic::service::Routes;

use crate::Identity;
use crate::app::Place;
pub(crate) use convert::{audit_entry, timestamp};
pub(crate) use tenant::tenant_message;

/// What is told to everybody alike, whatever follows.
const ACCEPTED: &str = "accepted";

/// The handlers of all services of this package.
#[derive(Clone)]
struct Api(Arc<Identity>);

impl Api {
    fn context<T>(&self, request: &Request<T>) -> fault::Result<(Arc<Caller>, CommandContext)> {
        runtime::context(request, &*self.0.clock)
    }
}

/// Where a call comes from.
fn place<'a>(caller: &'a Caller, user_agent: &'a str) -> Place<'a> {
    Place { origin: caller.origin.as_deref(), country: caller.country.as_deref(), user_agent }
}

/// The rpcs of identity.
pub(crate) fn routes(identity: Arc<Identity>) -> Routes {
    let api = Api(identity);
    Routes::new(AuthServiceServer::new(api.clone()))
        .add_service(AccountServiceServer::new(api.clone()))
        .add_service(AuthorityServiceServer::new(api.clone()))
        .add_service(AccessLevelServiceServer::new(api.clone()))
        .add_service(ApiKeyServiceServer::new(api.clone()))
        .add_service(PermissionServiceServer::new(api.clone()))
        .add_service(SecondFactorServiceServer::new(api.clone()))
        .add_service(SecondFactorPolicyServiceServer::new(api.clone()))
        .add_service(FederationServiceServer::new(api.clone()))
        .add_service(IdentityProviderServiceServer::new(api.clone()))
        .add_service(PasskeyServiceServer::new(api.clone()))
        .add_service(SignInServiceServer::new(api.clone()))
        .add_service(RoutingServiceServer::new(api.clone()))
        .add_service(SourceServiceServer::new(api.clone()))
        .add_service(TicketServiceServer::new(api.clone()))
        .add_service(TenantServiceServer::new(api.clone()))
        .add_service(PlatformServiceServer::new(api.clone()))
        .add_service(TenantSettingsServiceServer::new(api.clone()))
        .add_service(UserServiceServer::new(api.clone()))
        .add_service(UserDirectoryServiceServer::new(api.clone()))
        .add_service(RoleServiceServer::new(api.clone()))
        .add_service(AuditServiceServer::new(api))
}
