//! `routing_rules`, `routing_guest_hosts`, `allowed_origins`, and the hosts they are about.

use eventstore::storage;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// A rule, as it is kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Row {
    pub tenant_id: Uuid,
    pub rule_id: Uuid,
    pub name: String,
    pub enabled: bool,
    pub priority: i32,
    pub host: String,
    pub path_prefix: String,
    pub locales: Vec<String>,
    pub countries: Vec<String>,
    pub action: String,
    pub target: String,
    pub redirect_status: i32,
    pub keep_rest: bool,
    pub allow_external: bool,
    pub revision: i64,
    created_at: jiff_sqlx::Timestamp,
    updated_at: jiff_sqlx::Timestamp,
}

impl Row {
    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at.to_jiff()
    }

    /// When it was last replaced.
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at.to_jiff()
    }

    /// A row that is to be written at `at`.
    pub fn of(rule: &routing::Rule, revision: i64, created_at: Timestamp, at: Timestamp) -> Self {
        use routing::Action;
        let mut row = Self {
            tenant_id: rule.tenant.as_uuid(),
            rule_id: rule.id,
            name: rule.name.clone(),
            enabled: rule.enabled,
            priority: rule.priority,
            host: rule.host.to_string(),
            path_prefix: rule.path.clone(),
            locales: rule.locales.clone(),
            countries: rule.countries.clone(),
            action: String::new(),
            target: String::new(),
            redirect_status: 0,
            keep_rest: false,
            allow_external: false,
            revision,
            created_at: created_at.to_sqlx(),
            updated_at: at.to_sqlx(),
        };
        let (action, target) = match &rule.action {
            Action::Tenant(tenant) => ("tenant", tenant.to_string()),
            Action::FrontEnd(name) => ("front_end", name.clone()),
            Action::Page(slug) => ("cms_page", slug.clone()),
            Action::Rewrite { target } => ("rewrite", target.clone()),
            Action::Block { reason } => ("block", reason.clone()),
            Action::Redirect { status, target, keep_rest, external } => {
                row.redirect_status = i32::from(*status);
                (row.keep_rest, row.allow_external) = (*keep_rest, *external);
                ("redirect", target.clone())
            }
        };
        (row.action, row.target) = (action.to_owned(), target);
        row
    }

    /// The rule; `None` when nobody could have written it through this program.
    pub fn rule(&self) -> Option<routing::Rule> {
        use routing::Action;
        let target = self.target.clone();
        let action = match self.action.as_str() {
            "tenant" => Action::Tenant(target.parse().ok()?),
            "front_end" => Action::FrontEnd(target),
            "cms_page" => Action::Page(target),
            "rewrite" => Action::Rewrite { target },
            "block" => Action::Block { reason: target },
            "redirect" => Action::Redirect {
                status: u16::try_from(self.redirect_status).ok()?,
                target,
                keep_rest: self.keep_rest,
                external: self.allow_external,
            },
            _ => return None,
        };
        Some(routing::Rule {
            id: self.rule_id,
            tenant: TenantId::from_uuid(self.tenant_id),
            name: self.name.clone(),
            enabled: self.enabled,
            priority: self.priority,
            host: routing::HostPattern::parse(&self.host)?,
            path: self.path_prefix.clone(),
            locales: self.locales.clone(),
            countries: self.countries.clone(),
            action,
        })
    }
}

/// The rules of every tenant that the transaction may see.
///
/// # Errors
/// Faults of the database.
pub async fn rules(on: &mut PgConnection) -> fault::Result<Vec<Row>> {
    sqlx::query_as("SELECT * FROM routing_rules ORDER BY tenant_id, rule_id")
        .fetch_all(on)
        .await
        .map_err(storage)
}

/// Writes a rule, in place of one with its id.
///
/// # Errors
/// Faults of the database.
pub async fn put(on: &mut PgConnection, row: &Row) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO routing_rules (tenant_id, rule_id, name, enabled, priority, host, path_prefix, locales, \
         countries, action, target, redirect_status, keep_rest, allow_external, revision, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
         ON CONFLICT (tenant_id, rule_id) DO UPDATE SET name = excluded.name, enabled = excluded.enabled, \
         priority = excluded.priority, host = excluded.host, path_prefix = excluded.path_prefix, \
         locales = excluded.locales, countries = excluded.countries, action = excluded.action, \
         target = excluded.target, redirect_status = excluded.redirect_status, keep_rest = excluded.keep_rest, \
         allow_external = excluded.allow_external, revision = excluded.revision, updated_at = excluded.updated_at",
    )
    .bind(row.tenant_id)
    .bind(row.rule_id)
    .bind(&row.name)
    .bind(row.enabled)
    .bind(row.priority)
    .bind(&row.host)
    .bind(&row.path_prefix)
    .bind(&row.locales)
    .bind(&row.countries)
    .bind(&row.action)
    .bind(&row.target)
    .bind(row.redirect_status)
    .bind(row.keep_rest)
    .bind(row.allow_external)
    .bind(row.revision)
    .bind(row.created_at)
    .bind(row.updated_at)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Removes a rule; `false` when there is none.
///
/// # Errors
/// Faults of the database.
pub async fn remove(on: &mut PgConnection, tenant: TenantId, rule: Uuid) -> fault::Result<bool> {
    let done = sqlx::query("DELETE FROM routing_rules WHERE tenant_id = $1 AND rule_id = $2")
        .bind(tenant.as_uuid())
        .bind(rule)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// A list of words that each belong to a tenant.
#[derive(Debug, Clone, Copy)]
pub enum List {
    /// The hosts a tenant has.
    Hosts,
    /// The foreign hosts on which it agrees to answer.
    GuestHosts,
    /// The origins whose pages may call its API.
    Origins,
}

/// The words of every tenant that the transaction may see and that is active.
///
/// # Errors
/// Faults of the database.
pub async fn words(on: &mut PgConnection, list: List) -> fault::Result<Vec<(Uuid, String)>> {
    let query = match list {
        List::Hosts => {
            "SELECT l.tenant_id, l.host FROM tenant_hosts l JOIN tenants t USING (tenant_id) \
             WHERE t.status = 'active' ORDER BY l.tenant_id, l.host COLLATE \"C\""
        }
        List::GuestHosts => {
            "SELECT l.tenant_id, l.host FROM routing_guest_hosts l JOIN tenants t USING (tenant_id) \
             WHERE t.status = 'active' ORDER BY l.tenant_id, l.host COLLATE \"C\""
        }
        List::Origins => {
            "SELECT l.tenant_id, l.origin FROM allowed_origins l JOIN tenants t USING (tenant_id) \
             WHERE t.status = 'active' ORDER BY l.tenant_id, l.origin COLLATE \"C\""
        }
    };
    sqlx::query_as(query).fetch_all(on).await.map_err(storage)
}

/// How many calls a minute active tenants may have, where there is a limit.
///
/// # Errors
/// Faults of the database.
pub async fn call_limits(on: &mut PgConnection) -> fault::Result<Vec<(Uuid, i32)>> {
    let query = "SELECT tenant_id, requests_per_minute FROM tenants \
                 WHERE status = 'active' AND requests_per_minute > 0 ORDER BY tenant_id";
    sqlx::query_as(query).fetch_all(on).await.map_err(storage)
}

/// Replaces a list of a tenant. Hosts are not given here.
///
/// # Errors
/// Faults of the database.
pub async fn set_words(
    on: &mut PgConnection,
    tenant: TenantId,
    list: List,
    words: &[String],
) -> fault::Result<()> {
    let (remove, insert) = match list {
        List::Hosts => return Ok(()),
        List::GuestHosts => (
            "DELETE FROM routing_guest_hosts WHERE tenant_id = $1",
            "INSERT INTO routing_guest_hosts (tenant_id, host) SELECT $1, word FROM unnest($2::text[]) AS word",
        ),
        List::Origins => (
            "DELETE FROM allowed_origins WHERE tenant_id = $1",
            "INSERT INTO allowed_origins (tenant_id, origin) SELECT $1, word FROM unnest($2::text[]) AS word",
        ),
    };
    sqlx::query(remove).bind(tenant.as_uuid()).execute(&mut *on).await.map_err(storage)?;
    sqlx::query(insert).bind(tenant.as_uuid()).bind(words).execute(on).await.map_err(storage)?;
    Ok(())
}
