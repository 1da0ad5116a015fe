//! The auditor: reads the databases directly and says whether the books are right.

use sqlx::Row as _;

use super::Fleet;

/// Sum of all ledger entries, by asset; every one must be zero.
pub async fn sums(fleet: &Fleet) -> Vec<(String, i64)> {
    let rows = sqlx::query("SELECT asset, sum(amount)::bigint AS total FROM ledger_entries GROUP BY asset")
        .fetch_all(&fleet.database.superuser("wallet"))
        .await
        .expect("the entries can be read");
    rows.iter().map(|row| (row.get("asset"), row.get("total"))).collect()
}

/// Asserts that the books sum to zero and that no fulfilment was posted twice.
pub async fn assert_balanced(fleet: &Fleet) {
    for (asset, total) in sums(fleet).await {
        assert_eq!(total, 0, "the books of {asset} do not sum to zero");
    }
    let doubled: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT reference FROM ledger_entries WHERE reason = 'purchase' AND amount > 0 \
         GROUP BY tenant_id, reference, operation_id, account_id HAVING count(*) > 1) AS twice",
    )
    .fetch_one(&fleet.database.superuser("wallet"))
    .await
    .expect("the entries can be read");
    assert_eq!(doubled, 0, "a purchase was credited twice");
}

/// Places of all invoices in their series, sorted.
pub async fn invoice_numbers(fleet: &Fleet) -> Vec<i64> {
    sqlx::query_scalar("SELECT sequence::bigint FROM invoices ORDER BY sequence")
        .fetch_all(&fleet.database.superuser("invoicing"))
        .await
        .expect("the invoices can be read")
}

/// Asserts that the numbers of all invoices are 1, 2, 3, … without a gap.
pub async fn assert_gapless(fleet: &Fleet) {
    let numbers = invoice_numbers(fleet).await;
    let gapless: Vec<i64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, gapless, "invoice numbers have a gap");
}
