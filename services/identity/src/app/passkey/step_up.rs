//! A passkey proves, in an open session, who is there: it is both factors at once, so no password is
//! asked for. Whoever has no password proves it this way.

use auth::Caller;
use eventstore::CommandContext;
use webauthn_rs::prelude::{PasskeyAuthentication, PublicKeyCredential, Webauthn};

use super::ceremony::heard;
use super::{Ceremony, methods};
use crate::app::Identity;
use crate::rejection::Rejection;
use crate::tables::passkeys::Passkey;
use crate::tables::{factors, sessions, users};

impl Identity {
    /// Begins to prove who is there with a passkey of the caller.
    ///
    /// # Errors
    /// `own_session_required`, `session_ended`, `account_locked`, `second_factor_missing` without a
    /// passkey, `passkeys_unavailable`.
    pub(crate) async fn begin_passkey_step_up(
        &self,
        caller: &Caller,
        context: &CommandContext,
    ) -> fault::Result<Ceremony> {
        let (user, session) = caller.own_session()?;
        self.attempt_of(caller, context).await?;
        let mut unit = self.store.begin(context).await?;
        if !sessions::is_open(unit.connection(), context.tenant, user, session, self.clock.wall()).await? {
            return Err(Rejection::SessionEnded.into());
        }
        if factors::of(unit.connection(), context.tenant, user).await?.passkeys == 0 {
            return Err(Rejection::SecondFactorMissing.into());
        }
        let ceremony = self.ask_for_passkey_of(&mut unit, user).await?;
        unit.commit().await?;
        Ok(ceremony)
    }

    /// Notes that the caller has proven both factors with a passkey. A wrong answer counts towards the lock
    /// of the address.
    ///
    /// # Errors
    /// `own_session_required`, `session_ended`, `passkey_invalid`, `second_factor_invalid`, `account_locked`.
    pub(crate) async fn complete_passkey_step_up(
        &self,
        caller: &Caller,
        context: &CommandContext,
        (token, answer): (&str, &str),
    ) -> fault::Result<Vec<String>> {
        let (user, session) = caller.own_session()?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let answer: PublicKeyCredential = heard(answer)?;
        let attempt = self.attempt_of(caller, context).await?;
        let state: PasskeyAuthentication = self.take_ceremony(context, token, Some(user)).await?;
        let verify = |party: &Webauthn, _: &Passkey| party.finish_passkey_authentication(&answer, &state);
        let mut unit = self.store.begin(context).await?;
        self.forgive(&mut unit, tenant, &attempt.digest, now).await?;
        users::lock(unit.connection(), tenant, user).await?;
        if !sessions::is_open(unit.connection(), tenant, user, session, now).await? {
            return Err(Rejection::SessionEnded.into());
        }
        let used = self.use_passkey(&mut unit, user, answer.get_credential_id(), verify, now).await?;
        if let Err(refusal) = used {
            self.give_up(unit, refusal).await?;
            return Err(self.refuse_answer(&attempt, user).await?);
        }
        sessions::strengthen(unit.connection(), tenant, session, &methods(), now).await?;
        let standing = sessions::standing(unit.connection(), tenant, user, session, now).await?;
        unit.commit().await?;
        Ok(standing.ok_or(Rejection::SessionEnded)?.methods)
    }
}
