//! The table `payments`: the inline read model, what webhooks are matched against, and what the
//! reconciler claims.
//!
//! Every writer of a payment touches its row *before* it appends events. So two writers of one
//! payment wait for each other at the row and never in a circle.

pub(crate) mod accounts;
pub(crate) mod saved_methods;
pub(crate) mod setups;

use ids::{InvoiceId, PaymentId, TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use money::Money;
use payments_gateway_domain::{Decline, Payment, Status};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::provider::ProviderEvent;
use eventstore::storage;
use fault::Fault;

const WRITE: &str = "INSERT INTO payments (payment_id, tenant_id, invoice_id, user_id, status, amount_minor, \
      refunded_minor, currency, method, provider, provider_reference, redirect_url, failure_code, \
      correlation_id, created_at, revision, next_check_at, captured_minor, disputed_minor, decline, \
      contradicted_minor, contradicted_currency) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) \
    ON CONFLICT (payment_id) DO UPDATE SET status = excluded.status, refunded_minor = excluded.refunded_minor, \
      provider_reference = excluded.provider_reference, redirect_url = excluded.redirect_url, \
      failure_code = excluded.failure_code, revision = excluded.revision, \
      next_check_at = excluded.next_check_at, checks = 0, captured_minor = excluded.captured_minor, \
      disputed_minor = excluded.disputed_minor, decline = excluded.decline, \
      contradicted_minor = excluded.contradicted_minor, contradicted_currency = excluded.contradicted_currency";

const READ: &str = "SELECT payment_id, invoice_id, user_id, status, amount_minor, refunded_minor, currency, method, \
      provider, provider_reference, redirect_url, failure_code, created_at, revision, captured_minor, \
      disputed_minor, decline, contradicted_minor, contradicted_currency \
    FROM payments WHERE payment_id = $1";

const RECEIVE: &str = "WITH found AS ( \
      SELECT tenant_id, payment_id, correlation_id FROM payments \
      WHERE provider = $1 AND (provider_reference = $2 OR (payment_id = $3 AND provider_reference IS NULL)) \
        AND ($8::uuid IS NULL OR tenant_id = $8) \
      FOR UPDATE), \
    stored AS ( \
      INSERT INTO webhook_inbox (provider, event_id, tenant_id, payment_id, kind, occurred_at, received_at) \
      SELECT $1, $4, tenant_id, payment_id, $5, $6, $7 FROM found \
      ON CONFLICT DO NOTHING RETURNING event_id) \
    SELECT tenant_id, payment_id, correlation_id, EXISTS (SELECT FROM stored) AS fresh FROM found";

const CLAIM: &str = "UPDATE payments SET checks = checks + 1, \
      next_check_at = $1 + least($2 * power(2, least(checks, 30)), $3) * interval '1 millisecond' \
    WHERE payment_id IN ( \
      SELECT payment_id FROM payments WHERE next_check_at <= $1 ORDER BY next_check_at LIMIT $4 \
      FOR UPDATE SKIP LOCKED) \
    RETURNING tenant_id, payment_id, correlation_id";

/// A payment as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PaymentRow {
    pub(crate) payment_id: PaymentId,
    pub(crate) invoice_id: InvoiceId,
    pub(crate) user_id: UserId,
    pub(crate) status: Status,
    pub(crate) amount: Money,
    pub(crate) captured: Money,
    pub(crate) refunded: Money,
    pub(crate) disputed: Money,
    pub(crate) method: String,
    pub(crate) provider: String,
    pub(crate) provider_reference: Option<String>,
    pub(crate) redirect_url: Option<String>,
    pub(crate) failure_code: Option<String>,
    pub(crate) decline: Option<Decline>,
    pub(crate) contradicted_by: Option<Money>,
    pub(crate) created_at: Timestamp,
    pub(crate) revision: i64,
}

/// A payment whose tenant only its row knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) tenant: TenantId,
    pub(crate) payment_id: PaymentId,
    pub(crate) correlation_id: Uuid,
}

/// How the reconciler spaces its questions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) first: SignedDuration,
    pub(crate) longest: SignedDuration,
}

impl PaymentRow {
    /// The row of a payment; `None` before it was created.
    pub(crate) fn of(payment_id: PaymentId, payment: &Payment, revision: i64) -> Option<Self> {
        let (terms, created_at) = (payment.terms()?.clone(), payment.created_at()?);
        let zero = Money::zero(terms.amount.currency());
        Some(Self {
            payment_id,
            invoice_id: terms.invoice_id,
            user_id: terms.user_id,
            status: payment.status(),
            amount: terms.amount,
            captured: payment.captured().unwrap_or(zero),
            refunded: payment.refunded().unwrap_or(zero),
            disputed: payment.disputed().unwrap_or(zero),
            method: terms.method,
            provider: terms.provider,
            provider_reference: payment.provider_reference().map(str::to_owned),
            redirect_url: payment.redirect_url().map(str::to_owned),
            failure_code: payment.failure_code().map(str::to_owned),
            decline: payment.decline(),
            contradicted_by: payment.contradiction().map(|contradiction| contradiction.reported),
            created_at,
            revision,
        })
    }

    /// Writes it, new or changed.
    pub(crate) async fn write(
        &self,
        connection: &mut PgConnection,
        (tenant, correlation_id): (TenantId, Uuid),
        next_check_at: Option<Timestamp>,
    ) -> fault::Result<()> {
        sqlx::query(WRITE)
            .bind(self.payment_id.as_uuid())
            .bind(tenant.as_uuid())
            .bind(self.invoice_id.as_uuid())
            .bind(self.user_id.as_uuid())
            .bind(self.status.name())
            .bind(self.amount.minor())
            .bind(self.refunded.minor())
            .bind(self.amount.currency().code())
            .bind(&self.method)
            .bind(&self.provider)
            .bind(&self.provider_reference)
            .bind(&self.redirect_url)
            .bind(&self.failure_code)
            .bind(correlation_id)
            .bind(self.created_at.to_sqlx())
            .bind(self.revision)
            .bind(next_check_at.map(|due| due.to_sqlx()))
            .bind(Some(self.captured.minor()).filter(|minor| *minor > 0))
            .bind(self.disputed.minor())
            .bind(self.decline.map(Decline::name))
            .bind(self.contradicted_by.map(Money::minor))
            .bind(self.contradicted_by.map(|money| money.currency().code().to_owned()))
            .execute(connection)
            .await
            .map_err(storage)?;
        Ok(())
    }

    /// Reads it.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        payment_id: PaymentId,
    ) -> fault::Result<Option<Self>> {
        let row = sqlx::query(READ).bind(payment_id.as_uuid()).fetch_optional(connection).await;
        row.map_err(storage)?.map(|row| decode(&row)).transpose()
    }
}

fn decode(row: &sqlx::postgres::PgRow) -> fault::Result<PaymentRow> {
    let get = |error: sqlx::Error| Fault::internal(error);
    let status: String = row.try_get("status").map_err(get)?;
    let currency: String = row.try_get("currency").map_err(get)?;
    let currency = currency.parse().map_err(Fault::internal)?;
    let minor = |column: &str| row.try_get(column).map(|minor| Money::new(minor, currency)).map_err(get);
    let status = Status::from_name(&status).ok_or_else(|| Fault::internal(format!("status {status}")))?;
    let amount = minor("amount_minor")?;
    let captured: Option<i64> = row.try_get("captured_minor").map_err(get)?;
    // Rows of the first release have no figure: what was captured then was captured whole.
    let untold = if status.was_captured() { amount.minor() } else { 0 };
    let decline: Option<String> = row.try_get("decline").map_err(get)?;
    let id = |column: &str| row.try_get::<Uuid, _>(column).map_err(get);
    Ok(PaymentRow {
        payment_id: PaymentId::from_uuid(id("payment_id")?),
        invoice_id: InvoiceId::from_uuid(id("invoice_id")?),
        user_id: UserId::from_uuid(id("user_id")?),
        status,
        amount,
        captured: Money::new(captured.unwrap_or(untold), currency),
        disputed: minor("disputed_minor")?,
        decline: decline.as_deref().map(Decline::from_name),
        contradicted_by: contradiction(row)?,
        refunded: minor("refunded_minor")?,
        method: row.try_get("method").map_err(get)?,
        provider: row.try_get("provider").map_err(get)?,
        provider_reference: row.try_get("provider_reference").map_err(get)?,
        redirect_url: row.try_get("redirect_url").map_err(get)?,
        failure_code: row.try_get("failure_code").map_err(get)?,
        created_at: row.try_get::<jiff_sqlx::Timestamp, _>("created_at").map_err(get)?.to_jiff(),
        revision: row.try_get("revision").map_err(get)?,
    })
}

fn contradiction(row: &sqlx::postgres::PgRow) -> fault::Result<Option<Money>> {
    let minor: Option<i64> = row.try_get("contradicted_minor").map_err(Fault::internal)?;
    let currency: Option<String> = row.try_get("contradicted_currency").map_err(Fault::internal)?;
    let currency = currency.map(|code| code.parse().map_err(Fault::internal)).transpose()?;
    Ok(minor.zip(currency).map(|(minor, currency)| Money::new(minor, currency)))
}

type FoundRow = (Uuid, Uuid, Uuid);

fn found((tenant, payment, correlation_id): FoundRow) -> Found {
    let (tenant, payment_id) = (TenantId::from_uuid(tenant), PaymentId::from_uuid(payment));
    Found { tenant, payment_id, correlation_id }
}

/// What a webhook names: the provider's reference, our id where the provider repeats it, and the
/// tenant that the webhook may speak about; nothing means any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) reference: &'a str,
    pub(crate) payment_id: Option<PaymentId>,
    pub(crate) tenant: Option<TenantId>,
}

/// Finds and holds the payment a webhook speaks of and notes the webhook; answers the payment and
/// whether the webhook is new. Needs the worker role.
pub(crate) async fn receive(
    connection: &mut PgConnection,
    provider: &str,
    (event, named): (&ProviderEvent, Named<'_>),
    received_at: Timestamp,
) -> fault::Result<Option<(Found, bool)>> {
    let row: Option<(Uuid, Uuid, Uuid, bool)> = sqlx::query_as(RECEIVE)
        .bind(provider)
        .bind(named.reference)
        .bind(named.payment_id.map(PaymentId::as_uuid))
        .bind(&event.event_id)
        .bind(&event.kind)
        .bind(event.occurred_at.to_sqlx())
        .bind(received_at.to_sqlx())
        .bind(named.tenant.map(TenantId::as_uuid))
        .fetch_optional(connection)
        .await
        .map_err(storage)?;
    Ok(row.map(|(tenant, payment, correlation, fresh)| (found((tenant, payment, correlation)), fresh)))
}

/// Whether a payment of ours has this reference. Needs the worker role.
pub(crate) async fn knows(
    connection: &mut PgConnection,
    provider: &str,
    reference: &str,
) -> fault::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM payments WHERE provider = $1 AND provider_reference = $2)")
        .bind(provider)
        .bind(reference)
        .fetch_one(connection)
        .await
        .map_err(storage)
}

/// Puts the next question about a payment off, because its provider wants to be left alone.
pub(crate) async fn put_off(
    connection: &mut PgConnection,
    payment_id: PaymentId,
    until: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE payments SET next_check_at = greatest(next_check_at, $2) \
         WHERE payment_id = $1 AND next_check_at IS NOT NULL",
    )
    .bind(payment_id.as_uuid())
    .bind(until.to_sqlx())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Claims payments that are due to be asked for and sets when they are due again. Needs the worker
/// role.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    now: Timestamp,
    pace: Pace,
    limit: usize,
) -> fault::Result<Vec<Found>> {
    let milliseconds = |pause: SignedDuration| pause.as_millis_f64();
    let rows: Vec<FoundRow> = sqlx::query_as(CLAIM)
        .bind(now.to_sqlx())
        .bind(milliseconds(pace.first))
        .bind(milliseconds(pace.longest))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(storage)?;
    Ok(rows.into_iter().map(found).collect())
}
