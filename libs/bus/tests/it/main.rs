//! The bus against a real PostgreSQL and a real nats-server, which is killed now and then.

mod consuming;
mod fixtures;
mod outage;
mod relaying;
