//! The facts of one batch as the journal keeps them: one protobuf message per journal row.
//!
//! Accounts are named by their number in the partition (the order in which they were opened), so a
//! posting takes about twenty bytes; ids are two fixed 64-bit halves, so nothing is allocated per
//! id. Postings lie flat behind each other, each operation says how many are its own. Words that
//! repeat (reasons) and origins are stored once per batch. Resulting balances are part of the fact:
//! projections need no state, and replay checks itself against them.
//!
//! The stored form is pinned by `golden/`. Additive change: a new field. Otherwise raise [`FORMAT`]:
//! a reader refuses formats it does not know, it never skips them.

use prost::Message;
use uuid::Uuid;

/// The format written by this program.
pub const FORMAT: u32 = 1;

/// A journal payload that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorruptBatch {
    /// Not a batch.
    #[error("the payload is no batch: {0}")]
    Malformed(String),
    /// Written by a newer program.
    #[error("batch format {0} is unknown")]
    UnknownFormat(u32),
}

/// Everything that one journal row records.
#[derive(Clone, PartialEq, Message)]
pub struct Batch {
    /// [`FORMAT`] of the writer.
    #[prost(uint32, tag = "1")]
    pub format: u32,
    /// The machine's time when the batch was begun, milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub at_ms: i64,
    /// How many of the oldest pages of operation ids are forgotten before the batch.
    #[prost(uint32, tag = "3")]
    pub forget_pages: u32,
    /// Words that operations refer to by index.
    #[prost(string, repeated, tag = "4")]
    pub words: Vec<String>,
    /// Origins that operations and openings refer to by index.
    #[prost(message, repeated, tag = "5")]
    pub origins: Vec<Origin>,
    /// Accounts opened; all before the operations.
    #[prost(message, repeated, tag = "6")]
    pub openings: Vec<Opening>,
    /// Operations, in their order.
    #[prost(message, repeated, tag = "7")]
    pub operations: Vec<Operation>,
    /// The postings of all operations, in the order of the operations.
    #[prost(message, repeated, tag = "8")]
    pub postings: Vec<Posting>,
}

/// Where a request came from.
#[derive(Clone, PartialEq, Message)]
pub struct Origin {
    /// `user:<id>`, `service:<name>`.
    #[prost(string, tag = "1")]
    pub actor: String,
    /// Shared by everything that follows from one outside request; 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub correlation: Vec<u8>,
    /// The event that led to it, 16 bytes or none.
    #[prost(bytes = "vec", tag = "3")]
    pub causation: Vec<u8>,
    /// W3C trace context, or empty.
    #[prost(string, tag = "4")]
    pub traceparent: String,
}

/// An account was opened; its number is the count of accounts opened before.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Opening {
    /// Tenant, upper half of the id.
    #[prost(fixed64, tag = "1")]
    pub tenant_high: u64,
    /// Tenant, lower half.
    #[prost(fixed64, tag = "2")]
    pub tenant_low: u64,
    /// Account, upper half of the id.
    #[prost(fixed64, tag = "3")]
    pub account_high: u64,
    /// Account, lower half.
    #[prost(fixed64, tag = "4")]
    pub account_low: u64,
    /// Number of the [`AccountKind`](crate::AccountKind).
    #[prost(uint32, tag = "5")]
    pub kind: u32,
    /// Index of the asset's code among the words.
    #[prost(uint32, tag = "6")]
    pub asset: u32,
    /// Owner, upper half; both halves are zero for none.
    #[prost(fixed64, tag = "7")]
    pub owner_high: u64,
    /// Owner, lower half.
    #[prost(fixed64, tag = "8")]
    pub owner_low: u64,
    /// Index among the origins.
    #[prost(uint32, tag = "9")]
    pub origin: u32,
    /// Tenant's time minus the batch's time, in milliseconds.
    #[prost(sint64, tag = "10")]
    pub at_offset_ms: i64,
}

/// An operation was posted.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Operation {
    /// Operation id, upper half.
    #[prost(fixed64, tag = "1")]
    pub id_high: u64,
    /// Operation id, lower half.
    #[prost(fixed64, tag = "2")]
    pub id_low: u64,
    /// Digest of the command's body.
    #[prost(fixed64, tag = "3")]
    pub body: u64,
    /// How many of the postings are its own, at least one.
    #[prost(uint32, tag = "4")]
    pub postings: u32,
    /// Index of the reason among the words.
    #[prost(uint32, tag = "5")]
    pub reason: u32,
    /// Index among the origins.
    #[prost(uint32, tag = "6")]
    pub origin: u32,
    /// Tenant's time minus the batch's time, in milliseconds.
    #[prost(sint64, tag = "7")]
    pub at_offset_ms: i64,
    /// What it belongs to.
    #[prost(string, tag = "8")]
    pub reference: String,
}

/// Units moved from one account to another.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Posting {
    /// Number of the account that gave.
    #[prost(uint32, tag = "1")]
    pub debit: u32,
    /// Number of the account that took.
    #[prost(uint32, tag = "2")]
    pub credit: u32,
    /// Units moved, above zero.
    #[prost(int64, tag = "3")]
    pub amount: i64,
    /// Balance of the giving account afterwards.
    #[prost(sint64, tag = "4")]
    pub debit_after: i64,
    /// Balance of the taking account afterwards.
    #[prost(sint64, tag = "5")]
    pub credit_after: i64,
}

impl Batch {
    /// The batch in a journal payload.
    ///
    /// # Errors
    /// [`CorruptBatch`]: a reader must stop there.
    pub fn from_payload(payload: &[u8]) -> Result<Self, CorruptBatch> {
        let batch = Self::decode(payload).map_err(|error| CorruptBatch::Malformed(error.to_string()))?;
        if batch.format == FORMAT { Ok(batch) } else { Err(CorruptBatch::UnknownFormat(batch.format)) }
    }

    /// The journal payload.
    #[must_use]
    pub fn to_payload(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.openings.is_empty() && self.operations.is_empty()
    }

    /// The word with this index.
    #[must_use]
    pub fn word(&self, index: u32) -> Option<&str> {
        self.words.get(index as usize).map(String::as_str)
    }

    /// The operations, each with its own postings.
    pub fn posted(&self) -> impl Iterator<Item = (&Operation, &[Posting])> {
        let mut rest = self.postings.as_slice();
        self.operations.iter().map(move |operation| {
            let own = rest.split_at_checked(operation.postings as usize).unwrap_or((rest, &[]));
            rest = own.1;
            (operation, own.0)
        })
    }
}

impl Origin {
    /// Shared by everything that follows from one outside request.
    #[must_use]
    pub fn correlation_id(&self) -> Uuid {
        Uuid::from_slice(&self.correlation).unwrap_or_default()
    }

    /// The event that led to it.
    #[must_use]
    pub fn causation_id(&self) -> Option<Uuid> {
        Uuid::from_slice(&self.causation).ok()
    }
}

impl Operation {
    /// The operation id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        Uuid::from_u64_pair(self.id_high, self.id_low)
    }
}

impl Opening {
    /// Whose ledger.
    #[must_use]
    pub const fn tenant(&self) -> Uuid {
        Uuid::from_u64_pair(self.tenant_high, self.tenant_low)
    }

    /// The account.
    #[must_use]
    pub const fn account(&self) -> Uuid {
        Uuid::from_u64_pair(self.account_high, self.account_low)
    }

    /// The owner, if it has one.
    #[must_use]
    pub const fn owner(&self) -> Option<Uuid> {
        match (self.owner_high, self.owner_low) {
            (0, 0) => None,
            (high, low) => Some(Uuid::from_u64_pair(high, low)),
        }
    }
}
