//! The writer beyond single rules: time, batches, and bounded memory of operation ids.

use ids::OperationId;
use uuid::Uuid;

use super::*;
use crate::samples::{
    NOON_MS, a_customer, a_hold, a_post, a_request, a_request_later, a_system, an_issuance, an_operation,
    customer, issuance,
};

/// Operations on one page of memory.
const PAGE: u32 = 512;

fn writer(window: usize) -> Writer {
    let mut writer = Writer::new(PartitionState::default(), window);
    for terms in [an_issuance(), a_system(AccountKind::Revenue), a_customer(1)] {
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).unwrap();
    }
    writer
}

fn timed(ms: i64, number: u32) -> OperationId {
    let high = ms.cast_unsigned() << 16 | 0x7000;
    OperationId::from_uuid(Uuid::from_u64_pair(high, 2 << 62 | u64::from(number)))
}

fn post(operation: OperationId) -> Command {
    Command { operation, ..a_post(1, issuance(), customer(1), 1) }
}

#[test]
fn a_tenants_time_never_runs_backwards() {
    let mut writer = writer(0);
    writer.execute(&a_request_later(5_000), &a_post(1, issuance(), customer(1), 1), NOON_MS).unwrap();
    writer.execute(&a_request(), &a_post(2, issuance(), customer(1), 1), NOON_MS).unwrap();
    let (_, batch) = writer.cut().unwrap();
    let times: Vec<_> = batch.operations.iter().map(|operation| batch.time_of(operation)).collect();
    assert_eq!(times, [NOON_MS + 5_000; 2]);
}

#[test]
fn the_time_of_batches_never_runs_backwards() {
    let mut writer = writer(0);
    let times = [NOON_MS + 900, NOON_MS - 900, NOON_MS + 901].map(|now_ms| {
        writer.cut();
        writer.execute(&a_request(), &post(OperationId::derived(&[&now_ms.to_string()])), now_ms).unwrap();
        writer.cut().unwrap().1.at_ms
    });
    assert_eq!(times, [NOON_MS + 900, NOON_MS + 900, NOON_MS + 901]);
}

#[test]
fn nothing_done_is_no_batch() {
    let mut writer = writer(0);
    writer.cut();
    let refused = writer.execute(&a_request(), &a_hold(1, 1, 5, None), NOON_MS).unwrap_err();
    assert_eq!(refused.rejection().unwrap().code(), "insufficient_funds");
    assert!(writer.cut().is_none());
    assert_eq!(writer.drafted(), 0);
}

#[test]
fn an_operation_is_answered_with_the_batch_it_is_in() {
    let mut writer = writer(0);
    let command = post(an_operation(1));
    let first = writer.execute(&a_request(), &command, NOON_MS).unwrap();
    assert_eq!((first.sequence, first.repeated, first.outcome.amount), (1, false, 1));
    writer.cut();
    writer.execute(&a_request(), &post(an_operation(2)), NOON_MS).unwrap();
    let again = writer.execute(&a_request(), &command, NOON_MS).unwrap();
    assert_eq!((again.sequence, again.repeated), (1, true));
}

#[test]
fn ids_that_say_their_time_are_remembered_for_a_window_and_refused_beyond_it() {
    let mut writer = writer(PAGE as usize);
    let command = |number: u32| post(timed(NOON_MS - 10_000 + i64::from(number), number));
    for number in 0..PAGE * 4 {
        writer.execute(&a_request(), &command(number), NOON_MS).unwrap();
        writer.cut();
    }
    assert!(writer.state().operation_count() <= 2 * PAGE as usize, "memory is bounded");
    assert!(writer.execute(&a_request(), &command(PAGE * 4 - 1), NOON_MS).unwrap().repeated);
    let forgotten = command(3);
    let refused = Rejection::OperationIdExpired { operation: forgotten.operation };
    assert_eq!(writer.execute(&a_request(), &forgotten, NOON_MS), Err(refused.into()));
    let never_seen = post(timed(NOON_MS - 10_000, 99_999));
    let refused = Rejection::OperationIdExpired { operation: never_seen.operation };
    assert_eq!(writer.execute(&a_request(), &never_seen, NOON_MS), Err(refused.into()));
    assert!(!writer.execute(&a_request(), &post(timed(NOON_MS, 1)), NOON_MS).unwrap().repeated);
}

#[test]
fn ids_without_a_time_are_looked_up_once_some_are_forgotten() {
    let mut writer = writer(PAGE as usize);
    let command = |number: u32| post(an_operation(number));
    for number in 0..PAGE * 3 {
        let looked_up = Command { unseen_through: u64::MAX, ..command(number) };
        writer.execute(&a_request(), &looked_up, NOON_MS).unwrap();
        writer.cut();
    }
    writer.execute(&a_request(), &post(timed(NOON_MS, 0)), NOON_MS).unwrap();
    assert!(writer.state().operation_count() <= 2 * PAGE as usize, "memory is bounded");
    let refused = writer.execute(&a_request(), &command(3), NOON_MS).unwrap_err();
    let Some(Rejection::OperationIdUnsettled { through, .. }) = refused.rejection() else {
        panic!("{refused}");
    };
    assert!((1..writer.state().sequence()).contains(through));
    let fresh = command(PAGE * 9);
    assert!(writer.execute(&a_request(), &fresh, NOON_MS).is_err(), "it cannot be told from the former");
    let looked_up = Command { unseen_through: writer.state().sequence(), ..fresh };
    assert!(!writer.execute(&a_request(), &looked_up, NOON_MS).unwrap().repeated);
}

#[test]
fn a_hold_outlives_the_memory_of_its_id() {
    let mut writer = writer(0);
    let hold = Command { operation: timed(NOON_MS - 9_000, 0), ..a_hold(1, 1, 1, None) };
    writer.execute(&a_request(), &post(timed(NOON_MS - 9_500, 0)), NOON_MS).unwrap();
    writer.execute(&a_request(), &hold, NOON_MS).unwrap();
    for number in 0..PAGE {
        writer.execute(&a_request(), &post(timed(NOON_MS - 8_000, number)), NOON_MS).unwrap();
    }
    writer.cut();
    writer.execute(&a_request(), &post(timed(NOON_MS, 0)), NOON_MS).unwrap();
    assert!(writer.state().operation(a_request().tenant, hold.operation).is_none(), "forgotten");
    let refused = Rejection::OperationIdExpired { operation: hold.operation };
    assert_eq!(writer.execute(&a_request(), &hold, NOON_MS), Err(refused.into()), "yet not done twice");
    let capture = crate::Capture { hold: hold.operation, amount: None, release_rest: false };
    let capture = crate::samples::a_command(2, crate::Verb::Capture(capture));
    assert_eq!(writer.execute(&a_request(), &capture, NOON_MS).unwrap().outcome.amount, 1);
}
