//! `host_claims`.

use eventstore::storage;
use fault::Fault;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rules::host_claim::Status;

/// A host that a tenant says is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostClaim {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub host: String,
    /// Where the proof is looked for.
    pub claim: Uuid,
    /// What it says.
    pub token: String,
    /// What has become of it.
    pub status: Status,
    /// Why the latest look found nothing.
    pub failure: String,
    /// When it was claimed, or asked about again.
    pub claimed_at: Timestamp,
    /// The latest look.
    pub checked_at: Option<Timestamp>,
    /// Looks that found nothing.
    pub checks: i32,
    /// The next look.
    pub next_check_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: Uuid,
    host: String,
    claim_id: Uuid,
    token: String,
    status: String,
    failure: String,
    claimed_at: jiff_sqlx::Timestamp,
    checked_at: Option<jiff_sqlx::Timestamp>,
    checks: i32,
    next_check_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<Row> for HostClaim {
    type Error = Fault;

    fn try_from(row: Row) -> fault::Result<Self> {
        let status =
            Status::named(&row.status).ok_or_else(|| Fault::internal("no such status of a claim"))?;
        Ok(Self {
            tenant: TenantId::from_uuid(row.tenant_id),
            host: row.host,
            claim: row.claim_id,
            token: row.token,
            status,
            failure: row.failure,
            claimed_at: row.claimed_at.to_jiff(),
            checked_at: row.checked_at.map(|at| at.to_jiff()),
            checks: row.checks,
            next_check_at: row.next_check_at.map(|at| at.to_jiff()),
        })
    }
}

/// The claims of a tenant.
///
/// # Errors
/// Faults of the database.
pub async fn of(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Vec<HostClaim>> {
    let rows: Vec<Row> = sqlx::query_as("SELECT * FROM host_claims WHERE tenant_id = $1 ORDER BY host")
        .bind(tenant.as_uuid())
        .fetch_all(on)
        .await
        .map_err(storage)?;
    rows.into_iter().map(HostClaim::try_from).collect()
}

/// The claim of a tenant to a host.
///
/// # Errors
/// Faults of the database.
pub async fn find(on: &mut PgConnection, tenant: TenantId, host: &str) -> fault::Result<Option<HostClaim>> {
    let row: Option<Row> = sqlx::query_as("SELECT * FROM host_claims WHERE tenant_id = $1 AND host = $2")
        .bind(tenant.as_uuid())
        .bind(host)
        .fetch_optional(on)
        .await
        .map_err(storage)?;
    row.map(HostClaim::try_from).transpose()
}

/// Adds a claim, or writes down what has become of it.
///
/// # Errors
/// Faults of the database.
pub async fn save(on: &mut PgConnection, claim: &HostClaim) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO host_claims (tenant_id, host, claim_id, token, status, failure, claimed_at, checked_at, \
         checks, next_check_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (tenant_id, host) DO UPDATE SET status = excluded.status, failure = excluded.failure, \
         claimed_at = excluded.claimed_at, checked_at = excluded.checked_at, checks = excluded.checks, \
         next_check_at = excluded.next_check_at",
    )
    .bind(claim.tenant.as_uuid())
    .bind(&claim.host)
    .bind(claim.claim)
    .bind(&claim.token)
    .bind(claim.status.as_str())
    .bind(&claim.failure)
    .bind(claim.claimed_at.to_sqlx())
    .bind(claim.checked_at.map(|at| at.to_sqlx()))
    .bind(claim.checks)
    .bind(claim.next_check_at.map(|at| at.to_sqlx()))
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Ends a claim: it was given up, or an operator has decided.
///
/// # Errors
/// Faults of the database.
pub async fn end(on: &mut PgConnection, tenant: TenantId, host: &str) -> fault::Result<()> {
    sqlx::query("DELETE FROM host_claims WHERE tenant_id = $1 AND host = $2")
        .bind(tenant.as_uuid())
        .bind(host)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Takes up to `limit` claims whose next look is due and puts it off until `until`, so that of several
/// processes one looks, and another one later should it crash. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn lease_due(
    on: &mut PgConnection,
    (now, until): (Timestamp, Timestamp),
    limit: i64,
) -> fault::Result<Vec<HostClaim>> {
    let rows: Vec<Row> = sqlx::query_as(
        "UPDATE host_claims SET next_check_at = $2 WHERE (tenant_id, host) IN (SELECT c.tenant_id, c.host \
         FROM host_claims c JOIN tenants t USING (tenant_id) WHERE c.next_check_at <= $1 AND t.status = 'active' \
         ORDER BY c.next_check_at LIMIT $3 FOR UPDATE OF c SKIP LOCKED) RETURNING *",
    )
    .bind(now.to_sqlx())
    .bind(until.to_sqlx())
    .bind(limit)
    .fetch_all(on)
    .await
    .map_err(storage)?;
    rows.into_iter().map(HostClaim::try_from).collect()
}
