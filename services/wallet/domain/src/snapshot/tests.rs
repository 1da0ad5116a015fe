//! A snapshot gives back what it was taken of, and what hangs together in no way is refused.

use super::*;
use crate::given::{Given, an_overdraft, given};
use crate::samples::{
    a_capture, a_command, a_customer, a_grant, a_hold, a_post, a_system, an_issuance, customer, issuance,
};
use crate::{AccountKind, Leg, Verb};

/// Holes among lots and holds, and something in most tables.
fn world() -> Given {
    let systems = [AccountKind::Revenue, AccountKind::Breakage].map(a_system);
    let transfer = Leg { debit: customer(1), credit: customer(2), amount: 2 };
    given([an_issuance(), a_customer(1), a_customer(2)].into_iter().chain(systems))
        .and(a_grant(1, 1, 10, Some(1_000)))
        .and(a_grant(2, 1, 10, Some(2_000)))
        .and(a_grant(3, 2, 10, None))
        .and(a_hold(4, 2, 1, None))
        .and(a_hold(5, 1, 12, Some(9_000)))
        .and(a_capture(6, 4, None, false))
        .and(a_capture(7, 5, Some(11), false))
        .and(an_overdraft(8, 2, 7))
        .and(a_command(9, Verb::Transfer(transfer)))
        .and(a_post(10, issuance(), customer(2), 5))
}

fn broken(change: impl FnOnce(&mut Snapshot)) -> Result<PartitionState, CorruptSnapshot> {
    let mut snapshot = Snapshot::decode(encode(world().state()).as_slice()).unwrap();
    change(&mut snapshot);
    decode(snapshot.encode_to_vec().as_slice())
}

#[test]
fn a_snapshot_gives_the_state_back() {
    let world = world();
    let bytes = encode(world.state());
    let state = decode(bytes.as_slice()).unwrap();
    assert_eq!(encode(&state), bytes);
    assert!(state.accounts().eq(world.state().accounts()));
    let number = world.account(a_customer(1)).number;
    assert!(state.lots_of(number).eq(world.state().lots_of(number)));
    assert_eq!((state.sequence(), state.operation_count()), (world.state().sequence(), 10));
}

#[test]
fn an_empty_state_has_a_snapshot_too() {
    let bytes = encode(&PartitionState::default());
    assert_eq!(encode(&decode(bytes.as_slice()).unwrap()), bytes);
}

#[test]
fn another_format_is_foreign_and_other_damage_is_not() {
    assert!(broken(|snapshot| snapshot.format = 1).unwrap_err().is_foreign());
    assert!(broken(|snapshot| snapshot.format = 3).unwrap_err().is_foreign());
    assert!(!broken(|snapshot| snapshot.accounts.truncate(5)).unwrap_err().is_foreign());
    assert!(!decode([0xff; 40].as_slice()).unwrap_err().is_foreign());
}

#[test]
fn what_is_cut_short_is_refused() {
    let cuts: [fn(&mut Snapshot); 6] = [
        |snapshot| snapshot.accounts.truncate(snapshot.accounts.len() - 1),
        |snapshot| snapshot.lots.truncate(snapshot.lots.len() - 1),
        |snapshot| snapshot.timeless.truncate(snapshot.timeless.len() - 1),
        |snapshot| snapshot.tenants.truncate(snapshot.tenants.len() - 1),
        |snapshot| snapshot.books.clear(),
        |snapshot| snapshot.assets.clear(),
    ];
    for (index, cut) in cuts.into_iter().enumerate() {
        assert!(broken(cut).is_err(), "cut {index}");
    }
}

#[test]
fn lists_of_lots_that_do_not_hang_together_are_refused() {
    let next_at = LOT_BYTES - 9;
    let set = |place: usize, next: u32| {
        move |snapshot: &mut Snapshot| {
            let at = place * LOT_BYTES + next_at;
            let mut lots = snapshot.lots.to_vec();
            lots[at..at + 4].copy_from_slice(&next.to_le_bytes());
            snapshot.lots = lots.into();
        }
    };
    assert!(broken(|_| {}).is_ok());
    for place in 0..world().state().lots.rows.slots().count() {
        let is_there = world().state().lots.rows.slots().nth(place).flatten().is_some();
        assert!(
            !is_there || broken(set(place, u32::try_from(place).unwrap())).is_err(),
            "a circle at {place}"
        );
    }
}

#[test]
fn free_numbers_are_exactly_the_holes() {
    assert!(!world().state().lots.rows.free().is_empty() || !world().state().holds.rows.free().is_empty());
    assert!(broken(|snapshot| snapshot.free_holds.clear()).is_err());
    assert!(broken(|snapshot| snapshot.free_holds.push(0)).is_err());
    assert!(broken(|snapshot| snapshot.free_lots.push(99)).is_err());
}
