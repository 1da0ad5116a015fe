//! Proof that a host belongs to a tenant, before the tenant answers on it.
//!
//! A claim names an address on the host and what must be found there; whoever proves a host first has it,
//! which the key of `tenant_hosts` decides. The looking happens outside of any transaction; what it means is
//! settled under the lock of the tenant's administration, where a claim that was given up or proven meanwhile
//! is left as it is.

use auth::Caller;
use eventstore::{UnitOfWork, storage};
use ids::TenantId;
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::app::user::Cause;
use crate::app::{Identity, encode_token};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, TENANT, TenantNews};
use crate::host_probe::Found;
use crate::rejection::Rejection;
use crate::rules::host_claim::{Status, needs_no_proof, next_look};
use crate::rules::tenant::{HOSTS_MAX, check_host};
use crate::secrets::random;
use crate::tables::host_claims::{self, HostClaim};
use crate::tables::{platform, tenants};

/// Claims looked at in one round, and for how long a round keeps them from others.
const LOOKS_AT_A_TIME: i64 = 20;
const LEASE: SignedDuration = SignedDuration::from_mins(5);

impl Identity {
    /// The claims of the caller's tenant.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn host_claims(&self, caller: &Caller) -> fault::Result<Vec<HostClaim>> {
        let mut transaction = self.store.read(caller.tenant).await?;
        let claims = host_claims::of(&mut transaction, caller.tenant).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(claims)
    }

    /// Claims a host; one that needs no proof is the tenant's at once.
    ///
    /// # Errors
    /// An unfit host, `host_taken`, `too_many_hosts`.
    pub(crate) async fn claim_host(&self, cause: &Cause<'_>, host: &str) -> fault::Result<HostClaim> {
        check_host(host)?;
        let tenant = cause.context.tenant;
        let mut unit = self.begin_claims(cause, tenant).await?;
        if let Some(known) = host_claims::find(unit.connection(), tenant, host).await? {
            return Ok(known);
        }
        if host_claims::of(unit.connection(), tenant).await?.len() >= HOSTS_MAX {
            return Err(Rejection::HostsTooMany { max: HOSTS_MAX }.into());
        }
        let holder = tenants::holder(unit.connection(), host).await?;
        if holder.is_some_and(|holder| holder != tenant) {
            return Err(Rejection::HostTaken { host: host.to_owned() }.into());
        }
        let now = self.clock.wall();
        let mut claim = HostClaim {
            tenant,
            host: host.to_owned(),
            claim: Uuid::now_v7(),
            token: encode_token(&random::<32>()?),
            status: Status::Pending,
            failure: String::new(),
            claimed_at: now,
            checked_at: None,
            checks: 0,
            next_check_at: next_look(now, 0, now),
        };
        host_claims::save(unit.connection(), &claim).await?;
        if holder == Some(tenant) || needs_no_proof(host, &self.config.hosts.without_proof) {
            self.take_host(&mut unit, &mut claim).await?;
        }
        self.finish_claim(unit, cause, "tenant.claim_host", &claim).await
    }

    /// Looks for the proof now.
    ///
    /// # Errors
    /// `host_not_found` when the tenant has not claimed it.
    pub(crate) async fn verify_host(&self, cause: &Cause<'_>, host: &str) -> fault::Result<HostClaim> {
        let tenant = cause.context.tenant;
        let mut transaction = self.store.read(tenant).await?;
        let claim = host_claims::find(&mut transaction, tenant, host).await?;
        transaction.rollback().await.map_err(storage)?;
        let claim = claim.ok_or(Rejection::HostUnknown)?;
        let found = match claim.status {
            Status::Verified => Found::Proof,
            Status::Pending | Status::Failed => self.probe.look(host, claim.claim, &claim.token).await,
        };
        self.settle_look(cause, &claim, found, true).await
    }

    /// Gives a claim up, and the host with it.
    ///
    /// # Errors
    /// `host_not_found`, `main_host_stays`.
    pub(crate) async fn release_host(&self, cause: &Cause<'_>, host: &str) -> fault::Result<()> {
        let tenant = cause.context.tenant;
        let mut unit = self.begin_claims(cause, tenant).await?;
        let found = platform::find(unit.connection(), tenant, false).await?;
        let hosts = found.ok_or(Rejection::TenantUnknown)?.hosts;
        let held = hosts.iter().find(|(known, _)| known == host);
        let claim = host_claims::find(unit.connection(), tenant, host).await?;
        match (held, claim) {
            (None, None) => return Err(Rejection::HostUnknown.into()),
            (Some((_, true)), _) => return Err(Rejection::MainHostStays.into()),
            _ => {}
        }
        platform::take_host(unit.connection(), tenant, host).await?;
        host_claims::end(unit.connection(), tenant, host).await?;
        self.record_claim(&mut unit, cause, "tenant.release_host", (host, "released")).await?;
        unit.commit().await.map(drop)
    }

    /// Looks for the proofs that are due. Any number of processes may do it.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn look_for_hosts(&self) -> fault::Result<()> {
        let now = self.clock.wall();
        let until = now.saturating_add(LEASE).unwrap_or(now);
        let mut unit = self.store.begin_worker(None).await?;
        let due = host_claims::lease_due(unit.connection(), (now, until), LOOKS_AT_A_TIME).await?;
        unit.commit().await?;
        for claim in due {
            let found = self.probe.look(&claim.host, claim.claim, &claim.token).await;
            let (service, context) = (Caller::service(crate::NAME, claim.tenant), self.own_look(&claim));
            let cause = Cause { caller: &service, context: &context };
            self.settle_look(&cause, &claim, found, false).await?;
        }
        Ok(())
    }

    /// Writes down what a look has found. One that somebody asked for begins the waiting anew, and is
    /// audited whatever it found.
    async fn settle_look(
        &self,
        cause: &Cause<'_>,
        looked_at: &HostClaim,
        found: Found,
        asked: bool,
    ) -> fault::Result<HostClaim> {
        let (tenant, now) = (looked_at.tenant, self.clock.wall());
        let mut unit = self.begin_claims(cause, tenant).await?;
        let present = host_claims::find(unit.connection(), tenant, &looked_at.host).await?;
        let mut claim = present.filter(|one| one.claim == looked_at.claim).ok_or(Rejection::HostUnknown)?;
        if claim.status != Status::Verified {
            claim.checked_at = Some(now);
            match found {
                Found::Proof => self.take_host(&mut unit, &mut claim).await?,
                Found::Nothing(why) => found_nothing(&mut claim, why, asked, now),
            }
        }
        if asked || claim.status != Status::Pending {
            return self.finish_claim(unit, cause, "tenant.verify_host", &claim).await;
        }
        host_claims::save(unit.connection(), &claim).await?;
        unit.commit().await?;
        Ok(claim)
    }

    /// Gives the tenant the host, unless another has proven it first.
    async fn take_host(&self, unit: &mut UnitOfWork, claim: &mut HostClaim) -> fault::Result<()> {
        let holder = tenants::give_host(unit.connection(), claim.tenant, &claim.host).await?;
        claim.next_check_at = None;
        if holder != claim.tenant {
            (claim.status, claim.failure) = (Status::Failed, "host_taken".to_owned());
            return Ok(());
        }
        (claim.status, claim.failure) = (Status::Verified, String::new());
        let found = platform::find(unit.connection(), claim.tenant, false).await?;
        if found.is_some_and(|tenant| tenant.hosts.len() == 1) {
            platform::set_main_host(unit.connection(), claim.tenant, &claim.host).await?;
        }
        Ok(())
    }

    /// A transaction under the lock of the tenant's administration, which sees who has a host.
    async fn begin_claims(&self, cause: &Cause<'_>, tenant: TenantId) -> fault::Result<UnitOfWork> {
        let mut unit = self.worker_for(cause, tenant).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        Ok(unit)
    }

    async fn finish_claim(
        &self,
        mut unit: UnitOfWork,
        cause: &Cause<'_>,
        name: &'static str,
        claim: &HostClaim,
    ) -> fault::Result<HostClaim> {
        host_claims::save(unit.connection(), claim).await?;
        self.record_claim(&mut unit, cause, name, (&claim.host, claim.status.as_str())).await?;
        unit.commit().await?;
        Ok(claim.clone())
    }

    /// Tells the edge, which routes by what it hears, and the tenant's audit trail.
    async fn record_claim(
        &self,
        unit: &mut UnitOfWork,
        cause: &Cause<'_>,
        name: &'static str,
        (host, status): (&str, &str),
    ) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        unit.append_fact(TENANT, tenant.as_uuid(), IdentityEvent::TenantChanged(TenantNews {})).await?;
        let action = Action {
            name,
            target: format!("tenant/{tenant}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: None,
            after: Some(json!({ "host": host, "status": status })),
        };
        audit::record(unit, action).await
    }

    fn own_look(&self, claim: &HostClaim) -> eventstore::CommandContext {
        let look = (claim.claim.to_string(), claim.checks.to_string());
        self.own_context(claim.tenant, &["host claim", &look.0, &look.1])
    }
}

fn found_nothing(claim: &mut HostClaim, why: &str, asked: bool, now: jiff::Timestamp) {
    if asked {
        (claim.claimed_at, claim.checks) = (now, 0);
    }
    claim.next_check_at = next_look(claim.claimed_at, claim.checks, now);
    claim.checks = claim.checks.saturating_add(1);
    claim.status = if claim.next_check_at.is_some() { Status::Pending } else { Status::Failed };
    why.clone_into(&mut claim.failure);
}
