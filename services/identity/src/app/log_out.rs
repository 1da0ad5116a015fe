//! Log-out, and the list of one's own sessions: the refresh tokens of what is ended stop working at
//! once, and the edge is told, so that access tokens do too.

use auth::Caller;
use eventstore::{CommandContext, UnitOfWork, storage};
use fault::{Code, Fault};
use ids::{SessionId, UserId};

use crate::app::Identity;
use crate::events::{IdentityEvent, SessionEnded, USER};
use crate::rejection::Rejection;
use crate::tables::sessions::{self, EndReason, Session};
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
        if all {
            caller.own_session()?;
        }
        self.end_sessions(context, user, session, EndReason::LoggedOut).await.map(|_| ())
    }

    /// The caller's open sessions, the latest first, and which one this call belongs to.
    ///
    /// # Errors
    /// `own_session_required`.
    pub(crate) async fn list_sessions(&self, caller: &Caller) -> fault::Result<(Vec<Session>, SessionId)> {
        let (user, current) = caller.own_session()?;
        let mut transaction = self.store.read(caller.tenant).await?;
        let open = sessions::open_of(&mut transaction, caller.tenant, user, self.clock.wall()).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok((open, current))
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// `session_not_found` for one that is not the caller's, or not open.
    pub(crate) async fn end_session(
        &self,
        caller: &Caller,
        context: &CommandContext,
        session: SessionId,
    ) -> fault::Result<()> {
        let (user, _) = caller.own_session()?;
        match self.end_sessions(context, user, Some(session), EndReason::Revoked).await? {
            0 => Err(Rejection::SessionUnknown.into()),
            _ => Ok(()),
        }
    }

    async fn end_sessions(
        &self,
        context: &CommandContext,
        user: UserId,
        session: Option<SessionId>,
        reason: EndReason,
    ) -> fault::Result<u64> {
        let (tenant, now) = (context.tenant, self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        users::lock(unit.connection(), tenant, user).await?;
        let ended = sessions::end(unit.connection(), tenant, user, session, now, reason).await?;
        if ended > 0 {
            sessions_ended(&mut unit, user, session, reason).await?;
        }
        unit.commit().await?;
        Ok(ended)
    }
}

/// Records that sessions have ended; the edge listens.
pub(super) async fn sessions_ended(
    unit: &mut UnitOfWork,
    user: UserId,
    session: Option<SessionId>,
    reason: EndReason,
) -> fault::Result<()> {
    let event = SessionEnded { user, session, reason: reason.as_str().to_owned() };
    unit.append_fact(USER, user.as_uuid(), IdentityEvent::SessionEnded(event)).await?;
    Ok(())
}

fn no_session() -> Fault {
    Fault::new(Code::InvalidInput, "no_session", "The call belongs to no session.")
}
