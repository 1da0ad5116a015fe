//! The audit trail: written in the transaction of the action it tells of; what other services have
//! recorded comes through [`take_over`].
//!
//! Writers of one tenant take turns on the lock of the chain's head, which is the last lock any
//! transaction here takes; so append the entry last. Rows are added and never changed: the service's
//! roles have no right to, and a trigger refuses everybody else. [`verify`] reads a whole chain and
//! finds what an owner of the database may have altered all the same.

mod search;

use std::collections::HashSet;

use eventstore::{CommandContext, UnitOfWork, storage};
use fault::{Code, Fault};
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::NAME;
use crate::rules::chain::{self, Broken, Entry, GENESIS, Hash, Link, Verifier};
use crate::rules::export::hex;

use search::LinkRow;
pub use search::{Filter, about, oldest_first, page};

const VERIFIED_AT_A_TIME: i64 = 1_000;

/// The outcome of what is recorded where it is done.
pub const DONE: &str = "done";

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
    append(unit.connection(), context.tenant, entry).await.map(drop)
}

/// Takes entries that were recorded elsewhere into the chain, in their order; those that are in it
/// already are left alone. Answers how many were new. The lock of the head makes one taker at a time
/// look and append, so two couriers with the same entries add them once.
///
/// # Errors
/// Faults of the database.
pub async fn take_over(on: &mut PgConnection, tenant: TenantId, entries: Vec<Entry>) -> fault::Result<i32> {
    hold_head(on, tenant).await?;
    let ids: Vec<_> = entries.iter().map(|entry| entry.entry_id).collect();
    let mut known: HashSet<Uuid> =
        sqlx::query_scalar("SELECT entry_id FROM audit_entries WHERE tenant_id = $1 AND entry_id = ANY($2)")
            .bind(tenant.as_uuid())
            .bind(ids)
            .fetch_all(&mut *on)
            .await
            .map_err(storage)?
            .into_iter()
            .collect();
    let mut added = 0;
    for entry in entries {
        if known.insert(entry.entry_id) {
            append(on, tenant, entry).await?;
            added += 1;
        }
    }
    Ok(added)
}

/// The entry that [`record`] would write for an action.
pub(crate) fn entry(context: &CommandContext, action: Action<'_>) -> fault::Result<Entry> {
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
        source: NAME.to_owned(),
        operation_id: context.operation_id.to_string(),
        outcome: DONE.to_owned(),
    })
}

/// The trace id within a W3C `traceparent`: version, trace id, span id, flags.
fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

/// Adds an entry at the end of the chain.
///
/// # Errors
/// Faults of the database.
pub(crate) async fn append(on: &mut PgConnection, tenant: TenantId, entry: Entry) -> fault::Result<Link> {
    let (sequence, previous) = hold_head(on, tenant).await?;
    let sequence = sequence + 1;
    let hash = chain::hash(tenant, sequence, &previous, &entry);
    let link = Link { sequence, entry, previous_hash: previous, hash };
    insert(on, tenant, &link).await?;
    move_head(on, tenant, sequence, &hash).await?;
    Ok(link)
}

async fn insert(on: &mut PgConnection, tenant: TenantId, link: &Link) -> fault::Result<()> {
    let entry = &link.entry;
    sqlx::query(
        "INSERT INTO audit_entries (tenant_id, sequence, entry_id, at, actor, action, target, origin_address, \
         trace_id, before_json, after_json, source, operation_id, outcome, previous_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(tenant.as_uuid())
    .bind(link.sequence)
    .bind(entry.entry_id)
    .bind(entry.at.to_sqlx())
    .bind(&entry.actor)
    .bind(&entry.action)
    .bind(&entry.target)
    .bind(&entry.origin_address)
    .bind(&entry.trace_id)
    .bind(&entry.before_json)
    .bind(&entry.after_json)
    .bind(&entry.source)
    .bind(&entry.operation_id)
    .bind(&entry.outcome)
    .bind(link.previous_hash.as_slice())
    .bind(link.hash.as_slice())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
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

/// What a chain was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Entries in order.
    pub entries: i64,
    /// Hash of the last of them.
    pub head: Hash,
    /// Where it is broken, if it is.
    pub broken: Option<Broken>,
}

impl Verdict {
    /// The hash of the last entry, as text.
    #[must_use]
    pub fn head_text(&self) -> String {
        hex(&self.head)
    }

    /// The verdict, or the fault that it is for whoever relies on the chain.
    ///
    /// # Errors
    /// `audit_chain_broken` with the place.
    pub fn sound(self) -> fault::Result<Self> {
        match self.broken {
            None => Ok(self),
            Some(place) => {
                let message = "The audit trail was altered.";
                Err(Fault::new(Code::Internal, "audit_chain_broken", message).with_fact("place", place))
            }
        }
    }
}

/// Checks the whole chain of a tenant.
///
/// # Errors
/// Faults of the database; a broken chain is a verdict.
pub async fn verify(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Verdict> {
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
    let mut checked = Ok(());
    while checked.is_ok() {
        let links = links_after(on, tenant, verifier.sequence(), head_sequence).await?;
        if links.is_empty() {
            break;
        }
        checked = links.iter().try_for_each(|link| verifier.check(link));
    }
    let broken = checked.and_then(|()| verifier.finish(head_sequence, &head_hash)).err();
    Ok(Verdict { entries: verifier.sequence(), head: head_hash, broken })
}

/// Entries behind `after` and up to `head`, oldest first: what was added since is not looked at.
async fn links_after(
    on: &mut PgConnection,
    tenant: TenantId,
    after: i64,
    head: i64,
) -> fault::Result<Vec<Link>> {
    let rows: Vec<LinkRow> = sqlx::query_as(
        "SELECT * FROM audit_entries WHERE tenant_id = $1 AND sequence > $2 AND sequence <= $3 \
         ORDER BY sequence LIMIT $4",
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
