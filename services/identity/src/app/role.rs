//! Roles of the tenant, and which tenant answers on a host.

use auth::{PLATFORM_TENANT, Permissions};
use eventstore::{UnitOfWork, storage};
use fault::Fault;
use ids::TenantId;
use serde_json::json;

use crate::app::{Cause, Identity};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, RoleChanged, TENANT};
use crate::rejection::Rejection;
use crate::rules::roles::{BUILT_IN, OPERATOR, check_role, may_change};
use crate::tables::roles::{self, Role};
use crate::tables::tenants::{self, Tenant};

impl Identity {
    /// All roles: the built-in ones, then those of the tenant by name.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn list_roles(&self, tenant: TenantId) -> fault::Result<Vec<(Role, bool)>> {
        let mut transaction = self.store.read(tenant).await?;
        let own = roles::all(&mut transaction, tenant).await?;
        transaction.rollback().await.map_err(storage)?;
        let shipped =
            BUILT_IN.into_iter().chain((tenant == PLATFORM_TENANT).then_some(OPERATOR)).map(|role| {
                let permissions =
                    Permissions::new(role.permissions.iter().copied()).map_err(Fault::internal)?;
                Ok((Role { name: role.name.to_owned(), permissions }, true))
            });
        shipped.chain(own.into_iter().map(|role| Ok((role, false)))).collect()
    }

    /// Creates or replaces a role; it is effective on the next call of a holder.
    pub(crate) async fn put_role(
        &self,
        cause: &Cause<'_>,
        name: &str,
        permissions: &[String],
    ) -> fault::Result<Role> {
        let role = Role { name: name.to_owned(), permissions: check_role(name, permissions)? };
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let before = roles::granted_by(unit.connection(), tenant, name).await?;
        self.replace_role(unit, cause, before, role).await
    }

    /// Replaces what a role grants, within a transaction that holds the lock of administration.
    pub(super) async fn replace_role(
        &self,
        mut unit: UnitOfWork,
        cause: &Cause<'_>,
        before: Option<Permissions>,
        role: Role,
    ) -> fault::Result<Role> {
        if before.as_ref() == Some(&role.permissions) {
            return Ok(role);
        }
        let tenant = cause.context.tenant;
        for holder in self.authority(unit.connection(), cause.caller).await? {
            may_change(&holder, before.as_ref().unwrap_or(&Permissions::none()), &role.permissions)?;
        }
        roles::put(unit.connection(), tenant, &role).await?;
        self.end_impersonations(&mut unit, None).await?;
        let event = IdentityEvent::RoleChanged(RoleChanged { role: role.name.clone() });
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        let action = Action {
            name: "role.put",
            target: format!("role/{}", role.name),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: before.map(|permissions| json!({ "permissions": permissions })),
            after: Some(json!({ "permissions": role.permissions })),
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(role)
    }

    /// The active tenant that answers on a host.
    ///
    /// # Errors
    /// `tenant_not_found`, `tenant_suspended`.
    pub(crate) async fn resolve_tenant(&self, host: &str) -> fault::Result<Tenant> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let mut unit = self.store.begin_worker(None).await?;
        let tenant = tenants::by_host(unit.connection(), &host).await?;
        unit.rollback().await?;
        match tenant {
            Some(tenant) if tenant.active => Ok(tenant),
            Some(_) => Err(Rejection::TenantSuspended.into()),
            None => Err(Rejection::TenantUnknown.into()),
        }
    }
}
