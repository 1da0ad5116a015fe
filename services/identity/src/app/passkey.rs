//! Passkeys (WebAuthn level 3): register, use, rename, remove.
//!
//! A passkey belongs to the tenant's main host: that is the relying party and, with its scheme, the
//! only origin; so a page elsewhere gets nothing that is good here. User verification is demanded, so
//! a passkey alone is two factors. The state of a ceremony is kept here and taken away by its answer;
//! the counter rises by an update that demands it, so a replayed or cloned answer opens nothing.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork, storage};
use fault::Fault;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgConnection;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, DiscoverableKey, Passkey as Credential,
    PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use crate::app::log_in::Place;
use crate::app::second_proof::Answer;
use crate::app::{Identity, TokenPair, decode_token, encode_token, later};
use crate::audit::{self, Action};
use crate::rejection::Rejection;
use crate::rules::second_factor::{
    CEREMONY_LIFE_SECONDS, NAME_LENGTH_MAX, PASSKEYS_MAX, POSSESSION, SEVERAL,
};
use crate::secrets::{random, token_digest};
use crate::tables::passkeys::{self, Passkey};
use crate::tables::users::{self, Status};
use crate::tables::{factors, sessions, tenants};

/// A ceremony, as the client is told.
pub(crate) struct Ceremony {
    pub(crate) token: String,
    pub(crate) options: String,
}

impl Identity {
    /// The caller's passkeys.
    ///
    /// # Errors
    /// `own_session_required`.
    pub(crate) async fn list_passkeys(&self, caller: &Caller) -> fault::Result<Vec<Passkey>> {
        let (user, _) = caller.own_session()?;
        let mut transaction = self.store.read(caller.tenant).await?;
        let held = passkeys::of(&mut transaction, caller.tenant, user).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(held)
    }

    /// Begins to register a passkey of the caller.
    ///
    /// # Errors
    /// As [`Self::begin_proven`]; `too_many_passkeys`, `passkeys_unavailable`.
    pub(crate) async fn begin_passkey(
        &self,
        caller: &Caller,
        context: &CommandContext,
        password: SecretString,
    ) -> fault::Result<Ceremony> {
        let (user, _) = caller.own_session()?;
        let mut unit = self.begin_proven(caller, context, password, None).await?;
        let held = passkeys::of(unit.connection(), context.tenant, user).await?;
        if held.len() >= PASSKEYS_MAX {
            return Err(Rejection::PasskeysTooMany { max: PASSKEYS_MAX }.into());
        }
        let known: Vec<Credential> = held.into_iter().map(credential).collect::<fault::Result<_>>()?;
        let excluded = known.iter().map(|one| one.cred_id().clone()).collect();
        let person = users::find(unit.connection(), context.tenant, user).await?;
        let person = person.ok_or(Rejection::SessionEnded)?;
        let party = self.party(unit.connection(), context.tenant).await?;
        let name = if person.display_name.is_empty() { &person.email } else { &person.display_name };
        let begun = party.start_passkey_registration(user.as_uuid(), &person.email, name, Some(excluded));
        let (options, state) = begun.map_err(|error| refused(&error))?;
        let mut options = told(&options)?;
        // Found without a name: what makes it a passkey.
        options["authenticatorSelection"]["residentKey"] = json!("required");
        options["authenticatorSelection"]["requireResidentKey"] = json!(true);
        let ceremony = self.begin_ceremony(&mut unit, Some(user), &state, &options).await?;
        unit.commit().await?;
        Ok(ceremony)
    }

    /// Keeps a passkey of the caller; answers recovery codes, if there were none.
    ///
    /// # Errors
    /// `own_session_required`, `session_ended`, `passkey_invalid`, `too_many_passkeys`; an unfit name.
    pub(crate) async fn complete_passkey(
        &self,
        caller: &Caller,
        context: &CommandContext,
        (token, answer): (&str, &str),
        name: &str,
    ) -> fault::Result<(Passkey, Vec<String>)> {
        let (user, session) = caller.own_session()?;
        let name = fit_name(name)?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let answer: RegisterPublicKeyCredential = heard(answer)?;
        let state: PasskeyRegistration = self.take_ceremony(context, token, Some(user)).await?;
        let mut unit = self.store.begin(context).await?;
        let party = self.party(unit.connection(), tenant).await?;
        let made = party.finish_passkey_registration(&answer, &state).map_err(|error| refused(&error))?;
        users::lock(unit.connection(), tenant, user).await?;
        if !sessions::is_open(unit.connection(), tenant, user, session, now).await? {
            return Err(Rejection::SessionEnded.into());
        }
        if passkeys::of(unit.connection(), tenant, user).await?.len() >= PASSKEYS_MAX {
            return Err(Rejection::PasskeysTooMany { max: PASSKEYS_MAX }.into());
        }
        let credential = serde_json::to_value(&made).map_err(Fault::internal)?;
        let passkey =
            Passkey { id: Uuid::now_v7(), user, credential, name, created_at: now, last_used_at: None };
        if !passkeys::insert(unit.connection(), tenant, &passkey, made.cred_id().as_slice()).await? {
            return Err(Rejection::PasskeyInvalid.into());
        }
        let held = factors::of(unit.connection(), tenant, user).await?;
        let codes =
            if held.recovery_codes > 0 { Vec::new() } else { self.make_codes(&mut unit, user).await? };
        sessions::strengthen(unit.connection(), tenant, session, &methods(), now).await?;
        self.factors_changed(&mut unit, user, "passkey_added").await?;
        unit.commit().await?;
        Ok((passkey, codes))
    }

    /// Gives a passkey of the caller another name.
    ///
    /// # Errors
    /// `own_session_required`, `passkey_not_found`; an unfit name.
    pub(crate) async fn rename_passkey(
        &self,
        caller: &Caller,
        context: &CommandContext,
        passkey: Uuid,
        name: &str,
    ) -> fault::Result<Passkey> {
        let (user, _) = caller.own_session()?;
        let name = fit_name(name)?;
        let mut unit = self.store.begin(context).await?;
        if !passkeys::rename(unit.connection(), context.tenant, user, passkey, &name).await? {
            return Err(Rejection::PasskeyUnknown.into());
        }
        let held = passkeys::of(unit.connection(), context.tenant, user).await?;
        unit.commit().await?;
        Ok(held.into_iter().find(|one| one.id == passkey).ok_or(Rejection::PasskeyUnknown)?)
    }

    /// Forgets a passkey of the caller.
    ///
    /// # Errors
    /// As [`Self::begin_proven`]; `passkey_not_found`, `last_log_in_method`.
    pub(crate) async fn remove_passkey(
        &self,
        caller: &Caller,
        context: &CommandContext,
        passkey: Uuid,
        password: SecretString,
        answer: Option<Answer>,
    ) -> fault::Result<()> {
        let (user, _) = caller.own_session()?;
        let mut unit = self.begin_proven(caller, context, password, answer).await?;
        if passkeys::remove(unit.connection(), context.tenant, user, Some(passkey)).await? == 0 {
            return Err(Rejection::PasskeyUnknown.into());
        }
        self.keep_a_way_in(&mut unit, user).await?;
        self.forget_codes_of_nothing(&mut unit, user).await?;
        self.factors_changed(&mut unit, user, "passkey_removed").await?;
        unit.commit().await?;
        Ok(())
    }

    /// Begins to log in with a passkey: of whoever has one, or of the user whose log-in waits.
    ///
    /// # Errors
    /// `challenge_invalid`, `account_locked`, `passkeys_unavailable`.
    pub(crate) async fn begin_passkey_log_in(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        challenge: &str,
    ) -> fault::Result<Ceremony> {
        let user = match challenge {
            "" => None,
            token => Some(self.waiting(context, origin, token).await?.person.id),
        };
        let mut unit = self.store.begin(context).await?;
        let party = self.party(unit.connection(), context.tenant).await?;
        let (options, state) = match user {
            None => {
                let begun = party.start_discoverable_authentication().map_err(|error| refused(&error))?;
                (told(&begun.0)?, serde_json::to_value(begun.1).map_err(Fault::internal)?)
            }
            Some(user) => {
                let held = passkeys::of(unit.connection(), context.tenant, user).await?;
                let known: Vec<_> = held.into_iter().map(credential).collect::<fault::Result<_>>()?;
                let begun = party.start_passkey_authentication(&known).map_err(|error| refused(&error))?;
                (told(&begun.0)?, serde_json::to_value(begun.1).map_err(Fault::internal)?)
            }
        };
        let ceremony = self.begin_ceremony(&mut unit, user, &state, &options).await?;
        unit.commit().await?;
        Ok(ceremony)
    }

    /// Opens a session with a passkey.
    ///
    /// # Errors
    /// `passkey_invalid`, `challenge_invalid`, `account_locked`, `account_suspended`.
    pub(crate) async fn complete_passkey_log_in(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        (token, answer): (&str, &str),
        challenge: &str,
    ) -> fault::Result<TokenPair> {
        let answer: PublicKeyCredential = heard(answer)?;
        if challenge.is_empty() {
            return self.log_in_by_passkey(context, place, token, &answer).await;
        }
        let waiting = self.waiting(context, place.origin, challenge).await?;
        let (user, now) = (waiting.person.id, waiting.attempt.now);
        let state: PasskeyAuthentication = self.take_ceremony(context, token, Some(user)).await?;
        let verify = |party: &Webauthn, _: &Passkey| party.finish_passkey_authentication(&answer, &state);
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(context).await?;
        self.settle_waiting(&mut unit, &waiting).await?;
        if self.use_passkey(&mut unit, Some(user), answer.get_credential_id(), verify, now).await?.is_none() {
            unit.rollback().await?;
            return Err(self.refuse_answer(&waiting.attempt, user).await?);
        }
        let mut all = waiting.challenge.methods;
        all.extend(methods());
        let pair = self.open(&mut unit, &keys, place, user, all, now).await?;
        unit.commit().await?;
        crate::metrics::log_in("ok");
        Ok(pair)
    }

    async fn log_in_by_passkey(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        token: &str,
        answer: &PublicKeyCredential,
    ) -> fault::Result<TokenPair> {
        let state: DiscoverableAuthentication = self.take_ceremony(context, token, None).await?;
        let now = self.clock.wall();
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(context).await?;
        let named = answer.get_user_unique_id().and_then(|bytes| Uuid::from_slice(bytes).ok());
        let named = named.map(UserId::from_uuid).ok_or(Rejection::PasskeyInvalid)?;
        users::lock(unit.connection(), context.tenant, named).await?;
        let verify = |party: &Webauthn, passkey: &Passkey| {
            let key: DiscoverableKey = (&credential_of(passkey)?).into();
            party.finish_discoverable_authentication_v2(answer, state.clone(), &key)
        };
        let used = self.use_passkey(&mut unit, Some(named), answer.get_credential_id(), verify, now).await?;
        let Some(passkey) = used else {
            unit.commit().await?; // the trail of a cloned key
            crate::metrics::log_in("passkey_invalid");
            return Err(Rejection::PasskeyInvalid.into());
        };
        let person = users::find(unit.connection(), context.tenant, passkey.user).await?;
        if person.is_none_or(|person| person.status != Status::Active) {
            return Err(Rejection::AccountSuspended.into());
        }
        let pair = self.open(&mut unit, &keys, place, passkey.user, methods(), now).await?;
        unit.commit().await?;
        crate::metrics::log_in("ok");
        Ok(pair)
    }

    /// Verifies and uses a passkey of `user` within a transaction; nothing when the answer is wrong.
    async fn use_passkey(
        &self,
        unit: &mut UnitOfWork,
        user: Option<UserId>,
        credential_id: &[u8],
        verify: impl FnOnce(&Webauthn, &Passkey) -> Result<AuthenticationResult, WebauthnError>,
        now: Timestamp,
    ) -> fault::Result<Option<Passkey>> {
        let tenant = unit.context()?.tenant;
        let found = passkeys::find(unit.connection(), tenant, credential_id).await?;
        let Some(mut passkey) = found.filter(|passkey| user == Some(passkey.user)) else { return Ok(None) };
        let party = self.party(unit.connection(), tenant).await?;
        let result = match verify(&party, &passkey) {
            Ok(result) if result.user_verified() => result,
            Ok(_) => return Ok(None),
            Err(WebauthnError::CredentialPossibleCompromise) => {
                self.suspect_clone(unit, &passkey).await?;
                return Ok(None);
            }
            Err(error) => {
                tracing::debug!(%error, "a passkey was refused");
                return Ok(None);
            }
        };
        let mut present = credential_of(&passkey).map_err(Fault::internal)?;
        present.update_credential(&result);
        passkey.credential = serde_json::to_value(&present).map_err(Fault::internal)?;
        if !passkeys::use_counter(unit.connection(), tenant, &passkey, result.counter(), now).await? {
            self.suspect_clone(unit, &passkey).await?;
            return Ok(None);
        }
        Ok(Some(passkey))
    }

    /// A counter that has not risen: perhaps somebody holds a copy of the key.
    async fn suspect_clone(&self, unit: &mut UnitOfWork, passkey: &Passkey) -> fault::Result<()> {
        let action = Action {
            name: "passkey.clone_suspected",
            target: format!("user/{}", passkey.user),
            origin: None,
            at: self.clock.wall(),
            before: None,
            after: Some(json!({ "passkey": passkey.id })),
        };
        audit::record(unit, action).await
    }

    async fn begin_ceremony<S: Serialize + Sync>(
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

    async fn take_ceremony<S: DeserializeOwned>(
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
    async fn party(&self, on: &mut PgConnection, tenant: TenantId) -> fault::Result<Webauthn> {
        let host = tenants::main_host(on, tenant).await?;
        let origin = self.config.public_url.replace("{host}", host.as_deref().unwrap_or("localhost"));
        let name = tenants::name(on, tenant).await?;
        let origin = Url::parse(&origin).map_err(Fault::internal)?;
        let id = origin.domain().ok_or(Rejection::PasskeysUnavailable)?;
        let party = WebauthnBuilder::new(id, &origin).and_then(|party| party.rp_name(&name).build());
        party.map_err(|_| Rejection::PasskeysUnavailable.into())
    }
}

fn methods() -> Vec<String> {
    vec![SEVERAL.to_owned(), POSSESSION.to_owned()]
}

fn credential(passkey: Passkey) -> fault::Result<Credential> {
    serde_json::from_value(passkey.credential).map_err(Fault::internal)
}

fn credential_of(passkey: &Passkey) -> Result<Credential, WebauthnError> {
    serde_json::from_value(passkey.credential.clone()).map_err(WebauthnError::ParseJSONFailure)
}

/// The options themselves, without what only one way of calling the browser needs.
fn told(options: &impl Serialize) -> fault::Result<Value> {
    let mut whole = serde_json::to_value(options).map_err(Fault::internal)?;
    Ok(whole.get_mut("publicKey").map(Value::take).unwrap_or_default())
}

fn heard<T: DeserializeOwned>(answer: &str) -> fault::Result<T> {
    let malformed =
        |_| Fault::invalid("/credential_json", "malformed", "This is no answer of an authenticator.");
    serde_json::from_str(answer).map_err(malformed)
}

fn fit_name(name: &str) -> Result<String, Rejection> {
    let name = name.trim();
    let fits =
        !name.is_empty() && name.chars().count() <= NAME_LENGTH_MAX && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err(Rejection::PasskeyNameUnfit) }
}

fn refused(error: &WebauthnError) -> Fault {
    tracing::debug!(%error, "a passkey was refused");
    Rejection::PasskeyInvalid.into()
}
