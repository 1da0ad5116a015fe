//! What expires when: in order, per tenant, and the same whether followed or built anew.

use super::*;
use crate::samples::{
    NOON_MS, a_capture, a_customer, a_grant, a_hold, a_post, a_release, a_request, a_request_later, a_system,
    an_issuance, customer, issuance,
};
use crate::{OpenAccount, Writer};

fn writer() -> Writer {
    let mut writer = Writer::new(PartitionState::default(), 0);
    for terms in [an_issuance(), a_system(AccountKind::Revenue), a_customer(1), a_customer(2)] {
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).unwrap();
    }
    writer
}

fn execute(writer: &mut Writer, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        writer.execute(&a_request(), &command, NOON_MS).unwrap();
        let anew = Agenda::of(&writer.state);
        assert_eq!(writer.agenda.times, anew.times, "after {command:?}");
        assert_eq!(writer.agenda.tenants, anew.tenants, "after {command:?}");
    }
}

fn due(writer: &Writer, after_ms: i64) -> Vec<Expire> {
    writer.agenda.due(0, NOON_MS + after_ms, 100)
}

#[test]
fn following_leads_to_what_is_built_anew() {
    let mut writer = writer();
    execute(
        &mut writer,
        [
            a_grant(1, 1, 10, Some(1_000)),
            a_grant(2, 1, 10, None),
            a_hold(3, 1, 10, Some(500)),
            a_capture(4, 3, Some(3), false),
            a_release(5, 3, Some(2)),
            a_post(6, customer(1), customer(2), 8),
            a_capture(7, 3, None, false),
            a_grant(8, 2, 10, Some(2_000)),
            a_post(9, customer(2), issuance(), 18),
        ],
    );
}

#[test]
fn the_earliest_comes_first_and_holds_before_lots() {
    let mut writer = writer();
    execute(
        &mut writer,
        [a_grant(1, 1, 10, Some(900)), a_grant(2, 1, 10, Some(500)), a_hold(3, 1, 5, Some(900))],
    );
    assert_eq!(due(&writer, 899), [Expire::Lot(1)]);
    assert_eq!(due(&writer, 900), [Expire::Lot(1), Expire::Hold(0), Expire::Lot(0)]);
    assert_eq!(writer.agenda.due(0, NOON_MS + 900, 2).len(), 2, "no more than asked for");
    assert_eq!(writer.agenda.next().collect::<Vec<_>>(), [(0, NOON_MS + 500)]);
}

#[test]
fn held_lots_do_not_stand_in_the_way_of_others() {
    let mut writer = writer();
    let held = (0..3).flat_map(|n| [a_grant(n * 2, 1, 10, Some(100)), a_hold(n * 2 + 1, 1, 10, None)]);
    execute(&mut writer, held);
    execute(&mut writer, [a_grant(10, 2, 10, Some(200))]);
    assert_eq!(due(&writer, 1_000), [Expire::Lot(3)]);
    assert_eq!(writer.expire_due(&a_request_later(1_000), 1, NOON_MS), Ok(1));
    assert_eq!(writer.next_due().count(), 0, "nobody is woken for what cannot expire");
}

#[test]
fn what_is_given_back_after_its_time_expires_even_within_the_same_batch() {
    let mut writer = writer();
    execute(&mut writer, [a_grant(1, 1, 10, Some(100)), a_hold(2, 1, 4, None)]);
    let later = a_request_later(100);
    assert_eq!(writer.expire_due(&later, 10, NOON_MS), Ok(1));
    writer.execute(&later, &a_release(3, 2, None), NOON_MS).unwrap();
    assert_eq!(writer.expire_due(&later, 10, NOON_MS), Ok(1));
    assert_eq!(writer.expire_due(&later, 10, NOON_MS), Ok(0));
    assert_eq!((writer.state.lot_count(), writer.next_due().count()), (0, 0));
}

#[test]
fn breakage_is_opened_when_the_first_lot_expires() {
    let mut writer = writer();
    execute(&mut writer, [a_grant(1, 1, 10, Some(100))]);
    let before = writer.state.account_count();
    writer.expire_due(&a_request_later(100), 10, NOON_MS).unwrap();
    assert_eq!(writer.state.account_count(), before + 1);
    let breakage = writer.state.account(a_request().tenant, a_system(AccountKind::Breakage).account);
    assert_eq!(breakage.unwrap().balance, 10);
}

#[test]
fn a_tenant_without_accounts_has_nothing_due() {
    let nobody = crate::Request { tenant: TenantId::derived(&["nobody"]), ..a_request_later(1_000) };
    assert_eq!(writer().expire_due(&nobody, 10, NOON_MS), Ok(0));
}
