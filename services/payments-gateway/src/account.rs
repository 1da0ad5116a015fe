//! A tenant's account at a provider: which settings it needs, as a JSON Schema for a form, and what
//! about them does not fit.
//!
//! When you add a provider whose tenants have accounts of their own, its fields are a list here or in
//! its module, and [`KINDS`] gets a line.

use std::collections::BTreeMap;

use fault::Fault;
use serde_json::{Value, json};

use crate::providers::stripe;

/// A setting of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) secret: bool,
    pub(crate) required: bool,
    /// What it begins with while nothing moves, and when money does.
    pub(crate) test_prefixes: &'static [&'static str],
    pub(crate) live_prefixes: &'static [&'static str],
}

/// A kind of account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
}

/// The kinds of accounts that tenants can have.
pub(crate) const KINDS: &[Kind] = &[stripe::KIND];

/// An account as the tenant set it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) enabled: bool,
    pub(crate) live: bool,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) countries: Vec<String>,
}

impl Kind {
    /// The kind with this code.
    pub(crate) fn find(code: &str) -> Option<Self> {
        KINDS.iter().copied().find(|kind| kind.code == code)
    }

    /// JSON Schema of settings and secrets.
    pub(crate) fn schema(self) -> Value {
        let property = |field: &Field| {
            let mut property = json!({"type": "string", "title": field.title, "maxLength": 255});
            if field.secret {
                property["writeOnly"] = true.into();
                property["format"] = "password".into();
            }
            let prefixes: Vec<_> = field.test_prefixes.iter().chain(field.live_prefixes).copied().collect();
            if !prefixes.is_empty() {
                property["pattern"] = format!("^({})", prefixes.join("|")).into();
            }
            (field.name.to_owned(), property)
        };
        let required = self.fields.iter().filter(|field| field.required).map(|field| field.name);
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "title": self.name,
            "properties": self.fields.iter().map(property).collect::<serde_json::Map<_, _>>(),
            "required": required.collect::<Vec<_>>(), "additionalProperties": false,
        })
    }

    /// Refuses what does not fit. An account that is switched off may be incomplete.
    pub(crate) fn check(self, account: &Account) -> fault::Result<()> {
        let invalid = |pointer: String, code| Err(Fault::invalid(pointer, code, "The account does not fit."));
        let known = |secret: bool, name: &String| {
            self.fields.iter().any(|field| field.secret == secret && field.name == name)
        };
        if let Some(name) = account.settings.keys().find(|name| !known(false, name)) {
            return invalid(format!("/settings/{name}"), "unknown_setting");
        }
        if let Some(name) = account.secrets.keys().find(|name| !known(true, name)) {
            return invalid(format!("/secrets/{name}"), "unknown_setting");
        }
        let country = |code: &String| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if let Some(nth) = account.countries.iter().position(|code| !country(code)) {
            return invalid(format!("/countries/{nth}"), "malformed");
        }
        for field in self.fields {
            let (place, values) = match field.secret {
                true => ("secrets", &account.secrets),
                false => ("settings", &account.settings),
            };
            let pointer = || format!("/{place}/{}", field.name);
            let Some(value) = values.get(field.name).filter(|value| !value.is_empty()) else {
                if field.required && account.enabled {
                    return invalid(pointer(), "required");
                }
                continue;
            };
            let prefixes = if account.live { field.live_prefixes } else { field.test_prefixes };
            let fits = prefixes.is_empty() || prefixes.iter().any(|prefix| value.starts_with(prefix));
            if !fits || value.len() > 255 || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return invalid(pointer(), "unfit");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(live: bool, key: &str) -> Account {
        let map = |rows: &[(&str, &str)]| {
            rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Account {
            enabled: true,
            live,
            settings: map(&[("publishable_key", if live { "pk_live_1" } else { "pk_test_1" })]),
            secrets: map(&[("secret_key", key), ("webhook_secret", "whsec_1")]),
            countries: vec!["DE".to_owned()],
        }
    }

    #[test]
    fn a_key_of_the_other_mode_is_refused() {
        let check =
            |account: &Account| stripe::KIND.check(account).map_err(|fault| fault.violations()[0].clone());
        assert!(check(&account(false, "sk_test_1")).is_ok() && check(&account(true, "rk_live_1")).is_ok());
        for (live, key) in [(true, "sk_test_1"), (false, "sk_live_1"), (false, "sk_test_\u{e4}")] {
            let refused = check(&account(live, key)).unwrap_err();
            assert_eq!((refused.pointer.as_str(), refused.code.as_str()), ("/secrets/secret_key", "unfit"));
        }
        let incomplete = Account { secrets: BTreeMap::new(), ..account(false, "") };
        assert_eq!(check(&incomplete).unwrap_err().code, "required");
        assert!(check(&Account { enabled: false, ..incomplete }).is_ok(), "switched off");
    }

    #[test]
    fn the_schema_names_secrets_as_such() {
        let schema = stripe::KIND.schema();
        assert_eq!(schema["properties"]["secret_key"]["writeOnly"], true);
        assert_eq!(schema["properties"]["publishable_key"]["writeOnly"], Value::Null);
        assert_eq!(schema["required"][0], "publishable_key");
    }
}
