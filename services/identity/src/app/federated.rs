//! Log-in with an account elsewhere (authorization code with PKCE).
//!
//! Four random values guard the way there and back: the state names the log-in and is good once, the
//! attempt token stays in the browser that was sent so that nobody can be led into somebody else's
//! log-in, the nonce ties the token to it, and the verifier makes a stolen code worthless. All but the
//! attempt token and the state are kept sealed; of those two only digests are kept. The provider is
//! part of the key, and named again in the answer (RFC 9207), so that no provider can answer for
//! another. A second factor of ours is asked for all the same.

mod arrival;
mod departure;
mod links;

use eventstore::{CommandContext, UnitOfWork};
use ids::{TenantId, UserId};
use jiff::Timestamp;
use serde_json::json;

use crate::app::Identity;
use crate::app::log_in::LogIn;
use crate::app::place::Place;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, IdentityLink, USER, UserRegistered};
use crate::federation::Person;
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::roles::CUSTOMER;
use crate::rules::second_factor::FEDERATED;
use crate::tables::providers::{self, Provider};
use crate::tables::users::{self, NewUser, Status};

/// Where to send the browser, and what it keeps meanwhile.
pub(crate) struct Departure {
    pub(crate) url: String,
    pub(crate) attempt_token: String,
}

/// What the browser brought back.
pub(crate) struct Arrival<'a> {
    pub(crate) provider: &'a str,
    pub(crate) state: &'a str,
    pub(crate) code: &'a str,
    pub(crate) iss: &'a str,
    pub(crate) attempt_token: &'a str,
}

impl Identity {
    /// Completes a log-in.
    ///
    /// # Errors
    /// `sign_in_invalid`, `provider_unavailable`, `provider_untrusted`, `provider_email_unproven`,
    /// `email_unverified`, `not_registered`, `account_suspended`.
    pub(crate) async fn complete_federated(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        arrival: &Arrival<'_>,
    ) -> fault::Result<LogIn> {
        let (provider, person) = self.person_of(context, arrival, None).await?;
        let now = self.clock.wall();
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(context).await?;
        let user = self.whose(&mut unit, &provider, &person, place.origin).await?;
        users::lock(unit.connection(), context.tenant, user).await?;
        let present = users::find(unit.connection(), context.tenant, user).await?;
        if present.is_none_or(|present| present.status != Status::Active) {
            return Err(Rejection::AccountSuspended.into());
        }
        providers::touch(unit.connection(), context.tenant, user, &provider.provider, now).await?;
        let outcome = self.proceed(&mut unit, &keys, place, user, vec![FEDERATED.to_owned()], now).await?;
        unit.commit().await?;
        Ok(outcome)
    }

    /// Whose account it is: by the link; else by an address that both sides have proven; else a new one.
    async fn whose(
        &self,
        unit: &mut UnitOfWork,
        provider: &Provider,
        person: &Person,
        origin: Option<&str>,
    ) -> fault::Result<UserId> {
        let tenant = unit.context()?.tenant;
        let owner = providers::owner(unit.connection(), tenant, &provider.provider, &person.subject).await?;
        if let Some(user) = owner {
            return Ok(user);
        }
        let email = person.email.as_deref().and_then(EmailAddress::parse);
        let email = email.ok_or(Rejection::ProviderEmailUnproven)?;
        let user = match users::credentials(unit.connection(), tenant, &email).await? {
            Some(known) if known.email_verified => known.user,
            Some(_) => return Err(Rejection::EmailUnverified.into()),
            None if provider.registers => self.register_from(unit, provider, person, &email, origin).await?,
            None => return Err(Rejection::NotRegistered.into()),
        };
        users::lock(unit.connection(), tenant, user).await?;
        self.link(unit, provider, person, user, origin).await?;
        Ok(user)
    }

    async fn register_from(
        &self,
        unit: &mut UnitOfWork,
        provider: &Provider,
        person: &Person,
        email: &EmailAddress,
        origin: Option<&str>,
    ) -> fault::Result<UserId> {
        let context = unit.context()?.clone();
        let name = super::register::display_name(&person.name).unwrap_or_default();
        let new =
            NewUser { id: UserId::new(), email, display_name: &name, password_hash: None, at: context.at };
        if !users::insert(unit.connection(), context.tenant, &new).await? {
            return Err(fault::Fault::unavailable("registration_raced", "the address was taken meanwhile"));
        }
        let (user, now) = (new.id, self.clock.wall());
        users::set_status(unit.connection(), context.tenant, user, Status::Active).await?;
        users::verify_email(unit.connection(), context.tenant, user, email.given(), now).await?;
        users::set_roles(unit.connection(), context.tenant, user, &[CUSTOMER.to_owned()]).await?;
        let event = IdentityEvent::UserRegistered(UserRegistered { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        let action = Action {
            name: "user.register",
            target: format!("user/{user}"),
            origin,
            at: now,
            before: None,
            after: Some(json!({ "roles": [CUSTOMER], "provider": provider.provider })),
        };
        audit::record(unit, action).await?;
        Ok(user)
    }

    async fn link(
        &self,
        unit: &mut UnitOfWork,
        provider: &Provider,
        person: &Person,
        user: UserId,
        origin: Option<&str>,
    ) -> fault::Result<()> {
        let (tenant, now): (TenantId, Timestamp) = (unit.context()?.tenant, self.clock.wall());
        let there = (provider.provider.as_str(), person.subject.as_str());
        let email = person.email.as_deref().unwrap_or_default();
        if !providers::link(unit.connection(), tenant, there, (user, email), now).await? {
            return Err(Rejection::IdentityTaken.into());
        }
        let event = IdentityLink { user, provider: provider.provider.clone() };
        unit.append_fact(USER, user.as_uuid(), IdentityEvent::IdentityLinked(event)).await?;
        self.record_about(unit, origin, "user.link_identity", user).await
    }
}

fn sealed_for(tenant: TenantId, provider: &str) -> String {
    format!("federated attempt {tenant}/{provider}")
}
