//! The statements of the PostgreSQL journal. Leases are timed by the server's clock, the one clock
//! that all replicas share; they only decide who tries, the epoch decides who can.

/// A drained owner keeps what it has and takes nothing; an heir that is ready comes first.
pub(crate) const ACQUIRE: &str = "
INSERT INTO journal_leases AS held (partition, epoch, owner, address, expires_at)
SELECT $1, 1, $2, $3, clock_timestamp() + make_interval(secs => $4)
WHERE NOT EXISTS (SELECT FROM journal_owners WHERE owner = $2 AND drained_at IS NOT NULL)
   OR EXISTS (SELECT FROM journal_leases WHERE partition = $1 AND owner = $2)
ON CONFLICT (partition) DO UPDATE
SET epoch = held.epoch + 1, owner = excluded.owner, address = excluded.address, expires_at = excluded.expires_at,
    heir = nullif(held.heir, excluded.owner)
WHERE (held.expires_at <= clock_timestamp() OR held.owner = excluded.owner)
  AND (held.heir IS NULL OR held.heir = excluded.owner
    OR held.heir_ready_until IS NULL OR held.heir_ready_until <= clock_timestamp())
RETURNING epoch";

pub(crate) const RENEW: &str = "
UPDATE journal_leases SET expires_at = clock_timestamp() + make_interval(secs => $3)
WHERE partition = $1 AND epoch = $2";

pub(crate) const EPOCH: &str = "SELECT epoch FROM journal_leases WHERE partition = $1";

pub(crate) const HOLDER: &str =
    "SELECT owner, address FROM journal_leases WHERE partition = $1 AND expires_at > clock_timestamp()";

pub(crate) const APPEND: &str = "
INSERT INTO journal (partition, sequence, epoch, payload, hash)
SELECT $1, $2, $3, $4, $5
FROM (SELECT FROM journal_leases WHERE partition = $1 AND epoch = $3 FOR SHARE) AS lease
WHERE $2 = 1 OR EXISTS (SELECT FROM journal WHERE partition = $1 AND sequence = $2 - 1)";

pub(crate) const READ: &str = "
SELECT sequence, epoch, payload, hash FROM journal
WHERE partition = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

pub(crate) const SNAPSHOT: &str = "
INSERT INTO journal_snapshots (partition, sequence, hash, digest, size) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (partition, sequence) DO NOTHING";

pub(crate) const FENCE: &str = "SELECT 1 FROM journal_leases WHERE partition = $1 AND epoch = $2 FOR SHARE";

pub(crate) const SNAPSHOT_CHUNK: &str =
    "INSERT INTO journal_snapshot_chunks (partition, sequence, chunk, payload) VALUES ($1, $2, $3, $4)";

pub(crate) const FORGET_SNAPSHOTS: &str = "
DELETE FROM journal_snapshots WHERE partition = $1 AND sequence < (
    SELECT min(sequence) FROM (
        SELECT sequence FROM journal_snapshots WHERE partition = $1 ORDER BY sequence DESC LIMIT 2
    ) AS newest)";

pub(crate) const LATEST_SNAPSHOT: &str = "
SELECT sequence, hash, digest, size FROM journal_snapshots
WHERE partition = $1 ORDER BY sequence DESC LIMIT 1";

pub(crate) const SNAPSHOT_CHUNKS: &str = "
SELECT payload FROM journal_snapshot_chunks WHERE partition = $1 AND sequence = $2 ORDER BY chunk";
