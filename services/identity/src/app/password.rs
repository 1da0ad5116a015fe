//! Another password: by who knows the present one, or by who reads the letters to the address.
//!
//! The wish to reset a password is written down whoever has the address, and looked at afterwards by
//! a reactor: what the asker is told, and how long that takes, cannot depend on it. Both ways end
//! sessions, because a password is changed when somebody else knows it.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork};
use ids::{TenantId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::app::letters::Draft;
use crate::app::log_out::sessions_ended;
use crate::app::proof::Proof;
use crate::app::{Identity, decode_token};
use crate::audit::{self, Action};
use crate::events::{AboutUser, IdentityEvent, POST, ResetWished, USER};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::password;
use crate::rules::second_factor::is_recent;
use crate::rules::tickets::{Purpose, judge};
use crate::secrets::token_digest;
use crate::tables::sessions::{self, EndReason};
use crate::tables::users::{self, Status, User};
use crate::tables::{challenges, guards, tickets};

impl Identity {
    /// Proves again that the caller is the owner of the account.
    ///
    /// # Errors
    /// `own_session_required`, `session_ended`, `password_wrong`, `account_locked`,
    /// `reauthentication_required` of accounts without a password.
    pub(super) async fn prove_again(
        &self,
        caller: &Caller,
        context: &CommandContext,
        password: SecretString,
    ) -> fault::Result<(Proof, EmailAddress)> {
        let (user, session) = caller.own_session()?;
        let mut transaction = self.store.read(context.tenant).await?;
        let now = self.clock.wall();
        let standing = sessions::standing(&mut transaction, context.tenant, user, session, now).await?;
        let standing = standing.ok_or(Rejection::SessionEnded)?;
        let person = users::find(&mut transaction, context.tenant, user).await?;
        let person = person.ok_or(Rejection::SessionEnded)?;
        let address = EmailAddress::parse(&person.email).ok_or(Rejection::SessionEnded)?;
        let known = users::credentials(&mut transaction, context.tenant, &address).await?;
        transaction.rollback().await.map_err(eventstore::storage)?;
        let attempt = self.attempt(context, caller.origin.as_deref(), &address);
        if let Some(known) = known.filter(|known| known.password_hash.is_none()) {
            if !is_recent(standing.proven_at, now) {
                return Err(Rejection::ReauthenticationRequired.into());
            }
            return Ok((Proof::without_password(known, attempt.digest, now), address));
        }
        let proof = self.prove(&attempt, &address, password).await.map_err(|fault| {
            if fault.reason() == "credentials_invalid" { Rejection::PasswordWrong.into() } else { fault }
        })?;
        Ok((proof, address))
    }

    /// Sets another password for the caller; answers how many other sessions have ended.
    ///
    /// # Errors
    /// As [`Self::prove_again`]; an unfit new password.
    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        context: &CommandContext,
        current: SecretString,
        new: SecretString,
    ) -> fault::Result<u64> {
        let (user, session) = caller.own_session()?;
        let (proof, address) = self.prove_again(caller, context, current).await?;
        password::check(new.expose_secret(), &address).map_err(Rejection::NewPasswordUnfit)?;
        let hash = self.hasher.hash(new).await?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        self.settle(&mut unit, &proof).await?;
        users::set_hash(unit.connection(), tenant, user, &hash).await?;
        tickets::spend_all(unit.connection(), tenant, user, Purpose::ResetPassword, now).await?;
        challenges::remove_all(unit.connection(), tenant, user).await?;
        let reason = EndReason::PasswordChanged;
        let ended = sessions::end_others(unit.connection(), tenant, user, session, now, reason).await?;
        if ended > 0 {
            sessions_ended(&mut unit, user, None, reason).await?;
        }
        let event = IdentityEvent::PasswordChanged(AboutUser { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        self.tell_password_changed(&mut unit, user).await?;
        self.record_about(&mut unit, caller.origin.as_deref(), "user.change_password", user).await?;
        unit.commit().await?;
        Ok(ended)
    }

    /// Writes down that somebody wishes to reset the password of `email`.
    ///
    /// # Errors
    /// When it is no address.
    pub(crate) async fn wish_reset(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        email: &str,
    ) -> fault::Result<()> {
        let address = EmailAddress::parse(email).ok_or(Rejection::EmailMalformed)?;
        let (wish, now) = (Uuid::now_v7(), self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        tickets::wish(unit.connection(), context.tenant, wish, address.given(), origin, now).await?;
        let event = IdentityEvent::ResetWished(ResetWished { wish });
        unit.append_fact(POST, wish, event).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Works a wish off: a letter to whoever has the address, if anybody does and may sign in.
    pub(crate) async fn grant_wish(
        &self,
        tenant: TenantId,
        wish: Uuid,
        cause: &kernel::Metadata,
    ) -> fault::Result<()> {
        let context = self.follow_up(tenant, cause, &["grant reset wish", &wish.to_string()]);
        let mut unit = self.store.begin(&context).await?;
        if let Some((email, origin)) = tickets::take_wish(unit.connection(), tenant, wish).await? {
            self.answer_wish(&mut unit, &email, origin.as_deref()).await?;
        }
        unit.commit().await?;
        Ok(())
    }

    async fn answer_wish(
        &self,
        unit: &mut UnitOfWork,
        email: &str,
        origin: Option<&str>,
    ) -> fault::Result<()> {
        let (tenant, now) = (unit.context()?.tenant, self.clock.wall());
        let Some(address) = EmailAddress::parse(email) else { return Ok(()) };
        let known = users::credentials(unit.connection(), tenant, &address).await?;
        let Some(known) = known.filter(|known| known.status == Status::Active) else { return Ok(()) };
        users::lock(unit.connection(), tenant, known.user).await?;
        let person = users::find(unit.connection(), tenant, known.user).await?;
        let Some(person) = person.filter(|person| person.status == Status::Active) else { return Ok(()) };
        if !self.may_write(unit, person.id, Purpose::ResetPassword, now).await? {
            return Ok(());
        }
        let ticket = self.issue_ticket(unit, person.id, Purpose::ResetPassword, &person.email).await?;
        let draft = Draft {
            user: person.id,
            name: &person.display_name,
            recipient: &person.email,
            template: "identity.password_reset",
            ticket: Some(ticket),
            more: &[("origin", origin.unwrap_or_default())],
        };
        self.write_letter(unit, &draft).await?;
        let event = IdentityEvent::PasswordResetRequested(AboutUser { user: person.id });
        unit.append_fact(USER, person.id.as_uuid(), event).await?;
        self.record_about(unit, origin, "password_reset.request", person.id).await
    }

    /// Sets another password with the token of a letter; every session ends, and so does a lock.
    ///
    /// # Errors
    /// `invalid_input` at `/token` or `/password`.
    pub(crate) async fn reset_password(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        token: &str,
        new: SecretString,
    ) -> fault::Result<()> {
        let digest = token_digest(&decode_token(token).ok_or(Rejection::TicketUnknown)?);
        let person = self.ticket_holder(context.tenant, Purpose::ResetPassword, &digest).await?;
        let address = EmailAddress::parse(&person.email).ok_or(Rejection::TicketUnknown)?;
        password::check(new.expose_secret(), &address).map_err(Rejection::PasswordUnfit)?;
        let hash = self.hasher.hash(new).await?;
        let (tenant, user, now) = (context.tenant, person.id, self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        let guard = self.secrets.address_digest(tenant, &address);
        guards::forget(unit.connection(), tenant, &guard).await?;
        let (person, _) = self.redeem(&mut unit, Purpose::ResetPassword, &digest).await?;
        if person.status != Status::Active {
            return Err(Rejection::AccountSuspended.into());
        }
        users::set_hash(unit.connection(), tenant, user, &hash).await?;
        users::verify_email(unit.connection(), tenant, user, &person.email, now).await?;
        challenges::remove_all(unit.connection(), tenant, user).await?;
        let reason = EndReason::PasswordReset;
        sessions::end(unit.connection(), tenant, user, None, now, reason).await?;
        sessions_ended(&mut unit, user, None, reason).await?;
        let event = IdentityEvent::PasswordResetExecuted(AboutUser { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        self.tell_password_changed(&mut unit, user).await?;
        self.record_about(&mut unit, origin, "password_reset.execute", user).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Who holds the ticket with this token, if it is good: asked before the expensive part.
    pub(super) async fn ticket_holder(
        &self,
        tenant: TenantId,
        purpose: Purpose,
        digest: &[u8; 32],
    ) -> fault::Result<User> {
        let mut transaction = self.store.read(tenant).await?;
        let ticket = tickets::find(&mut transaction, tenant, purpose, digest).await?;
        let ticket = ticket.ok_or(Rejection::TicketUnknown)?;
        judge(&ticket.facts, self.clock.wall())?;
        let person = users::find(&mut transaction, tenant, ticket.user).await?;
        transaction.rollback().await.map_err(eventstore::storage)?;
        Ok(person.ok_or(Rejection::TicketUnknown)?)
    }

    /// Spends a ticket under the lock of its holder, with every other of its kind: of several calls
    /// with one token exactly one gets past here. Answers the holder and the ticket's address.
    pub(super) async fn redeem(
        &self,
        unit: &mut UnitOfWork,
        purpose: Purpose,
        digest: &[u8; 32],
    ) -> fault::Result<(User, String)> {
        let (tenant, now) = (unit.context()?.tenant, self.clock.wall());
        let found = tickets::find(unit.connection(), tenant, purpose, digest).await?;
        let user = found.ok_or(Rejection::TicketUnknown)?.user;
        users::lock(unit.connection(), tenant, user).await?;
        let ticket = tickets::find(unit.connection(), tenant, purpose, digest).await?;
        let ticket = ticket.ok_or(Rejection::TicketUnknown)?;
        judge(&ticket.facts, now)?;
        tickets::spend_all(unit.connection(), tenant, user, purpose, now).await?;
        let person = users::find(unit.connection(), tenant, user).await?;
        Ok((person.ok_or(Rejection::TicketUnknown)?, ticket.email))
    }

    async fn tell_password_changed(&self, unit: &mut UnitOfWork, user: UserId) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        let Some(person) = users::find(unit.connection(), tenant, user).await? else { return Ok(()) };
        let draft = Draft {
            user,
            name: &person.display_name,
            recipient: &person.email,
            template: "identity.password_changed",
            ticket: None,
            more: &[],
        };
        self.write_letter(unit, &draft).await
    }

    /// Records an action about a user that has no state worth telling.
    pub(super) async fn record_about(
        &self,
        unit: &mut UnitOfWork,
        origin: Option<&str>,
        name: &'static str,
        user: UserId,
    ) -> fault::Result<()> {
        let (target, at) = (format!("user/{user}"), self.clock.wall());
        audit::record(unit, Action { name, target, origin, at, before: None, after: None }).await
    }
}
