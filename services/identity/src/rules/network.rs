//! Sources as networks: which one an address belongs to, and which ones hold it.
//!
//! An IPv4 address stands for itself and an IPv6 address for its /64, which is what one customer has:
//! whoever owns one could otherwise take a new address for every guess.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const IPV6_PREFIX: u8 = 64;
/// No wider network is blocked by hand: a slip of the finger would lock out a continent.
const WIDEST_IPV4: u8 = 8;
const WIDEST_IPV6: u8 = 32;

/// A network that calls come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// The source that a call from `origin` belongs to; none of a call without an address.
    #[must_use]
    pub fn of(origin: &str) -> Option<Self> {
        let address = origin.parse::<IpAddr>().ok()?.to_canonical();
        if address.is_unspecified() {
            return None;
        }
        let network = match address {
            IpAddr::V4(four) => IpNet::V4(Ipv4Net::from(four)),
            IpAddr::V6(six) => IpNet::V6(Ipv6Net::new(six, IPV6_PREFIX).ok()?.trunc()),
        };
        Some(Self(network))
    }

    /// A network that somebody names: an address, or an address with a prefix.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.contains('/') {
            return Self::of(text);
        }
        let network = text.parse::<IpNet>().ok()?.trunc();
        let widest = if network.addr().is_ipv4() { WIDEST_IPV4 } else { WIDEST_IPV6 };
        let narrowest = if network.addr().is_ipv4() { 32 } else { IPV6_PREFIX };
        (widest..=narrowest).contains(&network.prefix_len()).then_some(Self(network))
    }

    /// Whether it holds the other one.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// This network and every wider one that may be blocked, as they are stored.
    #[must_use]
    pub fn enclosing(&self) -> Vec<String> {
        let widest = if self.0.addr().is_ipv4() { WIDEST_IPV4 } else { WIDEST_IPV6 };
        let wider =
            (widest..=self.0.prefix_len()).filter_map(|prefix| IpNet::new(self.0.addr(), prefix).ok());
        wider.map(|network| network.trunc().to_string()).collect()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether one of `allowed`, addresses and networks of any width, holds the source. Words that are
/// neither hold nothing.
#[must_use]
pub fn is_allowed(allowed: &[String], source: &Network) -> bool {
    allowed.iter().filter_map(|text| allowed_network(text)).any(|network| network.contains(&source.0))
}

/// An entry of a list of allowed networks.
#[must_use]
pub fn allowed_network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>().ok().map(|network| network.trunc()).or_else(|| Network::of(text).map(|one| one.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_sources() {
        let rows = [
            ("203.0.113.7", Some("203.0.113.7/32")),
            ("::ffff:203.0.113.7", Some("203.0.113.7/32")),
            ("2001:db8:0:1::7", Some("2001:db8:0:1::/64")),
            ("2001:db8:0:1:ffff::9", Some("2001:db8:0:1::/64")),
            ("0.0.0.0", None),
            ("::", None),
            ("unix", None),
            ("", None),
        ];
        for (origin, expected) in rows {
            assert_eq!(Network::of(origin).map(|one| one.to_string()).as_deref(), expected, "{origin}");
        }
    }

    #[test]
    fn the_table_of_named_networks() {
        let rows = [
            ("203.0.113.7", Some("203.0.113.7/32")),
            (" 203.0.113.7/24 ", Some("203.0.113.0/24")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("0.0.0.0/0", None),
            ("10.0.0.0/7", None),
            ("2001:db8::1", Some("2001:db8::/64")),
            ("2001:db8::/48", Some("2001:db8::/48")),
            ("2001:db8::1/128", None),
            ("2000::/16", None),
            ("everybody", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Network::named(text).map(|one| one.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_source_lies_in_the_networks_around_it() {
        let source = Network::of("203.0.113.7").unwrap();
        let around = source.enclosing();
        assert_eq!(around.len(), 25);
        assert!(
            ["203.0.0.0/8", "203.0.113.0/24", "203.0.113.7/32"]
                .iter()
                .all(|one| around.contains(&(*one).to_owned()))
        );
        assert!(Network::named("203.0.113.0/24").unwrap().holds(&source));
        assert!(!Network::named("203.0.114.0/24").unwrap().holds(&source));
        assert_eq!(Network::of("2001:db8::1").unwrap().enclosing().len(), 33);
    }

    #[test]
    fn allowed_networks_hold_sources_and_garbage_holds_none() {
        let allowed = ["garbage", "198.51.100.0/24", "2001:db8::/32"].map(str::to_owned);
        for (origin, expected) in
            [("198.51.100.9", true), ("198.51.101.9", false), ("2001:db8:5::1", true), ("2001:db9::1", false)]
        {
            assert_eq!(is_allowed(&allowed, &Network::of(origin).unwrap()), expected, "{origin}");
        }
    }
}
