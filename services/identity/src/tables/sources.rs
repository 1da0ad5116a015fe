//! `sources` and `source_policies`.

use eventstore::storage;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::rules::velocity::{Policy, Source, Tally, Why};

/// A block that stands, or stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Which.
    pub block: Uuid,
    /// Whom.
    pub network: String,
    /// Why, a word.
    pub why: String,
    /// What who blocked it said.
    pub reason: String,
    /// Who blocked it; empty when the rule did.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// How often the rule has blocked it.
    pub blocks: u32,
}

/// A block to be kept.
pub struct NewBlock<'a> {
    /// Which.
    pub block: Uuid,
    /// Why.
    pub why: Why,
    /// What who blocks it says; empty when the rule does.
    pub reason: &'a str,
    /// Who blocks it; empty when the rule does.
    pub by: &'a str,
    /// Since when.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Network, end of the block, tally.
type AboutRow = (String, Option<jiff_sqlx::Timestamp>, Json<Tally>);
/// Tally, blocks, end of the block, last signal.
type SourceRow = (Json<Tally>, i32, Option<jiff_sqlx::Timestamp>, jiff_sqlx::Timestamp);

#[derive(sqlx::FromRow)]
struct BlockedRow {
    block_id: Uuid,
    network: String,
    why: String,
    reason: String,
    blocked_by: String,
    blocked_at: jiff_sqlx::Timestamp,
    blocked_until: jiff_sqlx::Timestamp,
    blocks: i32,
}

impl From<BlockedRow> for Blocked {
    fn from(row: BlockedRow) -> Self {
        Self {
            block: row.block_id,
            network: row.network,
            why: row.why,
            reason: row.reason,
            by: row.blocked_by,
            at: row.blocked_at.to_jiff(),
            until: row.blocked_until.to_jiff(),
            blocks: row.blocks.cast_unsigned(),
        }
    }
}

/// What is known about each of `networks`, without a lock: its name, the end of its block, its tally.
///
/// # Errors
/// Faults of the database.
pub async fn about(
    on: &mut PgConnection,
    tenant: TenantId,
    networks: &[String],
) -> fault::Result<Vec<(String, Option<Timestamp>, Tally)>> {
    let rows: Vec<AboutRow> = sqlx::query_as(
        "SELECT network, blocked_until, tally FROM sources WHERE tenant_id = $1 AND network = ANY($2)",
    )
    .bind(tenant.as_uuid())
    .bind(networks)
    .fetch_all(on)
    .await
    .map_err(storage)?;
    let known = |(network, until, tally): AboutRow| (network, until.map(|until| until.to_jiff()), tally.0);
    Ok(rows.into_iter().map(known).collect())
}

/// What is remembered about a source, under the lock on which its calls take turns. A missing row is
/// made, so that there is something to lock.
///
/// # Errors
/// Faults of the database.
pub async fn hold(
    on: &mut PgConnection,
    tenant: TenantId,
    network: &str,
    at: Timestamp,
) -> fault::Result<Source> {
    let (tally, blocks, until, seen_at): SourceRow = sqlx::query_as(
        "INSERT INTO sources AS s (tenant_id, network, tally, blocks, seen_at) VALUES ($1, $2, $3, 0, $4) \
         ON CONFLICT (tenant_id, network) DO UPDATE SET blocks = s.blocks \
         RETURNING tally, blocks, blocked_until, seen_at",
    )
    .bind(tenant.as_uuid())
    .bind(network)
    .bind(Json(Tally::new(at)))
    .bind(at.to_sqlx())
    .fetch_one(on)
    .await
    .map_err(storage)?;
    Ok(Source {
        tally: tally.0,
        blocks: blocks.cast_unsigned(),
        blocked_until: until.map(|until| until.to_jiff()),
        seen_at: seen_at.to_jiff(),
    })
}

/// Keeps what was counted.
///
/// # Errors
/// Faults of the database.
pub async fn save(
    on: &mut PgConnection,
    tenant: TenantId,
    network: &str,
    source: &Source,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE sources SET tally = $3, blocks = $4, seen_at = $5 WHERE tenant_id = $1 AND network = $2",
    )
    .bind(tenant.as_uuid())
    .bind(network)
    .bind(Json(&source.tally))
    .bind(source.blocks.cast_signed())
    .bind(source.seen_at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Keeps a block of a source whose row is held.
///
/// # Errors
/// Faults of the database.
pub async fn block(
    on: &mut PgConnection,
    tenant: TenantId,
    network: &str,
    block: &NewBlock<'_>,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE sources SET block_id = $3, why = $4, reason = $5, blocked_by = $6, blocked_at = $7, \
         blocked_until = $8 WHERE tenant_id = $1 AND network = $2",
    )
    .bind(tenant.as_uuid())
    .bind(network)
    .bind(block.block)
    .bind(block.why.as_str())
    .bind(block.reason)
    .bind(block.by)
    .bind(block.at.to_sqlx())
    .bind(block.until.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Takes back the failures of one account.
///
/// # Errors
/// Faults of the database.
pub async fn forgive(
    on: &mut PgConnection,
    tenant: TenantId,
    network: &str,
    account: &str,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE sources SET tally = tally #- ARRAY['accounts', $3] \
         WHERE tenant_id = $1 AND network = $2 AND tally->'accounts' ? $3",
    )
    .bind(tenant.as_uuid())
    .bind(network)
    .bind(account)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// At most `limit` blocks that stand at `at`, the latest first, behind `before`; only of `networks`
/// unless that is none.
///
/// # Errors
/// Faults of the database.
pub async fn standing(
    on: &mut PgConnection,
    tenant: TenantId,
    networks: Option<&[String]>,
    at: Timestamp,
    (before, limit): (Option<Uuid>, i64),
) -> fault::Result<Vec<Blocked>> {
    let rows: Vec<BlockedRow> = sqlx::query_as(
        "SELECT block_id, network, why, reason, blocked_by, blocked_at, blocked_until, blocks FROM sources \
         WHERE tenant_id = $1 AND blocked_until > $2 AND ($3::text[] IS NULL OR network = ANY($3)) \
         AND ($4::uuid IS NULL OR block_id < $4) ORDER BY block_id DESC LIMIT $5",
    )
    .bind(tenant.as_uuid())
    .bind(at.to_sqlx())
    .bind(networks)
    .bind(before)
    .bind(limit)
    .fetch_all(on)
    .await
    .map_err(storage)?;
    Ok(rows.into_iter().map(Blocked::from).collect())
}

/// Removes a block that stands at `at`, and all that is remembered about the source.
///
/// # Errors
/// Faults of the database.
pub async fn lift(
    on: &mut PgConnection,
    tenant: TenantId,
    block: Uuid,
    at: Timestamp,
) -> fault::Result<Option<Blocked>> {
    let row: Option<BlockedRow> = sqlx::query_as(
        "DELETE FROM sources WHERE tenant_id = $1 AND block_id = $2 AND blocked_until > $3 \
         RETURNING block_id, network, why, reason, blocked_by, blocked_at, blocked_until, blocks",
    )
    .bind(tenant.as_uuid())
    .bind(block)
    .bind(at.to_sqlx())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(Blocked::from))
}

/// The figures that a tenant has set.
///
/// # Errors
/// Faults of the database.
pub async fn policy(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Option<Policy>> {
    let row: Option<Json<Policy>> =
        sqlx::query_scalar("SELECT policy FROM source_policies WHERE tenant_id = $1")
            .bind(tenant.as_uuid())
            .fetch_optional(on)
            .await
            .map_err(storage)?;
    Ok(row.map(|policy| policy.0))
}

/// Sets the figures of a tenant.
///
/// # Errors
/// Faults of the database.
pub async fn set_policy(on: &mut PgConnection, tenant: TenantId, policy: &Policy) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO source_policies (tenant_id, policy) VALUES ($1, $2) \
         ON CONFLICT (tenant_id) DO UPDATE SET policy = excluded.policy",
    )
    .bind(tenant.as_uuid())
    .bind(Json(policy))
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Removes sources that were neither seen nor blocked since `silent`, and those never blocked that were
/// not seen since `harmless`; at most `limit`. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn sweep(
    on: &mut PgConnection,
    silent: Timestamp,
    harmless: Timestamp,
    limit: i64,
) -> fault::Result<u64> {
    let done = sqlx::query(
        "DELETE FROM sources WHERE (tenant_id, network) IN (SELECT tenant_id, network FROM sources \
         WHERE (seen_at < $1 OR (seen_at < $2 AND blocks = 0)) \
         AND (blocked_until IS NULL OR blocked_until < $1 OR (blocks = 0 AND blocked_until < $2)) \
         LIMIT $3 FOR UPDATE SKIP LOCKED)",
    )
    .bind(silent.to_sqlx())
    .bind(harmless.to_sqlx())
    .bind(limit)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected())
}
