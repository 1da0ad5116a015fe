//! The audit trail: written in the transaction of the action it tells of.
//!
//! Writers of one tenant take turns on the lock of the chain's head, which is the last lock any
//! transaction here takes; so append the entry last. Rows are added and never changed: the service's
//! roles have no right to. [`verify`] reads a whole chain and finds what an owner of the database
//! may have altered.

use eventstore::{CommandContext, UnitOfWork, storage};
use fault::Fault;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rules::chain::{self, Entry, GENESIS, Hash, Link, Verifier};

const VERIFIED_AT_A_TIME: i64 = 1_000;

/// An action to be recorded.
pub struct Action<'a> {
    /// `user.suspend`.
    pub name: &'static str,
    /// `user/<id>`.
    pub target: String,
    /// Where the call came from.
    pub origin: Option<&'a str>,
    /// When, on the machine's clock: a tenant's test clock does not move the audit trail.
    pub at: Timestamp,
    /// State before, where that makes sense.
    pub before: Option<Value>,
    /// State after, where that makes sense.
    pub after: Option<Value>,
}

/// Records an action of the unit's actor.
///
/// # Errors
/// Faults of the database.
pub async fn record(unit: &mut UnitOfWork, action: Action<'_>) -> fault::Result<()> {
    let context = unit.context()?.clone();
    let entry = entry(&context, action)?;
    append(unit.connection(), context.tenant, entry).await
}

fn entry(context: &CommandContext, action: Action<'_>) -> fault::Result<Entry> {
    let json = |value: Option<Value>| value.map_or_else(String::new, |value| value.to_string());
    Ok(Entry {
        entry_id: Uuid::now_v7(),
        at: Timestamp::from_microsecond(action.at.as_microsecond()).map_err(Fault::internal)?,
        actor: context.actor.clone(),
        action: action.name.to_owned(),
        target: action.target,
        origin_address: action.origin.unwrap_or_default().to_owned(),
        trace_id: context.traceparent.as_deref().and_then(trace_id).unwrap_or_default().to_owned(),
        before_json: json(action.before),
        after_json: json(action.after),
    })
}

/// The trace id within a W3C `traceparent`: version, trace id, span id, flags.
fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

async fn append(on: &mut PgConnection, tenant: TenantId, entry: Entry) -> fault::Result<()> {
    let (sequence, previous) = hold_head(on, tenant).await?;
    let sequence = sequence + 1;
    let hash = chain::hash(tenant, sequence, &previous, &entry);
    sqlx::query(
        "INSERT INTO audit_entries (tenant_id, sequence, entry_id, at, actor, action, target, origin_address, \
         trace_id, before_json, after_json, previous_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(tenant.as_uuid())
    .bind(sequence)
    .bind(entry.entry_id)
    .bind(entry.at.to_sqlx())
    .bind(entry.actor)
    .bind(entry.action)
    .bind(entry.target)
    .bind(entry.origin_address)
    .bind(entry.trace_id)
    .bind(entry.before_json)
    .bind(entry.after_json)
    .bind(previous.as_slice())
    .bind(hash.as_slice())
    .execute(&mut *on)
    .await
    .map_err(storage)?;
    move_head(on, tenant, sequence, &hash).await
}

/// The end of the chain, under its lock; a chain that has not begun gets its head here.
async fn hold_head(on: &mut PgConnection, tenant: TenantId) -> fault::Result<(i64, Hash)> {
    let (sequence, hash): (i64, Vec<u8>) = sqlx::query_as(
        "INSERT INTO audit_heads AS h (tenant_id, sequence, hash) VALUES ($1, 0, $2) \
         ON CONFLICT (tenant_id) DO UPDATE SET sequence = h.sequence RETURNING sequence, hash",
    )
    .bind(tenant.as_uuid())
    .bind(GENESIS.as_slice())
    .fetch_one(on)
    .await
    .map_err(storage)?;
    Ok((sequence, fixed(hash)?))
}

async fn move_head(on: &mut PgConnection, tenant: TenantId, sequence: i64, hash: &Hash) -> fault::Result<()> {
    sqlx::query("UPDATE audit_heads SET sequence = $2, hash = $3 WHERE tenant_id = $1")
        .bind(tenant.as_uuid())
        .bind(sequence)
        .bind(hash.as_slice())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct LinkRow {
    sequence: i64,
    entry_id: Uuid,
    at: jiff_sqlx::Timestamp,
    actor: String,
    action: String,
    target: String,
    origin_address: String,
    trace_id: String,
    before_json: String,
    after_json: String,
    previous_hash: Vec<u8>,
    hash: Vec<u8>,
}

impl TryFrom<LinkRow> for Link {
    type Error = Fault;

    fn try_from(row: LinkRow) -> fault::Result<Self> {
        Ok(Self {
            sequence: row.sequence,
            entry: Entry {
                entry_id: row.entry_id,
                at: row.at.to_jiff(),
                actor: row.actor,
                action: row.action,
                target: row.target,
                origin_address: row.origin_address,
                trace_id: row.trace_id,
                before_json: row.before_json,
                after_json: row.after_json,
            },
            previous_hash: fixed(row.previous_hash)?,
            hash: fixed(row.hash)?,
        })
    }
}

/// At most `limit` entries, newest first, behind `before`.
///
/// # Errors
/// Faults of the database.
pub async fn page(
    on: &mut PgConnection,
    tenant: TenantId,
    before: Option<i64>,
    limit: i64,
) -> fault::Result<Vec<Link>> {
    let rows: Vec<LinkRow> = sqlx::query_as(
        "SELECT sequence, entry_id, at, actor, action, target, origin_address, trace_id, before_json, \
         after_json, previous_hash, hash FROM audit_entries \
         WHERE tenant_id = $1 AND ($2::bigint IS NULL OR sequence < $2) ORDER BY sequence DESC LIMIT $3",
    )
    .bind(tenant.as_uuid())
    .bind(before)
    .bind(limit)
    .fetch_all(on)
    .await
    .map_err(storage)?;
    rows.into_iter().map(Link::try_from).collect()
}

/// At most `limit` entries about what a user did, or what was done to the user, newest first.
///
/// # Errors
/// Faults of the database.
pub async fn about(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    limit: i64,
) -> fault::Result<Vec<Link>> {
    let rows: Vec<LinkRow> = sqlx::query_as(
        "SELECT sequence, entry_id, at, actor, action, target, origin_address, trace_id, before_json, \
         after_json, previous_hash, hash FROM audit_entries \
         WHERE tenant_id = $1 AND (actor = $2 OR actor ^@ ($2 || ' via ') OR target = $3) ORDER BY sequence DESC LIMIT $4",
    )
    .bind(tenant.as_uuid())
    .bind(format!("user:{user}"))
    .bind(format!("user/{user}"))
    .bind(limit)
    .fetch_all(on)
    .await
    .map_err(storage)?;
    rows.into_iter().map(Link::try_from).collect()
}

/// Checks the whole chain of a tenant; answers its length.
///
/// # Errors
/// `audit_chain_broken` with the place, or faults of the database.
pub async fn verify(on: &mut PgConnection, tenant: TenantId) -> fault::Result<i64> {
    let head: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT sequence, hash FROM audit_heads WHERE tenant_id = $1")
            .bind(tenant.as_uuid())
            .fetch_optional(&mut *on)
            .await
            .map_err(storage)?;
    let (head_sequence, head_hash) = match head {
        Some((sequence, hash)) => (sequence, fixed(hash)?),
        None => (0, GENESIS),
    };
    let mut verifier = Verifier::new(tenant);
    loop {
        let links = links_after(on, tenant, verifier.sequence(), head_sequence).await?;
        if links.is_empty() {
            break;
        }
        links.iter().try_for_each(|link| verifier.check(link)).map_err(broken)?;
    }
    verifier.finish(head_sequence, &head_hash).map_err(broken)?;
    Ok(head_sequence)
}

/// Entries behind `after` and up to `head`, oldest first: what was added since is not looked at.
async fn links_after(
    on: &mut PgConnection,
    tenant: TenantId,
    after: i64,
    head: i64,
) -> fault::Result<Vec<Link>> {
    let rows: Vec<LinkRow> = sqlx::query_as(
        "SELECT sequence, entry_id, at, actor, action, target, origin_address, trace_id, before_json, \
         after_json, previous_hash, hash FROM audit_entries \
         WHERE tenant_id = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT $4",
    )
    .bind(tenant.as_uuid())
    .bind(after)
    .bind(head)
    .bind(VERIFIED_AT_A_TIME)
    .fetch_all(on)
    .await
    .map_err(storage)?;
    rows.into_iter().map(Link::try_from).collect()
}

fn broken(broken: chain::Broken) -> Fault {
    Fault::new(fault::Code::Internal, "audit_chain_broken", "The audit trail was altered.")
        .with_fact("place", broken)
}

fn fixed(bytes: Vec<u8>) -> fault::Result<Hash> {
    Hash::try_from(bytes).map_err(|_| Fault::internal("a hash has another length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_id_is_read_from_the_traceparent() {
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_id(traceparent), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(trace_id(""), None);
    }
}
