//! Erasing a person, and telling a person everything that is known.
//!
//! What names the person leaves the tables, and the key that seals what the history says is
//! destroyed: facts and audit entries stay, and say nothing about anybody any more. The id stays,
//! because invoices and ledgers must go on meaning what they mean. Sister services hear `user.erased`.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{SessionId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::app::letters::Draft;
use crate::app::log_out::sessions_ended;
use crate::app::user::{Cause, find, keep_an_owner};
use crate::app::{Identity, Profile};
use crate::audit;
use crate::events::{AboutUser, IdentityEvent, USER};
use crate::rules::chain::Link;
use crate::tables::sessions::{self, EndReason, Session};
use crate::tables::users;
use crate::tables::{api_keys, details, letters, levels, persons, providers, tenants, tickets};

/// Audit entries that an export holds at most; the newest ones.
const EXPORTED_ENTRIES_MAX: i64 = 10_000;

/// Everything that is known about a user.
pub(crate) struct Export {
    pub(crate) at: Timestamp,
    pub(crate) profile: Profile,
    pub(crate) sessions: Vec<Session>,
    pub(crate) current: SessionId,
    pub(crate) entries: Vec<Link>,
}

impl Identity {
    /// Erases the caller.
    ///
    /// # Errors
    /// `own_session_required`, `password_wrong`, `account_locked`, `last_owner`.
    pub(crate) async fn erase_account(
        &self,
        caller: &Caller,
        context: &CommandContext,
        password: SecretString,
    ) -> fault::Result<()> {
        let (user, _) = caller.own_session()?;
        let (proof, _) = self.prove_again(caller, context, password).await?;
        let mut unit = self.store.begin(context).await?;
        tenants::lock_administration(unit.connection(), context.tenant).await?;
        self.settle(&mut unit, &proof).await?;
        self.erase(&mut unit, caller.origin.as_deref(), user).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Erases a user, as the user could.
    ///
    /// # Errors
    /// `user_not_found`, `privilege_escalation`, `last_owner`.
    pub(crate) async fn erase_user(&self, cause: &Cause<'_>, user: UserId) -> fault::Result<()> {
        let (mut unit, _) = self.begin_change(cause, user).await?;
        self.erase(&mut unit, cause.caller.origin.as_deref(), user).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Erases a user within a transaction that holds the locks of administration and user.
    pub(super) async fn erase(
        &self,
        unit: &mut UnitOfWork,
        origin: Option<&str>,
        user: UserId,
    ) -> fault::Result<()> {
        let (tenant, now) = (unit.context()?.tenant, self.clock.wall());
        let person = find(unit.connection(), tenant, user).await?;
        keep_an_owner(unit.connection(), tenant, &person, &[]).await?;
        letters::remove_all(unit.connection(), tenant, user).await?;
        tickets::remove_all(unit.connection(), tenant, user).await?;
        sessions::remove_all(unit.connection(), tenant, user).await?;
        providers::unlink(unit.connection(), tenant, user, None).await?;
        self.remove_factors(unit.connection(), tenant, user).await?;
        users::set_roles(unit.connection(), tenant, user, &[]).await?;
        api_keys::remove_all(unit.connection(), tenant, user).await?;
        levels::set_given(unit.connection(), tenant, user, &[], now, None).await?;
        levels::set_plans(unit.connection(), tenant, user, &[]).await?;
        details::remove(unit.connection(), tenant, user).await?;
        users::erase(unit.connection(), tenant, user, now).await?;
        persons::destroy(unit.connection(), tenant, user).await?;
        sessions_ended(unit, user, None, EndReason::Erased).await?;
        let event = IdentityEvent::UserErased(AboutUser { user });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        let farewell = Draft {
            user,
            name: &person.display_name,
            recipient: &person.email,
            template: "identity.account_deleted",
            ticket: None,
            more: &[],
        };
        if !person.email.is_empty() {
            self.write_letter(unit, &farewell).await?;
        }
        self.record_about(unit, origin, "user.erase", user).await
    }

    /// Everything that is known about the caller.
    ///
    /// # Errors
    /// `own_session_required`.
    pub(crate) async fn export_account(&self, caller: &Caller) -> fault::Result<Export> {
        let (user, current) = caller.own_session()?;
        let (tenant, at) = (caller.tenant, self.clock.wall());
        let mut transaction = self.store.read(tenant).await?;
        let profile = self.profile(&mut transaction, tenant, user).await?;
        let sessions = sessions::open_of(&mut transaction, tenant, user, at).await?;
        let mut entries = audit::about(&mut transaction, tenant, user, EXPORTED_ENTRIES_MAX).await?;
        self.open_entries(&mut transaction, tenant, &mut entries).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(Export { at, profile, sessions, current, entries })
    }
}
