//! Which hosts a rule or a tenant means: one host, every subdomain of one, or any host of the tenant.

use std::fmt;

const LENGTH_MAX: usize = 253;
const LABEL_LENGTH_MAX: usize = 63;

/// A pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// Every host of the tenant. Written as nothing.
    Any,
    /// This host.
    Exact(String),
    /// Every host below this one, not the host itself; keeps `.example.com` for `*.example.com`.
    Below(String),
}

impl HostPattern {
    /// The pattern that `text` writes; `None` when it is no host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Any);
        }
        match text.strip_prefix("*.") {
            Some(parent) if parent.contains('.') && is_host(parent) => {
                Some(Self::Below(format!(".{parent}")))
            }
            Some(_) => None,
            None => is_host(text).then(|| Self::Exact(text.to_owned())),
        }
    }

    /// Whether the pattern means `host`.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(own) => own == host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        }
    }

    /// Whether every host that `other` means is meant by this pattern too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) => false,
            (_, Self::Exact(host)) => self.matches(host),
            (Self::Below(wide), Self::Below(narrow)) => narrow.ends_with(wide.as_str()),
            (Self::Exact(_), Self::Below(_)) => false,
        }
    }

    /// What the index files it under: any host, a host, or the end of a host.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Any => "",
            Self::Exact(text) | Self::Below(text) => text,
        }
    }

    /// How much it says: a host more than a suffix, a long suffix more than a short one.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Below(suffix) => suffix.len(),
            Self::Exact(_) => usize::MAX,
        }
    }

    /// A host that the pattern means.
    pub(crate) fn sample(&self, otherwise: &str) -> String {
        match self {
            Self::Any => otherwise.to_owned(),
            Self::Exact(host) => host.clone(),
            Self::Below(suffix) => format!("sample{suffix}"),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Exact(host) => f.write_str(host),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// The keys under which patterns that mean `host` are filed.
pub(crate) fn keys(host: &str) -> impl Iterator<Item = &str> {
    let ends = host.match_indices('.').filter(|(at, _)| *at > 0).map(|(at, _)| &host[at..]);
    [host].into_iter().chain(ends).chain([""])
}

/// A name in lower case, or an address: what stands in a `Host` header without the port.
fn is_host(text: &str) -> bool {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= LENGTH_MAX && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_patterns() {
        for text in
            ["", "shop.example", "localhost", "127.0.0.1", "::1", "*.shop.example", "xn--bcher-kva.example"]
        {
            assert_eq!(HostPattern::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["Shop.example", "*", "*.example", "a.*.b", "a..b", "-a.b", "a_b.c", "a b", "a.b:80", "a/b"]
        {
            assert_eq!(HostPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_wildcard_means_what_is_below_and_not_the_host_itself() {
        let below = HostPattern::parse("*.shops.example").unwrap();
        assert!(below.matches("a.shops.example") && below.matches("a.b.shops.example"));
        assert!(!below.matches("shops.example") && !below.matches("evilshops.example"));
        assert!(below.covers(&HostPattern::parse("a.shops.example").unwrap()));
        assert!(below.covers(&HostPattern::parse("*.a.shops.example").unwrap()));
        assert!(!HostPattern::parse("*.a.shops.example").unwrap().covers(&below));
        assert!(!below.covers(&HostPattern::Any));
    }

    #[test]
    fn a_host_is_looked_up_under_itself_and_its_ends() {
        let keys: Vec<_> = keys("a.b.example").collect();
        assert_eq!(keys, ["a.b.example", ".b.example", ".example", ""]);
    }
}
