//! Every rpc times every kind of caller. An rpc that is missing here fails the test.

use std::collections::BTreeSet;

use auth::{Caller, Permissions, Subject};
use fault::Fault;
use ids::{SessionId, UserId};
use tonic::codegen::http::uri::PathAndQuery;

use crate::fixtures::{World, nobody, world};

const CALLERS: [&str; 6] = ["anonymous", "customer", "support", "admin", "owner", "service"];

const SIGNED_IN: [&str; 5] = ["customer", "support", "admin", "owner", "service"];

/// The rpcs, and who gets past the guard.
const TABLE: &[(&str, &[&str])] = &[
    ("AuthService/Register", &CALLERS),
    ("AuthService/LogIn", &CALLERS),
    ("SignInService/CompleteLogIn", &CALLERS),
    ("SignInService/EnrolAtLogIn", &CALLERS),
    ("SignInService/ConfirmAtLogIn", &CALLERS),
    ("PasskeyService/ListPasskeys", &SIGNED_IN),
    ("PasskeyService/BeginPasskeyRegistration", &SIGNED_IN),
    ("PasskeyService/CompletePasskeyRegistration", &SIGNED_IN),
    ("PasskeyService/RenamePasskey", &SIGNED_IN),
    ("PasskeyService/RemovePasskey", &SIGNED_IN),
    ("PasskeyService/BeginPasskeyLogIn", &CALLERS),
    ("PasskeyService/CompletePasskeyLogIn", &CALLERS),
    ("FederationService/ListSignInProviders", &CALLERS),
    ("FederationService/BeginFederatedLogIn", &CALLERS),
    ("FederationService/CompleteFederatedLogIn", &CALLERS),
    ("FederationService/ListLinkedIdentities", &SIGNED_IN),
    ("FederationService/BeginLinkIdentity", &SIGNED_IN),
    ("FederationService/CompleteLinkIdentity", &SIGNED_IN),
    ("FederationService/UnlinkIdentity", &SIGNED_IN),
    ("IdentityProviderService/ListIdentityProviders", &["admin", "owner", "service"]),
    ("IdentityProviderService/PutIdentityProvider", &["admin", "owner", "service"]),
    ("IdentityProviderService/DeleteIdentityProvider", &["admin", "owner", "service"]),
    ("SecondFactorService/GetSecondFactors", &SIGNED_IN),
    ("SecondFactorService/EnrolTotp", &SIGNED_IN),
    ("SecondFactorService/ConfirmTotp", &SIGNED_IN),
    ("SecondFactorService/DisableTotp", &SIGNED_IN),
    ("SecondFactorService/RegenerateRecoveryCodes", &SIGNED_IN),
    ("SecondFactorService/StepUp", &SIGNED_IN),
    ("SecondFactorService/BeginPasskeyStepUp", &SIGNED_IN),
    ("SecondFactorService/CompletePasskeyStepUp", &SIGNED_IN),
    ("SecondFactorPolicyService/GetSecondFactorPolicy", &["admin", "owner", "service"]),
    ("SecondFactorPolicyService/SetSecondFactorPolicy", &["admin", "owner", "service"]),
    ("SecondFactorPolicyService/ResetUserSecondFactor", &["admin", "owner", "service"]),
    ("AuthService/Refresh", &CALLERS),
    ("AuthService/LogOut", &SIGNED_IN),
    ("AuthService/GetMe", &SIGNED_IN),
    ("AuthService/GetJwks", &CALLERS),
    ("TicketService/VerifyEmail", &CALLERS),
    ("TicketService/ConfirmEmailChange", &CALLERS),
    ("TicketService/RequestPasswordReset", &CALLERS),
    ("TicketService/ResetPassword", &CALLERS),
    ("TicketService/AcceptInvitation", &CALLERS),
    ("AccountService/UpdateAccount", &SIGNED_IN),
    ("AccountService/ListSessions", &SIGNED_IN),
    ("AccountService/EndSession", &SIGNED_IN),
    ("AccountService/ChangePassword", &SIGNED_IN),
    ("AccountService/RequestEmailChange", &SIGNED_IN),
    ("AccountService/ResendEmailVerification", &SIGNED_IN),
    ("AccountService/EraseAccount", &SIGNED_IN),
    ("AccountService/ExportAccount", &SIGNED_IN),
    ("AuthService/RotateSigningKey", &["service"]),
    ("TenantService/ResolveTenant", &["service"]),
    ("UserDirectoryService/LookUpUser", &["service"]),
    ("AuthorityService/ResolveSession", &["service"]),
    ("AuthorityService/ResolveApiKey", &["service"]),
    ("AccessLevelService/ListAccessLevels", &["admin", "owner", "service"]),
    ("AccessLevelService/PutAccessLevel", &["admin", "owner", "service"]),
    ("AccessLevelService/DeleteAccessLevel", &["admin", "owner", "service"]),
    ("AccessLevelService/SetUserAccessLevels", &["admin", "owner", "service"]),
    ("AccessLevelService/SetUserPlans", &["service"]),
    ("ApiKeyService/ListApiKeys", &SIGNED_IN),
    ("ApiKeyService/CreateApiKey", &SIGNED_IN),
    ("ApiKeyService/RevokeApiKey", &SIGNED_IN),
    ("ApiKeyService/CreateServiceAccount", &["admin", "owner", "service"]),
    ("ApiKeyService/ListServiceAccountKeys", &["admin", "owner", "service"]),
    ("ApiKeyService/CreateServiceAccountKey", &["admin", "owner", "service"]),
    ("ApiKeyService/RevokeServiceAccountKey", &["admin", "owner", "service"]),
    ("PermissionService/ListPermissions", &["support", "admin", "owner", "service"]),
    ("PermissionService/SetRolePermission", &["admin", "owner", "service"]),
    ("PermissionService/DeleteRole", &["admin", "owner", "service"]),
    ("PermissionService/ExplainPermission", &["support", "admin", "owner", "service"]),
    ("PermissionService/DeclarePermissions", &["service"]),
    ("UserService/ListUsers", &["support", "admin", "owner", "service"]),
    ("UserService/GetUser", &["support", "admin", "owner", "service"]),
    ("UserService/CreateUser", &["admin", "owner", "service"]),
    ("UserService/InviteUser", &["admin", "owner", "service"]),
    ("UserService/UpdateUser", &["admin", "owner", "service"]),
    ("UserService/EraseUser", &["admin", "owner", "service"]),
    ("UserService/ListUserSessions", &["support", "admin", "owner", "service"]),
    ("UserService/EndUserSessions", &["admin", "owner", "service"]),
    ("UserService/ImpersonateUser", &["admin", "owner", "service"]),
    ("UserService/SuspendUser", &["admin", "owner", "service"]),
    ("UserService/ActivateUser", &["admin", "owner", "service"]),
    ("UserService/SetUserRoles", &["admin", "owner", "service"]),
    ("RoleService/ListRoles", &["support", "admin", "owner", "service"]),
    ("RoleService/PutRole", &["admin", "owner", "service"]),
    ("AuditService/ListAuditEntries", &["admin", "owner", "service"]),
    ("AuditService/ExportAuditEntries", &["admin", "owner", "service"]),
    ("AuditService/VerifyAuditTrail", &["admin", "owner", "service"]),
    ("AuditService/AppendAuditEntry", &["admin", "owner", "service"]),
    ("AuditService/RecordActions", &["service"]),
    ("TenantSettingsService/GetTenantSettings", &["support", "admin", "owner", "service"]),
    ("TenantSettingsService/PutTenantSettings", &["admin", "owner", "service"]),
    ("TenantSettingsService/PutBranding", &["admin", "owner", "service"]),
    ("TenantSettingsService/ListHostClaims", &["support", "admin", "owner", "service"]),
    ("TenantSettingsService/ClaimHost", &["admin", "owner", "service"]),
    ("TenantSettingsService/VerifyHost", &["admin", "owner", "service"]),
    ("TenantSettingsService/ReleaseHost", &["admin", "owner", "service"]),
    ("TenantSettingsService/SetMainHost", &["admin", "owner", "service"]),
    ("TenantSettingsService/GetBranding", &CALLERS),
    // Nobody of a tenant, and no service: operators alone, see `tenants.rs`.
    ("PlatformService/ListTenants", &[]),
    ("PlatformService/GetTenant", &[]),
    ("PlatformService/CreateTenant", &[]),
    ("PlatformService/SuspendTenant", &[]),
    ("PlatformService/ReactivateTenant", &[]),
    ("PlatformService/DeleteTenant", &[]),
    ("PlatformService/SetTenantLimits", &[]),
    ("PlatformService/AddTenantHost", &[]),
    ("PlatformService/RemoveTenantHost", &[]),
];
const SOURCES: &[(&str, &[&str])] = &[
    ("SourceService/ListBlockedSources", &["admin", "owner", "service"]),
    ("SourceService/BlockSource", &["admin", "owner", "service"]),
    ("SourceService/LiftSource", &["admin", "owner", "service"]),
    ("SourceService/GetSourcePolicy", &["admin", "owner", "service"]),
    ("SourceService/SetSourcePolicy", &["admin", "owner", "service"]),
];
const ROUTING: &[(&str, &[&str])] = &[
    ("RoutingService/ListRoutingRules", &["admin", "owner", "service"]),
    ("RoutingService/CreateRoutingRule", &["admin", "owner", "service"]),
    ("RoutingService/UpdateRoutingRule", &["admin", "owner", "service"]),
    ("RoutingService/DeleteRoutingRule", &["admin", "owner", "service"]),
    ("RoutingService/ExplainRoute", &["admin", "owner", "service"]),
    ("RoutingService/SetGuestHosts", &["admin", "owner", "service"]),
    ("RoutingService/SetAllowedOrigins", &["admin", "owner", "service"]),
    ("RoutingService/GetRoutingTable", &["service"]),
];

fn caller(world: &World, kind: &str) -> Caller {
    let built_in = identity::rules::roles::built_in(kind);
    match (kind, built_in) {
        ("service", _) => Caller::service("gateway", world.tenant),
        (_, None) => nobody(world.tenant),
        (_, Some(role)) => Caller {
            subject: Subject::User(UserId::new()),
            session: Some(SessionId::new()),
            permissions: Permissions::new(role.permissions.iter().copied()).unwrap(),
            ..nobody(world.tenant)
        },
    }
}

/// Sends an empty message; whatever the handler says to it, the guard has let it pass.
async fn passes(world: &World, caller: &Caller, rpc: &str) -> bool {
    let mut client = tonic::client::Grpc::new(world.channel());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/vbwd.identity.v1.{rpc}")).unwrap();
    let codec: tonic_prost::ProstCodec<(), ()> = tonic_prost::ProstCodec::default();
    let answer = client.unary(world.call(caller, ()), path, codec).await;
    let refusals = ["permission_denied", "not_callable"];
    match answer.map_err(Fault::from) {
        Err(fault) if fault.reason() == "authentication_required" => !caller.is_anonymous(),
        Err(fault) => !refusals.contains(&fault.reason()),
        Ok(_) => true,
    }
}

#[tokio::test]
async fn the_table_of_rpcs_and_callers() {
    let world = world().await;
    for (rpc, allowed) in TABLE.iter().chain(ROUTING).chain(SOURCES) {
        for kind in CALLERS {
            let caller = caller(&world, kind);
            assert_eq!(passes(&world, &caller, rpc).await, allowed.contains(&kind), "{rpc} as {kind}");
        }
    }
}

#[test]
fn no_rpc_is_missing_in_the_table() {
    let all = TABLE.iter().chain(ROUTING).chain(SOURCES);
    let listed: BTreeSet<_> = all.map(|(rpc, _)| format!("/vbwd.identity.v1.{rpc}")).collect();
    let ours = contracts::methods().iter().filter(|rpc| rpc.service == identity::NAME);
    let existing: BTreeSet<_> = ours.map(|rpc| rpc.path.clone()).collect();
    assert_eq!(listed, existing);
}
