//! Log-out: the refresh tokens of the session, or of all sessions, stop working. Access tokens that
//! are out live to their end, which is minutes away.

use auth::Caller;
use eventstore::CommandContext;
use fault::{Code, Fault};

use crate::app::Identity;
use crate::tables::sessions::{self, EndReason};
use crate::tables::users;

impl Identity {
    /// Ends the caller's session, or every session of the caller. Repeating it changes nothing.
    ///
    /// # Errors
    /// When no user is calling.
    pub(crate) async fn log_out(
        &self,
        caller: &Caller,
        context: &CommandContext,
        all: bool,
    ) -> fault::Result<()> {
        let user = caller.user()?;
        let session = if all { None } else { Some(caller.session.ok_or_else(no_session)?) };
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), context.tenant, user).await?;
        let (now, reason) = (self.clock.wall(), EndReason::LoggedOut);
        sessions::end(unit.connection(), context.tenant, user, session, now, reason).await?;
        unit.commit().await?;
        Ok(())
    }
}

fn no_session() -> Fault {
    Fault::new(Code::InvalidInput, "no_session", "The call belongs to no session.")
}
