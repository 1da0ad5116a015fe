//! Something that is wrong with the ledger, and where.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

/// What was being checked. When you add one, also name it in `docs/how-to/verify-the-ledger.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Every row's hash is that of its content and of the row before; numbers have no gap.
    Chain,
    /// The epochs of the rows never fall.
    Epoch,
    /// Every payload is a batch.
    Decode,
    /// Every batch follows from the state before it.
    Replay,
    /// Per tenant and asset all balances sum to zero, and every recorded balance is the sum of its
    /// postings.
    Conservation,
    /// No customer is below its overdraft, unless its overdraft was lowered.
    Availability,
    /// What an account holds is the sum of its open holds.
    Holds,
    /// What is in the lots of an account is covered by its balance.
    Lots,
    /// The snapshot is the state at its batch, byte for byte.
    Snapshot,
    /// The journal reaches as far as everything that follows from it.
    Reach,
    /// `ledger_accounts` are the accounts of the journal.
    AccountsTable,
    /// `ledger_entries` are the entries of the journal, in their order.
    EntriesTable,
    /// `ledger_operations` and `ledger_operation_chunks` are the operations of the journal.
    OperationsTable,
    /// `ledger_lots` are the lots of the journal.
    LotsTable,
    /// `ledger_lot_movements` are the movements of the journal.
    MovementsTable,
    /// The file is whole.
    Archive,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was being checked.
    pub check: Check,
    /// The partition.
    pub partition: u16,
    /// The batch.
    pub sequence: Option<u64>,
    /// The operation.
    pub operation: Option<Uuid>,
    /// The account.
    pub account: Option<Uuid>,
    /// What differs.
    pub detail: String,
}

impl Finding {
    /// A finding about a partition.
    #[must_use]
    pub fn new(check: Check, partition: u16, detail: impl Into<String>) -> Self {
        Self { check, partition, sequence: None, operation: None, account: None, detail: detail.into() }
    }

    /// In this batch.
    #[must_use]
    pub fn in_batch(self, sequence: u64) -> Self {
        Self { sequence: Some(sequence), ..self }
    }

    /// By this operation.
    #[must_use]
    pub fn by(self, operation: Option<Uuid>) -> Self {
        Self { operation, ..self }
    }

    /// About this account.
    #[must_use]
    pub fn about(self, account: Option<Uuid>) -> Self {
        Self { account, ..self }
    }
}

impl Check {
    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Epoch => "epoch",
            Self::Decode => "decode",
            Self::Replay => "replay",
            Self::Conservation => "conservation",
            Self::Availability => "availability",
            Self::Holds => "holds",
            Self::Lots => "lots",
            Self::Snapshot => "snapshot",
            Self::Reach => "reach",
            Self::AccountsTable => "accounts_table",
            Self::EntriesTable => "entries_table",
            Self::OperationsTable => "operations_table",
            Self::LotsTable => "lots_table",
            Self::MovementsTable => "movements_table",
            Self::Archive => "archive",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: partition {}", self.check.name(), self.partition)?;
        if let Some(sequence) = self.sequence {
            write!(f, ", batch {sequence}")?;
        }
        if let Some(operation) = self.operation {
            write!(f, ", operation {operation}")?;
        }
        if let Some(account) = self.account {
            write!(f, ", account {account}")?;
        }
        write!(f, ": {}", self.detail)
    }
}
