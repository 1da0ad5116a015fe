//! The settings of this service. The defaults are fit for production.

use std::time::Duration;

use fault::Fault;
use runtime::config::Secret;
use serde::{Deserialize, Serialize};

/// Most partitions an installation can have.
pub const PARTITIONS_MAX: u16 = 16;

/// Where the batches of the ledger are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalKind {
    /// In the wallet's own database.
    #[default]
    Postgres,
    /// In KurrentDB; leases and snapshots stay in the wallet's own database.
    KurrentDb,
}

impl JournalKind {
    /// As it stands in settings and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::KurrentDb => "kurrentdb",
        }
    }
}

/// Settings of the wallet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the ledger's batches are kept, `postgres` or `kurrentdb`; not to be changed later.
    pub journal: JournalKind,
    /// Address of KurrentDB, `kurrentdb://user:password@host:2113?tls=true`.
    pub kurrentdb_url: Secret,
    /// Beginning of the names of the streams in KurrentDB; one installation each.
    pub kurrentdb_stream_prefix: String,
    /// Partitions of the ledger; fixed when the first process starts on an empty database.
    pub partitions: u16,
    /// Name of this process among the replicas, which no two may share; empty makes one up at every
    /// start. `vbwd ledger partitions` shows it and takes it.
    pub owner: String,
    /// Where other replicas reach this process, `http://10.0.0.7:7101`: they pass on calls for the
    /// partitions that it owns. When empty, it is where the wallet listens, if that is one address.
    pub address: String,
    /// How long a dead owner keeps its partitions from others.
    pub lease_milliseconds: u32,
    /// Most operations of one batch.
    pub batch_operations_max: usize,
    /// Most operations that wait in a partition; more are refused.
    pub queued_operations_max: usize,
    /// How many operations a partition remembers at least, to recognise repetitions of ids that say
    /// their time; older ids are refused.
    pub remembered_operations: usize,
    /// A snapshot is taken after so many operations …
    pub snapshot_operations: u64,
    /// … or so many batches, whichever comes first.
    pub snapshot_batches: u64,
    /// For how long an append is repeated before its callers are told that the outcome is unknown.
    pub append_patience_milliseconds: u32,
    /// For how long a call waits for its partition while it is recovered or changes its owner. More
    /// than a lease, so that calls outlast the takeover from a dead owner.
    pub service_wait_milliseconds: u32,
    /// For how long a read waits for the position it asked for.
    pub position_wait_milliseconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            journal: JournalKind::default(),
            kurrentdb_url: Secret::default(),
            kurrentdb_stream_prefix: "vbwd-ledger".to_owned(),
            partitions: 4,
            owner: String::new(),
            address: String::new(),
            lease_milliseconds: 3_000,
            batch_operations_max: 8_192,
            queued_operations_max: 65_536,
            remembered_operations: 1_000_000,
            snapshot_operations: 4_000_000,
            snapshot_batches: 20_000,
            append_patience_milliseconds: 5_000,
            service_wait_milliseconds: 5_000,
            position_wait_milliseconds: 3_000,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Invalid input naming every setting that is out of range.
    pub fn validate(&self) -> fault::Result<()> {
        let kurrentdb = self.journal == JournalKind::KurrentDb;
        let rules = [
            ("kurrentdb_url", !kurrentdb || !self.kurrentdb_url.is_empty()),
            ("kurrentdb_stream_prefix", !kurrentdb || !self.kurrentdb_stream_prefix.is_empty()),
            ("partitions", (1..=PARTITIONS_MAX).contains(&self.partitions)),
            ("address", self.address.is_empty() || is_address(&self.address)),
            ("lease_milliseconds", (300..=600_000).contains(&self.lease_milliseconds)),
            ("batch_operations_max", (1..=100_000).contains(&self.batch_operations_max)),
            ("queued_operations_max", self.queued_operations_max >= self.batch_operations_max),
            ("remembered_operations", self.remembered_operations >= 1_024),
            ("snapshot_operations", self.snapshot_operations >= 1),
            ("snapshot_batches", self.snapshot_batches >= 1),
            ("append_patience_milliseconds", self.append_patience_milliseconds >= 1),
        ];
        let wrong = rules.into_iter().filter(|(_, holds)| !holds).map(|(setting, _)| setting);
        let fault = wrong.fold(None, |fault: Option<Fault>, setting| {
            let pointer = format!("/wallet/{setting}");
            Some(match fault {
                None => Fault::invalid(pointer, "out_of_range", "A setting of the wallet is out of range."),
                Some(fault) => fault.with_violation(pointer, "out_of_range"),
            })
        });
        fault.map_or(Ok(()), Err)
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_milliseconds.into())
    }

    pub(crate) fn append_patience(&self) -> Duration {
        Duration::from_millis(self.append_patience_milliseconds.into())
    }

    pub(crate) fn service_wait(&self) -> Duration {
        Duration::from_millis(self.service_wait_milliseconds.into())
    }

    pub(crate) fn position_wait(&self) -> Duration {
        Duration::from_millis(self.position_wait_milliseconds.into())
    }
}

/// Whether calls can be sent there.
fn is_address(text: &str) -> bool {
    let uri = text.parse::<http::Uri>();
    uri.is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_nonsense_is_named() {
        assert!(Config::default().validate().is_ok());
        let config = Config { partitions: 0, ..Config::default() };
        assert_eq!(config.validate().unwrap_err().violations()[0].pointer, "/wallet/partitions");
        let config = Config { journal: JournalKind::KurrentDb, ..Config::default() };
        assert_eq!(config.validate().unwrap_err().violations()[0].pointer, "/wallet/kurrentdb_url");
        for (address, is_valid) in
            [("http://10.0.0.7:7101", true), ("10.0.0.7:7101", false), ("wallet", false)]
        {
            let config = Config { address: address.to_owned(), ..Config::default() };
            assert_eq!(config.validate().is_ok(), is_valid, "{address}");
        }
    }
}
