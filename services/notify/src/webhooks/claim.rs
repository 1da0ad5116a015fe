//! Takes what may begin: a few lanes that are due, each under its row's lock, and from each as much
//! as its rate and concurrency leave. The work per claim does not depend on how much is queued.

use eventstore::{EventStore, storage};
use fault::Fault;
use ids::{EventId, TenantId, WebhookId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::lane::Lane;
use super::signature::Secret;
use crate::secrets::Secrets;

const LANES_MAX: i64 = 16;

const LANES: &str = "SELECT l.endpoint_id, l.tenant_id, l.credit, l.credited_at, l.paused_until, l.failing_since, \
       e.enabled, e.rate_per_second, e.concurrency, e.url, e.sealed_secret, e.previous_sealed_secret, \
       e.previous_secret_expires_at \
     FROM webhook_lanes l JOIN webhook_endpoints e ON e.endpoint_id = l.endpoint_id \
     WHERE l.look_at <= $1 ORDER BY l.look_at LIMIT $2 FOR UPDATE OF l SKIP LOCKED";

const TAKE: &str = "WITH due AS ( \
       SELECT delivery_id FROM webhook_deliveries \
       WHERE endpoint_id = $1 AND ended_at IS NULL AND due_at <= $2 AND ($3 OR origin = 'test') \
       ORDER BY due_at, delivery_id LIMIT $4 FOR UPDATE SKIP LOCKED), \
     taken AS ( \
       UPDATE webhook_deliveries d SET status = 'sending', attempts = attempts + 1, due_at = $5 \
       FROM due WHERE d.delivery_id = due.delivery_id RETURNING d.*) \
     SELECT t.delivery_id, t.event_id, t.attempts, t.replay_id, m.body \
     FROM taken t JOIN webhook_messages m ON m.tenant_id = t.tenant_id AND m.event_id = t.event_id \
     ORDER BY t.delivery_id";

#[derive(sqlx::FromRow)]
struct LaneRow {
    endpoint_id: Uuid,
    tenant_id: Uuid,
    credit: f64,
    credited_at: jiff_sqlx::Timestamp,
    paused_until: Option<jiff_sqlx::Timestamp>,
    failing_since: Option<jiff_sqlx::Timestamp>,
    enabled: bool,
    rate_per_second: i32,
    concurrency: i32,
    url: String,
    sealed_secret: Vec<u8>,
    previous_sealed_secret: Option<Vec<u8>>,
    previous_secret_expires_at: Option<jiff_sqlx::Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Taken {
    delivery_id: Uuid,
    event_id: Uuid,
    attempts: i32,
    replay_id: Option<Uuid>,
    body: String,
}

/// A delivery that is being sent by whoever holds this.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub delivery: WebhookId,
    pub endpoint: WebhookId,
    pub tenant: TenantId,
    pub event: EventId,
    /// Which attempt this is; also the fence.
    pub attempt: i32,
    pub replay: Option<Uuid>,
    pub url: String,
    pub body: String,
    pub secrets: Vec<Secret>,
}

/// What sealed secrets of an endpoint are sealed for.
pub(crate) fn seal_context(endpoint: WebhookId) -> String {
    format!("webhook:{endpoint}")
}

/// Takes up to `limit` deliveries for one attempt each.
pub(crate) async fn claim(
    store: &EventStore,
    secrets: &Secrets,
    now: Timestamp,
    lease: SignedDuration,
    limit: usize,
) -> fault::Result<Vec<Claimed>> {
    let lease_ends = now.saturating_add(lease).map_err(Fault::internal)?;
    let mut worker = store.begin_worker(None).await?;
    let rows: Vec<LaneRow> = sqlx::query_as(LANES)
        .bind(now.to_sqlx())
        .bind(LANES_MAX)
        .fetch_all(worker.connection())
        .await
        .map_err(storage)?;
    let (mut claimed, mut room) = (Vec::new(), i64::try_from(limit).unwrap_or(i64::MAX));
    for row in rows {
        let taken = work_lane(worker.connection(), &row, now, lease_ends, room).await?;
        room -= i64::try_from(taken.len()).unwrap_or(i64::MAX);
        let keys = open(&row, secrets, now)?;
        claimed.extend(taken.into_iter().map(|taken| assemble(&row, taken, keys.clone())));
    }
    worker.commit().await?;
    Ok(claimed)
}

async fn work_lane(
    on: &mut PgConnection,
    row: &LaneRow,
    now: Timestamp,
    lease_ends: Timestamp,
    room: i64,
) -> fault::Result<Vec<Taken>> {
    let lane = lane(on, row, now).await?;
    let (allowed, credit) = lane.allowance(now);
    let wanted = allowed.min(room);
    let taken: Vec<Taken> = if wanted > 0 {
        let take = sqlx::query_as(TAKE).bind(row.endpoint_id).bind(now.to_sqlx()).bind(row.enabled);
        take.bind(wanted).bind(lease_ends.to_sqlx()).fetch_all(&mut *on).await.map_err(storage)?
    } else {
        Vec::new()
    };
    let count = i64::try_from(taken.len()).unwrap_or(i64::MAX);
    let next = next_due(on, row).await?;
    let more = next.is_some_and(|next| next <= now);
    // Where the process had no room, another look is due at once.
    let short_of_room = more && allowed > room;
    let look_at = if short_of_room { Some(now) } else { lane.look_again(now, credit, count, more) };
    let look_at = look_at.or(if more { running_until(on, row).await? } else { next });
    #[allow(clippy::cast_precision_loss, reason = "at most 64")]
    let left = if lane.rate > 0.0 { credit - count as f64 } else { 1.0 };
    save(on, row, look_at, left, now).await?;
    Ok(taken)
}

async fn lane(on: &mut PgConnection, row: &LaneRow, now: Timestamp) -> fault::Result<Lane> {
    let running: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = $1 AND status = 'sending' AND due_at > $2",
    )
    .bind(row.endpoint_id)
    .bind(now.to_sqlx())
    .fetch_one(on)
    .await
    .map_err(storage)?;
    Ok(Lane {
        rate: f64::from(row.rate_per_second),
        concurrency: i64::from(row.concurrency),
        running,
        credit: row.credit,
        credited_at: row.credited_at.to_jiff(),
        paused_until: row.paused_until.map(jiff_sqlx::Timestamp::to_jiff),
        failing: row.failing_since.is_some(),
    })
}

/// When the earliest delivery of the lane is due; leases count, for they may run out.
async fn next_due(on: &mut PgConnection, row: &LaneRow) -> fault::Result<Option<Timestamp>> {
    earliest(
        on,
        row,
        "SELECT due_at FROM webhook_deliveries WHERE endpoint_id = $1 AND ended_at IS NULL \
         AND ($2 OR origin = 'test') ORDER BY due_at LIMIT 1",
    )
    .await
}

/// A full lane is looked at by the end of its deliveries; should their process die, by their leases.
async fn running_until(on: &mut PgConnection, row: &LaneRow) -> fault::Result<Option<Timestamp>> {
    earliest(
        on,
        row,
        "SELECT due_at FROM webhook_deliveries WHERE endpoint_id = $1 AND status = 'sending' \
         AND ($2 OR origin = 'test') ORDER BY due_at LIMIT 1",
    )
    .await
}

async fn earliest(
    on: &mut PgConnection,
    row: &LaneRow,
    query: &'static str,
) -> fault::Result<Option<Timestamp>> {
    let found: Option<jiff_sqlx::Timestamp> = sqlx::query_scalar(query)
        .bind(row.endpoint_id)
        .bind(row.enabled)
        .fetch_optional(on)
        .await
        .map_err(storage)?;
    Ok(found.map(jiff_sqlx::Timestamp::to_jiff))
}

async fn save(
    on: &mut PgConnection,
    row: &LaneRow,
    look_at: Option<Timestamp>,
    credit: f64,
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE webhook_lanes SET look_at = $2, credit = $3, credited_at = $4 WHERE endpoint_id = $1",
    )
    .bind(row.endpoint_id)
    .bind(look_at.map(|at| at.to_sqlx()))
    .bind(credit)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The secrets that sign now: the present one, and the one before while they overlap.
fn open(row: &LaneRow, secrets: &Secrets, now: Timestamp) -> fault::Result<Vec<Secret>> {
    let context = seal_context(WebhookId::from_uuid(row.endpoint_id));
    let mut keys = vec![Secret::from_bytes(secrets.open(&context, &row.sealed_secret)?)];
    let overlaps = row.previous_secret_expires_at.as_ref().is_some_and(|end| end.to_jiff() > now);
    if let (Some(previous), true) = (&row.previous_sealed_secret, overlaps) {
        keys.push(Secret::from_bytes(secrets.open(&context, previous)?));
    }
    Ok(keys)
}

fn assemble(row: &LaneRow, taken: Taken, secrets: Vec<Secret>) -> Claimed {
    Claimed {
        delivery: WebhookId::from_uuid(taken.delivery_id),
        endpoint: WebhookId::from_uuid(row.endpoint_id),
        tenant: TenantId::from_uuid(row.tenant_id),
        event: EventId::from_uuid(taken.event_id),
        attempt: taken.attempts,
        replay: taken.replay_id,
        url: row.url.clone(),
        body: taken.body,
        secrets,
    }
}
