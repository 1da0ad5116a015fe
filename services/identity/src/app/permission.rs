//! Permissions: which there are, the matrix cell by cell, and why somebody may do something.

use std::collections::BTreeMap;

use auth::Permissions;
use contracts::Access;
use eventstore::storage;
use fault::Fault;
use ids::{TenantId, UserId};
use serde_json::json;

use crate::app::Identity;
use crate::app::user::{Cause, find};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, RoleChanged, TENANT};
use crate::rejection::Rejection;
use crate::rules::roles::{built_in, check_role, may_change};
use crate::tables::permissions::{self, Declared};
use crate::tables::roles::{self, Role};
use crate::tables::tenants;
use crate::tables::users::Status;

const DECLARED_MAX: usize = 500;
const TEXT_LENGTH_MAX: usize = 500;

/// A path from a role to a permission.
pub(crate) struct Path {
    pub(crate) role: String,
    pub(crate) built_in: bool,
    pub(crate) grant: String,
}

impl Identity {
    /// Every permission there is, by name.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn list_permissions(&self) -> fault::Result<Vec<Declared>> {
        let mut unit = self.store.begin_worker(None).await?;
        let mut all = permissions::all(unit.connection()).await?;
        unit.rollback().await?;
        all.extend(named_by_rpcs());
        all.sort_unstable();
        Ok(all)
    }

    /// Replaces what a source declares.
    ///
    /// # Errors
    /// Malformed permissions, or too many.
    pub(crate) async fn declare(&self, source: &str, declared: Vec<Declared>) -> fault::Result<()> {
        let fits = |one: &Declared| one.description.chars().count() <= TEXT_LENGTH_MAX;
        if source.is_empty() || declared.len() > DECLARED_MAX || !declared.iter().all(fits) {
            return Err(Rejection::PermissionsTooMany { max: DECLARED_MAX }.into());
        }
        for one in &declared {
            let whole = Permissions::new([one.permission.as_str()]).is_ok() && !one.permission.contains('*');
            if !whole {
                return Err(Rejection::PermissionMalformed { permission: one.permission.clone() }.into());
            }
        }
        let mut unit = self.store.begin_worker(None).await?;
        permissions::replace(unit.connection(), source, &declared).await?;
        unit.commit().await.map(|_| ())
    }

    /// Grants a permission to a role, or takes it: one cell of the matrix, so that two administrators
    /// who edit different cells do not undo each other.
    ///
    /// # Errors
    /// `role_not_found`, `role_built_in`, `privilege_escalation`, `granted_by_wildcard`.
    pub(crate) async fn set_role_permission(
        &self,
        cause: &Cause<'_>,
        name: &str,
        permission: &str,
        granted: bool,
    ) -> fault::Result<Role> {
        let one = check_role(name, &[permission.to_owned()])?;
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let before = roles::granted_by(unit.connection(), tenant, name).await?;
        let before = before.ok_or(Rejection::RoleGone)?;
        let after = if granted {
            before.union(&one)
        } else {
            Permissions::new(before.iter().filter(|text| *text != permission)).map_err(Fault::internal)?
        };
        if let Some(grant) = after.grant_of(permission).filter(|_| !granted) {
            return Err(Rejection::GrantedByWildcard { grant: grant.to_owned() }.into());
        }
        let texts: Vec<_> = after.iter().map(str::to_owned).collect();
        let role = Role { name: name.to_owned(), permissions: check_role(name, &texts)? };
        self.replace_role(unit, cause, Some(before), role).await
    }

    /// Removes a role that nobody holds.
    ///
    /// # Errors
    /// `role_built_in`, `role_not_found`, `role_in_use`, `privilege_escalation`.
    pub(crate) async fn delete_role(&self, cause: &Cause<'_>, name: &str) -> fault::Result<()> {
        check_role(name, &[])?;
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let before = roles::granted_by(unit.connection(), tenant, name).await?.ok_or(Rejection::RoleGone)?;
        for holder in self.authority(unit.connection(), cause.caller).await? {
            may_change(&holder, &before, &Permissions::none())?;
        }
        let holders = roles::holders(unit.connection(), tenant, name).await?;
        if holders > 0 {
            return Err(Rejection::RoleInUse { holders }.into());
        }
        roles::remove(unit.connection(), tenant, name).await?;
        let event = IdentityEvent::RoleChanged(RoleChanged { role: name.to_owned() });
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        let action = Action {
            name: "role.delete",
            target: format!("role/{name}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: Some(json!({ "permissions": before })),
            after: None,
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Every path from a role of the user to the permission, and whether the user may sign in at all.
    ///
    /// # Errors
    /// `user_not_found`; a malformed permission.
    pub(crate) async fn explain(
        &self,
        tenant: TenantId,
        id: UserId,
        permission: &str,
    ) -> fault::Result<(Status, Vec<Path>)> {
        if permission.contains('*') || Permissions::new([permission]).is_err() {
            return Err(Rejection::PermissionMalformed { permission: permission.to_owned() }.into());
        }
        let mut transaction = self.store.read(tenant).await?;
        let user = find(&mut transaction, tenant, id).await?;
        let mut paths = Vec::new();
        for role in user.roles {
            let granted = roles::granted_by(&mut transaction, tenant, &role).await?.unwrap_or_default();
            if let Some(grant) = granted.grant_of(permission) {
                let (built_in, grant) = (built_in(&role).is_some(), grant.to_owned());
                paths.push(Path { role, built_in, grant });
            }
        }
        transaction.rollback().await.map_err(storage)?;
        Ok((user.status, paths))
    }
}

/// The permissions that rpcs ask for, with the rpcs.
fn named_by_rpcs() -> impl Iterator<Item = Declared> {
    let mut named: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for rpc in contracts::methods() {
        if let Some(Access::Permission(permission)) = &rpc.access {
            let name = rpc.path.rsplit('/').next().unwrap_or_default();
            named.entry((permission.clone(), rpc.service.clone())).or_default().push(name);
        }
    }
    named.into_iter().map(|((permission, source), rpcs)| Declared {
        permission,
        source,
        description: rpcs.join(", "),
    })
}
