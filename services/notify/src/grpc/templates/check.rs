//! What is refused about templates and settings, each mistake with its place.

use fault::Fault;

use crate::catalogue::{self, Kind};
use crate::mail::locale_tag;
use crate::render::Flaw;
use crate::wording::Settings;

pub(super) fn kind(key: &str) -> fault::Result<&'static Kind> {
    catalogue::kind(key).ok_or_else(|| Fault::not_found("template"))
}

pub(super) fn named(key: &str, locale: &str) -> fault::Result<(&'static Kind, String)> {
    Ok((kind(key)?, locale_tag(locale)?))
}

/// Each flaw has the place of its part; what exactly is wrong is a fact, for the one who writes.
pub(super) fn refuse(flaws: Vec<Flaw>) -> fault::Result<()> {
    let fault = flaws.into_iter().fold(None, |fault: Option<Fault>, flaw| {
        let pointer = format!("/words/{}", flaw.part);
        let fault = match fault {
            None => Fault::invalid(pointer, flaw.code, "The template has a mistake."),
            Some(fault) => fault.with_violation(pointer, flaw.code),
        };
        Some(fault.with_fact(flaw.part, flaw.detail))
    });
    fault.map_or(Ok(()), Err)
}

pub(super) fn check_settings(settings: &Settings) -> fault::Result<()> {
    let address = |text: &str| text.is_empty() || text.parse::<lettre::Address>().is_ok();
    let link = |text: &str| text.is_empty() || url::Url::parse(text).is_ok_and(|url| url.scheme() == "https");
    let public = |text: &str| {
        text.is_empty() || url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
    };
    let colour = |text: &str| {
        let digits = text.strip_prefix('#').unwrap_or_default();
        text.is_empty() || (digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let short = |text: &str| text.chars().count() <= 200 && !text.contains(['\r', '\n']);
    let rules = [
        ("product_name", short(&settings.product_name)),
        ("logo_url", link(&settings.logo_url)),
        ("accent_colour", colour(&settings.accent_colour)),
        ("support_address", address(&settings.support_address)),
        ("footer", settings.footer.chars().count() <= 2_000),
        ("from_address", address(&settings.from_address)),
        ("from_name", short(&settings.from_name)),
        ("reply_to", address(&settings.reply_to)),
        ("default_locale", locale_tag(&settings.default_locale).is_ok()),
        ("public_url", public(&settings.public_url)),
        ("operator_email", address(&settings.operator_email)),
    ];
    let wrong = rules.into_iter().filter(|(_, holds)| !holds);
    let fault = wrong.fold(None, |fault: Option<Fault>, (field, _)| {
        let pointer = format!("/settings/{field}");
        Some(match fault {
            None => Fault::invalid(pointer, "malformed", "The settings do not fit."),
            Some(fault) => fault.with_violation(pointer, "malformed"),
        })
    });
    fault.map_or(Ok(()), Err)
}
