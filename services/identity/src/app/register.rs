//! Registration. A taken address gets the same answer as a new one and costs the same: the password
//! is hashed before anybody looks, and both ways write one audit entry in one transaction. What only
//! a new user gets, the letter to prove the address, is written by a reactor afterwards.

use contracts::vbwd::identity::v1::RegisterResponse;
use eventstore::{CommandContext, UnitOfWork};
use ids::UserId;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::app::Identity;
use crate::app::settings::More;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, USER, UserRegistered};
use crate::rejection::Rejection;
use crate::rules::email::EmailAddress;
use crate::rules::password;
use crate::rules::roles::CUSTOMER;
use crate::tables::users::{self, NewUser};

const DISPLAY_NAME_LENGTH_MAX: usize = 100;

/// An account to be, as it was asked for.
pub(crate) struct NewAccount<'a> {
    pub(crate) email: &'a str,
    pub(crate) password: SecretString,
    pub(crate) display_name: &'a str,
    pub(crate) roles: &'a [String],
}

struct Checked {
    email: EmailAddress,
    display_name: String,
    password_hash: Option<String>,
}

impl Identity {
    /// Registers a customer. `body` identifies the request for its idempotency record.
    ///
    /// # Errors
    /// When address, password or name are unfit; `operation_id_reused`.
    pub(crate) async fn register(
        &self,
        context: &CommandContext,
        origin: Option<&str>,
        account: NewAccount<'_>,
        body: &[u8; 32],
    ) -> fault::Result<RegisterResponse> {
        let checked = self.check(&account).await?;
        let body = self.secrets.body_digest(body);
        let mut unit = self.store.begin(context).await?;
        if let Some(answer) = unit.claim::<RegisterResponse>(&body).await? {
            return Ok(answer);
        }
        self.let_in(unit.connection(), context.tenant).await?;
        self.within_limits(unit.connection(), context.tenant, More::User).await?;
        self.add(&mut unit, origin, &checked, &[CUSTOMER.to_owned()]).await?;
        let answer = RegisterResponse { status: "accepted".to_owned() };
        unit.remember(&body, &answer).await?;
        unit.commit().await?;
        Ok(answer)
    }

    /// Creates a user with roles, or answers the one who has the address. For seeding.
    ///
    /// # Errors
    /// When address, password or name are unfit.
    pub(crate) async fn create_user(
        &self,
        context: &CommandContext,
        account: NewAccount<'_>,
    ) -> fault::Result<UserId> {
        let checked = self.check(&account).await?;
        let mut unit = self.store.begin(context).await?;
        let user = self.add(&mut unit, None, &checked, account.roles).await?;
        unit.commit().await?;
        Ok(user)
    }

    async fn check(&self, account: &NewAccount<'_>) -> fault::Result<Checked> {
        let email = EmailAddress::parse(account.email).ok_or(Rejection::EmailMalformed)?;
        password::check(account.password.expose_secret(), &email).map_err(Rejection::PasswordUnfit)?;
        let display_name = display_name(account.display_name)?;
        let password_hash = Some(self.hasher.hash(account.password.clone()).await?);
        Ok(Checked { email, display_name, password_hash })
    }

    async fn add(
        &self,
        unit: &mut UnitOfWork,
        origin: Option<&str>,
        checked: &Checked,
        roles: &[String],
    ) -> fault::Result<UserId> {
        let context = unit.context()?.clone();
        let user = NewUser {
            id: UserId::new(),
            email: &checked.email,
            display_name: &checked.display_name,
            password_hash: checked.password_hash.as_deref(),
            at: context.at,
        };
        let action = |name, user: UserId, after| Action {
            name,
            target: format!("user/{user}"),
            origin,
            at: self.clock.wall(),
            before: None,
            after,
        };
        if !users::insert(unit.connection(), context.tenant, &user).await? {
            let taken = users::credentials(unit.connection(), context.tenant, &checked.email).await?;
            let owner = taken.map(|taken| taken.user).ok_or_else(|| {
                fault::Fault::unavailable("registration_raced", "the address was taken and is gone")
            })?;
            audit::record(unit, action("user.register_again", owner, None)).await?;
            return Ok(owner);
        }
        users::set_roles(unit.connection(), context.tenant, user.id, roles).await?;
        let event = IdentityEvent::UserRegistered(UserRegistered { user: user.id });
        unit.append_fact(USER, user.id.as_uuid(), event).await?;
        audit::record(unit, action("user.register", user.id, Some(json!({ "roles": roles })))).await?;
        Ok(user.id)
    }
}

pub(super) fn display_name(given: &str) -> Result<String, Rejection> {
    let name = given.trim();
    let fits = name.chars().count() <= DISPLAY_NAME_LENGTH_MAX && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err(Rejection::DisplayNameUnfit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_display_names() {
        for (given, kept) in [("", ""), ("  Ann  Lee ", "Ann  Lee"), ("Zoë 🐝", "Zoë 🐝")] {
            assert_eq!(display_name(given).as_deref(), Ok(kept));
        }
        for given in ["a\nb", "a\u{7}b", &"x".repeat(101)] {
            assert_eq!(display_name(given), Err(Rejection::DisplayNameUnfit));
        }
    }
}
