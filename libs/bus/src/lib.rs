//! What services tell each other after the fact.
//!
//! The outbox is the event table itself: [`run_relay`] tails it and publishes to JetStream, in
//! order per aggregate, each event with its id as `Nats-Msg-Id`, and saves its cursor only behind
//! acknowledged events. So everything is published at least once. [`run_consumer`] makes that once:
//! the id goes into the inbox table in the transaction of the effect. What cannot be handled ends
//! in the dead-letter table and can be replayed.
//!
//! Broker data is disposable: [`republish`] fills a stream again from the store. Only what
//! nats-server 2.9 does is used.

mod cloud_event;
mod connection;
mod consumer;
mod handling;
mod json;
mod metrics;
mod outbound;
mod outbox;
mod publish;
mod relay;
mod tenant_purged;

pub use cloud_event::CloudEvent;
pub use connection::Bus;
pub use consumer::{Consumer, Limits, run_consumer};
pub use handling::replay;
pub use json::{canonical_json, from_canonical_json};
pub use outbound::Outbound;
pub use outbox::{EventOutbox, OutboxSource};
pub use relay::{republish, run_relay};
pub use tenant_purged::OnTenantPurged;
