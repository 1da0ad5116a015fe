//! Events of the fleet become deliveries: one message, one row per endpoint that wants it.
//!
//! Lanes are locked before rows are written, and always in the order of their ids, so that neither
//! two fan-outs nor a fan-out and the removal of an endpoint wait for each other in a circle.

use std::sync::Arc;

use bus::{CloudEvent, Consumer};
use eventstore::{WorkerUnit, storage};
use fault::Fault;
use ids::{EventId, TenantId, WebhookId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use kernel::Clock;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::event_types::wants;
use crate::metrics;

/// Follows everything that is published.
#[derive(Clone)]
pub(crate) struct FanOut {
    pub clock: Arc<dyn Clock>,
}

impl Consumer for FanOut {
    fn name(&self) -> &'static str {
        "notify_webhooks"
    }

    fn subjects(&self) -> &'static str {
        "evt.>"
    }

    async fn handle(&self, work: &mut WorkerUnit, event: &CloudEvent) -> fault::Result<()> {
        let on = work.connection();
        let endpoints = wanting(on, event).await?;
        if endpoints.is_empty() {
            return Ok(());
        }
        let now = self.clock.wall();
        let content =
            Content { r#type: &event.r#type, at: event.time, subject: &event.subject, data: &event.data };
        let message = NewMessage { tenant: event.tenant, id: event.id, content, example: false };
        let position = keep(on, &message, now).await?;
        let enabled: Vec<Uuid> =
            endpoints.iter().filter(|(_, enabled)| *enabled).map(|(id, _)| *id).collect();
        lock_lanes(on, &enabled, now).await?;
        deliver(on, &message, position, &enabled, now).await?;
        metrics::webhooks_queued(enabled.len());
        Ok(())
    }
}

/// What is told.
pub(crate) struct Content<'a> {
    pub r#type: &'a str,
    pub at: Timestamp,
    pub subject: &'a str,
    pub data: &'a Value,
}

/// A message to be kept.
pub(crate) struct NewMessage<'a> {
    pub tenant: TenantId,
    pub id: EventId,
    pub content: Content<'a>,
    /// Examples are never replayed.
    pub example: bool,
}

/// Endpoints of the tenant that want the event; disabled ones too, for they may ask for a replay.
async fn wanting(on: &mut PgConnection, event: &CloudEvent) -> fault::Result<Vec<(Uuid, bool)>> {
    let rows: Vec<(Uuid, bool, Vec<String>)> = sqlx::query_as(
        "SELECT endpoint_id, enabled, event_types FROM webhook_endpoints WHERE tenant_id = $1",
    )
    .bind(event.tenant.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    let wanting = rows.into_iter().filter(|(_, _, patterns)| wants(patterns, &event.r#type));
    Ok(wanting.map(|(id, enabled, _)| (id, enabled)).collect())
}

/// Keeps a message; answers its position.
pub(crate) async fn keep(
    on: &mut PgConnection,
    message: &NewMessage<'_>,
    now: Timestamp,
) -> fault::Result<i64> {
    let position: i64 = sqlx::query_scalar("SELECT nextval('webhook_positions')")
        .fetch_one(&mut *on)
        .await
        .map_err(storage)?;
    sqlx::query(
        "INSERT INTO webhook_messages (tenant_id, event_id, position, example, event_type, body, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(message.tenant.as_uuid())
    .bind(message.id.as_uuid())
    .bind(position)
    .bind(message.example)
    .bind(message.content.r#type)
    .bind(body(message, position)?)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(position)
}

/// What is sent: the payload that the specification recommends, and what places it.
fn body(message: &NewMessage<'_>, position: i64) -> fault::Result<String> {
    let content = &message.content;
    let body = json!({
        "type": content.r#type,
        "timestamp": content.at,
        "data": content.data,
        "id": message.id,
        "subject": content.subject,
        "sequence": position,
    });
    serde_json::to_string(&body).map_err(Fault::internal)
}

/// Locks lanes in order and has them looked at.
pub(crate) async fn lock_lanes(
    on: &mut PgConnection,
    endpoints: &[Uuid],
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "WITH held AS (SELECT endpoint_id FROM webhook_lanes WHERE endpoint_id = ANY($1) \
           ORDER BY endpoint_id FOR UPDATE) \
         UPDATE webhook_lanes l SET look_at = least(l.look_at, $2) FROM held WHERE l.endpoint_id = held.endpoint_id",
    )
    .bind(endpoints)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

async fn deliver(
    on: &mut PgConnection,
    message: &NewMessage<'_>,
    position: i64,
    endpoints: &[Uuid],
    now: Timestamp,
) -> fault::Result<()> {
    let ids: Vec<Uuid> = endpoints.iter().map(|_| WebhookId::new().as_uuid()).collect();
    sqlx::query(
        "INSERT INTO webhook_deliveries (delivery_id, tenant_id, endpoint_id, event_id, event_type, origin, \
         position, status, due_at, created_at) \
         SELECT d.id, $1, d.endpoint, $2, $3, 'event', $4, 'waiting', $5, $5 \
         FROM unnest($6::uuid[], $7::uuid[]) AS d(id, endpoint)",
    )
    .bind(message.tenant.as_uuid())
    .bind(message.id.as_uuid())
    .bind(message.content.r#type)
    .bind(position)
    .bind(now.to_sqlx())
    .bind(ids)
    .bind(endpoints)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}
