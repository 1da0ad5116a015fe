//! The table `setups`: methods that are being saved. A row only moves forward and is locked before it
//! is written, so webhook, reader and starter may all bring the same news.

use eventstore::storage;
use ids::{PaymentMethodId, SetupId, TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

const COLUMNS: &str = "setup_id, tenant_id, user_id, provider, method, return_url, status, provider_reference, \
    failure_code, payment_method_id";

/// A method that is being saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) setup_id: SetupId,
    pub(crate) tenant: TenantId,
    pub(crate) user_id: UserId,
    pub(crate) provider: String,
    pub(crate) method: String,
    pub(crate) return_url: String,
    pub(crate) status: Progress,
    pub(crate) provider_reference: Option<String>,
    pub(crate) failure_code: Option<String>,
    pub(crate) payment_method_id: Option<PaymentMethodId>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    Created,
    RequiresAction,
    Processing,
    Succeeded,
    Failed,
}

impl Progress {
    const ALL: [Self; 5] =
        [Self::Created, Self::RequiresAction, Self::Processing, Self::Succeeded, Self::Failed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    pub(crate) const fn is_open(self) -> bool {
        !matches!(self, Self::Succeeded | Self::Failed)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    setup_id: Uuid,
    tenant_id: Uuid,
    user_id: Uuid,
    provider: String,
    method: String,
    return_url: String,
    status: String,
    provider_reference: Option<String>,
    failure_code: Option<String>,
    payment_method_id: Option<Uuid>,
}

impl From<Row> for Setup {
    fn from(row: Row) -> Self {
        let status = Progress::ALL.into_iter().find(|progress| progress.name() == row.status);
        Self {
            setup_id: SetupId::from_uuid(row.setup_id),
            tenant: TenantId::from_uuid(row.tenant_id),
            user_id: UserId::from_uuid(row.user_id),
            provider: row.provider,
            method: row.method,
            return_url: row.return_url,
            status: status.unwrap_or(Progress::Created), // the table admits these names only
            provider_reference: row.provider_reference,
            failure_code: row.failure_code,
            payment_method_id: row.payment_method_id.map(PaymentMethodId::from_uuid),
        }
    }
}

/// Writes a new set-up; answers the one that was begun with this id, if one was.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    setup: &Setup,
    now: Timestamp,
) -> fault::Result<Setup> {
    sqlx::query(
        "INSERT INTO setups (setup_id, tenant_id, user_id, provider, method, return_url, status, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 'created', $7, $7) ON CONFLICT DO NOTHING",
    )
    .bind(setup.setup_id.as_uuid())
    .bind(setup.tenant.as_uuid())
    .bind(setup.user_id.as_uuid())
    .bind(&setup.provider)
    .bind(&setup.method)
    .bind(&setup.return_url)
    .bind(now.to_sqlx())
    .execute(&mut *connection)
    .await
    .map_err(storage)?;
    let found = find(connection, setup.setup_id).await?;
    found.ok_or_else(|| fault::Fault::internal("a set-up that was just written is gone"))
}

/// Reads a set-up.
pub(crate) async fn find(connection: &mut PgConnection, setup_id: SetupId) -> fault::Result<Option<Setup>> {
    let query = format!("SELECT {COLUMNS} FROM setups WHERE setup_id = $1");
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(setup_id.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(storage)?;
    Ok(row.map(Setup::from))
}

/// Reads a set-up and holds it until the transaction ends.
pub(crate) async fn hold(connection: &mut PgConnection, setup_id: SetupId) -> fault::Result<Option<Setup>> {
    let query = format!("SELECT {COLUMNS} FROM setups WHERE setup_id = $1 FOR UPDATE");
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(setup_id.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(storage)?;
    Ok(row.map(Setup::from))
}

/// Finds and holds the set-up a webhook speaks of. Needs the worker role.
pub(crate) async fn named(
    connection: &mut PgConnection,
    (provider, reference): (&str, &str),
    setup_id: Option<SetupId>,
    tenant: Option<TenantId>,
) -> fault::Result<Option<Setup>> {
    let query = format!(
        "SELECT {COLUMNS} FROM setups WHERE provider = $1 \
         AND (provider_reference = $2 OR (setup_id = $3 AND provider_reference IS NULL)) \
         AND ($4::uuid IS NULL OR tenant_id = $4) FOR UPDATE"
    );
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(provider)
        .bind(reference)
        .bind(setup_id.map(SetupId::as_uuid))
        .bind(tenant.map(TenantId::as_uuid))
        .fetch_optional(connection)
        .await
        .map_err(storage)?;
    Ok(row.map(Setup::from))
}

/// Writes how far it is. Needs the row's lock.
pub(crate) async fn write(connection: &mut PgConnection, setup: &Setup, now: Timestamp) -> fault::Result<()> {
    sqlx::query(
        "UPDATE setups SET status = $2, provider_reference = $3, failure_code = $4, \
         payment_method_id = $5, updated_at = $6 WHERE setup_id = $1",
    )
    .bind(setup.setup_id.as_uuid())
    .bind(setup.status.name())
    .bind(&setup.provider_reference)
    .bind(&setup.failure_code)
    .bind(setup.payment_method_id.map(PaymentMethodId::as_uuid))
    .bind(now.to_sqlx())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Notes a webhook about a set-up; answers whether it is new.
pub(crate) async fn note(
    connection: &mut PgConnection,
    setup: &Setup,
    event: &crate::provider::ProviderEvent,
    now: Timestamp,
) -> fault::Result<bool> {
    let noted = sqlx::query(
        "INSERT INTO webhook_inbox (provider, event_id, tenant_id, setup_id, kind, occurred_at, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(&setup.provider)
    .bind(&event.event_id)
    .bind(setup.tenant.as_uuid())
    .bind(setup.setup_id.as_uuid())
    .bind(&event.kind)
    .bind(event.occurred_at.to_sqlx())
    .bind(now.to_sqlx())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(noted.rows_affected() == 1)
}
