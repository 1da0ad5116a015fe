//! Outbox relay to JetStream and consumers with an inbox.
