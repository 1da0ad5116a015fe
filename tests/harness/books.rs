//! The auditor: reads the databases directly and says whether the books are right.

use std::collections::HashMap;

use ids::TenantId;
use wallet_domain::{Asset, Batch, PartitionState, entries};

use super::Fleet;

/// One side of a posting, as the journal has it.
pub struct Booked {
    pub operation: uuid::Uuid,
    pub account: uuid::Uuid,
    pub amount: i64,
    pub reason: String,
}

/// Everything in the ledger's journal.
pub struct Books {
    pub booked: Vec<Booked>,
    /// Of every partition, after its last batch.
    pub states: Vec<PartitionState>,
}

/// Replays the journal; every recorded balance is checked on the way.
pub async fn replay(fleet: &Fleet) -> Books {
    let rows: Vec<(i32, i64, Vec<u8>)> =
        sqlx::query_as("SELECT partition, sequence, payload FROM journal ORDER BY partition, sequence")
            .fetch_all(&fleet.database.superuser("wallet"))
            .await
            .expect("the journal can be read");
    let (mut states, mut booked) = (HashMap::<i32, PartitionState>::new(), Vec::new());
    for (partition, sequence, payload) in rows {
        let state = states.entry(partition).or_default();
        let batch = Batch::from_payload(&payload).expect("a batch can be read");
        state.apply(sequence.try_into().unwrap(), &batch).expect("a batch follows from the ones before");
        booked.extend(entries(&batch).map(|entry| Booked {
            operation: entry.operation,
            account: state.account_numbered(entry.account).unwrap().terms.account.as_uuid(),
            amount: entry.amount,
            reason: entry.reason.to_owned(),
        }));
    }
    Books { booked, states: states.into_values().collect() }
}

impl Books {
    /// Sum of all balances by tenant and asset.
    pub fn sums(&self) -> HashMap<(TenantId, Asset), i128> {
        self.states.iter().flat_map(PartitionState::sums).collect()
    }
}

/// Asserts that the books sum to zero and that no fulfilment was posted twice.
pub async fn assert_balanced(fleet: &Fleet) {
    let books = replay(fleet).await;
    for ((_, asset), total) in books.sums() {
        assert_eq!(total, 0, "the books of {asset} do not sum to zero");
    }
    let mut credited = HashMap::<_, u32>::new();
    for entry in books.booked.iter().filter(|entry| entry.reason == "purchase" && entry.amount > 0) {
        *credited.entry((entry.operation, entry.account)).or_default() += 1;
    }
    assert!(credited.values().all(|times| *times == 1), "a purchase was credited twice");
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
