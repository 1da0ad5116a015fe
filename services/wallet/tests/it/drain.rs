//! A drain does not wait for a recovery that takes long.

use std::sync::Arc;
use std::time::Duration;

use journal::{Claim, Holder, Journal, JournalError, Lease, MemoryJournal, Row, Snapshot};
use kernel::SystemClock;
use runtime::Drain;
use wallet::engine::{Ledger, run_partition};

use crate::fixtures::config;

/// A journal whose rows never come.
#[derive(Clone, Default)]
struct Endless(MemoryJournal);

impl Journal for Endless {
    async fn acquire(&self, partition: u16, holder: &Holder, ttl: Duration) -> Result<Claim, JournalError> {
        self.0.acquire(partition, holder, ttl).await
    }

    async fn renew(&self, lease: Lease, ttl: Duration) -> Result<(), JournalError> {
        self.0.renew(lease, ttl).await
    }

    async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        self.0.release(lease).await
    }

    async fn holder(&self, partition: u16) -> Result<Option<Holder>, JournalError> {
        self.0.holder(partition).await
    }

    async fn append(&self, lease: Lease, row: &Row) -> Result<(), JournalError> {
        self.0.append(lease, row).await
    }

    async fn read(&self, _: u16, _: u64, _: u32) -> Result<Vec<Row>, JournalError> {
        std::future::pending().await
    }

    async fn save_snapshot(&self, lease: Lease, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.0.save_snapshot(lease, snapshot).await
    }

    async fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, JournalError> {
        self.0.latest_snapshot(partition).await
    }
}

#[tokio::test]
async fn a_recovery_ends_when_the_process_drains_and_the_lease_is_given_back() {
    let (journal, drain) = (Endless::default(), Drain::new());
    let ledger = Ledger::new(config(), Arc::new(SystemClock));
    let running = Box::pin(run_partition(ledger, journal.clone(), 0, drain.clone()));
    let draining = async {
        while journal.holder(0).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drain.cancel();
    };
    let both = async { tokio::join!(running, draining).0 };
    let ended = tokio::time::timeout(Duration::from_secs(1), both).await;
    ended.expect("ended promptly").unwrap();
    assert_eq!(journal.holder(0).await.unwrap(), None);
}
