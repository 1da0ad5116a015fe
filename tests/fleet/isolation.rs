//! Nobody sees another tenant: every table of every service, read without a WHERE clause.

use sqlx::{AssertSqlSafe, PgPool, Row as _};

use crate::harness::customer::invoice_id;
use crate::harness::{Customer, Fleet};

const SERVICES: [&str; 8] =
    ["identity", "wallet", "invoicing", "subscription", "payments", "notify", "sandbox", "gateway"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_one_tenant_sees_no_row_of_another() {
    let fleet = Fleet::in_process().await;
    let customer = Customer::new(&fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let body = customer.check_out(&bundle, "sandbox_card").await.ok();
    customer.wait_for_invoice(&invoice_id(&body), "INVOICE_STATUS_PAID").await;
    customer.wait_for_tokens(500).await;
    let mut looked_at = 0;
    for service in SERVICES {
        let (pool, all) = (fleet.database.pool(service), fleet.database.superuser(service));
        for table in tenant_tables(&all, service).await {
            looked_at += 1;
            let rows = count(&all, &table, None).await;
            let stranger = uuid::Uuid::now_v7();
            assert_eq!(count(&pool, &table, Some(stranger)).await, 0, "{service}.{table} of another tenant");
            assert_eq!(count(&pool, &table, None).await, 0, "{service}.{table} without a tenant");
            println!("{service}.{table}: {rows} rows, none for a stranger");
        }
    }
    assert!(looked_at > 15, "only {looked_at} tables have a tenant");
}

/// A row written for another tenant must be refused as well as unseen. A table that the service's
/// log-in may not touch at all (rows behind a partitioned parent) is closed already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tenant_table_has_forced_row_level_security() {
    let database = testkit::databases(fleet::command::migrate::migrations()).await;
    for service in SERVICES {
        let all = database.superuser(service);
        for table in tenant_tables(&all, service).await {
            let row = sqlx::query(SAFE).bind(service).bind(&table).fetch_one(&all).await.unwrap();
            assert!(row.get::<bool, _>("safe"), "{service}.{table}");
        }
    }
}

/// A table is safe when row-level security is forced, or when neither role of the service may read
/// it (a partition that is only written into).
const SAFE: &str = "SELECT (relrowsecurity AND relforcerowsecurity) OR NOT ( \
       has_table_privilege('vbwd_' || $1, oid, 'SELECT') \
       OR has_table_privilege('vbwd_' || $1 || '_worker', oid, 'SELECT')) AS safe \
     FROM pg_class WHERE oid = ($1 || '.' || $2)::regclass";

async fn tenant_tables(pool: &PgPool, service: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.table_name::text FROM information_schema.columns c JOIN information_schema.tables t \
         USING (table_schema, table_name) WHERE c.table_schema = $1 AND c.column_name = 'tenant_id' \
         AND t.table_type = 'BASE TABLE' ORDER BY 1",
    )
    .bind(service)
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn count(pool: &PgPool, table: &str, tenant: Option<uuid::Uuid>) -> i64 {
    let mut transaction = pool.begin().await.unwrap();
    if let Some(tenant) = tenant {
        sqlx::query("SELECT set_config('vbwd.tenant_id', $1, true)")
            .bind(tenant.to_string())
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    let query = format!("SELECT count(*) FROM {table}");
    match sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut *transaction).await {
        Ok(rows) => rows,
        // No privilege at all is as good as no row.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => 0,
        Err(error) => panic!("{table}: {error}"),
    }
}
