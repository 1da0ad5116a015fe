//! How much memory an account and a remembered operation take, measured on the process itself.
#![allow(clippy::unwrap_used)]

use ids::OperationId;
use wallet_domain::samples::{NOON_MS, a_customer, a_post, a_request, an_issuance, customer, issuance};
use wallet_domain::{Command, OpenAccount, PartitionState, Writer};

const COUNT: u32 = 50_000;
const BYTES_MAX: usize = 250;

/// Resident bytes of this process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn an_account_and_its_operation_take_at_most_250_bytes_each() {
    let mut writer = Writer::new(PartitionState::default(), COUNT as usize);
    let request = a_request();
    writer.open_account(&request, &OpenAccount { terms: an_issuance() }, NOON_MS).unwrap();
    let empty = resident();
    for number in 1..=COUNT {
        writer.open_account(&request, &OpenAccount { terms: a_customer(number) }, NOON_MS).unwrap();
        if number % 1_000 == 0 {
            writer.cut();
        }
    }
    let opened = resident();
    for number in 1..=COUNT {
        let post = a_post(number, issuance(), customer(number), 1);
        writer.execute(&request, &Command { operation: OperationId::new(), ..post }, NOON_MS).unwrap();
        if number % 1_000 == 0 {
            writer.cut();
        }
    }
    let posted = resident();
    let each = |bytes: usize| bytes / COUNT as usize;
    println!("{} bytes per account, {} per operation", each(opened - empty), each(posted - opened));
    assert!(each(opened - empty) <= BYTES_MAX && each(posted - opened) <= BYTES_MAX);
}
