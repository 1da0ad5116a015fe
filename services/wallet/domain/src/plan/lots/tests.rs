//! The order of spending, and lots that travel within one operation.

use crate::given::{Given, given};
use crate::samples::{a_command, a_customer, a_grant, a_post, a_system, an_issuance, customer, issuance};
use crate::{AccountKind, Command, Leg, Verb};

fn world() -> Given {
    given([an_issuance(), a_system(AccountKind::Revenue), a_customer(1), a_customer(2), a_customer(3)])
}

fn with_priority(number: u32, priority: u8, amount: i64, expires_after_ms: Option<i64>) -> Command {
    let mut command = a_grant(number, 1, amount, expires_after_ms);
    if let Verb::Grant(grant) = &mut command.verb {
        grant.terms.priority = priority;
    }
    command
}

fn spend(number: u32, amount: i64) -> Command {
    a_post(number, customer(1), a_system(AccountKind::Revenue).account, amount)
}

fn free(world: &Given) -> Vec<(u8, i64)> {
    world.lot_views(a_customer(1)).iter().map(|lot| (lot.terms.priority, lot.free)).collect()
}

#[test]
fn the_best_priority_is_spent_first_and_then_what_expires_soonest() {
    let world = world()
        .and(with_priority(1, 50, 10, None))
        .and(with_priority(2, 10, 10, Some(3_000)))
        .and(with_priority(3, 50, 10, Some(2_000)))
        .and(with_priority(4, 10, 10, Some(1_000)));
    let expiries: Vec<_> =
        world.lot_views(a_customer(1)).iter().map(|lot| lot.terms.expires_at_ms.is_some()).collect();
    assert_eq!(expiries, [true, true, true, false]);
    let world = world.and(spend(5, 25));
    assert_eq!(free(&world), [(50, 5), (50, 10)]);
    assert_eq!(free(&world.and(spend(6, 15))), []);
}

#[test]
fn equals_are_spent_in_the_order_of_their_coming() {
    let world = world().and(a_grant(1, 1, 10, None)).and(a_grant(2, 1, 10, None)).and(spend(3, 4));
    assert_eq!(world.lots(a_customer(1)), [(6, 0), (10, 0)]);
}

#[test]
fn units_outside_of_lots_are_spent_at_general_priority_after_what_expires() {
    let world = world()
        .and(with_priority(1, 101, 10, Some(1_000)))
        .and(with_priority(2, 100, 10, Some(9_000)))
        .and(a_post(3, issuance(), customer(1), 10))
        .and(spend(4, 15));
    assert_eq!(free(&world), [(101, 10)], "the lot of priority 100 and 5 outside");
    let world = world.and(spend(5, 5));
    assert_eq!(free(&world), [(101, 10)], "the rest outside");
    assert_eq!(free(&world.and(spend(6, 1))), [(101, 9)]);
}

#[test]
fn a_lasting_lot_of_general_priority_comes_before_what_is_in_no_lot() {
    let world =
        world().and(a_post(1, issuance(), customer(1), 10)).and(a_grant(2, 1, 10, None)).and(spend(3, 10));
    assert!(free(&world).is_empty());
    assert_eq!(world.account(a_customer(1)).balance, 10);
}

#[test]
fn lots_travel_through_linked_legs() {
    let leg = |debit, credit, amount| Leg { debit, credit, amount };
    let legs = [
        leg(customer(1), customer(2), 15),
        leg(customer(2), customer(3), 12),
        leg(customer(3), customer(1), 11),
    ];
    let world = world()
        .and(a_grant(1, 1, 10, Some(1_000)))
        .and(a_grant(2, 1, 10, Some(2_000)))
        .and(a_command(3, Verb::Post(legs.as_slice().into())));
    assert_eq!(world.lots(a_customer(1)), [(10, 0), (6, 0)], "one came home to the lot it left");
    assert_eq!(world.lots(a_customer(2)), [(3, 0)]);
    assert_eq!(world.lots(a_customer(3)), [(1, 0)]);
    assert_eq!(world.state().lot_count(), 4);
}

#[test]
fn terms_end_where_units_leave_the_customers() {
    let revenue = a_system(AccountKind::Revenue);
    let world = world().and(a_grant(1, 1, 10, Some(1_000))).and(spend(2, 10));
    assert!(world.lots(revenue).is_empty());
    let world = world.and(a_post(3, revenue.account, customer(1), 10));
    assert!(world.lots(a_customer(1)).is_empty(), "what comes back by a plain post is in no lot");
}

#[test]
fn numbers_of_spent_lots_are_used_anew() {
    let mut world = world();
    for round in 0..20 {
        world = world.and(a_grant(round * 2 + 1, 1, 10, None)).and(spend(round * 2 + 2, 10));
    }
    assert_eq!((world.state().lot_count(), world.state().lots.rows.slots().count()), (0, 1));
}

#[test]
fn what_travels_joins_the_lot_that_has_its_terms() {
    let mut world = world().and(a_grant(1, 1, 100, Some(1_000))).and(a_grant(2, 2, 5, Some(1_000)));
    for number in 3..23 {
        world = world.and(a_post(number, customer(1), customer(2), 2));
    }
    assert_eq!(world.lots(a_customer(2)), [(45, 0)]);
    assert_eq!(world.lot_views(a_customer(2))[0].granted, 5, "what it began with");
}

#[test]
fn other_terms_stay_apart_and_so_do_grants() {
    let world = world()
        .and(a_grant(1, 2, 5, Some(1_000)))
        .and(a_grant(2, 2, 5, Some(1_000)))
        .and(a_grant(3, 1, 9, Some(2_000)))
        .and(a_post(4, customer(1), customer(2), 4));
    assert_eq!(world.lots(a_customer(2)), [(5, 0), (5, 0), (4, 0)]);
    let priority = world.and(with_priority(5, 7, 6, Some(1_000))).and(a_post(6, customer(1), customer(2), 6));
    assert_eq!(priority.lots(a_customer(2)), [(6, 0), (5, 0), (5, 0), (4, 0)]);
}
