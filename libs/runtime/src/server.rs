//! Serves one service's rpcs over the network, for fleets of several processes, and ends servers.
//!
//! A server that drains waits for its connections, and some never end by themselves: a request that
//! arrived by half, a client that does not answer the farewell of HTTP/2. [`until_drained`] gives
//! all of them a moment and then goes on without them.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use fault::Fault;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::Drain;
use crate::guard::GuardLayer;

/// Largest message that is accepted: a batch of 8 192 ledger operations fits.
pub(crate) const MESSAGE_MAX_BYTES: u32 = 16 * 1024 * 1024;
/// How long connections may take to finish after the drain has begun.
const FAREWELL: Duration = Duration::from_secs(5);

/// The address cannot be listened on.
#[must_use]
pub fn port_taken(address: SocketAddr, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::new(fault::Code::Unavailable, "port_taken", "An address cannot be listened on.")
        .with_fact("address", address)
        .with_source(error)
}

/// Serves `routes`, with health and reflection, on `address` until `drain`; calls that are running
/// then are finished.
///
/// # Errors
/// When the address cannot be bound or the server fails.
pub async fn serve_grpc(
    service: &'static str,
    address: SocketAddr,
    routes: Routes,
    guard: GuardLayer,
    drain: Drain,
) -> fault::Result<()> {
    let incoming =
        TcpIncoming::bind(address).map_err(|error| port_taken(address, error))?.with_nodelay(Some(true));
    let (_, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(contracts::DESCRIPTORS)
        .build_v1()
        .map_err(Fault::internal)?;
    tracing::info!(service, %address, "serving gRPC");
    let server = Server::builder()
        .initial_connection_window_size(MESSAGE_MAX_BYTES)
        .layer(guard)
        .add_routes(routes.add_service(health).add_service(reflection))
        .serve_with_incoming_shutdown(incoming, drain.clone().cancelled_owned());
    until_drained(server, &drain).await
}

/// Runs a server that stops accepting on `drain`, and waits only so long for connections whose
/// other end does not let go. Whatever they still asked for may be asked again: every command is
/// idempotent.
///
/// # Errors
/// When the server fails.
pub async fn until_drained<E>(
    server: impl IntoFuture<Output = Result<(), E>>,
    drain: &Drain,
) -> fault::Result<()>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let overdue = async {
        drain.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        ended = server.into_future() => ended.map_err(Fault::internal),
        () = overdue => {
            tracing::warn!("connections that would not end were cut");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    #[allow(clippy::disallowed_methods, reason = "a test's own task")]
    async fn a_request_that_never_arrives_does_not_keep_a_server_from_ending() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain::new();
        let server = axum::serve(listener, axum::Router::new())
            .with_graceful_shutdown(drain.clone().cancelled_owned());
        let ended = tokio::spawn({
            let drain = drain.clone();
            async move { until_drained(server, &drain).await }
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /half").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await; // the server reads it
        drain.cancel();
        let ended = tokio::time::timeout(FAREWELL + Duration::from_secs(5), ended).await;
        ended.expect("ended in time").unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_runs_as_long_as_nobody_drains_it() {
        let server = async {
            tokio::time::sleep(FAREWELL * 100).await;
            Err::<(), _>("broken")
        };
        assert!(until_drained(server, &Drain::new()).await.is_err());
    }
}
