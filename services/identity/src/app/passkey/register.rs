//! Registering a passkey: what the browser is asked for, and what it made.

use auth::Caller;
use eventstore::CommandContext;
use fault::Fault;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;
use webauthn_rs::prelude::{Passkey as Credential, PasskeyRegistration, RegisterPublicKeyCredential};

use super::ceremony::{heard, refused, told};
use super::{Ceremony, credential, fit_name, methods};
use crate::app::Identity;
use crate::rejection::Rejection;
use crate::rules::second_factor::PASSKEYS_MAX;
use crate::tables::passkeys::{self, Passkey};
use crate::tables::{factors, sessions, users};

impl Identity {
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
}
