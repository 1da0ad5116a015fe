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
            Self::OperationIdReused { .. } => "operation_id_reused",
            Self::OperationIdExpired { .. } => "operation_id_expired",
        }
    }
}
