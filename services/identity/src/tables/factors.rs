//! `totp_factors`, `recovery_codes` and `second_factor_policies`.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use crate::rules::second_factor::{Factors, RequiredOf};
use crate::tables::{done, done_once};

/// The secret of an authenticator app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totp {
    /// Sealed.
    pub sealed_secret: Vec<u8>,
    /// When it was confirmed with a code.
    pub confirmed_at: Option<Timestamp>,
    /// The last step that was used.
    pub last_step: i64,
}

#[derive(sqlx::FromRow)]
struct TotpRow {
    sealed_secret: Vec<u8>,
    confirmed_at: Option<jiff_sqlx::Timestamp>,
    last_step: i64,
}

/// Which second factors a user has.
///
/// # Errors
/// Faults of the database.
pub async fn of(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<Factors> {
    let (totp, recovery_codes, passkeys): (bool, i64, i64) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM totp_factors WHERE tenant_id = $1 AND user_id = $2 \
         AND confirmed_at IS NOT NULL), (SELECT count(*) FROM recovery_codes WHERE tenant_id = $1 \
         AND user_id = $2 AND spent_at IS NULL), \
         (SELECT count(*) FROM passkeys WHERE tenant_id = $1 AND user_id = $2)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_one(on)
    .await
    .map_err(storage)?;
    Ok(Factors { totp, recovery_codes, passkeys })
}

/// The authenticator app of a user, confirmed or not.
///
/// # Errors
/// Faults of the database.
pub async fn totp(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<Option<Totp>> {
    let row: Option<TotpRow> = sqlx::query_as(
        "SELECT sealed_secret, confirmed_at, last_step FROM totp_factors WHERE tenant_id = $1 AND user_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|row| Totp {
        sealed_secret: row.sealed_secret,
        confirmed_at: row.confirmed_at.map(|at| at.to_jiff()),
        last_step: row.last_step,
    }))
}

/// Keeps a secret that is yet to be confirmed, in place of another such; `false` when one is confirmed.
///
/// # Errors
/// Faults of the database.
pub async fn put_totp(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    sealed_secret: &[u8],
    at: Timestamp,
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "INSERT INTO totp_factors AS t (tenant_id, user_id, sealed_secret, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET sealed_secret = excluded.sealed_secret, \
         created_at = excluded.created_at WHERE t.confirmed_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(sealed_secret)
    .bind(at.to_sqlx());
    done_once(on, statement).await
}

/// Uses a step of a secret; `false` when it, or a later one, was used before, or the secret is another
/// by now. The row's lock makes of several calls with one code exactly one succeed.
///
/// # Errors
/// Faults of the database.
pub async fn use_step(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    totp: &Totp,
    step: i64,
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "UPDATE totp_factors SET last_step = $3 WHERE tenant_id = $1 AND user_id = $2 AND last_step < $3 \
         AND sealed_secret = $4",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(step)
    .bind(&totp.sealed_secret);
    done_once(on, statement).await
}

/// Confirms the secret; `false` when it was confirmed before.
///
/// # Errors
/// Faults of the database.
pub async fn confirm_totp(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    at: Timestamp,
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "UPDATE totp_factors SET confirmed_at = $3 WHERE tenant_id = $1 AND user_id = $2 AND confirmed_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(at.to_sqlx());
    done_once(on, statement).await
}

/// Removes the authenticator app; `false` when there is none.
///
/// # Errors
/// Faults of the database.
pub async fn remove_totp(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<bool> {
    let statement = sqlx::query("DELETE FROM totp_factors WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid());
    done_once(on, statement).await
}

/// Replaces the recovery codes of a user; with none, removes them.
///
/// # Errors
/// Faults of the database.
pub async fn put_codes(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    digests: &[[u8; 32]],
    at: Timestamp,
) -> fault::Result<()> {
    sqlx::query("DELETE FROM recovery_codes WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    let digests: Vec<_> = digests.iter().map(<[u8; 32]>::as_slice).collect();
    let statement = sqlx::query(
        "INSERT INTO recovery_codes (tenant_id, user_id, code_digest, created_at) \
         SELECT $1, $2, digest, $4 FROM unnest($3::bytea[]) AS digest",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(digests)
    .bind(at.to_sqlx());
    done(on, statement).await.map(drop)
}

/// Whether the user has this recovery code and has not spent it.
///
/// # Errors
/// Faults of the database.
pub async fn has_code(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    digest: &[u8; 32],
) -> fault::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM recovery_codes WHERE tenant_id = $1 AND user_id = $2 \
         AND code_digest = $3 AND spent_at IS NULL)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(digest.as_slice())
    .fetch_one(on)
    .await
    .map_err(storage)
}

/// Spends a recovery code; `false` when there is none like it, or it was spent before.
///
/// # Errors
/// Faults of the database.
pub async fn spend_code(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    digest: &[u8; 32],
    at: Timestamp,
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "UPDATE recovery_codes SET spent_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND code_digest = $3 \
         AND spent_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(digest.as_slice())
    .bind(at.to_sqlx());
    done_once(on, statement).await
}

/// Of whom the tenant demands a second factor.
///
/// # Errors
/// Faults of the database.
pub async fn required_of(on: &mut PgConnection, tenant: TenantId) -> fault::Result<RequiredOf> {
    let word: Option<String> =
        sqlx::query_scalar("SELECT required_of FROM second_factor_policies WHERE tenant_id = $1")
            .bind(tenant.as_uuid())
            .fetch_optional(on)
            .await
            .map_err(storage)?;
    Ok(word.and_then(|word| RequiredOf::parse(&word)).unwrap_or(RequiredOf::Nobody))
}

/// Says of whom the tenant demands a second factor.
///
/// # Errors
/// Faults of the database.
pub async fn set_required_of(on: &mut PgConnection, tenant: TenantId, of: RequiredOf) -> fault::Result<()> {
    let statement = sqlx::query(
        "INSERT INTO second_factor_policies (tenant_id, required_of) VALUES ($1, $2) \
         ON CONFLICT (tenant_id) DO UPDATE SET required_of = excluded.required_of",
    )
    .bind(tenant.as_uuid())
    .bind(of.as_str());
    done(on, statement).await.map(drop)
}
