//! What can be asked of the ledger.
//!
//! Commands carry everything the rules need: ids, amounts, and where the request came from. What all
//! of them share (operation id, note) lies in [`Command`]; what differs is the [`Verb`]. The origin
//! is shared by all commands of one call, so a call of 8 192 operations names its actor once.

mod limits;
mod lots;
mod meters;
mod reverse;

use std::sync::Arc;

use ids::{AccountId, OperationId, TenantId};
use smallvec::SmallVec;

use crate::{AccountTerms, Origin};
pub use limits::{LIMIT_RULES_MAX, LimitRule, LimitWindow, LimitedVerb, NewRecipient};
pub use lots::{Grant, LOT_PRIORITY_GENERAL, LotTerms, RollOver};
pub use meters::{Meter, Period, RecordUsage, ReserveUsage, SettleUsage, TIERS_MAX, Tier};
pub use reverse::{GivenLot, Original, OriginalLeg, Part, Reverse, TakenLot};

/// Most linked postings of one operation.
pub const POSTINGS_MAX: usize = 32;
/// Most characters of a reference.
pub const REFERENCE_LENGTH_MAX: usize = 200;
/// Most characters of a reason, and of every other word (source, rule, meter).
pub const REASON_LENGTH_MAX: usize = 40;
/// Most bytes of an operation's metadata, as JSON.
pub const METADATA_BYTES_MAX: usize = 1_024;

/// Who asks, for whom, when. Shared by the commands of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whose ledger.
    pub tenant: TenantId,
    /// The tenant's time in milliseconds since 1970; what entries show.
    pub at_ms: i64,
    /// Who acted, and what it belongs to.
    pub origin: Arc<Origin>,
    /// Roles of who acts; limits may be bound to one.
    pub roles: Arc<[String]>,
}

/// Opens an account; opening it again with the same terms changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAccount {
    /// What is agreed.
    pub terms: AccountTerms,
}

/// Something to be done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The same id with the same body gets the first answer.
    pub operation: OperationId,
    /// Why, and what it belongs to.
    pub note: Note,
    /// What.
    pub verb: Verb,
    /// The caller has looked for the id in the tables, complete up to this batch, and not found it;
    /// 0 for not looked. Needed for ids without a time that may have been forgotten.
    pub unseen_through: u64,
}

/// What people and sister services want to know about an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Why, a stable word.
    pub reason: Arc<str>,
    /// What it belongs to; may be empty.
    pub reference: String,
    /// A JSON object of the client's own, or empty.
    pub metadata: String,
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Post linked legs, all or nothing, in their order: 1 to [`POSTINGS_MAX`].
    Post(SmallVec<[Leg; 1]>),
    /// Set units aside.
    Hold(Hold),
    /// Post units that were set aside.
    Capture(Capture),
    /// Give back units that were set aside.
    Release(Release),
    /// Undo a posted operation, in whole or in part.
    Reverse(Box<Reverse>),
    /// Change units of one asset into another at a given rate.
    Convert(Convert),
    /// Credit a lot.
    Grant(Box<Grant>),
    /// Move units between users.
    Transfer(Leg),
    /// Change an account's settings.
    ChangeAccount(ChangeAccount),
    /// Replace the tenant's limits.
    SetLimits(Vec<LimitRule>),
    /// Define a meter, or replace it.
    PutMeter(Box<Meter>),
    /// Reserve what a use can cost at most.
    ReserveUsage(ReserveUsage),
    /// Charge what a reserved use did cost and release the rest.
    SettleUsage(SettleUsage),
    /// Charge a use at once.
    RecordUsage(RecordUsage),
    /// What has expired moves on; the engine itself asks for it.
    Expire(Expire),
}

/// Moves `amount` units from `debit` to `credit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// The account that gives.
    pub debit: AccountId,
    /// The account that takes.
    pub credit: AccountId,
    /// Above zero, in the asset's smallest unit.
    pub amount: i64,
}

/// Sets units of an account aside for another; the operation id is the hold's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// A customer account that gives, the account that is to take, how much.
    pub leg: Leg,
    /// When the hold ends by itself, the tenant's time; none for never.
    pub expires_at_ms: Option<i64>,
}

/// Posts held units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture {
    /// The hold.
    pub hold: OperationId,
    /// How much, at most what is left; none for all of it.
    pub amount: Option<i64>,
    /// Give the rest back in the same step.
    pub release_rest: bool,
}

/// Gives held units back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The hold.
    pub hold: OperationId,
    /// How much, at most what is left; none for all of it.
    pub amount: Option<i64>,
}

/// Changes `amount` units of `from` into units of `to`: `amount × numerator ÷ denominator`, rounded
/// down, through the liquidity accounts of both assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convert {
    /// Gives units of its asset.
    pub from: AccountId,
    /// Takes units of another asset.
    pub to: AccountId,
    /// Smallest units of the first asset.
    pub amount: i64,
    /// Smallest units of the second asset …
    pub rate_numerator: i64,
    /// … for so many of the first.
    pub rate_denominator: i64,
}

/// Changes one setting of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeAccount {
    /// The account.
    pub account: AccountId,
    /// What changes.
    pub change: AccountChange,
}

/// A setting of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountChange {
    /// Let nothing out, or nothing in or out, or both again.
    Freeze(Freeze),
    /// For good; the account must be empty.
    Close,
    /// How far below zero a customer account may go, 0 or above.
    Overdraft(i64),
    /// When to say that little is left; none for never.
    Alerts(Alerts),
}

/// What a frozen account refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freeze {
    /// Nothing.
    #[default]
    None,
    /// Giving.
    Debits,
    /// Giving and taking.
    All,
}

/// When to say that little is left on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alerts {
    /// Say so when less than this is available.
    pub low_below: Option<i64>,
    /// Ask for a top-up when less than this is available …
    pub top_up_below: Option<i64>,
    /// … of so many units.
    pub top_up_amount: i64,
}

/// A hold or a lot whose time is over, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expire {
    /// Give the rest of the hold back.
    Hold(u32),
    /// Move what is free in the lot to breakage.
    Lot(u32),
}

impl Command {
    /// A command with a note that gives a reason and what it belongs to.
    #[must_use]
    pub fn new(operation: OperationId, verb: Verb, reason: &str, reference: impl Into<String>) -> Self {
        let note = Note { reason: Arc::from(reason), reference: reference.into(), metadata: String::new() };
        Self { operation, note, verb, unseen_through: 0 }
    }

    /// Posts linked legs.
    #[must_use]
    pub fn post(
        operation: OperationId,
        legs: impl IntoIterator<Item = Leg>,
        reason: &str,
        reference: impl Into<String>,
    ) -> Self {
        Self::new(operation, Verb::Post(legs.into_iter().collect()), reason, reference)
    }
}
