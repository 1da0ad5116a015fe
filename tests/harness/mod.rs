//! What flows and faults share: a fleet to talk to, customers who buy, and an ear on the events.
//!
//! [`Fleet`] runs either in this process or with every service in a process of its own; what is
//! written against it holds for both.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "tests")]

pub mod books;
pub mod customer;
pub mod device;
pub mod events;
pub mod fleet;
pub mod oidc;
pub mod outside;
pub mod processes;

use std::time::Duration;

pub use customer::Customer;
pub use events::Ear;
pub use fleet::Fleet;
pub use outside::Outside;

/// Asks again until `probe` answers something, at most `limit`.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
