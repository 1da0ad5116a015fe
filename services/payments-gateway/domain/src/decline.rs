//! Why a provider's bank said no, in words that every provider's codes are reduced to.
//!
//! Whoever asks again later needs the class, not the words: after a *soft* decline the same method
//! may work another day, after a *hard* one only another method will, and where *authentication* is
//! missing the customer must be present. The names are stored in events and published; when you add
//! one, add it to [`Decline::ALL`] and to the glossary of the service. What this program does not
//! know reads as [`Decline::Other`], so that an older release can read a newer one's history.

use serde::{Deserialize, Serialize};

/// What can be done about a decline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeclineClass {
    /// The same method may work later.
    Soft,
    /// The same method will not work again.
    Hard,
    /// The customer has to confirm in person.
    Authentication,
}

impl DeclineClass {
    /// Its name in logs and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
            Self::Authentication => "authentication",
        }
    }
}

/// Why it was declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Decline {
    /// Not enough money, for now.
    InsufficientFunds,
    /// The bank gives no reason.
    DoNotHonor,
    /// The bank or the provider had trouble.
    TryAgainLater,
    /// A limit of the account or card.
    LimitExceeded,
    /// Reported stolen.
    StolenCard,
    /// Reported lost.
    LostCard,
    /// Past its date.
    ExpiredCard,
    /// No such card or account, or its details are wrong.
    InvalidAccount,
    /// The account is closed, or the permission to debit it was taken back.
    AccountClosed,
    /// The method cannot pay this: currency, country or kind of purchase.
    NotPermitted,
    /// The provider holds it for fraud.
    Fraud,
    /// The customer has to confirm.
    AuthenticationRequired,
    /// The customer, or the bank, did not confirm.
    AuthenticationFailed,
    /// Anything else.
    Other,
}

impl Decline {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::InsufficientFunds,
        Self::DoNotHonor,
        Self::TryAgainLater,
        Self::LimitExceeded,
        Self::StolenCard,
        Self::LostCard,
        Self::ExpiredCard,
        Self::InvalidAccount,
        Self::AccountClosed,
        Self::NotPermitted,
        Self::Fraud,
        Self::AuthenticationRequired,
        Self::AuthenticationFailed,
        Self::Other,
    ];

    /// What can be done about it. What nobody can name may be tried again.
    #[must_use]
    pub const fn class(self) -> DeclineClass {
        match self {
            Self::InsufficientFunds
            | Self::DoNotHonor
            | Self::TryAgainLater
            | Self::LimitExceeded
            | Self::Other => DeclineClass::Soft,
            Self::StolenCard
            | Self::LostCard
            | Self::ExpiredCard
            | Self::InvalidAccount
            | Self::AccountClosed
            | Self::NotPermitted
            | Self::Fraud => DeclineClass::Hard,
            Self::AuthenticationRequired | Self::AuthenticationFailed => DeclineClass::Authentication,
        }
    }

    /// Its stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "insufficient_funds",
            Self::DoNotHonor => "do_not_honor",
            Self::TryAgainLater => "try_again_later",
            Self::LimitExceeded => "limit_exceeded",
            Self::StolenCard => "stolen_card",
            Self::LostCard => "lost_card",
            Self::ExpiredCard => "expired_card",
            Self::InvalidAccount => "invalid_account",
            Self::AccountClosed => "account_closed",
            Self::NotPermitted => "not_permitted",
            Self::Fraud => "fraud",
            Self::AuthenticationRequired => "authentication_required",
            Self::AuthenticationFailed => "authentication_failed",
            Self::Other => "other",
        }
    }

    /// The decline with this name; [`Decline::Other`] for a name we do not know.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|decline| decline.name() == name).unwrap_or(Self::Other)
    }
}

impl From<Decline> for String {
    fn from(decline: Decline) -> Self {
        decline.name().to_owned()
    }
}

impl From<String> for Decline {
    fn from(name: String) -> Self {
        Self::from_name(&name)
    }
}

#[cfg(test)]
mod names {
    use super::*;

    #[test]
    fn a_decline_survives_its_name_and_an_unknown_one_is_soft() {
        for decline in Decline::ALL {
            assert_eq!(Decline::from_name(decline.name()), decline);
        }
        assert_eq!(Decline::from_name("moon_phase"), Decline::Other);
        assert_eq!(Decline::Other.class(), DeclineClass::Soft);
    }

    #[test]
    fn what_is_hard_is_never_asked_again() {
        for hard in ["stolen_card", "lost_card", "expired_card", "invalid_account"] {
            assert_eq!(Decline::from_name(hard).class(), DeclineClass::Hard, "{hard}");
        }
        for soft in ["insufficient_funds", "do_not_honor", "try_again_later"] {
            assert_eq!(Decline::from_name(soft).class(), DeclineClass::Soft, "{soft}");
        }
        assert_eq!(Decline::AuthenticationRequired.class(), DeclineClass::Authentication);
    }
}
