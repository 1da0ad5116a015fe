//! Why a provider did not do it, sorted by what it means for the payment and not by how it looked on
//! the wire: *declined* and *invalid* are answers; after *limited*, *transient* and *unknown* the same
//! question is asked again with the same key.

use std::time::Duration;

use payments_gateway_domain::Decline;

/// Why a provider did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It said no, and will say no to the same question again.
    #[error("declined: {code}")]
    Declined {
        /// The provider's word.
        code: String,
        /// What it means, if a bank declined.
        decline: Option<Decline>,
    },
    /// It does not understand us, and will not when asked again.
    #[error("refused as invalid: {code}")]
    Invalid {
        /// What it does not like.
        code: String,
    },
    /// It certainly did nothing and wants to be asked later.
    #[error("too many questions")]
    Limited {
        /// How much later, if it said.
        retry_after: Option<Duration>,
    },
    /// It certainly did nothing; asking again makes sense.
    #[error("cannot be reached for now")]
    Transient(#[source] Source),
    /// It may have done it; only the same question with the same key can tell.
    #[error("the outcome is unknown")]
    Unknown(#[source] Source),
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl ProviderError {
    /// What a provider does not support.
    #[must_use]
    pub fn unsupported() -> Self {
        Self::Invalid { code: "unsupported".to_owned() }
    }

    /// The final answer, if it is one: the provider's word for the refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Declined { code, .. } | Self::Invalid { code } => Some(code),
            Self::Limited { .. } | Self::Transient(_) | Self::Unknown(_) => None,
        }
    }

    /// What a decline means, if it is one.
    #[must_use]
    pub const fn decline(&self) -> Option<Decline> {
        match self {
            Self::Declined { decline, .. } => *decline,
            _ => None,
        }
    }

    /// Whether the provider is in trouble, as opposed to having answered.
    #[must_use]
    pub const fn is_trouble(&self) -> bool {
        matches!(self, Self::Transient(_) | Self::Unknown(_))
    }

    /// A word for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Declined { .. } => "declined",
            Self::Invalid { .. } => "invalid",
            Self::Limited { .. } => "limited",
            Self::Transient(_) => "transient",
            Self::Unknown(_) => "unknown",
        }
    }
}
