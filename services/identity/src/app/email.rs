//! Addresses: proving the one a user has, and changing to another one.
//!
//! An address is changed only by who reads the letters to the new one; the old one is told. Asking
//! for an address that somebody else has looks the same and sends nothing.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork};
use ids::{TenantId, UserId};
use jiff::Timestamp;
use kernel::Metadata;
use secrecy::SecretString;
use serde_json::json;

use crate::app::letters::Draft;
use crate::app::{Identity, decode_token};
use crate::audit::{self, Action};
use crate::events::{AboutUser, IdentityEvent, USER};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::tickets::Purpose;
use crate::secrets::token_digest;
use crate::tables::tickets;
use crate::tables::users::{self, Status};

impl Identity {
    /// Sends a letter with which the user proves the address, unless that was done or too many were
    /// sent.
    pub(super) async fn ask_to_verify(&self, unit: &mut UnitOfWork, user: UserId) -> fault::Result<()> {
        let (tenant, now) = (unit.context()?.tenant, self.clock.wall());
        let person = users::find(unit.connection(), tenant, user).await?.ok_or(Rejection::UserUnknown)?;
        let has_address = person.status == Status::Active && !person.email.is_empty();
        let wanted = has_address && person.email_verified_at.is_none();
        if !wanted || !self.may_write(unit, user, Purpose::VerifyEmail, now).await? {
            return Ok(());
        }
        let ticket = self.issue_ticket(unit, user, Purpose::VerifyEmail, &person.email).await?;
        let draft = Draft {
            user,
            name: &person.display_name,
            recipient: &person.email,
            template: "identity.verify_email",
            ticket: Some(ticket),
            more: &[],
        };
        self.write_letter(unit, &draft).await
    }

    /// What a new user gets: a key that seals what the history will say, and the letter to prove the
    /// address. Asked again, it does nothing more.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn welcome(
        &self,
        tenant: TenantId,
        user: UserId,
        cause: &Metadata,
    ) -> fault::Result<()> {
        let mut unit =
            self.store.begin(&self.follow_up(tenant, cause, &["welcome", &user.to_string()])).await?;
        users::lock(unit.connection(), tenant, user).await?;
        self.make_person_key(unit.connection(), tenant, user).await?;
        let purpose = Purpose::VerifyEmail;
        let sent =
            tickets::count_since(unit.connection(), tenant, user, purpose, Timestamp::UNIX_EPOCH).await?;
        if sent == 0 {
            self.ask_to_verify(&mut unit, user).await?;
        }
        unit.commit().await?;
        Ok(())
    }

    /// Sends that letter again.
    ///
    /// # Errors
    /// `own_session_required`.
    pub(crate) async fn resend_verification(
        &self,
        caller: &Caller,
        context: &CommandContext,
    ) -> fault::Result<()> {
        let (user, _) = caller.own_session()?;
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), context.tenant, user).await?;
        self.ask_to_verify(&mut unit, user).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Proves an address with the token of a letter.
    ///
    /// # Errors
    /// `invalid_input` at `/token`.
    pub(crate) async fn verify_email(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        token: &str,
    ) -> fault::Result<()> {
        let digest = token_digest(&decode_token(token).ok_or(Rejection::TicketUnknown)?);
        let mut unit = self.store.begin(context).await?;
        let (person, email) = self.redeem(&mut unit, Purpose::VerifyEmail, &digest).await?;
        let (tenant, user, now) = (context.tenant, person.id, self.clock.wall());
        if !users::verify_email(unit.connection(), tenant, user, &email, now).await? {
            return Err(Rejection::TicketSpent.into()); // it was for an address the user had before
        }
        let event = IdentityEvent::EmailVerified(AboutUser { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        self.record_about(&mut unit, origin, "user.verify_email", user).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Sends a letter to a new address, with which the caller can change to it.
    ///
    /// # Errors
    /// `own_session_required`, `password_wrong`, `account_locked`; an unfit address.
    pub(crate) async fn request_email_change(
        &self,
        caller: &Caller,
        context: &CommandContext,
        new: &str,
        password: SecretString,
    ) -> fault::Result<()> {
        let (user, _) = caller.own_session()?;
        let address = EmailAddress::parse(new).ok_or(Rejection::NewEmailMalformed)?;
        let (proof, _) = self.prove_again(caller, context, password).await?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        self.settle(&mut unit, &proof).await?;
        let taken = users::credentials(unit.connection(), tenant, &address).await?.is_some();
        if self.may_write(&mut unit, user, Purpose::ChangeEmail, now).await? {
            tickets::spend_all(unit.connection(), tenant, user, Purpose::ChangeEmail, now).await?;
            let ticket = self.issue_ticket(&mut unit, user, Purpose::ChangeEmail, address.given()).await?;
            if !taken {
                let person = users::find(unit.connection(), tenant, user).await?;
                let draft = Draft {
                    user,
                    name: &person.map(|person| person.display_name).unwrap_or_default(),
                    recipient: address.given(),
                    template: "identity.confirm_email_change",
                    ticket: Some(ticket),
                    more: &[],
                };
                self.write_letter(&mut unit, &draft).await?;
            }
        }
        let origin = caller.origin.as_deref();
        self.record_about(&mut unit, origin, "user.request_email_change", user).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Changes the address with the token of the letter to the new one; the old one is told.
    ///
    /// # Errors
    /// `invalid_input` at `/token`; `email_taken` when somebody else was faster.
    pub(crate) async fn confirm_email_change(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        token: &str,
    ) -> fault::Result<()> {
        let digest = token_digest(&decode_token(token).ok_or(Rejection::TicketUnknown)?);
        let mut unit = self.store.begin(context).await?;
        let (person, email) = self.redeem(&mut unit, Purpose::ChangeEmail, &digest).await?;
        let address = EmailAddress::parse(&email).ok_or(Rejection::TicketUnknown)?;
        let (tenant, user, now) = (context.tenant, person.id, self.clock.wall());
        if !matches!(person.status, Status::Active) {
            return Err(Rejection::AccountSuspended.into());
        }
        if !users::set_email(unit.connection(), tenant, user, &address, now).await? {
            return Err(Rejection::EmailTaken.into());
        }
        for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword] {
            tickets::spend_all(unit.connection(), tenant, user, purpose, now).await?;
        }
        let event = IdentityEvent::EmailChanged(AboutUser { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        let draft = Draft {
            user,
            name: &person.display_name,
            recipient: &person.email,
            template: "identity.email_changed",
            ticket: None,
            more: &[("new_email", address.given())],
        };
        self.write_letter(&mut unit, &draft).await?;
        let before = json!({ "email": person.email });
        let after = json!({ "email": address.given() });
        let action = Action {
            name: "user.change_email",
            target: format!("user/{user}"),
            origin,
            at: now,
            before: Some(self.seal_state(unit.connection(), tenant, user, &before).await?),
            after: Some(self.seal_state(unit.connection(), tenant, user, &after).await?),
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(())
    }
}
