//! How much memory an account, a lot, a hold and a remembered operation take, measured on the process
//! itself. `VBWD_MEMORY_ROWS=1000000` measures that many.
#![allow(clippy::unwrap_used)]

use ids::OperationId;
use wallet_domain::samples::{
    NOON_MS, a_customer, a_grant, a_hold, a_post, a_request, a_system, an_issuance, customer, issuance,
};
use wallet_domain::{AccountKind, Command, OpenAccount, PartitionState, Writer};

const BYTES_MAX: usize = 250;

fn rows() -> u32 {
    std::env::var("VBWD_MEMORY_ROWS").map_or(50_000, |rows| rows.parse().unwrap())
}

/// Resident bytes of this process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Bytes that each of so many commands leaves behind.
fn each(rows: u32, writer: &mut Writer, mut run: impl FnMut(&mut Writer, u32)) -> usize {
    let before = resident();
    for number in 1..=rows {
        run(writer, number);
        if number % 1_000 == 0 {
            writer.cut();
        }
    }
    writer.cut();
    resident().saturating_sub(before) / rows as usize
}

/// The command under an id that says its time, as clients send them.
fn execute(writer: &mut Writer, command: Command) {
    let command = Command { operation: OperationId::new(), ..command };
    writer.execute(&a_request(), &command, NOON_MS).unwrap();
}

#[test]
fn accounts_lots_holds_and_remembered_operations_take_at_most_250_bytes_each() {
    let rows = rows();
    let mut writer = Writer::new(PartitionState::default(), rows as usize);
    for terms in [an_issuance(), a_system(AccountKind::Revenue)] {
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).unwrap();
    }
    let accounts = each(rows, &mut writer, |writer, number| {
        let terms = a_customer(number);
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).unwrap();
    });
    let operations = each(rows, &mut writer, |writer, number| {
        execute(writer, a_post(number, issuance(), customer(number), 1));
    });
    // From here on the memory of operations stays as large as it is.
    let lots = each(rows, &mut writer, |writer, number| execute(writer, a_grant(number, number, 5, None)));
    let expiring = each(rows, &mut writer, |writer, number| {
        execute(writer, a_grant(number, number, 5, Some(i64::from(number) + 1)));
    });
    let holds = each(rows, &mut writer, |writer, number| execute(writer, a_hold(number, number, 3, None)));
    println!(
        "bytes each, {rows} of each: account {accounts}, operation {operations}, lot {lots}, \
         expiring lot {expiring}, hold {holds}"
    );
    assert_eq!(writer.state().lot_count(), 2 * rows as usize);
    for bytes in [accounts, operations, lots, expiring] {
        assert!(bytes <= BYTES_MAX, "{bytes}");
    }
}
