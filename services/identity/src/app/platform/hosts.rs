//! The hosts of a tenant, by the word of operators: it needs no proof. Tenants prove theirs
//! ([`crate::app::host_claim`]).

use eventstore::UnitOfWork;
use ids::TenantId;

use super::locked;
use crate::app::Identity;
use crate::app::user::Cause;
use crate::rejection::Rejection;
use crate::rules::tenant::{HOSTS_MAX, check_host};
use crate::tables::platform::{self, Profile};
use crate::tables::{host_claims, tenants};

impl Identity {
    /// Lets a tenant answer on a host.
    ///
    /// # Errors
    /// `tenant_not_found`, `host_taken`, an unfit host, `too_many_hosts`.
    pub(crate) async fn add_tenant_host(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        host: &str,
    ) -> fault::Result<Profile> {
        check_host(host)?;
        let (mut unit, before) = self.begin_on_tenant(cause, tenant).await?;
        if before.hosts.iter().any(|(known, _)| known == host) {
            return Ok(before);
        }
        if before.hosts.len() >= HOSTS_MAX {
            return Err(Rejection::HostsTooMany { max: HOSTS_MAX }.into());
        }
        self.give(&mut unit, tenant, host).await?;
        host_claims::end(unit.connection(), tenant, host).await?;
        if !before.hosts.iter().any(|(_, is_main)| *is_main) {
            platform::set_main_host(unit.connection(), tenant, host).await?;
        }
        let after = locked(&mut unit, tenant).await?;
        self.finish_changed(unit, cause, "tenant.add_host", &before, after).await
    }

    /// Takes a host from a tenant.
    ///
    /// # Errors
    /// `tenant_not_found`, `main_host_stays`.
    pub(crate) async fn remove_tenant_host(
        &self,
        cause: &Cause<'_>,
        tenant: TenantId,
        host: &str,
    ) -> fault::Result<Profile> {
        let (mut unit, before) = self.begin_on_tenant(cause, tenant).await?;
        match before.hosts.iter().find(|(known, _)| known == host) {
            None => return Ok(before),
            Some((_, true)) => return Err(Rejection::MainHostStays.into()),
            Some((_, false)) => platform::take_host(unit.connection(), tenant, host).await?,
        }
        host_claims::end(unit.connection(), tenant, host).await?;
        let after = locked(&mut unit, tenant).await?;
        self.finish_changed(unit, cause, "tenant.remove_host", &before, after).await
    }

    /// Gives a host to a tenant, which another may have.
    pub(in crate::app) async fn give(
        &self,
        unit: &mut UnitOfWork,
        tenant: TenantId,
        host: &str,
    ) -> fault::Result<()> {
        let holder = tenants::give_host(unit.connection(), tenant, host).await?;
        if holder == tenant { Ok(()) } else { Err(Rejection::HostTaken { host: host.to_owned() }.into()) }
    }
}
