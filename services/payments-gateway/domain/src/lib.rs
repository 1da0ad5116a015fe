//! The rules of payments, pure.
//!
//! A [`Payment`] is our record of one attempt to collect an invoice through a provider. The
//! provider owns the truth about the money and tells it in snapshots (answers, webhooks, polls);
//! this crate decides what a snapshot changes. Its laws:
//! - captured only when amount and currency are exactly those of the invoice;
//! - a report that is older than what we know changes nothing, a repeated one neither;
//! - money that moved is never forgotten: once captured, only refunds change a payment, and a
//!   capture that arrives after we gave up is recorded as *late*;
//! - refunds, asked for and done together, never exceed the capture.
//!
//! No clock, no storage, no network: [`Step`] says what the provider has to be asked next, and the
//! service around this crate asks.

mod commands;
mod decide;
mod events;
mod payment;
mod rejection;
mod snapshot;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use commands::{PaymentCommand, RefundRequest};
pub use events::{
    ActionRequired, Authorized, CaptureRefused, CaptureRequested, Captured, Created, Failed, PaymentEvent,
    ProcessingStarted, ProviderAccepted, RefundFailed, RefundRequested, Refunded, VoidReason, VoidRequested,
    Voided,
};
pub use rejection::PaymentRejection;
pub use snapshot::{ProviderRefund, ProviderSnapshot, ProviderState, RefundOutcome};
pub use state::{Payment, Refund, Status, Terms, TimeLimits};
pub use step::Step;
