//! What an event means to whom. Pure; the table at the end of `tellings` is the whole of it.
//!
//! When an event that concerns a person is published, add its arm here, its kind to the catalogue
//! and its words to every language; a test compares the arms with the contracts.

use std::collections::BTreeMap;

use bus::CloudEvent;
use serde_json::Value;

/// Whom an event concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whom {
    /// An account.
    User(String),
    /// Whoever an invoice is for.
    OwnerOf(String),
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Telling {
    /// Key of the kind.
    pub kind: &'static str,
    pub whom: Whom,
    pub values: BTreeMap<String, String>,
}

/// Events that concern no person, or whom the person has just caused and seen, or that are between the
/// merchant and the provider: the customer began the dispute, and knows nothing of a report that does not fit.
#[cfg(test)]
const NOT_TOLD: [&str; 9] = [
    "login.failed",
    "mail.failed",
    "webhook_endpoint.disabled",
    "notification.created",
    "payment.partially_captured",
    "payment.dispute_opened",
    "payment.dispute_won",
    "payment.dispute_lost",
    "payment.contradicted",
];

/// What is to be told about `event`.
pub(super) fn tellings(event: &CloudEvent) -> Vec<Telling> {
    let data = &event.data;
    let user = |kind: &'static str, values: &[(&str, String)]| {
        told(kind, Whom::User(text(data, "userId")), event, values)
    };
    let owner = |kind: &'static str, values: &[(&str, String)]| {
        told(kind, Whom::OwnerOf(text(data, "invoiceId")), event, values)
    };
    let tokens = || {
        ["amount", "asset", "reason", "reference"]
            .map(|name| (name, text(data, name)))
            .into_iter()
            .chain([("balance", text(data, "balanceAfter"))])
            .collect::<Vec<_>>()
    };
    let low = || ["available", "threshold", "amount", "asset"].map(|name| (name, text(data, name)));
    let invoice = || [("number", text(data, "number")), ("total", money(data, "total"))];
    match event.r#type.as_str() {
        "user.registered" => vec![user("user.registered", &[])],
        "user.suspended" => vec![user("user.suspended", &[("reason", text(data, "reason"))])],
        "user.activated" => vec![user("user.activated", &[])],
        "login.locked" => vec![user("login.locked", &[("until", time(data, "until"))])],
        "session.reuse_detected" => vec![user("session.reuse_detected", &[])],
        "invoice.opened" => vec![user("invoice.opened", &invoice())],
        "invoice.paid" => vec![user("invoice.paid", &invoice())],
        "invoice.fulfilled" => vec![owner("invoice.fulfilled", &[])],
        "invoice.voided" => vec![owner("invoice.voided", &[("reason", text(data, "reason"))])],
        "payment.captured" => vec![owner("payment.captured", &[("amount", money(data, "amount"))])],
        "payment.failed" => vec![owner("payment.failed", &[("reason", text(data, "failureCode"))])],
        "payment.refunded" => vec![owner("payment.refunded", &[("amount", money(data, "amount"))])],
        "tokens.credited" => vec![user("tokens.credited", &tokens())],
        "tokens.spent" => vec![user("tokens.spent", &tokens())],
        "tokens.expired" => vec![user("tokens.expired", &tokens())],
        "tokens.reversed" => vec![user("tokens.reversed", &tokens())],
        "tokens.transferred" => transferred(event),
        "balance.low" => vec![user("balance.low", &low())],
        "balance.top_up_requested" => vec![user("balance.top_up_requested", &low())],
        _ => Vec::new(),
    }
}

/// A gift is told to both sides, each with its own balance.
fn transferred(event: &CloudEvent) -> Vec<Telling> {
    let data = &event.data;
    let side = |kind: &'static str, whom: &str, balance: &str| {
        let values = ["amount", "asset", "reason", "reference"].map(|name| (name, text(data, name)));
        let values: Vec<_> = values.into_iter().chain([("balance", text(data, balance))]).collect();
        told(kind, Whom::User(text(data, whom)), event, &values)
    };
    vec![
        side("tokens.sent", "fromUserId", "fromBalanceAfter"),
        side("tokens.received", "toUserId", "toBalanceAfter"),
    ]
}

/// Values that are empty are left out.
fn told(kind: &'static str, whom: Whom, event: &CloudEvent, values: &[(&str, String)]) -> Telling {
    let at = ("at", readable(&event.time.to_string()));
    let all = values.iter().cloned().chain([at]).filter(|(_, value)| !value.is_empty());
    Telling { kind, whom, values: all.map(|(name, value)| (name.to_owned(), value)).collect() }
}

/// A field as text; numbers of 64 bits are text in canonical JSON already.
fn text(data: &Value, field: &str) -> String {
    match &data[field] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// `19.99 EUR`.
fn money(data: &Value, field: &str) -> String {
    let currency = text(&data[field], "currency");
    if currency.is_empty() {
        return String::new();
    }
    // Canonical JSON leaves out what is zero.
    let minor: i64 = text(&data[field], "minor").parse().unwrap_or_default();
    let exponent = currency.parse::<money::Currency>().map_or(2, |currency| currency.exponent());
    let unit = 10_u64.pow(exponent);
    let (sign, amount) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    if exponent == 0 {
        return format!("{sign}{amount} {currency}");
    }
    let width = usize::try_from(exponent).unwrap_or(2);
    format!("{sign}{}.{:0width$} {currency}", amount / unit, amount % unit)
}

fn time(data: &Value, field: &str) -> String {
    readable(&text(data, field))
}

/// `2026-11-23 12:00 UTC`, for people.
fn readable(text: &str) -> String {
    let shown = text.parse::<jiff::Timestamp>().map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    shown.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::kind;
    use crate::webhooks::event_types;
    use ids::{EventId, TenantId};

    fn event(name: &str, data: Value) -> CloudEvent {
        CloudEvent {
            specversion: "1.0".to_owned(),
            id: EventId::new(),
            source: "/vbwd/test".to_owned(),
            r#type: name.to_owned(),
            subject: "s".to_owned(),
            time: "2026-11-23T12:00:00Z".parse().unwrap(),
            datacontenttype: "application/json".to_owned(),
            dataschema: "proto:x".to_owned(),
            tenant: TenantId::new(),
            correlation_id: uuid::Uuid::now_v7(),
            causation_id: None,
            sequence: "1".to_owned(),
            traceparent: None,
            data,
        }
    }

    /// Events of services that other teams add are decided on when they are merged.
    const OURS: [&str; 4] = ["invoicing", "payments", "wallet", "notify"];

    #[test]
    fn every_published_event_is_told_or_said_not_to_be() {
        for known in event_types() {
            let ours = OURS.iter().any(|service| known.schema.starts_with(&format!("vbwd.{service}.")));
            let tellings = tellings(&event(&known.name, known.example.clone()));
            let silent = tellings.is_empty() && !NOT_TOLD.contains(&known.name.as_str());
            assert!(!(ours && silent), "{} is neither told nor said not to be", known.name);
            for telling in tellings {
                let kind = kind(telling.kind).unwrap_or_else(|| panic!("{}", telling.kind));
                assert!(kind.check(&telling.values).is_ok(), "{}: {:?}", kind.key, telling.values);
            }
        }
    }

    #[test]
    fn a_gift_is_told_to_both_sides() {
        let data = serde_json::json!({"fromUserId": "a", "toUserId": "b", "amount": "5", "asset": "TOKEN",
            "fromBalanceAfter": "1", "toBalanceAfter": "9"});
        let told = tellings(&event("tokens.transferred", data));
        assert_eq!(
            (told[0].kind, &told[0].whom, &told[0].values["balance"]),
            ("tokens.sent", &Whom::User("a".into()), &"1".to_owned())
        );
        assert_eq!(
            (told[1].kind, &told[1].whom, &told[1].values["balance"]),
            ("tokens.received", &Whom::User("b".into()), &"9".to_owned())
        );
    }

    #[test]
    fn amounts_are_written_with_the_digits_of_their_currency() {
        for (minor, currency, expected) in [
            ("1999", "EUR", "19.99 EUR"),
            ("5", "USD", "0.05 USD"),
            ("-150", "EUR", "-1.50 EUR"),
            ("700", "JPY", "700 JPY"),
        ] {
            let data = serde_json::json!({"total": {"minor": minor, "currency": currency}});
            assert_eq!(money(&data, "total"), expected);
        }
        assert_eq!(money(&serde_json::json!({}), "total"), "");
    }
}
