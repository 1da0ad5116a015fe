//! Every "no" of the ledger, with its facts.

use ids::{AccountId, OperationId};

use crate::Asset;

/// Why a command was refused; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The account is open with other terms.
    #[error("account {account} is already open with other terms")]
    AccountExists {
        /// The account.
        account: AccountId,
    },
    /// There is no such account in the tenant.
    #[error("account {account} is not open")]
    AccountUnknown {
        /// The account.
        account: AccountId,
    },
    /// A customer account without an owner.
    #[error("a customer account needs an owner")]
    OwnerMissing,
    /// A system account with an owner.
    #[error("a system account has no owner")]
    OwnerUnexpected,
    /// The partition holds as many accounts, tenants or assets as it can number.
    #[error("the partition is full")]
    PartitionFull,
    /// No posting at all.
    #[error("an operation needs a posting")]
    PostingsMissing,
    /// More linked postings than allowed.
    #[error("{count} postings are more than {limit}")]
    TooManyPostings {
        /// How many were sent.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// No reason, or one that is too long.
    #[error("a reason has 1 to {limit} characters")]
    ReasonOutOfRange {
        /// Most characters.
        limit: usize,
    },
    /// The reference is too long.
    #[error("a reference has at most {limit} characters")]
    ReferenceTooLong {
        /// Most characters.
        limit: usize,
    },
    /// An amount of zero or below.
    #[error("posting {index}: amount {amount} is not above zero")]
    AmountNotPositive {
        /// Which posting, from 0.
        index: usize,
        /// The amount.
        amount: i64,
    },
    /// From an account to itself.
    #[error("posting {index} moves from account {account} to itself")]
    SameAccount {
        /// Which posting, from 0.
        index: usize,
        /// The account.
        account: AccountId,
    },
    /// The accounts count different things.
    #[error("posting {index} moves {debit} into an account of {credit}")]
    AssetMismatch {
        /// Which posting, from 0.
        index: usize,
        /// What the giving account counts.
        debit: Asset,
        /// What the taking account counts.
        credit: Asset,
    },
    /// A customer account would go below zero.
    #[error("account {account} has {available}, needs {needed}")]
    InsufficientFunds {
        /// The account.
        account: AccountId,
        /// What it can give.
        available: i64,
        /// What was asked.
        needed: i64,
    },
    /// A balance would not fit 64 bits.
    #[error("the balance of account {account} would be out of range")]
    BalanceOutOfRange {
        /// The account.
        account: AccountId,
    },
    /// The tenant has no account yet.
    #[error("the ledger has no account yet")]
    NoAccounts,
    /// Only a customer account can do this.
    #[error("account {account} is no customer account")]
    NotACustomer {
        /// The account.
        account: AccountId,
    },
    /// Only a system account can do this.
    #[error("account {account} is no system account")]
    NotASystemAccount {
        /// The account.
        account: AccountId,
    },
    /// The account gives or takes nothing for now.
    #[error("account {account} is frozen")]
    AccountFrozen {
        /// The account.
        account: AccountId,
    },
    /// The account is closed for good.
    #[error("account {account} is closed")]
    AccountClosed {
        /// The account.
        account: AccountId,
    },
    /// Only an empty account can be closed.
    #[error("account {account} has {balance}, of which {held} are held")]
    AccountNotEmpty {
        /// The account.
        account: AccountId,
        /// What is posted.
        balance: i64,
        /// What is held.
        held: i64,
    },
    /// There never was such a hold, or it ended long ago.
    #[error("there is no hold {hold}")]
    HoldUnknown {
        /// The hold.
        hold: OperationId,
    },
    /// It was captured, released or has expired.
    #[error("hold {hold} has ended")]
    HoldEnded {
        /// The hold.
        hold: OperationId,
    },
    /// A reservation of usage is settled or released as a whole.
    #[error("hold {hold} is a reservation of usage")]
    HoldForUsage {
        /// The hold.
        hold: OperationId,
    },
    /// The hold reserves no usage.
    #[error("hold {hold} reserves no usage")]
    NotAReservation {
        /// The hold.
        hold: OperationId,
    },
    /// More than is left of a hold.
    #[error("{needed} are more than the {left} left of the hold")]
    AmountExceedsHold {
        /// What is left.
        left: i64,
        /// What was asked.
        needed: i64,
    },
    /// It would be over before it begins.
    #[error("the expiry lies in the past")]
    ExpiryInThePast,
    /// Nothing that can be undone: not posted, or a reversal or expiry itself.
    #[error("operation {operation} cannot be reversed")]
    NotReversible {
        /// The operation.
        operation: OperationId,
    },
    /// Older than reversals are remembered.
    #[error("operation {operation} is too old to be reversed")]
    TooOldToReverse {
        /// The operation.
        operation: OperationId,
    },
    /// All of it was undone before.
    #[error("operation {operation} was reversed before")]
    AlreadyReversed {
        /// The operation.
        operation: OperationId,
    },
    /// It can be undone as a whole only.
    #[error("operation {operation} can only be reversed as a whole")]
    NotDivisible {
        /// The operation.
        operation: OperationId,
    },
    /// The operation has no such leg.
    #[error("there is no leg {leg}")]
    LegUnknown {
        /// Which leg, from 0.
        leg: u32,
    },
    /// More than is left to be undone.
    #[error("leg {leg}: {needed} are more than the {left} left to be reversed")]
    AmountExceedsOriginal {
        /// Which leg, from 0.
        leg: u32,
        /// What is left.
        left: i64,
        /// What was asked.
        needed: i64,
    },
    /// Both sides of a conversion count the same.
    #[error("both accounts count {asset}")]
    SameAsset {
        /// What they count.
        asset: Asset,
    },
    /// A conversion would come to less than one unit.
    #[error("the amount comes to less than one unit")]
    AmountTooSmall,
    /// A limit of the tenant forbids it.
    #[error("limit {rule}: {needed} more than {used} would pass {limit}")]
    LimitExceeded {
        /// The account.
        account: AccountId,
        /// Name of the rule.
        rule: String,
        /// Most units.
        limit: i64,
        /// Counted so far.
        used: i64,
        /// What was asked.
        needed: i64,
    },
    /// A limit of the tenant forbids so many operations.
    #[error("limit {rule}: more than {limit} operations")]
    TooManyOperations {
        /// Name of the rule.
        rule: String,
        /// Most operations.
        limit: u32,
    },
    /// There is no such meter.
    #[error("there is no meter {meter}")]
    MeterUnknown {
        /// Its name.
        meter: String,
    },
    /// A quantity of zero or below, or one that no price can be found for.
    #[error("the quantity is out of range")]
    QuantityOutOfRange,
    /// The quota of the period would be passed.
    #[error("meter {meter}: {needed} more than {used} would pass the quota of {quota}")]
    QuotaExceeded {
        /// The meter.
        meter: String,
        /// Most units.
        quota: i64,
        /// Used and reserved so far.
        used: i64,
        /// What was asked.
        needed: i64,
    },
    /// More was used than was reserved.
    #[error("{used} units are more than the {reserved} reserved")]
    QuantityExceedsReservation {
        /// What was reserved.
        reserved: i64,
        /// What was used.
        used: i64,
    },
    /// A part of a definition that cannot be.
    #[error("{pointer}: {expected}")]
    Malformed {
        /// Which part, as a JSON pointer.
        pointer: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The metadata is too long.
    #[error("metadata has at most {limit} bytes")]
    MetadataTooLong {
        /// Most bytes.
        limit: usize,
    },
    /// What should expire is not due, or gone.
    #[error("nothing is due")]
    NotDue,
    /// The operation id may have been used so long ago that only the tables know. Whoever asks looks
    /// there and asks again.
    #[error("operation id {operation} must be looked up")]
    OperationIdUnsettled {
        /// The operation.
        operation: OperationId,
        /// The batch through which the tables must be complete to know.
        through: u64,
    },
    /// The operation id was used with another body.
    #[error("operation {operation} was posted with another body")]
    OperationIdReused {
        /// The operation.
        operation: OperationId,
    },
    /// The operation id is older than the ledger remembers, so it cannot be told from a repetition.
    #[error("operation id {operation} is older than the ledger remembers")]
    OperationIdExpired {
        /// The operation.
        operation: OperationId,
    },
}

impl Rejection {
    pub(crate) fn malformed(pointer: &str, expected: &'static str) -> Self {
        Self::Malformed { pointer: pointer.to_owned(), expected }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AccountExists { .. } => "account_exists",
            Self::AccountUnknown { .. } => "account_unknown",
            Self::OwnerMissing => "owner_missing",
            Self::OwnerUnexpected => "owner_unexpected",
            Self::PartitionFull => "partition_full",
            Self::PostingsMissing => "postings_missing",
            Self::TooManyPostings { .. } => "too_many_postings",
            Self::ReasonOutOfRange { .. } => "reason_out_of_range",
            Self::ReferenceTooLong { .. } => "reference_too_long",
            Self::AmountNotPositive { .. } => "amount_not_positive",
            Self::SameAccount { .. } => "same_account",
            Self::AssetMismatch { .. } => "asset_mismatch",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::BalanceOutOfRange { .. } => "balance_out_of_range",
            Self::NoAccounts => "ledger_has_no_accounts",
            Self::NotACustomer { .. } => "not_a_customer_account",
            Self::NotASystemAccount { .. } => "not_a_system_account",
            Self::AccountFrozen { .. } => "account_frozen",
            Self::AccountClosed { .. } => "account_closed",
            Self::AccountNotEmpty { .. } => "account_not_empty",
            Self::HoldUnknown { .. } => "hold_unknown",
            Self::HoldEnded { .. } => "hold_ended",
            Self::HoldForUsage { .. } => "hold_for_usage",
            Self::NotAReservation { .. } => "not_a_reservation",
            Self::AmountExceedsHold { .. } => "amount_exceeds_hold",
            Self::ExpiryInThePast => "expiry_in_the_past",
            Self::NotReversible { .. } => "not_reversible",
            Self::TooOldToReverse { .. } => "too_old_to_reverse",
            Self::AlreadyReversed { .. } => "already_reversed",
            Self::NotDivisible { .. } => "not_divisible",
            Self::LegUnknown { .. } => "leg_unknown",
            Self::AmountExceedsOriginal { .. } => "amount_exceeds_original",
            Self::SameAsset { .. } => "same_asset",
            Self::AmountTooSmall => "amount_too_small",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::TooManyOperations { .. } => "too_many_operations",
            Self::MeterUnknown { .. } => "meter_unknown",
            Self::QuantityOutOfRange => "quantity_out_of_range",
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::QuantityExceedsReservation { .. } => "quantity_exceeds_reservation",
            Self::Malformed { .. } => "malformed",
            Self::MetadataTooLong { .. } => "metadata_too_long",
            Self::NotDue => "not_due",
            Self::OperationIdUnsettled { .. } => "operation_id_unsettled",
            Self::OperationIdReused { .. } => "operation_id_reused",
            Self::OperationIdExpired { .. } => "operation_id_expired",
        }
    }
}
