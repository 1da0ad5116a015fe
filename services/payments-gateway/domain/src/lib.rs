//! The rules of payments, pure.
//!
//! A [`Payment`] is our record of one attempt to collect an invoice through a provider. The
//! provider owns the truth about the money and tells it in snapshots (answers, webhooks, polls);
//! this crate decides what a snapshot changes. Its laws:
//! - captured only when amount and currency are exactly those of the invoice, or an openly recorded
//!   part of it; a provider that speaks of other money is recorded as a contradiction and not booked;
//! - a report that is older than what we know changes nothing, a repeated one neither;
//! - money that moved is never forgotten: once captured, only refunds change a payment, and a
//!   capture that arrives after we gave up is recorded as *late*;
//! - refunds, asked for and done together, never exceed the capture, nor what disputes leave of it.
//!
//! No clock, no storage, no network: [`Step`] says what the provider has to be asked next, and the
//! service around this crate asks.

mod commands;
mod decide;
mod decline;
mod events;
mod payment;
mod rejection;
mod snapshot;
mod state;
mod step;
mod terms;
#[cfg(test)]
mod tests;

pub use commands::{CaptureRequest, PaymentCommand, RefundRequest};
pub use decline::{Decline, DeclineClass};
pub use events::{
    ActionRequired, Authorized, CaptureRefused, CaptureRequested, Captured, Contradicted, Created, Disputed,
    Failed, PartiallyCaptured, PaymentEvent, ProcessingStarted, ProviderAccepted, RefundFailed,
    RefundRequested, Refunded, RestReleased, VoidReason, VoidRequested, Voided,
};
pub use rejection::PaymentRejection;
pub use snapshot::{
    DisputeOutcome, Instrument, ProviderDispute, ProviderRefund, ProviderSnapshot, ProviderState,
    RefundOutcome,
};
pub use state::{Capture, Dispute, Payment, Refund, Status, TimeLimits};
pub use step::Step;
pub use terms::{CaptureMode, Terms};
