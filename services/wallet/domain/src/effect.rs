//! Facts beside postings: what became of holds, lots, settings, limits and meters.
//!
//! Every effect carries the figures it led to, so that projections need no state and replay checks
//! itself. Plain posts between accounts without lots, limits or alerts have none.
//!
//! When you add an effect, also teach `state/apply.rs` to take it, and raise the batch format.

mod lots;

use prost::{Message, Oneof};
use uuid::Uuid;

pub use lots::{LotJoined, LotMoved, LotOpened, StoredTerms};

/// One effect of an operation.
#[derive(Clone, PartialEq, Message)]
pub struct Effect {
    /// Which.
    #[prost(oneof = "Change", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    pub change: Option<Change>,
}

/// What an effect is about.
#[derive(Clone, PartialEq, Oneof)]
pub enum Change {
    /// Units came in as a lot.
    #[prost(message, tag = "1")]
    LotOpened(LotOpened),
    /// Units of a lot left, were held or given back.
    #[prost(message, tag = "2")]
    LotMoved(LotMoved),
    /// Units were set aside.
    #[prost(message, tag = "3")]
    HoldPlaced(HoldPlaced),
    /// Held units were posted or given back.
    #[prost(message, tag = "4")]
    HoldReduced(HoldReduced),
    /// An account's settings, whole.
    #[prost(message, tag = "5")]
    AccountChanged(AccountChanged),
    /// Something posted earlier was undone.
    #[prost(message, tag = "6")]
    Reversed(Reversed),
    /// A limit counted the operation.
    #[prost(message, tag = "7")]
    Counted(Counted),
    /// The tenant's limits, whole.
    #[prost(message, tag = "8")]
    LimitsSet(LimitsSet),
    /// A meter, whole.
    #[prost(message, tag = "9")]
    MeterPut(MeterPut),
    /// Use was counted.
    #[prost(message, tag = "10")]
    Used(Used),
    /// Little is left.
    #[prost(message, tag = "11")]
    Alerted(Alerted),
    /// Units went to another user.
    #[prost(message, tag = "12")]
    Sent(Sent),
    /// Units joined a lot.
    #[prost(message, tag = "13")]
    LotJoined(LotJoined),
}

/// A hold was placed; its id is that of the operation.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct HoldPlaced {
    /// Number of the hold, used anew when a hold has ended.
    #[prost(uint32, tag = "1")]
    pub hold: u32,
    /// Number of the account whose units are held.
    #[prost(uint32, tag = "2")]
    pub account: u32,
    /// Number of the account that is to take them.
    #[prost(uint32, tag = "3")]
    pub credit: u32,
    /// How many.
    #[prost(int64, tag = "4")]
    pub amount: i64,
    /// When it ends by itself.
    #[prost(int64, optional, tag = "5")]
    pub expires_at_ms: Option<i64>,
    /// Lots of the held units in the order in which they are captured; empty when the account has
    /// no lots.
    #[prost(message, repeated, tag = "6")]
    pub allocations: Vec<Allocation>,
    /// Name of the meter, for reserved use.
    #[prost(string, tag = "7")]
    pub meter: String,
    /// Most units of use that were reserved.
    #[prost(int64, tag = "8")]
    pub quantity: i64,
    /// What the account holds in all afterwards.
    #[prost(int64, tag = "9")]
    pub held_after: i64,
}

/// Held units of one lot.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Allocation {
    /// Number of the lot plus one; 0 for units outside of lots.
    #[prost(uint32, tag = "1")]
    pub lot: u32,
    /// How many.
    #[prost(int64, tag = "2")]
    pub amount: i64,
}

/// A hold became smaller or ended.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct HoldReduced {
    /// Number of the hold.
    #[prost(uint32, tag = "1")]
    pub hold: u32,
    /// The hold's id, upper half.
    #[prost(fixed64, tag = "2")]
    pub id_high: u64,
    /// Lower half.
    #[prost(fixed64, tag = "3")]
    pub id_low: u64,
    /// Units that were posted.
    #[prost(int64, tag = "4")]
    pub captured: i64,
    /// Units that were given back.
    #[prost(int64, tag = "5")]
    pub released: i64,
    /// What is left of the hold.
    #[prost(int64, tag = "6")]
    pub left: i64,
    /// Number of the account.
    #[prost(uint32, tag = "7")]
    pub account: u32,
    /// What the account holds in all afterwards.
    #[prost(int64, tag = "8")]
    pub held_after: i64,
    /// Whether it has ended.
    #[prost(bool, tag = "9")]
    pub ended: bool,
}

/// The settings of an account, whole.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct AccountChanged {
    /// Number of the account.
    #[prost(uint32, tag = "1")]
    pub account: u32,
    /// 0 open, 1 gives nothing, 2 gives and takes nothing, 3 closed.
    #[prost(uint32, tag = "2")]
    pub status: u32,
    /// How far below zero it may go.
    #[prost(int64, tag = "3")]
    pub overdraft: i64,
    /// Says so when less is available.
    #[prost(int64, optional, tag = "4")]
    pub low_below: Option<i64>,
    /// Asks for a top-up when less is available …
    #[prost(int64, optional, tag = "5")]
    pub top_up_below: Option<i64>,
    /// … of so many units.
    #[prost(int64, tag = "6")]
    pub top_up_amount: i64,
}

/// An operation was undone.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Reversed {
    /// Id of the operation, upper half.
    #[prost(fixed64, tag = "1")]
    pub id_high: u64,
    /// Lower half.
    #[prost(fixed64, tag = "2")]
    pub id_low: u64,
    /// When it was posted.
    #[prost(int64, tag = "3")]
    pub at_ms: i64,
    /// By leg: what has been undone so far, this time included.
    #[prost(int64, repeated, tag = "4")]
    pub undone: Vec<i64>,
}

/// A limit counted an operation.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Counted {
    /// Number of the account.
    #[prost(uint32, tag = "1")]
    pub account: u32,
    /// Key of the rule.
    #[prost(fixed64, tag = "2")]
    pub rule: u64,
    /// An eighth of its window, milliseconds.
    #[prost(int64, tag = "3")]
    pub slice_ms: i64,
    /// Units.
    #[prost(int64, tag = "4")]
    pub amount: i64,
}

/// The limits of a tenant, whole.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LimitsSet {
    /// The rules.
    #[prost(message, repeated, tag = "1")]
    pub rules: Vec<StoredRule>,
}

/// A rule as stored; absent fields limit nothing.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct StoredRule {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Code of the asset, or empty.
    #[prost(string, tag = "2")]
    pub asset: String,
    /// Numbers of the verbs.
    #[prost(uint32, repeated, tag = "3")]
    pub verbs: Vec<u32>,
    /// The role, or empty.
    #[prost(string, tag = "4")]
    pub role: String,
    /// Most units of one operation.
    #[prost(int64, optional, tag = "5")]
    pub operation_max: Option<i64>,
    /// Length of the window, 0 for none.
    #[prost(uint32, tag = "6")]
    pub window_seconds: u32,
    /// Most units within it.
    #[prost(int64, optional, tag = "7")]
    pub window_amount_max: Option<i64>,
    /// Most operations within it.
    #[prost(uint32, optional, tag = "8")]
    pub window_count_max: Option<u32>,
    /// For how long a recipient is new, 0 for never.
    #[prost(uint32, tag = "9")]
    pub new_recipient_seconds: u32,
    /// Most units to one while new.
    #[prost(int64, tag = "10")]
    pub new_recipient_amount_max: i64,
}

/// A meter as stored.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct MeterPut {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Code of the asset.
    #[prost(string, tag = "2")]
    pub asset: String,
    /// Prices are for so many units.
    #[prost(int64, tag = "3")]
    pub per: i64,
    /// The tiers.
    #[prost(message, repeated, tag = "4")]
    pub tiers: Vec<StoredTier>,
    /// Number of the period.
    #[prost(uint32, tag = "5")]
    pub period: u32,
    /// Most units within a period.
    #[prost(int64, optional, tag = "6")]
    pub quota: Option<i64>,
}

/// A tier as stored.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct StoredTier {
    /// Up to which unit of the period; none for the rest.
    #[prost(int64, optional, tag = "1")]
    pub up_to: Option<i64>,
    /// Price for the meter's `per` units.
    #[prost(int64, tag = "2")]
    pub price: i64,
}

/// Use was counted.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Used {
    /// Number of the account.
    #[prost(uint32, tag = "1")]
    pub account: u32,
    /// Name of the meter.
    #[prost(string, tag = "2")]
    pub meter: String,
    /// Units used.
    #[prost(int64, tag = "3")]
    pub quantity: i64,
    /// What was charged for them.
    #[prost(int64, tag = "4")]
    pub charged: i64,
    /// When the period began.
    #[prost(int64, tag = "5")]
    pub period_start_ms: i64,
    /// Units used in the period afterwards.
    #[prost(int64, tag = "6")]
    pub used_after: i64,
}

/// Less than agreed is available.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Alerted {
    /// Number of the account.
    #[prost(uint32, tag = "1")]
    pub account: u32,
    /// What is available.
    #[prost(int64, tag = "2")]
    pub available: i64,
    /// The threshold that was crossed.
    #[prost(int64, tag = "3")]
    pub below: i64,
    /// The top-up that is asked for; 0 for a mere notice.
    #[prost(int64, tag = "4")]
    pub top_up_amount: i64,
}

/// Units went to another user.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Sent {
    /// Number of the account that gave.
    #[prost(uint32, tag = "1")]
    pub account: u32,
    /// Number of the account that took.
    #[prost(uint32, tag = "2")]
    pub recipient: u32,
    /// How many.
    #[prost(int64, tag = "3")]
    pub amount: i64,
}

impl From<Change> for Effect {
    fn from(change: Change) -> Self {
        Self { change: Some(change) }
    }
}

impl HoldReduced {
    /// The hold's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        Uuid::from_u64_pair(self.id_high, self.id_low)
    }
}
