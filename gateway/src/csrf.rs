//! Forged requests: a page elsewhere can make a browser send cookies, and cannot lie about where it is.
//!
//! A request that changes something and is signed by a cookie must come from the tenant's own pages or
//! from an origin the tenant allows. Browsers say so in `Sec-Fetch-Site`, older ones in `Origin`; who
//! says neither is refused. No token has to be carried along, and none can leak.

use fault::{Code, Fault};
use http::HeaderMap;
use http::header;
use http::request::Parts;
use url::Url;

use crate::cookies;
use crate::gate::Gate;
use crate::plan::Plan;

impl Gate {
    /// Refuses what another site may have forged.
    ///
    /// # Errors
    /// 403 `request_forged`.
    pub(crate) fn must_be_meant(&self, plan: &Plan, parts: &Parts) -> fault::Result<()> {
        if (plan.opens_session || plan.binds_browser) && cookies::wished(&parts.headers) {
            return self.must_be_from_here(parts);
        }
        self.must_be_meant_by_cookie(parts)
    }

    /// As [`Gate::must_be_meant`], for what is no rpc.
    ///
    /// # Errors
    /// 403 `request_forged`.
    pub(crate) fn must_be_meant_by_cookie(&self, parts: &Parts) -> fault::Result<()> {
        if parts.method.is_safe() || !cookies::sign(&parts.headers) {
            return Ok(());
        }
        self.must_be_from_here(parts)
    }

    fn must_be_from_here(&self, parts: &Parts) -> fault::Result<()> {
        if self.is_from_here(parts) == Some(true) {
            return Ok(());
        }
        let message = "A request signed by a cookie must come from the shop's own pages.";
        Err(Fault::new(Code::Forbidden, "request_forged", message))
    }

    /// Whether a request comes from the tenant's pages; `None` when it does not say.
    pub(crate) fn is_from_here(&self, parts: &Parts) -> Option<bool> {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(origin) = text("origin") {
            let tenant = self.tenant_asked(parts);
            let allowed = tenant.is_some_and(|tenant| self.rules.known().allows_origin(tenant, origin));
            let own = self.proxies.host(parts).is_some_and(|host| is_own(origin, &host, &parts.headers));
            return Some(allowed || own);
        }
        text("sec-fetch-site").map(|site| matches!(site, "same-origin" | "none"))
    }
}

/// Whether an origin is the host that is asked. A proxy may have changed the port, a client may not.
fn is_own(origin: &str, host: &str, headers: &HeaderMap) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    let same_host = url.host_str().map(|name| name.trim_matches(['[', ']'])) == Some(host);
    let asked = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked_port = asked.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    same_host && asked_port.is_none_or(|port| url.port_or_known_default() == Some(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_own_when_host_and_port_are() {
        let headers = |host: &str| HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        assert!(is_own("https://shop.example", "shop.example", &headers("shop.example")));
        assert!(is_own("http://localhost:7480", "localhost", &headers("localhost:7480")));
        assert!(!is_own("http://localhost:5173", "localhost", &headers("localhost:7480")));
        assert!(!is_own("https://evil.example", "shop.example", &headers("shop.example")));
        assert!(!is_own("https://shop.example.evil.example", "shop.example", &headers("shop.example")));
        assert!(!is_own("null", "shop.example", &headers("shop.example")));
    }
}
