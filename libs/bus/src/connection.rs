//! The connection to NATS: made once, kept for ever, and the stream it publishes to.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, Event};
use fault::Fault;
use tokio::sync::watch;

/// How long a publish waits for its acknowledgement.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// How many publishes may wait for theirs.
const IN_FLIGHT_MAX: usize = 2_000;
/// Events older than this leave the broker; the store keeps them.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Within this time a repeated event id is dropped by the broker.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// The prefix that means: no prefix.
const DEFAULT_PREFIX: &str = "vbwd";

/// A connection to NATS that reconnects for ever.
#[derive(Clone)]
pub struct Bus {
    client: Client,
    jetstream: jetstream::Context,
    prefix: String,
    connections: watch::Receiver<u64>,
}

impl Bus {
    /// Connects, or goes on trying in the background. A `prefix` other than `vbwd` (or none) keeps
    /// fleets apart that share a server: stream `<PREFIX>_EVENTS` with subjects `<prefix>.evt.>`.
    ///
    /// # Errors
    /// The address is no address.
    pub async fn connect(url: &str, prefix: &str) -> fault::Result<Self> {
        let (connected, connections) = watch::channel(0_u64);
        let client = options(connected).connect(url).await.map_err(Fault::internal)?;
        let jetstream = ContextBuilder::new()
            .timeout(ACK_TIMEOUT)
            .max_ack_inflight(IN_FLIGHT_MAX)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let prefix = if prefix.is_empty() { DEFAULT_PREFIX } else { prefix };
        Ok(Self { client, jetstream, prefix: prefix.to_owned(), connections })
    }

    /// Whether the server can be reached right now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// The client, for what is not offered here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Name of the stream.
    #[must_use]
    pub fn stream_name(&self) -> String {
        format!("{}_EVENTS", self.prefix.to_uppercase().replace(['.', '-', ' '], "_"))
    }

    /// A subject with this bus's prefix.
    #[must_use]
    pub fn subject(&self, subject: &str) -> String {
        if self.prefix == DEFAULT_PREFIX { subject.to_owned() } else { format!("{}.{subject}", self.prefix) }
    }

    /// Makes the stream, or brings its settings up to date.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer.
    pub async fn ensure_stream(&self) -> fault::Result<()> {
        let wanted = self.stream_config();
        let found = self.jetstream.get_or_create_stream(wanted.clone()).await.map_err(broker)?;
        let current = &found.cached_info().config;
        if current.subjects != wanted.subjects || current.max_age != wanted.max_age {
            self.jetstream.update_stream(wanted).await.map_err(broker)?;
        }
        Ok(())
    }

    /// Resolves when the connection stands; at once if it does.
    pub(crate) async fn connected(&self) {
        let mut connections = self.connections.clone();
        while !self.is_connected() {
            if connections.changed().await.is_err() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Changes with every new connection.
    pub(crate) fn connections(&self) -> watch::Receiver<u64> {
        self.connections.clone()
    }

    pub(crate) fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    fn stream_config(&self) -> stream::Config {
        stream::Config {
            name: self.stream_name(),
            subjects: vec![self.subject("evt.>")],
            max_age: RETENTION,
            duplicate_window: DUPLICATE_WINDOW,
            storage: stream::StorageType::File,
            ..stream::Config::default()
        }
    }
}

fn options(connected: watch::Sender<u64>) -> ConnectOptions {
    ConnectOptions::new()
        .name("vbwd")
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            Duration::from_millis(50 * u64::try_from(attempt.min(20)).unwrap_or(20))
        })
        .event_callback(move |event| {
            if matches!(event, Event::Connected) {
                connected.send_modify(|count| *count += 1);
            }
            tracing::info!(%event, "nats");
            async {}
        })
}

/// The broker does not answer, or not as it should: try again.
pub(crate) fn broker(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::unavailable("broker_unavailable", error)
}
