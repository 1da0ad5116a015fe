//! `users` and `user_roles`.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rules::email::EmailAddress;
use crate::rules::roles::OWNER;

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

/// What log-in needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub user: UserId,
    /// PHC string; none until an invitation was accepted.
    pub password_hash: Option<String>,
    /// Whether the user may sign in.
    pub status: Status,
    /// Whether the address was proven.
    pub email_verified: bool,
}

#[derive(sqlx::FromRow)]
struct CredentialsRow {
    user_id: Uuid,
    password_hash: Option<String>,
    status: String,
    email_verified: bool,
}

impl From<CredentialsRow> for Credentials {
    fn from(row: CredentialsRow) -> Self {
        Self {
            user: UserId::from_uuid(row.user_id),
            password_hash: row.password_hash,
            status: status(&row.status),
            email_verified: row.email_verified,
        }
    }
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
    let done = sqlx::query(
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
    .bind(user.at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected() == 1)
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
    sqlx::query(
        "INSERT INTO users (tenant_id, user_id, email, email_normalised, display_name, status, created_at, kind) \
         VALUES ($1, $2, '', 'service:' || $2::text, $3, 'active', $4, 'service')",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(name)
    .bind(at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// What log-in needs to know about an address.
///
/// # Errors
/// Faults of the database.
pub async fn credentials(
    on: &mut PgConnection,
    tenant: TenantId,
    email: &EmailAddress,
) -> fault::Result<Option<Credentials>> {
    let row: Option<CredentialsRow> = sqlx::query_as(
        "SELECT user_id, password_hash, status, email_verified_at IS NOT NULL AS email_verified FROM users \
         WHERE tenant_id = $1 AND email_normalised = $2",
    )
    .bind(tenant.as_uuid())
    .bind(email.normalised())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(Credentials::from))
}

/// The present hash and status of a user, which nobody changes until the transaction ends.
///
/// # Errors
/// Faults of the database.
pub async fn hold_credentials(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> fault::Result<Option<Credentials>> {
    let row: Option<CredentialsRow> = sqlx::query_as(
        "SELECT user_id, password_hash, status, email_verified_at IS NOT NULL AS email_verified FROM users \
         WHERE tenant_id = $1 AND user_id = $2 FOR SHARE",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(Credentials::from))
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

/// Replaces a password hash, if it still is `old`.
///
/// # Errors
/// Faults of the database.
pub async fn replace_hash(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    old: &str,
    new: &str,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE users SET password_hash = $4 WHERE tenant_id = $1 AND user_id = $2 AND password_hash = $3",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(old)
    .bind(new)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Sets a password.
///
/// # Errors
/// Faults of the database.
pub async fn set_hash(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    hash: &str,
) -> fault::Result<()> {
    sqlx::query("UPDATE users SET password_hash = $3 WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(hash)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Notes that the user has proven to read what is sent to `email`; `false` when that is no longer the
/// user's address or was proven before.
///
/// # Errors
/// Faults of the database.
pub async fn verify_email(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    email: &str,
    at: Timestamp,
) -> fault::Result<bool> {
    let done = sqlx::query(
        "UPDATE users SET email_verified_at = $4 WHERE tenant_id = $1 AND user_id = $2 \
         AND email_normalised = lower($3) AND email_verified_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(email)
    .bind(at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// Gives a user another, proven address; `false` when somebody else has it.
///
/// # Errors
/// Faults of the database.
pub async fn set_email(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    email: &EmailAddress,
    at: Timestamp,
) -> fault::Result<bool> {
    let done = sqlx::query(
        "UPDATE users SET email = $3, email_normalised = $4, email_verified_at = $5 \
         WHERE tenant_id = $1 AND user_id = $2 AND NOT EXISTS (SELECT 1 FROM users other \
         WHERE other.tenant_id = $1 AND other.email_normalised = $4 AND other.user_id <> $2)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(email.given())
    .bind(email.normalised())
    .bind(at.to_sqlx())
    .execute(on)
    .await;
    match done {
        Ok(done) => Ok(done.rows_affected() == 1),
        // Two confirmations at once: the unique key decides, and the second one is told so.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(storage(error)),
    }
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
    sqlx::query(
        "UPDATE users SET email = '', email_normalised = 'erased:' || user_id, display_name = '', \
         password_hash = NULL, email_verified_at = NULL, status = 'erased', erased_at = $3 \
         WHERE tenant_id = $1 AND user_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
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
    sqlx::query("UPDATE users SET status = $3 WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(status.as_str())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
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
    let done = sqlx::query(
        "UPDATE users SET display_name = $4, revision = revision + 1 \
         WHERE tenant_id = $1 AND user_id = $2 AND ($3 = 0 OR revision = $3)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(revision)
    .bind(display_name)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// Replaces the roles of a user.
///
/// # Errors
/// Faults of the database.
pub async fn set_roles(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    roles: &[String],
) -> fault::Result<()> {
    sqlx::query("DELETE FROM user_roles WHERE tenant_id = $1 AND user_id = $2 AND role <> ALL($3)")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(roles)
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    sqlx::query(
        "INSERT INTO user_roles (tenant_id, user_id, role) SELECT $1, $2, role FROM unnest($3::text[]) AS role \
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(roles)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Whether an active user other than `user` holds the owner's role.
///
/// # Errors
/// Faults of the database.
pub async fn another_owner(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM user_roles r JOIN users u USING (tenant_id, user_id) \
         WHERE r.tenant_id = $1 AND r.role = $3 AND u.status = 'active' AND r.user_id <> $2)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(OWNER)
    .fetch_one(on)
    .await
    .map_err(storage)
}

fn status(word: &str) -> Status {
    // The table's check allows these words alone; anything else must not sign in.
    Status::parse(word).unwrap_or(Status::Suspended)
}
