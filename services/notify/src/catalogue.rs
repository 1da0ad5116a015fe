//! Everything that can be told to a person: its key, how it may be silenced, and the variables its
//! words may use. The words that ship with the product are in `templates/<language>.toml`.
//!
//! When you add a kind, also add its words to every language (a test says which are missing).

mod codes;
mod kinds;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use fault::Fault;

pub(crate) use codes::spoken;
pub(crate) use kinds::KINDS;
pub(crate) use words::{LANGUAGES, Words, shipped};

/// What a telling is about; decides whether the recipient may silence it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Category {
    /// The account and its protection.
    Account,
    /// Invoices and payments.
    Billing,
    /// What happened to one's tokens and orders.
    Activity,
    /// Nudges: a balance that runs low.
    Alerts,
    /// For those who run the tenant.
    Operations,
}

impl Category {
    pub(crate) const ALL: [Self; 5] =
        [Self::Account, Self::Billing, Self::Activity, Self::Alerts, Self::Operations];

    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Billing => "billing",
            Self::Activity => "activity",
            Self::Alerts => "alerts",
            Self::Operations => "operations",
        }
    }

    /// The category with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }

    /// Whether recipients may do without it. What a contract or the safety of an account demands
    /// is sent always.
    pub(crate) const fn is_optional(self) -> bool {
        matches!(self, Self::Activity | Self::Alerts)
    }

    /// Mails of a lower urgency wait for those of a higher one (a smaller number).
    pub(crate) const fn urgency(self) -> i16 {
        match self {
            Self::Account => 0,
            Self::Billing | Self::Operations => 1,
            Self::Activity | Self::Alerts => 2,
        }
    }
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Any words.
    Text,
    /// An absolute address of the web.
    Link,
}

/// A value that words may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether nothing can be told without it.
    pub required: bool,
    /// What it looks like, for previews.
    pub sample: &'static str,
}

/// Something that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its key: `invoice.paid`.
    pub key: &'static str,
    /// What it is about.
    pub category: Category,
    /// What its words may use.
    pub variables: &'static [Variable],
    /// Whether mails of it are sent where the tenant has not said otherwise.
    pub enabled: bool,
}

const VALUE_LENGTH_MAX: usize = 4_000;

/// The kind with this key.
pub(crate) fn kind(key: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.key == key)
}

impl Kind {
    /// Names that words of this kind may use, besides `brand` and `unsubscribe_url`.
    pub(crate) fn declared(&self) -> BTreeSet<&'static str> {
        self.variables.iter().map(|variable| variable.name).collect()
    }

    /// Values as they might be, for previews and test sends.
    pub(crate) fn samples(&self) -> BTreeMap<String, String> {
        let sample = |variable: &Variable| (variable.name.to_owned(), variable.sample.to_owned());
        self.variables.iter().map(sample).collect()
    }

    /// Refuses values that were not declared, are missing, or are not what they must be.
    pub(crate) fn check(&self, values: &BTreeMap<String, String>) -> fault::Result<()> {
        let undeclared =
            values.keys().filter(|name| !self.variables.iter().any(|known| known.name == **name));
        let mut wrong: Vec<_> = undeclared.map(|name| (name.clone(), "undeclared")).collect();
        for variable in self.variables {
            match values.get(variable.name).map_or("", String::as_str) {
                "" if variable.required => wrong.push((variable.name.to_owned(), "missing")),
                value if value.len() > VALUE_LENGTH_MAX => {
                    wrong.push((variable.name.to_owned(), "too_long"));
                }
                value if variable.holds == Holds::Link && !value.is_empty() && !is_link(value) => {
                    wrong.push((variable.name.to_owned(), "not_a_link"));
                }
                _ => {}
            }
        }
        let fault = wrong.into_iter().fold(None, |fault: Option<Fault>, (name, code)| {
            let pointer = format!("/variables/{name}");
            Some(match fault {
                None => Fault::invalid(pointer, code, "The variables do not fit the template."),
                Some(fault) => fault.with_violation(pointer, code),
            })
        });
        fault.map_or(Ok(()), Err)
    }
}

/// Only addresses that a browser opens as a page: a mail must not carry a script behind a button.
fn is_link(value: &str) -> bool {
    url::Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_are_unique_and_samples_fit_their_own_kind() {
        let keys: BTreeSet<_> = KINDS.iter().map(|kind| kind.key).collect();
        assert_eq!(keys.len(), KINDS.len());
        for kind in KINDS {
            assert!(kind.check(&kind.samples()).is_ok(), "{}", kind.key);
        }
    }

    #[test]
    fn undeclared_missing_and_unfit_values_are_named() {
        let verify = kind("identity.verify_email").unwrap();
        let fault = verify.check(&values(&[("price", "5"), ("name", "Ann")])).unwrap_err();
        let found: Vec<_> =
            fault.violations().iter().map(|one| (one.pointer.as_str(), one.code.as_str())).collect();
        assert_eq!(found, [("/variables/price", "undeclared"), ("/variables/link", "missing")]);
        let fault = verify.check(&values(&[("link", "javascript:alert(1)")])).unwrap_err();
        assert_eq!(fault.violations()[0].code, "not_a_link");
    }

    #[test]
    fn what_protects_an_account_cannot_be_silenced() {
        for kind in KINDS.iter().filter(|kind| kind.key.starts_with("identity.")) {
            assert!(!kind.category.is_optional(), "{}", kind.key);
        }
    }
}
