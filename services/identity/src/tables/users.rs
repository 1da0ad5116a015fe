//! `users`, and in the files below it what log-in knows of them, their addresses and `user_roles`.

mod address;
mod credentials;
mod held_roles;

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rules::email::EmailAddress;
use crate::tables::{done, done_once};

pub use address::{set_email, verify_email};
pub use credentials::{Credentials, credentials, hold_credentials, replace_hash, set_hash};
pub use held_roles::{another_owner, set_roles};

/// Whether a user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Yes.
    Active,
    /// No.
    Suspended,
    /// Not yet: the invitation was not accepted.
    Invited,
    /// Never again: the person was erased.
    Erased,
}

impl Status {
    /// The status with this stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Active, Self::Suspended, Self::Invited, Self::Erased];
        all.into_iter().find(|status| status.as_str() == word)
    }

    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Invited => "invited",
            Self::Erased => "erased",
        }
    }
}

/// A user without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Address as the person wrote it.
    pub email: String,
    /// Name to show.
    pub display_name: String,
    /// Whether the user may sign in.
    pub status: Status,
    /// Names of the roles held, sorted.
    pub roles: Vec<String>,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the address was proven.
    pub email_verified_at: Option<Timestamp>,
    /// Rises with every edit.
    pub revision: i64,
    /// `person` or `service`.
    pub kind: String,
}

/// A user to be.
pub struct NewUser<'a> {
    /// Who.
    pub id: UserId,
    /// Address.
    pub email: &'a EmailAddress,
    /// Name to show.
    pub display_name: &'a str,
    /// PHC string; without one the user is invited.
    pub password_hash: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
pub(super) struct UserRow {
    user_id: Uuid,
    email: String,
    display_name: String,
    status: String,
    roles: Vec<String>,
    created_at: jiff_sqlx::Timestamp,
    email_verified_at: Option<jiff_sqlx::Timestamp>,
    revision: i64,
    kind: String,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId::from_uuid(row.user_id),
            email: row.email,
            display_name: row.display_name,
            status: status(&row.status),
            roles: row.roles,
            created_at: row.created_at.to_jiff(),
            email_verified_at: row.email_verified_at.map(|at| at.to_jiff()),
            revision: row.revision,
            kind: row.kind,
        }
    }
}

/// Adds a user; `false` when the address is taken.
///
/// # Errors
/// Faults of the database.
pub async fn insert(on: &mut PgConnection, tenant: TenantId, user: &NewUser<'_>) -> fault::Result<bool> {
    let statement = sqlx::query(
        "INSERT INTO users \
         (tenant_id, user_id, email, email_normalised, display_name, status, password_hash, created_at) \
         VALUES ($1, $2, $3, $4, $5, CASE WHEN $6::text IS NULL THEN 'invited' ELSE 'active' END, $6, $7) \
         ON CONFLICT (tenant_id, email_normalised) DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(user.id.as_uuid())
    .bind(user.email.given())
    .bind(user.email.normalised())
    .bind(user.display_name)
    .bind(user.password_hash)
    .bind(user.at.to_sqlx());
    done_once(on, statement).await
}

/// Adds a service account: no address, no password, so it signs in with keys only.
///
/// # Errors
/// Faults of the database.
pub async fn insert_service(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    name: &str,
    at: Timestamp,
) -> fault::Result<()> {
    let statement = sqlx::query(
        "INSERT INTO users (tenant_id, user_id, email, email_normalised, display_name, status, created_at, kind) \
         VALUES ($1, $2, '', 'service:' || $2::text, $3, 'active', $4, 'service')",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(name)
    .bind(at.to_sqlx());
    done(on, statement).await.map(drop)
}

/// Takes the lock on a user under which status and roles change; `false` when there is none.
///
/// # Errors
/// Faults of the database.
pub async fn lock(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<bool> {
    let row = sqlx::query("SELECT 1 FROM users WHERE tenant_id = $1 AND user_id = $2 FOR NO KEY UPDATE")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .fetch_optional(on)
        .await
        .map_err(storage)?;
    Ok(row.is_some())
}

/// Removes what names a person; the row stays, because others refer to its id.
///
/// # Errors
/// Faults of the database.
pub async fn erase(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    at: Timestamp,
) -> fault::Result<()> {
    let statement = sqlx::query(
        "UPDATE users SET email = '', email_normalised = 'erased:' || user_id, display_name = '', \
         password_hash = NULL, email_verified_at = NULL, status = 'erased', erased_at = $3 \
         WHERE tenant_id = $1 AND user_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(at.to_sqlx());
    done(on, statement).await.map(drop)
}

/// Sets the status.
///
/// # Errors
/// Faults of the database.
pub async fn set_status(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    status: Status,
) -> fault::Result<()> {
    let statement = sqlx::query("UPDATE users SET status = $3 WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(status.as_str());
    done(on, statement).await.map(drop)
}

/// One user.
///
/// # Errors
/// Faults of the database.
pub async fn find(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<Option<User>> {
    let row: Option<UserRow> = sqlx::query_as(
        "SELECT user_id, email, display_name, status, created_at, email_verified_at, revision, kind, \
         ARRAY(SELECT role FROM user_roles r WHERE r.tenant_id = u.tenant_id AND r.user_id = u.user_id \
         ORDER BY role COLLATE \"C\") AS roles FROM users u WHERE tenant_id = $1 AND user_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(User::from))
}

/// Sets the name to show; `false` when the user is no longer at `revision` (0: whatever it is at).
///
/// # Errors
/// Faults of the database.
pub async fn rename(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    revision: i64,
    display_name: &str,
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "UPDATE users SET display_name = $4, revision = revision + 1 \
         WHERE tenant_id = $1 AND user_id = $2 AND ($3 = 0 OR revision = $3)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(revision)
    .bind(display_name);
    done_once(on, statement).await
}

fn status(word: &str) -> Status {
    // The table's check allows these words alone; anything else must not sign in.
    Status::parse(word).unwrap_or(Status::Suspended)
}
