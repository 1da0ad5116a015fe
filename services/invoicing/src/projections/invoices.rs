//! The tables `invoices` and `invoice_lines`, from the state of the aggregate.
//!
//! Opening writes the rows of a whole batch in one statement, together with its numbers; every
//! later change is one statement as well.

use std::collections::HashMap;

use eventstore::{Loaded, storage};
use fault::Fault;
use ids::{InvoiceId, TenantId};
use invoicing_domain::{AttemptOutcome, Invoice, LineStatus, Opened, Status};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// Takes the next numbers and inserts invoices and lines under them. An invoice that exists is left
/// alone and not answered; then the caller must roll back, or its number would be a hole.
const OPEN: &str = "WITH taken AS ( \
       INSERT INTO invoice_series (tenant_id, series, year, next) VALUES ($1, $2, $3, $4 + 1) \
       ON CONFLICT (tenant_id, series, year) DO UPDATE SET next = invoice_series.next + $4 \
       RETURNING next - $4 AS first), \
     opened AS ( \
       INSERT INTO invoices (tenant_id, invoice_id, series, year, sequence, user_id, status, currency, \
         total_minor, issued_at, due_at, paid_at, payment_id, attend_at, request_hash, revision) \
       SELECT $1, i.invoice_id, $2, $3, taken.first + i.place - 1, i.user_id, i.status, i.currency, \
         i.total_minor, i.issued_at, i.due_at, i.paid_at, i.payment_id, i.attend_at, i.request_hash, i.revision \
       FROM taken, unnest($5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::bigint[], $10::timestamptz[], \
         $11::timestamptz[], $12::timestamptz[], $13::uuid[], $14::timestamptz[], $15::bytea[], $16::bigint[]) \
         WITH ORDINALITY AS i(invoice_id, user_id, status, currency, total_minor, issued_at, due_at, paid_at, \
           payment_id, attend_at, request_hash, revision, place) \
       ON CONFLICT (tenant_id, invoice_id) DO NOTHING \
       RETURNING invoice_id, sequence), \
     lines AS ( \
       INSERT INTO invoice_lines (tenant_id, invoice_id, place, line_id, kind, item_id, description, quantity, \
         unit_price_minor, total_minor, status) \
       SELECT $1, l.* FROM unnest($17::uuid[], $18::smallint[], $19::uuid[], $20::text[], $21::text[], \
         $22::text[], $23::bigint[], $24::bigint[], $25::bigint[], $26::text[]) AS l \
       ON CONFLICT DO NOTHING) \
     SELECT invoice_id, sequence FROM opened";

const UPDATE: &str = "WITH lines AS ( \
       UPDATE invoice_lines SET status = l.status \
       FROM unnest($8::uuid[], $9::text[]) AS l(line_id, status) \
       WHERE tenant_id = $1 AND invoice_id = $2 AND invoice_lines.line_id = l.line_id \
         AND invoice_lines.status <> l.status) \
     UPDATE invoices SET status = $3, revision = $4, paid_at = $5, payment_id = $6, attend_at = $7 \
     WHERE tenant_id = $1 AND invoice_id = $2";

const ATTEND_LATER: &str =
    "UPDATE invoices SET attend_at = $3 WHERE tenant_id = $1 AND invoice_id = $2 AND attend_at IS NOT NULL";

/// An invoice about to be opened: its state but for the number, and what tells its request.
pub(crate) struct NewInvoice<'a> {
    pub id: InvoiceId,
    pub state: &'a Invoice,
    pub revision: i64,
    pub request_hash: &'a [u8; 32],
}

/// Inserts `invoices` of one series and year; answers the numbers of those that are new.
pub(crate) async fn open(
    connection: &mut PgConnection,
    tenant: TenantId,
    (series, year): (&str, i16),
    invoices: &[NewInvoice<'_>],
    check_after: SignedDuration,
) -> fault::Result<HashMap<InvoiceId, i64>> {
    let rows = invoices.iter().map(|new| row(new, check_after)).collect::<fault::Result<Vec<_>>>()?;
    let lines: Vec<_> = invoices.iter().flat_map(line_rows).collect();
    let column = |of: fn(&Row) -> Option<Timestamp>| -> Vec<_> {
        rows.iter().map(|row| of(row).map(|at| at.to_sqlx())).collect()
    };
    let count = i64::try_from(rows.len()).map_err(Fault::internal)?;
    let numbered: Vec<(Uuid, i64)> = sqlx::query_as(OPEN)
        .bind(tenant.as_uuid())
        .bind(series)
        .bind(year)
        .bind(count)
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.user).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.status).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.currency.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.total_minor).collect::<Vec<_>>())
        .bind(column(|row| Some(row.issued_at)))
        .bind(column(|row| Some(row.due_at)))
        .bind(column(|row| row.paid_at))
        .bind(rows.iter().map(|row| row.payment).collect::<Vec<_>>())
        .bind(column(|row| row.attend_at))
        .bind(rows.iter().map(|row| row.request_hash).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.revision).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.invoice).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.place).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.line.sold.line_id.as_uuid()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.line.sold.kind.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.line.sold.item_id.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.line.sold.description.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.line.sold.quantity).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.line.sold.unit_price.minor()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.line.sold.total.minor()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line_status(line.line.status)).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(storage)?;
    Ok(numbered.into_iter().map(|(id, sequence)| (InvoiceId::from_uuid(id), sequence)).collect())
}

/// Writes what has changed of an open invoice.
pub(crate) async fn update(
    connection: &mut PgConnection,
    tenant: TenantId,
    invoice: &Loaded<Invoice>,
    attend_at: Option<Timestamp>,
) -> fault::Result<()> {
    let state = &invoice.state;
    sqlx::query(UPDATE)
        .bind(tenant.as_uuid())
        .bind(invoice.id)
        .bind(status(state.status()))
        .bind(invoice.revision)
        .bind(state.paid_at().map(|at| at.to_sqlx()))
        .bind(state.payment().map(|attempt| attempt.payment_id.as_uuid()))
        .bind(attend_at.map(|at| at.to_sqlx()))
        .bind(state.lines().iter().map(|line| line.sold.line_id.as_uuid()).collect::<Vec<_>>())
        .bind(state.lines().iter().map(|line| line_status(line.status)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Puts off when the sweep looks at an invoice.
pub(crate) async fn attend_later(
    connection: &mut PgConnection,
    tenant: TenantId,
    invoice: InvoiceId,
    attend_at: Timestamp,
) -> fault::Result<()> {
    sqlx::query(ATTEND_LATER)
        .bind(tenant.as_uuid())
        .bind(invoice.as_uuid())
        .bind(attend_at.to_sqlx())
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(())
}

/// When the sweep must look at an invoice next, at `at`: a pending payment may be stuck, and what
/// is not paid in time is voided. The older the invoice, the longer until the next look, so that
/// abandoned ones cost little. Never again once it is settled.
pub(crate) fn attend_at(invoice: &Invoice, at: Timestamp, check_after: SignedDuration) -> Option<Timestamp> {
    let opened = invoice.opened().filter(|_| invoice.status() == Status::Open)?;
    let (due_at, half_its_age) = (opened.due_at, at.duration_since(opened.at) / 2);
    let pending = invoice.attempts().iter().any(|attempt| attempt.outcome == AttemptOutcome::Pending);
    let check_at = at.saturating_add(check_after.max(half_its_age)).unwrap_or(due_at);
    Some(if pending { due_at.min(check_at) } else { due_at })
}

/// The stored name of a status.
pub(crate) const fn status(status: Status) -> &'static str {
    match status {
        Status::Draft => "draft", // never stored: the table refuses it
        Status::Open => "open",
        Status::Paid => "paid",
        Status::Void => "void",
        Status::Refunded => "refunded",
    }
}

/// The stored name of a line's status.
pub(crate) const fn line_status(status: LineStatus) -> &'static str {
    match status {
        LineStatus::Pending => "pending",
        LineStatus::Fulfilled => "fulfilled",
        LineStatus::Unfulfillable => "unfulfillable",
        LineStatus::Reversed => "reversed",
    }
}

struct Row<'a> {
    id: Uuid,
    user: Uuid,
    status: &'static str,
    currency: String,
    total_minor: i64,
    issued_at: Timestamp,
    due_at: Timestamp,
    paid_at: Option<Timestamp>,
    payment: Option<Uuid>,
    attend_at: Option<Timestamp>,
    request_hash: &'a [u8],
    revision: i64,
}

fn row<'a>(new: &NewInvoice<'a>, check_after: SignedDuration) -> fault::Result<Row<'a>> {
    let state = new.state;
    let Opened { user_id, total, due_at, at, .. } =
        state.opened().ok_or_else(|| Fault::internal("a draft has no row"))?;
    Ok(Row {
        id: new.id.as_uuid(),
        user: user_id.as_uuid(),
        status: status(state.status()),
        currency: total.currency().code().to_owned(),
        total_minor: total.minor(),
        issued_at: *at,
        due_at: *due_at,
        paid_at: state.paid_at(),
        payment: state.payment().map(|attempt| attempt.payment_id.as_uuid()),
        attend_at: attend_at(state, *at, check_after),
        request_hash: new.request_hash,
        revision: new.revision,
    })
}

struct LineRow<'a> {
    invoice: Uuid,
    place: i16,
    line: &'a invoicing_domain::Line,
}

fn line_rows<'a>(new: &NewInvoice<'a>) -> impl Iterator<Item = LineRow<'a>> + use<'a> {
    let invoice = new.id.as_uuid();
    (1..).zip(new.state.lines()).map(move |(place, line)| LineRow { invoice, place, line })
}
