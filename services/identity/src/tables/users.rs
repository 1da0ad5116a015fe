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
}

impl Status {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
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
}

/// What log-in needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub user: UserId,
    /// PHC string.
    pub password_hash: String,
    /// Whether the user may sign in.
    pub status: Status,
}

/// A user to be.
pub struct NewUser<'a> {
    /// Who.
    pub id: UserId,
    /// Address.
    pub email: &'a EmailAddress,
    /// Name to show.
    pub display_name: &'a str,
    /// PHC string.
    pub password_hash: &'a str,
    /// When.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct UserRow {
    user_id: Uuid,
    email: String,
    display_name: String,
    status: String,
    roles: Vec<String>,
    created_at: jiff_sqlx::Timestamp,
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
         VALUES ($1, $2, $3, $4, $5, 'active', $6, $7) ON CONFLICT (tenant_id, email_normalised) DO NOTHING",
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

/// What log-in needs to know about an address.
///
/// # Errors
/// Faults of the database.
pub async fn credentials(
    on: &mut PgConnection,
    tenant: TenantId,
    email: &EmailAddress,
) -> fault::Result<Option<Credentials>> {
    let row: Option<(Uuid, String, String)> = sqlx::query_as(
        "SELECT user_id, password_hash, status FROM users WHERE tenant_id = $1 AND email_normalised = $2",
    )
    .bind(tenant.as_uuid())
    .bind(email.normalised())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|(user, password_hash, word)| Credentials {
        user: UserId::from_uuid(user),
        password_hash,
        status: status(&word),
    }))
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
    let row: Option<(String, String)> = sqlx::query_as(
        "SELECT password_hash, status FROM users WHERE tenant_id = $1 AND user_id = $2 FOR SHARE",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|(password_hash, word)| Credentials { user, password_hash, status: status(&word) }))
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
        "SELECT user_id, email, display_name, status, created_at, \
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

/// At most `limit` users, newest first, behind `before`. Ids are UUIDv7, so their order is age.
///
/// # Errors
/// Faults of the database.
pub async fn page(
    on: &mut PgConnection,
    tenant: TenantId,
    before: Option<Uuid>,
    limit: i64,
) -> fault::Result<Vec<User>> {
    let rows: Vec<UserRow> = sqlx::query_as(
        "SELECT user_id, email, display_name, status, created_at, \
         ARRAY(SELECT role FROM user_roles r WHERE r.tenant_id = u.tenant_id AND r.user_id = u.user_id \
         ORDER BY role COLLATE \"C\") AS roles FROM users u WHERE tenant_id = $1 AND ($2::uuid IS NULL OR user_id < $2) \
         ORDER BY user_id DESC LIMIT $3",
    )
    .bind(tenant.as_uuid())
    .bind(before)
    .bind(limit)
    .fetch_all(on)
    .await
    .map_err(storage)?;
    Ok(rows.into_iter().map(User::from).collect())
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
    // The table's check allows these two words alone; anything else must not sign in.
    if word == Status::Active.as_str() { Status::Active } else { Status::Suspended }
}
