//! Row-level security: the second wall behind the WHERE clauses.

use ids::TenantId;
use sqlx::{AssertSqlSafe, Row as _};

use crate::fixtures::{context, database, filled, new_uuid};

const TABLES: [&str; 5] = ["events", "streams", "operations", "dead_letters", "timers"];

#[tokio::test]
async fn a_tenant_sees_only_its_own_rows_and_a_worker_all() {
    let database = database().await;
    let (ours, theirs) = (context(TenantId::new()), context(TenantId::new()));
    for context in [&ours, &theirs] {
        let mut unit = database.store.begin(context).await.unwrap();
        unit.claim::<i64>(&[0; 32]).await.unwrap();
        unit.append_fact("bundle", new_uuid(), filled(1)).await.unwrap();
        for other in [
            "INSERT INTO timers (timer_id, tenant_id, kind, subject, due_at, payload) \
             VALUES (gen_random_uuid(), $1, 'k', gen_random_uuid(), now(), '{}')",
            "INSERT INTO dead_letters (id, tenant_id, consumer, event_id, subject, payload, error, \
             attempts, at) VALUES (gen_random_uuid(), $1, 'c', gen_random_uuid(), 's', '{}', 'e', 1, now())",
        ] {
            sqlx::query(other).bind(context.tenant.as_uuid()).execute(unit.connection()).await.unwrap();
        }
        unit.commit().await.unwrap();
    }
    for table in TABLES {
        let count = format!("SELECT count(*) FROM {table}");
        let mut tenant = database.store.read(ours.tenant).await.unwrap();
        let seen = sqlx::query(AssertSqlSafe(count.clone())).fetch_one(&mut *tenant).await.unwrap();
        assert_eq!(seen.get::<i64, _>(0), 1, "{table} as the tenant");
        let mut worker = database.store.begin_worker(None).await.unwrap();
        let seen = sqlx::query(AssertSqlSafe(count.clone())).fetch_one(worker.connection()).await.unwrap();
        assert_eq!(seen.get::<i64, _>(0), 2, "{table} as the worker");
        let mut nobody = database.store.pool().acquire().await.unwrap();
        let seen = sqlx::query(AssertSqlSafe(count)).fetch_one(&mut *nobody).await.unwrap();
        assert_eq!(seen.get::<i64, _>(0), 0, "{table} without a tenant");
    }
}

#[tokio::test]
async fn a_row_of_another_tenant_cannot_be_written() {
    let database = database().await;
    let mut unit = database.store.begin(&context(TenantId::new())).await.unwrap();
    let smuggled = sqlx::query(
        "INSERT INTO timers (timer_id, tenant_id, kind, subject, due_at, payload) \
         VALUES (gen_random_uuid(), gen_random_uuid(), 'k', gen_random_uuid(), now(), '{}')",
    );
    assert!(smuggled.execute(unit.connection()).await.is_err());
}
