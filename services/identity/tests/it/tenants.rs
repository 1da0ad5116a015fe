//! Tenants and the plane above them: who reaches it, and what it does.

use auth::{Caller, PLATFORM_TENANT, Permissions, Subject};
use contracts::vbwd::identity::v1::api_key_service_client::ApiKeyServiceClient;
use contracts::vbwd::identity::v1::platform_service_client::PlatformServiceClient;
use contracts::vbwd::identity::v1::tenant_settings_service_client::TenantSettingsServiceClient;
use contracts::vbwd::identity::v1::*;
use identity::{NewUser, Provisioner};
use ids::TenantId;

use crate::fixtures::{OWNER, PASSWORD, World, answer, nobody, refused, world};

const OPERATOR: &str = "ops@platform.example";

async fn bootstrapped(world: &World) -> fault::Result<ids::UserId> {
    let people = Provisioner::new(&world.platform, world.config.clone()).unwrap();
    let operator = NewUser { email: OPERATOR, password: PASSWORD, display_name: "Ops", roles: &[] };
    people.platform("platform.example", operator).await
}

/// A signed-in operator.
async fn operator(world: &World) -> Caller {
    bootstrapped(world).await.unwrap();
    let session = world.log_in_at(PLATFORM_TENANT, OPERATOR, PASSWORD).await.unwrap();
    let tokens = auth::AccessTokens::from_jwks(&world.jwks().await).unwrap();
    let now = kernel::Clock::wall(&*world.clock);
    tokens.verify(&session.access_token, PLATFORM_TENANT, now).unwrap()
}

macro_rules! ask {
    ($world:expr, $caller:expr, $client:ident . $rpc:ident ( $message:expr )) => {
        answer($client::new($world.channel()).$rpc($world.call($caller, $message)).await)
    };
}

async fn suspend(world: &World, caller: &Caller, tenant: TenantId) -> fault::Result<Tenant> {
    let message = SuspendTenantRequest { tenant_id: tenant.to_string(), reason: "unpaid".to_owned() };
    Ok(ask!(world, caller, PlatformServiceClient.suspend_tenant(message))?.tenant.unwrap())
}

async fn reactivate(world: &World, caller: &Caller, tenant: TenantId) -> fault::Result<Tenant> {
    let message = ReactivateTenantRequest { tenant_id: tenant.to_string() };
    Ok(ask!(world, caller, PlatformServiceClient.reactivate_tenant(message))?.tenant.unwrap())
}

async fn delete(world: &World, caller: &Caller, tenant: TenantId) -> fault::Result<Tenant> {
    let message = DeleteTenantRequest { tenant_id: tenant.to_string(), grace_days: 2 };
    Ok(ask!(world, caller, PlatformServiceClient.delete_tenant(message))?.tenant.unwrap())
}

fn new_tenant(slug: &str, host: &str) -> CreateTenantRequest {
    CreateTenantRequest {
        slug: slug.to_owned(),
        name: "Third".to_owned(),
        default_currency: "EUR".to_owned(),
        default_locale: "de".to_owned(),
        hosts: vec![host.to_owned()],
        owner_email: "owner@three.example".to_owned(),
        owner_name: "Owner".to_owned(),
        limits: None,
    }
}

async fn trail(world: &World, tenant: TenantId) -> Vec<String> {
    let query =
        "SELECT action FROM audit_entries WHERE tenant_id = $1 AND action LIKE 'tenant.%' ORDER BY sequence";
    let superuser = world.database.superuser(identity::NAME);
    sqlx::query_scalar(query).bind(tenant.as_uuid()).fetch_all(&superuser).await.unwrap()
}

#[tokio::test]
async fn the_platform_is_bootstrapped_once() {
    let world = world().await;
    bootstrapped(&world).await.unwrap();
    assert_eq!(refused(bootstrapped(&world).await), "platform_has_operators");
}

#[tokio::test]
async fn no_owner_of_a_tenant_reaches_the_platform() {
    let world = world().await;
    operator(&world).await;
    let owner = world.signed_in(OWNER).await;
    assert!(owner.permissions.allows("users.write") && !owner.permissions.allows("platform.tenants"));
    assert_eq!(refused(suspend(&world, &owner, world.other).await), "permission_denied");
    // Neither by a role of the tenant's own, nor by the operators' role, nor by a key.
    assert_eq!(refused(world.put_role(&owner, "root", &["platform.*"]).await), "privilege_escalation");
    assert_eq!(refused(world.put_role(&owner, "root", &["platform.tenants"]).await), "privilege_escalation");
    assert_eq!(refused(world.put_role(&owner, "platform_operator", &["users.read"]).await), "role_built_in");
    let granted = world.set_roles(&owner, world.owner, &["owner", "platform_operator"]).await;
    assert!(granted.is_err());
    let scopes = vec!["platform.tenants".to_owned()];
    let message = CreateApiKeyRequest { name: "k".to_owned(), scopes, expires_in_days: 1 };
    assert_eq!(
        refused(ask!(world, &owner, ApiKeyServiceClient.create_api_key(message))),
        "privilege_escalation"
    );
    // Whatever somebody writes into the tables, and whatever a token of a tenant claims.
    let superuser = world.database.superuser(identity::NAME);
    let forged =
        "INSERT INTO roles SELECT tenant_id, 'forged', '{platform.*}' FROM tenants WHERE slug = 'one'";
    sqlx::query(forged).execute(&superuser).await.unwrap();
    let held = "INSERT INTO user_roles SELECT tenant_id, user_id, unnest(ARRAY['forged', 'platform_operator']) \
                FROM users WHERE email = 'owner@one.example'";
    sqlx::query(held).execute(&superuser).await.unwrap();
    let owner = world.signed_in(OWNER).await;
    assert!(!owner.permissions.allows("platform.tenants"));
    let claiming = Caller { permissions: Permissions::new(["platform.*", "*"]).unwrap(), ..owner };
    assert_eq!(refused(suspend(&world, &claiming, world.other).await), "permission_denied");
    let service = Caller::service("gateway", world.tenant);
    assert_eq!(refused(suspend(&world, &service, world.other).await), "permission_denied");
}

#[tokio::test]
async fn an_operator_creates_a_tenant_whose_owner_is_invited() {
    let world = world().await;
    let operator = operator(&world).await;
    let made =
        ask!(world, &operator, PlatformServiceClient.create_tenant(new_tenant("three", "three.example")));
    let made = made.unwrap();
    let tenant = made.tenant.unwrap();
    assert_eq!((tenant.status.as_str(), tenant.hosts[0].is_main), ("active", true));
    assert_eq!(world.resolve("three.example").await.unwrap().tenant_id, tenant.tenant_id);
    let invited = "SELECT count(*) FROM users u JOIN tenants t USING (tenant_id) \
                   WHERE t.slug = 'three' AND u.status = 'invited'";
    assert_eq!(world.count(invited).await, 1);
    assert!(!made.owner_id.is_empty());
    let id: TenantId = tenant.tenant_id.parse().unwrap();
    assert_eq!(trail(&world, id).await, ["tenant.create"]);
    assert_eq!(trail(&world, PLATFORM_TENANT).await, ["tenant.create"]);
    for (taken, reason) in [
        (new_tenant("three", "four.example"), "slug_taken"),
        (new_tenant("four", "one.example"), "host_taken"),
    ] {
        assert_eq!(refused(ask!(world, &operator, PlatformServiceClient.create_tenant(taken))), reason);
    }
    let unfit = CreateTenantRequest { hosts: Vec::new(), ..new_tenant("five", "x") };
    let fault = ask!(world, &operator, PlatformServiceClient.create_tenant(unfit)).unwrap_err();
    assert_eq!(fault.violations()[0].pointer, "/hosts");
}

#[tokio::test]
async fn a_suspended_tenant_lets_nobody_in_and_goes_on_where_it_was() {
    let world = world().await;
    let operator = operator(&world).await;
    let session = world.log_in(OWNER, PASSWORD).await.unwrap();
    let owner = world.caller(&session).await;
    assert_eq!(suspend(&world, &operator, world.tenant).await.unwrap().status, "suspended");
    assert_eq!(refused(world.resolve("one.example").await), "tenant_suspended");
    assert_eq!(refused(world.log_in(OWNER, PASSWORD).await), "tenant_suspended");
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "tenant_suspended");
    assert_eq!(refused(world.register("new@example.com", PASSWORD).await), "tenant_suspended");
    let gateway = Caller::service("gateway", world.tenant);
    let asked = ResolveSessionRequest {
        user_id: world.owner.to_string(),
        session_id: owner.session.unwrap().to_string(),
    };
    let resolve = || async {
        let client = contracts::vbwd::identity::v1::authority_service_client::AuthorityServiceClient::new;
        answer(client(world.channel()).resolve_session(world.call(&gateway, asked.clone())).await)
    };
    assert_eq!(refused(resolve().await), "tenant_suspended");
    assert!(world.log_in_at(world.other, "owner@two.example", PASSWORD).await.is_ok(), "others go on");
    reactivate(&world, &operator, world.tenant).await.unwrap();
    resolve().await.unwrap();
    world.refresh(&session.refresh_token).await.unwrap();
    assert_eq!(trail(&world, world.tenant).await, ["tenant.suspend", "tenant.reactivate"]);
    assert_eq!(refused(suspend(&world, &operator, PLATFORM_TENANT).await), "platform_stays");
}

#[tokio::test]
async fn a_deleted_tenant_can_be_saved_until_it_is_purged() {
    let world = world().await;
    let operator = operator(&world).await;
    let session = world.log_in_at(world.other, "owner@two.example", PASSWORD).await.unwrap();
    let tokens = auth::AccessTokens::from_jwks(&world.jwks().await).unwrap();
    let now = kernel::Clock::wall(&*world.clock);
    world.with_app(&tokens.verify(&session.access_token, world.other, now).unwrap()).await;
    let identity = identity::build(&world.platform, world.config.clone()).unwrap();
    assert_eq!(delete(&world, &operator, world.other).await.unwrap().status, "deleting");
    identity.sweep().await.unwrap();
    assert_eq!(reactivate(&world, &operator, world.other).await.unwrap().status, "active");
    delete(&world, &operator, world.other).await.unwrap();
    world.pass(2 * 24 * 60 * 60 + 1);
    let (one, two) = tokio::join!(identity.sweep(), identity.sweep());
    one.and(two).unwrap();
    assert_eq!(refused(world.resolve("two.example").await), "tenant_not_found");
    let superuser = world.database.superuser(identity::NAME);
    let of_tenants = "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'identity' \
         AND column_name = 'tenant_id' \
         AND table_name NOT IN ('tenants', 'audit_entries', 'audit_heads', 'events', 'streams')";
    let tables: Vec<String> = sqlx::query_scalar(of_tenants).fetch_all(&superuser).await.unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        let query = format!("SELECT count(*) FROM {table} WHERE tenant_id = '{}'", world.other);
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&superuser).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    identity.verify_audit(world.other).await.unwrap();
    let purges = "SELECT count(*) FROM events WHERE name = 'tenant.purged'";
    assert_eq!(world.count(purges).await, 1, "two processes purge once");
    assert_eq!(refused(reactivate(&world, &operator, world.other).await), "tenant_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_when_many_come_at_once() {
    let world = world().await;
    let operator = operator(&world).await;
    let limits = Some(TenantLimits { users_max: 5, ..Default::default() });
    let message = SetTenantLimitsRequest { tenant_id: world.tenant.to_string(), limits };
    ask!(world, &operator, PlatformServiceClient.set_tenant_limits(message)).unwrap();
    let names: Vec<_> = (0..12).map(|number| format!("user-{number}@example.com")).collect();
    let done = futures::future::join_all(names.iter().map(|email| world.register(email, PASSWORD))).await;
    assert_eq!(done.iter().filter(|outcome| outcome.is_ok()).count(), 4, "one was there before");
    let refused_with = done.into_iter().find_map(Result::err).unwrap();
    assert_eq!(refused_with.reason(), "tenant_limit_reached");
}

#[tokio::test]
async fn looks_are_public_and_set_by_staff() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let branding = Branding { primary_colour: "#2457d6".to_owned(), ..Default::default() };
    let message = PutBrandingRequest { revision: 0, branding: Some(branding.clone()) };
    ask!(world, &owner, TenantSettingsServiceClient.put_branding(message)).unwrap();
    let seen = ask!(world, &world.nobody(), TenantSettingsServiceClient.get_branding(GetBrandingRequest {}));
    assert_eq!(seen.unwrap().branding.unwrap().primary_colour, "#2457d6");
    let other = nobody(world.other);
    let seen = ask!(world, &other, TenantSettingsServiceClient.get_branding(GetBrandingRequest {})).unwrap();
    assert_eq!(seen.branding.unwrap(), Branding::default());
    let stale = PutBrandingRequest { revision: 1, branding: Some(branding) };
    assert_eq!(
        refused(ask!(world, &owner, TenantSettingsServiceClient.put_branding(stale))),
        "revision_stale"
    );
    let script = Branding { logo_url: "javascript:x".to_owned(), ..Default::default() };
    let message = PutBrandingRequest { revision: 0, branding: Some(script) };
    let fault = ask!(world, &owner, TenantSettingsServiceClient.put_branding(message)).unwrap_err();
    assert_eq!(fault.violations()[0].pointer, "/branding/logo_url");
    let foreign = SetMainHostRequest { host: "two.example".to_owned() };
    assert_eq!(
        refused(ask!(world, &owner, TenantSettingsServiceClient.set_main_host(foreign))),
        "host_not_found"
    );
}

#[tokio::test]
async fn hosts_are_given_and_taken_by_operators_and_belong_to_one_tenant() {
    let world = world().await;
    let operator = operator(&world).await;
    let add = |tenant: TenantId, host: &str| AddTenantHostRequest {
        tenant_id: tenant.to_string(),
        host: host.to_owned(),
    };
    let added =
        ask!(world, &operator, PlatformServiceClient.add_tenant_host(add(world.tenant, "new.example")));
    assert!(added.unwrap().tenant.unwrap().hosts.iter().any(|host| host.host == "new.example"));
    let taken =
        ask!(world, &operator, PlatformServiceClient.add_tenant_host(add(world.other, "new.example")));
    assert_eq!(refused(taken), "host_taken");
    let owner = world.signed_in(OWNER).await;
    let claim = ClaimHostRequest { host: "claimed.example".to_owned() };
    let claim = ask!(world, &owner, TenantSettingsServiceClient.claim_host(claim)).unwrap().claim.unwrap();
    assert_eq!(claim.status, "pending");
    ask!(world, &operator, PlatformServiceClient.add_tenant_host(add(world.tenant, "claimed.example")))
        .unwrap();
    assert!(world.resolve("claimed.example").await.is_ok(), "an operator's word needs no proof");
    let claims = ask!(world, &owner, TenantSettingsServiceClient.list_host_claims(ListHostClaimsRequest {}));
    assert_eq!(claims.unwrap().claims, []);
    let main = SetMainHostRequest { host: "new.example".to_owned() };
    ask!(world, &owner, TenantSettingsServiceClient.set_main_host(main)).unwrap();
    let remove =
        |host: &str| RemoveTenantHostRequest { tenant_id: world.tenant.to_string(), host: host.to_owned() };
    let stays = ask!(world, &operator, PlatformServiceClient.remove_tenant_host(remove("new.example")));
    assert_eq!(refused(stays), "main_host_stays");
    ask!(world, &operator, PlatformServiceClient.remove_tenant_host(remove("one.example"))).unwrap();
    assert_eq!(refused(world.resolve("one.example").await), "tenant_not_found");
    let found = ask!(
        world,
        &operator,
        PlatformServiceClient
            .list_tenants(ListTenantsRequest { query: "NEW.ex".to_owned(), ..Default::default() })
    );
    assert_eq!(found.unwrap().tenants.len(), 1);
    assert!(matches!(operator.subject, Subject::User(_)));
}

#[tokio::test]
async fn every_privileged_rpc_of_operators_is_in_both_trails() {
    let world = world().await;
    let operator = operator(&world).await;
    let made =
        ask!(world, &operator, PlatformServiceClient.create_tenant(new_tenant("three", "three.example")));
    let tenant_id = made.unwrap().tenant.unwrap().tenant_id;
    let id: TenantId = tenant_id.parse().unwrap();
    suspend(&world, &operator, id).await.unwrap();
    reactivate(&world, &operator, id).await.unwrap();
    let limits = Some(TenantLimits { users_max: 5, ..Default::default() });
    let message = SetTenantLimitsRequest { tenant_id: tenant_id.clone(), limits };
    ask!(world, &operator, PlatformServiceClient.set_tenant_limits(message)).unwrap();
    let host = "second.three.example".to_owned();
    let message = AddTenantHostRequest { tenant_id: tenant_id.clone(), host: host.clone() };
    ask!(world, &operator, PlatformServiceClient.add_tenant_host(message)).unwrap();
    let message = RemoveTenantHostRequest { tenant_id, host };
    ask!(world, &operator, PlatformServiceClient.remove_tenant_host(message)).unwrap();
    delete(&world, &operator, id).await.unwrap();
    let actions = trail(&world, id).await;
    assert_eq!(trail(&world, PLATFORM_TENANT).await, actions);
    let ours = contracts::methods().iter().filter(|rpc| rpc.path.contains("identity.v1.PlatformService/"));
    assert_eq!(ours.filter(|rpc| rpc.is_privileged()).count(), actions.len(), "{actions:?}");
    let identity = identity::build(&world.platform, world.config.clone()).unwrap();
    identity.verify_audit(id).await.unwrap();
    identity.verify_audit(PLATFORM_TENANT).await.unwrap();
}

#[tokio::test]
async fn tenants_are_found_by_beginnings_and_paged() {
    let world = world().await;
    let operator = operator(&world).await;
    let superuser = world.database.superuser(identity::NAME);
    let many = "INSERT INTO tenants (tenant_id, slug, name, default_currency, locale, status, created_at) \
         SELECT gen_random_uuid(), 'shop-' || n, 'Tea ' || n || ' House', 'EUR', 'en', \
         CASE WHEN n % 10 = 0 THEN 'suspended' ELSE 'active' END, now() FROM generate_series(1, 5000) n";
    sqlx::query(many).execute(&superuser).await.unwrap();
    let list = |query: &str, status: &str, cursor: String| {
        let message =
            ListTenantsRequest { query: query.to_owned(), status: status.to_owned(), cursor, page_size: 200 };
        let request = world.call(&operator, message);
        let mut platform = PlatformServiceClient::new(world.channel());
        async move { answer(platform.list_tenants(request).await).unwrap() }
    };
    let (mut seen, mut cursor) = (std::collections::BTreeSet::new(), String::new());
    loop {
        let page = list("", "suspended", cursor).await;
        assert!(page.tenants.iter().all(|tenant| seen.insert(tenant.tenant_id.clone())), "no tenant twice");
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 500);
    for (query, found) in
        [("SHOP-4999", 1), ("house 4999", 1), ("tea 49", 111), ("ONE.ex", 1), ("ouse", 0), ("%", 0)]
    {
        assert_eq!(list(query, "", String::new()).await.tenants.len(), found, "{query}");
    }
}
