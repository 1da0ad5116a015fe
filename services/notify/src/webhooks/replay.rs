//! Replays: everything since a time or position again, in order.
//!
//! A replay is a row that says how far it has come. The end of each of its deliveries, good or bad,
//! makes the next one in the same commit; so a crash can neither lose nor repeat a link, and a
//! slow or failing endpoint holds back its own replay only.

use eventstore::storage;
use ids::{TenantId, WebhookId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::claim::Claimed;
use super::event_types::wants;
use super::fan_out::lock_lanes;

const STEP: i64 = 500;

/// Where a replay begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    Since(Timestamp),
    After(i64),
}

/// What a replay will send.
pub(crate) struct Begun {
    pub replay: Uuid,
    pub deliveries: i64,
}

impl Start {
    /// Begins a replay of what is kept now for an endpoint; later events come by themselves.
    pub(crate) async fn begin(
        self,
        on: &mut PgConnection,
        tenant: TenantId,
        (endpoint, patterns): (WebhookId, &[String]),
        now: Timestamp,
    ) -> fault::Result<Begun> {
        let kept = self.kept(on, tenant).await?;
        let wanted = kept.iter().filter(|(_, event)| wants(patterns, event));
        let wanted: Vec<i64> = wanted.map(|(position, _)| *position).collect();
        let replay = WebhookId::new().as_uuid();
        if let (Some(first), Some(last)) = (wanted.first(), wanted.last()) {
            open(on, (replay, tenant, endpoint), (first - 1, *last), patterns, now).await?;
            lock_lanes(on, &[endpoint.as_uuid()], now).await?;
            advance(on, replay, now).await?;
        }
        Ok(Begun { replay, deliveries: i64::try_from(wanted.len()).unwrap_or(i64::MAX) })
    }

    /// Position and name of every message from here on.
    async fn kept(self, on: &mut PgConnection, tenant: TenantId) -> fault::Result<Vec<(i64, String)>> {
        let (since, after) = match self {
            Self::Since(since) => (Some(since), 0),
            Self::After(position) => (None, position),
        };
        sqlx::query_as(
            "SELECT position, event_type FROM webhook_messages WHERE tenant_id = $1 AND NOT example \
             AND ($2::timestamptz IS NULL OR at >= $2) AND position > $3 ORDER BY position",
        )
        .bind(tenant.as_uuid())
        .bind(since.map(|since| since.to_sqlx()))
        .bind(after)
        .fetch_all(on)
        .await
        .map_err(storage)
    }
}

async fn open(
    on: &mut PgConnection,
    (replay, tenant, endpoint): (Uuid, TenantId, WebhookId),
    (first, last): (i64, i64),
    patterns: &[String],
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO webhook_replays (replay_id, tenant_id, endpoint_id, last_position, until_position, \
         event_types, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(replay)
    .bind(tenant.as_uuid())
    .bind(endpoint.as_uuid())
    .bind(first)
    .bind(last)
    .bind(patterns)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The next link, if the delivery that ended was one.
pub(crate) async fn next(on: &mut PgConnection, claimed: &Claimed, now: Timestamp) -> fault::Result<()> {
    match claimed.replay {
        Some(replay) => advance(on, replay, now).await,
        None => Ok(()),
    }
}

async fn advance(on: &mut PgConnection, replay: Uuid, now: Timestamp) -> fault::Result<()> {
    let found: Option<(Uuid, Uuid, i64, i64, Vec<String>)> = sqlx::query_as(
        "SELECT tenant_id, endpoint_id, last_position, until_position, event_types FROM webhook_replays \
         WHERE replay_id = $1 FOR UPDATE",
    )
    .bind(replay)
    .fetch_optional(&mut *on)
    .await
    .map_err(storage)?;
    let Some((tenant, endpoint, mut position, until, patterns)) = found else { return Ok(()) };
    while position < until {
        let ahead = messages(on, tenant, position, until).await?;
        let Some((last, _, _)) = ahead.last() else { break };
        position = *last;
        if let Some((at, event, kind)) = ahead.iter().find(|(_, _, kind)| wants(&patterns, kind)) {
            link(on, (replay, tenant, endpoint), (*at, *event, kind), now).await?;
            return reached(on, replay, *at).await;
        }
    }
    reached(on, replay, until).await
}

async fn messages(
    on: &mut PgConnection,
    tenant: Uuid,
    after: i64,
    until: i64,
) -> fault::Result<Vec<(i64, Uuid, String)>> {
    sqlx::query_as(
        "SELECT position, event_id, event_type FROM webhook_messages WHERE tenant_id = $1 AND NOT example \
         AND position > $2 AND position <= $3 ORDER BY position LIMIT $4",
    )
    .bind(tenant)
    .bind(after)
    .bind(until)
    .bind(STEP)
    .fetch_all(on)
    .await
    .map_err(storage)
}

async fn link(
    on: &mut PgConnection,
    (replay, tenant, endpoint): (Uuid, Uuid, Uuid),
    (position, event, kind): (i64, Uuid, &str),
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO webhook_deliveries (delivery_id, tenant_id, endpoint_id, event_id, event_type, origin, \
         replay_id, position, status, due_at, created_at) \
         VALUES ($1, $2, $3, $4, $5, 'replay', $6, $7, 'waiting', $8, $8)",
    )
    .bind(WebhookId::new().as_uuid())
    .bind(tenant)
    .bind(endpoint)
    .bind(event)
    .bind(kind)
    .bind(replay)
    .bind(position)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

async fn reached(on: &mut PgConnection, replay: Uuid, position: i64) -> fault::Result<()> {
    sqlx::query("UPDATE webhook_replays SET last_position = $2 WHERE replay_id = $1")
        .bind(replay)
        .bind(position)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}
