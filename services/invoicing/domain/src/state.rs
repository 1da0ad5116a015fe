//! What an invoice is after its events: questions only, no rule.

use ids::{LineId, PaymentId, UserId};
use jiff::Timestamp;
use money::Money;

use crate::InvoiceNumber;
use crate::events::OpenedLine;

/// How often an invoice can be tried to be paid.
pub const PAYMENTS_MAX: usize = 50;

/// Where an invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// Nothing has happened: a cart may be priced for it. A draft has no facts and no number.
    #[default]
    Draft,
    /// Finalised, waiting for payment.
    Open,
    /// The whole amount has arrived.
    Paid,
    /// Given up unpaid.
    Void,
    /// Paid once, and the whole amount went back.
    Refunded,
}

/// How far the delivery of a line has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStatus {
    /// Not delivered yet.
    Pending,
    /// Delivered.
    Fulfilled,
    /// The seller refused it for good.
    Unfulfillable,
    /// Delivered and taken back.
    Reversed,
}

/// What became of an attempt to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Nothing yet.
    Pending,
    /// It failed, with this code.
    Failed(String),
    /// It paid the invoice.
    Paid,
    /// Its money arrived with nothing owed for.
    Surplus,
}

/// One attempt to pay.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its payment.
    pub payment_id: PaymentId,
    /// Method code.
    pub method: String,
    /// Where the browser returns to.
    pub return_url: String,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// What arrived by it.
    pub captured: Option<Money>,
    /// What went back of it, in minor units.
    pub refunded_minor: i64,
}

/// A line and its delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What was sold.
    pub sold: OpenedLine,
    /// How far its delivery has come.
    pub status: LineStatus,
}

/// What is known of an invoice from its opening on; it never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Its number.
    pub number: InvoiceNumber,
    /// Who buys.
    pub user_id: UserId,
    /// What is owed.
    pub total: Money,
    /// Where the customer is billed; empty if unknown.
    pub billing_country: String,
    /// Until when it can be paid.
    pub due_at: Timestamp,
    /// When it was opened.
    pub at: Timestamp,
}

/// An invoice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Invoice {
    pub(crate) status: Status,
    pub(crate) opened: Option<Opened>,
    pub(crate) lines: Vec<Line>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) paid_at: Option<Timestamp>,
}

impl Invoice {
    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// What stands since its opening; `None` for a draft.
    #[must_use]
    pub const fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line with this id.
    #[must_use]
    pub fn line(&self, id: LineId) -> Option<&Line> {
        self.lines.iter().find(|line| line.sold.line_id == id)
    }

    /// Attempts to pay, oldest first.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// The attempt that made this payment.
    #[must_use]
    pub fn attempt(&self, payment: PaymentId) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.payment_id == payment)
    }

    /// The payment that paid it, else the latest one.
    #[must_use]
    pub fn payment(&self) -> Option<&Attempt> {
        let paid = self.attempts.iter().find(|attempt| attempt.outcome == AttemptOutcome::Paid);
        paid.or_else(|| self.attempts.last())
    }

    /// When it was paid.
    #[must_use]
    pub const fn paid_at(&self) -> Option<Timestamp> {
        self.paid_at
    }

    /// Whether every line was delivered.
    #[must_use]
    pub fn is_fulfilled(&self) -> bool {
        self.lines.iter().all(|line| line.status == LineStatus::Fulfilled)
    }
}
