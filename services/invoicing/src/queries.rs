//! The read side: one invoice, pages of them. Two statements each, however many lines.
//!
//! The tables are written in the commit of the events, so a read after a write is never stale.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::vbwd::invoicing::v1 as proto;
use contracts::vbwd::money::v1::Money;
use eventstore::{EventStore, storage};
use fault::{Code, Fault};
use ids::{InvoiceId, TenantId, UserId};
use invoicing_domain::InvoiceNumber;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::grpc::convert::{stored_line_status, stored_status, timestamp};

const PAGE_SIZE_DEFAULT: i64 = 50;
const PAGE_SIZE_MAX: i64 = 200;

const PAGE: &str = "SELECT invoice_id, series, year, sequence, user_id, status, currency, total_minor, issued_at, \
     paid_at, payment_id, revision FROM invoices \
     WHERE tenant_id = $1 AND ($2::uuid IS NULL OR user_id = $2) \
       AND ($3::timestamptz IS NULL OR (issued_at, invoice_id) < ($3, $4)) \
     ORDER BY issued_at DESC, invoice_id DESC LIMIT $5";

const PAGE_OF_USER: &str = "SELECT invoice_id, series, year, sequence, user_id, status, currency, total_minor, \
     issued_at, paid_at, payment_id, revision FROM invoices \
     WHERE tenant_id = $1 AND user_id = $2 \
       AND ($3::timestamptz IS NULL OR (issued_at, invoice_id) < ($3, $4)) \
     ORDER BY issued_at DESC, invoice_id DESC LIMIT $5";

const ONE: &str = "SELECT invoice_id, series, year, sequence, user_id, status, currency, total_minor, issued_at, \
     paid_at, payment_id, revision FROM invoices WHERE tenant_id = $1 AND invoice_id = $2";

const LINES: &str = "SELECT invoice_id, line_id, kind, item_id, description, quantity, unit_price_minor, \
     total_minor, status FROM invoice_lines WHERE tenant_id = $1 AND invoice_id = ANY($2) \
     ORDER BY invoice_id, place";

/// Whose invoices are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Every user's.
    Anyone,
    /// One user's; others do not exist.
    User(UserId),
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    size: i64,
    behind: Option<(Timestamp, Uuid)>,
}

impl Page {
    /// The page of a request; 0 means the default size, more than the maximum means the maximum.
    pub(crate) fn of(size: i32, cursor: &str) -> fault::Result<Self> {
        let size = match i64::from(size) {
            0 => PAGE_SIZE_DEFAULT,
            size if size < 0 => {
                return Err(Fault::invalid("/page_size", "out_of_range", "A page has at least one entry."));
            }
            size => size.min(PAGE_SIZE_MAX),
        };
        let behind = if cursor.is_empty() { None } else { Some(decode(cursor)?) };
        Ok(Self { size, behind })
    }
}

/// One invoice with its lines.
pub(crate) async fn invoice(
    store: &EventStore,
    tenant: TenantId,
    id: InvoiceId,
    whose: Whose,
) -> fault::Result<proto::Invoice> {
    let mut transaction = store.read(tenant).await?;
    let row: Option<Row> = sqlx::query_as(ONE)
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(storage)?;
    let visible = |row: &Row| whose == Whose::Anyone || whose == Whose::User(UserId::from_uuid(row.user_id));
    let row = row.filter(visible).ok_or_else(|| Fault::not_found("invoice"))?;
    let mut invoices = with_lines(&mut transaction, tenant, vec![row]).await?;
    transaction.rollback().await.map_err(storage)?;
    invoices.pop().ok_or_else(|| Fault::not_found("invoice"))
}

/// A page of invoices, newest first, and the cursor of the next one; empty behind the last.
pub(crate) async fn page(
    store: &EventStore,
    tenant: TenantId,
    whose: Whose,
    page: Page,
) -> fault::Result<(Vec<proto::Invoice>, String)> {
    let (statement, user) = match whose {
        Whose::Anyone => (PAGE, None),
        Whose::User(user) => (PAGE_OF_USER, Some(user.as_uuid())),
    };
    let mut transaction = store.read(tenant).await?;
    let mut rows: Vec<Row> = sqlx::query_as(statement)
        .bind(tenant.as_uuid())
        .bind(user)
        .bind(page.behind.map(|(at, _)| at.to_sqlx()))
        .bind(page.behind.map(|(_, id)| id))
        .bind(page.size.saturating_add(1))
        .fetch_all(&mut *transaction)
        .await
        .map_err(storage)?;
    let size = usize::try_from(page.size).map_err(Fault::internal)?;
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|row| encode(row.issued_at.to_jiff(), row.invoice_id));
    let invoices = with_lines(&mut transaction, tenant, rows).await?;
    transaction.rollback().await.map_err(storage)?;
    Ok((invoices, next.unwrap_or_default()))
}

/// What tells the request an invoice was opened by; `None` if there is no such invoice.
pub(crate) async fn request_hash(
    store: &EventStore,
    tenant: TenantId,
    id: InvoiceId,
) -> fault::Result<Option<Vec<u8>>> {
    let mut transaction = store.read(tenant).await?;
    let hash =
        sqlx::query_scalar("SELECT request_hash FROM invoices WHERE tenant_id = $1 AND invoice_id = $2")
            .bind(tenant.as_uuid())
            .bind(id.as_uuid())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(storage)?;
    transaction.rollback().await.map_err(storage)?;
    Ok(hash)
}

#[derive(sqlx::FromRow)]
struct Row {
    invoice_id: Uuid,
    series: String,
    year: i16,
    sequence: i64,
    user_id: Uuid,
    status: String,
    currency: String,
    total_minor: i64,
    issued_at: jiff_sqlx::Timestamp,
    paid_at: Option<jiff_sqlx::Timestamp>,
    payment_id: Option<Uuid>,
    revision: i64,
}

#[derive(sqlx::FromRow)]
struct LineRow {
    invoice_id: Uuid,
    line_id: Uuid,
    kind: String,
    item_id: String,
    description: String,
    quantity: i64,
    unit_price_minor: i64,
    total_minor: i64,
    status: String,
}

async fn with_lines(
    connection: &mut PgConnection,
    tenant: TenantId,
    rows: Vec<Row>,
) -> fault::Result<Vec<proto::Invoice>> {
    let ids: Vec<_> = rows.iter().map(|row| row.invoice_id).collect();
    let lines: Vec<LineRow> = sqlx::query_as(LINES)
        .bind(tenant.as_uuid())
        .bind(ids)
        .fetch_all(connection)
        .await
        .map_err(storage)?;
    let mut of_invoice: HashMap<Uuid, Vec<LineRow>> = HashMap::new();
    for line in lines {
        of_invoice.entry(line.invoice_id).or_default().push(line);
    }
    let with_lines = |row: Row| {
        let lines = of_invoice.remove(&row.invoice_id).unwrap_or_default();
        row.invoice(lines)
    };
    Ok(rows.into_iter().map(with_lines).collect())
}

impl Row {
    fn invoice(self, lines: Vec<LineRow>) -> proto::Invoice {
        let number = InvoiceNumber { series: self.series, year: self.year, sequence: self.sequence };
        let line = |line: LineRow| line.line(&self.currency);
        proto::Invoice {
            invoice_id: self.invoice_id.to_string(),
            number: number.to_string(),
            status: stored_status(&self.status).into(),
            user_id: self.user_id.to_string(),
            lines: lines.into_iter().map(line).collect(),
            total: Some(Money { minor: self.total_minor, currency: self.currency.clone() }),
            issued_at: Some(timestamp(self.issued_at.to_jiff())),
            paid_at: self.paid_at.map(|at| timestamp(at.to_jiff())),
            payment_id: self.payment_id.map(|id| id.to_string()).unwrap_or_default(),
            revision: self.revision,
        }
    }
}

impl LineRow {
    fn line(self, currency: &str) -> proto::InvoiceLine {
        let money = |minor| Some(Money { minor, currency: currency.to_owned() });
        proto::InvoiceLine {
            line_id: self.line_id.to_string(),
            kind: self.kind,
            item_id: self.item_id,
            description: self.description,
            quantity: self.quantity,
            unit_price: money(self.unit_price_minor),
            total: money(self.total_minor),
            status: stored_line_status(&self.status).into(),
        }
    }
}

fn encode(at: Timestamp, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", at.as_microsecond(), id.simple()))
}

fn decode(cursor: &str) -> fault::Result<(Timestamp, Uuid)> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (at, id) = text.split_once('.')?;
        Some((Timestamp::from_microsecond(at.parse().ok()?).ok()?, Uuid::try_parse(id).ok()?))
    };
    read().ok_or_else(|| {
        let message = "This is no cursor of this list.";
        Fault::new(Code::InvalidInput, "cursor_malformed", message).with_violation("/cursor", "malformed")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let (at, id) = ("2026-11-23T12:00:00.123456Z".parse().unwrap(), InvoiceId::new().as_uuid());
        assert_eq!(decode(&encode(at, id)).unwrap(), (at, id));
        for text in ["x", "MTIz", "!!"] {
            assert_eq!(decode(text).unwrap_err().reason(), "cursor_malformed");
        }
    }

    #[test]
    fn pages_have_a_default_and_a_maximum() {
        assert_eq!(Page::of(0, "").unwrap().size, 50);
        assert_eq!(Page::of(9_999, "").unwrap().size, 200);
        assert!(Page::of(-1, "").is_err());
    }
}
