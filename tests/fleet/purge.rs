//! A tenant is purged, and every service hears of it over NATS: what law demands stays, all else goes, and
//! nobody else loses a row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use identity::{NewTenant, NewUser, Provisioner};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::customer::invoice_id;
use crate::harness::{Customer, Fleet, Outside, books, eventually};
use crate::tenants::Operator;

const SERVICES: [&str; 6] = ["identity", "wallet", "invoicing", "subscription", "payments", "notify"];
/// What stays, by service: each table must still have rows afterwards, unless it is marked with `?`.
const STAYS: &[(&str, &[&str])] = &[
    ("identity", &["tenants", "audit_entries", "audit_heads", "events", "streams"]),
    (
        "wallet",
        &[
            "ledger_accounts",
            "ledger_entries",
            "?ledger_operations",
            "?ledger_operation_chunks",
            "ledger_lots",
            "ledger_lot_movements",
            "?events",
            "?streams",
            "?audit_outbox",
        ],
    ),
    ("invoicing", &["invoices", "invoice_lines", "invoice_series", "events", "?streams"]),
    ("payments", &["payments", "webhook_inbox", "events", "?streams", "?audit_outbox"]),
    ("subscription", &["?audit_outbox"]),
    ("notify", &["?audit_outbox"]),
];

/// A tenant's rows in every table, by `service.table`.
async fn rows(fleet: &Fleet, tenant: &str) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    for service in SERVICES {
        let all = fleet.database.superuser(service);
        for table in tables(&all, service).await {
            let query = format!("SELECT count(*) FROM {table} WHERE tenant_id = '{tenant}'");
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&all).await.unwrap();
            found.insert(format!("{service}.{table}"), count);
        }
    }
    found
}

async fn tables(all: &PgPool, service: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
         AND a.attname = 'tenant_id' AND NOT a.attisdropped ORDER BY 1",
    )
    .bind(service)
    .fetch_all(all)
    .await
    .unwrap()
}

fn stays(table: &str) -> Option<bool> {
    let (service, table) = table.split_once('.').unwrap();
    let (_, kept) = STAYS.iter().find(|(of, _)| *of == service).unwrap();
    let kept = kept.iter().find(|known| known.trim_start_matches('?') == table)?;
    Some(!kept.starts_with('?'))
}

/// Somebody buys, an administrator sets up what services keep.
async fn live(fleet: &Fleet, outside: &Outside) {
    let (customer, admin) = (Customer::new(fleet).await, Customer::admin(fleet).await);
    let wish = json!({"url": outside.hooks.url("/ok"), "event_types": ["invoice.paid"]});
    admin.post("/api/v1/admin/webhook-endpoints", wish).await.ok();
    let looks = admin.get("/api/v1/admin/mail/settings").await.ok();
    admin.put("/api/v1/admin/mail/settings", json!({"settings": looks["settings"]})).await.ok();
    let (bundle, _) = customer.bundle("500").await;
    let invoice = invoice_id(&customer.check_out(&bundle, "sandbox_card").await.ok());
    customer.wait_for_invoice(&invoice, "INVOICE_STATUS_PAID").await;
    customer.wait_for_tokens(500).await;
    let unpaid = customer.check_out(&bundle, "sandbox_pending").await;
    assert!(unpaid.status.is_success(), "{}", unpaid.body);
    eventually("the sale is told", Duration::from_secs(20), || async {
        let told = customer.get("/api/v1/notifications").await.ok();
        (!outside.hooks.received("/ok").is_empty() && told.to_string().contains("notification_id"))
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_keeps_of_a_purged_tenant_what_law_demands_and_nothing_else() {
    let outside = Outside::start();
    let fleet = Fleet::in_process_with(|config| outside.known_to(config)).await;
    let operator = Operator::of(&fleet).await;
    live(&fleet, &outside).await;
    let listed = operator.send(Method::GET, "/api/v1/platform/tenants?query=demo", Value::Null).await;
    let demo = listed["tenants"][0]["tenant_id"].as_str().unwrap().to_owned();
    let other = a_neighbour(&fleet).await;
    let (before, neighbours) = (rows(&fleet, &demo).await, rows(&fleet, &other).await);
    for table in [
        "notify.mails",
        "notify.webhook_endpoints",
        "notify.notifications",
        "subscription.plan_prices",
        "wallet.token_bundles",
    ] {
        assert!(before[table] > 0, "{table}");
    }
    operator.send(Method::DELETE, &format!("/api/v1/platform/tenants/{demo}"), json!({})).await;
    let identity_tables = fleet.database.superuser("identity");
    let over = "UPDATE tenants SET purge_at = now() - interval '1 second' WHERE tenant_id = $1::uuid";
    sqlx::query(over).bind(&demo).execute(&identity_tables).await.unwrap();
    let platform = fleet::start::platform(&fleet.config, &[], Arc::new(kernel::SystemClock)).await.unwrap();
    identity::build(&platform, fleet.config.identity.clone()).unwrap().sweep().await.unwrap();
    let after = eventually("every service has heard of it", Duration::from_secs(30), || async {
        let after = rows(&fleet, &demo).await;
        let left: Vec<_> =
            after.iter().filter(|(table, count)| stays(table).is_none() && **count > 0).collect();
        println!("left: {left:?}");
        left.is_empty().then(|| after.clone())
    })
    .await;
    for (table, count) in &after {
        if stays(table) == Some(true) {
            assert!(*count > 0 && *count >= before[table], "{table}: {count} of {}", before[table]);
        }
    }
    assert_eq!(rows(&fleet, &other).await, neighbours, "others lose nothing");
    books::assert_balanced(&fleet).await;
    books::assert_gapless(&fleet).await;
    nobody_acts_any_more(&fleet, &demo).await;
}

/// Another tenant, of which every service knows something.
async fn a_neighbour(fleet: &Fleet) -> String {
    let platform = fleet::start::platform(&fleet.config, &[], Arc::new(kernel::SystemClock)).await.unwrap();
    let people = Provisioner::new(&platform, fleet.config.identity.clone()).unwrap();
    let new =
        NewTenant { slug: "other", name: "Other", default_currency: "EUR", locale: "en", hosts: &["b.test"] };
    let tenant = people.tenant(new).await.unwrap();
    let owner = NewUser {
        email: "o@other.example",
        password: "correct horse battery",
        display_name: "O",
        roles: &["owner"],
    };
    people.user(tenant, owner).await.unwrap();
    wallet::seed_demo(&platform, &fleet.config.wallet, tenant).await.unwrap();
    let endpoint =
        "INSERT INTO mail_switches (tenant_id, template, enabled) VALUES ($1, 'invoice.paid', true)";
    sqlx::query(endpoint).bind(tenant.as_uuid()).execute(&fleet.database.superuser("notify")).await.unwrap();
    tenant.to_string()
}

async fn nobody_acts_any_more(fleet: &Fleet, tenant: &str) {
    for (service, query) in [
        (
            "payments",
            "SELECT count(*) FROM payments WHERE (next_check_at, redirect_url) IS DISTINCT FROM (NULL, NULL)",
        ),
        ("invoicing", "SELECT count(*) FROM invoices WHERE attend_at IS NOT NULL"),
    ] {
        let query = format!("{query} AND tenant_id = '{tenant}'");
        let all = fleet.database.superuser(service);
        let left: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&all).await.unwrap();
        assert_eq!(left, 0, "{service}");
    }
    let stranger = Customer::stranger(fleet);
    eventually("the edge has forgotten the hosts", Duration::from_secs(10), || async {
        (stranger.get("/api/v1/token-bundles").await.code() == "unknown_host").then_some(())
    })
    .await;
}
