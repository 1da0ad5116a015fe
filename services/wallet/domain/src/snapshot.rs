//! The state as bytes, so that recovery need not read the whole journal.
//!
//! Rows are written in a fixed little-endian layout inside one protobuf message; indexes are built
//! anew when reading. The layout is pinned by a golden file; a reader refuses other formats.

use ids::TenantId;
use prost::Message;
use uuid::Uuid;

use crate::state::{Account, Accounts, Names, Operations, Seen};
use crate::{AccountKind, Asset, PartitionState};

/// The format written by this program.
const FORMAT: u32 = 1;
const ACCOUNT_BYTES: usize = 47;
const SEEN_BYTES: usize = 36;

/// Bytes that are no snapshot of this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corrupt snapshot: {0}")]
pub struct CorruptSnapshot(String);

#[derive(Clone, PartialEq, Message)]
struct Snapshot {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(bytes = "vec", tag = "3")]
    tenants: Vec<u8>,
    #[prost(string, repeated, tag = "4")]
    assets: Vec<String>,
    #[prost(bytes = "vec", tag = "5")]
    accounts: Vec<u8>,
    #[prost(uint64, tag = "6")]
    dropped_pages: u64,
    #[prost(int64, tag = "7")]
    horizon_ms: i64,
    #[prost(bytes = "vec", tag = "8")]
    recent: Vec<u8>,
    #[prost(bytes = "vec", tag = "9")]
    timeless: Vec<u8>,
}

/// The bytes of a state.
#[must_use]
pub fn encode(state: &PartitionState) -> Vec<u8> {
    let operations = &state.operations;
    let snapshot = Snapshot {
        format: FORMAT,
        sequence: state.sequence,
        tenants: state.tenants.iter().flat_map(|tenant| *tenant.as_uuid().as_bytes()).collect(),
        assets: state.assets.iter().map(ToString::to_string).collect(),
        accounts: rows(state.accounts.len(), ACCOUNT_BYTES, state.accounts.iter(), write_account),
        dropped_pages: u64::try_from(operations.recent.dropped()).unwrap_or(u64::MAX),
        horizon_ms: operations.horizon_ms,
        recent: rows(operations.recent.len(), SEEN_BYTES, operations.recent.iter(), write_seen),
        timeless: rows(operations.timeless.len(), SEEN_BYTES, operations.timeless.iter(), write_seen),
    };
    snapshot.encode_to_vec()
}

/// The state in these bytes.
///
/// # Errors
/// [`CorruptSnapshot`].
pub fn decode(bytes: &[u8]) -> Result<PartitionState, CorruptSnapshot> {
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
    let mut accounts = Accounts::default();
    for row in snapshot.accounts.chunks(ACCOUNT_BYTES) {
        accounts.push(read_account(row)?)?;
    }
    let operations = restore_operations(snapshot)?;
    Some(PartitionState { sequence: snapshot.sequence, tenants, assets, accounts, operations })
}

fn restore_operations(snapshot: &Snapshot) -> Option<Operations> {
    let dropped = usize::try_from(snapshot.dropped_pages).ok()?;
    let mut operations = Operations::beginning_after(dropped, snapshot.horizon_ms);
    for row in snapshot.recent.chunks(SEEN_BYTES) {
        operations.record_recent(read_seen(row)?)?;
    }
    for row in snapshot.timeless.chunks(SEEN_BYTES) {
        operations.record_timeless(read_seen(row)?)?;
    }
    Some(operations)
}

fn rows<'a, T: 'a>(
    count: usize,
    width: usize,
    rows: impl Iterator<Item = &'a T>,
    write: fn(&T, &mut Vec<u8>),
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count.saturating_mul(width));
    rows.for_each(|row| write(row, &mut bytes));
    bytes
}

fn write_account(row: &Account, bytes: &mut Vec<u8>) {
    for half in [row.id.0, row.id.1, row.owner.0, row.owner.1] {
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    bytes.extend_from_slice(&row.balance.to_le_bytes());
    bytes.extend_from_slice(&row.tenant.to_le_bytes());
    bytes.extend_from_slice(&row.asset.to_le_bytes());
    bytes.push(row.kind as u8);
}

fn read_account(mut row: &[u8]) -> Option<Account> {
    Some(Account {
        id: (u64::from_le_bytes(take(&mut row)?), u64::from_le_bytes(take(&mut row)?)),
        owner: (u64::from_le_bytes(take(&mut row)?), u64::from_le_bytes(take(&mut row)?)),
        balance: i64::from_le_bytes(take(&mut row)?),
        tenant: u32::from_le_bytes(take(&mut row)?),
        asset: u16::from_le_bytes(take(&mut row)?),
        kind: AccountKind::try_from(i32::from(u8::from_le_bytes(take(&mut row)?))).ok()?,
    })
}

fn write_seen(row: &Seen, bytes: &mut Vec<u8>) {
    for number in [row.id.0, row.id.1, row.body, row.sequence] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&row.tenant.to_le_bytes());
}

fn read_seen(mut row: &[u8]) -> Option<Seen> {
    Some(Seen {
        id: (u64::from_le_bytes(take(&mut row)?), u64::from_le_bytes(take(&mut row)?)),
        body: u64::from_le_bytes(take(&mut row)?),
        sequence: u64::from_le_bytes(take(&mut row)?),
        tenant: u32::from_le_bytes(take(&mut row)?),
    })
}

fn take<const N: usize>(row: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = row.split_first_chunk::<N>()?;
    *row = rest;
    Some(*first)
}
