//! The tables `customers` and `saved_methods`.
//!
//! Writers of one user's methods take the advisory lock `saved_methods` of that user first, so that
//! two of them never both think they save the first method, which becomes the default.

use eventstore::storage;
use ids::{PaymentMethodId, TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use payments_gateway_domain::Instrument;
use sqlx::PgConnection;
use uuid::Uuid;

const LOCK: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('saved_methods ' || $1::text || $2::text, 0))";

const COLUMNS: &str = "payment_method_id, user_id, provider, method, customer, token, kind, brand, last4, \
    expiry_month, expiry_year, is_default, created_at";

const INSERT: &str = "INSERT INTO saved_methods (payment_method_id, tenant_id, user_id, provider, method, customer, \
      token, kind, brand, last4, expiry_month, expiry_year, is_default, created_at) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
      NOT EXISTS (SELECT FROM saved_methods WHERE tenant_id = $2 AND user_id = $3 AND is_default), $13 \
    ON CONFLICT (tenant_id, user_id, provider, token) WHERE removed_at IS NULL DO UPDATE \
      SET expiry_month = excluded.expiry_month, expiry_year = excluded.expiry_year, last4 = excluded.last4 \
    RETURNING payment_method_id";

/// A saved way to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedMethod {
    pub(crate) payment_method_id: PaymentMethodId,
    pub(crate) user_id: UserId,
    pub(crate) provider: String,
    pub(crate) method: String,
    pub(crate) instrument: Instrument,
    pub(crate) is_default: bool,
    pub(crate) created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    payment_method_id: Uuid,
    user_id: Uuid,
    provider: String,
    method: String,
    customer: String,
    token: String,
    kind: String,
    brand: String,
    last4: String,
    expiry_month: i32,
    expiry_year: i32,
    is_default: bool,
    created_at: jiff_sqlx::Timestamp,
}

impl From<Row> for SavedMethod {
    fn from(row: Row) -> Self {
        Self {
            payment_method_id: PaymentMethodId::from_uuid(row.payment_method_id),
            user_id: UserId::from_uuid(row.user_id),
            provider: row.provider,
            method: row.method,
            instrument: Instrument {
                customer: row.customer,
                token: row.token,
                kind: row.kind,
                brand: row.brand,
                last4: row.last4,
                expiry_month: row.expiry_month.unsigned_abs(),
                expiry_year: row.expiry_year.unsigned_abs(),
            },
            is_default: row.is_default,
            created_at: row.created_at.to_jiff(),
        }
    }
}

/// Whose methods.
pub(crate) type Owner = (TenantId, UserId);

/// The user's customer at a provider.
pub(crate) async fn customer(
    connection: &mut PgConnection,
    (tenant, user): Owner,
    provider: &str,
) -> fault::Result<Option<String>> {
    sqlx::query_scalar(
        "SELECT reference FROM customers WHERE tenant_id = $1 AND user_id = $2 AND provider = $3",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(provider)
    .fetch_optional(connection)
    .await
    .map_err(storage)
}

/// Keeps who the user is at a provider; the first one stays.
pub(crate) async fn keep_customer(
    connection: &mut PgConnection,
    (tenant, user): Owner,
    (provider, reference): (&str, &str),
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO customers (tenant_id, user_id, provider, reference, created_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(provider)
    .bind(reference)
    .bind(now.to_sqlx())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Waits for other writers of this user's methods.
pub(crate) async fn lock(connection: &mut PgConnection, (tenant, user): Owner) -> fault::Result<()> {
    let lock = sqlx::query(LOCK).bind(tenant.as_uuid()).bind(user.as_uuid());
    lock.execute(connection).await.map_err(storage)?;
    Ok(())
}

/// Saves a method, or finds it saved; the first one of a user is the default. Needs the lock.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    (tenant, user): Owner,
    (provider, method): (&str, &str),
    instrument: &Instrument,
    now: Timestamp,
) -> fault::Result<PaymentMethodId> {
    let integer = |number: u32| i32::try_from(number).unwrap_or(0);
    let id: Uuid = sqlx::query_scalar(INSERT)
        .bind(PaymentMethodId::new().as_uuid())
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(provider)
        .bind(method)
        .bind(&instrument.customer)
        .bind(&instrument.token)
        .bind(&instrument.kind)
        .bind(&instrument.brand)
        .bind(instrument.last4.chars().take(4).collect::<String>())
        .bind(integer(instrument.expiry_month.min(12)))
        .bind(integer(instrument.expiry_year.min(9999)))
        .bind(now.to_sqlx())
        .fetch_one(connection)
        .await
        .map_err(storage)?;
    Ok(PaymentMethodId::from_uuid(id))
}

/// The methods of a user, the default first.
pub(crate) async fn all(
    connection: &mut PgConnection,
    (tenant, user): Owner,
) -> fault::Result<Vec<SavedMethod>> {
    let query = format!(
        "SELECT {COLUMNS} FROM saved_methods WHERE tenant_id = $1 AND user_id = $2 AND removed_at IS NULL \
         ORDER BY is_default DESC, created_at DESC"
    );
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .fetch_all(connection)
        .await
        .map_err(storage)?;
    Ok(rows.into_iter().map(SavedMethod::from).collect())
}

/// One method of a user that was not removed.
pub(crate) async fn find(
    connection: &mut PgConnection,
    (tenant, user): Owner,
    id: PaymentMethodId,
) -> fault::Result<Option<SavedMethod>> {
    let query = format!(
        "SELECT {COLUMNS} FROM saved_methods \
         WHERE tenant_id = $1 AND user_id = $2 AND payment_method_id = $3 AND removed_at IS NULL"
    );
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(storage)?;
    Ok(row.map(SavedMethod::from))
}

/// Makes a method the default; the one before is none any more. Needs the lock.
pub(crate) async fn make_default(
    connection: &mut PgConnection,
    (tenant, user): Owner,
    id: PaymentMethodId,
) -> fault::Result<()> {
    for statement in [
        "UPDATE saved_methods SET is_default = false \
         WHERE tenant_id = $1 AND user_id = $2 AND is_default AND payment_method_id <> $3",
        "UPDATE saved_methods SET is_default = true \
         WHERE tenant_id = $1 AND user_id = $2 AND payment_method_id = $3 AND removed_at IS NULL",
    ] {
        let update = sqlx::query(statement).bind(tenant.as_uuid()).bind(user.as_uuid()).bind(id.as_uuid());
        update.execute(&mut *connection).await.map_err(storage)?;
    }
    Ok(())
}

/// Forgets a method; the youngest that is left becomes the default. Needs the lock.
pub(crate) async fn remove(
    connection: &mut PgConnection,
    (tenant, user): Owner,
    id: PaymentMethodId,
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE saved_methods SET removed_at = $4, is_default = false \
         WHERE tenant_id = $1 AND user_id = $2 AND payment_method_id = $3 AND removed_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(id.as_uuid())
    .bind(now.to_sqlx())
    .execute(&mut *connection)
    .await
    .map_err(storage)?;
    sqlx::query(
        "UPDATE saved_methods SET is_default = true WHERE payment_method_id = ( \
           SELECT payment_method_id FROM saved_methods WHERE tenant_id = $1 AND user_id = $2 \
             AND removed_at IS NULL ORDER BY created_at DESC LIMIT 1) \
         AND NOT EXISTS (SELECT FROM saved_methods WHERE tenant_id = $1 AND user_id = $2 AND is_default)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}
