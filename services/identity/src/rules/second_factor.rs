//! When a second factor is demanded, and what counts as one.
//!
//! Whoever has a second factor is asked for it; whoever must have one and has none enrols it while
//! logging in. A session says how its user proved who is there, in the words of RFC 8176; `mfa`
//! among them is what a demand looks for.

use auth::Permissions;
use jiff::Timestamp;

/// For how long a log-in may wait for its second half.
pub const CHALLENGE_LIFE_SECONDS: u32 = 5 * 60;
/// Wrong answers after which a challenge is void; the lock of the address counts them too.
pub const CHALLENGE_FAILURES_MAX: i32 = 5;
/// For how long a proof speaks for who is there, before something that matters.
pub const PROOF_LIFE_SECONDS: i64 = 5 * 60;
/// For how long an authenticator may take to answer.
pub const CEREMONY_LIFE_SECONDS: u32 = 5 * 60;
/// Passkeys that one user may have.
pub const PASSKEYS_MAX: usize = 20;
/// Characters of a passkey's name.
pub const NAME_LENGTH_MAX: usize = 100;
/// Codes that are made at a time.
pub const RECOVERY_CODES: usize = 10;
/// Random bytes of a recovery code: too many to be guessed, so a keyed digest keeps it.
pub const RECOVERY_CODE_LENGTH: usize = 10;

/// The password was right.
pub const PASSWORD: &str = "pwd";
/// A one-time code was right.
pub const ONE_TIME_CODE: &str = "otp";
/// A key was used that only its owner holds.
pub const POSSESSION: &str = "pop";
/// Another provider vouches.
pub const FEDERATED: &str = "fed";
/// More than one factor was proven.
pub const SEVERAL: &str = "mfa";

/// Of whom a tenant demands a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredOf {
    /// Of nobody.
    Nobody,
    /// Of everybody who holds any permission.
    Staff,
    /// Of everybody.
    Everybody,
}

impl RequiredOf {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Staff => "staff",
            Self::Everybody => "everybody",
        }
    }

    /// The demand with this stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Nobody, Self::Staff, Self::Everybody].into_iter().find(|one| one.as_str() == word)
    }

    /// Whether it concerns somebody who holds `held`.
    #[must_use]
    pub fn concerns(self, held: &Permissions) -> bool {
        match self {
            Self::Nobody => false,
            Self::Staff => held.iter().next().is_some(),
            Self::Everybody => true,
        }
    }
}

/// Second factors of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Factors {
    /// Whether an authenticator app is confirmed.
    pub totp: bool,
    /// Recovery codes that are left.
    pub recovery_codes: i64,
    /// Passkeys.
    pub passkeys: i64,
}

impl Factors {
    /// Whether there is a second factor. Recovery codes alone are none: they stand in for one.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.totp || self.passkeys > 0
    }

    /// The words for what a challenge can be answered with.
    #[must_use]
    pub fn methods(&self) -> Vec<&'static str> {
        let words =
            [("totp", self.totp), ("passkey", self.passkeys > 0), ("recovery_code", self.recovery_codes > 0)];
        words.into_iter().filter(|(_, held)| *held).map(|(word, _)| word).collect()
    }
}

/// Whether a session with these methods rests on more than one factor.
#[must_use]
pub fn is_strong(methods: &[String]) -> bool {
    methods.iter().any(|method| method == SEVERAL)
}

/// Whether a proof given at `proven_at` still speaks for who is there.
#[must_use]
pub fn is_recent(proven_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(proven_at).as_secs() < PROOF_LIFE_SECONDS
}

/// A recovery code, as it is told: four groups of four.
#[must_use]
pub fn spoken(bytes: &[u8]) -> String {
    let text = super::totp::base32(bytes).to_lowercase();
    let groups: Vec<_> = text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group)).collect();
    groups.join("-")
}

/// A recovery code as it is digested: however it was typed.
#[must_use]
pub fn heard(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staff_is_whoever_holds_anything() {
        let (nothing, something) = (Permissions::none(), Permissions::new(["users.read"]).unwrap());
        let rows = [
            (RequiredOf::Nobody, false, false),
            (RequiredOf::Staff, false, true),
            (RequiredOf::Everybody, true, true),
        ];
        for (demand, of_customers, of_staff) in rows {
            assert_eq!((demand.concerns(&nothing), demand.concerns(&something)), (of_customers, of_staff));
            assert_eq!(RequiredOf::parse(demand.as_str()), Some(demand));
        }
        assert_eq!(RequiredOf::parse("somebody"), None);
    }

    #[test]
    fn recovery_codes_alone_are_no_second_factor() {
        let codes = Factors { recovery_codes: 10, ..Factors::default() };
        assert!(!codes.any());
        let app = Factors { totp: true, ..codes };
        assert_eq!((app.any(), app.methods()), (true, vec!["totp", "recovery_code"]));
    }

    #[test]
    fn a_recovery_code_is_heard_however_it_is_typed() {
        let spoken = spoken(&[0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(spoken, "74aa-caqd-aqcq-mbyi");
        assert_eq!(heard(&spoken), heard(" 74AA caqd AQCQ mbyi "));
    }
}
