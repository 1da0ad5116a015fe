//! Log-in with a passkey: alone, or as the second half of a log-in.

use eventstore::CommandContext;
use ids::UserId;
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, PasskeyAuthentication, PublicKeyCredential, Webauthn,
};

use super::ceremony::heard;
use super::{Ceremony, credential_of, methods};
use crate::app::place::Place;
use crate::app::{Identity, TokenPair};
use crate::rejection::Rejection;
use crate::tables::passkeys::Passkey;
use crate::tables::users::{self, Status};

impl Identity {
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
        let ceremony = match user {
            None => self.ask_for_any_passkey(&mut unit).await?,
            Some(user) => self.ask_for_passkey_of(&mut unit, user).await?,
        };
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
        let used = self.use_passkey(&mut unit, user, answer.get_credential_id(), verify, now).await?;
        if let Err(refusal) = used {
            self.give_up(unit, refusal).await?;
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
        let used = self.use_passkey(&mut unit, named, answer.get_credential_id(), verify, now).await?;
        let passkey = match used {
            Ok(passkey) => passkey,
            Err(refusal) => {
                self.give_up(unit, refusal).await?;
                crate::metrics::log_in("passkey_invalid");
                return Err(Rejection::PasskeyInvalid.into());
            }
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
}
