//! The journal on KurrentDB: a stream per partition, a batch per event.
//!
//! 1. Leases and snapshots stay in another journal `L`, in production PostgreSQL: KurrentDB has no
//!    lock with a time, and a snapshot is larger than an event may be.
//! 2. An append says which event it expects to be the last one; of two writers one is refused.
//! 3. A takeover appends a *fence*, an event without a batch, before it is granted. It moves the end
//!    of the stream, so that a stale writer is refused also when its successor has not appended yet.
//! 4. Fences shift batches: batch `n` is not the event `n`. [`offsets`] and [`reader`] find it.
//!
//! An append without an answer may be on its way still. Repeating it is safe: it expects the same
//! last event, so only one of the two gets in, and the end of the stream says which batches are there.

mod connection;
mod event;
mod line;
mod offsets;
mod reader;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kurrentdb::ClientSettings;

use crate::{Claim, Holder, Journal, JournalError, Lease, Row, Snapshot};
use connection::Connection;
use line::Line;
use offsets::Offsets;
use writer::Tail;

/// Batches in KurrentDB, leases and snapshots in `L`.
#[derive(Clone)]
pub struct KurrentJournal<L>(Arc<Inner<L>>);

struct Inner<L> {
    leases: L,
    prefix: String,
    connection: Connection,
    writers: Mutex<HashMap<u16, Writer>>,
    offsets: Mutex<HashMap<u16, Offsets>>,
}

/// What this process needs to write a stream.
type Writer = Arc<tokio::sync::Mutex<Slot>>;

#[derive(Default)]
struct Slot {
    /// The end of the stream as far as it is certain; nothing when it must be looked for.
    tail: Option<Tail>,
    line: Option<Line>,
}

/// The address is none of a KurrentDB. It is not repeated here: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no address of a KurrentDB (kurrentdb://user:password@host:2113?tls=true)")]
pub struct InvalidAddress;

impl<L: Journal> KurrentJournal<L> {
    /// The journal in the streams `<prefix>-<partition>` of the server or cluster at `address`.
    /// No connection is made before it is needed.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn new(address: &str, prefix: &str, leases: L) -> Result<Self, InvalidAddress> {
        let settings = settings(address).ok_or(InvalidAddress)?;
        Ok(Self(Arc::new(Inner {
            leases,
            prefix: prefix.to_owned(),
            connection: Connection::new(settings),
            writers: Mutex::default(),
            offsets: Mutex::default(),
        })))
    }

    fn stream(&self, partition: u16) -> String {
        format!("{}-{partition}", self.0.prefix)
    }

    fn leases(&self) -> &L {
        &self.0.leases
    }

    fn connection(&self) -> &Connection {
        &self.0.connection
    }

    fn writer(&self, partition: u16) -> Writer {
        let mut all = self.0.writers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(partition).or_default())
    }

    fn offsets(&self) -> MutexGuard<'_, HashMap<u16, Offsets>> {
        self.0.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client pauses for the discovery interval also before its first attempt: half a second, unless
/// the address says otherwise, for which a partition would stand still after every lost connection.
fn settings(address: &str) -> Option<ClientSettings> {
    let settled = address.to_ascii_lowercase().contains("discoveryinterval=");
    let joint = if address.contains('?') { '&' } else { '?' };
    let quick = if settled { String::new() } else { format!("{joint}discoveryInterval=50") };
    format!("{address}{quick}").parse().ok()
}

impl<L: Journal> Journal for KurrentJournal<L> {
    async fn acquire(&self, partition: u16, holder: &Holder, ttl: Duration) -> Result<Claim, JournalError> {
        let claim = self.leases().acquire(partition, holder, ttl).await?;
        let Claim::Granted(lease) = claim else { return Ok(claim) };
        if let Err(error) = self.take_over(lease).await {
            tracing::warn!(partition, epoch = lease.epoch, %error, "the stream was not taken over");
            // Not worth more than an attempt: it also ends by itself.
            if let Err(kept) = self.leases().release(lease).await {
                tracing::warn!(partition, error = %kept, "the lease was not released");
            }
            return Err(error);
        }
        Ok(claim)
    }

    async fn renew(&self, lease: Lease, ttl: Duration) -> Result<(), JournalError> {
        self.leases().renew(lease, ttl).await
    }

    async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        self.leases().release(lease).await
    }

    async fn holder(&self, partition: u16) -> Result<Option<Holder>, JournalError> {
        self.leases().holder(partition).await
    }

    async fn append(&self, lease: Lease, row: &Row) -> Result<(), JournalError> {
        self.append_row(lease, row).await
    }

    async fn read(&self, partition: u16, after: u64, limit: u32) -> Result<Vec<Row>, JournalError> {
        self.rows(partition, after, limit).await
    }

    async fn save_snapshot(&self, lease: Lease, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.leases().save_snapshot(lease, snapshot).await
    }

    async fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, JournalError> {
        self.leases().latest_snapshot(partition).await
    }
}
