//! Finding tenants: pages, newest first, each from an index.
//!
//! Ids are UUIDv7, so their order is age and the last id of a page is where the next one begins. What is
//! looked for is a beginning (of the slug, of a word of the name, of a host), because beginnings have
//! indexes; a part of a word would have to be looked for in every tenant.

use eventstore::storage;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::platform::{PROFILE, Profile, TenantStatus, profile};

const PAGE: &str = "WHERE ($1::uuid IS NULL OR t.tenant_id < $1) AND ";
const PRESENT: &str = "t.status <> 'purged'";
const OF_STATUS: &str = "t.status = $2";
const NEWEST: &str = "ORDER BY t.tenant_id DESC LIMIT $3";
const FOUND: &str = "t.tenant_id IN (SELECT tenant_id FROM tenants WHERE slug LIKE $4 \
     UNION SELECT tenant_id FROM tenants WHERE to_tsvector('simple', name) @@ to_tsquery('simple', $5) \
     UNION SELECT tenant_id FROM tenant_hosts WHERE host LIKE $4)";

/// At most `limit` tenants that fit, newest first, behind `before`. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn page(
    on: &mut PgConnection,
    (query, status): (&str, Option<TenantStatus>),
    before: Option<Uuid>,
    limit: i64,
) -> fault::Result<Vec<Profile>> {
    let query = query.trim().to_lowercase();
    let rows = sqlx::query(AssertSqlSafe(statement(&query, status)))
        .bind(before)
        .bind(status.map(TenantStatus::as_str))
        .bind(limit)
        .bind(beginning(&query))
        .bind(words(&query))
        .fetch_all(on)
        .await
        .map_err(storage)?;
    rows.iter().map(profile).collect()
}

/// One statement for each way of asking: a plan made for all of them would use none of the indexes. Every
/// parameter is named in each, for all are bound.
fn statement(query: &str, status: Option<TenantStatus>) -> String {
    let fits = if status.is_some() { OF_STATUS } else { PRESENT };
    let found = if query.is_empty() { "$4::text IS NOT NULL AND $5::text IS NOT NULL" } else { FOUND };
    let bound = if status.is_some() { "" } else { "AND $2::text IS NULL " };
    format!("{PROFILE} {PAGE} {fits} AND {found} {bound} {NEWEST}")
}

/// The pattern of whatever begins with `text`, in which nothing is a wildcard.
fn beginning(text: &str) -> String {
    let escaped = text.chars().flat_map(|one| {
        let escape = matches!(one, '%' | '_' | '\\').then_some('\\');
        escape.into_iter().chain([one])
    });
    escaped.chain(['%']).collect()
}

/// Words that a name must have, each by its beginning; nothing of the language of queries gets through.
fn words(text: &str) -> String {
    let words = text.split(|one: char| !one.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| format!("{word}:*")).collect::<Vec<_>>().join(" & ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_neither_pattern_nor_query() {
        assert_eq!(beginning("100%_\\"), "100\\%\\_\\\\%");
        assert_eq!(words("tea house & co:*"), "tea:* & house:* & co:*");
        assert_eq!(words("!'()"), "");
    }

    #[tokio::test]
    async fn every_way_of_asking_has_an_index() {
        let database = testkit::database(crate::NAME, crate::migrations()).await;
        let superuser = database.superuser(crate::NAME);
        let many = "INSERT INTO tenants (tenant_id, slug, name, default_currency, locale, status, created_at) \
             SELECT gen_random_uuid(), 'shop-' || n, 'Tea ' || n, 'EUR', 'en', \
             CASE WHEN n % 10 = 0 THEN 'suspended' ELSE 'active' END, now() FROM generate_series(1, 5000) n";
        sqlx::query(many).execute(&superuser).await.unwrap();
        sqlx::query("ANALYZE tenants, tenant_hosts").execute(&superuser).await.unwrap();
        let suspended = Some(TenantStatus::Suspended);
        for (query, status) in [("", None), ("", suspended), ("shop-499", None), ("17", suspended)] {
            let explained = AssertSqlSafe(format!("EXPLAIN {}", statement(query, status)));
            let plan: Vec<String> = sqlx::query_scalar(explained)
                .bind(Some(Uuid::now_v7()))
                .bind(status.map(TenantStatus::as_str))
                .bind(51_i64)
                .bind(beginning(query))
                .bind(words(query))
                .fetch_all(&superuser)
                .await
                .unwrap();
            let scanned = plan.iter().any(|line| line.contains("Seq Scan on tenants"));
            assert!(!scanned, "{query:?} {status:?}:\n{}", plan.join("\n"));
        }
    }
}
