//! Log-in with an account elsewhere (authorization code with PKCE).
//!
//! Four random values guard the way there and back: the state names the log-in and is good once, the
//! attempt token stays in the browser that was sent so that nobody can be led into somebody else's
//! log-in, the nonce ties the token to it, and the verifier makes a stolen code worthless. All but the
//! attempt token and the state are kept sealed; of those two only digests are kept. The provider is
//! part of the key, and named again in the answer (RFC 9207), so that no provider can answer for
//! another. A second factor of ours is asked for all the same.

use auth::Caller;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::app::log_in::{LogIn, Place};
use crate::app::provider;
use crate::app::{Identity, decode_token, encode_token, later};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, IdentityLink, USER, UserRegistered};
use crate::federation::{Person, Returned};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::federation::{ATTEMPT_LIFE_SECONDS, Expected};
use crate::rules::roles::CUSTOMER;
use crate::rules::second_factor::FEDERATED;
use crate::secrets::{random, token_digest};
use crate::tables::providers::{self, Attempt, Linked, Provider};
use crate::tables::users::{self, NewUser, Status};
use crate::tables::{sessions, tenants};

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
    /// Begins a log-in.
    ///
    /// # Errors
    /// `identity_provider_not_found`, `provider_unavailable`, `provider_untrusted`.
    pub(crate) async fn begin_federated(
        &self,
        context: &CommandContext,
        provider: &str,
        session: Option<SessionId>,
    ) -> fault::Result<Departure> {
        let provider = self.usable_provider(context.tenant, provider).await?;
        let known = self.outside.provider(&provider.issuer).await?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let [state, token, nonce, verifier] = [random::<32>()?, random()?, random()?, random()?];
        let sealed = [nonce, verifier].concat();
        let attempt = Attempt {
            attempt_digest: token_digest(&token).to_vec(),
            sealed: self.secrets.seal(&sealed_for(tenant, &provider.provider), &sealed)?,
            session,
            expires_at: later(now, ATTEMPT_LIFE_SECONDS),
        };
        let mut unit = self.store.begin(context).await?;
        let digest = token_digest(&state);
        providers::insert_attempt(unit.connection(), tenant, &provider.provider, &digest, &attempt, now)
            .await?;
        let redirect_uri = self.redirect_uri(&mut unit, &provider.provider).await?;
        unit.commit().await?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(encode_token(&verifier).as_bytes()));
        let scopes = format!("openid {}", provider.scopes.join(" "));
        let mut url =
            url::Url::parse(&known.discovery.authorization_endpoint).map_err(fault::Fault::internal)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", &scopes)
            .append_pair("state", &encode_token(&state))
            .append_pair("nonce", &encode_token(&nonce))
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Departure { url: url.into(), attempt_token: encode_token(&token) })
    }

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

    /// Begins to link an account elsewhere to the caller.
    ///
    /// # Errors
    /// As [`Self::begin_federated`]; `own_session_required`, `password_wrong`.
    pub(crate) async fn begin_link(
        &self,
        caller: &Caller,
        context: &CommandContext,
        provider: &str,
        password: SecretString,
    ) -> fault::Result<Departure> {
        let (_, session) = caller.own_session()?;
        let unit = self.begin_proven(caller, context, password, None).await?;
        unit.commit().await?;
        self.begin_federated(context, provider, Some(session)).await
    }

    /// Links the account elsewhere to the caller.
    ///
    /// # Errors
    /// `own_session_required`, `session_ended`, `sign_in_invalid`, `identity_taken`.
    pub(crate) async fn complete_link(
        &self,
        caller: &Caller,
        context: &CommandContext,
        arrival: &Arrival<'_>,
    ) -> fault::Result<Linked> {
        let (user, session) = caller.own_session()?;
        let (provider, person) = self.person_of(context, arrival, Some(session)).await?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), tenant, user).await?;
        if !sessions::is_open(unit.connection(), tenant, user, session, now).await? {
            return Err(Rejection::SessionEnded.into());
        }
        self.link(&mut unit, &provider, &person, user, caller.origin.as_deref()).await?;
        let linked = providers::linked_by(unit.connection(), tenant, user).await?;
        unit.commit().await?;
        let found = linked.into_iter().find(|linked| linked.provider == provider.provider);
        found.ok_or_else(|| Rejection::IdentityTaken.into())
    }

    /// The accounts elsewhere that the caller has linked.
    ///
    /// # Errors
    /// `own_session_required`.
    pub(crate) async fn linked_identities(&self, caller: &Caller) -> fault::Result<Vec<Linked>> {
        let (user, _) = caller.own_session()?;
        let mut transaction = self.store.read(caller.tenant).await?;
        let linked = providers::linked_by(&mut transaction, caller.tenant, user).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(linked)
    }

    /// Forgets a link of the caller, under the lock of the user: of several ways in, one stays.
    ///
    /// # Errors
    /// `own_session_required`, `session_ended`, `identity_not_found`, `last_log_in_method`.
    pub(crate) async fn unlink(
        &self,
        caller: &Caller,
        context: &CommandContext,
        provider: &str,
    ) -> fault::Result<()> {
        let (user, session) = caller.own_session()?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), tenant, user).await?;
        if !sessions::is_open(unit.connection(), tenant, user, session, now).await? {
            return Err(Rejection::SessionEnded.into());
        }
        if providers::unlink(unit.connection(), tenant, user, Some(provider)).await? == 0 {
            return Err(Rejection::IdentityUnknown.into());
        }
        self.keep_a_way_in(&mut unit, user).await?;
        let event = IdentityLink { user, provider: provider.to_owned() };
        unit.append_fact(USER, user.as_uuid(), IdentityEvent::IdentityUnlinked(event)).await?;
        self.record_about(&mut unit, caller.origin.as_deref(), "user.unlink_identity", user).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Refuses what would leave a user without a way into the account.
    pub(super) async fn keep_a_way_in(&self, unit: &mut UnitOfWork, user: UserId) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        let password = users::hold_credentials(unit.connection(), tenant, user).await?;
        let has_password = password.is_some_and(|known| known.password_hash.is_some());
        let others = providers::linked_by(unit.connection(), tenant, user).await?.len();
        let passkeys = crate::tables::factors::of(unit.connection(), tenant, user).await?.passkeys;
        let any = has_password || others > 0 || passkeys > 0;
        if any { Ok(()) } else { Err(Rejection::LastLogInMethod.into()) }
    }

    /// The person that the browser's answer stands for.
    async fn person_of(
        &self,
        context: &CommandContext,
        arrival: &Arrival<'_>,
        session: Option<SessionId>,
    ) -> fault::Result<(Provider, Person)> {
        let (tenant, now) = (context.tenant, self.clock.wall());
        let state = decode_token(arrival.state).ok_or(Rejection::SignInInvalid)?;
        let mut unit = self.store.begin(context).await?;
        let attempt =
            providers::take_attempt(unit.connection(), tenant, arrival.provider, &token_digest(&state))
                .await?;
        let redirect_uri = self.redirect_uri(&mut unit, arrival.provider).await?;
        unit.commit().await?;
        let attempt = attempt.ok_or(Rejection::SignInInvalid)?;
        let token = decode_token(arrival.attempt_token).ok_or(Rejection::SignInInvalid)?;
        let same_browser = bool::from(token_digest(&token).ct_eq(&attempt.attempt_digest));
        if !same_browser || now >= attempt.expires_at || attempt.session != session {
            return Err(Rejection::SignInInvalid.into());
        }
        let provider = self.usable_provider(tenant, arrival.provider).await?;
        let known = self.outside.provider(&provider.issuer).await?;
        let named = known.discovery.authorization_response_iss_parameter_supported || !arrival.iss.is_empty();
        if named && arrival.iss != provider.issuer {
            return Err(Rejection::SignInInvalid.into());
        }
        let sealed = self.secrets.open(&sealed_for(tenant, &provider.provider), &attempt.sealed)?;
        let halves = sealed.split_at_checked(32).ok_or(Rejection::SignInInvalid)?;
        let [nonce, verifier] = [halves.0, halves.1].map(|half| URL_SAFE_NO_PAD.encode(half));
        let secret = self.secret_at(tenant, &provider)?;
        let expected = Expected { issuer: &provider.issuer, client_id: &provider.client_id, nonce: &nonce };
        let returned = Returned {
            code: arrival.code,
            redirect_uri: &redirect_uri,
            verifier: &verifier,
            expected,
            client_secret: secret.as_ref(),
        };
        let person = self.outside.exchange(&known, &returned, now).await?;
        Ok((provider, person))
    }

    fn secret_at(&self, tenant: TenantId, provider: &Provider) -> fault::Result<Option<SecretString>> {
        let Some(sealed) = &provider.sealed_secret else { return Ok(None) };
        let secret = self.secrets.open(&provider::context(tenant, &provider.provider), sealed)?;
        String::from_utf8(secret).map(|text| Some(SecretString::from(text))).map_err(fault::Fault::internal)
    }

    async fn usable_provider(&self, tenant: TenantId, name: &str) -> fault::Result<Provider> {
        let mut transaction = self.store.read(tenant).await?;
        let found = providers::find(&mut transaction, tenant, name).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(found.filter(|provider| provider.enabled).ok_or(Rejection::ProviderUnknown)?)
    }

    async fn redirect_uri(&self, unit: &mut UnitOfWork, provider: &str) -> fault::Result<String> {
        let tenant = unit.context()?.tenant;
        let host = tenants::main_host(unit.connection(), tenant).await?;
        let base = self.config.public_url.replace("{host}", host.as_deref().unwrap_or("localhost"));
        Ok(format!("{base}/auth/callback/{provider}"))
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
