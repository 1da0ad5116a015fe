//! Between messages and the words of this service: values, cursors, and the one table that says how
//! each [`Rejection`] is told to a client.

use std::fmt::Display;
use std::str::FromStr;

use ::auth::Jwk;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::vbwd::identity::v1 as proto;
use fault::{Code, Fault};
use ids::{SessionId, UserId};
use jiff::Timestamp;

use crate::app::{Pending, TokenPair};
use crate::rejection::Rejection;
use crate::rules::chain::Link;
use crate::rules::export::hex;
use crate::tables::roles::Role;

const PAGE_SIZE: i32 = 50;
const PAGE_SIZE_MAX: i32 = 200;

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let unauthenticated = |reason, message| Self::new(Code::Unauthenticated, reason, message);
        match rejection {
            Rejection::EmailMalformed => Self::invalid("/email", "malformed", "This is no e-mail address."),
            Rejection::NewEmailMalformed => {
                Self::invalid("/new_email", "malformed", "This is no e-mail address.")
            }
            Rejection::PasswordUnfit(flaw) => {
                Self::invalid("/password", flaw.code(), "This password cannot be used; choose another one.")
            }
            Rejection::NewPasswordUnfit(flaw) => {
                let message = "This password cannot be used; choose another one.";
                Self::invalid("/new_password", flaw.code(), message)
            }
            Rejection::PasswordWrong => {
                Self::new(Code::Forbidden, "password_wrong", "The password is wrong.")
            }
            Rejection::EmailUnverified => {
                let message = "Prove your address first, with the link in the letter that was sent to it.";
                Self::new(Code::Forbidden, "email_unverified", message)
            }
            Rejection::TicketUnknown => Self::invalid("/token", "unknown", "This link is not valid."),
            Rejection::TicketSpent => Self::invalid("/token", "spent", "This link was used before."),
            Rejection::TicketExpired => {
                Self::invalid("/token", "expired", "This link is too old; ask for a new one.")
            }
            Rejection::EmailTaken => {
                Self::new(Code::AlreadyExists, "email_taken", "This address belongs to another account.")
            }
            Rejection::TenantUnfit { pointer, code } => {
                Self::invalid(pointer, code, "This cannot be set for a tenant.")
            }
            Rejection::TenantSuspended => {
                Self::new(Code::Forbidden, "tenant_suspended", "This shop is closed for the time being.")
            }
            Rejection::PlatformStays => Self::rejected(
                "platform_stays",
                "The platform's own tenant can be neither stopped nor deleted.",
            ),
            Rejection::SlugTaken => {
                Self::new(Code::AlreadyExists, "slug_taken", "Another tenant has this short name.")
            }
            Rejection::HostTaken { host } => {
                let message = "Another tenant answers on the host.";
                Self::new(Code::AlreadyExists, "host_taken", message).with_fact("host", host)
            }
            Rejection::HostUnknown => {
                Self::new(Code::NotFound, "host_not_found", "The tenant does not answer on this host.")
            }
            Rejection::MainHostStays => {
                Self::rejected("main_host_stays", "Make another host the main one first.")
            }
            Rejection::HostsTooMany { max } => {
                Self::rejected("too_many_hosts", "The tenant has as many hosts as it may.")
                    .with_fact("max", max)
            }
            Rejection::TenantLimit { noun, max } => {
                let message = "The tenant has as many of these as it may.";
                Self::rejected("tenant_limit_reached", message).with_fact("of", noun).with_fact("max", max)
            }
            Rejection::EntryUnfit { pointer, code } => {
                Self::invalid(pointer, code, "The audit entry cannot be kept like this.")
            }
            Rejection::EntriesTooMany { max } => {
                Self::invalid("/actions", "too_many", "Too many entries at once.").with_fact("max", max)
            }
            Rejection::ServiceAccountRequired => {
                let message = "Only a service account may add entries to the audit trail.";
                Self::new(Code::Forbidden, "service_account_required", message)
            }
            Rejection::DetailUnfit { pointer, code } => {
                Self::invalid(pointer, code, "Something about the person cannot be kept like this.")
            }
            Rejection::RevisionStale => Self::new(
                Code::StaleRevision,
                "revision_stale",
                "It was edited since you read it; read it again.",
            ),
            Rejection::ReasonMissing => Self::invalid("/reason", "missing", "Say why."),
            Rejection::MinutesOutOfRange { max } => {
                Self::invalid("/minutes", "out_of_range", "Not for so long.").with_fact("minutes_max", max)
            }
            Rejection::ImpersonationUnfit => {
                Self::rejected("impersonation_unfit", "You cannot act as this user, or not from here.")
            }
            Rejection::NotInvited => Self::rejected("not_invited", "This user has no open invitation."),
            Rejection::InvitationPending => {
                Self::rejected("invitation_pending", "This user has not accepted the invitation yet.")
            }
            Rejection::FilterUnfit { pointer } => {
                Self::invalid(pointer, "unknown_word", "There is no such word to filter by.")
            }
            Rejection::KeyNameUnfit => {
                Self::invalid("/name", "unfit", "Give the key a name of at most 100 characters.")
            }
            Rejection::ScopesUnfit { max } => {
                Self::invalid("/scopes", "unfit", "A key needs scopes, and not so many.")
                    .with_fact("count_max", max)
            }
            Rejection::ScopeMalformed { scope } => {
                Self::invalid("/scopes", "malformed", "A scope is `resource.action`, `resource.*` or `*`.")
                    .with_fact("scope", scope)
            }
            Rejection::DaysOutOfRange { max } => {
                Self::invalid("/expires_in_days", "out_of_range", "Not for so long.")
                    .with_fact("days_max", max)
            }
            Rejection::KeysTooMany { max } => {
                Self::rejected("too_many_keys", "Revoke a key first.").with_fact("count_max", max)
            }
            Rejection::KeyUnknown => Self::not_found("api_key"),
            Rejection::LevelUnfit => {
                Self::invalid("/level", "unfit", "The level's key, name or plans cannot be like this.")
            }
            Rejection::LevelUnknown => Self::not_found("access_level"),
            Rejection::RoleGone => Self::not_found("role"),
            Rejection::RoleInUse { holders } => {
                Self::rejected("role_in_use", "Somebody holds this role.").with_fact("holders", holders)
            }
            Rejection::GrantedByWildcard { grant } => {
                Self::rejected("granted_by_wildcard", "A wildcard grants it too; take that one.")
                    .with_fact("grant", grant)
            }
            Rejection::SessionUnknown => Self::not_found("session"),
            Rejection::DisplayNameUnfit => {
                Self::invalid("/display_name", "unfit", "The name is too long or has control characters.")
            }
            Rejection::ReasonTooLong { max } => {
                Self::invalid("/reason", "too_long", "The text is too long.").with_fact("length_max", max)
            }
            Rejection::CredentialsInvalid => {
                unauthenticated("credentials_invalid", "The address or the password is wrong.")
            }
            Rejection::AccountLocked { retry_after_seconds } => {
                let message = "Too many failed attempts; try again later.";
                Self::new(Code::TooMany, "account_locked", message)
                    .with_fact("retry_after_seconds", retry_after_seconds)
            }
            Rejection::SourceBlocked { retry_after_seconds } => {
                let message = "Too many failed attempts from your network; try again later.";
                Self::new(Code::TooMany, "source_blocked", message)
                    .with_fact("retry_after_seconds", retry_after_seconds)
            }
            Rejection::SourceOwn => {
                Self::rejected("source_own", "You are in this network yourself; block it from elsewhere.")
            }
            Rejection::SourceAllowed => {
                Self::rejected("source_allowed", "The policy allows this network; take it from there first.")
            }
            Rejection::BlockUnknown => Self::not_found("blocked_source"),
            Rejection::NetworkUnfit { pointer } => {
                Self::invalid(pointer, "malformed", "This is no address, and no network that can be blocked.")
            }
            Rejection::EndOutOfRange { days_max } => {
                Self::invalid("/until", "out_of_range", "It must end in the future, and not so late.")
                    .with_fact("days_max", days_max)
            }
            Rejection::SourcePolicyUnfit { figure, code } => {
                let message = "Sources cannot be blocked by these figures.";
                Self::invalid(format!("/policy/{figure}"), code, message)
            }
            Rejection::AccountSuspended => {
                Self::new(Code::Forbidden, "account_suspended", "This account is suspended.")
            }
            Rejection::RefreshTokenInvalid => {
                unauthenticated("refresh_token_invalid", "The refresh token is not valid.")
            }
            Rejection::RefreshTokenExpired => {
                unauthenticated("refresh_token_expired", "The refresh token has expired; log in again.")
            }
            Rejection::RefreshTokenJustSpent => Self::rejected(
                "refresh_token_just_used",
                "The refresh token was used a moment ago; go on with the newer one.",
            ),
            Rejection::RefreshTokenReused => unauthenticated(
                "refresh_token_reused",
                "The refresh token was used before; the session has ended, log in again.",
            ),
            Rejection::SessionEnded => {
                unauthenticated("session_ended", "The session has ended; log in again.")
            }
            Rejection::UserUnknown => Self::not_found("user"),
            Rejection::RoleUnknown { name } => {
                Self::invalid("/roles", "unknown_role", "There is no such role.").with_fact("role", name)
            }
            Rejection::RoleNameUnfit => Self::invalid(
                "/name",
                "malformed",
                "A role's name has lower case letters, digits, hyphens and underscores and begins with a letter.",
            ),
            Rejection::RoleBuiltIn { name } => {
                Self::rejected("role_built_in", "Built-in roles cannot be changed.").with_fact("role", name)
            }
            Rejection::PermissionMalformed { permission } => Self::invalid(
                "/permissions",
                "malformed",
                "A permission is `resource.action`, `resource.*` or `*`.",
            )
            .with_fact("permission", permission),
            Rejection::PermissionsTooMany { max } => {
                Self::invalid("/permissions", "too_many", "A role cannot have so many permissions.")
                    .with_fact("count_max", max)
            }
            Rejection::RolesTooMany { max } => {
                Self::invalid("/roles", "too_many", "One user cannot hold so much.")
                    .with_fact("count_max", max)
            }
            Rejection::PrivilegeEscalation { permission } => {
                let message = "You cannot give or take a permission that you do not hold.";
                Self::new(Code::Forbidden, "privilege_escalation", message)
                    .with_fact("permission", permission)
            }
            Rejection::LastOwner => Self::rejected("last_owner", "A tenant keeps at least one active owner."),
            Rejection::ChallengeInvalid => {
                unauthenticated("challenge_invalid", "This log-in has taken too long; begin again.")
            }
            Rejection::SecondFactorInvalid => {
                unauthenticated("second_factor_invalid", "The code is wrong, or was used before.")
            }
            Rejection::SecondFactorPresent => {
                Self::rejected("second_factor_present", "There is an authenticator app already.")
            }
            Rejection::SecondFactorMissing => {
                Self::rejected("second_factor_missing", "There is no second factor; enrol one first.")
            }
            Rejection::SecondFactorRequired => {
                let message = "This wants the second factor too.";
                Self::new(Code::Forbidden, "second_factor_required", message)
            }
            Rejection::ReauthenticationRequired => {
                Self::new(Code::Forbidden, "reauthentication_required", "Sign in again first.")
            }
            Rejection::NotOnOneself => Self::rejected("not_on_yourself", "Somebody else has to do this."),
            Rejection::PolicyUnknown => {
                let message = "It is `nobody`, `staff` or `everybody`.";
                Self::invalid("/required_of", "unknown_word", message)
            }
            Rejection::PasskeyInvalid => {
                unauthenticated("passkey_invalid", "The passkey was not accepted; begin again.")
            }
            Rejection::PasskeyUnknown => Self::not_found("passkey"),
            Rejection::PasskeyNameUnfit => {
                Self::invalid("/name", "unfit", "Give the passkey a name of at most 100 characters.")
            }
            Rejection::PasskeysTooMany { max } => {
                Self::rejected("too_many_passkeys", "Remove a passkey first.").with_fact("count_max", max)
            }
            Rejection::PasskeysUnavailable => {
                Self::rejected("passkeys_unavailable", "Passkeys need a tenant with a host name.")
            }
            Rejection::ProviderUnknown => Self::not_found("identity_provider"),
            Rejection::ProviderUnfit { pointer } => {
                Self::invalid(pointer, "unfit", "A sign-in provider cannot be like this.")
            }
            Rejection::ProviderInUse => {
                let message = "Users have linked accounts of this provider.";
                Self::rejected("identity_provider_in_use", message)
            }
            Rejection::SignInInvalid => {
                unauthenticated("sign_in_invalid", "This sign-in is unknown or over; begin again.")
            }
            Rejection::ProviderEmailUnproven => Self::new(
                Code::Forbidden,
                "provider_email_unproven",
                "The provider has not proven your address; sign in otherwise and link the account.",
            ),
            Rejection::NotRegistered => {
                Self::new(Code::Forbidden, "not_registered", "There is no account with this address.")
            }
            Rejection::IdentityTaken => Self::new(
                Code::AlreadyExists,
                "identity_taken",
                "This account is linked to somebody else, or another one of this provider to you.",
            ),
            Rejection::IdentityUnknown => Self::not_found("identity"),
            Rejection::LastLogInMethod => {
                Self::rejected("last_log_in_method", "It is the last way into the account.")
            }
            Rejection::TenantUnknown => Self::not_found("tenant"),
        }
    }
}

/// Which page is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<K> {
    size: usize,
    /// Key of the last item of the page before.
    pub(super) before: Option<K>,
}

impl<K: Display> Page<K> {
    /// One more than the page holds, to see whether another page follows.
    pub(super) fn fetched(&self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Cuts what was fetched to the page; answers the next page's cursor, empty on the last page.
    pub(super) fn cut<T>(&self, items: &mut Vec<T>, key: impl Fn(&T) -> K) -> String {
        let more = items.len() > self.size;
        items.truncate(self.size);
        let last = items.last().filter(|_| more);
        last.map(|last| cursor(&key(last))).unwrap_or_default()
    }
}

/// The cursor that leads behind the item with this key.
pub(super) fn cursor(key: &impl Display) -> String {
    URL_SAFE_NO_PAD.encode(key.to_string())
}

pub(super) fn page<K: FromStr>(size: i32, cursor: &str) -> fault::Result<Page<K>> {
    let size = if size <= 0 { PAGE_SIZE } else { size.min(PAGE_SIZE_MAX) };
    let malformed = || Fault::invalid("/cursor", "malformed", "The cursor comes from no previous page.");
    let before = match cursor {
        "" => None,
        text => {
            let key = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(key.and_then(|key| key.parse().ok()).ok_or_else(malformed)?)
        }
    };
    Ok(Page { size: usize::try_from(size).unwrap_or_default(), before })
}

/// A malformed id names nothing, so it is told like an unknown one.
pub(super) fn user_id(text: &str) -> fault::Result<UserId> {
    text.parse().map_err(|_| Rejection::UserUnknown.into())
}

pub(super) fn session(pair: TokenPair) -> fault::Result<proto::Session> {
    Ok(proto::Session {
        session_id: pair.session.to_string(),
        access_token: pair.access_token,
        token_type: "Bearer".to_owned(),
        expires_in_seconds: i32::try_from(pair.expires_in_seconds).map_err(Fault::internal)?,
        refresh_token: pair.refresh_token,
    })
}

pub(super) fn challenge(pending: Pending) -> fault::Result<proto::LogInChallenge> {
    Ok(proto::LogInChallenge {
        challenge_token: pending.token,
        expires_in_seconds: i32::try_from(pending.life_seconds).map_err(Fault::internal)?,
        methods: pending.methods.into_iter().map(str::to_owned).collect(),
        enrolment_required: pending.enrolment,
    })
}

/// A malformed id names nothing, so it is told like an unknown one.
pub(super) fn session_id(text: &str) -> fault::Result<SessionId> {
    text.parse().map_err(|_| Rejection::SessionUnknown.into())
}

pub(super) fn role(role: Role, built_in: bool) -> proto::Role {
    let permissions = role.permissions.iter().map(str::to_owned).collect();
    proto::Role { name: role.name, permissions, built_in }
}

pub(super) fn web_key(key: &Jwk) -> proto::JsonWebKey {
    proto::JsonWebKey {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: key.x.clone(),
        kid: key.kid.clone(),
        r#use: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
    }
}

pub(crate) fn audit_entry(link: Link) -> proto::AuditEntry {
    let entry = link.entry;
    proto::AuditEntry {
        entry_id: entry.entry_id.to_string(),
        at: Some(timestamp(entry.at)),
        actor: entry.actor,
        action: entry.action,
        target: entry.target,
        origin_address: entry.origin_address,
        trace_id: entry.trace_id,
        before_json: entry.before_json,
        after_json: entry.after_json,
        source: entry.source,
        outcome: entry.outcome,
        operation_id: entry.operation_id,
        sequence: link.sequence,
        hash: hex(&link.hash),
    }
}

/// The instant in a message.
pub(super) fn instant(message: prost_types::Timestamp) -> fault::Result<Timestamp> {
    Timestamp::new(message.seconds, message.nanos)
        .map_err(|_| Fault::invalid("/expires_at", "malformed", "This is no instant."))
}

/// An instant as a message.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_pages() {
        assert_eq!(page::<i64>(0, "").unwrap(), Page { size: 50, before: None });
        assert_eq!(page::<i64>(-1, "").unwrap().size, 50);
        assert_eq!(page::<i64>(7, "").unwrap().size, 7);
        assert_eq!(page::<i64>(1_000, "").unwrap().size, 200);
        for cursor in ["x", "!", &URL_SAFE_NO_PAD.encode("twelve")] {
            assert_eq!(page::<i64>(0, cursor).unwrap_err().violations()[0].pointer, "/cursor");
        }
    }

    #[test]
    fn a_cursor_leads_to_the_next_page_and_the_last_page_has_none() {
        let first = page::<i64>(2, "").unwrap();
        let mut items = vec![9, 8, 7];
        let cursor = first.cut(&mut items, |item| *item);
        assert_eq!(items, [9, 8]);
        assert_eq!(page::<i64>(2, &cursor).unwrap().before, Some(8));
        assert_eq!(first.cut(&mut vec![7, 6], |item| *item), "");
        assert_eq!(first.cut(&mut Vec::new(), |item| *item), "");
    }

    #[test]
    fn what_clients_are_told() {
        let rows = [
            (Rejection::CredentialsInvalid, 401, "credentials_invalid"),
            (Rejection::AccountLocked { retry_after_seconds: 60 }, 429, "account_locked"),
            (Rejection::AccountSuspended, 403, "account_suspended"),
            (Rejection::RefreshTokenInvalid, 401, "refresh_token_invalid"),
            (Rejection::RefreshTokenExpired, 401, "refresh_token_expired"),
            (Rejection::RefreshTokenJustSpent, 409, "refresh_token_just_used"),
            (Rejection::RefreshTokenReused, 401, "refresh_token_reused"),
            (Rejection::SessionEnded, 401, "session_ended"),
            (Rejection::UserUnknown, 404, "user_not_found"),
            (Rejection::TenantUnknown, 404, "tenant_not_found"),
            (Rejection::RoleBuiltIn { name: String::new() }, 409, "role_built_in"),
            (Rejection::PrivilegeEscalation { permission: String::new() }, 403, "privilege_escalation"),
            (Rejection::LastOwner, 409, "last_owner"),
            (Rejection::EmailMalformed, 400, "invalid_input"),
        ];
        for (rejection, status, reason) in rows {
            let fault = Fault::from(rejection);
            assert_eq!((fault.code().http_status(), fault.reason()), (status, reason));
        }
    }
}
