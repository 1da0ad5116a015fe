//! Log-in: a proof ([`super::proof`]) for a session.
//!
//! Who signs in from a device and a place that were never seen together with the account is told so
//! by letter: the owner of a stolen password learns of it.

use eventstore::{CommandContext, UnitOfWork};
use ids::{SessionId, UserId};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use crate::app::challenge::{Demand, Pending};
use crate::app::letters::Draft;
use crate::app::place::Place;
use crate::app::{Family, Identity, TokenPair, later};
use crate::events::{IdentityEvent, SessionOpened, USER};
use crate::rejection::Rejection;
use crate::rules::device::device;
use crate::rules::email::EmailAddress;
use crate::rules::second_factor::PASSWORD;
use crate::signing::Loaded;
use crate::tables::sessions::{self, NewSession};
use crate::tables::users;

/// What a first factor leads to.
pub(crate) enum LogIn {
    /// A session.
    Opened(TokenPair),
    /// Another factor is wanted.
    Pending(Pending),
}

impl Identity {
    /// Opens a session, or asks for a second factor.
    ///
    /// # Errors
    /// `credentials_invalid`, `account_locked`, `account_suspended`, `email_unverified`.
    pub(crate) async fn log_in(
        &self,
        context: &CommandContext,
        place: Place<'_>,
        email: &str,
        password: SecretString,
    ) -> fault::Result<LogIn> {
        let address = EmailAddress::parse(email).ok_or(Rejection::EmailMalformed)?;
        let attempt = self.attempt(context, place.origin, &address);
        let proof = self.prove(&attempt, &address, password).await?;
        if self.config.require_verified_email && !proof.known.email_verified {
            return Err(Rejection::EmailUnverified.into());
        }
        let (tenant, user, now) = (context.tenant, proof.known.user, attempt.now);
        let keys = self.keys.present(now).await?;
        let mut unit = self.store.begin(context).await?;
        match self.demand(unit.connection(), tenant, user).await? {
            Demand::Nothing => self.settle(&mut unit, &proof).await?,
            Demand::Factor(_) | Demand::Enrolment => self.settle_half(&mut unit, &proof).await?,
        }
        let outcome = self.proceed(&mut unit, &keys, place, user, vec![PASSWORD.to_owned()], now).await?;
        unit.commit().await?;
        Ok(outcome)
    }

    /// Goes on after the first factor, under the lock of the user: a session, or a challenge.
    pub(super) async fn proceed(
        &self,
        unit: &mut UnitOfWork,
        keys: &Loaded,
        place: Place<'_>,
        user: UserId,
        methods: Vec<String>,
        now: Timestamp,
    ) -> fault::Result<LogIn> {
        let tenant = unit.context()?.tenant;
        let demand = self.demand(unit.connection(), tenant, user).await?;
        if demand != Demand::Nothing {
            self.still_let_in(unit.connection(), tenant, place.origin, now).await?;
            crate::metrics::log_in("challenged");
            return self.challenge(unit, user, methods, demand, now).await.map(LogIn::Pending);
        }
        crate::metrics::log_in("ok");
        self.open(unit, keys, place, user, methods, now).await.map(LogIn::Opened)
    }

    /// Opens a session within a transaction that holds the lock of the user.
    pub(super) async fn open(
        &self,
        unit: &mut UnitOfWork,
        keys: &Loaded,
        place: Place<'_>,
        user: UserId,
        methods: Vec<String>,
        now: Timestamp,
    ) -> fault::Result<TokenPair> {
        let context = unit.context()?.clone();
        self.still_let_in(unit.connection(), context.tenant, place.origin, now).await?;
        let device = device(place.user_agent);
        let seen = (device.as_str(), place.origin, place.country);
        let known = sessions::acquaintance(unit.connection(), context.tenant, user, seen).await?;
        let session = NewSession {
            id: SessionId::new(),
            user,
            origin: place.origin,
            country: place.country,
            device: &device,
            at: now,
            expires_at: later(now, self.config.session_life_seconds),
            impersonation: None,
            methods: &methods,
        };
        sessions::insert(unit.connection(), context.tenant, &session).await?;
        self.take_back(unit.connection(), context.tenant, place.origin, user).await?;
        self.tell(unit, &session, known).await?;
        let (session, ends_at) = (session.id, session.expires_at);
        let family = Family { user, session, impersonator: None, methods, ends_at };
        self.issue(unit.connection(), keys, &context, family, now).await
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
        let country = session.country.unwrap_or_default();
        let place = json!({ "origin": origin, "country": country, "device": session.device }).to_string();
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
            more: &[
                ("device", session.device),
                ("origin", origin),
                ("country", country),
                ("at", &session.at.to_string()),
            ],
        };
        self.write_letter(unit, &draft).await
    }
}
