//! The table of everything that can be told.

use super::{Category, Holds, Kind, Variable};

const fn text(name: &'static str, sample: &'static str) -> Variable {
    Variable { name, holds: Holds::Text, required: false, sample }
}

const fn link(required: bool) -> Variable {
    let sample = "https://shop.example/confirm?token=sample";
    Variable { name: "link", holds: Holds::Link, required, sample }
}

const NAME: Variable = text("name", "Ada Example");
const EXPIRES_AT: Variable = text("expires_at", "2026-11-24 12:00 UTC");
const DEVICE: Variable = text("device", "Firefox on Linux");
const ORIGIN: Variable = text("origin", "192.0.2.7");
const COUNTRY: Variable = text("country", "DE");
const AT: Variable = text("at", "2026-11-23 12:00 UTC");
const INVITER: Variable = text("inviter", "Grace Example");
const CHANGE: Variable = text("change", "totp_enabled");
const NEW_EMAIL: Variable = text("new_email", "new@shop.example");

/// Identity may say all of this with any of its mails; some cannot do without the link.
const ACCOUNT: &[Variable] =
    &[NAME, link(false), EXPIRES_AT, DEVICE, ORIGIN, COUNTRY, AT, INVITER, CHANGE, NEW_EMAIL];
const ACCOUNT_WITH_LINK: &[Variable] =
    &[NAME, link(true), EXPIRES_AT, DEVICE, ORIGIN, COUNTRY, AT, INVITER, CHANGE, NEW_EMAIL];

const NUMBER: Variable = text("number", "INV-000042");
const TOTAL: Variable = text("total", "19.99 EUR");
const REASON: Variable = text("reason", "gift");
const UNTIL: Variable = text("until", "2026-11-23 12:15 UTC");
const AMOUNT: Variable = text("amount", "500");
const ASSET: Variable = text("asset", "TOKEN");
const BALANCE: Variable = text("balance", "1500");
const AVAILABLE: Variable = text("available", "20");
const THRESHOLD: Variable = text("threshold", "100");
const REFERENCE: Variable = text("reference", "Happy birthday");

const INVOICE: &[Variable] = &[NAME, NUMBER, TOTAL, REASON, AT];
const PAYMENT: &[Variable] = &[NAME, NUMBER, TOTAL, AMOUNT, REASON, AT];
const TOKENS: &[Variable] = &[NAME, AMOUNT, ASSET, BALANCE, REASON, REFERENCE, AT];
const LOW: &[Variable] = &[NAME, AVAILABLE, THRESHOLD, AMOUNT, ASSET, AT];
const STATE: &[Variable] = &[NAME, REASON, UNTIL, AT];

const fn kind(key: &'static str, category: Category, variables: &'static [Variable]) -> Kind {
    Kind { key, category, variables, enabled: true }
}

/// For things that another telling usually covers, or that happen too often.
const fn off(key: &'static str, category: Category, variables: &'static [Variable]) -> Kind {
    Kind { key, category, variables, enabled: false }
}

/// Everything that can be told.
pub(crate) const KINDS: &[Kind] = &[
    kind("identity.verify_email", Category::Account, ACCOUNT_WITH_LINK),
    kind("identity.password_reset", Category::Account, ACCOUNT_WITH_LINK),
    kind("identity.confirm_email_change", Category::Account, ACCOUNT_WITH_LINK),
    kind("identity.email_changed", Category::Account, ACCOUNT),
    kind("identity.password_changed", Category::Account, ACCOUNT),
    kind("identity.new_sign_in", Category::Account, ACCOUNT),
    kind("identity.account_deleted", Category::Account, ACCOUNT),
    kind("identity.invitation", Category::Account, ACCOUNT_WITH_LINK),
    kind("identity.second_factor_changed", Category::Account, ACCOUNT),
    off("user.registered", Category::Account, STATE),
    kind("user.suspended", Category::Account, STATE),
    kind("user.activated", Category::Account, STATE),
    kind("login.locked", Category::Account, STATE),
    kind("session.reuse_detected", Category::Account, STATE),
    off("invoice.opened", Category::Billing, INVOICE),
    kind("invoice.paid", Category::Billing, INVOICE),
    off("invoice.fulfilled", Category::Billing, INVOICE),
    kind("invoice.voided", Category::Billing, INVOICE),
    off("payment.captured", Category::Billing, PAYMENT),
    kind("payment.failed", Category::Billing, PAYMENT),
    kind("payment.refunded", Category::Billing, PAYMENT),
    kind("tokens.credited", Category::Activity, TOKENS),
    off("tokens.spent", Category::Activity, TOKENS),
    off("tokens.sent", Category::Activity, TOKENS),
    kind("tokens.received", Category::Activity, TOKENS),
    kind("tokens.expired", Category::Activity, TOKENS),
    kind("tokens.reversed", Category::Activity, TOKENS),
    kind("balance.low", Category::Alerts, LOW),
    kind("balance.top_up_requested", Category::Alerts, LOW),
    kind(
        "webhook_endpoint.disabled",
        Category::Operations,
        &[text("url", "https://hooks.shop.example/vbwd"), text("reason", "failing"), AT],
    ),
];
