//! Every "no" of a subscription, with its facts.

use jiff::Timestamp;

use crate::period::CalendarError;
use crate::proration::ProrationError;
use crate::state::Status;
use crate::terms::QUANTITY_MAX;

/// Why a command was refused; nothing has happened then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such subscription yet.
    #[error("the subscription does not exist")]
    NotCreated,
    /// It exists and stands.
    #[error("the subscription exists already")]
    AlreadyCreated,
    /// Not in this state.
    #[error("not while {}", .status.name())]
    WrongStatus {
        /// The state.
        status: Status,
    },
    /// Seats out of range.
    #[error("1 to {QUANTITY_MAX} seats are allowed")]
    QuantityOutOfRange,
    /// The timer came too early.
    #[error("not due before {due_at}")]
    NotDue {
        /// When it will be.
        due_at: Timestamp,
    },
    /// It will end; undo that first.
    #[error("the subscription ends with its period")]
    EndsWithPeriod,
    /// It does not end, so there is nothing to undo.
    #[error("no cancel is scheduled")]
    NoCancelScheduled,
    /// No change is scheduled, so there is nothing to drop.
    #[error("no change is scheduled")]
    NoChangeScheduled,
    /// The same plan, version and seats.
    #[error("nothing would change")]
    NothingChanges,
    /// A change has to be in the same currency.
    #[error("the new price is in another currency")]
    CurrencyDiffers,
    /// The price was computed for another period or after a change.
    #[error("the price is no longer valid")]
    PriceOutdated,
    /// An end that is not later than the present one, or than now.
    #[error("the new end is not later than {ends_at}")]
    EndNotLater {
        /// The present end.
        ends_at: Timestamp,
    },
    /// The resume date is not in the future.
    #[error("the day to go on is in the past")]
    ResumeInPast,
    /// A debt stands: it is paid first.
    #[error("a payment is due")]
    PaymentDue,
    /// A date cannot be computed.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// An amount does not fit.
    #[error("amount out of range")]
    Overflow,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotCreated => "subscription_unknown",
            Self::AlreadyCreated => "subscription_exists",
            Self::WrongStatus { .. } => "subscription_status_wrong",
            Self::QuantityOutOfRange => "quantity_out_of_range",
            Self::NotDue { .. } => "not_due",
            Self::EndsWithPeriod => "subscription_ends",
            Self::NoCancelScheduled => "no_cancel_scheduled",
            Self::NoChangeScheduled => "no_change_scheduled",
            Self::NothingChanges => "nothing_changes",
            Self::CurrencyDiffers => "currency_differs",
            Self::PriceOutdated => "price_outdated",
            Self::EndNotLater { .. } => "end_not_later",
            Self::ResumeInPast => "resume_in_past",
            Self::PaymentDue => "payment_due",
            Self::Calendar(_) => "date_out_of_range",
            Self::Overflow => "amount_out_of_range",
        }
    }
}

impl From<ProrationError> for Rejection {
    fn from(error: ProrationError) -> Self {
        match error {
            ProrationError::CurrencyDiffers => Self::CurrencyDiffers,
            ProrationError::OutsidePeriod => Self::PriceOutdated,
            ProrationError::Calendar(error) => Self::Calendar(error),
            ProrationError::Overflow => Self::Overflow,
        }
    }
}

impl From<money::MoneyError> for Rejection {
    fn from(error: money::MoneyError) -> Self {
        ProrationError::from(error).into()
    }
}
