//! Rows of fixed width: accounts, lots, remembered operations.

use prost::bytes::Bytes;

use crate::state::{Account, Lot, Seen};
use crate::{AccountKind, AccountStatus};

pub(super) const ACCOUNT_BYTES: usize = 69;
pub(super) const LOT_BYTES: usize = 70;
pub(super) const SEEN_BYTES: usize = 36;

pub(super) fn write<T>(
    count: usize,
    width: usize,
    rows: impl Iterator<Item = T>,
    write: fn(T, &mut Vec<u8>),
) -> Bytes {
    let mut bytes = Vec::with_capacity(count.saturating_mul(width));
    rows.for_each(|row| write(row, &mut bytes));
    bytes.into()
}

pub(super) fn write_account(row: &Account, bytes: &mut Vec<u8>) {
    for half in [row.id.0, row.id.1, row.owner.0, row.owner.1] {
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    for units in [row.balance, row.held, row.overdraft] {
        bytes.extend_from_slice(&units.to_le_bytes());
    }
    for number in [row.tenant, row.first_lot] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&row.asset.to_le_bytes());
    bytes.extend_from_slice(&[row.kind as u8, row.status as u8, u8::from(row.watched)]);
}

pub(super) fn read_account(mut row: &[u8]) -> Option<Account> {
    Some(Account {
        id: (u64::from_le_bytes(take(&mut row)?), u64::from_le_bytes(take(&mut row)?)),
        owner: (u64::from_le_bytes(take(&mut row)?), u64::from_le_bytes(take(&mut row)?)),
        balance: i64::from_le_bytes(take(&mut row)?),
        held: i64::from_le_bytes(take(&mut row)?),
        overdraft: i64::from_le_bytes(take(&mut row)?),
        tenant: u32::from_le_bytes(take(&mut row)?),
        first_lot: u32::from_le_bytes(take(&mut row)?),
        asset: u16::from_le_bytes(take(&mut row)?),
        kind: AccountKind::try_from(i32::from(u8::from_le_bytes(take(&mut row)?))).ok()?,
        status: AccountStatus::numbered(u32::from(u8::from_le_bytes(take(&mut row)?)))?,
        watched: u8::from_le_bytes(take(&mut row)?) != 0,
    })
}

/// A slot; none is written as zeros, which no lot is: it has units.
pub(super) fn write_lot(slot: Option<&Lot>, bytes: &mut Vec<u8>) {
    let Some(lot) = slot else {
        bytes.extend_from_slice(&[0; LOT_BYTES]);
        return;
    };
    bytes.push(1);
    for half in [lot.id.0, lot.id.1, lot.series] {
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    for units in [lot.granted, lot.free, lot.held, lot.expires_at_ms] {
        bytes.extend_from_slice(&units.to_le_bytes());
    }
    for number in [lot.account, lot.next, lot.source] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.push(lot.priority);
}

pub(super) fn read_lot(mut row: &[u8]) -> Option<Option<Lot>> {
    let row = &mut row;
    if u8::from_le_bytes(take(row)?) == 0 {
        return Some(None);
    }
    let id = (u64::from_le_bytes(take(row)?), u64::from_le_bytes(take(row)?));
    Some(Some(Lot {
        id,
        series: u64::from_le_bytes(take(row)?),
        granted: i64::from_le_bytes(take(row)?),
        free: i64::from_le_bytes(take(row)?),
        held: i64::from_le_bytes(take(row)?),
        expires_at_ms: i64::from_le_bytes(take(row)?),
        account: u32::from_le_bytes(take(row)?),
        next: u32::from_le_bytes(take(row)?),
        source: u32::from_le_bytes(take(row)?),
        priority: u8::from_le_bytes(take(row)?),
    }))
}

pub(super) fn write_seen(row: &Seen, bytes: &mut Vec<u8>) {
    for number in [row.id.0, row.id.1, row.body, row.sequence] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&row.tenant.to_le_bytes());
}

pub(super) fn read_seen(mut row: &[u8]) -> Option<Seen> {
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
