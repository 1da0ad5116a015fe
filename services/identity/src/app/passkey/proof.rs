//! A passkey's answer, verified and used up in the transaction that acts on it.
//!
//! What is refused undoes that transaction, so a suspicion is written down in one of its own afterwards.

use eventstore::UnitOfWork;
use fault::Fault;
use ids::UserId;
use jiff::Timestamp;
use serde_json::json;
use webauthn_rs::prelude::{AuthenticationResult, Webauthn, WebauthnError};

use super::credential_of;
use crate::app::Identity;
use crate::audit::{self, Action};
use crate::tables::passkeys::{self, Passkey};

/// Why an answer is not accepted.
pub(super) enum Refusal {
    Wrong,
    /// The counter has not risen: perhaps somebody holds a copy of the key.
    Cloned(Box<Passkey>),
}

impl Identity {
    /// Verifies and uses a passkey of `user` within a transaction.
    pub(super) async fn use_passkey(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
        credential_id: &[u8],
        verify: impl FnOnce(&Webauthn, &Passkey) -> Result<AuthenticationResult, WebauthnError>,
        now: Timestamp,
    ) -> fault::Result<Result<Passkey, Refusal>> {
        let tenant = unit.context()?.tenant;
        let found = passkeys::find(unit.connection(), tenant, credential_id).await?;
        let Some(mut passkey) = found.filter(|passkey| user == passkey.user) else {
            return Ok(Err(Refusal::Wrong));
        };
        let party = self.party(unit.connection(), tenant).await?;
        let result = match verify(&party, &passkey) {
            Ok(result) if result.user_verified() => result,
            Ok(_) => return Ok(Err(Refusal::Wrong)),
            Err(WebauthnError::CredentialPossibleCompromise) => {
                return Ok(Err(Refusal::Cloned(Box::new(passkey))));
            }
            Err(error) => {
                tracing::debug!(%error, "a passkey was refused");
                return Ok(Err(Refusal::Wrong));
            }
        };
        let mut present = credential_of(&passkey).map_err(Fault::internal)?;
        present.update_credential(&result);
        passkey.credential = serde_json::to_value(&present).map_err(Fault::internal)?;
        let risen = passkeys::use_counter(unit.connection(), tenant, &passkey, result.counter(), now).await?;
        Ok(if risen { Ok(passkey) } else { Err(Refusal::Cloned(Box::new(passkey))) })
    }

    /// Undoes the transaction of a refused answer, and writes a suspicion down.
    pub(super) async fn give_up(&self, unit: UnitOfWork, refusal: Refusal) -> fault::Result<()> {
        let context = unit.context()?.clone();
        unit.rollback().await?;
        let Refusal::Cloned(passkey) = refusal else { return Ok(()) };
        let mut unit = self.store.begin(&context).await?;
        let action = Action {
            name: "passkey.clone_suspected",
            target: format!("user/{}", passkey.user),
            origin: None,
            at: self.clock.wall(),
            before: None,
            after: Some(json!({ "passkey": passkey.id })),
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await.map(drop)
    }
}
