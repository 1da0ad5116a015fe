//! Who shall own which partition: the replicas that are alive, and what operators want of them.
//!
//! A lease says who owns a partition now, and is taken by whoever comes first. Wishes steer that:
//! an **heir** is named on the lease, gets ready while the present owner goes on, and promises to be
//! ready for a short time; only then does the owner give up. A promise that is not renewed ends like
//! a lease, so an heir that dies blocks nobody for longer. A **drained** owner names heirs for what it
//! has and takes nothing.

use std::time::Duration;

use sqlx::PgPool;

use super::patient;
use crate::{Holder, JournalError};

/// How long a drained owner wants an heir before it names another one.
const BEQUEST: Duration = Duration::from_secs(10);
/// For how long replicas that are gone are remembered.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The replicas and wishes beside the leases.
#[derive(Clone)]
pub struct Placement {
    pool: PgPool,
}

/// What is wanted of a replica for one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It shall take the partition over: get ready.
    Inherit,
    /// It shall give the partition up, but its heir is not ready yet.
    LeaveLater,
    /// Its heir is ready: finish and give it up.
    Leave,
}

/// A process that could own partitions.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Replica {
    /// Its name.
    pub owner: String,
    /// Where it answers calls for others; may be empty.
    pub address: String,
    /// Whether it has been heard of lately.
    pub alive: bool,
    /// Whether it takes no partitions.
    pub drained: bool,
}

impl Placement {
    pub(super) const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Says that `holder` is alive for `ttl` and ready to inherit the partitions in `ready`; answers
    /// what is wanted of it.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the database does not answer.
    pub async fn check_in(
        &self,
        holder: &Holder,
        ttl: Duration,
        ready: &[u16],
    ) -> Result<Vec<(u16, Wish)>, JournalError> {
        let alive = sqlx::query_scalar(ALIVE)
            .bind(&holder.owner)
            .bind(&holder.address)
            .bind(ttl.as_secs_f64())
            .fetch_one(&self.pool);
        if patient::<bool>(alive).await? {
            self.bequeath(&holder.owner).await?;
        }
        if !ready.is_empty() {
            let ready: Vec<i32> = ready.iter().copied().map(i32::from).collect();
            let promise = sqlx::query(PROMISE).bind(&holder.owner).bind(ready).bind(ttl.as_secs_f64());
            patient(promise.execute(&self.pool)).await?;
        }
        self.wishes(&holder.owner).await
    }

    /// Says that `owner` is about to stop: it names heirs for what it has, and inherits nothing.
    /// Answers what is wanted of it.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the database does not answer.
    pub async fn prepare_to_stop(&self, owner: &str) -> Result<Vec<(u16, Wish)>, JournalError> {
        patient(sqlx::query(GONE).bind(owner).execute(&self.pool)).await?;
        self.bequeath(owner).await?;
        let mut wishes = self.wishes(owner).await?;
        wishes.retain(|(_, wish)| *wish != Wish::Inherit);
        Ok(wishes)
    }

    async fn bequeath(&self, owner: &str) -> Result<(), JournalError> {
        let bequeath = sqlx::query(BEQUEATH).bind(owner).bind(BEQUEST.as_secs_f64());
        patient(bequeath.execute(&self.pool)).await.map(drop)
    }

    async fn wishes(&self, owner: &str) -> Result<Vec<(u16, Wish)>, JournalError> {
        let wishes = sqlx::query_as(WISHES).bind(owner).fetch_all(&self.pool);
        let wishes: Vec<(i32, bool, bool)> = patient(wishes).await?;
        Ok(wishes.into_iter().filter_map(wish).collect())
    }

    /// Says that `owner` ends, and forgets replicas that have been gone for long.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the database does not answer.
    pub async fn check_out(&self, owner: &str) -> Result<(), JournalError> {
        patient(sqlx::query(GONE).bind(owner).execute(&self.pool)).await?;
        let forget = sqlx::query(FORGET).bind(FORGOTTEN_AFTER.as_secs_f64());
        patient(forget.execute(&self.pool)).await.map(drop)
    }

    /// All replicas that are remembered, by name.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the database does not answer.
    pub async fn replicas(&self) -> Result<Vec<Replica>, JournalError> {
        patient(sqlx::query_as(REPLICAS).fetch_all(&self.pool)).await
    }

    /// Wants `heir` to have a partition, for so long. Answers whether anybody has ever owned it.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the database does not answer.
    pub async fn want(&self, partition: u16, heir: &str, patience: Duration) -> Result<bool, JournalError> {
        let want = sqlx::query(WANT).bind(i32::from(partition)).bind(heir).bind(patience.as_secs_f64());
        Ok(patient(want.execute(&self.pool)).await?.rows_affected() == 1)
    }

    /// Wants nothing of a partition any more, unless somebody else than `heir` is wanted meanwhile.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the database does not answer.
    pub async fn unwant(&self, partition: u16, heir: &str) -> Result<(), JournalError> {
        let unwant = sqlx::query("UPDATE journal_leases SET heir = NULL WHERE partition = $1 AND heir = $2");
        patient(unwant.bind(i32::from(partition)).bind(heir).execute(&self.pool)).await.map(drop)
    }

    /// Drains an owner, or lets it take partitions again. Answers whether there is such an owner.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the database does not answer.
    pub async fn set_drained(&self, owner: &str, drained: bool) -> Result<bool, JournalError> {
        let known = patient(sqlx::query(DRAIN).bind(owner).bind(drained).execute(&self.pool)).await?;
        Ok(known.rows_affected() == 1)
    }
}

fn wish((partition, inherits, ready): (i32, bool, bool)) -> Option<(u16, Wish)> {
    let wish = match (inherits, ready) {
        (true, _) => Wish::Inherit,
        (false, true) => Wish::Leave,
        (false, false) => Wish::LeaveLater,
    };
    Some((u16::try_from(partition).ok()?, wish))
}

/// Signs of life need not survive a crash of the database, so they do not wait for its disk.
const ALIVE: &str = "
INSERT INTO journal_owners (owner, address, expires_at)
SELECT $1, $2, clock_timestamp() + make_interval(secs => $3)
FROM set_config('synchronous_commit', 'off', true)
ON CONFLICT (owner) DO UPDATE SET address = excluded.address, expires_at = excluded.expires_at
RETURNING drained_at IS NOT NULL";

/// Heirs are spread over the others by partition. One that lives is wanted for as long as it takes,
/// one that is gone or drained not any more.
const BEQUEATH: &str = "
WITH others AS (
    SELECT owner, row_number() OVER (ORDER BY owner) - 1 AS place, count(*) OVER () AS number
    FROM journal_owners WHERE owner <> $1 AND drained_at IS NULL AND expires_at > clock_timestamp())
UPDATE journal_leases AS lease
SET heir = others.owner, heir_until = clock_timestamp() + make_interval(secs => $2),
    heir_ready_until = CASE WHEN lease.heir = others.owner THEN lease.heir_ready_until END
FROM others
WHERE lease.owner = $1 AND lease.expires_at > clock_timestamp() AND others.place = lease.partition % others.number
  AND (lease.heir IS NULL OR lease.heir_until <= clock_timestamp()
    OR lease.heir NOT IN (SELECT owner FROM others)
    OR lease.heir = others.owner AND lease.heir_until <= clock_timestamp() + make_interval(secs => $2 / 2))";

const PROMISE: &str = "
UPDATE journal_leases SET heir_ready_until = clock_timestamp() + make_interval(secs => $3)
FROM set_config('synchronous_commit', 'off', true)
WHERE heir = $1 AND heir_until > clock_timestamp() AND partition = ANY($2)";

const WISHES: &str = "
SELECT partition, heir = $1, coalesce(heir_ready_until > clock_timestamp(), false) FROM journal_leases
WHERE heir <> owner AND heir_until > clock_timestamp() AND (heir = $1 OR owner = $1)";

const GONE: &str = "
UPDATE journal_owners SET expires_at = least(expires_at, clock_timestamp()) WHERE owner = $1";

const FORGET: &str = "
DELETE FROM journal_owners WHERE expires_at < clock_timestamp() - make_interval(secs => $1)";

const REPLICAS: &str = "
SELECT owner, address, expires_at > clock_timestamp() AS alive, drained_at IS NOT NULL AS drained
FROM journal_owners ORDER BY owner";

const WANT: &str = "
UPDATE journal_leases
SET heir = $2, heir_until = clock_timestamp() + make_interval(secs => $3), heir_ready_until = NULL
WHERE partition = $1";

/// Who is drained inherits nothing.
const DRAIN: &str = "
WITH disinherited AS (UPDATE journal_leases SET heir = NULL WHERE $2 AND heir = $1)
UPDATE journal_owners SET drained_at = CASE WHEN $2 THEN coalesce(drained_at, clock_timestamp()) END
WHERE owner = $1";
