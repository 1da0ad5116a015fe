//! Sources of attacks: who is not let to the door, and what speaks against a source.
//!
//! Everything that opens an account goes through [`Identity::watched`]: a blocked source is refused
//! before anything is looked up or hashed, whatever it asks for, so the answer says nothing about
//! accounts. What comes of the call is counted afterwards, in a transaction of its own: calls of one
//! source take turns on its row ([`sources::hold`], one upsert), and who comes to it after the block is
//! told `source_blocked` too. So of a hundred failures at once exactly one blocks. A session is opened
//! only after another look ([`Identity::still_let_in`]), for a right password that was under way; and its
//! transaction takes back what this source has failed at with this account ([`Identity::take_back`]).

use eventstore::{CommandContext, UnitOfWork, storage};
use fault::Fault;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::{Identity, decode_token};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, SOURCE, SourceBlocked};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::export::hex;
use crate::rules::network::{Network, is_allowed};
use crate::rules::velocity::{self, Block, Policy, Signal, seconds_until};
use crate::secrets::token_digest;
use crate::tables::sources::{self, NewBlock};
use crate::tables::{challenges, users};

/// Refusals that speak against the source of the call.
const TELLING: [&str; 6] = [
    "credentials_invalid",
    "account_locked",
    "second_factor_invalid",
    "challenge_invalid",
    "passkey_invalid",
    "sign_in_invalid",
];
/// As much of a digest as names an account in a tally.
const NAMED_BY_BYTES: usize = 8;

/// Whose account a call is about, as far as it says.
#[derive(Clone, Copy)]
pub(crate) enum Account<'a> {
    /// It does not say.
    Unnamed,
    /// Whoever has this address, or nobody.
    Address(&'a str),
    /// Whose log-in waits under this challenge.
    Behind(&'a str),
}

/// A call that was let to the door.
struct Guest<'a> {
    context: &'a CommandContext,
    origin: Option<&'a str>,
    /// None of a call without an address: a service of the fleet.
    network: Option<Network>,
}

impl Identity {
    /// Does `work` for a call from `origin`, unless that is blocked, and counts its failure.
    ///
    /// # Errors
    /// `source_blocked`; those of the work.
    pub(crate) async fn watched<T>(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        account: Account<'_>,
        work: impl Future<Output = fault::Result<T>>,
    ) -> fault::Result<T> {
        let guest = self.guest(context, origin).await?;
        let outcome = work.await;
        if let Err(fault) = &outcome
            && speaks_against(fault)
        {
            let account = self.tag(context.tenant, account).await?;
            self.count(&guest, &signal(fault, account)).await?;
        }
        outcome
    }

    /// The same for what is counted whatever comes of it: registrations and resets.
    ///
    /// # Errors
    /// `source_blocked`; those of the work.
    pub(crate) async fn watched_request<T>(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        work: impl Future<Output = fault::Result<T>>,
    ) -> fault::Result<T> {
        let guest = self.guest(context, origin).await?;
        self.count(&guest, &Signal::Request).await?;
        work.await
    }

    /// Refuses to go on with a call whose source was blocked meanwhile.
    ///
    /// # Errors
    /// `source_blocked`.
    pub(super) async fn still_let_in(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        origin: Option<&str>,
        now: Timestamp,
    ) -> fault::Result<()> {
        let Some(network) = origin.and_then(Network::of) else { return Ok(()) };
        let known = sources::about(on, tenant, &network.enclosing()).await?;
        let until = known.iter().filter_map(|(_, until, _)| *until).max();
        let Some(retry_after_seconds) = until.and_then(|until| seconds_until(until, now)) else {
            return Ok(());
        };
        if is_allowed(&self.policy_of(on, tenant).await?.allowed_networks, &network) {
            return Ok(());
        }
        crate::metrics::source_refused();
        Err(Rejection::SourceBlocked { retry_after_seconds }.into())
    }

    /// Takes back, within the transaction that opens a session, what the source has failed at with this
    /// very account.
    pub(super) async fn take_back(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        origin: Option<&str>,
        user: UserId,
    ) -> fault::Result<()> {
        let Some(network) = origin.and_then(Network::of) else { return Ok(()) };
        let name = network.to_string();
        let known = sources::about(on, tenant, std::slice::from_ref(&name)).await?;
        if known.iter().all(|(_, _, tally)| tally.accounts.is_empty()) {
            return Ok(());
        }
        match self.tag_of(on, tenant, user).await? {
            Some(account) => sources::forgive(on, tenant, &name, &account).await,
            None => Ok(()),
        }
    }

    /// How a tally names an account.
    async fn tag(&self, tenant: TenantId, account: Account<'_>) -> fault::Result<Option<String>> {
        match account {
            Account::Unnamed => Ok(None),
            Account::Address(text) => {
                Ok(EmailAddress::parse(text).map(|address| self.short(tenant, &address)))
            }
            Account::Behind(challenge) => {
                let Some(token) = decode_token(challenge) else { return Ok(None) };
                let mut transaction = self.store.read(tenant).await?;
                let waiting = challenges::find(&mut transaction, tenant, &token_digest(&token)).await?;
                let tag = match waiting {
                    Some(waiting) => self.tag_of(&mut transaction, tenant, waiting.user).await?,
                    None => None,
                };
                transaction.rollback().await.map_err(storage)?;
                Ok(tag)
            }
        }
    }

    async fn tag_of(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
    ) -> fault::Result<Option<String>> {
        let person = users::find(on, tenant, user).await?;
        let address = person.and_then(|person| EmailAddress::parse(&person.email));
        Ok(address.map(|address| self.short(tenant, &address)))
    }

    fn short(&self, tenant: TenantId, address: &EmailAddress) -> String {
        hex(&self.secrets.address_digest(tenant, address)[..NAMED_BY_BYTES])
    }

    /// The figures that a tenant has set, else those of the configuration.
    pub(super) async fn policy_of(&self, on: &mut PgConnection, tenant: TenantId) -> fault::Result<Policy> {
        let set = sources::policy(on, tenant).await?;
        Ok(set.unwrap_or_else(|| self.config.sources.clone()))
    }

    async fn guest<'a>(
        &self,
        context: &'a CommandContext,
        origin: Option<&'a str>,
    ) -> fault::Result<Guest<'a>> {
        let guest = Guest { context, origin, network: origin.and_then(Network::of) };
        if guest.network.is_some() {
            let mut transaction = self.store.read(context.tenant).await?;
            self.still_let_in(&mut transaction, context.tenant, origin, self.clock.wall()).await?;
            transaction.rollback().await.map_err(storage)?;
        }
        Ok(guest)
    }

    /// Counts a signal under the lock of the source; refuses when somebody else's has blocked it.
    async fn count(&self, guest: &Guest<'_>, signal: &Signal) -> fault::Result<()> {
        let Some(network) = guest.network else { return Ok(()) };
        let (tenant, now, name) = (guest.context.tenant, self.clock.wall(), network.to_string());
        let mut unit = self.store.begin(guest.context).await?;
        let policy = self.policy_of(unit.connection(), tenant).await?;
        if !policy.enabled || is_allowed(&policy.allowed_networks, &network) {
            return unit.rollback().await;
        }
        let source = sources::hold(unit.connection(), tenant, &name, now).await?;
        if let Some(retry_after_seconds) = source.blocked_until.and_then(|until| seconds_until(until, now)) {
            unit.rollback().await?;
            crate::metrics::source_refused();
            return Err(Rejection::SourceBlocked { retry_after_seconds }.into());
        }
        let (source, block) = velocity::after(source, signal, &policy, now);
        sources::save(unit.connection(), tenant, &name, &source).await?;
        if let Some(block) = block {
            self.keep_block(&mut unit, guest, &name, (block, source.blocks)).await?;
        }
        unit.commit().await?;
        Ok(())
    }

    async fn keep_block(
        &self,
        unit: &mut UnitOfWork,
        guest: &Guest<'_>,
        network: &str,
        (block, blocks): (Block, u32),
    ) -> fault::Result<()> {
        let (tenant, now) = (guest.context.tenant, self.clock.wall());
        let (Block { until, why }, id) = (block, Uuid::now_v7());
        let kept = NewBlock { block: id, why, reason: "", by: "", at: now, until };
        sources::block(unit.connection(), tenant, network, &kept).await?;
        source_blocked(unit, network, block).await?;
        let action = Action {
            name: "source.blocked",
            target: format!("source/{network}"),
            origin: guest.origin,
            at: now,
            before: None,
            after: Some(json!({ "why": why.as_str(), "until": until, "blocks": blocks })),
        };
        audit::record(unit, action).await?;
        crate::metrics::source_blocked(why.as_str());
        tracing::warn!(%tenant, network, why = why.as_str(), %until, "a source was blocked");
        Ok(())
    }
}

/// Tells that a source was blocked.
pub(super) async fn source_blocked(unit: &mut UnitOfWork, network: &str, block: Block) -> fault::Result<()> {
    let stream = stream_of(unit.context()?.tenant, network);
    let (network, why) = (network.to_owned(), block.why.as_str().to_owned());
    let event = SourceBlocked { network, why, until: block.until };
    unit.append_fact(SOURCE, stream, IdentityEvent::SourceBlocked(event)).await.map(drop)
}

/// Where facts about a source are kept.
pub(super) fn stream_of(tenant: TenantId, network: &str) -> Uuid {
    Uuid::new_v5(&tenant.as_uuid(), network.as_bytes())
}

/// Whether a refusal says something against the source of the call; most say nothing.
fn speaks_against(fault: &Fault) -> bool {
    let foreign_token = |wrong: &fault::Violation| wrong.pointer == "/token" && wrong.code == "unknown";
    match fault.reason() {
        "invalid_input" => fault.violations().iter().any(foreign_token),
        reason => TELLING.contains(&reason),
    }
}

/// What it says.
fn signal(fault: &Fault, account: Option<String>) -> Signal {
    match (fault.reason(), account) {
        ("credentials_invalid" | "account_locked", Some(account)) => Signal::Password(account),
        ("second_factor_invalid", Some(account)) => Signal::SecondFactor(account),
        _ => Signal::Token,
    }
}
