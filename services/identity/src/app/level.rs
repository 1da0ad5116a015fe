//! Access levels: what customers may see. Given to one person, or held through a plan; relinking a plan
//! is effective at once for everybody who holds it.

use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{TenantId, UserId};
use jiff::Timestamp;
use serde_json::json;

use crate::app::Identity;
use crate::app::user::{Cause, find};
use crate::audit::{self, Action};
use crate::events::{AboutUser, AccessLevelChanged, IdentityEvent, TENANT, USER};
use crate::rejection::Rejection;
use crate::rules::roles::check_name;
use crate::tables::levels::{self, AccessLevel};
use crate::tables::{tenants, users};

const PLANS_MAX: usize = 100;
const WORD_LENGTH_MAX: usize = 100;

impl Identity {
    /// All levels, the lowest rank first.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn list_levels(&self, tenant: TenantId) -> fault::Result<Vec<AccessLevel>> {
        let mut transaction = self.store.read(tenant).await?;
        let all = levels::all(&mut transaction, tenant).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(all)
    }

    /// Creates or replaces a level.
    ///
    /// # Errors
    /// An unfit level.
    pub(crate) async fn put_level(
        &self,
        cause: &Cause<'_>,
        level: AccessLevel,
    ) -> fault::Result<AccessLevel> {
        let fits =
            |text: &String| text.chars().count() <= WORD_LENGTH_MAX && !text.chars().any(char::is_control);
        let plans_fit = level.plans.len() <= PLANS_MAX && level.plans.iter().all(fits);
        if check_name(&level.level).is_err() || !fits(&level.name) || !plans_fit {
            return Err(Rejection::LevelUnfit.into());
        }
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let before =
            levels::all(unit.connection(), tenant).await?.into_iter().find(|one| one.level == level.level);
        if before.as_ref() == Some(&level) {
            return Ok(level);
        }
        levels::put(unit.connection(), tenant, &level).await?;
        let state =
            |level: &AccessLevel| json!({ "name": level.name, "rank": level.rank, "plans": level.plans });
        let change = (before.as_ref().map(state), Some(state(&level)));
        self.level_changed(unit, cause, "access_level.put", &level.level, change).await?;
        Ok(level)
    }

    /// Removes a level, from everybody who has it too.
    ///
    /// # Errors
    /// `access_level_not_found`.
    pub(crate) async fn delete_level(&self, cause: &Cause<'_>, level: &str) -> fault::Result<()> {
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        if !levels::remove(unit.connection(), tenant, level).await? {
            return Err(Rejection::LevelUnknown.into());
        }
        self.level_changed(unit, cause, "access_level.delete", level, (None, None)).await
    }

    async fn level_changed(
        &self,
        mut unit: UnitOfWork,
        cause: &Cause<'_>,
        name: &'static str,
        level: &str,
        (before, after): (Option<serde_json::Value>, Option<serde_json::Value>),
    ) -> fault::Result<()> {
        let tenant = cause.context.tenant;
        let event = IdentityEvent::AccessLevelChanged(AccessLevelChanged { level: level.to_owned() });
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        let action = Action {
            name,
            target: format!("access_level/{level}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before,
            after,
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Sets the levels that were given to a user; answers all that the user holds now.
    ///
    /// # Errors
    /// `user_not_found`, `access_level_not_found`, `privilege_escalation`.
    pub(crate) async fn give_levels(
        &self,
        cause: &Cause<'_>,
        id: UserId,
        mut wanted: Vec<String>,
        expires_at: Option<Timestamp>,
    ) -> fault::Result<Vec<String>> {
        wanted.sort_unstable();
        wanted.dedup();
        let (mut unit, _) = self.begin_change(cause, id).await?;
        let (tenant, now) = (cause.context.tenant, self.clock.wall());
        let known = levels::all(unit.connection(), tenant).await?;
        if !wanted.iter().all(|level| known.iter().any(|one| one.level == *level)) {
            return Err(Rejection::LevelUnknown.into());
        }
        let before = levels::held_by(unit.connection(), tenant, id, now).await?;
        levels::set_given(unit.connection(), tenant, id, &wanted, now, expires_at).await?;
        let after = levels::held_by(unit.connection(), tenant, id, now).await?;
        access_changed(&mut unit, id).await?;
        let states = (json!({ "levels": before }), json!({ "levels": after, "until": expires_at }));
        self.finish_change(unit, cause, "user.access_levels", id, states).await?;
        Ok(after)
    }

    /// Notes which plans a user holds now; answers the levels that follow.
    ///
    /// # Errors
    /// `user_not_found`.
    pub(crate) async fn set_plans(
        &self,
        context: &CommandContext,
        id: UserId,
        mut plans: Vec<String>,
    ) -> fault::Result<Vec<String>> {
        plans.sort_unstable();
        plans.dedup();
        let (tenant, now) = (context.tenant, self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), tenant, id).await?;
        find(unit.connection(), tenant, id).await?;
        levels::set_plans(unit.connection(), tenant, id, &plans).await?;
        access_changed(&mut unit, id).await?;
        let after = levels::held_by(unit.connection(), tenant, id, now).await?;
        unit.commit().await?;
        Ok(after)
    }
}

async fn access_changed(unit: &mut UnitOfWork, user: UserId) -> fault::Result<()> {
    let event = IdentityEvent::UserAccessChanged(AboutUser { user });
    unit.append_fact(USER, user.as_uuid(), event).await?;
    Ok(())
}
