//! Whether a rule may be kept: its parts, whose hosts it touches, and what it does together with the
//! rules that are there already.
//!
//! The caller holds the tenant's lock, so that two rules cannot pass beside each other and fail
//! together.

use crate::explain;
use crate::host::HostPattern;
use crate::path::is_prefix;
use crate::question::{Question, is_country, is_language};
use crate::redirect::{Target, target};
use crate::rule::{Action, Rule};

const NAME_LENGTH_MAX: usize = 100;
const REASON_LENGTH_MAX: usize = 300;
const LIST_MAX: usize = 100;
const PRIORITY_MAX: i32 = 1_000_000;
/// Browsers give up at twenty.
const HOPS_MAX: usize = 10;

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A part of it is malformed.
    #[error("unfit {pointer}: {code}")]
    Unfit {
        /// Which part.
        pointer: &'static str,
        /// What is wrong with it.
        code: &'static str,
    },
    /// The host is not the tenant's.
    #[error("the host {host} is not the tenant's")]
    HostForeign {
        /// Which.
        host: String,
    },
    /// Whoever follows it could be sent to a host that is not the tenant's, which must be wished for.
    #[error("the redirect leads to {host}, which is not the tenant's")]
    RedirectExternal {
        /// Where to.
        host: String,
    },
    /// Another rule matches the same with the same priority.
    #[error("conflicts with {rule}")]
    Conflict {
        /// Which.
        rule: String,
    },
    /// Following the redirects ends where it began.
    #[error("redirects in a loop: {through}")]
    Loop {
        /// The rules, in order.
        through: String,
    },
}

/// Checks `rule` of a tenant that has the hosts `own`, beside its other rules.
///
/// # Errors
/// The first reason to refuse it.
pub fn check(rule: &Rule, own: &[HostPattern], others: &[Rule]) -> Result<(), Rejection> {
    parts(rule)?;
    if rule.host != HostPattern::Any && !own.iter().any(|host| host.covers(&rule.host)) {
        return Err(Rejection::HostForeign { host: rule.host.to_string() });
    }
    action(rule, own)?;
    if let Some(other) = others.iter().find(|other| rule.conflicts_with(other)) {
        return Err(Rejection::Conflict { rule: other.id.to_string() });
    }
    loops(rule, own, others)
}

fn parts(rule: &Rule) -> Result<(), Rejection> {
    let text = |text: &str, max: usize| text.chars().count() <= max && !text.chars().any(char::is_control);
    fits("/name", "malformed", !rule.name.trim().is_empty() && text(&rule.name, NAME_LENGTH_MAX))?;
    fits("/priority", "out_of_range", (-PRIORITY_MAX..=PRIORITY_MAX).contains(&rule.priority))?;
    fits("/path_prefix", "malformed", is_prefix(&rule.path))?;
    fits("/locales", "too_many", rule.locales.len() <= LIST_MAX)?;
    fits("/locales", "malformed", rule.locales.iter().all(|tag| is_language(tag)))?;
    fits("/countries", "too_many", rule.countries.len() <= LIST_MAX)?;
    fits("/countries", "malformed", rule.countries.iter().all(|code| is_country(code)))
}

fn action(rule: &Rule, own: &[HostPattern]) -> Result<(), Rejection> {
    let word = |text: &str, more: &[u8]| {
        let character = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte);
        (1..=200).contains(&text.len()) && text.bytes().all(character)
    };
    match &rule.action {
        Action::Tenant(tenant) => fits("/target", "own_tenant", *tenant != rule.tenant),
        Action::FrontEnd(name) => fits("/target", "malformed", word(name, b"-")),
        Action::Page(slug) => fits("/target", "malformed", word(slug, b"-_/") && !slug.starts_with('/')),
        Action::Rewrite { target } => fits("/target", "malformed", is_prefix(target)),
        Action::Block { reason } => {
            let length = reason.chars().count();
            fits("/target", "malformed", length <= REASON_LENGTH_MAX && !reason.chars().any(char::is_control))
        }
        Action::Redirect { status, target: text, external, .. } => {
            fits("/redirect_status", "out_of_range", matches!(status, 301 | 302 | 308))?;
            match target(text) {
                None => fits("/target", "malformed", false),
                Some(Target::Host(host, _)) if !external && !own.iter().any(|known| known.matches(&host)) => {
                    Err(Rejection::RedirectExternal { host })
                }
                Some(_) => Ok(()),
            }
        }
    }
}

/// Follows the redirects from where this rule answers, for every client it may answer to.
fn loops(rule: &Rule, own: &[HostPattern], others: &[Rule]) -> Result<(), Rejection> {
    if !matches!(rule.action, Action::Redirect { .. }) {
        return Ok(());
    }
    let mut all: Vec<Rule> = others.iter().filter(|other| other.id != rule.id).cloned().collect();
    all.push(rule.clone());
    let home = own.iter().find(|host| matches!(host, HostPattern::Exact(_))).or_else(|| own.first());
    let host = rule.host.sample(&home.map_or_else(|| "localhost".to_owned(), |home| home.sample("")));
    let some = |list: &[String]| -> Vec<Option<String>> {
        if list.is_empty() { vec![None] } else { list.iter().take(8).cloned().map(Some).collect() }
    };
    // A client with more to match (a language, a country) may be sent on by rules that pass over others.
    let languages = with_known(some(&rule.locales), &all, |rule| &rule.locales, rule.locales.is_empty());
    let countries =
        with_known(some(&rule.countries), &all, |rule| &rule.countries, rule.countries.is_empty());
    for language in &languages {
        for country in &countries {
            let start = Question {
                host: host.clone(),
                path: rule.path.clone(),
                language: language.clone(),
                country: country.clone(),
            };
            follow(start, own, &all)?;
        }
    }
    Ok(())
}

fn with_known(
    mut known: Vec<Option<String>>,
    all: &[Rule],
    list: impl Fn(&Rule) -> &Vec<String>,
    open: bool,
) -> Vec<Option<String>> {
    if open {
        let mut more: Vec<_> = all.iter().flat_map(|rule| list(rule).iter().cloned()).collect();
        more.sort_unstable();
        more.dedup();
        known.extend(more.into_iter().take(7).map(Some));
    }
    known
}

fn follow(mut question: Question, own: &[HostPattern], all: &[Rule]) -> Result<(), Rejection> {
    let mut passed: Vec<String> = Vec::new();
    for _ in 0..HOPS_MAX {
        let Some(rule) = explain(all, &question).rule else { return Ok(()) };
        let Some(location) = rule.location(&question.path, None) else { return Ok(()) };
        let id = rule.id.to_string();
        if passed.contains(&id) {
            return Err(Rejection::Loop { through: passed.join(" ") });
        }
        passed.push(id);
        match target(&location) {
            Some(Target::Here(path)) => question.path = path,
            Some(Target::Host(host, path)) if own.iter().any(|known| known.matches(&host)) => {
                (question.host, question.path) = (host, path);
            }
            _ => return Ok(()),
        }
    }
    Err(Rejection::Loop { through: passed.join(" ") })
}

fn fits(pointer: &'static str, code: &'static str, holds: bool) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(Rejection::Unfit { pointer, code }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::samples::{redirect, rule};

    fn own() -> Vec<HostPattern> {
        ["shop.example", "*.shops.example"].map(|text| HostPattern::parse(text).unwrap()).to_vec()
    }

    fn code(rule: &Rule, others: &[Rule]) -> String {
        check(rule, &own(), others).map_or_else(|no| no.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn a_rule_touches_only_own_hosts() {
        for (host, fine) in [
            ("", true),
            ("shop.example", true),
            ("a.shops.example", true),
            ("*.a.shops.example", true),
            ("other.example", false),
            ("*.example.com", false),
            ("shops.example", false),
        ] {
            let rule = Rule { host: HostPattern::parse(host).unwrap(), ..rule(1, "/") };
            assert_eq!(check(&rule, &own(), &[]).is_ok(), fine, "{host}");
        }
    }

    #[test]
    fn a_redirect_to_a_foreign_host_must_be_wished_for() {
        let shop = HostPattern::parse("shop.example").unwrap();
        assert_eq!(
            code(&Rule { host: shop, ..redirect(1, "/", "https://www.shops.example/x") }, &[]),
            "fine"
        );
        let away = redirect(1, "/", "https://evil.example/");
        assert!(matches!(check(&away, &own(), &[]), Err(Rejection::RedirectExternal { .. })));
        let target = "https://evil.example/".to_owned();
        let wished = Action::Redirect { status: 301, target, keep_rest: false, external: true };
        assert_eq!(code(&Rule { action: wished, ..away }, &[]), "fine");
    }

    #[test]
    fn redirects_in_a_loop_are_refused() {
        assert!(code(&redirect(1, "/a", "/a/b"), &[]).contains("loop"), "into itself");
        assert!(
            code(&redirect(1, "/a", "/b"), &[redirect(2, "/b", "/c"), redirect(3, "/c", "/a")])
                .contains("loop")
        );
        assert!(code(&redirect(1, "/", "/home"), &[]).contains("loop"), "the root holds everything");
        assert_eq!(
            code(&redirect(1, "/", "/home"), &[rule(2, "/home")]),
            "fine",
            "a longer path answers there"
        );
        assert!(
            code(&redirect(1, "/a", "https://shop.example/b"), &[redirect(2, "/b", "/a")]).contains("loop")
        );
        let german = Rule { locales: vec!["de".to_owned()], ..redirect(2, "/b", "/a") };
        assert!(
            code(&redirect(1, "/a", "/b"), std::slice::from_ref(&german)).contains("loop"),
            "for Germans"
        );
        let french = Rule { locales: vec!["fr".to_owned()], ..redirect(1, "/a", "/b") };
        assert_eq!(code(&french, &[german]), "fine", "nobody is both");
    }

    #[test]
    fn two_rules_for_the_same_with_the_same_priority_conflict() {
        assert!(code(&rule(1, "/a"), &[redirect(2, "/a", "/b")]).contains("conflicts"));
        assert_eq!(code(&rule(1, "/a"), &[Rule { priority: 1, ..redirect(2, "/a", "/b") }]), "fine");
        assert_eq!(code(&rule(1, "/a"), &[rule(1, "/a")]), "fine", "a rule does not conflict with itself");
        assert_eq!(code(&rule(1, "/a"), &[Rule { enabled: false, ..rule(2, "/a") }]), "fine");
    }

    #[test]
    fn malformed_parts_are_named() {
        let base = rule(1, "/a");
        let rows = [
            (Rule { name: String::new(), ..base.clone() }, "/name"),
            (Rule { priority: 2_000_000, ..base.clone() }, "/priority"),
            (Rule { path: "a".to_owned(), ..base.clone() }, "/path_prefix"),
            (Rule { locales: vec!["DE".to_owned()], ..base.clone() }, "/locales"),
            (Rule { countries: vec!["de".to_owned()], ..base.clone() }, "/countries"),
            (Rule { action: Action::FrontEnd("../x".to_owned()), ..base.clone() }, "/target"),
            (Rule { action: Action::Rewrite { target: "x".to_owned() }, ..base.clone() }, "/target"),
            (Rule { action: Action::Tenant(base.tenant), ..base }, "/target"),
        ];
        for (rule, at) in rows {
            assert!(
                matches!(check(&rule, &own(), &[]), Err(Rejection::Unfit { pointer, .. }) if pointer == at),
                "{at}"
            );
        }
    }
}
