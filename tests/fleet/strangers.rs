//! Ids of another tenant, on every rpc that takes one: made from the route table, not listed by hand.
//!
//! A tenant lives: people, purchases, holds, webhooks, rules. The owner of another tenant, who may do
//! everything there, then calls every route with the ids of the first. Each call must be answered as if
//! nobody had that id (404), exactly as an id is answered that nobody has; and afterwards not a row of
//! the first tenant may have changed. A new rpc with an id of a new kind fails here until the tenant that
//! lives has one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contracts::{Access, Method, Verb};
use identity::{NewTenant, NewUser, Provisioner};
use ids::TenantId;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::customer::{Answer, invoice_id};
use crate::harness::{Customer, Fleet, eventually};

/// Ids of another name for the same kind of thing.
const KINDS: &[(&str, &str)] = &[
    ("reversed_operation_id", "operation_id"),
    ("recipient_user_id", "user_id"),
    ("owner_user_id", "user_id"),
    ("debit_account_id", "account_id"),
    ("from_account_id", "account_id"),
    ("to_account_id", "account_id"),
    ("after_notification_id", "notification_id"),
    ("item_id", "bundle_id"),
    ("actor_id", "user_id"),
];
/// Ids that the caller chooses: they name the call, not a thing that exists.
const CHOSEN: &[&str] = &["operation_id"];
/// Tables in which deliveries to an address that does not answer go on by themselves.
const RESTLESS: &[&str] = &["webhook_attempts", "webhook_deliveries", "webhook_lanes", "mails"];
/// Numbers that the world gives out, not we.
const OF_THE_WORLD: &[&str] = &["tax_id", "vat_id", "trace_id", "client_id"];
/// Routes that answer something else than 404, each with its reason.
const OTHERWISE: &[(&str, u16, &str)] = &[
    ("MeterService/GetUsage", 200, "nobody has used anything is an answer, and empty"),
    ("PasskeyService/RemovePasskey", 403, "the password is asked for before anything is looked up"),
    ("PlanAdminService/UpdatePlan", 400, "the submission is read before anything is looked up"),
    ("TokenBundleService/DeleteTokenBundle", 200, "what is not there is already removed"),
];

type Ids = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_another_tenant_are_ids_of_nobody_on_every_rpc() {
    let fleet = Fleet::in_process().await;
    let mut known = Box::pin(a_tenant_that_lives(&fleet)).await;
    known.insert("tenant_id".to_owned(), tenant_of(&fleet, "demo").await.to_string());
    assert_eq!(missing(&known), BTreeSet::new(), "give the tenant that lives one of each");
    let stranger = owner_of_another(&fleet).await;
    let demo = tenant_of(&fleet, "demo").await;
    settle(&fleet, demo).await;
    let before = digest(&fleet, demo).await;
    let (mut asked, mut wrong) = (0, Vec::new());
    for rpc in contracts::methods().iter().filter(|rpc| takes_ids(rpc)) {
        asked += 1;
        let path_has_id = placeholders(rpc).iter().any(|name| is_id(name));
        // A merchant chooses the ids of its accounts: there such an id is a new account of its own.
        let chosen = |name: &str| rpc.path.ends_with("/OpenAccount") && name == "account_id";
        let given =
            |name: &str| if chosen(name) { uuid::Uuid::now_v7().to_string() } else { id_of(&known, name) };
        let theirs = call(&stranger, rpc, given).await;
        let nobodys = call(&stranger, rpc, |_| uuid::Uuid::now_v7().to_string()).await;
        let name = rpc.path.rsplit('.').next().unwrap_or_default();
        println!("{name}: {} {}", theirs.status, theirs.code());
        let (their, nobody) =
            ((theirs.status.as_u16(), theirs.code()), (nobodys.status.as_u16(), nobodys.code()));
        if their != nobody {
            wrong.push(format!("{name}: {their:?} for an id of another tenant, {nobody:?} for nobody's"));
        }
        let expected =
            OTHERWISE.iter().find(|(other, ..)| *other == name).map_or(404, |(_, status, _)| *status);
        // No owner of a tenant reaches the plane of operators, whatever the id.
        let expected = if name.starts_with("PlatformService/") { 403 } else { expected };
        if path_has_id && their.0 != expected {
            wrong.push(format!("{name}: {their:?} instead of {expected}: {}", theirs.body));
        }
        if their.0 >= 500 {
            wrong.push(format!("{name}: {their:?} {}", theirs.body));
        }
    }
    assert!(wrong.is_empty(), "{asked} rpcs asked:\n{}", wrong.join("\n"));
    assert!(asked > 50, "only {asked} rpcs take ids");
    assert_eq!(changed(&before, &digest(&fleet, demo).await), BTreeSet::new(), "rows of the first tenant");
}

/// Whether an rpc is reached over HTTP by signed-in people and names a thing.
fn takes_ids(rpc: &Method) -> bool {
    let routed = rpc.http.is_some() && !matches!(rpc.access, Some(Access::Public | Access::Internal));
    let mut names = Vec::new();
    collect(&rpc.descriptor.input(), 0, &mut names);
    routed
        && !rpc.descriptor.is_server_streaming()
        && names.iter().any(|name| is_id(name) && !CHOSEN.contains(&name.as_str()))
        || routed && placeholders(rpc).iter().any(|name| is_id(name))
}

fn collect(message: &MessageDescriptor, depth: usize, names: &mut Vec<String>) {
    for field in message.fields() {
        names.push(field.name().to_owned());
        if let Kind::Message(inner) = field.kind()
            && depth < 3
            && inner.full_name().starts_with("vbwd.")
        {
            collect(&inner, depth + 1, names);
        }
    }
}

fn is_id(name: &str) -> bool {
    name.ends_with("_id") && !OF_THE_WORLD.contains(&name)
}

/// Kinds of ids that rpcs take and the tenant that lives does not have.
fn missing(known: &Ids) -> BTreeSet<String> {
    let mut names = Vec::new();
    for rpc in contracts::methods().iter().filter(|rpc| takes_ids(rpc)) {
        collect(&rpc.descriptor.input(), 0, &mut names);
    }
    let things = names.into_iter().filter(|name| is_id(name) && !CHOSEN.contains(&name.as_str()));
    things.filter(|name| !known.contains_key(kind_of(name))).collect()
}

fn placeholders(rpc: &Method) -> Vec<String> {
    let path = rpc.http.as_ref().map(|route| route.path.as_str()).unwrap_or_default();
    path.split('/').filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned())).collect()
}

fn kind_of(name: &str) -> &str {
    KINDS.iter().find(|(other, _)| *other == name).map_or(name, |(_, kind)| kind)
}

fn id_of(known: &Ids, name: &str) -> String {
    known.get(kind_of(name)).cloned().unwrap_or_default()
}

async fn call(caller: &Customer, rpc: &Method, id: impl Fn(&str) -> String) -> Answer {
    let route = rpc.http.as_ref().expect("a route");
    let mut path = route.path.clone();
    let filled = placeholders(rpc);
    for name in &filled {
        let value = match name.as_str() {
            "host" => "shop.example".to_owned(), // a path has no empty part
            name if is_id(name) => id(name),
            name => word(name).to_owned(),
        };
        path = path.replace(&format!("{{{name}}}"), &value);
    }
    let mut body = object(&rpc.descriptor.input(), 0, &id);
    for name in &filled {
        body.remove(name);
    }
    let method = match route.verb {
        Verb::Get => reqwest::Method::GET,
        Verb::Post => reqwest::Method::POST,
        Verb::Put => reqwest::Method::PUT,
        Verb::Patch => reqwest::Method::PATCH,
        Verb::Delete => reqwest::Method::DELETE,
    };
    let mut request = caller.request(method, &path).header("host", "b.test");
    request = request.header("idempotency-key", uuid::Uuid::now_v7().to_string());
    if route.body {
        request = request.json(&body);
    } else {
        let ids: Vec<_> = body.iter().filter(|(name, value)| is_id(name) && value.is_string()).collect();
        request = request.query(&ids.iter().map(|(name, value)| (name, value.as_str())).collect::<Vec<_>>());
    }
    caller.send(request).await
}

/// A request that says something everywhere.
fn object(message: &MessageDescriptor, depth: usize, id: &impl Fn(&str) -> String) -> Map<String, Value> {
    let mut object = Map::new();
    for field in message.fields().filter(|field| !matches!(field.name(), "revision" | "after_position")) {
        if let Some(value) = value(&field, depth, id) {
            let value = if field.is_list() { json!([value]) } else { value };
            object.insert(field.name().to_owned(), value);
        }
    }
    object
}

fn value(field: &FieldDescriptor, depth: usize, id: &impl Fn(&str) -> String) -> Option<Value> {
    if field.is_map() {
        return None;
    }
    Some(match (field.kind(), field.name()) {
        (Kind::String, name) if CHOSEN.contains(&name) => json!(uuid::Uuid::now_v7().to_string()),
        (Kind::String, name) if is_id(name) => json!(id(name)),
        (Kind::String, name) => json!(word(name)),
        (Kind::Int64 | Kind::Uint64, _) => json!("1"),
        (Kind::Int32 | Kind::Uint32, "redirect_status") => json!(0),
        (Kind::Int32 | Kind::Uint32, _) => json!(1),
        (Kind::Bool, _) => json!(true),
        (Kind::Enum(kind), "action") => json!(kind.values().last()?.name()),
        (Kind::Enum(kind), _) => json!(kind.values().nth(1)?.name()),
        (Kind::Message(kind), _) if kind.full_name() == "google.protobuf.Timestamp" => {
            json!("2099-01-01T00:00:00Z")
        }
        (Kind::Message(kind), _) if depth < 3 && kind.full_name().starts_with("vbwd.") => {
            Value::Object(object(&kind, depth + 1, id))
        }
        _ => return None,
    })
}

fn word(name: &str) -> &'static str {
    match name {
        "email" | "new_email" | "contact_email" => "somebody@example.com",
        "currency" | "default_currency" => "EUR",
        "url" | "return_url" => "https://shop.example/hook",
        "asset" => "TOKEN",
        "country" | "billing_country" => "DE",
        "locale" => "en",
        "payment_method" | "method" => "sandbox_card",
        "kind" => "token_bundle",
        "path_prefix" => "/word",
        "host" | "phone" | "birth_date" | "vat_id" | "tax_id" | "cursor" | "min_position" => "",
        "roles" | "role" => "customer",
        "permission" | "permissions" => "users.read",
        "metadata" => "{}",
        "event_types" => "invoice.paid",
        "scopes" => "users.read",
        _ => "word",
    }
}

/// A customer who buys, an administrator who does everything once, and the ids of all of it.
async fn a_tenant_that_lives(fleet: &Fleet) -> Ids {
    let (customer, admin) = (Customer::new(fleet).await, Customer::admin(fleet).await);
    let endpoint =
        json!({"url": "https://hooks.example/x", "description": "x", "event_types": ["invoice.*"]});
    let endpoint = admin.post("/api/v1/admin/webhook-endpoints", endpoint).await.ok();
    let (bundle, _) = customer.bundle("500").await;
    let invoice = invoice_id(&customer.check_out(&bundle, "sandbox_card").await.ok());
    let paid = customer.wait_for_invoice(&invoice, "INVOICE_STATUS_PAID").await;
    customer.wait_for_tokens(500).await;
    let mut ids = Ids::new();
    let setup = json!({"method": "sandbox_card", "return_url": "https://shop.example/back"});
    let setup = customer.post_once("/api/v1/me/payment-method-setups", "setup-1", setup).await.ok();
    for made in [&endpoint, &paid, &setup, &json!({"bundle_id": bundle})] {
        harvest(made, &mut ids);
    }
    for path in [
        "/api/v1/plans",
        "/api/v1/me",
        "/api/v1/wallet/balance",
        "/api/v1/wallet/statement",
        "/api/v1/me/sessions",
    ] {
        harvest(&customer.get(path).await.ok(), &mut ids);
    }
    harvest(&Box::pin(an_administrators_day(&admin, &ids)).await, &mut ids);
    for (path, name) in [("/api/v1/notifications", "notification_id"), ("/api/v1/me", "user_id")] {
        let told = eventually(name, Duration::from_secs(20), || async {
            let mut found = Ids::new();
            harvest(&customer.get(path).await.ok(), &mut found);
            found.get(name).cloned()
        });
        ids.insert(name.to_owned(), told.await);
    }
    let (deliveries, mails) = (
        format!("/api/v1/admin/webhook-endpoints/{}/deliveries", ids["endpoint_id"]),
        "/api/v1/admin/mails".to_owned(),
    );
    for (path, name) in [(deliveries, "delivery_id"), (mails, "mail_id")] {
        let told = eventually(name, Duration::from_secs(20), || async {
            let mut found = Ids::new();
            harvest(&admin.get(&path).await.ok(), &mut found);
            found.get(name).cloned()
        });
        ids.insert(name.to_owned(), told.await);
    }
    ids.insert("passkey_id".to_owned(), a_passkey(fleet, &ids["user_id"]).await);
    ids
}

/// A passkey as a device would have made it; no device is needed to ask for its id.
async fn a_passkey(fleet: &Fleet, user: &str) -> String {
    let passkey = uuid::Uuid::now_v7();
    sqlx::query(
        "INSERT INTO passkeys (tenant_id, passkey_id, user_id, credential_id, credential, counter, name, created_at) \
         SELECT tenant_id, $1, user_id, '\\x00', '{}', 0, 'x', now() FROM users WHERE user_id = $2::uuid",
    )
    .bind(passkey)
    .bind(user)
    .execute(&fleet.database.superuser("identity"))
    .await
    .unwrap();
    passkey.to_string()
}

/// What the administrator makes, as the answers tell it.
async fn an_administrators_day(admin: &Customer, ids: &Ids) -> Value {
    let operation = || uuid::Uuid::now_v7().to_string();
    let rule = json!({"spec": {"name": "r", "enabled": true, "path_prefix": "/r", "action": "ROUTING_ACTION_BLOCK", "target": "x"}});
    let rule = admin.post("/api/v1/admin/routing/rules", rule).await.ok();
    let until = (kernel::Clock::wall(&kernel::SystemClock) + jiff::SignedDuration::from_hours(1)).to_string();
    let block = json!({"network": "203.0.113.7", "reason": "attack", "until": until});
    let block = admin.post("/api/v1/admin/blocked-sources", block).await.ok();
    let key = json!({"name": "k", "scopes": ["invoices.read"], "expires_in_days": 5});
    let key = admin.post("/api/v1/me/api-keys", key).await.ok();
    let theirs = |account: &&Value| account["account_id"] == json!(ids["account_id"]);
    // The list follows the ledger at a distance.
    let accounts = eventually("the accounts of a sale", Duration::from_secs(20), || async {
        let listed = admin.get("/api/v1/admin/ledger/accounts").await.ok();
        let all = listed["accounts"].as_array()?;
        let is_whole =
            all.iter().any(|one| theirs(&one)) && all.iter().any(|one| one.to_string().contains("ISSUANCE"));
        is_whole.then(|| listed.clone())
    })
    .await;
    let account = accounts["accounts"].as_array().and_then(|all| all.iter().find(theirs)).cloned();
    let credit = accounts["accounts"].as_array().and_then(|all| all.iter().find(|one| !theirs(one)));
    let credit = credit.map(|one| one["account_id"].clone()).unwrap_or_default();
    let hold = json!({
        "operation_id": operation(), "account_id": ids["account_id"], "amount": "5", "reason": "deposit",
        "credit_account_id": credit,
    });
    let hold = admin.post("/api/v1/admin/ledger/holds", hold).await.ok();
    let meter = json!({"operation_id": operation(), "asset": "TOKEN", "per": "1", "tiers": [{"price": "1"}], "period": "METER_PERIOD_MONTH"});
    admin.put("/api/v1/admin/meters/word", meter).await.ok();
    let reservation = json!({"operation_id": operation(), "user_id": ids["user_id"], "quantity": "2"});
    let reservation = admin.post("/api/v1/admin/meters/word/reservations", reservation).await.ok();
    let issuance = accounts["accounts"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one.to_string().contains("ISSUANCE")));
    let grant = json!({
        "operation_id": operation(), "amount": "3", "source": "gift", "reason": "thanks", "credit_account_id": ids["account_id"],
        "debit_account_id": issuance.map(|one| one["account_id"].clone()).unwrap_or_default(),
    });
    let grant = admin.post("/api/v1/admin/ledger/grants", grant).await.ok();
    json!([{"credit_account_id": credit}, rule, block, key, account, hold, reservation, grant])
}

/// Takes every id out of an answer; the first of a kind stays.
fn harvest(value: &Value, ids: &mut Ids) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let (true, Some(text)) = (is_id(name), member.as_str().filter(|text| !text.is_empty())) {
                    ids.entry(name.clone()).or_insert_with(|| text.to_owned());
                }
                harvest(member, ids);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| harvest(item, ids)),
        _ => {}
    }
}

async fn owner_of_another(fleet: &Fleet) -> Customer {
    let clock = std::sync::Arc::new(kernel::SystemClock);
    let platform = fleet::start::platform(&fleet.config, &[], clock).await.expect("a platform");
    let people = Provisioner::new(&platform, fleet.config.identity.clone()).expect("a provisioner");
    let other =
        NewTenant { slug: "other", name: "Other", default_currency: "EUR", locale: "en", hosts: &["b.test"] };
    let tenant = people.tenant(other).await.expect("a tenant");
    let (email, password) = ("owner@other.example", "correct horse battery staple");
    let owner = NewUser { email, password, display_name: "Owner", roles: &["owner"] };
    people.user(tenant, owner).await.expect("an owner");
    let mut stranger = Customer::stranger(fleet);
    let log_in = stranger.request(reqwest::Method::POST, "/api/v1/auth/login").header("host", "b.test");
    let answer = stranger.send(log_in.json(&json!({"email": email, "password": password}))).await.ok();
    stranger.token = answer["session"]["access_token"].as_str().map(str::to_owned);
    stranger
}

async fn tenant_of(fleet: &Fleet, slug: &str) -> TenantId {
    let all = fleet.database.superuser("identity");
    let query = "SELECT tenant_id FROM tenants WHERE slug = $1";
    TenantId::from_uuid(sqlx::query_scalar(query).bind(slug).fetch_one(&all).await.unwrap())
}

/// Waits until what goes on in the background has ended.
async fn settle(fleet: &Fleet, tenant: TenantId) {
    let mut last = digest(fleet, tenant).await;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = digest(fleet, tenant).await;
        if changed(&last, &now).is_empty() {
            return;
        }
        last = now;
    }
}

/// Every table with rows of a tenant, and a digest of these rows.
async fn digest(fleet: &Fleet, tenant: TenantId) -> BTreeMap<String, String> {
    let mut digests = BTreeMap::new();
    for service in ["identity", "wallet", "invoicing", "subscription", "payments", "notify"] {
        let all = fleet.database.superuser(service);
        for table in
            tables(&all, service).await.into_iter().filter(|table| !RESTLESS.contains(&table.as_str()))
        {
            let query = format!(
                "SELECT coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') FROM {table} r WHERE tenant_id = $1"
            );
            let digest =
                sqlx::query_scalar(AssertSqlSafe(query)).bind(tenant.as_uuid()).fetch_one(&all).await;
            digests.insert(format!("{service}.{table}"), digest.unwrap());
        }
    }
    digests
}

async fn tables(all: &PgPool, service: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.table_name::text FROM information_schema.columns c JOIN information_schema.tables t \
         USING (table_schema, table_name) WHERE c.table_schema = $1 AND c.column_name = 'tenant_id' \
         AND t.table_type = 'BASE TABLE' ORDER BY 1",
    )
    .bind(service)
    .fetch_all(all)
    .await
    .unwrap()
}

fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> BTreeSet<String> {
    after
        .iter()
        .filter(|(table, digest)| before.get(*table) != Some(digest))
        .map(|(table, _)| table.clone())
        .collect()
}
