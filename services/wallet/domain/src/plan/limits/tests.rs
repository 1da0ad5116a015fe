//! Limits: per operation, by amount and count within a window, by role, for new recipients.

use crate::given::{Given, given};
use crate::samples::{
    a_command, a_customer, a_hold, a_post, a_request, a_request_later, a_system, an_issuance, customer,
    issuance,
};
use crate::{
    AccountKind, Asset, Command, Leg, LimitRule, LimitWindow, LimitedVerb, NewRecipient, Rejection, Request,
    Verb,
};

fn a_rule(change: impl FnOnce(&mut LimitRule)) -> LimitRule {
    let mut rule = LimitRule {
        name: "daily".to_owned(),
        asset: Some(Asset::TOKEN),
        verbs: Vec::new(),
        role: None,
        operation_max: None,
        window: None,
        new_recipient: None,
    };
    change(&mut rule);
    rule
}

fn within(seconds: u32, amount_max: Option<i64>, count_max: Option<u32>) -> Option<LimitWindow> {
    Some(LimitWindow { seconds, amount_max, count_max })
}

fn world(rules: impl IntoIterator<Item = LimitRule>) -> Given {
    let systems = [AccountKind::Revenue, AccountKind::Breakage].map(a_system);
    given([an_issuance(), a_customer(1), a_customer(2), a_customer(3)].into_iter().chain(systems))
        .and(a_post(100, issuance(), customer(1), 1_000))
        .and(a_command(101, Verb::SetLimits(rules.into_iter().collect())))
}

fn spend(number: u32, amount: i64) -> Command {
    a_post(number, customer(1), a_system(AccountKind::Revenue).account, amount)
}

fn transfer(number: u32, to: u32, amount: i64) -> Command {
    a_command(number, Verb::Transfer(Leg { debit: customer(1), credit: customer(to), amount }))
}

fn exceeded(limit: i64, used: i64, needed: i64) -> Rejection {
    Rejection::LimitExceeded { account: customer(1), rule: "daily".to_owned(), limit, used, needed }
}

fn by(role: &str) -> Request {
    Request { roles: [role.to_owned()].into(), ..a_request() }
}

#[test]
fn one_operation_has_a_limit_over_all_its_legs() {
    let world = world([a_rule(|rule| rule.operation_max = Some(50))]);
    world.clone().when(&spend(1, 51)).then_rejected(exceeded(50, 0, 51));
    world.clone().when(&a_hold(1, 1, 51, None)).then_rejected(exceeded(50, 0, 51));
    world.clone().when(&transfer(1, 2, 51)).then_rejected(exceeded(50, 0, 51));
    let leg = |credit, amount| Leg { debit: customer(1), credit, amount };
    let legs = [leg(customer(2), 30), leg(customer(3), 21)];
    world.clone().when(&a_command(1, Verb::Post(legs.as_slice().into()))).then_rejected(exceeded(50, 0, 51));
    world.when(&spend(1, 50)).then_posted(&[(1, 4, 50, 950, 50)]);
}

#[test]
fn units_within_a_window_add_up_over_operations_of_one_batch() {
    let world = world([a_rule(|rule| rule.window = within(80, Some(100), None))]);
    let world = world.and_together([spend(1, 60), a_hold(2, 1, 30, None)]);
    world.clone().when(&spend(3, 11)).then_rejected(exceeded(100, 90, 11));
    let world = world.and(spend(3, 10));
    world.clone().when_by(&a_request_later(80_000), &spend(4, 1)).then_rejected(exceeded(100, 100, 1));
    let later = a_request_later(90_000);
    world.and_by(&later, spend(4, 100)).when_by(&later, &spend(5, 1)).then_rejected(exceeded(100, 100, 1));
}

#[test]
fn operations_within_a_window_are_counted() {
    let world = world([a_rule(|rule| rule.window = within(80, None, Some(2)))]);
    let world = world.and(spend(1, 1)).and(spend(2, 1));
    let refused = || Rejection::TooManyOperations { rule: "daily".to_owned(), limit: 2 };
    world.clone().when(&spend(3, 1)).then_rejected(refused());
    world.when_by(&a_request_later(79_999), &spend(3, 1)).then_rejected(refused());
}

#[test]
fn a_clock_that_steps_back_wins_nothing() {
    let world = world([a_rule(|rule| rule.window = within(80, Some(100), None))]);
    let world = world.and_by(&a_request_later(500_000), spend(1, 100));
    world.clone().when(&spend(2, 1)).then_rejected(exceeded(100, 100, 1));
    world.when_by(&a_request_later(-500_000), &spend(2, 1)).then_rejected(exceeded(100, 100, 1));
}

#[test]
fn a_refused_operation_counts_for_nothing() {
    let world = world([a_rule(|rule| rule.window = within(80, Some(100), None))]);
    world.clone().when(&spend(1, 101)).then_rejected(exceeded(100, 0, 101));
    assert_eq!(world.and(spend(2, 100)).account(a_customer(1)).balance, 900);
}

#[test]
fn a_limit_is_about_its_verbs() {
    let rules = [a_rule(|rule| {
        rule.operation_max = Some(10);
        rule.verbs = vec![LimitedVerb::Transfer];
    })];
    let world = world(rules);
    world.clone().when(&transfer(1, 2, 11)).then_rejected(exceeded(10, 0, 11));
    world.when(&spend(1, 11)).then_posted(&[(1, 4, 11, 989, 11)]);
}

#[test]
fn a_limit_may_be_bound_to_a_role_or_an_asset() {
    let world = world([
        a_rule(|rule| {
            rule.operation_max = Some(10);
            rule.role = Some("trainee".to_owned());
        }),
        a_rule(|rule| {
            rule.name = "euro".to_owned();
            rule.asset = "EUR".parse().ok();
            rule.operation_max = Some(1);
        }),
    ]);
    world.clone().when_by(&by("trainee"), &spend(1, 11)).then_rejected(exceeded(10, 0, 11));
    world.when_by(&by("master"), &spend(1, 11)).then_posted(&[(1, 4, 11, 989, 11)]);
}

#[test]
fn system_accounts_have_no_limits() {
    let world = world([a_rule(|rule| rule.operation_max = Some(1))]);
    world.when(&a_post(1, issuance(), customer(2), 500)).then_posted(&[(0, 2, 500, -1_500, 500)]);
}

#[test]
fn a_new_recipient_gets_little_until_they_are_known() {
    let world =
        world([a_rule(|rule| rule.new_recipient = Some(NewRecipient { seconds: 60, amount_max: 20 }))]);
    world.clone().when(&transfer(1, 2, 21)).then_rejected(exceeded(20, 0, 21));
    let world = world.and(transfer(1, 2, 15));
    world.clone().when(&transfer(2, 2, 6)).then_rejected(exceeded(20, 15, 6));
    world.clone().when_by(&a_request_later(59_999), &transfer(2, 2, 6)).then_rejected(exceeded(20, 15, 6));
    world.clone().when(&transfer(2, 3, 20)).then_posted(&[(1, 3, 20, 965, 20)]);
    world.when_by(&a_request_later(60_000), &transfer(2, 2, 500)).then_posted(&[(1, 2, 500, 485, 515)]);
}

#[test]
fn whoever_was_sent_units_before_there_was_a_limit_is_known() {
    let world = world([]).and(transfer(1, 2, 1));
    let rule = a_rule(|rule| rule.new_recipient = Some(NewRecipient { seconds: 60, amount_max: 0 }));
    let world = world.and_by(&a_request_later(60_000), a_command(102, Verb::SetLimits(vec![rule])));
    world.clone().when_by(&a_request_later(60_000), &transfer(2, 3, 1)).then_rejected(exceeded(0, 0, 1));
    let said = world.when_by(&a_request_later(60_000), &transfer(2, 2, 100));
    said.then_posted(&[(1, 2, 100, 899, 101)]);
}

#[test]
fn counts_go_on_when_a_rule_is_replaced_under_its_name() {
    let world = world([a_rule(|rule| rule.window = within(80, Some(100), None))]).and(spend(1, 70));
    let tighter = a_rule(|rule| rule.window = within(80, Some(80), None));
    let world = world.and(a_command(102, Verb::SetLimits(vec![tighter])));
    world.clone().when(&spend(2, 11)).then_rejected(exceeded(80, 70, 11));
    let world = world.and(a_command(103, Verb::SetLimits(Vec::new())));
    world.when(&spend(2, 900)).then_posted(&[(1, 4, 900, 30, 970)]);
}
