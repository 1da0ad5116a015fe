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

use crate::Effect;

/// The format written by this program. Format 1 knew posts only, format 2 no lots that units join; they
/// are read as what they are, batches without the later fields and effects.
pub const FORMAT: u32 = 3;

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
    /// The effects of all operations, in the order of the operations.
    #[prost(message, repeated, tag = "9")]
    pub effects: Vec<Effect>,
    /// How many of the oldest pages of operation ids without a time are forgotten before the batch.
    #[prost(uint32, tag = "10")]
    pub forget_timeless_pages: u32,
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
    /// How many of the postings are its own.
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
    /// Number of the [`Kind`]; 0, as format 1 has it, is a post.
    #[prost(uint32, tag = "9")]
    pub kind: u32,
    /// How many of the effects are its own.
    #[prost(uint32, tag = "10")]
    pub effects: u32,
    /// A JSON object of the client's own, or empty.
    #[prost(string, tag = "11")]
    pub metadata: String,
    /// Number of the tenant in the partition plus one; 0 when the postings say it.
    #[prost(uint32, tag = "12")]
    pub tenant: u32,
}

/// What kind of operation. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Linked postings.
    Post = 0,
    /// Units were set aside.
    Hold = 1,
    /// Held units were posted.
    Capture = 2,
    /// Held units were given back.
    Release = 3,
    /// An operation was undone.
    Reverse = 4,
    /// Units of one asset became units of another.
    Convert = 5,
    /// A lot was credited.
    Grant = 6,
    /// Units went to another user.
    Transfer = 7,
    /// An account's settings changed.
    ChangeAccount = 8,
    /// The tenant's limits changed.
    SetLimits = 9,
    /// A meter was defined.
    PutMeter = 10,
    /// The cost of use was set aside.
    ReserveUsage = 11,
    /// Reserved use was charged.
    SettleUsage = 12,
    /// Use was charged.
    RecordUsage = 13,
    /// A lot expired.
    ExpireLot = 14,
    /// A hold expired.
    ExpireHold = 15,
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
        if !(1..=FORMAT).contains(&batch.format) {
            return Err(CorruptBatch::UnknownFormat(batch.format));
        }
        if !batch.is_counted() {
            return Err(CorruptBatch::Malformed("postings or effects are not counted".to_owned()));
        }
        Ok(batch)
    }

    /// Whether every posting and every effect belongs to an operation.
    fn is_counted(&self) -> bool {
        let (mut postings, mut effects) = (0_u64, 0_u64);
        for operation in &self.operations {
            postings = postings.saturating_add(operation.postings.into());
            effects = effects.saturating_add(operation.effects.into());
        }
        (postings, effects) == (self.postings.len() as u64, self.effects.len() as u64)
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

    /// The operations, each with its own postings and effects.
    pub fn recorded(&self) -> impl Iterator<Item = Recorded<'_>> {
        let (mut postings, mut effects) = (self.postings.as_slice(), self.effects.as_slice());
        self.operations.iter().map(move |operation| Recorded {
            operation,
            postings: split_front(&mut postings, operation.postings),
            effects: split_front(&mut effects, operation.effects),
        })
    }

    /// The tenant's time of an operation, milliseconds since 1970.
    #[must_use]
    pub const fn time_of(&self, operation: &Operation) -> i64 {
        self.at_ms.saturating_add(operation.at_offset_ms)
    }
}

/// An operation with its facts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recorded<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// Its postings.
    pub postings: &'a [Posting],
    /// Its effects.
    pub effects: &'a [Effect],
}

fn split_front<'a, T>(rest: &mut &'a [T], count: u32) -> &'a [T] {
    let (front, back) = rest.split_at_checked(count as usize).unwrap_or((rest, &[]));
    *rest = back;
    front
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 16] = [
        Self::Post,
        Self::Hold,
        Self::Capture,
        Self::Release,
        Self::Reverse,
        Self::Convert,
        Self::Grant,
        Self::Transfer,
        Self::ChangeAccount,
        Self::SetLimits,
        Self::PutMeter,
        Self::ReserveUsage,
        Self::SettleUsage,
        Self::RecordUsage,
        Self::ExpireLot,
        Self::ExpireHold,
    ];

    /// The kind with this number.
    #[must_use]
    pub fn numbered(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Whether what it posted can be undone.
    #[must_use]
    pub const fn is_reversible(self) -> bool {
        matches!(
            self,
            Self::Post
                | Self::Capture
                | Self::Convert
                | Self::Grant
                | Self::Transfer
                | Self::SettleUsage
                | Self::RecordUsage
        )
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
