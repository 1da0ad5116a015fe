//! The stored form of batches and snapshots, pinned: what changes here changes history.
//! `VBWD_BLESS=1` writes the files.
#![allow(clippy::unwrap_used)]

use wallet_domain::{Batch, PartitionState, decode_snapshot, encode_snapshot, samples};

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("VBWD_BLESS").is_some() {
        let lines: Vec<_> = bytes.chunks(40).map(hex::encode).collect();
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    }
    let text: String = std::fs::read_to_string(&file).unwrap().split_whitespace().collect();
    hex::decode(text).unwrap()
}

#[test]
fn the_stored_form_of_a_batch_is_pinned() {
    let batch = samples::a_batch();
    let stored = golden("batch.v1.hex", &batch.to_payload());
    assert_eq!(hex::encode(batch.to_payload()), hex::encode(&stored));
    assert_eq!(Batch::from_payload(&stored), Ok(batch));
}

#[test]
fn the_stored_form_of_a_snapshot_is_pinned() {
    let mut state = PartitionState::default();
    state.apply(1, &samples::a_batch()).unwrap();
    let stored = golden("snapshot.v1.hex", &encode_snapshot(&state));
    assert_eq!(hex::encode(encode_snapshot(&state)), hex::encode(&stored));
    let read = decode_snapshot(&stored).unwrap();
    assert!(read.accounts().eq(state.accounts()));
}
