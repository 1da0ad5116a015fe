//! The stored form of batches and snapshots, pinned: what changes here changes history.
//! `VBWD_BLESS=1` writes the files of the present formats; those of earlier ones are only read.
#![allow(clippy::unwrap_used)]

mod history;

use std::collections::BTreeSet;

use wallet_domain::effect::Change;
use wallet_domain::{Batch, FORMAT, Kind, PartitionState, decode_snapshot, encode_snapshot, samples};

/// The bytes of a golden file.
fn stored(name: &str) -> Vec<u8> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let text: String = std::fs::read_to_string(&file).unwrap().split_whitespace().collect();
    hex::decode(text).unwrap()
}

/// The same, written before if asked to.
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("VBWD_BLESS").is_some() {
        let lines: Vec<_> = bytes.chunks(40).map(hex::encode).collect();
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    }
    stored(name)
}

#[test]
fn the_stored_form_of_a_batch_is_pinned() {
    let batch = history::a_batch_of_everything();
    let stored = golden("batch.v3.hex", &batch.to_payload());
    assert_eq!(hex::encode(batch.to_payload()), hex::encode(&stored));
    assert_eq!(Batch::from_payload(&stored), Ok(batch));
}

#[test]
fn the_pinned_batch_has_every_kind_of_operation_and_effect() {
    let batch = history::a_batch_of_everything();
    let kinds: BTreeSet<_> = batch.operations.iter().map(|operation| operation.kind).collect();
    assert_eq!(kinds.len(), Kind::ALL.len(), "{kinds:?}");
    let effects: BTreeSet<_> =
        batch.effects.iter().map(|effect| number(effect.change.as_ref().unwrap())).collect();
    assert_eq!(effects, (1..=13).collect());
}

/// The tag under which an effect is stored.
fn number(change: &Change) -> u32 {
    match change {
        Change::LotOpened(_) => 1,
        Change::LotMoved(_) => 2,
        Change::HoldPlaced(_) => 3,
        Change::HoldReduced(_) => 4,
        Change::AccountChanged(_) => 5,
        Change::Reversed(_) => 6,
        Change::Counted(_) => 7,
        Change::LimitsSet(_) => 8,
        Change::MeterPut(_) => 9,
        Change::Used(_) => 10,
        Change::Alerted(_) => 11,
        Change::Sent(_) => 12,
        Change::LotJoined(_) => 13,
    }
}

#[test]
fn a_batch_of_format_1_is_read_as_what_it_is() {
    let batch = Batch::from_payload(&stored("batch.v1.hex")).unwrap();
    assert_eq!(batch, Batch { format: 1, ..samples::a_batch() });
    let mut state = PartitionState::default();
    state.apply(1, &batch).unwrap();
    let balances: Vec<_> =
        state.accounts().map(|view| (view.balance, view.held, view.status as u8)).collect();
    assert_eq!(balances, [(-70, 0, 0), (70, 0, 0)]);
    assert!(batch.operations.iter().all(|operation| operation.kind == Kind::Post as u32));
}

#[test]
fn a_batch_of_format_2_is_read_as_what_it_is() {
    let batch = Batch::from_payload(&stored("batch.v2.hex")).unwrap();
    assert_eq!((batch.format, hex::encode(batch.to_payload())), (2, hex::encode(stored("batch.v2.hex"))));
    let mut state = PartitionState::default();
    state.apply(1, &batch).unwrap();
    assert_eq!(state.accounts().count(), batch.openings.len());
}

#[test]
fn history_of_both_formats_goes_on_as_one() {
    let mut state = PartitionState::default();
    state.apply(1, &Batch::from_payload(&stored("batch.v1.hex")).unwrap()).unwrap();
    let mut today = PartitionState::default();
    today.apply(1, &samples::a_batch()).unwrap();
    assert_eq!(encode_snapshot(&state), encode_snapshot(&today));
}

#[test]
fn formats_that_are_not_known_are_refused() {
    for format in [0, FORMAT + 1, u32::MAX] {
        let batch = Batch { format, ..samples::a_batch() };
        assert!(Batch::from_payload(&batch.to_payload()).is_err(), "format {format}");
    }
    let refused = decode_snapshot(stored("snapshot.v1.hex").as_slice()).unwrap_err();
    assert!(refused.is_foreign(), "the journal is read from its start then");
}

#[test]
fn postings_and_effects_that_belong_to_nothing_are_refused() {
    let batch = history::a_batch_of_everything();
    for (postings, effects) in [(1, 0), (0, 1), (u32::MAX, 0)] {
        let mut altered = batch.clone();
        let last = altered.operations.last_mut().unwrap();
        (last.postings, last.effects) =
            (last.postings.saturating_add(postings), last.effects.saturating_add(effects));
        assert!(Batch::from_payload(&altered.to_payload()).is_err());
    }
    let fewer = Batch { operations: batch.operations.split_last().unwrap().1.to_vec(), ..batch };
    assert!(Batch::from_payload(&fewer.to_payload()).is_err());
}

#[test]
fn the_stored_form_of_a_snapshot_is_pinned() {
    let mut state = PartitionState::default();
    state.apply(1, &history::a_batch_of_everything()).unwrap();
    let stored = golden("snapshot.v2.hex", &encode_snapshot(&state));
    assert_eq!(hex::encode(encode_snapshot(&state)), hex::encode(&stored));
    let read = decode_snapshot(stored.as_slice()).unwrap();
    assert!(read.accounts().eq(state.accounts()));
}
