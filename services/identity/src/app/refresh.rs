//! Refresh: a refresh token for a new pair, once.

use eventstore::{CommandContext, UnitOfWork};
use serde_json::json;

use crate::app::{Family, Identity, Place, TokenPair, decode_token};
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, SessionReuseDetected, USER};
use crate::rejection::Rejection;
use crate::rules::refresh::{Verdict, judge};
use crate::secrets::token_digest;
use crate::tables::refresh_tokens::{self, Presented};
use crate::tables::sessions::{self, EndReason};

impl Identity {
    /// Exchanges a refresh token for a new pair.
    ///
    /// # Errors
    /// Every [`Rejection`] about refresh tokens and sessions.
    pub(crate) async fn refresh(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        token: &str,
    ) -> fault::Result<TokenPair> {
        let outcome = self.exchange(context, place, token).await;
        crate::metrics::refresh(match &outcome {
            Ok(_) => "ok",
            Err(fault) if fault.reason() == "refresh_token_just_used" => "just_spent",
            Err(fault) if fault.reason() == "refresh_token_reused" => "reused",
            Err(_) => "refused",
        });
        outcome
    }

    async fn exchange(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        token: &str,
    ) -> fault::Result<TokenPair> {
        // The moment of arrival counts: who waits for the family's lock has not come later.
        let now = self.clock.wall();
        let digest = token_digest(&decode_token(token).ok_or(Rejection::RefreshTokenInvalid)?);
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(context).await?;
        let presented = refresh_tokens::present(unit.connection(), context.tenant, &digest).await?;
        let presented = presented.ok_or(Rejection::RefreshTokenInvalid)?;
        match judge(&presented.facts, now, self.config.refresh_grace_seconds) {
            Verdict::Rotate => {}
            Verdict::JustSpent => return Err(Rejection::RefreshTokenJustSpent.into()),
            Verdict::Expired => return Err(Rejection::RefreshTokenExpired.into()),
            Verdict::SessionEnded => return Err(Rejection::SessionEnded.into()),
            Verdict::Reused => {
                self.end_family(&mut unit, place.origin, &presented, now).await?;
                unit.commit().await?;
                return Err(Rejection::RefreshTokenReused.into());
            }
        }
        if self.is_too_weak(unit.connection(), context.tenant, presented.user, presented.standing()).await? {
            return Err(Rejection::SessionEnded.into());
        }
        if !refresh_tokens::spend(unit.connection(), context.tenant, &digest, now).await? {
            return Err(Rejection::RefreshTokenJustSpent.into());
        }
        let family = Family {
            user: presented.user,
            session: presented.session,
            impersonator: presented.impersonator,
            methods: presented.methods,
            ends_at: presented.facts.session_expires_at,
        };
        sessions::touch(
            unit.connection(),
            context.tenant,
            presented.session,
            (place.origin, place.country),
            now,
        )
        .await?;
        let pair = self.issue(unit.connection(), &keys, context, family, now).await?;
        unit.commit().await?;
        Ok(pair)
    }

    async fn end_family(
        &self,
        unit: &mut UnitOfWork,
        origin: Option<&str>,
        presented: &Presented,
        now: jiff::Timestamp,
    ) -> fault::Result<()> {
        let Presented { session, user, .. } = *presented;
        let tenant = unit.context()?.tenant;
        let one = Some(session);
        sessions::end(unit.connection(), tenant, user, one, now, EndReason::ReuseDetected).await?;
        let event = IdentityEvent::SessionReuseDetected(SessionReuseDetected { user, session });
        unit.append_fact(USER, user.as_uuid(), event).await?;
        let action = Action {
            name: "session.reuse_detected",
            target: format!("session/{session}"),
            origin,
            at: now,
            before: None,
            after: Some(json!({ "user": user })),
        };
        audit::record(unit, action).await
    }
}
