//! Calls of one rpc with an assertion that is fresh enough.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use auth::AssertionKeys;
use http::{Method, Request, Version};
use ids::TenantId;
use secrecy::SecretString;

use crate::stand::SECRET;

/// Assertions live for a minute.
const FRESH: Duration = Duration::from_secs(25);

/// Makes the heads of calls.
pub struct Caller {
    keys: AssertionKeys,
    tenant: TenantId,
    uri: String,
    head: RefCell<(Instant, Request<()>)>,
}

impl Caller {
    /// For an rpc of the ledger.
    pub fn new(address: SocketAddr, tenant: TenantId, rpc: &str) -> anyhow::Result<Self> {
        let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned()))?;
        let uri = format!("http://{address}/vbwd.wallet.v1.LedgerService/{rpc}");
        let head = RefCell::new((Instant::now(), head(&keys, tenant, &uri)?));
        Ok(Self { keys, tenant, uri, head })
    }

    /// The head of one call.
    pub fn call(&self) -> anyhow::Result<Request<()>> {
        let mut kept = self.head.borrow_mut();
        if kept.0.elapsed() > FRESH {
            *kept = (Instant::now(), head(&self.keys, self.tenant, &self.uri)?);
        }
        Ok(kept.1.clone())
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench runs in real time")]
fn head(keys: &AssertionKeys, tenant: TenantId, uri: &str) -> anyhow::Result<Request<()>> {
    let caller = auth::Caller::service("bench", tenant);
    let assertion = keys.sign("bench", &caller, jiff::Timestamp::now())?;
    let head = Request::builder().method(Method::POST).version(Version::HTTP_2).uri(uri);
    let head = head.header("te", "trailers").header("content-type", "application/grpc");
    Ok(head.header(auth::METADATA_KEY, &*assertion).body(())?)
}
