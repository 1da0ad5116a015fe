//! The rows of the projected tables that follow from a batch, written from its facts alone.
//!
//! Each row can be compared and has bytes to be digested; rows that are read from the tables take the
//! same form, so that equal rows have equal digests.

use sqlx::FromRow;
use uuid::Uuid;
use wallet_domain::effect::Change;
use wallet_domain::{Batch, Recorded, entries};

use super::books::Books;
use super::digest::{Key, Rolling, Tally, slot};
use crate::history::chunk::StoredEntry;
use prost::Message as _;

/// A row of `ledger_operations`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct OperationRow {
    pub(super) tenant_id: Uuid,
    pub(super) operation_id: Uuid,
    pub(super) sequence: i64,
}

/// A row of `ledger_lots`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct LotRow {
    pub(super) tenant_id: Uuid,
    pub(super) lot_id: Uuid,
    pub(super) account_id: Uuid,
    pub(super) source: String,
    pub(super) priority: i16,
    pub(super) expires_us: Option<i64>,
    pub(super) granted: i64,
}

/// A row of `ledger_lot_movements`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct MovementRow {
    pub(super) tenant_id: Uuid,
    pub(super) lot_id: Uuid,
    pub(super) sequence: i64,
    pub(super) index: i32,
    pub(super) operation_id: Uuid,
    pub(super) kind: i16,
    pub(super) units_left: i64,
    pub(super) free_after: i64,
    pub(super) held_after: i64,
    pub(super) at_us: i64,
}

/// Bytes of a row, the same for equal rows and for no others.
pub(super) trait Digestible {
    fn write(&self, bytes: &mut Vec<u8>);
}

impl Digestible for OperationRow {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.tenant_id.as_bytes());
        bytes.extend_from_slice(self.operation_id.as_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
    }
}

impl Digestible for LotRow {
    fn write(&self, bytes: &mut Vec<u8>) {
        for id in [self.tenant_id, self.lot_id, self.account_id] {
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes.extend_from_slice(&self.priority.to_be_bytes());
        bytes.push(u8::from(self.expires_us.is_some()));
        bytes.extend_from_slice(&self.expires_us.unwrap_or_default().to_be_bytes());
        bytes.extend_from_slice(&self.granted.to_be_bytes());
        bytes.extend_from_slice(self.source.as_bytes());
    }
}

impl Digestible for MovementRow {
    fn write(&self, bytes: &mut Vec<u8>) {
        for id in [self.tenant_id, self.lot_id, self.operation_id] {
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.kind.to_be_bytes());
        for number in [self.sequence, self.units_left, self.free_after, self.held_after, self.at_us] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// Digests of what the tables should hold.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) key: Key,
    /// By number of the account.
    pub(super) entries: Vec<Rolling>,
    /// By number of the account.
    pub(super) lots: Vec<Tally>,
    /// By batch.
    pub(super) operations: Vec<Tally>,
    /// By batch.
    pub(super) movements: Vec<Tally>,
    /// How many accounts were open.
    pub(super) accounts: usize,
    scratch: Vec<u8>,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            key: Key::random(),
            entries: Vec::new(),
            lots: Vec::new(),
            operations: Vec::new(),
            movements: Vec::new(),
            accounts: 0,
            scratch: Vec::new(),
        }
    }
}

impl Expected {
    /// Takes a batch whose accounts the books know.
    pub(super) fn take(&mut self, books: &Books, sequence: u64, batch: &Batch) {
        self.accounts = books.accounts.len();
        let place = index(sequence);
        for entry in entries(batch) {
            let stored = StoredEntry::new(sequence, &entry);
            add_entry(slot(&mut self.entries, entry.account as usize), self.key, &stored, &mut self.scratch);
        }
        for row in operation_rows(books, sequence, batch) {
            add_row(slot(&mut self.operations, place), self.key, &row, &mut self.scratch);
        }
        if batch.effects.is_empty() {
            return;
        }
        for (account, row) in lot_rows(books, batch) {
            add_row(slot(&mut self.lots, account as usize), self.key, &row, &mut self.scratch);
        }
        for row in movement_rows(books, sequence, batch) {
            add_row(slot(&mut self.movements, place), self.key, &row, &mut self.scratch);
        }
    }
}

/// The place of a batch in a list.
pub(super) fn index(sequence: u64) -> usize {
    usize::try_from(sequence).unwrap_or(usize::MAX)
}

pub(super) fn add_entry(rolling: &mut Rolling, key: Key, entry: &StoredEntry, scratch: &mut Vec<u8>) {
    scratch.clear();
    // A vector takes what it is given.
    let _ = entry.encode(scratch);
    rolling.add(key, scratch);
}

pub(super) fn add_row(tally: &mut Tally, key: Key, row: &impl Digestible, scratch: &mut Vec<u8>) {
    scratch.clear();
    row.write(scratch);
    tally.add(key, scratch);
}

pub(super) fn operation_rows(books: &Books, sequence: u64, batch: &Batch) -> Vec<OperationRow> {
    let row = |recorded: Recorded<'_>| OperationRow {
        tenant_id: tenant_of(books, recorded),
        operation_id: recorded.operation.id(),
        sequence: signed(sequence),
    };
    batch.recorded().map(row).collect()
}

/// Lots that a batch opened, with the numbers of their accounts.
pub(super) fn lot_rows(books: &Books, batch: &Batch) -> Vec<(u32, LotRow)> {
    let opened = batch.effects.iter().filter_map(|effect| match effect.change.as_ref()? {
        Change::LotOpened(opened) => Some(opened),
        _ => None,
    });
    opened
        .filter_map(|opened| {
            let terms = opened.terms.clone().unwrap_or_default();
            let row = LotRow {
                tenant_id: books.tenant_of_account(opened.account)?,
                lot_id: opened.id(),
                account_id: books.accounts.get(opened.account as usize)?.id,
                source: terms.source,
                priority: i16::try_from(terms.priority).unwrap_or_default(),
                expires_us: terms.expires_at_ms.map(micros),
                granted: opened.amount,
            };
            Some((opened.account, row))
        })
        .collect()
}

pub(super) fn movement_rows(books: &Books, sequence: u64, batch: &Batch) -> Vec<MovementRow> {
    let (mut rows, mut index) = (Vec::new(), 0_i32);
    for recorded in batch.recorded() {
        for effect in recorded.effects {
            let moved = match &effect.change {
                Some(Change::LotOpened(lot)) => Some((lot.account, lot.id(), (0, lot.amount, 0))),
                Some(Change::LotMoved(lot)) => Some((lot.account, lot.id(), (lot.left, lot.free, lot.held))),
                Some(Change::LotJoined(lot)) => Some((lot.account, lot.id(), (0, lot.free, lot.held))),
                _ => None,
            };
            if let Some((account, lot_id, (units_left, free_after, held_after))) = moved {
                rows.push(MovementRow {
                    tenant_id: books.tenant_of_account(account).unwrap_or_default(),
                    lot_id,
                    sequence: signed(sequence),
                    index,
                    operation_id: recorded.operation.id(),
                    kind: i16::try_from(recorded.operation.kind).unwrap_or_default(),
                    units_left,
                    free_after,
                    held_after,
                    at_us: micros(batch.time_of(recorded.operation)),
                });
            }
            index = index.saturating_add(1);
        }
    }
    rows
}

pub(super) fn tenant_of(books: &Books, recorded: Recorded<'_>) -> Uuid {
    let tenant = match recorded.operation.tenant.checked_sub(1) {
        Some(tenant) => books.tenants.get(tenant as usize).copied(),
        None => recorded.postings.first().and_then(|posting| books.tenant_of_account(posting.debit)),
    };
    tenant.unwrap_or_default()
}

impl Books {
    /// Whose the account with this number is.
    pub(super) fn tenant_of_account(&self, number: u32) -> Option<Uuid> {
        self.tenants.get(self.accounts.get(number as usize)?.tenant as usize).copied()
    }
}

pub(super) const fn micros(at_ms: i64) -> i64 {
    at_ms.saturating_mul(1_000)
}

pub(super) fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
