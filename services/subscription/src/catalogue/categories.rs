//! The table `plan_categories`.

use eventstore::{CommandContext, storage};
use fault::Fault;
use ids::TenantId;
use runtime::audit;
use serde::Serialize;

use super::{Catalogue, must_be_sound};
use subscription_domain::catalogue::{Flaw, is_slug};

const NAME_MAX: usize = 200;
/// Most categories of a tenant.
const CATEGORIES_MAX: i64 = 200;

/// A group of plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Category {
    /// Its name in addresses.
    pub slug: String,
    /// What customers read.
    pub name: String,
    /// Whether a customer has at most one subscription to its plans.
    pub exclusive: bool,
    /// Place in the list.
    pub sort_order: i32,
}

impl Category {
    fn flaws(&self) -> Vec<Flaw> {
        let name = self.name.trim();
        let rules = [
            ("/slug", "malformed", is_slug(&self.slug)),
            ("/name", "out_of_range", !name.is_empty() && name.chars().count() <= NAME_MAX),
        ];
        let broken = rules.into_iter().filter(|(.., holds)| !holds);
        broken.map(|(pointer, code, _)| Flaw { pointer: pointer.to_owned(), code }).collect()
    }
}

impl Catalogue {
    /// Every category, in display order.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn categories(&self, tenant: TenantId) -> fault::Result<Vec<Category>> {
        let mut reading = self.store.read(tenant).await?;
        let found = sqlx::query_as(
            "SELECT slug, name, exclusive, sort_order FROM plan_categories WHERE tenant_id = $1 \
             ORDER BY sort_order, name, slug",
        )
        .bind(tenant.as_uuid())
        .fetch_all(&mut *reading)
        .await
        .map_err(storage)?;
        reading.rollback().await.map_err(storage)?;
        Ok(found)
    }

    /// Adds a category, or replaces it.
    ///
    /// # Errors
    /// What is wrong with it; `categories_too_many`; faults of the database.
    pub async fn put_category(&self, context: &CommandContext, category: &Category) -> fault::Result<()> {
        must_be_sound(&category.flaws())?;
        let mut unit = self.store.begin(context).await?;
        let before = sqlx::query_as::<_, Category>(
            "SELECT slug, name, exclusive, sort_order FROM plan_categories \
             WHERE tenant_id = $1 AND slug = $2 FOR UPDATE",
        )
        .bind(context.tenant.as_uuid())
        .bind(&category.slug)
        .fetch_optional(unit.connection())
        .await
        .map_err(storage)?;
        let put = sqlx::query(
            "INSERT INTO plan_categories (tenant_id, slug, name, exclusive, sort_order) \
             SELECT $1, $2, $3, $4, $5 \
             WHERE $7 OR (SELECT count(*) FROM plan_categories WHERE tenant_id = $1) < $6 \
             ON CONFLICT (tenant_id, slug) DO UPDATE SET name = excluded.name, \
             exclusive = excluded.exclusive, sort_order = excluded.sort_order",
        )
        .bind(context.tenant.as_uuid())
        .bind(&category.slug)
        .bind(category.name.trim())
        .bind(category.exclusive)
        .bind(category.sort_order)
        .bind(CATEGORIES_MAX)
        .bind(before.is_some())
        .execute(unit.connection())
        .await
        .map_err(storage)?;
        if put.rows_affected() == 0 {
            return Err(Fault::rejected(
                "categories_too_many",
                "There are as many categories as there may be.",
            )
            .with_fact("max", CATEGORIES_MAX));
        }
        let shown = |category: &Category| serde_json::to_value(category).ok();
        audit::acted_on(format!("plan_category/{}", category.slug));
        audit::changed(before.as_ref().and_then(shown), shown(category));
        unit.commit().await.map(drop)
    }

    /// Removes a category that no plan is in; one that is gone stays gone.
    ///
    /// # Errors
    /// `category_in_use`; faults of the database.
    pub async fn delete_category(&self, context: &CommandContext, slug: &str) -> fault::Result<()> {
        let mut unit = self.store.begin(context).await?;
        let deleted = sqlx::query("DELETE FROM plan_categories WHERE tenant_id = $1 AND slug = $2")
            .bind(context.tenant.as_uuid())
            .bind(slug)
            .execute(unit.connection())
            .await;
        match deleted {
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
                Err(Fault::rejected("category_in_use", "Plans are in this category."))
            }
            outcome => {
                outcome.map_err(storage)?;
                audit::acted_on(format!("plan_category/{slug}"));
                unit.commit().await.map(drop)
            }
        }
    }
}
