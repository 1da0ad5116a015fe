//! Finding entries of the audit trail: by who, what, on what, when, and by words.
//!
//! Every part of a filter is optional, and one statement serves all of them. Words are looked for in
//! the tenant's own rows only; states that are sealed for a person are not searched.

use eventstore::storage;
use fault::Fault;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::fixed;
use crate::rules::chain::{Entry, Link};

/// Which entries are asked for; what is absent does not matter.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    /// Who acted, was acted as, or through what.
    pub actor: Option<String>,
    /// An action, or `word.*`.
    pub action: Option<String>,
    /// A target, or `word/*`.
    pub target: Option<String>,
    /// The service that was asked.
    pub source: Option<String>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Words.
    pub query: Option<String>,
}

const FITS: &str = "SELECT * FROM audit_entries WHERE tenant_id = $1 \
     AND ($4::text IS NULL OR actor = $4 OR actor ^@ ($4 || ' via ') OR split_part(actor, ' via ', 2) = $4) \
     AND ($5::text IS NULL OR action = $5) AND ($6::text IS NULL OR action ^@ $6) \
     AND ($7::text IS NULL OR target = $7) AND ($8::text IS NULL OR target ^@ $8) \
     AND ($9::text IS NULL OR source = $9) \
     AND ($10::timestamptz IS NULL OR at >= $10) AND ($11::timestamptz IS NULL OR at < $11) \
     AND ($12::text IS NULL OR strpos(lower(concat_ws(' ', actor, action, target, origin_address, \
          before_json, after_json)), $12) > 0)";

/// At most `limit` entries that fit, newest first, behind `before`.
///
/// # Errors
/// Faults of the database.
pub async fn page(
    on: &mut PgConnection,
    tenant: TenantId,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> fault::Result<Vec<Link>> {
    let order = "AND ($2::bigint IS NULL OR sequence < $2) ORDER BY sequence DESC LIMIT $3";
    fitting(on, tenant, filter, (before, limit), order).await
}

/// At most `limit` entries that fit, oldest first, behind `after`.
///
/// # Errors
/// Faults of the database.
pub async fn oldest_first(
    on: &mut PgConnection,
    tenant: TenantId,
    filter: &Filter,
    after: Option<i64>,
    limit: i64,
) -> fault::Result<Vec<Link>> {
    let order = "AND ($2::bigint IS NULL OR sequence > $2) ORDER BY sequence LIMIT $3";
    fitting(on, tenant, filter, (after, limit), order).await
}

async fn fitting(
    on: &mut PgConnection,
    tenant: TenantId,
    filter: &Filter,
    (from, limit): (Option<i64>, i64),
    order: &'static str,
) -> fault::Result<Vec<Link>> {
    let (action, actions) = one_or_all(filter.action.as_deref());
    let (target, targets) = one_or_all(filter.target.as_deref());
    let rows: Vec<LinkRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{FITS} {order}")))
        .bind(tenant.as_uuid())
        .bind(from)
        .bind(limit)
        .bind(filter.actor.as_deref())
        .bind(action)
        .bind(actions)
        .bind(target)
        .bind(targets)
        .bind(filter.source.as_deref())
        .bind(filter.since.map(|at| at.to_sqlx()))
        .bind(filter.until.map(|at| at.to_sqlx()))
        .bind(filter.query.as_deref().map(str::to_lowercase))
        .fetch_all(on)
        .await
        .map_err(storage)?;
    rows.into_iter().map(Link::try_from).collect()
}

/// `user.suspend` is one; `user.*` is all that begin with `user.`.
fn one_or_all(wanted: Option<&str>) -> (Option<&str>, Option<&str>) {
    match wanted.and_then(|text| text.strip_suffix('*')) {
        Some(beginning) => (None, Some(beginning)),
        None => (wanted, None),
    }
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
        "SELECT * FROM audit_entries \
         WHERE tenant_id = $1 AND (actor = $2 OR actor ^@ ($2 || ' via ') OR target = $3) \
         ORDER BY sequence DESC LIMIT $4",
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

#[derive(sqlx::FromRow)]
pub(super) struct LinkRow {
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
    source: String,
    operation_id: String,
    outcome: String,
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
                source: row.source,
                operation_id: row.operation_id,
                outcome: row.outcome,
            },
            previous_hash: fixed(row.previous_hash)?,
            hash: fixed(row.hash)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_asks_for_all_that_begin_like_it() {
        assert_eq!(one_or_all(Some("user.suspend")), (Some("user.suspend"), None));
        assert_eq!(one_or_all(Some("user.*")), (None, Some("user.")));
        assert_eq!(one_or_all(None), (None, None));
    }
}
