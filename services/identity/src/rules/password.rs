//! Which passwords may be set. Length first, as NIST SP 800-63B advises; no composition rules, no
//! forced change. A short list of the long passwords that guessing tools try first is compiled in
//! (shorter ones fail on length anyway).

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::rules::email::EmailAddress;

/// Fewest characters.
pub const LENGTH_MIN: usize = 12;
/// Most characters; more would only be work for the hash.
pub const LENGTH_MAX: usize = 256;
/// Fewest different characters: `aaaaaaaaaaaa` is one guess, not many.
const DISTINCT_MIN: usize = 5;

static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().filter(|line| !line.is_empty()).collect());

/// What is wrong with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Fewer than [`LENGTH_MIN`] characters.
    TooShort,
    /// More than [`LENGTH_MAX`] characters.
    TooLong,
    /// Almost the same character all over.
    TooSimple,
    /// The e-mail address, or what stands before its `@`.
    IsEmail,
    /// Among the first that guessing tools try.
    TooCommon,
}

impl Flaw {
    /// Stable code for clients.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::TooSimple => "too_simple",
            Self::IsEmail => "same_as_email",
            Self::TooCommon => "too_common",
        }
    }
}

/// Whether a person with this address may use this password.
///
/// # Errors
/// The first [`Flaw`] found.
pub fn check(password: &str, email: &EmailAddress) -> Result<(), Flaw> {
    let length = password.chars().count();
    let lower = password.to_lowercase();
    let distinct = password.chars().collect::<HashSet<_>>().len();
    match () {
        () if length < LENGTH_MIN => Err(Flaw::TooShort),
        () if length > LENGTH_MAX => Err(Flaw::TooLong),
        () if distinct < DISTINCT_MIN => Err(Flaw::TooSimple),
        () if lower == email.normalised() || lower == email.local_part() => Err(Flaw::IsEmail),
        () if COMMON.contains(lower.as_str()) => Err(Flaw::TooCommon),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_passwords() {
        let email = EmailAddress::parse("jane.longname@example.com").unwrap();
        let long = "0123456789abcdef".repeat(16);
        let too_long = format!("{long}x");
        let rows = [
            ("", Err(Flaw::TooShort)),
            ("elevenchars", Err(Flaw::TooShort)),
            ("pässwörtlein", Ok(())),
            ("twelve chars", Ok(())),
            ("correct horse battery staple", Ok(())),
            ("vbwd-demo-admin", Ok(())),
            (long.as_str(), Ok(())),
            (too_long.as_str(), Err(Flaw::TooLong)),
            ("aaaaaaaaaaaa", Err(Flaw::TooSimple)),
            ("abababababab", Err(Flaw::TooSimple)),
            ("Jane.Longname@Example.com", Err(Flaw::IsEmail)),
            ("jane.LONGNAME", Err(Flaw::IsEmail)),
            ("password1234", Err(Flaw::TooCommon)),
            ("QwertyUiop123", Err(Flaw::TooCommon)),
        ];
        for (password, expected) in rows {
            assert_eq!(check(password, &email), expected, "{password}");
        }
    }

    #[test]
    fn the_list_of_common_passwords_can_be_met() {
        assert!(COMMON.len() >= 80);
        for password in COMMON.iter() {
            let length = password.chars().count();
            assert!((LENGTH_MIN..=LENGTH_MAX).contains(&length), "{password} fails on length anyway");
            assert_eq!(*password, password.to_lowercase(), "compared in lower case");
        }
    }
}
