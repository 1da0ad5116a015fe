//! What the engine needs from a journal.

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use crate::Hash;

/// The right to write a partition, until somebody else gets a later epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: u16,
    /// Grows with every takeover.
    pub epoch: u64,
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Name of the process, unique among replicas and restarts.
    pub owner: String,
    /// Where it answers, for forwarding; may be empty.
    pub address: String,
}

/// The outcome of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours.
    Granted(Lease),
    /// Somebody else has it and it has not expired.
    Held(Holder),
}

/// One batch in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number in the partition, from 1, without gaps.
    pub sequence: u64,
    /// Epoch of its writer.
    pub epoch: u64,
    /// The batch.
    pub payload: Vec<u8>,
    /// Its link in the chain.
    pub hash: Hash,
}

/// The state of a partition after some row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The row.
    pub sequence: u64,
    /// The row's hash.
    pub hash: Hash,
    /// The state.
    pub payload: Vec<u8>,
}

/// Why a journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The lease is no longer ours; this call appended nothing.
    #[error("partition {}: epoch {} is over", .lease.partition, .lease.epoch)]
    Fenced {
        /// The lease that is over.
        lease: Lease,
    },
    /// There is a row with this number; this call appended nothing.
    #[error("partition {partition}: row {sequence} exists")]
    Taken {
        /// The partition.
        partition: u16,
        /// The number.
        sequence: u64,
    },
    /// The row before it is missing; this call appended nothing.
    #[error("partition {partition}: there is no row before {sequence}")]
    Gap {
        /// The partition.
        partition: u16,
        /// The number.
        sequence: u64,
    },
    /// No answer, or none that says what happened: the outcome is unknown.
    #[error("the journal cannot be reached")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// What is stored cannot be what was written.
    #[error("the journal is damaged: {0}")]
    Corrupt(String),
}

/// A journal of numbered batches per partition, with leases and snapshots.
pub trait Journal: Clone + Send + Sync + 'static {
    /// Asks for the lease of a partition for `ttl`. It is granted when nobody holds it, when it has
    /// expired, or when the same owner asks again; every grant begins a new epoch.
    fn acquire(
        &self,
        partition: u16,
        holder: &Holder,
        ttl: Duration,
    ) -> impl Future<Output = Result<Claim, JournalError>> + Send;

    /// Prolongs a lease; [`JournalError::Fenced`] when it is over.
    fn renew(&self, lease: Lease, ttl: Duration) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Gives a lease up at once; nothing happens when it is over already.
    fn release(&self, lease: Lease) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Who holds the partition, if anybody does.
    fn holder(&self, partition: u16) -> impl Future<Output = Result<Option<Holder>, JournalError>> + Send;

    /// Appends a row; durable when it answers `Ok`. A call whose outcome is unknown may be repeated
    /// with the same row: it then answers `Ok` or, if the row is there, [`JournalError::Taken`].
    fn append(&self, lease: Lease, row: &Row) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// At most `limit` rows after `sequence`, in order.
    fn read(
        &self,
        partition: u16,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Row>, JournalError>> + Send;

    /// Keeps a snapshot, and forgets all but the newest two.
    fn save_snapshot(
        &self,
        lease: Lease,
        snapshot: &Snapshot,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// The newest snapshot.
    fn latest_snapshot(
        &self,
        partition: u16,
    ) -> impl Future<Output = Result<Option<Snapshot>, JournalError>> + Send;
}

impl JournalError {
    /// No answer that says what happened.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}
