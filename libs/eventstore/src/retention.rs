//! What a service keeps of a tenant that was purged, and how the rest goes.
//!
//! A service names what stays, with the reason; everything else that carries a `tenant_id` goes, what later
//! releases add too: forgetting a table deletes it rather than keeps it. All of it happens in one
//! transaction, so a purge is done or not begun, and may be repeated.

use fault::Fault;
use ids::TenantId;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::storage;

/// What stays of a purged tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Tables that stay, each with the reason.
    pub kept: &'static [(&'static str, &'static str)],
    /// Statements that take out of them what nobody needs any more, and stop what would still act; `$1` is
    /// the tenant.
    pub blanked: &'static [&'static str],
}

impl Retention {
    /// Removes what is not kept. The connection is in a transaction that may delete rows of the tenant.
    /// Answers how many rows went, of how many tables.
    ///
    /// # Errors
    /// Tables that refer to each other in a circle, or faults of the database.
    pub async fn purge(&self, on: &mut PgConnection, tenant: TenantId) -> fault::Result<(u64, usize)> {
        for statement in self.blanked {
            sqlx::query(*statement).bind(tenant.as_uuid()).execute(&mut *on).await.map_err(storage)?;
        }
        let mut left = self.doomed(on).await?;
        let (tables, mut rows) = (left.len(), 0);
        while !left.is_empty() {
            let before = left.len();
            let mut referred_to = Vec::new();
            for table in left {
                match empty(on, tenant, &table).await? {
                    Some(gone) => rows += gone,
                    None => referred_to.push(table),
                }
            }
            if referred_to.len() == before {
                return Err(Fault::internal("tables of a tenant refer to each other in a circle"));
            }
            left = referred_to;
        }
        Ok((rows, tables))
    }

    /// The tables with rows of tenants that are not kept. Parts of a table are reached through it.
    async fn doomed(&self, on: &mut PgConnection) -> fault::Result<Vec<String>> {
        let kept: Vec<_> = self.kept.iter().map(|(table, _)| *table).collect();
        sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
             WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') \
             AND NOT c.relispartition AND a.attname = 'tenant_id' AND NOT a.attisdropped \
             AND c.relname <> ALL($1) ORDER BY 1",
        )
        .bind(kept)
        .fetch_all(on)
        .await
        .map_err(storage)
    }
}

/// Removes a tenant's rows from a table; none when rows elsewhere refer to them. Tried again once those are
/// gone.
async fn empty(on: &mut PgConnection, tenant: TenantId, table: &str) -> fault::Result<Option<u64>> {
    sqlx::query("SAVEPOINT emptying").execute(&mut *on).await.map_err(storage)?;
    let statement = AssertSqlSafe(format!("DELETE FROM {table} WHERE tenant_id = $1"));
    match sqlx::query(statement).bind(tenant.as_uuid()).execute(&mut *on).await {
        Ok(done) => Ok(Some(done.rows_affected())),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            sqlx::query("ROLLBACK TO SAVEPOINT emptying").execute(on).await.map_err(storage)?;
            Ok(None)
        }
        Err(error) => Err(storage(error)),
    }
}
