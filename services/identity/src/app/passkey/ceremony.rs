//! What passes between a browser and us around a passkey: the challenge with its state, kept here until
//! its answer takes it away, and the relying party that both sides name.

use eventstore::{CommandContext, UnitOfWork};
use fault::Fault;
use ids::{TenantId, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgConnection;
use url::Url;
use webauthn_rs::prelude::{Webauthn, WebauthnBuilder, WebauthnError};

use super::{Ceremony, credential};
use crate::app::{Identity, decode_token, encode_token, later};
use crate::rejection::Rejection;
use crate::rules::second_factor::CEREMONY_LIFE_SECONDS;
use crate::secrets::{random, token_digest};
use crate::tables::{passkeys, tenants};

impl Identity {
    /// Asks for a passkey of whoever has one.
    pub(super) async fn ask_for_any_passkey(&self, unit: &mut UnitOfWork) -> fault::Result<Ceremony> {
        let party = self.party_of(unit).await?;
        let (options, state) = party.start_discoverable_authentication().map_err(|error| refused(&error))?;
        self.begin_ceremony(unit, None, &state, &told(&options)?).await
    }

    /// Asks for a passkey of a user.
    pub(super) async fn ask_for_passkey_of(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
    ) -> fault::Result<Ceremony> {
        let tenant = unit.context()?.tenant;
        let held = passkeys::of(unit.connection(), tenant, user).await?;
        let known: Vec<_> = held.into_iter().map(credential).collect::<fault::Result<_>>()?;
        let party = self.party_of(unit).await?;
        let (options, state) = party.start_passkey_authentication(&known).map_err(|error| refused(&error))?;
        self.begin_ceremony(unit, Some(user), &state, &told(&options)?).await
    }

    async fn party_of(&self, unit: &mut UnitOfWork) -> fault::Result<Webauthn> {
        let tenant = unit.context()?.tenant;
        self.party(unit.connection(), tenant).await
    }

    pub(super) async fn begin_ceremony<S: Serialize + Sync>(
        &self,
        unit: &mut UnitOfWork,
        user: Option<UserId>,
        state: &S,
        options: &Value,
    ) -> fault::Result<Ceremony> {
        let (tenant, now, token) = (unit.context()?.tenant, self.clock.wall(), random::<32>()?);
        let state = serde_json::to_value(state).map_err(Fault::internal)?;
        let until = later(now, CEREMONY_LIFE_SECONDS);
        let digest = token_digest(&token);
        passkeys::begin(unit.connection(), tenant, &digest, (user, &state), (now, until)).await?;
        Ok(Ceremony { token: encode_token(&token), options: options.to_string() })
    }

    pub(super) async fn take_ceremony<S: DeserializeOwned>(
        &self,
        context: &CommandContext,
        token: &str,
        user: Option<UserId>,
    ) -> fault::Result<S> {
        let digest = token_digest(&decode_token(token).ok_or(Rejection::PasskeyInvalid)?);
        let mut unit = self.store.begin(context).await?;
        let taken = passkeys::take(unit.connection(), context.tenant, &digest, self.clock.wall()).await?;
        unit.commit().await?;
        let state = taken.filter(|(whose, _)| *whose == user).ok_or(Rejection::PasskeyInvalid)?.1;
        serde_json::from_value(state).map_err(|_| Rejection::PasskeyInvalid.into())
    }

    /// The tenant's main host as relying party.
    pub(super) async fn party(&self, on: &mut PgConnection, tenant: TenantId) -> fault::Result<Webauthn> {
        let host = tenants::main_host(on, tenant).await?;
        let origin = self.config.public_url.replace("{host}", host.as_deref().unwrap_or("localhost"));
        let name = tenants::name(on, tenant).await?;
        let origin = Url::parse(&origin).map_err(Fault::internal)?;
        let id = origin.domain().ok_or(Rejection::PasskeysUnavailable)?;
        let party = WebauthnBuilder::new(id, &origin).and_then(|party| party.rp_name(&name).build());
        party.map_err(|_| Rejection::PasskeysUnavailable.into())
    }
}

/// The options themselves, without what only one way of calling the browser needs.
pub(super) fn told(options: &impl Serialize) -> fault::Result<Value> {
    let mut whole = serde_json::to_value(options).map_err(Fault::internal)?;
    Ok(whole.get_mut("publicKey").map(Value::take).unwrap_or_default())
}

pub(super) fn heard<T: DeserializeOwned>(answer: &str) -> fault::Result<T> {
    let malformed =
        |_| Fault::invalid("/credential_json", "malformed", "This is no answer of an authenticator.");
    serde_json::from_str(answer).map_err(malformed)
}

pub(super) fn refused(error: &WebauthnError) -> Fault {
    tracing::debug!(%error, "a passkey was refused");
    Rejection::PasskeyInvalid.into()
}
