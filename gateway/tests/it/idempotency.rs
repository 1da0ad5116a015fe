//! The same request sent again, on a real PostgreSQL.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::TestDatabase;

use crate::fixtures::{Fleet, config, fleet, fleet_with};

async fn with_database() -> (Fleet, TestDatabase) {
    let database = testkit::database("gateway", gateway::migrations()).await;
    let fleet = fleet_with(config(), database.config().clone()).await;
    (fleet, database)
}

fn buying(country: &str) -> Value {
    json!({"lines": [{"kind": "token_bundle", "item_id": "a", "quantity": 1}], "billing_country": country})
}

fn executions(fleet: &Fleet) -> u32 {
    fleet.seen.checkouts.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_parallel_requests_with_one_key_are_executed_once() {
    let (fleet, _database) = with_database().await;
    let token = fleet.token(&fleet.user(&[]));
    let body = buying("DE");
    let answers = join_all((0..100).map(|_| fleet.checkout(&token, Some("once"), &body))).await;
    assert_eq!(executions(&fleet), 1);
    let created: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!created.is_empty());
    for answer in &answers {
        match answer.status.as_u16() {
            201 => assert_eq!(answer.body, created[0].body),
            _ => assert_eq!(answer.problem(), (409, "idempotency_in_flight".to_owned())),
        }
    }
    let again = fleet.checkout(&token, Some("once"), &body).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &created[0].body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("content-type"), "application/json");
    assert_eq!(executions(&fleet), 1);
}

#[tokio::test]
async fn a_key_is_demanded_and_good_for_one_request_of_one_caller() {
    let (fleet, _database) = with_database().await;
    let token = fleet.token(&fleet.user(&[]));
    let missing = fleet.checkout(&token, None, &buying("DE")).await;
    assert_eq!(missing.problem(), (400, "idempotency_key_missing".to_owned()));
    assert_eq!(fleet.checkout(&token, Some("k"), &buying("DE")).await.status, 201);
    let reused = fleet.checkout(&token, Some("k"), &buying("FR")).await;
    assert_eq!(reused.problem(), (422, "idempotency_key_reused".to_owned()));
    let other = fleet.token(&fleet.user(&[]));
    let theirs = fleet.checkout(&other, Some("k"), &buying("FR")).await;
    assert_eq!((theirs.status.as_u16(), theirs.header("idempotent-replayed")), (201, ""));
    assert_eq!(executions(&fleet), 2);
    let operations = fleet.seen.operations.lock().unwrap().clone();
    assert_ne!(operations[0], operations[1]);
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_an_outage_is_none() {
    let (fleet, _database) = with_database().await;
    let token = fleet.token(&fleet.user(&[]));
    let outage = fleet.checkout(&token, Some("o"), &buying("YY")).await;
    assert_eq!(outage.problem(), (503, "database_unreachable".to_owned()));
    let after = fleet.checkout(&token, Some("o"), &buying("YY")).await;
    assert_eq!((after.status.as_u16(), after.header("idempotent-replayed")), (201, ""));
    let operations = fleet.seen.operations.lock().unwrap().clone();
    assert_eq!(operations[0], operations[1], "the service can tell that it is the same operation");
    let refused = fleet.checkout(&token, Some("r"), &buying("XX")).await;
    assert_eq!(refused.problem(), (409, "bundle_inactive".to_owned()));
    let again = fleet.checkout(&token, Some("r"), &buying("XX")).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &refused.body));
    assert_eq!(executions(&fleet), 3);
}

#[tokio::test]
async fn input_that_was_never_executed_claims_no_key() {
    let (fleet, database) = with_database().await;
    let token = fleet.token(&fleet.user(&[]));
    let refused = fleet.checkout(&token, Some("k"), &json!({"lines": 5})).await;
    assert_eq!(refused.problem(), (400, "invalid_input".to_owned()));
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency_keys")
        .fetch_one(&database.superuser("gateway"))
        .await
        .unwrap();
    assert_eq!(kept, 0);
}

/// The row as a process leaves it that died between claim and answer.
async fn abandon(database: &TestDatabase) {
    let forgotten = "UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL";
    sqlx::query(forgotten).execute(&database.superuser("gateway")).await.unwrap();
}

#[tokio::test]
async fn an_abandoned_claim_is_executed_again_under_the_same_operation() {
    let (fleet, database) = with_database().await;
    let token = fleet.token(&fleet.user(&[]));
    assert_eq!(fleet.checkout(&token, Some("k"), &buying("DE")).await.status, 201);
    abandon(&database).await;
    let early = fleet.checkout(&token, Some("k"), &buying("DE")).await;
    assert_eq!(early.problem(), (409, "idempotency_in_flight".to_owned()));
    assert_eq!(early.header("retry-after"), "1");
    fleet.clock.advance(SignedDuration::from_secs(31));
    let reused = fleet.checkout(&token, Some("k"), &buying("FR")).await;
    assert_eq!(reused.problem().0, 422, "taking over needs the same request");
    let taken_over = fleet.checkout(&token, Some("k"), &buying("DE")).await;
    assert_eq!(taken_over.status, 201);
    let operations = fleet.seen.operations.lock().unwrap().clone();
    assert_eq!(operations.len(), 2);
    assert_eq!(operations[0], operations[1]);
}

#[tokio::test]
async fn a_client_that_hangs_up_frees_its_key() {
    let (fleet, database) = with_database().await;
    let token = fleet.token(&fleet.user(&[]));
    let body = buying("ZZ");
    let hanging = fleet.checkout(&token, Some("k"), &body);
    assert!(tokio::time::timeout(Duration::from_millis(500), hanging).await.is_err());
    let pool = database.superuser("gateway");
    for _ in 0..50 {
        let held: i64 =
            sqlx::query_scalar("SELECT count(*) FROM idempotency_keys").fetch_one(&pool).await.unwrap();
        if held == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the key is still held");
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_retention() {
    let (fleet, _database) = with_database().await;
    let token = fleet.token(&fleet.user(&[]));
    assert_eq!(fleet.checkout(&token, Some("k"), &buying("DE")).await.status, 201);
    fleet.clock.advance(SignedDuration::from_hours(24) + SignedDuration::from_secs(1));
    let token = fleet.token(&fleet.user(&[]));
    assert_eq!(fleet.checkout(&token, Some("k"), &buying("FR")).await.status, 201);
    assert_eq!(executions(&fleet), 2);
}

#[tokio::test]
async fn without_the_store_keyed_requests_are_refused_and_reads_go_on() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    let started = std::time::Instant::now();
    let refused = fleet.checkout(&token, Some("k"), &buying("DE")).await;
    assert_eq!(refused.problem(), (503, "idempotency_unavailable".to_owned()));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(executions(&fleet), 0);
    assert_eq!(fleet.get_as(&token, "/api/v1/wallet/balance").await.status, 200);
    let log_in = fleet.post_as("", "/api/v1/auth/login", &json!({})).await;
    assert_eq!(log_in.status, 200, "a request without a key needs no store");
}

#[tokio::test]
async fn a_restarted_database_costs_no_request() {
    let mut server = testkit::Postgres::ephemeral().unwrap();
    let config = runtime::config::Database {
        url: runtime::config::Secret::from(server.url().as_str()),
        role_password: runtime::config::Secret::from("test-role-password"),
        connections_max: 8,
    };
    runtime::database::migrate(&config, vec![("gateway", gateway::migrations())]).await.unwrap();
    let fleet =
        fleet_with(gateway::Config { idempotency: Default::default(), ..crate::fixtures::config() }, config)
            .await;
    let token = fleet.token(&fleet.user(&[]));
    let body = buying("DE");
    let keys: Vec<_> = (0..16).map(|nth| format!("k{nth}")).collect();
    let warm = join_all(keys[..8].iter().map(|key| fleet.checkout(&token, Some(key), &body))).await;
    assert!(warm.iter().all(|answer| answer.status == 201));
    server.restart().unwrap();
    let after = join_all(keys.iter().map(|key| fleet.checkout(&token, Some(key), &body))).await;
    assert!(after.iter().all(|answer| answer.status == 201), "{after:?}");
    // Answers that the server had not written yet may be forgotten; the operations are the same.
    let mut operations = fleet.seen.operations.lock().unwrap().clone();
    operations.sort();
    operations.dedup();
    assert_eq!(operations.len(), 16);
}

#[tokio::test]
async fn a_tenant_sees_no_keys_of_another() {
    let (fleet, database) = with_database().await;
    let token = fleet.token(&fleet.user(&[]));
    assert_eq!(fleet.checkout(&token, Some("k"), &buying("DE")).await.status, 201);
    let pool = database.pool("gateway");
    let count = async |tenant: &str| -> i64 {
        let mut transaction = pool.begin().await.unwrap();
        let set = "SELECT set_config('vbwd.tenant_id', $1, true)";
        sqlx::query(set).bind(tenant).execute(&mut *transaction).await.unwrap();
        let count = "SELECT count(*) FROM idempotency_keys";
        sqlx::query_scalar(count).fetch_one(&mut *transaction).await.unwrap()
    };
    assert_eq!(count(&fleet.tenant.to_string()).await, 1);
    assert_eq!(count(&fleet.other_tenant.to_string()).await, 0);
    assert_eq!(count("").await, 0);
}
