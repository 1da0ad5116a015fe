//! Which addresses may be connected to.
//!
//! Webhooks and sign-in providers are named by tenants, so without a guard they could make the fleet
//! speak to the inside of the operator's network. A name is checked after it was looked up, and exactly the
//! addresses that passed are connected to, so a name that changes its mind in between (rebinding)
//! gains nothing. Redirects are not followed, and no proxy of the environment is used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use fault::Fault;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

const URL_LENGTH_MAX: usize = 2_000;
/// Not for the public, or not for one host (RFC 6890 and its successors).
const FORBIDDEN_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10", // shared by carriers
    "127.0.0.0/8",
    "169.254.0.0/16", // link-local, and the metadata of clouds
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// Parts of 2000::/3, the only part of IPv6 that is public, that are not.
const FORBIDDEN_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16"];

/// The guard.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    allow_http: bool,
    allowed: Vec<IpNet>,
    forbidden: Vec<IpNet>,
}

/// A name that leads nowhere we go.
#[derive(Debug, thiserror::Error)]
#[error("the address is not allowed")]
struct Forbidden;

impl Guard {
    /// A guard that also lets through `allowed` networks (`127.0.0.0/8`), for development.
    ///
    /// # Errors
    /// When one of them is no network.
    pub fn new(allow_http: bool, allowed: &[String]) -> fault::Result<Self> {
        let malformed = |_| Fault::invalid("/allowed_networks", "malformed", "This is no network.");
        let network = |text: &String| text.parse().map_err(malformed);
        let allowed = allowed.iter().filter(|text| !text.is_empty()).map(network);
        let forbidden = FORBIDDEN_V4.iter().chain(&FORBIDDEN_V6).filter_map(|text| text.parse().ok());
        let (allowed, forbidden) = (allowed.collect::<fault::Result<_>>()?, forbidden.collect());
        Ok(Self(Arc::new(Rules { allow_http, allowed, forbidden })))
    }

    /// Whether this address may be connected to.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let rules = &self.0;
        if rules.allowed.iter().any(|network| network.contains(&address)) {
            return true;
        }
        match address {
            IpAddr::V4(v4) => !rules.forbidden.iter().any(|network| network.contains(&IpAddr::V4(v4))),
            IpAddr::V6(v6) => match embedded(v6) {
                Some(v4) => self.permits(IpAddr::V4(v4)),
                None => {
                    v6.segments()[0] & 0xe000 == 0x2000
                        && !rules.forbidden.iter().any(|network| network.contains(&address))
                }
            },
        }
    }

    /// What an address must be, as far as it can be said without looking it up; a refusal points at
    /// `/url`.
    ///
    /// # Errors
    /// Invalid input with `too_long`, `malformed`, `needs_https` or `address_not_allowed`.
    pub fn check(&self, text: &str) -> fault::Result<Url> {
        let refused = |code| Fault::invalid("/url", code, "This address cannot be spoken to.");
        if text.len() > URL_LENGTH_MAX {
            return Err(refused("too_long"));
        }
        let url = Url::parse(text).map_err(|_| refused("malformed"))?;
        match url.scheme() {
            "https" => {}
            "http" if self.0.allow_http => {}
            "http" => return Err(refused("needs_https")),
            _ => return Err(refused("malformed")),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(refused("malformed"));
        }
        match self.literal(&url) {
            Some(false) => Err(refused("address_not_allowed")),
            _ if url.host().is_none() => Err(refused("malformed")),
            _ => Ok(url),
        }
    }

    /// Whether an address written as a number may be connected to; none for names. Numbers never
    /// reach the resolver, so this is their only check.
    #[must_use]
    pub fn literal(&self, url: &Url) -> Option<bool> {
        match url.host()? {
            Host::Ipv4(address) => Some(self.permits(address.into())),
            Host::Ipv6(address) => Some(self.permits(address.into())),
            Host::Domain(_) => None,
        }
    }

    fn sift(&self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
        let permitted: Vec<_> = found.filter(|address| self.permits(address.ip())).collect();
        if permitted.is_empty() { Err(Forbidden) } else { Ok(permitted) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Addrs = Box::new(guard.sift(found)?.into_iter());
            Ok(permitted)
        })
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated (NAT64), 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let [_, _, a, b, c, d, ..] = address.octets();
    let last = || {
        let [.., w, x, y, z] = address.octets();
        Ipv4Addr::new(w, x, y, z)
    };
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last()),
        [0x2002, ..] => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> Guard {
        Guard::new(false, &[]).unwrap()
    }

    #[test]
    fn the_inside_is_forbidden_however_it_is_written() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!strict().permits(inside.parse().unwrap()), "{inside}");
        }
        for outside in
            ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
        {
            assert!(strict().permits(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn addresses_are_checked_before_they_are_kept() {
        let code =
            |guard: &Guard, url: &str| guard.check(url).err().map(|fault| fault.violations()[0].code.clone());
        let rows = [
            ("https://hooks.example/in?a=b", None),
            ("http://hooks.example/in", Some("needs_https")),
            ("ftp://hooks.example/in", Some("malformed")),
            ("https://user:pass@hooks.example/", Some("malformed")),
            ("https://hooks.example/#part", Some("malformed")),
            ("hooks.example", Some("malformed")),
            ("https://127.0.0.1/", Some("address_not_allowed")),
            ("https://2130706433/", Some("address_not_allowed")),
            ("https://0x7f.1/", Some("address_not_allowed")),
            ("https://0177.0.0.1/", Some("address_not_allowed")),
            ("https://[::ffff:a00:1]/", Some("address_not_allowed")),
            ("https://[fd00:ec2::254]/", Some("address_not_allowed")),
        ];
        for (url, expected) in rows {
            assert_eq!(code(&strict(), url).as_deref(), expected, "{url}");
        }
        let development = Guard::new(true, &["127.0.0.0/8".to_owned()]).unwrap();
        assert_eq!(code(&development, "http://127.0.0.1:9000/"), None);
        assert!(Guard::new(false, &["nonsense".to_owned()]).is_err());
    }

    #[test]
    fn of_what_a_name_leads_to_only_the_outside_is_connected_to() {
        let found = ["10.0.0.1:0", "1.1.1.1:0"].map(|text| text.parse().unwrap());
        assert_eq!(strict().sift(found.into_iter()).unwrap(), ["1.1.1.1:0".parse().unwrap()]);
        assert!(strict().sift(found.into_iter().take(1)).is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_it_is_looked_up() {
        assert!(strict().resolve("localhost".parse().unwrap()).await.is_err());
        let development = Guard::new(true, &["127.0.0.0/8".to_owned(), "::1/128".to_owned()]).unwrap();
        assert!(development.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
