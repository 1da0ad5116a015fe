//! Accounts elsewhere that somebody has linked: linking, listing, forgetting; one way in stays.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::UserId;
use secrecy::SecretString;

use super::{Arrival, Departure};
use crate::app::Identity;
use crate::events::{IdentityEvent, IdentityLink, USER};
use crate::rejection::Rejection;
use crate::tables::providers::{self, Linked};
use crate::tables::{sessions, users};

impl Identity {
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
    pub(in crate::app) async fn keep_a_way_in(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
    ) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        let password = users::hold_credentials(unit.connection(), tenant, user).await?;
        let has_password = password.is_some_and(|known| known.password_hash.is_some());
        let others = providers::linked_by(unit.connection(), tenant, user).await?.len();
        let passkeys = crate::tables::factors::of(unit.connection(), tenant, user).await?.passkeys;
        let any = has_password || others > 0 || passkeys > 0;
        if any { Ok(()) } else { Err(Rejection::LastLogInMethod.into()) }
    }
}
