//! Entries of one account in their order, as a row of `ledger_entries` keeps them.
//!
//! Chunks are written by appending encoded entries, so that nothing is decoded while projecting.

use prost::Message;
use uuid::Uuid;
use wallet_domain::Entry;

/// Rows stay below the size at which PostgreSQL would store them apart.
pub(crate) const CHUNK_BYTES_MAX: usize = 1_800;

/// One side of a posting, as stored.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct StoredEntry {
    /// Batch.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// Place in the batch.
    #[prost(uint32, tag = "2")]
    pub index: u32,
    /// Operation id, upper half.
    #[prost(fixed64, tag = "3")]
    pub operation_high: u64,
    /// Lower half.
    #[prost(fixed64, tag = "4")]
    pub operation_low: u64,
    /// Positive when units came in.
    #[prost(sint64, tag = "5")]
    pub amount: i64,
    /// Balance after this entry.
    #[prost(sint64, tag = "6")]
    pub balance_after: i64,
    /// Number of the operation's kind.
    #[prost(uint32, tag = "7")]
    pub kind: u32,
    /// The tenant's time, milliseconds since 1970.
    #[prost(int64, tag = "8")]
    pub at_ms: i64,
    /// Why.
    #[prost(string, tag = "9")]
    pub reason: String,
    /// What it belongs to.
    #[prost(string, tag = "10")]
    pub reference: String,
}

/// Entries in their order.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Chunk {
    #[prost(message, repeated, tag = "1")]
    pub(crate) entries: Vec<StoredEntry>,
}

/// Field 1, length-delimited: what a chunk has before each of its entries.
const ENTRY_KEY: u8 = 0x0a;

impl StoredEntry {
    pub(crate) fn new(sequence: u64, entry: &Entry<'_>) -> Self {
        let (operation_high, operation_low) = entry.operation.as_u64_pair();
        Self {
            sequence,
            index: entry.index,
            operation_high,
            operation_low,
            amount: entry.amount,
            balance_after: entry.balance_after,
            kind: entry.kind,
            at_ms: entry.at_ms,
            reason: entry.reason.to_owned(),
            reference: entry.reference.to_owned(),
        }
    }

    /// The operation it belongs to.
    #[must_use]
    pub const fn operation(&self) -> Uuid {
        Uuid::from_u64_pair(self.operation_high, self.operation_low)
    }

    /// Adds the entry to an encoded chunk.
    pub(crate) fn append_to(&self, payload: &mut Vec<u8>) {
        payload.push(ENTRY_KEY);
        // A vector takes what it is given.
        let _ = self.encode_length_delimited(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_entries_are_a_chunk() {
        let entries =
            [1, 2].map(|index| StoredEntry { index, reason: "gift".to_owned(), ..StoredEntry::default() });
        let mut payload = Vec::new();
        entries.iter().for_each(|entry| entry.append_to(&mut payload));
        assert_eq!(Chunk::decode(payload.as_slice()).unwrap().entries, entries);
    }
}
