//! What an administrator does about sources: look, block, lift, set the figures.

use eventstore::storage;
use ids::TenantId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::Identity;
use crate::app::source::{source_blocked, stream_of};
use crate::app::user::Cause;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, SOURCE, SourceLifted};
use crate::rejection::Rejection;
use crate::rules::network::{Network, allowed_network, is_allowed};
use crate::rules::velocity::{Block, Policy, Why};
use crate::tables::sources::{self, Blocked, NewBlock};
use crate::tables::tenants;

const REASON_LENGTH_MAX: usize = 500;
const ALLOWED_MAX: usize = 100;
const BLOCK_DAYS_MAX: i64 = 366;

impl Identity {
    /// Blocks that stand, the latest first; only those that hold `address`, unless that is empty.
    ///
    /// # Errors
    /// `invalid_input` at `/address`.
    pub(crate) async fn blocked_sources(
        &self,
        tenant: TenantId,
        address: &str,
        page: (Option<Uuid>, i64),
    ) -> fault::Result<Vec<Blocked>> {
        let networks = match address {
            "" => None,
            text => Some(Network::named(text).ok_or(Rejection::NetworkUnfit { pointer: "/address" })?),
        };
        let networks = networks.map(|network| network.enclosing());
        let mut transaction = self.store.read(tenant).await?;
        let now = self.clock.wall();
        let found = sources::standing(&mut transaction, tenant, networks.as_deref(), now, page).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(found)
    }

    /// Blocks a network by hand.
    ///
    /// # Errors
    /// Unfit input, `source_own`, `source_allowed`.
    pub(crate) async fn block_source(
        &self,
        cause: &Cause<'_>,
        network: &str,
        reason: &str,
        until: Option<Timestamp>,
    ) -> fault::Result<Blocked> {
        let network = Network::named(network).ok_or(Rejection::NetworkUnfit { pointer: "/network" })?;
        let reason = fit_reason(reason)?;
        let (tenant, now) = (cause.context.tenant, self.clock.wall());
        let until = until.filter(|until| now < *until && *until <= days_after(now, BLOCK_DAYS_MAX));
        let until = until.ok_or(Rejection::EndOutOfRange { days_max: BLOCK_DAYS_MAX })?;
        let own = cause.caller.origin.as_deref().and_then(Network::of);
        if own.is_some_and(|own| network.holds(&own)) {
            return Err(Rejection::SourceOwn.into());
        }
        let mut unit = self.store.begin(cause.context).await?;
        if is_allowed(&self.policy_of(unit.connection(), tenant).await?.allowed_networks, &network) {
            return Err(Rejection::SourceAllowed.into());
        }
        let (name, by, why) = (network.to_string(), cause.caller.actor(), Why::ByHand);
        sources::hold(unit.connection(), tenant, &name, now).await?;
        let block = NewBlock { block: Uuid::now_v7(), why, reason, by: &by, at: now, until };
        sources::block(unit.connection(), tenant, &name, &block).await?;
        source_blocked(&mut unit, &name, Block { until, why }).await?;
        let after = json!({ "reason": reason, "until": until });
        let action = self.about_source(cause, "source.block", format!("source/{name}"), (None, Some(after)));
        audit::record(&mut unit, action).await?;
        let page = (None, 1);
        let kept = sources::standing(unit.connection(), tenant, Some(&[name]), now, page).await?.pop();
        unit.commit().await?;
        kept.ok_or_else(|| Rejection::BlockUnknown.into())
    }

    /// Ends a block.
    ///
    /// # Errors
    /// `blocked_source_not_found`.
    pub(crate) async fn lift_source(&self, cause: &Cause<'_>, block: Uuid) -> fault::Result<()> {
        let (tenant, now) = (cause.context.tenant, self.clock.wall());
        let mut unit = self.store.begin(cause.context).await?;
        let lifted = sources::lift(unit.connection(), tenant, block, now).await?;
        let lifted = lifted.ok_or(Rejection::BlockUnknown)?;
        let event = IdentityEvent::SourceLifted(SourceLifted { network: lifted.network.clone() });
        unit.append_fact(SOURCE, stream_of(tenant, &lifted.network), event).await?;
        let before = json!({ "why": lifted.why, "reason": lifted.reason, "until": lifted.until });
        let target = format!("source/{}", lifted.network);
        let action = self.about_source(cause, "source.lift", target, (Some(before), None));
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(())
    }

    /// The figures of a tenant.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn source_policy(&self, tenant: TenantId) -> fault::Result<Policy> {
        let mut transaction = self.store.read(tenant).await?;
        let policy = self.policy_of(&mut transaction, tenant).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(policy)
    }

    /// Sets the figures of a tenant.
    ///
    /// # Errors
    /// Figures out of range, words that are no networks.
    pub(crate) async fn set_source_policy(&self, cause: &Cause<'_>, policy: Policy) -> fault::Result<Policy> {
        if let Some(figure) = policy.flaw() {
            return Err(Rejection::SourcePolicyUnfit { figure, code: "out_of_range" }.into());
        }
        let policy = Policy { allowed_networks: fit_networks(&policy.allowed_networks)?, ..policy };
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let before = self.policy_of(unit.connection(), tenant).await?;
        sources::set_policy(unit.connection(), tenant, &policy).await?;
        let states = (Some(json!(before)), Some(json!(policy)));
        let action = self.about_source(cause, "source_policy.set", format!("tenant/{tenant}"), states);
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(policy)
    }

    fn about_source<'a>(
        &self,
        cause: &'a Cause<'_>,
        name: &'static str,
        target: String,
        (before, after): (Option<Value>, Option<Value>),
    ) -> Action<'a> {
        Action { name, target, origin: cause.caller.origin.as_deref(), at: self.clock.wall(), before, after }
    }
}

fn fit_reason(reason: &str) -> Result<&str, Rejection> {
    let reason = reason.trim();
    match reason.chars().count() {
        0 => Err(Rejection::ReasonMissing),
        1..=REASON_LENGTH_MAX => Ok(reason),
        _ => Err(Rejection::ReasonTooLong { max: REASON_LENGTH_MAX }),
    }
}

/// The networks as they are kept: without the bits behind the prefix, each once.
fn fit_networks(networks: &[String]) -> Result<Vec<String>, Rejection> {
    let figure = "allowed_networks";
    if networks.len() > ALLOWED_MAX {
        return Err(Rejection::SourcePolicyUnfit { figure, code: "too_many" });
    }
    let mut kept = Vec::new();
    for text in networks {
        let network =
            allowed_network(text).ok_or(Rejection::SourcePolicyUnfit { figure, code: "malformed" })?;
        let network = network.to_string();
        if !kept.contains(&network) {
            kept.push(network);
        }
    }
    Ok(kept)
}

fn days_after(at: Timestamp, days: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)
}
