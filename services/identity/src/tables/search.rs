//! Finding users by what is known about them.

use eventstore::storage;
use ids::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::users::{Status, User, UserRow};

/// Which users are asked for; what is absent does not matter.
#[derive(Debug, Default)]
pub struct Filter {
    /// Part of what is known about a user.
    pub query: Option<String>,
    /// Whether the user may sign in; without it all but the erased.
    pub status: Option<Status>,
    /// A role held.
    pub role: Option<String>,
    /// `person` or `service`.
    pub kind: Option<&'static str>,
    /// Whether the address was proven.
    pub email_verified: Option<bool>,
}

/// At most `limit` users that fit the filter, newest first, behind `before`. Ids are UUIDv7, so their
/// order is age.
///
/// # Errors
/// Faults of the database.
pub async fn page(
    on: &mut PgConnection,
    tenant: TenantId,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> fault::Result<Vec<User>> {
    let pattern = filter.query.as_deref().map(contains);
    let rows: Vec<UserRow> = sqlx::query_as(PAGE)
        .bind(tenant.as_uuid())
        .bind(before)
        .bind(limit)
        .bind(filter.status.map(Status::as_str))
        .bind(filter.role.as_deref())
        .bind(filter.kind)
        .bind(filter.email_verified)
        .bind(pattern)
        .bind(filter.query.as_deref().and_then(|query| Uuid::try_parse(query).ok()))
        .fetch_all(on)
        .await
        .map_err(storage)?;
    Ok(rows.into_iter().map(User::from).collect())
}

const PAGE: &str = "SELECT u.user_id, email, display_name, status, created_at, email_verified_at, revision, kind, \
     ARRAY(SELECT role FROM user_roles r WHERE r.tenant_id = u.tenant_id AND r.user_id = u.user_id \
     ORDER BY role COLLATE \"C\") AS roles FROM users u \
     LEFT JOIN user_details d ON d.tenant_id = u.tenant_id AND d.user_id = u.user_id \
     WHERE u.tenant_id = $1 AND ($2::uuid IS NULL OR u.user_id < $2) \
     AND ($4::text IS NULL AND status <> 'erased' OR status = $4) \
     AND ($5::text IS NULL OR EXISTS (SELECT 1 FROM user_roles h \
       WHERE h.tenant_id = u.tenant_id AND h.user_id = u.user_id AND h.role = $5)) \
     AND ($6::text IS NULL OR kind = $6) \
     AND ($7::boolean IS NULL OR (email_verified_at IS NOT NULL) = $7) \
     AND ($8::text IS NULL OR u.user_id = $9 OR email_normalised ILIKE $8 OR display_name ILIKE $8 \
       OR d.given_name || ' ' || d.family_name ILIKE $8 OR d.company ILIKE $8 OR d.phone ILIKE $8 \
       OR d.tax_id ILIKE $8) \
     ORDER BY u.user_id DESC LIMIT $3";

/// The pattern of whatever contains `text`, in which nothing is a wildcard.
fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_no_pattern() {
        assert_eq!(contains("100%_\\"), "%100\\%\\_\\\\%");
    }
}
