//! Notes that wait to be handed over, in the table `audit_outbox` of the service.
//!
//! A note is written before its action begins, without an outcome; nobody else takes it up for
//! [`ABANDONED_SECONDS`]. No transaction stays open while the action runs or the courier calls.

use eventstore::storage;
use ids::{OperationId, TenantId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Trail;

/// Longer than any call may take: a note without an outcome that is older was abandoned by a crash.
pub(super) const ABANDONED_SECONDS: i64 = 120;
/// Notes handed over at once.
const BATCH: i64 = 200;

/// An action under way, or done.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Noted {
    pub entry_id: Uuid,
    pub tenant_id: Uuid,
    pub at: jiff_sqlx::Timestamp,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub origin_address: String,
    pub trace_id: String,
    pub operation_id: Uuid,
    pub outcome: Option<String>,
    pub before_json: String,
    pub after_json: String,
}

impl Noted {
    pub(super) fn tenant(&self) -> TenantId {
        TenantId::from_uuid(self.tenant_id)
    }

    pub(super) fn operation(&self) -> OperationId {
        OperationId::from_uuid(self.operation_id)
    }
}

const INSERT: &str = "INSERT INTO audit_outbox (entry_id, tenant_id, at, actor, action, target, origin_address, \
     trace_id, operation_id, outcome, before_json, after_json) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (entry_id) ";
const WAITING: &str = "SELECT entry_id, tenant_id, at, actor, action, target, origin_address, trace_id, \
     operation_id, outcome, before_json, after_json FROM audit_outbox \
     WHERE outcome IS NOT NULL OR at < $1 ORDER BY at LIMIT $2";
const FORGET: &str = "DELETE FROM audit_outbox o USING unnest($1::uuid[], $2::text[]) AS h(entry_id, outcome) \
     WHERE o.entry_id = h.entry_id AND o.outcome IS NOT DISTINCT FROM h.outcome";

impl Trail {
    /// Notes an action that is about to begin; `false` when another attempt has noted it already.
    pub(super) async fn begin(&self, noted: &Noted) -> fault::Result<bool> {
        let mut unit = self.store.begin_worker(Some(noted.tenant())).await?;
        let new = write(unit.connection(), noted, "DO NOTHING").await?;
        unit.commit().await?;
        Ok(new)
    }

    /// Notes how it ended.
    pub(super) async fn settle(&self, noted: &Noted) -> fault::Result<()> {
        let how = "DO UPDATE SET outcome = excluded.outcome, target = excluded.target, \
                   before_json = excluded.before_json, after_json = excluded.after_json";
        let mut unit = self.store.begin_worker(Some(noted.tenant())).await?;
        write(unit.connection(), noted, how).await?;
        unit.commit().await?;
        self.settled.notify_one();
        Ok(())
    }

    /// Takes a note back whose action was refused.
    pub(super) async fn withdraw(&self, noted: &Noted) -> fault::Result<()> {
        let mut unit = self.store.begin_worker(Some(noted.tenant())).await?;
        forget(unit.connection(), &[noted]).await?;
        unit.commit().await.map(drop)
    }

    /// What may be handed over, oldest first.
    pub(super) async fn waiting(&self) -> fault::Result<Vec<Noted>> {
        let abandoned = SignedDuration::from_secs(ABANDONED_SECONDS);
        let before = self.clock.wall().saturating_sub(abandoned).unwrap_or(Timestamp::MIN);
        let mut unit = self.store.begin_worker(None).await?;
        let rows = sqlx::query_as(WAITING).bind(before.to_sqlx()).bind(BATCH);
        let rows = rows.fetch_all(unit.connection()).await.map_err(storage)?;
        unit.rollback().await?;
        Ok(rows)
    }

    /// Forgets what was handed over, unless more has become known about it meanwhile.
    pub(super) async fn handed_over(&self, notes: &[&Noted]) -> fault::Result<()> {
        let mut unit = self.store.begin_worker(None).await?;
        forget(unit.connection(), notes).await?;
        unit.commit().await.map(drop)
    }
}

async fn write(on: &mut PgConnection, noted: &Noted, on_conflict: &'static str) -> fault::Result<bool> {
    let statement = sqlx::AssertSqlSafe(format!("{INSERT}{on_conflict}"));
    let done = sqlx::query(statement)
        .bind(noted.entry_id)
        .bind(noted.tenant_id)
        .bind(noted.at)
        .bind(&noted.actor)
        .bind(&noted.action)
        .bind(&noted.target)
        .bind(&noted.origin_address)
        .bind(&noted.trace_id)
        .bind(noted.operation_id)
        .bind(&noted.outcome)
        .bind(&noted.before_json)
        .bind(&noted.after_json)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

async fn forget(on: &mut PgConnection, notes: &[&Noted]) -> fault::Result<()> {
    let ids: Vec<_> = notes.iter().map(|noted| noted.entry_id).collect();
    let outcomes: Vec<_> = notes.iter().map(|noted| noted.outcome.clone()).collect();
    sqlx::query(FORGET).bind(ids).bind(outcomes).execute(on).await.map_err(storage)?;
    Ok(())
}
