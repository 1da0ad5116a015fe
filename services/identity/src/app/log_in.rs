//! Log-in: a proof ([`super::proof`]) for a session.
//!
//! Who signs in from a device and a place that were never seen together with the account is told so
//! by letter: the owner of a stolen password learns of it.

use eventstore::{CommandContext, UnitOfWork};
use ids::SessionId;
use secrecy::SecretString;
use serde_json::json;

use crate::app::letters::Draft;
use crate::app::proof::Proof;
use crate::app::{Family, Identity, TokenPair, later};
use crate::events::{IdentityEvent, SessionOpened, USER};
use crate::rejection::Rejection;
use crate::rules::device::device;
use crate::rules::email::EmailAddress;
use crate::tables::sessions::{self, NewSession};
use crate::tables::users;

/// Where a log-in comes from.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Address, as the edge saw it.
    pub(crate) origin: Option<&'a str>,
    /// What the client says it is.
    pub(crate) user_agent: &'a str,
}

impl Identity {
    /// Opens a session.
    ///
    /// # Errors
    /// `credentials_invalid`, `account_locked`, `account_suspended`, `email_unverified`.
    pub(crate) async fn log_in(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        email: &str,
        password: SecretString,
    ) -> fault::Result<TokenPair> {
        let address = EmailAddress::parse(email).ok_or(Rejection::EmailMalformed)?;
        let attempt = self.attempt(context, place.origin, &address);
        let proof = self.prove(&attempt, &address, password).await?;
        if self.config.require_verified_email && !proof.known.email_verified {
            return Err(Rejection::EmailUnverified.into());
        }
        self.open_session(context, place, &proof, attempt.now).await
    }

    async fn open_session(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        proof: &Proof,
        now: jiff::Timestamp,
    ) -> fault::Result<TokenPair> {
        let (tenant, user) = (context.tenant, proof.known.user);
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(context).await?;
        self.settle(&mut unit, proof).await?;
        let device = device(place.user_agent);
        let known = sessions::acquaintance(unit.connection(), tenant, user, &device, place.origin).await?;
        let session = NewSession {
            id: SessionId::new(),
            user,
            origin: place.origin,
            device: &device,
            at: now,
            expires_at: later(now, self.config.session_life_seconds),
            impersonation: None,
        };
        sessions::insert(unit.connection(), tenant, &session).await?;
        self.tell(&mut unit, &session, known).await?;
        let family = Family { user, session: session.id, impersonator: None, ends_at: session.expires_at };
        let pair = self.issue(unit.connection(), &keys, context, family, now).await?;
        unit.commit().await?;
        crate::metrics::log_in("ok");
        Ok(pair)
    }

    /// Records that a session was opened; writes to a user who has had others, but none like it.
    async fn tell(
        &self,
        unit: &mut UnitOfWork,
        session: &NewSession<'_>,
        (had_others, like_one): (bool, bool),
    ) -> fault::Result<()> {
        let (tenant, user) = (unit.context()?.tenant, session.user);
        let origin = session.origin.unwrap_or_default();
        let place = json!({ "origin": origin, "device": session.device }).to_string();
        let sealed_origin = self.seal_for(unit.connection(), tenant, user, &place).await?;
        let event = SessionOpened { user, session: session.id, sealed_origin };
        unit.append_fact(USER, user.as_uuid(), IdentityEvent::SessionOpened(event)).await?;
        if !had_others || like_one {
            return Ok(());
        }
        let Some(person) = users::find(unit.connection(), tenant, user).await? else { return Ok(()) };
        let draft = Draft {
            user,
            name: &person.display_name,
            recipient: &person.email,
            template: "identity.new_sign_in",
            ticket: None,
            more: &[("device", session.device), ("origin", origin), ("at", &session.at.to_string())],
        };
        self.write_letter(unit, &draft).await
    }
}
