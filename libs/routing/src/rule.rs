//! One rule: what it matches, what it does, and where it stands among the others.

use std::cmp::Reverse;

use ids::TenantId;
use uuid::Uuid;

use crate::host::HostPattern;
use crate::path::below;
use crate::question::Question;

/// Everything below it is the platform's own.
const PLATFORM: &str = "/api";
/// What an administrator needs to undo a rule.
const UNTOUCHABLE: [&str; 2] = ["/api/v1/admin", "/api/v1/auth"];

/// A rule of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which; ids are made in the order of time.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// Whether it is tried.
    pub enabled: bool,
    /// Higher ones are tried first.
    pub priority: i32,
    /// On which hosts.
    pub host: HostPattern,
    /// At this path and below.
    pub path: String,
    /// For these languages, in lower case; none means all. `de` means `de-at` too.
    pub locales: Vec<String>,
    /// For clients in these countries, in upper case; none means all.
    pub countries: Vec<String>,
    /// What then happens.
    pub action: Action,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Another tenant answers.
    Tenant(TenantId),
    /// A front end answers.
    FrontEnd(String),
    /// A page of the CMS answers.
    Page(String),
    /// The client is sent elsewhere.
    Redirect {
        /// 301, 302 or 308.
        status: u16,
        /// A path, or an address with `https://` or `http://`.
        target: String,
        /// Whether what follows the prefix is appended, with the query.
        keep_rest: bool,
        /// Whether the target may be a host that is not the tenant's.
        external: bool,
    },
    /// Another path of the platform answers.
    Rewrite {
        /// The path in place of the prefix.
        target: String,
    },
    /// Nothing may answer, for legal reasons: 451.
    Block {
        /// Told to the client.
        reason: String,
    },
}

/// Why a rule does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// It is switched off.
    Disabled,
    /// Another host.
    Host,
    /// Another path.
    Path,
    /// Another language, or the client names none.
    Locale,
    /// Another country, or nobody says which.
    Country,
    /// The path belongs to the platform, where rules of this kind do not reach.
    Reserved,
}

impl Miss {
    /// As a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Host => "host",
            Self::Path => "path",
            Self::Locale => "locale",
            Self::Country => "country",
            Self::Reserved => "reserved_path",
        }
    }
}

impl Rule {
    /// Why this rule does not answer; `None` when it does.
    #[must_use]
    pub fn mismatch(&self, question: &Question) -> Option<Miss> {
        if !self.enabled {
            Some(Miss::Disabled)
        } else if !self.host.matches(&question.host) {
            Some(Miss::Host)
        } else if below(&self.path, &question.path).is_none() {
            Some(Miss::Path)
        } else {
            self.condition_missed(question)
        }
    }

    /// As [`Rule::mismatch`], for a rule whose host and path are known to fit.
    pub(crate) fn condition_missed(&self, question: &Question) -> Option<Miss> {
        let speaks = |language: &str| self.locales.iter().any(|locale| is_within(locale, language));
        let lies_in = |country: &str| self.countries.iter().any(|known| known == country);
        if !self.reaches(&question.path) {
            Some(Miss::Reserved)
        } else if !self.locales.is_empty() && !question.language.as_deref().is_some_and(speaks) {
            Some(Miss::Locale)
        } else if !self.countries.is_empty() && !question.country.as_deref().is_some_and(lies_in) {
            Some(Miss::Country)
        } else {
            None
        }
    }

    /// Whether a rule of this kind has a say at `path`.
    fn reaches(&self, path: &str) -> bool {
        match self.action {
            Action::Tenant(_) => true,
            Action::Block { .. } => UNTOUCHABLE.iter().all(|own| below(own, path).is_none()),
            _ => below(PLATFORM, path).is_none(),
        }
    }

    /// Where it stands: rules are tried by priority, then the one that says more about the host,
    /// then the longer path, then the one with more conditions, then the older one.
    #[must_use]
    pub fn order(&self) -> impl Ord + use<> {
        let conditions = usize::from(!self.locales.is_empty()) + usize::from(!self.countries.is_empty());
        (
            Reverse(self.priority),
            Reverse(self.host.weight()),
            Reverse(self.path.len()),
            Reverse(conditions),
            self.id,
        )
    }

    /// Whether two rules are tried for the same requests with the same priority, so that only their
    /// age would decide.
    #[must_use]
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list
        };
        self.id != other.id
            && self.enabled
            && other.enabled
            && self.priority == other.priority
            && self.host == other.host
            && self.path == other.path
            && sorted(&self.locales) == sorted(&other.locales)
            && sorted(&self.countries) == sorted(&other.countries)
    }
}

/// `de` holds `de-at`; `de-at` does not hold `de`.
fn is_within(locale: &str, language: &str) -> bool {
    language.strip_prefix(locale).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// A rule that redirects `path` of any host.
    pub fn rule(number: u128, path: &str) -> Rule {
        Rule {
            id: Uuid::from_u128(number),
            tenant: TenantId::from_uuid(Uuid::from_u128(7)),
            name: format!("rule {number}"),
            enabled: true,
            priority: 0,
            host: HostPattern::Any,
            path: path.to_owned(),
            locales: Vec::new(),
            countries: Vec::new(),
            action: Action::Block { reason: "court order".to_owned() },
        }
    }

    /// A redirect from `path` to `target`.
    pub fn redirect(number: u128, path: &str, target: &str) -> Rule {
        let (target, status) = (target.to_owned(), 302);
        let action = Action::Redirect { status, target, keep_rest: true, external: false };
        Rule { action, ..rule(number, path) }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{redirect, rule};
    use super::*;

    fn asked(path: &str, language: &str, country: &str) -> Question {
        Question::new("shop.example", path, language, Some(country))
    }

    #[test]
    fn every_condition_must_hold_and_the_first_that_fails_is_named() {
        let german = Rule {
            host: HostPattern::parse("shop.example").unwrap(),
            locales: vec!["de".to_owned()],
            countries: vec!["AT".to_owned()],
            ..rule(1, "/blog")
        };
        assert_eq!(german.mismatch(&asked("/blog/x", "de-AT", "AT")), None);
        let rows = [
            (asked("/other", "de", "AT"), Miss::Path),
            (asked("/blog", "en", "AT"), Miss::Locale),
            (asked("/blog", "", "AT"), Miss::Locale),
            (asked("/blog", "de", "FR"), Miss::Country),
            (asked("/blog", "de", ""), Miss::Country),
            (Question::new("x.example", "/blog", "de", Some("AT")), Miss::Host),
        ];
        for (question, miss) in rows {
            assert_eq!(german.mismatch(&question), Some(miss), "{question:?}");
        }
        let off = Rule { enabled: false, ..german };
        assert_eq!(off.mismatch(&asked("/blog", "de", "AT")), Some(Miss::Disabled));
    }

    #[test]
    fn no_rule_takes_away_the_means_to_remove_it() {
        for path in ["/api/v1/admin/routing/rules", "/api/v1/auth/login", "/api//v1/%61dmin"] {
            assert_eq!(rule(1, "/").mismatch(&asked(path, "", "")), Some(Miss::Reserved), "{path}");
            assert_eq!(redirect(1, "/", "/x").mismatch(&asked(path, "", "")), Some(Miss::Reserved));
        }
        assert_eq!(rule(1, "/").mismatch(&asked("/api/v1/checkout", "", "")), None, "451 reaches the API");
        let moved = redirect(1, "/", "/x").mismatch(&asked("/api/v1/checkout", "", ""));
        assert_eq!(moved, Some(Miss::Reserved));
    }

    #[test]
    fn rules_have_one_order() {
        let exact = Rule { host: HostPattern::parse("a.b.example").unwrap(), ..rule(5, "/") };
        let below = Rule { host: HostPattern::parse("*.b.example").unwrap(), ..rule(4, "/") };
        let urgent = Rule { priority: 1, ..rule(9, "/") };
        let narrow = Rule { countries: vec!["DE".to_owned()], ..rule(8, "/a") };
        let mut rules = [rule(2, "/"), rule(1, "/"), rule(3, "/a"), narrow, below, exact, urgent];
        rules.sort_by_key(Rule::order);
        let numbers: Vec<_> = rules.iter().map(|rule| rule.id.as_u128()).collect();
        assert_eq!(numbers, [9, 5, 4, 8, 3, 1, 2]);
    }
}
