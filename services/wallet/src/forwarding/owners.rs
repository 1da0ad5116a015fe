//! Connections to other replicas: one per address, made when it is needed, kept while it lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fault::Fault;
use http::header::TE;
use http::{HeaderValue, Version};
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt as _;

use super::{HttpRequest, HttpResponse};

/// A replica that does not even accept a connection is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How soon a replica that vanished without a word is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Replicas that are gone are forgotten when so many addresses are known.
const KNOWN_MAX: usize = 64;
const WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Connections by address.
#[derive(Clone, Default)]
pub(super) struct Owners(Arc<Mutex<HashMap<String, Channel>>>);

impl Owners {
    /// Sends a request as it is to the replica at `address`.
    pub(super) async fn send(&self, address: &str, mut request: HttpRequest) -> fault::Result<HttpResponse> {
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        request.extensions_mut().clear();
        let channel = self.channel(address)?;
        channel.oneshot(request).await.map_err(|error| Fault::unavailable("ledger_not_served_here", error))
    }

    fn channel(&self, address: &str) -> fault::Result<Channel> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = known.get(address) {
            return Ok(channel.clone());
        }
        if known.len() >= KNOWN_MAX {
            known.clear(); // calls under way keep theirs
        }
        let channel = connect_lazily(address)?;
        known.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}

fn connect_lazily(address: &str) -> fault::Result<Channel> {
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(Fault::internal)?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_connection_window_size(WINDOW_BYTES)
        .connect_lazy())
}
