//! The simulated journal as the engine sees it: the port, one call each.

use std::time::Duration;

use journal::{Claim, Holder, Journal, JournalError, Lease, Row, Snapshot};

use super::{Order, SimJournal, Told};

fn odd<T>(_: Told) -> Result<T, JournalError> {
    Err(JournalError::Corrupt("an answer to another question".to_owned()))
}

impl Journal for SimJournal {
    async fn acquire(&self, _: u16, holder: &Holder, ttl: Duration) -> Result<Claim, JournalError> {
        match self.call(Order::Acquire(holder.clone(), ttl)).await? {
            Told::Claim(claim) => Ok(claim),
            other => odd(other),
        }
    }

    async fn renew(&self, lease: Lease, ttl: Duration) -> Result<(), JournalError> {
        self.call(Order::Renew(lease, ttl)).await.map(drop)
    }

    async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        match self.renew(lease, Duration::ZERO).await {
            Err(JournalError::Fenced { .. }) => Ok(()),
            other => other,
        }
    }

    async fn holder(&self, _: u16) -> Result<Option<Holder>, JournalError> {
        match self.call(Order::Holder).await? {
            Told::Holder(holder) => Ok(holder),
            other => odd(other),
        }
    }

    async fn append(&self, lease: Lease, row: &Row) -> Result<(), JournalError> {
        self.call(Order::Append(lease, row.clone())).await.map(drop)
    }

    async fn read(&self, _: u16, after: u64, limit: u32) -> Result<Vec<Row>, JournalError> {
        match self.call(Order::Read(after, limit)).await? {
            Told::Rows(rows) => Ok(rows),
            other => odd(other),
        }
    }

    async fn save_snapshot(&self, lease: Lease, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.call(Order::Save(lease, snapshot.clone())).await.map(drop)
    }

    async fn latest_snapshot(&self, _: u16) -> Result<Option<Snapshot>, JournalError> {
        match self.call(Order::Latest).await? {
            Told::Snapshot(snapshot) => Ok(snapshot),
            other => odd(other),
        }
    }
}
