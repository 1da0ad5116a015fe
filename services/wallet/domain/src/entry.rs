//! Entries: the two sides of every posting, as statements and published events show them.

use uuid::Uuid;

use crate::{Batch, Origin, Recorded};

/// One side of a posting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry<'a> {
    /// Its place among the entries of the batch, from 0.
    pub index: u32,
    /// Number of the account.
    pub account: u32,
    /// The operation it belongs to.
    pub operation: Uuid,
    /// Positive when units came in, negative when they left.
    pub amount: i64,
    /// Balance after this entry.
    pub balance_after: i64,
    /// Why.
    pub reason: &'a str,
    /// What it belongs to.
    pub reference: &'a str,
    /// The tenant's time, milliseconds since 1970.
    pub at_ms: i64,
    /// Number of the operation's [`Kind`](crate::Kind).
    pub kind: u32,
    /// Where the request came from.
    pub origin: Option<&'a Origin>,
}

/// The entries of a batch in their order: the giving side of a posting, then the taking side.
pub fn entries(batch: &Batch) -> impl Iterator<Item = Entry<'_>> {
    let sides = batch.recorded().flat_map(move |Recorded { operation, postings, .. }| {
        let entry = move |account, amount, balance_after| Entry {
            index: 0,
            account,
            operation: operation.id(),
            amount,
            balance_after,
            reason: batch.word(operation.reason).unwrap_or_default(),
            reference: &operation.reference,
            at_ms: batch.time_of(operation),
            kind: operation.kind,
            origin: batch.origins.get(operation.origin as usize),
        };
        postings.iter().flat_map(move |posting| {
            let given = entry(posting.debit, posting.amount.saturating_neg(), posting.debit_after);
            [given, entry(posting.credit, posting.amount, posting.credit_after)]
        })
    });
    (0..).zip(sides).map(|(index, entry)| Entry { index, ..entry })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn every_posting_gives_two_entries_that_cancel_out() {
        let batch = samples::a_batch();
        let found: Vec<_> = entries(&batch).collect();
        assert_eq!(found.len(), batch.postings.len() * 2);
        assert_eq!(found.iter().map(|entry| entry.amount).sum::<i64>(), 0);
        assert!(found.iter().zip(0..).all(|(entry, index)| entry.index == index));
        assert_eq!((found[1].account, found[1].balance_after, found[1].reason), (1, 100, "purchase"));
    }
}
