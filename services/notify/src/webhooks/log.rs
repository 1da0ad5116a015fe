//! The log of deliveries, as people read it; and single deliveries that people ask for.

use std::collections::BTreeMap;

use eventstore::storage;
use fault::Fault;
use ids::{EventId, TenantId, WebhookId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::event_types::event_types;
use super::fan_out::{Content, NewMessage, keep, lock_lanes};

const COLUMNS: &str = "SELECT delivery_id, endpoint_id, event_id, event_type, origin, \
     CASE status WHEN 'sending' THEN 'waiting' ELSE status END AS status, attempts, due_at, last_status, \
     last_error, created_at, ended_at FROM webhook_deliveries WHERE tenant_id = $1";

/// A delivery as it stands.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Delivery {
    pub delivery_id: Uuid,
    pub endpoint_id: Uuid,
    pub event_id: Uuid,
    pub event_type: String,
    pub origin: String,
    pub status: String,
    pub attempts: i32,
    pub due_at: jiff_sqlx::Timestamp,
    pub last_status: i32,
    pub last_error: String,
    pub created_at: jiff_sqlx::Timestamp,
    pub ended_at: Option<jiff_sqlx::Timestamp>,
}

/// One request and its answer.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Attempt {
    pub attempt: i32,
    pub at: jiff_sqlx::Timestamp,
    pub duration_ms: i32,
    pub url: String,
    pub request_headers: Json<BTreeMap<String, String>>,
    pub status: i32,
    pub response_headers: Json<BTreeMap<String, String>>,
    pub response_body: String,
    pub error: String,
}

/// Which deliveries.
pub(crate) struct Filter<'a> {
    pub endpoint: WebhookId,
    /// Empty: all.
    pub status: &'a str,
    /// Empty: all.
    pub event_type: &'a str,
    pub before: Option<Uuid>,
    pub limit: i64,
}

/// The log of one tenant.
pub(crate) struct Log(pub TenantId);

impl Log {
    /// At most as many as the filter says, newest first.
    pub(crate) async fn page(
        &self,
        on: &mut PgConnection,
        filter: &Filter<'_>,
    ) -> fault::Result<Vec<Delivery>> {
        let query = format!(
            "{COLUMNS} AND endpoint_id = $2 AND ($3::uuid IS NULL OR delivery_id < $3) \
             AND ($4 = '' OR $4 = CASE status WHEN 'sending' THEN 'waiting' ELSE status END) \
             AND ($5 = '' OR event_type = $5) ORDER BY delivery_id DESC LIMIT $6"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(self.0.as_uuid())
            .bind(filter.endpoint.as_uuid())
            .bind(filter.before)
            .bind(filter.status)
            .bind(filter.event_type)
            .bind(filter.limit)
            .fetch_all(on)
            .await
            .map_err(storage)
    }

    /// One delivery.
    pub(crate) async fn delivery(&self, on: &mut PgConnection, id: WebhookId) -> fault::Result<Delivery> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} AND delivery_id = $2"));
        let row = sqlx::query_as(query).bind(self.0.as_uuid()).bind(id.as_uuid()).fetch_optional(on).await;
        row.map_err(storage)?.ok_or_else(|| Fault::not_found("webhook_delivery"))
    }

    /// What is sent, and what was asked and answered.
    pub(crate) async fn exchanges(
        &self,
        on: &mut PgConnection,
        delivery: &Delivery,
    ) -> fault::Result<(String, Vec<Attempt>)> {
        let body: Option<String> =
            sqlx::query_scalar("SELECT body FROM webhook_messages WHERE tenant_id = $1 AND event_id = $2")
                .bind(self.0.as_uuid())
                .bind(delivery.event_id)
                .fetch_optional(&mut *on)
                .await
                .map_err(storage)?;
        let attempts = sqlx::query_as(
            "SELECT attempt, at, duration_ms, url, request_headers, status, response_headers, response_body, \
             error FROM webhook_attempts WHERE tenant_id = $1 AND delivery_id = $2 ORDER BY attempt",
        )
        .bind(self.0.as_uuid())
        .bind(delivery.delivery_id)
        .fetch_all(on)
        .await
        .map_err(storage)?;
        Ok((body.unwrap_or_default(), attempts))
    }

    /// The same event once more.
    pub(crate) async fn resend(
        &self,
        on: &mut PgConnection,
        delivery: &Delivery,
        now: Timestamp,
    ) -> fault::Result<WebhookId> {
        let event = EventId::from_uuid(delivery.event_id);
        let one = Single { origin: "resend", event, event_type: &delivery.event_type };
        self.queue(on, WebhookId::from_uuid(delivery.endpoint_id), &one, now).await
    }

    /// An example of an event.
    pub(crate) async fn test(
        &self,
        on: &mut PgConnection,
        endpoint: WebhookId,
        event_type: &str,
        now: Timestamp,
    ) -> fault::Result<WebhookId> {
        let name = if event_type.is_empty() { "invoice.paid" } else { event_type };
        let known = event_types().iter().find(|known| known.name == name);
        let known =
            known.ok_or_else(|| Fault::invalid("/event_type", "unknown", "There is no such event."))?;
        let event = EventId::new();
        let content = Content { r#type: name, at: now, subject: "example", data: &known.example };
        keep(on, &NewMessage { tenant: self.0, id: event, content, example: true }, now).await?;
        self.queue(on, endpoint, &Single { origin: "test", event, event_type: name }, now).await
    }

    async fn queue(
        &self,
        on: &mut PgConnection,
        endpoint: WebhookId,
        one: &Single<'_>,
        now: Timestamp,
    ) -> fault::Result<WebhookId> {
        let id = WebhookId::new();
        lock_lanes(on, &[endpoint.as_uuid()], now).await?;
        sqlx::query(
            "INSERT INTO webhook_deliveries (delivery_id, tenant_id, endpoint_id, event_id, event_type, origin, \
             status, due_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $7)",
        )
        .bind(id.as_uuid())
        .bind(self.0.as_uuid())
        .bind(endpoint.as_uuid())
        .bind(one.event.as_uuid())
        .bind(one.event_type)
        .bind(one.origin)
        .bind(now.to_sqlx())
        .execute(on)
        .await
        .map_err(storage)?;
        Ok(id)
    }
}

/// A delivery that somebody asked for.
struct Single<'a> {
    origin: &'static str,
    event: EventId,
    event_type: &'a str,
}
