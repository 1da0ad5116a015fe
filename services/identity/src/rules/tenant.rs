//! What a tenant may be called, look like and use.
//!
//! Branding goes into the pages of front ends, so it is checked like input from strangers: colours are
//! colours, addresses of pictures are https or paths of the tenant's own host.

use serde::{Deserialize, Serialize};

use crate::rejection::Rejection;

const NAME_LENGTH_MAX: usize = 100;
const TEXT_LENGTH_MAX: usize = 200;
const URL_LENGTH_MAX: usize = 500;
/// Hosts that one tenant may have, or claim.
pub const HOSTS_MAX: usize = 50;
const HOST_LENGTH_MAX: usize = 253;
const LIMIT_MAX: i32 = 100_000_000;

/// How a tenant looks; what is empty is the front end's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields say what they are; the contract describes them")]
pub struct Branding {
    pub primary_colour: String,
    pub accent_colour: String,
    pub background_colour: String,
    pub text_colour: String,
    pub logo_url: String,
    pub logo_dark_url: String,
    pub favicon_url: String,
    pub product_name: String,
    pub legal_name: String,
    pub support_address: String,
}

/// What a tenant may use; 0 is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Limits {
    /// People and service accounts.
    pub users_max: i32,
    /// API keys that work.
    pub api_keys_max: i32,
    /// Calls at the edge.
    pub requests_per_minute: i32,
}

impl Branding {
    /// Whether it may be shown.
    ///
    /// # Errors
    /// [`Rejection::TenantUnfit`] with the part.
    pub fn check(&self) -> Result<(), Rejection> {
        let colours = [
            ("/branding/primary_colour", &self.primary_colour),
            ("/branding/accent_colour", &self.accent_colour),
            ("/branding/background_colour", &self.background_colour),
            ("/branding/text_colour", &self.text_colour),
        ];
        let pictures = [
            ("/branding/logo_url", &self.logo_url),
            ("/branding/logo_dark_url", &self.logo_dark_url),
            ("/branding/favicon_url", &self.favicon_url),
        ];
        let texts = [
            ("/branding/product_name", &self.product_name),
            ("/branding/legal_name", &self.legal_name),
            ("/branding/support_address", &self.support_address),
        ];
        refuse(colours, is_colour)?;
        refuse(pictures, is_picture)?;
        refuse(texts, |text| is_text(text, TEXT_LENGTH_MAX))
    }
}

impl Limits {
    /// Whether these are limits.
    ///
    /// # Errors
    /// [`Rejection::TenantUnfit`] with the part.
    pub fn check(self) -> Result<(), Rejection> {
        let all = [
            ("/limits/users_max", self.users_max),
            ("/limits/api_keys_max", self.api_keys_max),
            ("/limits/requests_per_minute", self.requests_per_minute),
        ];
        match all.into_iter().find(|(_, limit)| !(0..=LIMIT_MAX).contains(limit)) {
            Some((pointer, _)) => Err(Rejection::TenantUnfit { pointer, code: "out_of_range" }),
            None => Ok(()),
        }
    }
}

/// A short name in addresses.
///
/// # Errors
/// [`Rejection::TenantUnfit`].
pub fn check_slug(slug: &str) -> Result<(), Rejection> {
    let character = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_well = slug.bytes().next().is_some_and(|byte| byte != b'-');
    let fits = slug.len() <= 63 && starts_well && slug.bytes().all(character);
    // What purged tenants are called, and the platform itself.
    let taken = slug.starts_with("purged-") || slug == "platform";
    unless(fits && !taken, "/slug")
}

/// Name, ISO 4217 code and language of a tenant.
///
/// # Errors
/// [`Rejection::TenantUnfit`] with the part.
pub fn check_settings(name: &str, currency: &str, locale: &str) -> Result<(), Rejection> {
    unless(!name.trim().is_empty() && is_text(name, NAME_LENGTH_MAX), "/name")?;
    let is_currency = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    unless(is_currency, "/default_currency")?;
    let subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    unless(locale.len() <= 35 && locale.split('-').all(subtag), "/default_locale")
}

/// A host name, lower case and without port.
///
/// # Errors
/// [`Rejection::TenantUnfit`].
pub fn check_host(host: &str) -> Result<(), Rejection> {
    let label = |label: &str| {
        let character = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(character)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    unless(host.len() <= HOST_LENGTH_MAX && host.split('.').all(label), "/host")
}

fn refuse<const N: usize>(
    parts: [(&'static str, &String); N],
    fits: impl Fn(&str) -> bool,
) -> Result<(), Rejection> {
    match parts.into_iter().find(|(_, text)| !text.is_empty() && !fits(text)) {
        Some((pointer, _)) => Err(Rejection::TenantUnfit { pointer, code: "malformed" }),
        None => Ok(()),
    }
}

const fn unless(fits: bool, pointer: &'static str) -> Result<(), Rejection> {
    if fits { Ok(()) } else { Err(Rejection::TenantUnfit { pointer, code: "malformed" }) }
}

fn is_colour(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_picture(text: &str) -> bool {
    let own = text.starts_with('/') && !text.starts_with("//");
    let far = text.starts_with("https://") && text.len() > "https://".len();
    let harmless = |character: char| character.is_ascii_graphic() && !"\"'<>\\`()".contains(character);
    text.len() <= URL_LENGTH_MAX && (own || far) && text.chars().all(harmless)
}

fn is_text(text: &str, length_max: usize) -> bool {
    text.chars().count() <= length_max && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place<T>(outcome: Result<T, Rejection>) -> Option<&'static str> {
        match outcome {
            Err(Rejection::TenantUnfit { pointer, .. }) => Some(pointer),
            _ => None,
        }
    }

    #[test]
    fn the_table_of_looks() {
        let rows = [
            (Branding::default(), None),
            (Branding { primary_colour: "#2457d6".to_owned(), ..Branding::default() }, None),
            (
                Branding { text_colour: "red;}".to_owned(), ..Branding::default() },
                Some("/branding/text_colour"),
            ),
            (Branding { logo_url: "https://cdn.example/logo.svg".to_owned(), ..Branding::default() }, None),
            (Branding { logo_url: "/media/logo.svg".to_owned(), ..Branding::default() }, None),
            (
                Branding { logo_url: "javascript:alert(1)".to_owned(), ..Branding::default() },
                Some("/branding/logo_url"),
            ),
            (
                Branding { favicon_url: "//evil.example/x".to_owned(), ..Branding::default() },
                Some("/branding/favicon_url"),
            ),
            (
                Branding { logo_dark_url: "https://x/\"><script>".to_owned(), ..Branding::default() },
                Some("/branding/logo_dark_url"),
            ),
            (Branding { legal_name: "a\nb".to_owned(), ..Branding::default() }, Some("/branding/legal_name")),
        ];
        for (branding, expected) in rows {
            assert_eq!(place(branding.check()), expected, "{branding:?}");
        }
    }

    #[test]
    fn the_table_of_names_hosts_and_limits() {
        for slug in ["shop", "a", "0-9"] {
            assert_eq!(check_slug(slug), Ok(()));
        }
        for slug in ["", "-a", "A", "a_b", "platform", "purged-1", &"a".repeat(64)] {
            assert!(check_slug(slug).is_err(), "{slug}");
        }
        for host in ["localhost", "shop.example.com", "xn--bcher-kva.example"] {
            assert_eq!(check_host(host), Ok(()));
        }
        for host in ["", "Shop.example", "a..b", "-a.b", "a:80", "a/b", "a b", &"a".repeat(64)] {
            assert!(check_host(host).is_err(), "{host}");
        }
        assert_eq!(check_settings("Shop", "EUR", "de-AT"), Ok(()));
        assert_eq!(place(check_settings(" ", "EUR", "de")), Some("/name"));
        assert_eq!(place(check_settings("Shop", "eur", "de")), Some("/default_currency"));
        assert_eq!(place(check_settings("Shop", "EUR", "de_AT")), Some("/default_locale"));
        let limits = Limits { api_keys_max: -1, ..Limits::default() };
        assert_eq!(place(limits.check()), Some("/limits/api_keys_max"));
    }
}
