//! What a tenant says and how it looks: its settings, its own words, and which kinds it tells at all.
//!
//! Words are looked for from the nearest locale to the farthest (`de-AT`, `de`, the tenant's, `en`),
//! and in each the tenant's own before those that ship.

use std::collections::BTreeMap;

use eventstore::storage;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use crate::catalogue::{Kind, LANGUAGES, Words, shipped};
use crate::render::Brand;

const ACCENT: &str = "#2457d6";

/// How a tenant looks in mails. What is empty is the installation's.
#[derive(Debug, Clone, PartialEq, Eq, Default, sqlx::FromRow)]
pub(crate) struct Settings {
    pub product_name: String,
    pub logo_url: String,
    pub accent_colour: String,
    pub support_address: String,
    pub footer: String,
    pub from_address: String,
    pub from_name: String,
    pub reply_to: String,
    pub default_locale: String,
    pub public_url: String,
    pub operator_email: String,
}

impl Settings {
    /// What templates see of it; `name` where the tenant has none.
    pub(crate) fn brand(&self, name: &str) -> Brand {
        let or = |own: &str, other: &str| if own.is_empty() { other.to_owned() } else { own.to_owned() };
        Brand {
            product_name: or(&self.product_name, name),
            logo_url: self.logo_url.clone(),
            accent_colour: or(&self.accent_colour, ACCENT),
            support_address: self.support_address.clone(),
            footer: self.footer.clone(),
        }
    }
}

/// Words that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub words: Words,
    pub locale: String,
    /// Whether they are the tenant's.
    pub own: bool,
}

/// The settings of a tenant; those of one that has set none are empty.
pub(crate) async fn settings(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Settings> {
    let row = sqlx::query_as(
        "SELECT product_name, logo_url, accent_colour, support_address, footer, from_address, from_name, \
         reply_to, default_locale, public_url, operator_email FROM mail_settings WHERE tenant_id = $1",
    );
    let row = row.bind(tenant.as_uuid()).fetch_optional(on).await.map_err(storage)?;
    Ok(row.unwrap_or_default())
}

/// Replaces the settings of a tenant.
pub(crate) async fn put_settings(
    on: &mut PgConnection,
    tenant: TenantId,
    settings: &Settings,
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO mail_settings (tenant_id, product_name, logo_url, accent_colour, support_address, footer, \
         from_address, from_name, reply_to, default_locale, public_url, operator_email, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (tenant_id) DO UPDATE SET product_name = $2, logo_url = $3, accent_colour = $4, \
         support_address = $5, footer = $6, from_address = $7, from_name = $8, reply_to = $9, \
         default_locale = $10, public_url = $11, operator_email = $12, updated_at = $13",
    )
    .bind(tenant.as_uuid())
    .bind(&settings.product_name)
    .bind(&settings.logo_url)
    .bind(&settings.accent_colour)
    .bind(&settings.support_address)
    .bind(&settings.footer)
    .bind(&settings.from_address)
    .bind(&settings.from_name)
    .bind(&settings.reply_to)
    .bind(&settings.default_locale)
    .bind(&settings.public_url)
    .bind(&settings.operator_email)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The words to use; every kind ships in the last resort.
pub(crate) async fn words(
    on: &mut PgConnection,
    tenant: TenantId,
    kind: &Kind,
    (asked, default): (&str, &str),
) -> fault::Result<Found> {
    let mut own = own(on, tenant, kind).await?;
    for locale in fallbacks(asked, default) {
        if let Some(words) = own.remove(&locale) {
            return Ok(Found { words, locale, own: true });
        }
        if let Some(words) = shipped(kind.key, &locale) {
            return Ok(Found { words: words.clone(), locale, own: false });
        }
    }
    Err(fault::Fault::not_found("template"))
}

/// The words that ship for a kind, for when those of a tenant fail.
pub(crate) fn shipped_words(kind: &Kind, locale: &str) -> Option<Found> {
    fallbacks(locale, "").into_iter().find_map(|locale| {
        let words = shipped(kind.key, &locale)?.clone();
        Some(Found { words, locale, own: false })
    })
}

/// Locales to look in, nearest first.
fn fallbacks(asked: &str, default: &str) -> Vec<String> {
    let mut all = Vec::new();
    for tag in [asked, default, LANGUAGES[0]] {
        let mut rest = tag;
        while !rest.is_empty() {
            all.push(rest.to_owned());
            rest = rest.rsplit_once('-').map_or("", |(nearer, _)| nearer);
        }
    }
    all
}

async fn own(on: &mut PgConnection, tenant: TenantId, kind: &Kind) -> fault::Result<BTreeMap<String, Words>> {
    let rows: Vec<(String, String, String, String, String)> = sqlx::query_as(
        "SELECT locale, subject, text, html, notice FROM mail_templates WHERE tenant_id = $1 AND template = $2",
    )
    .bind(tenant.as_uuid())
    .bind(kind.key)
    .fetch_all(on)
    .await
    .map_err(storage)?;
    let words = |(locale, subject, text, html, notice)| (locale, Words { subject, text, html, notice });
    Ok(rows.into_iter().map(words).collect())
}

/// Replaces the tenant's words.
pub(crate) async fn put_words(
    on: &mut PgConnection,
    tenant: TenantId,
    (kind, locale): (&Kind, &str),
    words: &Words,
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO mail_templates (tenant_id, template, locale, subject, text, html, notice, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, template, locale) \
         DO UPDATE SET subject = $4, text = $5, html = $6, notice = $7, updated_at = $8",
    )
    .bind(tenant.as_uuid())
    .bind(kind.key)
    .bind(locale)
    .bind(&words.subject)
    .bind(&words.text)
    .bind(&words.html)
    .bind(&words.notice)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Forgets the tenant's words.
pub(crate) async fn reset_words(
    on: &mut PgConnection,
    tenant: TenantId,
    (kind, locale): (&Kind, &str),
) -> fault::Result<()> {
    sqlx::query("DELETE FROM mail_templates WHERE tenant_id = $1 AND template = $2 AND locale = $3")
        .bind(tenant.as_uuid())
        .bind(kind.key)
        .bind(locale)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Locales in which the tenant has words of its own, by kind.
pub(crate) async fn own_locales(
    on: &mut PgConnection,
    tenant: TenantId,
) -> fault::Result<Vec<(String, String)>> {
    sqlx::query_as(
        "SELECT template, locale FROM mail_templates WHERE tenant_id = $1 ORDER BY template, locale",
    )
    .bind(tenant.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)
}

/// What the tenant has switched, by kind.
pub(crate) async fn switches(
    on: &mut PgConnection,
    tenant: TenantId,
) -> fault::Result<BTreeMap<String, bool>> {
    let rows: Vec<(String, bool)> =
        sqlx::query_as("SELECT template, enabled FROM mail_switches WHERE tenant_id = $1")
            .bind(tenant.as_uuid())
            .fetch_all(on)
            .await
            .map_err(storage)?;
    Ok(rows.into_iter().collect())
}

/// Whether the tenant tells this kind.
pub(crate) async fn is_told(on: &mut PgConnection, tenant: TenantId, kind: &Kind) -> fault::Result<bool> {
    let own: Option<bool> =
        sqlx::query_scalar("SELECT enabled FROM mail_switches WHERE tenant_id = $1 AND template = $2")
            .bind(tenant.as_uuid())
            .bind(kind.key)
            .fetch_optional(on)
            .await
            .map_err(storage)?;
    Ok(own.unwrap_or(kind.enabled))
}

/// Decides whether the tenant tells this kind.
pub(crate) async fn switch(
    on: &mut PgConnection,
    tenant: TenantId,
    kind: &Kind,
    enabled: bool,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO mail_switches (tenant_id, template, enabled) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant_id, template) DO UPDATE SET enabled = $3",
    )
    .bind(tenant.as_uuid())
    .bind(kind.key)
    .bind(enabled)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_looked_for_from_the_nearest_locale_to_the_farthest() {
        assert_eq!(fallbacks("de-AT", "fr-CA"), ["de-AT", "de", "fr-CA", "fr", "en"]);
        assert_eq!(fallbacks("", ""), ["en"]);
    }
}
