//! The second wall: a connection of one tenant sees no row of another, with no WHERE at all.

use contracts::vbwd::invoicing::v1::GetInvoiceRequest;
use fault::Fault;
use ids::{OperationId, TenantId};
use sqlx::{AssertSqlSafe, Row as _};

use crate::world::{holder, line, order, pay, world};

/// How many rows of `table` a plain connection of `tenant` sees.
async fn visible(pool: &sqlx::PgPool, tenant: Option<TenantId>, table: &str) -> i64 {
    let mut transaction = pool.begin().await.unwrap();
    if let Some(tenant) = tenant {
        let set = format!("SET LOCAL vbwd.tenant_id = '{tenant}'");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *transaction).await.unwrap();
    }
    let count = format!("SELECT count(*) FROM {table}");
    sqlx::query(AssertSqlSafe(count)).fetch_one(&mut *transaction).await.unwrap().get(0)
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another_in_any_table() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    world.pay(OperationId::new(), pay(&invoice)).await.unwrap();
    world.heard(world.captured(&invoice, 1).await).await; // a dead letter
    world.captured(&invoice, 1_999).await;
    world.wait_for(&invoice, "invoice.fulfilled").await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.table_name FROM information_schema.columns c JOIN information_schema.tables t \
         USING (table_schema, table_name) WHERE c.table_schema = 'invoicing' AND c.column_name = 'tenant_id' \
         AND t.table_type = 'BASE TABLE' ORDER BY 1",
    )
    .fetch_all(&world.superuser)
    .await
    .unwrap();
    let expected = [
        "dead_letters",
        "events",
        "invoice_lines",
        "invoice_series",
        "invoices",
        "operations",
        "streams",
        "timers",
    ];
    assert_eq!(tables, expected);
    let pool = world.database.pool("invoicing");
    let mut with_rows = Vec::new();
    for table in &tables {
        assert_eq!(visible(&pool, Some(TenantId::new()), table).await, 0, "another tenant sees {table}");
        assert_eq!(visible(&pool, None, table).await, 0, "nobody sees {table}");
        if visible(&pool, Some(world.tenant), table).await > 0 {
            with_rows.push(table.as_str());
        }
    }
    let filled = ["dead_letters", "events", "invoice_lines", "invoice_series", "invoices", "operations"];
    assert_eq!(with_rows, filled, "the test has rows to miss");
}

#[tokio::test]
async fn a_row_of_another_tenant_cannot_be_written() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    let mut transaction = world.database.pool("invoicing").begin().await.unwrap();
    let set = format!("SET LOCAL vbwd.tenant_id = '{}'", TenantId::new());
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *transaction).await.unwrap();
    let touched =
        sqlx::query("UPDATE invoices SET status = 'void'").execute(&mut *transaction).await.unwrap();
    assert_eq!(touched.rows_affected(), 0);
    let moved = sqlx::query("INSERT INTO invoice_series VALUES ($1, 'INV', 2026, 7)")
        .bind(world.tenant.as_uuid())
        .execute(&mut *transaction)
        .await;
    assert!(moved.unwrap_err().to_string().contains("row-level security"));
    assert_eq!(world.invoice(&invoice.invoice_id).await, invoice);
}

#[tokio::test]
async fn an_operator_of_another_tenant_finds_no_invoice() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    let foreign = holder(TenantId::new(), "*");
    let get = GetInvoiceRequest { invoice_id: invoice.invoice_id.clone() };
    let request = world.request(&foreign, OperationId::new(), get);
    let fault = Fault::from(world.invoices().get_invoice(request).await.unwrap_err());
    assert_eq!(fault.reason(), "invoice_not_found");
    // Each tenant counts its own invoices.
    let request = world.request(&foreign, OperationId::new(), order([line("large", 1)]));
    let first = world.checkouts().create_checkout(request).await.unwrap().into_inner().invoice.unwrap();
    assert_eq!(first.number, invoice.number);
}
