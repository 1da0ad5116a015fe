//! What is asked of the rules: the parts of a request that they look at, in one normal form.

use crate::path::normalise;

/// A request, as far as rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// In lower case, without port.
    pub host: String,
    /// Normal: see [`normalise`].
    pub path: String,
    /// The language the client likes best, in lower case: `de-at`.
    pub language: Option<String>,
    /// ISO 3166, in upper case; only where a trusted proxy says so.
    pub country: Option<String>,
}

impl Question {
    /// The question a request asks.
    #[must_use]
    pub fn new(host: &str, path: &str, accept_language: &str, country: Option<&str>) -> Self {
        let country = country.map(str::to_ascii_uppercase).filter(|code| is_country(code));
        Self {
            host: host.to_ascii_lowercase(),
            path: normalise(path),
            language: preferred_language(accept_language),
            country,
        }
    }
}

/// The language that an `Accept-Language` header likes best; of equals the first.
#[must_use]
pub fn preferred_language(header: &str) -> Option<String> {
    let mut best: Option<(f32, &str)> = None;
    for range in header.split(',').take(32) {
        let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |text| text.parse().ok());
        let Some(weight) = weight.filter(|weight: &f32| *weight > 0.0 && *weight <= 1.0) else { continue };
        if best.is_none_or(|(heaviest, _)| weight > heaviest) {
            best = Some((weight, tag.trim()));
        }
    }
    best.map(|(_, tag)| tag.to_ascii_lowercase()).filter(|tag| is_language(tag))
}

/// A BCP 47 tag in lower case.
pub(crate) fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let primary = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase());
    let other = |part: &str| {
        (1..=8).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    tag.len() <= 35 && primary && parts.all(other)
}

/// An ISO 3166 code in upper case.
pub(crate) fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_liked_best() {
        let rows = [
            ("de", Some("de")),
            ("fr;q=0.5, de-AT, en", Some("de-at")),
            ("fr;q=0.5, en;q=0.7", Some("en")),
            ("*", None),
            ("en;q=0", None),
            ("", None),
            ("en;q=abc, de;q=0.1", Some("de")),
            ("'; DROP TABLE", None),
        ];
        for (header, expected) in rows {
            assert_eq!(preferred_language(header).as_deref(), expected, "{header}");
        }
    }

    #[test]
    fn what_is_no_country_is_none() {
        assert_eq!(Question::new("A.example", "/", "", Some("de")).country.as_deref(), Some("DE"));
        for nonsense in ["", "D", "DEU", "T1", "1", "<>"] {
            assert_eq!(Question::new("a.example", "/", "", Some(nonsense)).country, None, "{nonsense}");
        }
    }
}
