//! Serves one service's rpcs over the network, for fleets of several processes.

use std::net::SocketAddr;

use fault::Fault;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::Drain;
use crate::guard::GuardLayer;

/// Largest message that is accepted: a batch of 8 192 ledger operations fits.
pub(crate) const MESSAGE_MAX_BYTES: u32 = 16 * 1024 * 1024;

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
    let incoming = TcpIncoming::bind(address)
        .map_err(|error| Fault::unavailable("port_taken", error).with_fact("address", address))?
        .with_nodelay(Some(true));
    let (_, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(contracts::DESCRIPTORS)
        .build_v1()
        .map_err(Fault::internal)?;
    tracing::info!(service, %address, "serving gRPC");
    Server::builder()
        .initial_connection_window_size(MESSAGE_MAX_BYTES)
        .layer(guard)
        .add_routes(routes.add_service(health).add_service(reflection))
        .serve_with_incoming_shutdown(incoming, drain.cancelled_owned())
        .await
        .map_err(Fault::internal)
}
