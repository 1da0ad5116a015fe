//! What changes cost, computed by hand: the part of a price is price times seconds left by seconds
//! of the period, rounded half away from zero to a minor unit, as Stripe prorates by the second and
//! as `Money::portion` states. November and April have 30 days, 2 592 000 s; December and January
//! 31 days, 2 678 400 s; February 2027 28 days, 2 419 200 s; 2027 365 days.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use jiff::{SignedDuration, Timestamp};
use money::{Currency, Money};
use proptest::prelude::*;
use subscription_domain::samples::terms;
use subscription_domain::{Anchor, BillingPeriod, ProrationError, Running, Segment, Terms, Unit, prorate};

struct Case {
    /// When the period began, UTC; what was charged for it.
    start: &'static str,
    paid: i64,
    period: BillingPeriod,
    /// When the change is; the new price, its period, seats.
    at: &'static str,
    price: i64,
    to: BillingPeriod,
    seats: i64,
    /// By hand: credit, charge, due.
    expected: (i64, i64, i64),
}

const MONTH: BillingPeriod = BillingPeriod::MONTH;
const YEAR: BillingPeriod = BillingPeriod::YEAR;

#[allow(clippy::too_many_arguments)]
const fn case(
    start: &'static str,
    paid: i64,
    period: BillingPeriod,
    at: &'static str,
    price: i64,
    to: BillingPeriod,
    seats: i64,
    expected: (i64, i64, i64),
) -> Case {
    Case { start, paid, period, at, price, to, seats, expected }
}

const CASES: &[Case] = &[
    // Half of November is 15 days of 30.
    case(
        "2026-11-01T00:00:00Z",
        3_000,
        MONTH,
        "2026-11-16T00:00:00Z",
        6_000,
        MONTH,
        1,
        (1_500, 3_000, 1_500),
    ),
    case(
        "2026-11-01T00:00:00Z",
        3_000,
        MONTH,
        "2026-11-16T00:00:00Z",
        3_000,
        MONTH,
        2,
        (1_500, 3_000, 1_500),
    ),
    case(
        "2026-11-01T00:00:00Z",
        6_000,
        MONTH,
        "2026-11-16T00:00:00Z",
        3_000,
        MONTH,
        1,
        (3_000, 1_500, -1_500),
    ),
    // At the very beginning everything is given back.
    case(
        "2026-11-01T00:00:00Z",
        3_000,
        MONTH,
        "2026-11-01T00:00:00Z",
        5_000,
        MONTH,
        1,
        (3_000, 5_000, 2_000),
    ),
    // In the last second: 3000 / 2592000 = 0.0012, 5000 / 2592000 = 0.0019 cents.
    case("2026-11-01T00:00:00Z", 3_000, MONTH, "2026-11-30T23:59:59Z", 5_000, MONTH, 1, (0, 0, 0)),
    // One day of 30: 100 and 166.67.
    case("2026-11-01T00:00:00Z", 3_000, MONTH, "2026-11-30T00:00:00Z", 5_000, MONTH, 1, (100, 167, 67)),
    // One day of 31: 96.77 and 161.29.
    case("2026-12-01T00:00:00Z", 3_000, MONTH, "2026-12-31T00:00:00Z", 5_000, MONTH, 1, (97, 161, 64)),
    // Half of 31 days is 15.5: 1999 / 2 = 999.5, 2999 / 2 = 1499.5, both away from zero.
    case("2026-12-01T00:00:00Z", 1_999, MONTH, "2026-12-16T12:00:00Z", 2_999, MONTH, 1, (1_000, 1_500, 500)),
    // Two weeks of February's four.
    case(
        "2027-02-01T00:00:00Z",
        2_000,
        MONTH,
        "2027-02-15T00:00:00Z",
        5_000,
        MONTH,
        1,
        (1_000, 2_500, 1_500),
    ),
    // One hour of 28 days: 672 hours; 2000 / 672 = 2.98, 5000 / 672 = 7.44.
    case("2027-02-01T00:00:00Z", 2_000, MONTH, "2027-02-28T23:00:00Z", 5_000, MONTH, 1, (3, 7, 4)),
    // A month that began on the 31st ends on the 28th: 28 days. 14 of them are left on 14 February.
    case(
        "2027-01-31T00:00:00Z",
        2_800,
        MONTH,
        "2027-02-14T00:00:00Z",
        5_600,
        MONTH,
        1,
        (1_400, 2_800, 1_400),
    ),
    // A leap February has 29 days: 10 left of 29: 689.66 and 1724.14.
    case("2028-02-01T00:00:00Z", 2_000, MONTH, "2028-02-20T00:00:00Z", 5_000, MONTH, 1, (690, 1_724, 1_034)),
    // From free: nothing to give back.
    case("2026-11-01T00:00:00Z", 0, MONTH, "2026-11-16T00:00:00Z", 2_000, MONTH, 1, (0, 1_000, 1_000)),
    // To free: nothing to ask.
    case("2026-11-01T00:00:00Z", 2_000, MONTH, "2026-11-21T00:00:00Z", 0, MONTH, 1, (667, 0, -667)),
    // What was charged counts, not the list price: half price by a coupon.
    case("2026-11-01T00:00:00Z", 1_000, MONTH, "2026-11-16T00:00:00Z", 4_000, MONTH, 1, (500, 2_000, 1_500)),
    // Fewer seats: ten at 500, then four.
    case("2026-11-01T00:00:00Z", 5_000, MONTH, "2026-11-11T00:00:00Z", 500, MONTH, 4, (3_333, 1_333, -2_000)),
    // Month to year: the year begins now and is charged whole.
    case(
        "2026-11-01T00:00:00Z",
        2_000,
        MONTH,
        "2026-11-16T00:00:00Z",
        20_000,
        YEAR,
        1,
        (1_000, 20_000, 19_000),
    ),
    case(
        "2026-11-01T00:00:00Z",
        2_000,
        MONTH,
        "2026-11-01T00:00:00Z",
        20_000,
        YEAR,
        3,
        (2_000, 60_000, 58_000),
    ),
    // Year to month: 73 days of 365 used, 292 left: four fifths.
    case(
        "2027-01-01T00:00:00Z",
        20_000,
        YEAR,
        "2027-03-15T00:00:00Z",
        2_000,
        MONTH,
        1,
        (16_000, 2_000, -14_000),
    ),
    // Year to year: a quarter of 2027 is 91.25 days; 1 April is 90 days in, 275 left: 15068.49, 37671.23.
    case(
        "2027-01-01T00:00:00Z",
        20_000,
        YEAR,
        "2027-04-01T00:00:00Z",
        50_000,
        YEAR,
        1,
        (15_068, 37_671, 22_603),
    ),
    // Twelve months are a year: the running period stays.
    case(
        "2027-01-01T00:00:00Z",
        12_000,
        YEAR,
        "2027-03-15T00:00:00Z",
        24_000,
        months(12),
        1,
        (9_600, 19_200, 9_600),
    ),
    // A quarter is three months: 90 days from 1 January 2027, 31 used: 59 of 90 left.
    case(
        "2027-01-01T00:00:00Z",
        9_000,
        quarter(),
        "2027-02-01T00:00:00Z",
        18_000,
        months(3),
        1,
        (5_900, 11_800, 5_900),
    ),
    // Weeks: three days of seven left: 428.57 and 857.14.
    case(
        "2026-11-02T00:00:00Z",
        1_000,
        weeks(1),
        "2026-11-06T00:00:00Z",
        2_000,
        weeks(1),
        1,
        (429, 857, 428),
    ),
    // Seven days are a week.
    case("2026-11-02T00:00:00Z", 700, weeks(1), "2026-11-06T00:00:00Z", 1_400, days(7), 1, (300, 600, 300)),
    // Thirty days are not a month: a new period begins.
    case(
        "2026-11-01T00:00:00Z",
        3_000,
        MONTH,
        "2026-11-16T00:00:00Z",
        3_000,
        days(30),
        1,
        (1_500, 3_000, 1_500),
    ),
    // A day: six hours of 24 left.
    case("2026-11-02T00:00:00Z", 100, days(1), "2026-11-02T18:00:00Z", 300, days(1), 1, (25, 75, 50)),
    // Large amounts do not overflow on the way: 9e15 of one half.
    case(
        "2026-11-01T00:00:00Z",
        9_000_000_000_000_000,
        MONTH,
        "2026-11-16T00:00:00Z",
        9_000_000_000_000_000,
        MONTH,
        2,
        (4_500_000_000_000_000, 9_000_000_000_000_000, 4_500_000_000_000_000),
    ),
];

const fn of(unit: Unit, count: u16) -> BillingPeriod {
    match BillingPeriod::new(unit, count) {
        Ok(period) => period,
        Err(_) => panic!("a period of the table"),
    }
}

const fn months(count: u16) -> BillingPeriod {
    of(Unit::Month, count)
}

const fn weeks(count: u16) -> BillingPeriod {
    of(Unit::Week, count)
}

const fn days(count: u16) -> BillingPeriod {
    of(Unit::Day, count)
}

const fn quarter() -> BillingPeriod {
    of(Unit::Quarter, 1)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn utc(start: &str) -> Anchor {
    Anchor { at: at(start), zone: "UTC".to_owned() }
}

fn priced(case: &Case, currency: Currency) -> (i64, i64, i64) {
    let anchor = utc(case.start);
    let period = anchor.period(case.period, 0).unwrap();
    let segment = Segment { start: period.start, end: period.end, amount: Money::new(case.paid, currency) };
    let running = Running { segment: &segment, period, length: case.period, anchor: &anchor };
    let terms = Terms { price: Money::new(case.price, currency), ..terms(9, 0, case.to) };
    let priced = prorate(running, &terms, case.seats, at(case.at)).unwrap();
    (priced.credit.minor(), priced.charge.minor(), priced.due().unwrap().minor())
}

#[test]
fn changes_cost_what_the_table_says() {
    for case in CASES {
        assert_eq!(priced(case, Currency::EUR), case.expected, "{} at {}", case.start, case.at);
    }
}

#[test]
fn minor_units_are_those_of_the_currency() {
    // The rule counts minor units: yen have none smaller, Kuwaiti dinars have a thousand.
    for currency in [Currency::JPY, Currency::KWD] {
        for case in CASES {
            assert_eq!(priced(case, currency), case.expected);
        }
    }
}

#[test]
fn another_period_begins_with_the_change() {
    let anchor = utc("2026-11-01T00:00:00Z");
    let period = anchor.period(MONTH, 0).unwrap();
    let segment = Segment { start: period.start, end: period.end, amount: Money::new(2_000, Currency::EUR) };
    let running = Running { segment: &segment, period, length: MONTH, anchor: &anchor };
    let changed = prorate(running, &terms(3, 20_000, YEAR), 1, at("2026-11-16T08:00:00Z")).unwrap();
    assert_eq!(changed.period.start, at("2026-11-16T08:00:00Z"));
    assert_eq!(changed.period.end, at("2027-11-16T08:00:00Z"));
    assert_eq!(changed.anchor, utc("2026-11-16T08:00:00Z"));
}

#[test]
fn what_has_no_price_is_refused() {
    let anchor = utc("2026-11-01T00:00:00Z");
    let period = anchor.period(MONTH, 0).unwrap();
    let segment = Segment { start: period.start, end: period.end, amount: Money::new(2_000, Currency::EUR) };
    let running = Running { segment: &segment, period, length: MONTH, anchor: &anchor };
    let refused = |terms: &Terms, seats, when: &str| prorate(running, terms, seats, at(when)).unwrap_err();
    let plain = terms(2, 5_000, MONTH);
    for outside in ["2026-10-31T23:59:59Z", "2026-12-01T00:00:00Z"] {
        assert_eq!(refused(&plain, 1, outside), ProrationError::OutsidePeriod);
    }
    let yen = Terms { price: Money::new(5_000, Currency::JPY), ..plain.clone() };
    assert_eq!(refused(&yen, 1, "2026-11-02T00:00:00Z"), ProrationError::CurrencyDiffers);
    assert_eq!(refused(&plain, i64::MAX, "2026-11-02T00:00:00Z"), ProrationError::Overflow);
}

proptest! {
    /// A chain of changes in one period never gives back more than was charged, and what was used
    /// and what was given back are together what was charged, to the minor unit.
    #[test]
    fn value_is_conserved_over_any_chain_of_changes(
        first in 0_i64..1_000_000,
        changes in proptest::collection::vec((0_i64..1_000_000, 1_i64..20, 0_i64..2_592_000), 1..8),
    ) {
        let anchor = utc("2026-11-01T00:00:00Z");
        let period = anchor.period(MONTH, 0).unwrap();
        let mut moments: Vec<_> = changes.iter().map(|change| change.2).collect();
        moments.sort_unstable();
        let mut segment = Segment { start: period.start, end: period.end, amount: Money::new(first, Currency::EUR) };
        let (mut charged, mut credited, mut used) = (first, 0, 0);
        for ((price, seats, _), second) in changes.iter().zip(moments) {
            let when = period.start.checked_add(SignedDuration::from_secs(second)).unwrap();
            let running = Running { segment: &segment, period, length: MONTH, anchor: &anchor };
            let changed = prorate(running, &terms(2, *price, MONTH), *seats, when).unwrap();
            prop_assert!(changed.credit.minor() >= 0 && changed.credit.minor() <= segment.amount.minor());
            prop_assert!(changed.charge.minor() >= 0 && changed.charge.minor() <= price * seats);
            used += segment.used(when).unwrap().minor();
            credited += changed.credit.minor();
            charged += changed.charge.minor();
            segment = changed.segment(when);
        }
        used += segment.used(period.end).unwrap().minor();
        prop_assert_eq!(charged, credited + used);
    }
}
