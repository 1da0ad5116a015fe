//! Passkeys (WebAuthn level 3): register, use, rename, remove.
//!
//! A passkey belongs to the tenant's main host: that is the relying party and, with its scheme, the
//! only origin; so a page elsewhere gets nothing that is good here. User verification is demanded, so
//! a passkey alone is two factors. The state of a ceremony is kept here and taken away by its answer;
//! the counter rises by an update that demands it, so a replayed or cloned answer opens nothing.

mod ceremony;
mod log_in;
mod proof;
mod register;
mod step_up;

use auth::Caller;
use eventstore::{CommandContext, storage};
use fault::Fault;
use secrecy::SecretString;
use uuid::Uuid;
use webauthn_rs::prelude::{Passkey as Credential, WebauthnError};

use crate::app::Identity;
use crate::app::second_proof::Answer;
use crate::rejection::Rejection;
use crate::rules::second_factor::{NAME_LENGTH_MAX, POSSESSION, SEVERAL};
use crate::tables::passkeys::{self, Passkey};

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

fn fit_name(name: &str) -> Result<String, Rejection> {
    let name = name.trim();
    let fits =
        !name.is_empty() && name.chars().count() <= NAME_LENGTH_MAX && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err(Rejection::PasskeyNameUnfit) }
}
