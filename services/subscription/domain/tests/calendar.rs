//! Where periods begin and end, computed by hand. The rules: months count from the anchor and a day
//! that a month lacks is its last day (as Stripe's billing cycle anchor and ISO 8601 month
//! arithmetic have it); days are civil days of the zone; 02:30 in a night without it is taken an
//! hour later, 02:30 in a night with two of it is the first (RFC 5545, section 3.3.5). Leap years:
//! every fourth, not every hundredth, but every four-hundredth (Gregorian calendar). Changes of the
//! clocks: Berlin 2027-03-28 and 2027-10-31 (EU directive 2000/84/EC), New York 2027-03-14 and
//! 2027-11-07 (Energy Policy Act of 2005), Tokyo and Kathmandu (+05:45) never.
#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use subscription_domain::{Anchor, BillingPeriod, CalendarError, Unit};

/// Anchor, zone, unit, count, which boundary, and when it is.
const CASES: &[(&str, &str, Unit, u16, u32, &str)] = &[
    // The 31st, in months that lack it, and back.
    ("2027-01-31T12:00:00Z", "UTC", Unit::Month, 1, 1, "2027-02-28T12:00:00Z"),
    ("2027-01-31T12:00:00Z", "UTC", Unit::Month, 1, 2, "2027-03-31T12:00:00Z"),
    ("2027-01-31T12:00:00Z", "UTC", Unit::Month, 1, 3, "2027-04-30T12:00:00Z"),
    ("2027-01-31T12:00:00Z", "UTC", Unit::Month, 1, 12, "2028-01-31T12:00:00Z"),
    ("2027-01-31T12:00:00Z", "UTC", Unit::Month, 1, 13, "2028-02-29T12:00:00Z"),
    ("2027-01-30T12:00:00Z", "UTC", Unit::Month, 1, 1, "2027-02-28T12:00:00Z"),
    ("2027-01-29T12:00:00Z", "UTC", Unit::Month, 1, 13, "2028-02-29T12:00:00Z"),
    ("2027-02-28T12:00:00Z", "UTC", Unit::Month, 1, 1, "2027-03-28T12:00:00Z"),
    ("2026-11-30T12:00:00Z", "UTC", Unit::Month, 3, 1, "2027-02-28T12:00:00Z"),
    ("2026-12-31T23:59:59Z", "UTC", Unit::Month, 1, 2, "2027-02-28T23:59:59Z"),
    // Quarters are three months.
    ("2026-11-30T00:00:00Z", "UTC", Unit::Quarter, 1, 1, "2027-02-28T00:00:00Z"),
    ("2026-11-30T00:00:00Z", "UTC", Unit::Quarter, 1, 2, "2027-05-30T00:00:00Z"),
    ("2026-08-31T00:00:00Z", "UTC", Unit::Quarter, 2, 1, "2027-02-28T00:00:00Z"),
    // Leap days.
    ("2028-02-29T12:00:00Z", "UTC", Unit::Year, 1, 1, "2029-02-28T12:00:00Z"),
    ("2028-02-29T12:00:00Z", "UTC", Unit::Year, 1, 4, "2032-02-29T12:00:00Z"),
    ("2096-02-29T12:00:00Z", "UTC", Unit::Year, 1, 4, "2100-02-28T12:00:00Z"),
    ("2096-02-29T12:00:00Z", "UTC", Unit::Year, 1, 8, "2104-02-29T12:00:00Z"),
    ("2028-02-28T12:00:00Z", "UTC", Unit::Day, 1, 1, "2028-02-29T12:00:00Z"),
    ("2027-03-01T12:00:00Z", "UTC", Unit::Year, 1, 1, "2028-03-01T12:00:00Z"),
    // Days and weeks.
    ("2026-12-28T12:00:00Z", "UTC", Unit::Week, 1, 1, "2027-01-04T12:00:00Z"),
    ("2026-12-28T12:00:00Z", "UTC", Unit::Week, 2, 3, "2027-02-08T12:00:00Z"),
    ("2027-02-20T12:00:00Z", "UTC", Unit::Day, 10, 1, "2027-03-02T12:00:00Z"),
    ("2027-01-01T00:00:00Z", "UTC", Unit::Day, 365, 1, "2028-01-01T00:00:00Z"),
    ("2028-01-01T00:00:00Z", "UTC", Unit::Day, 365, 1, "2028-12-31T00:00:00Z"),
    // Berlin is at +01:00 in winter and +02:00 in summer: noon stays noon.
    ("2027-03-20T11:00:00Z", "Europe/Berlin", Unit::Month, 1, 1, "2027-04-20T10:00:00Z"),
    ("2027-10-20T10:00:00Z", "Europe/Berlin", Unit::Month, 1, 1, "2027-11-20T11:00:00Z"),
    ("2027-03-27T11:00:00Z", "Europe/Berlin", Unit::Day, 1, 1, "2027-03-28T10:00:00Z"),
    // 02:30 does not exist on 2027-03-28: 03:30 summer time, 01:30Z. The day after it is 02:30 again.
    ("2027-03-27T01:30:00Z", "Europe/Berlin", Unit::Day, 1, 1, "2027-03-28T01:30:00Z"),
    ("2027-03-27T01:30:00Z", "Europe/Berlin", Unit::Day, 1, 2, "2027-03-29T00:30:00Z"),
    // 02:30 exists twice on 2027-10-31: the first, 00:30Z.
    ("2027-10-30T00:30:00Z", "Europe/Berlin", Unit::Day, 1, 1, "2027-10-31T00:30:00Z"),
    ("2027-11-01T01:30:00Z", "Europe/Berlin", Unit::Day, 1, 1, "2027-11-02T01:30:00Z"),
    // The last moment of a month in Berlin is in the month before in UTC.
    ("2027-01-31T22:59:00Z", "Europe/Berlin", Unit::Month, 1, 1, "2027-02-28T22:59:00Z"),
    ("2027-01-30T23:30:00Z", "Europe/Berlin", Unit::Month, 1, 1, "2027-02-27T23:30:00Z"),
    // New York, a fortnight before Europe.
    ("2027-03-13T17:00:00Z", "America/New_York", Unit::Day, 1, 1, "2027-03-14T16:00:00Z"),
    ("2027-10-15T16:00:00Z", "America/New_York", Unit::Month, 1, 1, "2027-11-15T17:00:00Z"),
    // Zones whose clocks never change.
    ("2027-03-20T03:00:00Z", "Asia/Tokyo", Unit::Month, 1, 1, "2027-04-20T03:00:00Z"),
    ("2027-01-31T18:15:00Z", "Asia/Kathmandu", Unit::Month, 1, 1, "2027-02-28T18:15:00Z"),
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn boundaries_fall_where_the_calendar_says() {
    for (start, zone, unit, count, nth, expected) in CASES {
        let anchor = Anchor { at: at(start), zone: (*zone).to_owned() };
        let length = BillingPeriod::new(*unit, *count).unwrap();
        let found = anchor.boundary(length, *nth).unwrap();
        assert_eq!(found, at(expected), "{start} {zone}, {nth} times {count} {unit:?}");
    }
}

#[test]
fn periods_join_without_gap_or_overlap_for_a_century() {
    for start in ["2027-01-31T12:00:00Z", "2028-02-29T01:30:00Z", "2027-03-28T01:30:00Z"] {
        let anchor = Anchor { at: at(start), zone: "Europe/Berlin".to_owned() };
        let mut end = anchor.at;
        for index in 0..1_200 {
            let period = anchor.period(BillingPeriod::MONTH, index).unwrap();
            assert_eq!(period.start, end);
            assert!(period.seconds() >= 27 * 86_400 && period.seconds() <= 32 * 86_400);
            end = period.end;
        }
    }
}

#[test]
fn twelve_months_are_a_year() {
    let anchor = Anchor { at: at("2027-01-01T00:00:00Z"), zone: "UTC".to_owned() };
    assert_eq!(anchor.boundary(BillingPeriod::MONTH, 12).unwrap(), at("2028-01-01T00:00:00Z"));
}

#[test]
fn what_is_no_period_is_refused() {
    for count in [0, 731, u16::MAX] {
        assert_eq!(BillingPeriod::new(Unit::Day, count), Err(CalendarError::CountOutOfRange));
    }
    let anchor = Anchor { at: at("2027-01-01T00:00:00Z"), zone: "UTC".to_owned() };
    assert_eq!(anchor.boundary(BillingPeriod::YEAR, u32::MAX), Err(CalendarError::OutOfRange));
    assert_eq!(anchor.boundary(BillingPeriod::YEAR, 9_000), Err(CalendarError::OutOfRange));
}
