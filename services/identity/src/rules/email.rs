//! What counts as an e-mail address, and when two of them are the same.
//!
//! A deliberately small rule: ASCII, an unquoted local part, a host name with at least two labels.
//! It refuses exotic addresses that are legal by RFC 5321 (quoted local parts, address literals)
//! because none of them belongs to a customer and all of them belong to an attack. Two addresses
//! are the same when they differ in case only; no provider's own rules (dots, plus) are applied.

use std::fmt;

const LENGTH_MAX: usize = 254;
const LOCAL_LENGTH_MAX: usize = 64;
const LABEL_LENGTH_MAX: usize = 63;

/// An address that mail could be sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    given: String,
    normalised: String,
}

impl EmailAddress {
    /// The address in `text`, surrounding white space removed; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let given = text.trim();
        let (local, domain) = given.rsplit_once('@')?;
        let fits = given.len() <= LENGTH_MAX && is_local_part(local) && is_domain(domain);
        fits.then(|| Self { given: given.to_owned(), normalised: given.to_ascii_lowercase() })
    }

    /// As the person wrote it.
    #[must_use]
    pub fn given(&self) -> &str {
        &self.given
    }

    /// What decides whether two addresses are the same.
    #[must_use]
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// What stands before the `@`, normalised.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.normalised.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

impl fmt::Debug for EmailAddress {
    /// Personal data stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

fn is_local_part(local: &str) -> bool {
    let character = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&byte);
    (1..=LOCAL_LENGTH_MAX).contains(&local.len())
        && local.bytes().all(character)
        && local.split('.').all(|part| !part.is_empty())
}

fn is_domain(domain: &str) -> bool {
    let labels: Vec<_> = domain.split('.').collect();
    let top_is_a_name = labels.last().is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()));
    labels.len() >= 2 && top_is_a_name && labels.into_iter().all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_LENGTH_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_people_have_are_accepted() {
        for text in [
            "a@b.cd",
            "Jane.Doe+shop@Example.COM",
            "  padded@example.org ",
            "o'brien@mail.example.co.uk",
            "user@xn--bcher-kva.example",
            "1234@5678.example",
        ] {
            assert!(EmailAddress::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("a@{}.com", "b".repeat(64));
        let long = format!("{}@{}.com", "a".repeat(60), ["b".repeat(60).as_str(); 4].join("."));
        for text in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a b@c.de",
            "a@b c.de",
            "a@b@c.de ",
            ".a@b.cd",
            "a.@b.cd",
            "a..b@c.de",
            "a@-b.cd",
            "a@b-.cd",
            "a@b..cd",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "\"a b\"@c.de",
            "ä@b.cd",
            "a@bücher.example",
            "a@b.cd\r\nBcc: x@y.z",
            "a\0@b.cd",
            &long_local,
            &long_label,
            &long,
        ] {
            assert!(EmailAddress::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn case_does_not_make_another_person() {
        let (one, two) = (EmailAddress::parse("Ann@Example.com"), EmailAddress::parse("ann@eXample.COM"));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.normalised(), two.normalised());
        assert_eq!((one.given(), one.local_part()), ("Ann@Example.com", "ann"));
    }
}
