//! The state as bytes, so that recovery need not read the whole journal.
//!
//! Rows of the big tables are written in a fixed little-endian layout inside one protobuf message, the
//! small tables as messages; indexes are built anew when reading. The layout is pinned by a golden
//! file; a reader refuses other formats.

mod rows;
mod tables;

use ids::TenantId;
use prost::Message;
use prost::bytes::{Buf, Bytes};
use uuid::Uuid;

use crate::state::{
    Account, Accounts, Books, Holds, Lots, Names, Operations, Recent, Slab, Timeless, own_time_ms,
};
use crate::{Asset, PartitionState, stored};
use rows::{ACCOUNT_BYTES, LOT_BYTES, SEEN_BYTES};

/// The format written by this program.
const FORMAT: u32 = 2;

/// Bytes that are no snapshot of this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corrupt snapshot: {0}")]
pub struct CorruptSnapshot(String);

impl CorruptSnapshot {
    /// Whether it was written by another program, so that the journal must be read from its start.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.0.starts_with("format")
    }
}

#[derive(Clone, PartialEq, Message)]
struct Snapshot {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(bytes = "bytes", tag = "3")]
    tenants: Bytes,
    #[prost(string, repeated, tag = "4")]
    assets: Vec<String>,
    #[prost(bytes = "bytes", tag = "5")]
    accounts: Bytes,
    #[prost(uint64, tag = "6")]
    dropped_pages: u64,
    #[prost(int64, tag = "7")]
    horizon_ms: i64,
    #[prost(bytes = "bytes", tag = "8")]
    recent: Bytes,
    #[prost(bytes = "bytes", tag = "9")]
    timeless: Bytes,
    #[prost(uint64, tag = "10")]
    timeless_dropped_pages: u64,
    #[prost(uint64, tag = "11")]
    timeless_horizon: u64,
    #[prost(int64, tag = "12")]
    early_ms: i64,
    #[prost(int64, tag = "13")]
    at_ms: i64,
    #[prost(string, repeated, tag = "14")]
    sources: Vec<String>,
    /// A row per slot; empty ones are all zero.
    #[prost(bytes = "bytes", tag = "15")]
    lots: Bytes,
    #[prost(uint32, repeated, tag = "16")]
    free_lots: Vec<u32>,
    #[prost(message, repeated, tag = "17")]
    holds: Vec<tables::StoredHold>,
    #[prost(uint32, repeated, tag = "18")]
    free_holds: Vec<u32>,
    #[prost(message, repeated, tag = "19")]
    books: Vec<tables::StoredBooks>,
    #[prost(message, optional, tag = "20")]
    counters: Option<tables::StoredCounters>,
}

/// The bytes of a state.
#[must_use]
pub fn encode(state: &PartitionState) -> Vec<u8> {
    let PartitionState { operations, lots, holds, .. } = state;
    let snapshot = Snapshot {
        format: FORMAT,
        sequence: state.sequence,
        at_ms: state.at_ms,
        tenants: state
            .tenants
            .iter()
            .flat_map(|tenant| *tenant.as_uuid().as_bytes())
            .collect::<Vec<_>>()
            .into(),
        assets: state.assets.iter().map(ToString::to_string).collect(),
        accounts: rows::write(
            state.accounts.len(),
            ACCOUNT_BYTES,
            state.accounts.iter(),
            rows::write_account,
        ),
        dropped_pages: operations.recent.forgotten_pages,
        horizon_ms: operations.recent.horizon_ms,
        recent: rows::write(operations.recent.len(), SEEN_BYTES, operations.recent.iter(), rows::write_seen),
        timeless: rows::write(
            operations.timeless.len(),
            SEEN_BYTES,
            operations.timeless.rows.iter(),
            rows::write_seen,
        ),
        timeless_dropped_pages: operations.timeless.rows.dropped() as u64,
        timeless_horizon: operations.timeless.horizon,
        early_ms: operations.timeless.early_ms,
        sources: lots.sources.iter().map(ToString::to_string).collect(),
        lots: rows::write(lots.rows.len(), LOT_BYTES, lots.rows.slots(), rows::write_lot),
        free_lots: lots.rows.free().to_vec(),
        holds: holds.rows.slots().map(tables::StoredHold::write).collect(),
        free_holds: holds.rows.free().to_vec(),
        books: state.books.iter().map(tables::StoredBooks::write).collect(),
        counters: Some(tables::StoredCounters::write(&state.counters)),
    };
    snapshot.encode_to_vec()
}

/// The state in these bytes. Of [`Bytes`] nothing is copied but into the state.
///
/// # Errors
/// [`CorruptSnapshot`].
pub fn decode(bytes: impl Buf) -> Result<PartitionState, CorruptSnapshot> {
    let snapshot = Snapshot::decode(bytes).map_err(|error| CorruptSnapshot(error.to_string()))?;
    if snapshot.format != FORMAT {
        return Err(CorruptSnapshot(format!("format {} is unknown", snapshot.format)));
    }
    restore(&snapshot).ok_or_else(|| CorruptSnapshot("impossible rows".to_owned()))
}

fn restore(snapshot: &Snapshot) -> Option<PartitionState> {
    let mut tenants = Names::default();
    for id in snapshot.tenants.chunks(16) {
        tenants.number(TenantId::from_uuid(Uuid::from_slice(id).ok()?))?;
    }
    let mut assets = Names::default();
    for code in &snapshot.assets {
        assets.number(code.parse::<Asset>().ok()?)?;
    }
    let mut accounts = Accounts::with_room_for(snapshot.accounts.len() / ACCOUNT_BYTES);
    for row in snapshot.accounts.chunks(ACCOUNT_BYTES) {
        accounts.push(rows::read_account(row)?)?;
    }
    let state = PartitionState {
        sequence: snapshot.sequence,
        at_ms: snapshot.at_ms,
        books: snapshot.books.iter().map(restore_books).collect::<Option<_>>()?,
        tenants,
        assets,
        accounts,
        lots: restore_lots(snapshot)?,
        holds: restore_holds(snapshot)?,
        counters: snapshot.counters.as_ref()?.read()?,
        operations: restore_operations(snapshot)?,
    };
    is_sound(&state).then_some(state)
}

/// Whether rows point to rows that are there, and every lot is in the list of its account once.
fn is_sound(state: &PartitionState) -> bool {
    let (lots, holds) = (&state.lots, &state.holds);
    let known = |row: &Account| {
        state.tenants.get(row.tenant).is_some() && state.assets.get(u32::from(row.asset)).is_some()
    };
    let mut listed: usize = 0;
    for (number, row) in (0_u32..).zip(state.accounts.iter()) {
        let room = lots.rows.len().saturating_sub(listed).saturating_add(1);
        let mut list = lots.from(row.first_lot).take(room);
        let own = list
            .try_fold(listed, |count, (_, lot)| (lot.account == number).then_some(count.saturating_add(1)));
        let Some(count) = own else { return false };
        listed = count;
    }
    state.books.len() == state.tenants.len()
        && state.accounts.iter().all(known)
        && listed == lots.rows.len()
        && lots.rows.iter().all(|(_, lot)| lots.sources.get(lot.source).is_some())
        && holds.rows.iter().all(|(_, hold)| state.accounts.get(hold.account).is_some())
}

fn restore_books(books: &tables::StoredBooks) -> Option<Books> {
    Some(Books {
        last_ms: books.last_ms,
        limits: stored::read_rules(&books.limits)?.into(),
        meters: books.meters.iter().map(stored::read_meter).collect::<Option<_>>()?,
    })
}

fn restore_lots(snapshot: &Snapshot) -> Option<Lots> {
    let mut sources = Names::default();
    for source in &snapshot.sources {
        sources.number(Box::from(source.as_str()))?;
    }
    let slots = snapshot.lots.chunks(LOT_BYTES).map(rows::read_lot);
    Some(Lots { rows: Slab::restore(slots, snapshot.free_lots.clone())?, sources })
}

fn restore_holds(snapshot: &Snapshot) -> Option<Holds> {
    let slots = snapshot.holds.iter().map(|hold| Some(hold.read()));
    Some(Holds::restore(Slab::restore(slots, snapshot.free_holds.clone())?))
}

fn restore_operations(snapshot: &Snapshot) -> Option<Operations> {
    let mut recent = Recent::beginning_after(snapshot.dropped_pages, snapshot.horizon_ms);
    for row in snapshot.recent.chunks(SEEN_BYTES) {
        let seen = rows::read_seen(row)?;
        recent.record(seen, own_time_ms(seen.id)?)?;
    }
    let pages = usize::try_from(snapshot.timeless_dropped_pages).ok()?;
    let mut timeless = Timeless::beginning_after(pages, snapshot.timeless_horizon, snapshot.early_ms);
    for row in snapshot.timeless.chunks(SEEN_BYTES) {
        timeless.restore(rows::read_seen(row)?)?;
    }
    Some(Operations { recent, timeless })
}
#[cfg(test)]
mod tests;
