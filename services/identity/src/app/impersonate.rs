//! Acting as somebody else, so that everybody can see it: the token says who really acts, every entry
//! of the audit trail names both, and the session ends by itself.

use ids::{SessionId, UserId};
use jiff::Timestamp;
use serde_json::json;

use crate::app::place::Place;
use crate::app::user::Cause;
use crate::app::{Family, Identity, TokenPair, later};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, SessionImpersonated, USER};
use crate::rules::device::device;
use crate::rules::impersonation::{Target, check};
use crate::tables::roles;
use crate::tables::sessions::{self, NewSession};

impl Identity {
    /// Opens a session in which the caller acts as a user; answers when it ends.
    ///
    /// # Errors
    /// `own_session_required`, `user_not_found`, `impersonation_unfit`, `privilege_escalation`; an unfit
    /// reason or time.
    pub(crate) async fn impersonate(
        &self,
        cause: &Cause<'_>,
        place: Place<'_>,
        id: UserId,
        reason: &str,
        minutes: i32,
    ) -> fault::Result<(TokenPair, Timestamp)> {
        let (impersonator, own) = cause.caller.own_session()?;
        let (tenant, now) = (cause.context.tenant, self.clock.wall());
        let keys = self.keys.present(now).await?;
        let (mut unit, user) = self.begin_change(cause, id).await?;
        if !sessions::is_open(unit.connection(), tenant, impersonator, own, now).await? {
            return Err(crate::rejection::Rejection::SessionEnded.into());
        }
        let (_, held) = roles::held_by(unit.connection(), tenant, id).await?;
        let authority = self.authority(unit.connection(), cause.caller).await?;
        let target = Target { user: id, status: user.status, held: &held };
        let max = self.config.impersonation_minutes_max;
        let minutes = check(cause.caller, &authority, &target, reason, minutes, max)?;
        let session = NewSession {
            id: SessionId::new(),
            user: id,
            origin: place.origin,
            country: place.country,
            device: &device(place.user_agent),
            at: now,
            expires_at: later(now, minutes.saturating_mul(60)),
            impersonation: Some((impersonator, reason)),
            methods: &[],
        };
        sessions::insert(unit.connection(), tenant, &session).await?;
        let until = session.expires_at;
        let event = SessionImpersonated { user: id, session: session.id, impersonator, until };
        unit.append_fact(USER, id.as_uuid(), IdentityEvent::SessionImpersonated(event)).await?;
        let family = Family {
            user: id,
            session: session.id,
            impersonator: Some(impersonator),
            methods: Vec::new(),
            ends_at: until,
        };
        let pair = self.issue(unit.connection(), &keys, cause.context, family, now).await?;
        let action = Action {
            name: "user.impersonate",
            target: format!("user/{id}"),
            origin: place.origin,
            at: now,
            before: None,
            after: Some(json!({ "session": session.id, "reason": reason, "until": until })),
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok((pair, until))
    }
}
