//! The endpoints of a tenant: what people set, and the secrets.
//!
//! Writers lock the lane before the endpoint's own row, as everybody does. Settings are checked
//! here and again when something is sent, for the operator's rules may change in between.

use std::sync::Arc;

use eventstore::storage;
use fault::Fault;
use ids::{TenantId, WebhookId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::claim::seal_context;
use super::fan_out::lock_lanes;
use super::signature::Secret;
use super::{Guard, event_types};
use crate::config::WebhookConfig;
use crate::secrets::Secrets;

const DESCRIPTION_LENGTH_MAX: usize = 500;
const RATE_MAX: i32 = 1_000;
const CONCURRENCY: i32 = 4;
const CONCURRENCY_MAX: i32 = 64;

const COLUMNS: &str = "SELECT e.endpoint_id, e.url, e.description, e.event_types, e.enabled, e.disabled_reason, \
       e.rate_per_second, e.concurrency, e.contact_email, e.created_at, l.failing_since, \
       CASE WHEN e.previous_secret_expires_at > $2 THEN e.previous_secret_expires_at END AS previous_secret_expires_at, \
       (SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id AND d.ended_at IS NULL) AS waiting \
     FROM webhook_endpoints e JOIN webhook_lanes l ON l.endpoint_id = e.endpoint_id WHERE e.tenant_id = $1";

/// What people set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub url: String,
    pub description: String,
    pub event_types: Vec<String>,
    pub rate_per_second: i32,
    /// 0 means the default.
    pub concurrency: i32,
    pub contact_email: String,
}

/// An endpoint as it stands.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Endpoint {
    pub endpoint_id: Uuid,
    pub url: String,
    pub description: String,
    pub event_types: Vec<String>,
    pub enabled: bool,
    pub disabled_reason: String,
    pub rate_per_second: i32,
    pub concurrency: i32,
    pub contact_email: String,
    pub created_at: jiff_sqlx::Timestamp,
    pub failing_since: Option<jiff_sqlx::Timestamp>,
    pub previous_secret_expires_at: Option<jiff_sqlx::Timestamp>,
    pub waiting: i64,
}

/// The endpoints.
#[derive(Clone)]
pub(crate) struct Endpoints {
    pub secrets: Arc<Secrets>,
    pub guard: Guard,
    pub config: Arc<WebhookConfig>,
}

impl Endpoints {
    /// Adds one. The count is checked under a lock of the tenant, so that parallel calls cannot
    /// exceed it together.
    pub(crate) async fn create(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        settings: &Settings,
        now: Timestamp,
    ) -> fault::Result<(WebhookId, Secret)> {
        self.check(settings)?;
        self.check_room(on, tenant).await?;
        let (id, secret) = (WebhookId::new(), Secret::random()?);
        sqlx::query(
            "INSERT INTO webhook_endpoints (endpoint_id, tenant_id, url, description, event_types, enabled, \
             rate_per_second, concurrency, contact_email, sealed_secret, created_at) \
             VALUES ($1, $2, $3, $4, $5, true, $6, $7, $8, $9, $10)",
        )
        .bind(id.as_uuid())
        .bind(tenant.as_uuid())
        .bind(&settings.url)
        .bind(&settings.description)
        .bind(&settings.event_types)
        .bind(settings.rate_per_second)
        .bind(concurrency(settings))
        .bind(&settings.contact_email)
        .bind(self.secrets.seal(&seal_context(id), secret.bytes())?)
        .bind(now.to_sqlx())
        .execute(&mut *on)
        .await
        .map_err(storage)?;
        sqlx::query("INSERT INTO webhook_lanes (endpoint_id, tenant_id, credited_at) VALUES ($1, $2, $3)")
            .bind(id.as_uuid())
            .bind(tenant.as_uuid())
            .bind(now.to_sqlx())
            .execute(on)
            .await
            .map_err(storage)?;
        Ok((id, secret))
    }

    /// Replaces the settings of one.
    pub(crate) async fn update(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        id: WebhookId,
        (settings, enabled): (&Settings, bool),
        now: Timestamp,
    ) -> fault::Result<()> {
        self.check(settings)?;
        lock_lanes(on, &[id.as_uuid()], now).await?;
        let done = sqlx::query(
            "UPDATE webhook_endpoints SET url = $3, description = $4, event_types = $5, rate_per_second = $6, \
             concurrency = $7, contact_email = $8, enabled = $9, disabled_reason = \
               CASE WHEN $9 THEN '' WHEN disabled_reason = '' THEN 'by_hand' ELSE disabled_reason END \
             WHERE endpoint_id = $1 AND tenant_id = $2",
        )
        .bind(id.as_uuid())
        .bind(tenant.as_uuid())
        .bind(&settings.url)
        .bind(&settings.description)
        .bind(&settings.event_types)
        .bind(settings.rate_per_second)
        .bind(concurrency(settings))
        .bind(&settings.contact_email)
        .bind(enabled)
        .execute(&mut *on)
        .await
        .map_err(storage)?;
        found(done.rows_affected())?;
        // Whoever enables it again or moves it has mended something: it starts afresh.
        sqlx::query(
            "UPDATE webhook_lanes SET failing_since = NULL, failures = 0, paused_until = NULL \
             WHERE endpoint_id = $1 AND $2",
        )
        .bind(id.as_uuid())
        .bind(enabled)
        .execute(on)
        .await
        .map_err(storage)?;
        Ok(())
    }

    /// Removes one with all its deliveries: rows first, then the lane, then the endpoint.
    pub(crate) async fn delete(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        id: WebhookId,
    ) -> fault::Result<()> {
        for statement in [
            "DELETE FROM webhook_deliveries WHERE endpoint_id = $1 AND tenant_id = $2",
            "DELETE FROM webhook_lanes WHERE endpoint_id = $1 AND tenant_id = $2",
            "DELETE FROM webhook_endpoints WHERE endpoint_id = $1 AND tenant_id = $2",
        ] {
            let delete = sqlx::query(statement).bind(id.as_uuid()).bind(tenant.as_uuid());
            delete.execute(&mut *on).await.map_err(storage)?;
        }
        Ok(())
    }

    /// The secret of one.
    pub(crate) async fn secret(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        id: WebhookId,
    ) -> fault::Result<Secret> {
        let sealed: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT sealed_secret FROM webhook_endpoints WHERE endpoint_id = $1 AND tenant_id = $2",
        )
        .bind(id.as_uuid())
        .bind(tenant.as_uuid())
        .fetch_optional(on)
        .await
        .map_err(storage)?;
        let sealed = sealed.ok_or_else(unknown)?;
        Ok(Secret::from_bytes(self.secrets.open(&seal_context(id), &sealed)?))
    }

    /// Gives one a new secret; the one before signs as well for `overlap`.
    pub(crate) async fn rotate(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        id: WebhookId,
        overlap: SignedDuration,
        now: Timestamp,
    ) -> fault::Result<Secret> {
        let secret = Secret::random()?;
        let done = sqlx::query(
            "UPDATE webhook_endpoints SET previous_sealed_secret = sealed_secret, \
             previous_secret_expires_at = $3, sealed_secret = $4 WHERE endpoint_id = $1 AND tenant_id = $2",
        )
        .bind(id.as_uuid())
        .bind(tenant.as_uuid())
        .bind(now.saturating_add(overlap).map_err(Fault::internal)?.to_sqlx())
        .bind(self.secrets.seal(&seal_context(id), secret.bytes())?)
        .execute(on)
        .await
        .map_err(storage)?;
        found(done.rows_affected())?;
        Ok(secret)
    }

    /// One endpoint.
    pub(crate) async fn get(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        id: WebhookId,
        now: Timestamp,
    ) -> fault::Result<Endpoint> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} AND e.endpoint_id = $3"));
        let row = sqlx::query_as(query).bind(tenant.as_uuid()).bind(now.to_sqlx()).bind(id.as_uuid());
        row.fetch_optional(on).await.map_err(storage)?.ok_or_else(unknown)
    }

    /// At most `limit` endpoints, newest first, behind `before`.
    pub(crate) async fn page(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        (before, limit): (Option<Uuid>, i64),
        now: Timestamp,
    ) -> fault::Result<Vec<Endpoint>> {
        let query = format!(
            "{COLUMNS} AND ($3::uuid IS NULL OR e.endpoint_id < $3) ORDER BY e.endpoint_id DESC LIMIT $4"
        );
        let query = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(tenant.as_uuid()).bind(now.to_sqlx());
        query.bind(before).bind(limit).fetch_all(on).await.map_err(storage)
    }

    fn check(&self, settings: &Settings) -> fault::Result<()> {
        self.guard.check(&settings.url)?;
        event_types::check(&settings.event_types)?;
        let wrong =
            |pointer, code| Err(Fault::invalid(pointer, code, "A setting of the endpoint is out of range."));
        if settings.description.chars().count() > DESCRIPTION_LENGTH_MAX {
            return wrong("/description", "too_long");
        }
        if !(0..=RATE_MAX).contains(&settings.rate_per_second) {
            return wrong("/rate_per_second", "out_of_range");
        }
        if !(0..=CONCURRENCY_MAX).contains(&settings.concurrency) {
            return wrong("/concurrency", "out_of_range");
        }
        if !settings.contact_email.is_empty() && settings.contact_email.parse::<lettre::Address>().is_err() {
            return wrong("/contact_email", "malformed");
        }
        Ok(())
    }

    async fn check_room(&self, on: &mut PgConnection, tenant: TenantId) -> fault::Result<()> {
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoints/' || $1::text, 0))")
            .bind(tenant.as_uuid())
            .execute(&mut *on)
            .await
            .map_err(storage)?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM webhook_endpoints WHERE tenant_id = $1")
            .bind(tenant.as_uuid())
            .fetch_one(on)
            .await
            .map_err(storage)?;
        if count < i64::from(self.config.endpoints_max) {
            return Ok(());
        }
        let fault =
            Fault::rejected("webhook_endpoints_too_many", "The tenant has as many endpoints as it may have.");
        Err(fault.with_fact("endpoints_max", self.config.endpoints_max))
    }
}

const fn concurrency(settings: &Settings) -> i32 {
    if settings.concurrency == 0 { CONCURRENCY } else { settings.concurrency }
}

fn found(rows: u64) -> fault::Result<()> {
    if rows == 1 { Ok(()) } else { Err(unknown()) }
}

pub(crate) fn unknown() -> Fault {
    Fault::not_found("webhook_endpoint")
}
