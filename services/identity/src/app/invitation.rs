//! Users that staff create: with a password, or by an invitation that the person accepts.

use eventstore::UnitOfWork;
use ids::UserId;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::app::letters::Draft;
use crate::app::register::display_name;
use crate::app::settings::More;
use crate::app::user::Cause;
use crate::app::{Identity, Profile, decode_token};
use crate::audit::{self, Action};
use crate::events::{AboutUser, IdentityEvent, USER, UserRegistered};
use crate::rejection::Rejection;
use crate::rules::details::{Details, check};
use crate::rules::email::EmailAddress;
use crate::rules::password;
use crate::rules::roles::CUSTOMER;
use crate::rules::tickets::Purpose;
use crate::secrets::token_digest;
use crate::tables::users::{self, NewUser, Status, User};
use crate::tables::{details, tenants, tickets};

/// A user to be, as staff asked for.
pub(crate) struct NewMember<'a> {
    pub(crate) email: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) roles: Vec<String>,
    pub(crate) details: Details,
    /// Without one the person is invited.
    pub(crate) password: Option<SecretString>,
}

impl Identity {
    /// Creates a user.
    ///
    /// # Errors
    /// Unfit input, `privilege_escalation`, `email_taken`.
    pub(crate) async fn create_member(
        &self,
        cause: &Cause<'_>,
        new: NewMember<'_>,
    ) -> fault::Result<Profile> {
        let email = EmailAddress::parse(new.email).ok_or(Rejection::EmailMalformed)?;
        let (name, about) = (display_name(new.display_name)?, check(new.details)?);
        let password_hash = match new.password {
            None => None,
            Some(password) => {
                password::check(password.expose_secret(), &email).map_err(Rejection::PasswordUnfit)?;
                Some(self.hasher.hash(password).await?)
            }
        };
        let mut roles = if new.roles.is_empty() { vec![CUSTOMER.to_owned()] } else { new.roles };
        roles.sort_unstable();
        roles.dedup();
        let user = NewUser {
            id: UserId::new(),
            email: &email,
            display_name: &name,
            password_hash: password_hash.as_deref(),
            at: cause.context.at,
        };
        self.add_member(cause, &user, &roles, &about).await
    }

    async fn add_member(
        &self,
        cause: &Cause<'_>,
        new: &NewUser<'_>,
        roles: &[String],
        about: &Details,
    ) -> fault::Result<Profile> {
        let (tenant, user) = (cause.context.tenant, new.id);
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        self.may_grant(&mut unit, cause.caller, roles).await?;
        self.within_limits(unit.connection(), tenant, More::User).await?;
        if !users::insert(unit.connection(), tenant, new).await? {
            return Err(Rejection::EmailTaken.into());
        }
        users::set_roles(unit.connection(), tenant, user, roles).await?;
        details::put(unit.connection(), tenant, user, about).await?;
        let event = IdentityEvent::UserRegistered(UserRegistered { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        let profile = self.profile(unit.connection(), tenant, user).await?;
        if profile.user.status == Status::Invited {
            self.send_invitation(&mut unit, cause, &profile.user).await?;
        }
        let action = Action {
            name: "user.create",
            target: format!("user/{user}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: None,
            after: Some(json!({ "roles": roles, "status": profile.user.status.as_str() })),
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(profile)
    }

    /// Sends the invitation again.
    ///
    /// # Errors
    /// `user_not_found`, `not_invited`, `privilege_escalation`.
    pub(crate) async fn invite_again(&self, cause: &Cause<'_>, id: UserId) -> fault::Result<User> {
        let (mut unit, user) = self.begin_change(cause, id).await?;
        if user.status != Status::Invited {
            return Err(Rejection::NotInvited.into());
        }
        self.send_invitation(&mut unit, cause, &user).await?;
        let state = json!({ "status": user.status.as_str() });
        self.finish_change(unit, cause, "user.invite", id, (state.clone(), state)).await
    }

    async fn send_invitation(
        &self,
        unit: &mut UnitOfWork,
        cause: &Cause<'_>,
        user: &User,
    ) -> fault::Result<()> {
        let (tenant, now) = (cause.context.tenant, self.clock.wall());
        tickets::spend_all(unit.connection(), tenant, user.id, Purpose::Invitation, now).await?;
        let ticket = self.issue_ticket(unit, user.id, Purpose::Invitation, &user.email).await?;
        let inviter = match cause.caller.user() {
            Ok(inviter) => users::find(unit.connection(), tenant, inviter).await?,
            Err(_) => None,
        };
        let inviter = inviter.map(|inviter| inviter.display_name).unwrap_or_default();
        let draft = Draft {
            user: user.id,
            name: &user.display_name,
            recipient: &user.email,
            template: "identity.invitation",
            ticket: Some(ticket),
            more: &[("inviter", &inviter)],
        };
        self.write_letter(unit, &draft).await?;
        let event = IdentityEvent::UserInvited(AboutUser { user: user.id });
        unit.append_fact(USER, user.id.as_uuid(), event).await?;
        Ok(())
    }

    /// Accepts an invitation.
    ///
    /// # Errors
    /// `invalid_input` at `/token` or `/password`.
    pub(crate) async fn accept_invitation(
        &self,
        context: &eventstore::CommandContext,
        origin: Option<&str>,
        token: &str,
        password: SecretString,
    ) -> fault::Result<()> {
        let digest = token_digest(&decode_token(token).ok_or(Rejection::TicketUnknown)?);
        let person = self.ticket_holder(context.tenant, Purpose::Invitation, &digest).await?;
        let address = EmailAddress::parse(&person.email).ok_or(Rejection::TicketUnknown)?;
        password::check(password.expose_secret(), &address).map_err(Rejection::PasswordUnfit)?;
        let hash = self.hasher.hash(password).await?;
        let mut unit = self.store.begin(context).await?;
        let (person, email) = self.redeem(&mut unit, Purpose::Invitation, &digest).await?;
        let (tenant, user, now) = (context.tenant, person.id, self.clock.wall());
        if person.status != Status::Invited {
            return Err(Rejection::TicketSpent.into());
        }
        users::set_hash(unit.connection(), tenant, user, &hash).await?;
        users::set_status(unit.connection(), tenant, user, Status::Active).await?;
        users::verify_email(unit.connection(), tenant, user, &email, now).await?;
        let event = IdentityEvent::InvitationAccepted(AboutUser { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        self.record_about(&mut unit, origin, "user.accept_invitation", user).await?;
        unit.commit().await?;
        Ok(())
    }
}
