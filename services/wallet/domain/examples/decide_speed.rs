//! What a simple post costs the writer, in processor time, part by part: decide and apply, encode,
//! decode, replay. `cargo run --release -p wallet-domain --example decide_speed`.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a yardstick"
)]

use ids::OperationId;
use uuid::Uuid;
use wallet_domain::samples::{NOON_MS, a_customer, a_request, an_issuance, customer, issuance};
use wallet_domain::{Batch, Command, Leg, OpenAccount, PartitionState, Verb, Writer};

const ACCOUNTS: u32 = 10_000;
const BATCH: u64 = 8_190;
const BATCHES: u64 = 250;

/// Processor time of this thread in nanoseconds.
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Ids as clients make them: of now, in rising order.
fn operation(number: u64) -> OperationId {
    let at_ms = u64::try_from(NOON_MS).unwrap() + number / 500;
    let random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    OperationId::from_uuid(Uuid::from_u64_pair(at_ms << 16 | 0x7000 | random >> 52, 2 << 62 | random >> 2))
}

fn main() {
    let (mut writer, request) = (Writer::new(PartitionState::default(), 1_000_000), a_request());
    for terms in std::iter::once(an_issuance()).chain((1..=ACCOUNTS).map(a_customer)) {
        writer.open_account(&request, &OpenAccount { terms }, NOON_MS).unwrap();
    }
    let first = writer.cut().unwrap();
    let customers: Vec<_> = (1..=ACCOUNTS).map(customer).collect();
    let leg = Leg { debit: issuance(), credit: customers[0], amount: 1 };
    let mut command = Command::post(OperationId::new(), [leg], "bench", "");
    let (mut parts, mut payloads) = ([0; 4], Vec::new());
    for batch in 0..BATCHES {
        let (began, first) = (spent(), batch * BATCH);
        let now_ms = NOON_MS + i64::try_from((first + BATCH) / 500).unwrap();
        for number in first..first + BATCH {
            command.operation = operation(number);
            let place = usize::try_from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).unwrap();
            if let Verb::Post(legs) = &mut command.verb {
                legs[0].credit = customers[place % customers.len()];
            }
            writer.execute(&request, &command, now_ms).unwrap();
        }
        parts[0] += spent() - began;
        let (sequence, batch) = writer.cut().unwrap();
        let began = spent();
        let payload = batch.to_payload();
        parts[1] += spent() - began;
        payloads.push((sequence, payload));
    }
    let mut state = PartitionState::default();
    state.apply(first.0, &first.1).unwrap();
    let bytes: usize = payloads.iter().map(|(_, payload)| payload.len()).sum();
    for (sequence, payload) in payloads {
        let began = spent();
        let batch = Batch::from_payload(&payload).unwrap();
        parts[2] += spent() - began;
        let began = spent();
        state.apply(sequence, &batch).unwrap();
        parts[3] += spent() - began;
    }
    let operations = (BATCH * BATCHES) as f64;
    for (name, part) in ["decide and apply", "encode", "decode", "replay"].iter().zip(parts) {
        println!("{name:18} {:7.1} ns per operation", part as f64 / operations);
    }
    println!("{:18} {:7.1} bytes per operation", "journal", bytes as f64 / operations);
}
