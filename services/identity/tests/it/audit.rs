//! The audit trail: complete, searchable, exportable, verifiable, and open to sister services and plugins.

use std::collections::BTreeSet;

use auth::Caller;
use contracts::vbwd::identity::v1::access_level_service_client::AccessLevelServiceClient;
use contracts::vbwd::identity::v1::api_key_service_client::ApiKeyServiceClient;
use contracts::vbwd::identity::v1::audit_service_client::AuditServiceClient;
use contracts::vbwd::identity::v1::identity_provider_service_client::IdentityProviderServiceClient;
use contracts::vbwd::identity::v1::permission_service_client::PermissionServiceClient;
use contracts::vbwd::identity::v1::routing_service_client::RoutingServiceClient;
use contracts::vbwd::identity::v1::second_factor_policy_service_client::SecondFactorPolicyServiceClient;
use contracts::vbwd::identity::v1::tenant_settings_service_client::TenantSettingsServiceClient;
use contracts::vbwd::identity::v1::user_service_client::UserServiceClient;
use contracts::vbwd::identity::v1::*;
use ids::UserId;
use uuid::Uuid;

use crate::fixtures::{OWNER, World, answer, refused, user_of, world};

/// Calls an rpc of a client as the owner; answers what it answered.
macro_rules! call {
    ($world:expr, $caller:expr, $client:ident . $rpc:ident ( $message:expr )) => {
        answer($client::new($world.channel()).$rpc($world.call($caller, $message)).await).unwrap()
    };
}

/// The privileged rpcs, in an order in which each finds something to do, and the entry each leaves.
const LEAVE: &[(&str, &str)] = &[
    ("UserService/CreateUser", "user.create"),
    ("UserService/InviteUser", "user.invite"),
    ("UserService/UpdateUser", "user.update"),
    ("UserService/SetUserRoles", "user.roles"),
    ("UserService/SuspendUser", "user.suspend"),
    ("UserService/ActivateUser", "user.activate"),
    ("UserService/EndUserSessions", "user.end_sessions"),
    ("UserService/ImpersonateUser", "user.impersonate"),
    ("SecondFactorPolicyService/ResetUserSecondFactor", "user.reset_second_factor"),
    ("UserService/EraseUser", "user.erase"),
    ("RoleService/PutRole", "role.put"),
    ("PermissionService/SetRolePermission", "role.put"),
    ("PermissionService/DeleteRole", "role.delete"),
    ("AccessLevelService/PutAccessLevel", "access_level.put"),
    ("AccessLevelService/SetUserAccessLevels", "user.access_levels"),
    ("AccessLevelService/DeleteAccessLevel", "access_level.delete"),
    ("ApiKeyService/CreateServiceAccount", "service_account.create"),
    ("ApiKeyService/CreateServiceAccountKey", "api_key.create"),
    ("ApiKeyService/RevokeServiceAccountKey", "api_key.revoke"),
    ("AuditService/ExportAuditEntries", "audit.export"),
    ("AuditService/AppendAuditEntry", "loyalty.points_granted"),
    ("TenantSettingsService/PutTenantSettings", "tenant.settings"),
    ("TenantSettingsService/PutBranding", "tenant.branding"),
    ("TenantSettingsService/SetMainHost", "tenant.main_host"),
    ("TenantSettingsService/ClaimHost", "tenant.claim_host"),
    ("TenantSettingsService/VerifyHost", "tenant.verify_host"),
    ("TenantSettingsService/ReleaseHost", "tenant.release_host"),
    ("IdentityProviderService/PutIdentityProvider", "identity_provider.put"),
    ("IdentityProviderService/DeleteIdentityProvider", "identity_provider.delete"),
    ("RoutingService/CreateRoutingRule", "routing_rule.create"),
    ("RoutingService/UpdateRoutingRule", "routing_rule.update"),
    ("RoutingService/DeleteRoutingRule", "routing_rule.delete"),
    ("RoutingService/SetGuestHosts", "routing.guest_hosts"),
    ("RoutingService/SetAllowedOrigins", "routing.origins"),
    ("SecondFactorPolicyService/SetSecondFactorPolicy", "second_factor_policy.set"),
    ("SourceService/BlockSource", "source.block"),
    ("SourceService/LiftSource", "source.lift"),
    ("SourceService/SetSourcePolicy", "source_policy.set"),
];

async fn newest(world: &World, owner: &Caller) -> AuditEntry {
    world.audit(owner, 1, "").await.entries.remove(0)
}

/// Service account and key of the latest ones made.
#[derive(Default)]
struct Made {
    person: String,
    account: String,
    key: String,
    rule: RoutingRule,
    block: String,
}

async fn act(world: &World, owner: &Caller, made: &mut Made, rpc: &str) {
    let user_id = made.person.clone();
    let text = |text: &str| text.to_owned();
    match rpc.split_once('/').unwrap().1 {
        "CreateUser" => {
            let message = CreateUserRequest { email: text("new@example.com"), ..Default::default() };
            made.person = call!(world, owner, UserServiceClient.create_user(message)).user.unwrap().user_id;
        }
        "InviteUser" => {
            drop(call!(world, owner, UserServiceClient.invite_user(InviteUserRequest { user_id })))
        }
        "UpdateUser" => {
            let message = UpdateUserRequest { user_id, display_name: text("New"), ..Default::default() };
            call!(world, owner, UserServiceClient.update_user(message));
        }
        "SetUserRoles" => {
            let message = SetUserRolesRequest { user_id, roles: vec![text("support")] };
            call!(world, owner, UserServiceClient.set_user_roles(message));
        }
        "SuspendUser" => {
            // Whoever was invited has not signed in; the rest is done to somebody who has.
            made.person = world.user("ann@example.com", "customer").await.to_string();
            world.signed_in("ann@example.com").await;
            world.suspend(owner, made.person.parse().unwrap()).await.unwrap();
        }
        "ActivateUser" => drop(world.activate(owner, user_id.parse().unwrap()).await.unwrap()),
        "EndUserSessions" => {
            world.signed_in("ann@example.com").await;
            let message = EndUserSessionsRequest { user_id, ..Default::default() };
            call!(world, owner, UserServiceClient.end_user_sessions(message));
        }
        "ImpersonateUser" => {
            let message = ImpersonateUserRequest { user_id, reason: text("a question"), minutes: 5 };
            call!(world, owner, UserServiceClient.impersonate_user(message));
        }
        "EraseUser" => drop(call!(world, owner, UserServiceClient.erase_user(EraseUserRequest { user_id }))),
        "PutRole" => drop(world.put_role(owner, "clerk", &["users.read"]).await.unwrap()),
        "SetRolePermission" => {
            let (name, permission) = (text("clerk"), text("invoices.read"));
            let message = SetRolePermissionRequest { name, permission, granted: true };
            call!(world, owner, PermissionServiceClient.set_role_permission(message));
        }
        "DeleteRole" => {
            let message = DeleteRoleRequest { name: text("clerk") };
            call!(world, owner, PermissionServiceClient.delete_role(message));
        }
        "PutAccessLevel" => {
            let message =
                PutAccessLevelRequest { level: text("gold"), name: text("Gold"), ..Default::default() };
            call!(world, owner, AccessLevelServiceClient.put_access_level(message));
        }
        "SetUserAccessLevels" => {
            let user_id = world.user("bob@example.com", "customer").await.to_string();
            let message =
                SetUserAccessLevelsRequest { user_id, levels: vec![text("gold")], ..Default::default() };
            call!(world, owner, AccessLevelServiceClient.set_user_access_levels(message));
        }
        "DeleteAccessLevel" => {
            let message = DeleteAccessLevelRequest { level: text("gold") };
            call!(world, owner, AccessLevelServiceClient.delete_access_level(message));
        }
        "CreateServiceAccount" => {
            let message = CreateServiceAccountRequest { name: text("loyalty"), roles: vec![text("admin")] };
            let user = call!(world, owner, ApiKeyServiceClient.create_service_account(message)).user;
            made.account = user.unwrap().user_id;
        }
        "CreateServiceAccountKey" => {
            let user_id = made.account.clone();
            let message = CreateServiceAccountKeyRequest {
                user_id,
                name: text("key"),
                scopes: vec![text("audit.append")],
                expires_in_days: 30,
            };
            let key = call!(world, owner, ApiKeyServiceClient.create_service_account_key(message)).key;
            made.key = key.unwrap().key_id;
        }
        "RevokeServiceAccountKey" => {
            let (user_id, key_id) = (made.account.clone(), made.key.clone());
            let message = RevokeServiceAccountKeyRequest { user_id, key_id };
            call!(world, owner, ApiKeyServiceClient.revoke_service_account_key(message));
        }
        "ExportAuditEntries" => {
            call!(
                world,
                owner,
                AuditServiceClient.export_audit_entries(ExportAuditEntriesRequest::default())
            );
        }
        "AppendAuditEntry" => {
            let plugin = plugin(world, made.account.parse().unwrap());
            call!(world, &plugin, AuditServiceClient.append_audit_entry(granted()));
        }
        "ResetUserSecondFactor" => {
            world.with_app(&world.signed_in("ann@example.com").await).await;
            let message = ResetUserSecondFactorRequest { user_id, reason: text("lost phone") };
            call!(world, owner, SecondFactorPolicyServiceClient.reset_user_second_factor(message));
        }
        "SetSecondFactorPolicy" => {
            world.with_app(owner).await;
            let message = SetSecondFactorPolicyRequest { required_of: text("staff") };
            call!(world, owner, SecondFactorPolicyServiceClient.set_second_factor_policy(message));
        }
        "BlockSource" => made.block = world.block(owner, "203.0.113.7", 60).await.unwrap().block_id,
        "LiftSource" => drop(world.lift(owner, &made.block).await.unwrap()),
        "SetSourcePolicy" => {
            let policy = world.source_policy(owner).await;
            world.set_source_policy(owner, policy).await.unwrap();
        }
        "PutTenantSettings" => {
            let (name, default_currency, default_locale) = (text("Shop"), text("CHF"), text("de-CH"));
            let message =
                PutTenantSettingsRequest { name, default_currency, default_locale, ..Default::default() };
            call!(world, owner, TenantSettingsServiceClient.put_tenant_settings(message));
        }
        "PutBranding" => {
            let branding = Some(Branding { primary_colour: text("#2457d6"), ..Default::default() });
            let message = PutBrandingRequest { branding, ..Default::default() };
            call!(world, owner, TenantSettingsServiceClient.put_branding(message));
        }
        "SetMainHost" => {
            let message = SetMainHostRequest { host: text("one.example") };
            call!(world, owner, TenantSettingsServiceClient.set_main_host(message));
        }
        "CreateRoutingRule" => {
            let message = CreateRoutingRuleRequest { spec: Some(crate::routing::block("/old")) };
            made.rule = call!(world, owner, RoutingServiceClient.create_routing_rule(message)).rule.unwrap();
        }
        "UpdateRoutingRule" => {
            let rule_id = made.rule.rule_id.clone();
            let spec = Some(crate::routing::block("/older"));
            let message = UpdateRoutingRuleRequest { rule_id, spec, ..Default::default() };
            call!(world, owner, RoutingServiceClient.update_routing_rule(message));
        }
        "ClaimHost" => {
            let message = ClaimHostRequest { host: text("localhost") };
            call!(world, owner, TenantSettingsServiceClient.claim_host(message));
        }
        "VerifyHost" => {
            let message = VerifyHostRequest { host: text("localhost") };
            call!(world, owner, TenantSettingsServiceClient.verify_host(message));
        }
        "ReleaseHost" => {
            let message = ReleaseHostRequest { host: text("localhost") };
            call!(world, owner, TenantSettingsServiceClient.release_host(message));
        }
        "PutIdentityProvider" => {
            let (provider, issuer) = (text("elsewhere"), text("https://id.example"));
            let client_id = text("shop");
            let message = PutIdentityProviderRequest { provider, issuer, client_id, ..Default::default() };
            call!(world, owner, IdentityProviderServiceClient.put_identity_provider(message));
        }
        "DeleteIdentityProvider" => {
            let message = DeleteIdentityProviderRequest { provider: text("elsewhere") };
            call!(world, owner, IdentityProviderServiceClient.delete_identity_provider(message));
        }
        "DeleteRoutingRule" => {
            let message = DeleteRoutingRuleRequest { rule_id: made.rule.rule_id.clone() };
            call!(world, owner, RoutingServiceClient.delete_routing_rule(message));
        }
        "SetGuestHosts" => {
            let message = SetGuestHostsRequest { hosts: vec![text("guest.example")] };
            call!(world, owner, RoutingServiceClient.set_guest_hosts(message));
        }
        "SetAllowedOrigins" => {
            let message = SetAllowedOriginsRequest { origins: vec![text("https://app.example")] };
            call!(world, owner, RoutingServiceClient.set_allowed_origins(message));
        }
        other => panic!("no example of {other}"),
    }
}

fn plugin(world: &World, account: UserId) -> Caller {
    Caller {
        subject: auth::Subject::User(account),
        permissions: auth::Permissions::new(["audit.append"]).unwrap(),
        via: Some(auth::Via::Key(Uuid::from_u128(7))),
        ..world.nobody()
    }
}

fn granted() -> AppendAuditEntryRequest {
    AppendAuditEntryRequest {
        action: "loyalty.points_granted".to_owned(),
        target: "order/7".to_owned(),
        before_json: r#"{"points":0}"#.to_owned(),
        after_json: r#"{"points":5}"#.to_owned(),
    }
}

#[tokio::test]
async fn every_privileged_rpc_leaves_an_entry() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let mut made = Made::default();
    for (rpc, action) in LEAVE {
        act(&world, &owner, &mut made, rpc).await;
        let entry = newest(&world, &owner).await;
        assert_eq!(&entry.action, action, "{rpc}");
        assert_eq!(entry.origin_address, "192.0.2.7", "{rpc}");
        assert!(!entry.operation_id.is_empty() && entry.outcome == "done", "{entry:?}");
        let plugin = entry.action.starts_with("loyalty.");
        assert_eq!(entry.source, if plugin { "plugin" } else { "identity" });
        let actor = if plugin { made.account.parse().unwrap() } else { user_of(&owner) };
        assert!(entry.actor.starts_with(&format!("user:{actor}")), "{}", entry.actor);
    }
}

#[test]
fn no_privileged_rpc_is_missing_in_the_table() {
    let listed: BTreeSet<_> = LEAVE.iter().map(|(rpc, _)| format!("/vbwd.identity.v1.{rpc}")).collect();
    // Those of operators leave an entry in each of two trails: `tenants.rs`.
    let ours = contracts::methods().iter().filter(|rpc| rpc.service == identity::NAME);
    let ours = ours.filter(|rpc| !rpc.path.contains(".PlatformService/"));
    let privileged: BTreeSet<_> =
        ours.filter(|rpc| rpc.is_privileged()).map(|rpc| rpc.path.clone()).collect();
    assert_eq!(listed, privileged);
}

async fn found(world: &World, owner: &Caller, asked: ListAuditEntriesRequest) -> Vec<String> {
    let entries = call!(world, owner, AuditServiceClient.list_audit_entries(asked)).entries;
    entries.into_iter().map(|entry| entry.action).collect()
}

#[tokio::test]
async fn entries_are_found_by_who_what_when_and_words() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user("ann@example.com", "customer").await;
    world.suspend(&owner, ann).await.unwrap();
    world.pass(60);
    let at = kernel::Clock::wall(&*world.clock);
    world.activate(&owner, ann).await.unwrap();
    world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    let since = Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 });
    let text = |text: &str| text.to_owned();
    let rows = [
        (
            ListAuditEntriesRequest { action: text("user.suspend"), ..Default::default() },
            vec!["user.suspend"],
        ),
        (
            ListAuditEntriesRequest {
                action: text("user.*"),
                target: format!("user/{ann}"),
                ..Default::default()
            },
            vec!["user.activate", "user.suspend", "user.register"],
        ),
        (
            ListAuditEntriesRequest { actor: format!("user:{}", world.owner), ..Default::default() },
            vec!["role.put", "user.activate", "user.suspend"],
        ),
        (ListAuditEntriesRequest { since, ..Default::default() }, vec!["role.put", "user.activate"]),
        (
            ListAuditEntriesRequest { until: since, action: text("user.s*"), ..Default::default() },
            vec!["user.suspend"],
        ),
        (ListAuditEntriesRequest { query: text("CHARGEBACK"), ..Default::default() }, vec!["user.suspend"]),
        (ListAuditEntriesRequest { target: text("role/*"), ..Default::default() }, vec!["role.put"]),
        (ListAuditEntriesRequest { source: text("payments"), ..Default::default() }, vec![]),
        (ListAuditEntriesRequest { query: text("100%_'"), ..Default::default() }, vec![]),
    ];
    for (asked, expected) in rows {
        assert_eq!(found(&world, &owner, asked.clone()).await, expected, "{asked:?}");
    }
}

#[tokio::test]
async fn an_export_comes_in_parts_and_leaves_a_trace() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    let asked = ExportAuditEntriesRequest { action: "role.*".to_owned(), ..Default::default() };
    let part = call!(world, &owner, AuditServiceClient.export_audit_entries(asked.clone()));
    let line: serde_json::Value = serde_json::from_str(part.content.trim_end()).unwrap();
    assert_eq!((part.entries, part.next_cursor.as_str()), (1, ""));
    assert_eq!(part.content_type, "application/x-ndjson");
    assert_eq!(line["after"]["permissions"][0], "users.read");
    let csv = ExportAuditEntriesRequest { format: "csv".to_owned(), ..asked };
    let part = call!(world, &owner, AuditServiceClient.export_audit_entries(csv));
    assert!(part.content.starts_with("sequence,at,actor,"), "{}", part.content);
    assert_eq!(part.content.matches("\r\n").count(), 2);
    assert_eq!(newest(&world, &owner).await.action, "audit.export");
    let unfit = ExportAuditEntriesRequest { format: "xlsx".to_owned(), ..Default::default() };
    let request = world.call(&owner, unfit);
    let outcome = AuditServiceClient::new(world.channel()).export_audit_entries(request).await;
    assert_eq!(answer(outcome).unwrap_err().violations()[0].pointer, "/format");
}

#[tokio::test]
async fn a_large_trail_is_exported_whole_over_several_parts() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let wallet = Caller::service("wallet", world.tenant);
    for _ in 0..6 {
        let actions = (0..1_000).map(|_| recorded(Uuid::now_v7())).collect();
        call!(world, &wallet, AuditServiceClient.record_actions(RecordActionsRequest { actions }));
    }
    let (mut cursor, mut entries, mut parts) = (String::new(), 0, 0);
    loop {
        let asked = ExportAuditEntriesRequest { source: "wallet".to_owned(), cursor, ..Default::default() };
        let part = call!(world, &owner, AuditServiceClient.export_audit_entries(asked));
        (entries, parts, cursor) = (entries + part.entries, parts + 1, part.next_cursor);
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!((entries, parts), (6_000, 2));
}

fn recorded(entry_id: Uuid) -> RecordedAction {
    RecordedAction {
        entry_id: entry_id.to_string(),
        at: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 123_456_789 }),
        actor: "user:somebody".to_owned(),
        action: "wallet.freeze_account".to_owned(),
        target: "account/1".to_owned(),
        outcome: "done".to_owned(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sister_services_hand_over_at_once_and_again_is_in_the_chain_once() {
    let world = world().await;
    let ids: Vec<_> = (0..40).map(|_| Uuid::now_v7()).collect();
    let wallet = Caller::service("wallet", world.tenant);
    let hand_over = || async {
        let actions = ids.iter().copied().map(recorded).collect();
        call!(world, &wallet, AuditServiceClient.record_actions(RecordActionsRequest { actions })).added
    };
    let own = async {
        for number in 0..10 {
            world.register(&format!("user-{number}@example.com"), "correct horse battery").await.unwrap();
        }
    };
    let (added, ()) = tokio::join!(futures::future::join_all((0..8).map(|_| hand_over())), own);
    assert_eq!(added.iter().sum::<i32>(), 40);
    assert_eq!(hand_over().await, 0);
    let owner = world.signed_in(OWNER).await;
    let verdict = call!(world, &owner, AuditServiceClient.verify_audit_trail(VerifyAuditTrailRequest {}));
    assert!(verdict.intact, "{verdict:?}");
    let taken = "SELECT count(*) FROM audit_entries WHERE source = 'wallet'";
    assert_eq!(world.count(taken).await, 40);
}

#[tokio::test]
async fn a_verdict_names_the_place_where_the_chain_was_broken() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    let verify =
        || async { call!(world, &owner, AuditServiceClient.verify_audit_trail(VerifyAuditTrailRequest {})) };
    let sound = verify().await;
    assert_eq!((sound.intact, sound.broken_at, sound.head_hash.len()), (true, 0, 64));
    assert_eq!(newest(&world, &owner).await.hash, sound.head_hash);
    let superuser = world.database.superuser(identity::NAME);
    for statement in [
        "ALTER TABLE audit_entries DISABLE TRIGGER USER",
        "UPDATE audit_entries SET outcome = 'refused' WHERE sequence = 2",
    ] {
        sqlx::query(statement).execute(&superuser).await.unwrap();
    }
    let broken = verify().await;
    assert_eq!((broken.intact, broken.broken_at, broken.head_hash.as_str()), (false, 2, ""));
}

#[tokio::test]
async fn plugins_add_entries_through_a_service_account_and_nobody_else_does() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let append = |caller: Caller, message: AppendAuditEntryRequest| {
        let request = world.call(&caller, message);
        let channel = world.channel();
        async move { answer(AuditServiceClient::new(channel).append_audit_entry(request).await) }
    };
    assert_eq!(refused(append(owner.clone(), granted()).await), "service_account_required");
    let message = CreateServiceAccountRequest { name: "loyalty".to_owned(), roles: vec!["admin".to_owned()] };
    let account = call!(world, &owner, ApiKeyServiceClient.create_service_account(message)).user.unwrap();
    let account = plugin(&world, account.user_id.parse().unwrap());
    let entry = append(account.clone(), granted()).await.unwrap().entry.unwrap();
    assert_eq!((entry.source.as_str(), entry.after_json.as_str()), ("plugin", r#"{"points":5}"#));
    assert!(entry.actor.contains(" via key:"), "{}", entry.actor);
    for (pointer, message) in [
        ("/action", AppendAuditEntryRequest { action: "Suspend".to_owned(), ..granted() }),
        ("/after_json", AppendAuditEntryRequest { after_json: "[]".to_owned(), ..granted() }),
        (
            "/before_json",
            AppendAuditEntryRequest { before_json: r#"{"sealed":"x"}"#.to_owned(), ..granted() },
        ),
    ] {
        assert_eq!(append(account.clone(), message).await.unwrap_err().violations()[0].pointer, pointer);
    }
}
