//! Where a request comes from and which host it asks for.
//!
//! The socket's peer is believed; what headers claim is believed only when the peer is a configured
//! proxy. Of a chain of forwarders the first one from the right that is no trusted proxy counts:
//! everything left of it was written by strangers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use fault::Fault;
use http::request::Parts;
use ipnet::IpNet;

use crate::listener::Peer;

/// The networks whose forwarding headers are believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Reads addresses and networks.
    ///
    /// # Errors
    /// `InvalidInput` when one is neither.
    pub fn new(texts: &[String]) -> fault::Result<Self> {
        let texts = texts.iter().filter(|text| !text.is_empty());
        texts.map(|text| network(text)).collect::<fault::Result<_>>().map(Self)
    }

    /// The address of the client.
    #[must_use]
    pub fn client(&self, parts: &Parts) -> IpAddr {
        let peer = peer(parts);
        if !self.trusts(peer) {
            return peer;
        }
        let claimed = parts.headers.get_all("x-forwarded-for").into_iter().rev();
        let hops = claimed.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
        let addresses = hops.map_while(|hop| hop.trim().parse::<IpAddr>().ok());
        let mut nearest = peer;
        for address in addresses {
            nearest = address.to_canonical();
            if !self.trusts(nearest) {
                break;
            }
        }
        nearest
    }

    /// The host asked for, in lower case and without port.
    #[must_use]
    pub fn host(&self, parts: &Parts) -> Option<String> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let forwarded = if self.trusts(peer(parts)) { header("x-forwarded-host") } else { None };
        let host = forwarded.or_else(|| parts.uri.host()).or_else(|| header("host"))?;
        Some(without_port(host.trim()).to_ascii_lowercase()).filter(|host| !host.is_empty())
    }

    /// Whether the request came through a proxy whose headers are believed.
    #[must_use]
    pub fn is_forwarded(&self, parts: &Parts) -> bool {
        self.trusts(peer(parts))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The other end of the socket; a request that came without one (in tests) has no address.
fn peer(parts: &Parts) -> IpAddr {
    let plain = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let ours = || parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0);
    let address = plain.or_else(ours).map(|address| address.ip().to_canonical());
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn network(text: &str) -> fault::Result<IpNet> {
    let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    parsed.ok_or_else(|| {
        Fault::invalid("/gateway/trusted_proxies", "malformed", "A trusted proxy is no address or network.")
            .with_fact("value", text)
    })
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(peer: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri("/api/v1/me");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 9);
        request.extension(ConnectInfo(peer)).body(()).unwrap().into_parts().0
    }

    fn proxies() -> Proxies {
        Proxies::new(&["10.0.0.0/8".to_owned(), "::1".to_owned()]).unwrap()
    }

    #[test]
    fn only_trusted_proxies_may_say_where_a_request_comes_from() {
        let rows = [
            ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "garbage", "10.0.0.1"),
            ("10.0.0.1", "garbage, 198.51.100.1", "198.51.100.1"),
            ("::1", "198.51.100.1", "198.51.100.1"),
        ];
        for (peer, forwarded, expected) in rows {
            let parts = parts(peer, &[("x-forwarded-for", forwarded)]);
            assert_eq!(proxies().client(&parts).to_string(), expected, "{peer} {forwarded}");
        }
    }

    #[test]
    fn the_host_comes_without_port_and_in_lower_case() {
        let rows =
            [("Shop.Example:7480", "shop.example"), ("[::1]:7480", "::1"), ("127.0.0.1:7480", "127.0.0.1")];
        for (host, expected) in rows {
            let parts = parts("203.0.113.7", &[("host", host)]);
            assert_eq!(proxies().host(&parts).as_deref(), Some(expected));
        }
        assert_eq!(proxies().host(&parts("203.0.113.7", &[])), None);
    }

    #[test]
    fn a_forwarded_host_is_believed_only_from_a_proxy() {
        let headers = [("host", "a.example"), ("x-forwarded-host", "b.example")];
        assert_eq!(proxies().host(&parts("203.0.113.7", &headers)).as_deref(), Some("a.example"));
        assert_eq!(proxies().host(&parts("10.1.1.1", &headers)).as_deref(), Some("b.example"));
    }
}
