//! The caller of an rpc, as every handler sees it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use fault::{Code, Fault};
use ids::{SessionId, TenantId, UserId};
use uuid::Uuid;

use crate::Permissions;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Nobody signed in.
    Anonymous,
    /// A signed-in user.
    User(UserId),
    /// A service of the fleet, on its own account.
    Service(String),
}

/// How somebody acts as a user without a session that this user opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// With an API key of the user.
    Key(Uuid),
    /// Another user impersonates this one.
    Impersonator(UserId),
}

/// On whose behalf a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that was addressed; a caller never acts on another.
    pub tenant: TenantId,
    /// Who acts.
    pub subject: Subject,
    /// The session of a signed-in user.
    pub session: Option<SessionId>,
    /// Names of the roles held.
    pub roles: Vec<String>,
    /// What these roles grant.
    pub permissions: Permissions,
    /// Access levels held: what a customer has bought or was given, used to gate content.
    pub levels: Vec<String>,
    /// How the user proved who is there when the session was opened (RFC 8176): `pwd`, `otp`, `mfa`.
    pub methods: Vec<String>,
    /// How the user acts, when not in a session of their own.
    pub via: Option<Via>,
    /// Address the call came from, as the edge saw it.
    pub origin: Option<String>,
    /// Country of that address, ISO 3166-1, where a trusted proxy has told the edge.
    pub country: Option<String>,
}

impl Caller {
    /// Nobody, at `tenant`.
    #[must_use]
    pub const fn anonymous(tenant: TenantId) -> Self {
        Self {
            tenant,
            subject: Subject::Anonymous,
            session: None,
            roles: Vec::new(),
            permissions: Permissions::none(),
            levels: Vec::new(),
            methods: Vec::new(),
            via: None,
            origin: None,
            country: None,
        }
    }

    /// A service of the fleet, at `tenant`. Services hold every permission: what they may call is
    /// decided by who holds a signing key.
    #[must_use]
    pub fn service(name: &str, tenant: TenantId) -> Self {
        Self {
            subject: Subject::Service(name.to_owned()),
            permissions: Permissions::all(),
            ..Self::anonymous(tenant)
        }
    }

    /// The signed-in user.
    ///
    /// # Errors
    /// `authentication_required` when no user is signed in.
    pub fn user(&self) -> fault::Result<UserId> {
        match self.subject {
            Subject::User(user) => Ok(user),
            _ => Err(Fault::new(Code::Unauthenticated, "authentication_required", "Sign in first.")),
        }
    }

    /// Who acts, and how, as histories and audit trails keep it: `user:<id>`, `user:<id> via key:<id>`,
    /// `user:<id> via user:<impersonator>`.
    #[must_use]
    pub fn actor(&self) -> String {
        match self.via {
            None => self.subject.to_string(),
            Some(via) => format!("{} via {via}", self.subject),
        }
    }

    /// The user and the session, of a user who acts in a session of their own.
    ///
    /// # Errors
    /// `authentication_required`; `own_session_required` for impersonators and API keys.
    pub fn own_session(&self) -> fault::Result<(UserId, SessionId)> {
        let user = self.user()?;
        match (self.session, self.via) {
            (Some(session), None) => Ok((user, session)),
            _ => Err(Fault::new(
                Code::Forbidden,
                "own_session_required",
                "Only the user can do this, signed in and not through a key or an impersonator.",
            )),
        }
    }

    /// Whether a service of the fleet acts.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        matches!(self.subject, Subject::Service(_))
    }

    /// Whether nobody is signed in.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.subject, Subject::Anonymous)
    }
}

/// The verified caller of a request; the fleet's server layer has put it there.
///
/// # Errors
/// `Unauthenticated` when the request did not come through that layer.
pub fn caller<T>(request: &tonic::Request<T>) -> fault::Result<Arc<Caller>> {
    request.extensions().get::<Arc<Caller>>().cloned().ok_or_else(|| {
        Fault::new(Code::Unauthenticated, "assertion_missing", "The call carries no verified assertion.")
    })
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(user) => write!(f, "user:{user}"),
            Self::Service(name) => write!(f, "service:{name}"),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key:{key}"),
            Self::Impersonator(user) => write!(f, "user:{user}"),
        }
    }
}

impl FromStr for Via {
    type Err = ids::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("key", id)) => Uuid::try_parse(id).map(Self::Key).map_err(|_| ids::InvalidId),
            Some(("user", id)) => id.parse().map(Self::Impersonator),
            _ => Err(ids::InvalidId),
        }
    }
}

impl FromStr for Subject {
    type Err = ids::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "anonymous" => Ok(Self::Anonymous),
            Some(("user", id)) => id.parse().map(Self::User),
            Some(("service", name)) if !name.is_empty() => Ok(Self::Service(name.to_owned())),
            _ => Err(ids::InvalidId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_survive_text() {
        for subject in
            [Subject::Anonymous, Subject::User(UserId::new()), Subject::Service("wallet".to_owned())]
        {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert!("user:42".parse::<Subject>().is_err());
        assert!("service:".parse::<Subject>().is_err());
    }

    #[test]
    fn an_actor_says_how_it_acts_and_only_the_user_has_an_own_session() {
        let (user, other, key) = (UserId::new(), UserId::new(), Uuid::now_v7());
        let own = Caller {
            subject: Subject::User(user),
            session: Some(SessionId::new()),
            ..Caller::anonymous(TenantId::new())
        };
        assert_eq!(own.actor(), format!("user:{user}"));
        assert!(own.own_session().is_ok());
        for (via, text) in [
            (Via::Key(key), format!("user:{user} via key:{key}")),
            (Via::Impersonator(other), format!("user:{user} via user:{other}")),
        ] {
            let caller = Caller { via: Some(via), ..own.clone() };
            assert_eq!(caller.actor(), text);
            assert_eq!(caller.own_session().unwrap_err().reason(), "own_session_required");
            assert_eq!(via.to_string().parse(), Ok(via));
        }
        let without = Caller { session: None, ..own };
        assert!(without.own_session().is_err());
    }

    #[test]
    fn a_request_without_the_layer_has_no_caller() {
        let refused = caller(&tonic::Request::new(())).unwrap_err();
        assert_eq!(refused.reason(), "assertion_missing");
    }
}
