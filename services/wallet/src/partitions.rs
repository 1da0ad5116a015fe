//! The ledger's partitions as an operator sees and steers them.
//!
//! Everything here is said through the database, so it works from any machine that reaches it: the
//! processes find it when they check in. A move is over when the lease has gone to the wanted owner,
//! which recovered the partition before and serves it within milliseconds.

use std::time::Duration;

use eventstore::storage;
use fault::{Code, Fault};
use journal::{JournalError, Placement, Replica};
use serde::Serialize;
use sqlx::{FromRow, PgPool};
use tokio::time::{Instant, sleep};

use crate::store::Store;

const POLL: Duration = Duration::from_millis(50);

const LOOK: &str = "
SELECT place.partition, lease.owner, lease.address, lease.epoch,
    greatest(0, extract(epoch FROM lease.expires_at - clock_timestamp()) * 1000)::bigint AS lease_milliseconds,
    CASE WHEN lease.heir_until > clock_timestamp() THEN lease.heir END AS heir,
    (SELECT max(sequence) FROM journal WHERE partition = place.partition) AS last_sequence,
    coalesce((SELECT projected FROM ledger_progress WHERE partition = place.partition), 0) AS projected_sequence,
    (SELECT max(sequence) FROM journal_snapshots WHERE partition = place.partition) AS snapshot_sequence
FROM ledger_layout
CROSS JOIN LATERAL generate_series(0, partitions - 1) AS place (partition)
LEFT JOIN journal_leases AS lease ON lease.partition = place.partition
ORDER BY place.partition";

/// One partition at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Partition {
    /// Its number.
    pub partition: i32,
    /// Who has the lease, or had it last.
    pub owner: Option<String>,
    /// Where that process answers calls for others.
    pub address: Option<String>,
    /// Counts the owners there were.
    pub epoch: Option<i64>,
    /// For how long the lease holds unless it is renewed; nobody owns the partition when it is 0.
    pub lease_milliseconds: Option<i64>,
    /// Who shall have it next.
    pub heir: Option<String>,
    /// The last batch in the journal, if it is in this database.
    pub last_sequence: Option<i64>,
    /// The last batch whose entries are in the tables.
    pub projected_sequence: i64,
    /// The batch of the newest snapshot.
    pub snapshot_sequence: Option<i64>,
}

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The wanted owner has it now.
    Now,
    /// It had it before.
    Before,
}

/// The ledger's partitions and the processes that could own them.
pub struct Partitions {
    store: Store,
    placement: Placement,
}

impl Partition {
    /// Who owns it at this moment.
    #[must_use]
    pub fn present_owner(&self) -> Option<&str> {
        self.owner.as_deref().filter(|_| self.lease_milliseconds.is_some_and(|left| left > 0))
    }

    /// How many batches the entries are behind the journal.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        self.last_sequence.map(|last| last.saturating_sub(self.projected_sequence).max(0))
    }
}

impl Partitions {
    /// The partitions of the ledger in this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let store = Store::new(pool);
        let placement = crate::journal(&store).placement();
        Self { store, placement }
    }

    /// Every partition, by number; none before the first process has started.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn look(&self) -> fault::Result<Vec<Partition>> {
        let mut unit = self.store.worker().await?;
        let found = sqlx::query_as(LOOK).fetch_all(&mut *unit).await.map_err(storage)?;
        unit.commit().await.map_err(storage)?;
        Ok(found)
    }

    /// The processes that could own partitions, by name; those that are gone for a day are left out.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn replicas(&self) -> fault::Result<Vec<Replica>> {
        self.placement.replicas().await.map_err(unreachable)
    }

    /// Moves a partition to `owner` and waits until it is there.
    ///
    /// # Errors
    /// When there is no such partition, or no such owner that lives and takes partitions; or
    /// `partition_not_moved` when it was not there in time, and is not wanted there any more.
    pub async fn move_to(&self, partition: u16, owner: &str, patience: Duration) -> fault::Result<Moved> {
        let present = self.partition(partition).await?;
        if present.present_owner() == Some(owner) {
            return Ok(Moved::Before);
        }
        let replica = self.replica(owner).await?;
        if !replica.alive || replica.drained {
            let why = if replica.alive { "drained" } else { "gone" };
            let fault = Fault::rejected("owner_takes_nothing", "This process takes no partitions.");
            return Err(fault.with_fact("owner", owner).with_fact("it is", why));
        }
        if !self.placement.want(partition, owner, patience).await.map_err(unreachable)? {
            return Err(no_partition(partition));
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            sleep(POLL).await;
            if self.partition(partition).await?.present_owner() == Some(owner) {
                return Ok(Moved::Now);
            }
        }
        self.placement.unwant(partition, owner).await.map_err(unreachable)?;
        let fault =
            overdue("partition_not_moved", "The partition was not moved in time; it stays where it was.");
        Err(fault.with_fact("partition", partition).with_fact("owner", owner))
    }

    /// Lets `owner` take no partitions any more, and waits until others have what it has. Answers how
    /// many it gave away.
    ///
    /// # Errors
    /// When there is no such owner, or nobody else who could take its partitions; or
    /// `owner_not_empty` when some were not given away in time: the process stays drained and goes on
    /// serving these until somebody can take them.
    pub async fn drain(&self, owner: &str, patience: Duration) -> fault::Result<usize> {
        self.replica(owner).await?;
        let had = self.owned_by(owner).await?;
        let others = self.replicas().await?;
        let could = |other: &Replica| other.alive && !other.drained && other.owner != owner;
        if had > 0 && !others.iter().any(could) {
            let why = "No other process could take its partitions; start one first.";
            return Err(Fault::rejected("nobody_else", why).with_fact("owner", owner));
        }
        self.placement.set_drained(owner, true).await.map_err(unreachable)?;
        let deadline = Instant::now() + patience;
        loop {
            let left = self.owned_by(owner).await?;
            if left == 0 {
                return Ok(had);
            }
            if Instant::now() >= deadline {
                let fault = overdue("owner_not_empty", "Not all partitions were given away in time.");
                return Err(fault.with_fact("owner", owner).with_fact("left", left));
            }
            sleep(POLL).await;
        }
    }

    /// Lets `owner` take partitions again.
    ///
    /// # Errors
    /// When there is no such owner.
    pub async fn undrain(&self, owner: &str) -> fault::Result<()> {
        self.replica(owner).await?;
        self.placement.set_drained(owner, false).await.map(drop).map_err(unreachable)
    }

    async fn partition(&self, number: u16) -> fault::Result<Partition> {
        let mut all = self.look().await?.into_iter();
        all.find(|found| found.partition == i32::from(number)).ok_or_else(|| no_partition(number))
    }

    async fn replica(&self, owner: &str) -> fault::Result<Replica> {
        let all = self.replicas().await?;
        let known: Vec<_> =
            all.iter().filter(|replica| replica.alive).map(|replica| &*replica.owner).collect();
        let known = known.join(", ");
        all.into_iter()
            .find(|replica| replica.owner == owner)
            .ok_or_else(|| Fault::not_found("owner").with_fact("owner", owner).with_fact("alive are", known))
    }

    /// How many partitions nobody else has taken since `owner` had them.
    async fn owned_by(&self, owner: &str) -> fault::Result<usize> {
        let all = self.look().await?;
        Ok(all.iter().filter(|found| found.owner.as_deref() == Some(owner)).count())
    }
}

fn no_partition(number: u16) -> Fault {
    Fault::not_found("partition").with_fact("partition", number)
}

fn overdue(reason: &'static str, sentence: &'static str) -> Fault {
    Fault::new(Code::Timeout, reason, sentence)
}

fn unreachable(error: JournalError) -> Fault {
    Fault::unavailable("ledger_placement", error)
}
