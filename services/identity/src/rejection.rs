//! Every "no" of this service, with its facts. How each is told to a client is decided in
//! `grpc/convert.rs`, in one table.

use crate::rules::password::Flaw;

/// A rule said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// What was given is no e-mail address.
    #[error("malformed e-mail address")]
    EmailMalformed,
    /// What was given as the new address is none.
    #[error("malformed new e-mail address")]
    NewEmailMalformed,
    /// The password may not be set.
    #[error("unfit password: {}", .0.code())]
    PasswordUnfit(Flaw),
    /// The new password may not be set.
    #[error("unfit new password: {}", .0.code())]
    NewPasswordUnfit(Flaw),
    /// The password given to prove who is there is wrong.
    #[error("wrong password")]
    PasswordWrong,
    /// The address was not proven, and the settings want that before anybody signs in.
    #[error("unproven address")]
    EmailUnverified,
    /// No ticket has this token.
    #[error("unknown ticket")]
    TicketUnknown,
    /// The ticket was used before, or replaced.
    #[error("spent ticket")]
    TicketSpent,
    /// The ticket is too old.
    #[error("expired ticket")]
    TicketExpired,
    /// Somebody else has the address.
    #[error("taken address")]
    EmailTaken,
    /// The display name is too long or has control characters.
    #[error("unfit display name")]
    DisplayNameUnfit,
    /// A free text is too long.
    #[error("text too long, at most {max} characters")]
    ReasonTooLong {
        /// Most characters.
        max: usize,
    },
    /// No user has this address with this password.
    #[error("wrong address or password")]
    CredentialsInvalid,
    /// Too many wrong passwords for this address.
    #[error("locked for {retry_after_seconds} s")]
    AccountLocked {
        /// Seconds until trying again makes sense.
        retry_after_seconds: i64,
    },
    /// Too many failures came from where the call comes from.
    #[error("source blocked for {retry_after_seconds} s")]
    SourceBlocked {
        /// Seconds until trying again makes sense.
        retry_after_seconds: i64,
    },
    /// The caller is in the network that the caller wants to block.
    #[error("the caller's own network")]
    SourceOwn,
    /// The tenant allows the network.
    #[error("an allowed network")]
    SourceAllowed,
    /// No such block stands.
    #[error("unknown block")]
    BlockUnknown,
    /// What was given is no network that can be blocked.
    #[error("unfit network at {pointer}")]
    NetworkUnfit {
        /// Where it was given.
        pointer: &'static str,
    },
    /// Something ends in the past, or too late.
    #[error("end out of range, at most {days_max} days")]
    EndOutOfRange {
        /// Most days.
        days_max: i64,
    },
    /// Sources cannot be blocked by these figures.
    #[error("unfit source policy: {figure} {code}")]
    SourcePolicyUnfit {
        /// Which figure.
        figure: &'static str,
        /// What is wrong with it.
        code: &'static str,
    },
    /// The password is right and the user is suspended.
    #[error("suspended")]
    AccountSuspended,
    /// No such refresh token.
    #[error("unknown refresh token")]
    RefreshTokenInvalid,
    /// The refresh token is too old.
    #[error("expired refresh token")]
    RefreshTokenExpired,
    /// The refresh token was used a moment ago; the session goes on with its successor.
    #[error("refresh token spent a moment ago")]
    RefreshTokenJustSpent,
    /// The refresh token was used before; its family has ended.
    #[error("refresh token reused")]
    RefreshTokenReused,
    /// The session was ended.
    #[error("session ended")]
    SessionEnded,
    /// Something about a tenant cannot be set like this.
    #[error("unfit tenant at {pointer}: {code}")]
    TenantUnfit {
        /// Which part.
        pointer: &'static str,
        /// What is wrong with it.
        code: &'static str,
    },
    /// The tenant was suspended, or is being deleted.
    #[error("suspended tenant")]
    TenantSuspended,
    /// The platform's own tenant is neither suspended nor deleted.
    #[error("the platform's own tenant")]
    PlatformStays,
    /// Another tenant has the short name.
    #[error("taken slug")]
    SlugTaken,
    /// Another tenant answers on the host.
    #[error("taken host {host}")]
    HostTaken {
        /// Which.
        host: String,
    },
    /// The tenant has no such host.
    #[error("unknown host")]
    HostUnknown,
    /// The main host stays until another is the main one.
    #[error("main host")]
    MainHostStays,
    /// More hosts than a tenant may have.
    #[error("too many hosts, at most {max}")]
    HostsTooMany {
        /// Most hosts.
        max: usize,
    },
    /// The tenant has as many of these as it may.
    #[error("limit of {max} {noun} reached")]
    TenantLimit {
        /// Of what.
        noun: &'static str,
        /// How many.
        max: i32,
    },
    /// An audit entry of a plugin cannot be kept like this.
    #[error("unfit audit entry at {pointer}: {code}")]
    EntryUnfit {
        /// Which part.
        pointer: &'static str,
        /// What is wrong with it.
        code: &'static str,
    },
    /// More audit entries at once than are taken over.
    #[error("too many audit entries, at most {max}")]
    EntriesTooMany {
        /// Most entries.
        max: usize,
    },
    /// Only programs, which sign in as service accounts, may do this.
    #[error("not a service account")]
    ServiceAccountRequired,
    /// Something written about a person cannot be kept.
    #[error("unfit {pointer}: {code}")]
    DetailUnfit {
        /// Which part.
        pointer: String,
        /// What is wrong with it.
        code: &'static str,
    },
    /// The user was edited since it was read.
    #[error("stale revision")]
    RevisionStale,
    /// No reason was given where one is demanded.
    #[error("no reason given")]
    ReasonMissing,
    /// For longer than anybody may.
    #[error("minutes out of range, at most {max}")]
    MinutesOutOfRange {
        /// Most minutes.
        max: u32,
    },
    /// Nobody can act as this user, or not from here.
    #[error("unfit for impersonation")]
    ImpersonationUnfit,
    /// The user is not (or no longer) invited.
    #[error("not invited")]
    NotInvited,
    /// The user has not accepted the invitation yet.
    #[error("invitation pending")]
    InvitationPending,
    /// No word for a status, a kind or a filter.
    #[error("unknown word in {pointer}")]
    FilterUnfit {
        /// Where.
        pointer: &'static str,
    },
    /// A key's name is missing, too long or has control characters.
    #[error("unfit key name")]
    KeyNameUnfit,
    /// No scopes, or too many.
    #[error("unfit scopes, at most {max}")]
    ScopesUnfit {
        /// Most scopes.
        max: usize,
    },
    /// Not of the form `resource.action`, `resource.*` or `*`.
    #[error("malformed scope {scope}")]
    ScopeMalformed {
        /// The text that was given.
        scope: String,
    },
    /// For longer than any key may live.
    #[error("days out of range, at most {max}")]
    DaysOutOfRange {
        /// Most days.
        max: i32,
    },
    /// One user has all the keys a user may have.
    #[error("too many keys, at most {max}")]
    KeysTooMany {
        /// Most keys.
        max: usize,
    },
    /// No such key of this user.
    #[error("unknown key")]
    KeyUnknown,
    /// An access level cannot be like this.
    #[error("unfit access level")]
    LevelUnfit,
    /// No such access level in this tenant.
    #[error("unknown access level")]
    LevelUnknown,
    /// No such role in this tenant.
    #[error("unknown role")]
    RoleGone,
    /// Somebody holds the role.
    #[error("{holders} hold the role")]
    RoleInUse {
        /// How many.
        holders: i64,
    },
    /// The permission cannot be taken alone: a wildcard grants it too.
    #[error("granted by {grant}")]
    GrantedByWildcard {
        /// The wildcard.
        grant: String,
    },
    /// No such open session of this user.
    #[error("unknown session")]
    SessionUnknown,
    /// No such user in this tenant.
    #[error("unknown user")]
    UserUnknown,
    /// No such role in this tenant.
    #[error("unknown role {name}")]
    RoleUnknown {
        /// The name that was given.
        name: String,
    },
    /// No name for a role.
    #[error("unfit role name")]
    RoleNameUnfit,
    /// The role ships with the product.
    #[error("built-in role {name}")]
    RoleBuiltIn {
        /// Its name.
        name: String,
    },
    /// Not of the form `resource.action`, `resource.*` or `*`.
    #[error("malformed permission {permission}")]
    PermissionMalformed {
        /// The text that was given.
        permission: String,
    },
    /// More permissions than a role may have.
    #[error("too many permissions, at most {max}")]
    PermissionsTooMany {
        /// Most permissions.
        max: usize,
    },
    /// More than one user may hold.
    #[error("too many roles, at most {max}")]
    RolesTooMany {
        /// Most roles.
        max: usize,
    },
    /// The caller lacks a permission that is being handed out or taken away.
    #[error("caller lacks {permission}")]
    PrivilegeEscalation {
        /// The first one lacking.
        permission: String,
    },
    /// The tenant would be left without an active owner.
    #[error("last owner")]
    LastOwner,
    /// No log-in waits under this challenge, or no longer.
    #[error("unknown challenge")]
    ChallengeInvalid,
    /// The second factor is wrong, or was used before.
    #[error("wrong second factor")]
    SecondFactorInvalid,
    /// There is an authenticator app already.
    #[error("second factor present")]
    SecondFactorPresent,
    /// There is no authenticator app.
    #[error("second factor missing")]
    SecondFactorMissing,
    /// The session was opened with one factor, and two are wanted.
    #[error("second factor wanted")]
    SecondFactorRequired,
    /// Sign in again: the account has no password to ask for.
    #[error("proof too old")]
    ReauthenticationRequired,
    /// Somebody else has to do this.
    #[error("not on oneself")]
    NotOnOneself,
    /// No word for of whom second factors are demanded.
    #[error("unknown policy")]
    PolicyUnknown,
    /// What an authenticator answered is wrong, or belongs to no ceremony.
    #[error("invalid passkey")]
    PasskeyInvalid,
    /// No such passkey of this user.
    #[error("unknown passkey")]
    PasskeyUnknown,
    /// A passkey's name is missing, too long or has control characters.
    #[error("unfit passkey name")]
    PasskeyNameUnfit,
    /// One user has all the passkeys a user may have.
    #[error("too many passkeys, at most {max}")]
    PasskeysTooMany {
        /// Most passkeys.
        max: usize,
    },
    /// The tenant has no host that a passkey could belong to.
    #[error("no relying party")]
    PasskeysUnavailable,
    /// No such sign-in provider, or it may not be used.
    #[error("unknown provider")]
    ProviderUnknown,
    /// Something about a sign-in provider cannot be like this.
    #[error("unfit provider at {pointer}")]
    ProviderUnfit {
        /// Which part.
        pointer: &'static str,
    },
    /// Users have linked accounts of the provider.
    #[error("provider in use")]
    ProviderInUse,
    /// What came back from a provider belongs to no log-in of this browser.
    #[error("unknown sign-in")]
    SignInInvalid,
    /// The provider has not proven the address.
    #[error("address unproven at the provider")]
    ProviderEmailUnproven,
    /// Nobody has the address, and the provider may not register.
    #[error("not registered")]
    NotRegistered,
    /// The account elsewhere is linked to somebody else, or the user has another one there.
    #[error("identity taken")]
    IdentityTaken,
    /// No account elsewhere is linked.
    #[error("unknown identity")]
    IdentityUnknown,
    /// It is the last way into the account.
    #[error("last way in")]
    LastLogInMethod,
    /// No tenant answers on the host.
    #[error("unknown tenant")]
    TenantUnknown,
}
