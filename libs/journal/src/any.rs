//! The journal that an installation has chosen.
//!
//! One type for all of them, so that whoever builds a process does not multiply it by their number.
//! Built without the feature `kurrentdb` there is one choice, and asking for the other says so.
//! When you add a journal, add a variant here and a value to the wallet's setting `journal`.

use std::time::Duration;

#[cfg(feature = "kurrentdb")]
use crate::KurrentJournal;
use crate::{Claim, Holder, Journal, JournalError, Lease, PostgresJournal, Row, Snapshot};

/// One of the journals that are fit for production.
#[derive(Clone)]
#[non_exhaustive]
pub enum AnyJournal {
    /// Everything in PostgreSQL.
    Postgres(PostgresJournal),
    /// Batches in KurrentDB, leases and snapshots in PostgreSQL.
    #[cfg(feature = "kurrentdb")]
    Kurrent(KurrentJournal<PostgresJournal>),
}

/// Why KurrentDB cannot be used. The address is not repeated here: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The client is not in this program.
    #[error("this program was built without the feature kurrentdb")]
    NotBuilt,
    /// The address cannot be read.
    #[error("this is no address of a KurrentDB (kurrentdb://user:password@host:2113?tls=true)")]
    Address,
}

impl AnyJournal {
    /// Batches in the streams `<prefix>-<partition>` at `address`, the rest in `leases`. No connection
    /// is made before it is needed.
    ///
    /// # Errors
    /// When the address cannot be read, or the client is not in this program.
    #[cfg(feature = "kurrentdb")]
    pub fn kurrentdb(address: &str, prefix: &str, leases: PostgresJournal) -> Result<Self, Unusable> {
        let journal = KurrentJournal::new(address, prefix, leases);
        journal.map(Self::Kurrent).map_err(|crate::InvalidAddress| Unusable::Address)
    }

    /// Not in this program: it was built without the feature `kurrentdb`.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "kurrentdb"))]
    pub fn kurrentdb(_address: &str, _prefix: &str, _leases: PostgresJournal) -> Result<Self, Unusable> {
        Err(Unusable::NotBuilt)
    }
}

macro_rules! either {
    ($self:ident, $journal:ident => $call:expr) => {
        match $self {
            Self::Postgres($journal) => $call,
            #[cfg(feature = "kurrentdb")]
            Self::Kurrent($journal) => $call,
        }
    };
}

impl Journal for AnyJournal {
    async fn acquire(&self, partition: u16, holder: &Holder, ttl: Duration) -> Result<Claim, JournalError> {
        either!(self, journal => journal.acquire(partition, holder, ttl).await)
    }

    async fn renew(&self, lease: Lease, ttl: Duration) -> Result<(), JournalError> {
        either!(self, journal => journal.renew(lease, ttl).await)
    }

    async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        either!(self, journal => journal.release(lease).await)
    }

    async fn holder(&self, partition: u16) -> Result<Option<Holder>, JournalError> {
        either!(self, journal => journal.holder(partition).await)
    }

    async fn append(&self, lease: Lease, row: &Row) -> Result<(), JournalError> {
        either!(self, journal => journal.append(lease, row).await)
    }

    async fn read(&self, partition: u16, after: u64, limit: u32) -> Result<Vec<Row>, JournalError> {
        either!(self, journal => journal.read(partition, after, limit).await)
    }

    async fn save_snapshot(&self, lease: Lease, snapshot: &Snapshot) -> Result<(), JournalError> {
        either!(self, journal => journal.save_snapshot(lease, snapshot).await)
    }

    async fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, JournalError> {
        either!(self, journal => journal.latest_snapshot(partition).await)
    }
}
