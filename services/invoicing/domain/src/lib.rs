//! The rules of checkout and invoices, pure: no clock, no storage, no network.
//!
//! A [`Cart`] holds what a customer wants, at the sellers' quotes; a [`Pipeline`] of pure stages
//! makes [`Priced`] lines of it. An [`Invoice`] is opened with them and from then on guards itself:
//! - its lines never change and their sum is its total;
//! - it is paid at most once, by a payment of its own, of exactly its total;
//! - money that arrives besides is a *surplus*, recorded so that it is given back;
//! - a line is delivered at most once, and only what was delivered can be taken back;
//! - what was paid cannot be voided.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod cart;
mod commands;
mod decide;
mod events;
mod invoice;
mod number;
mod pricing;
mod rejection;
#[cfg(feature = "testing")]
pub mod samples;
mod state;

pub use cart::{Cart, CartError, CartLine, LINES_MAX, QUANTITY_MAX, check_line_count, check_quantity};
pub use commands::{
    InvoiceCommand, MarkLineFulfilled, MarkLineReversed, MarkLineUnfulfillable, OpenInvoice, RecordPayment,
    RecordPaymentFailed, RecordRefund, StartPayment, Void,
};
pub use events::{
    InvoiceEvent, InvoiceFulfilled, InvoiceOpened, InvoicePaid, InvoiceRefunded, InvoiceVoided,
    LineFulfilled, LineReversed, LineUnfulfillable, OpenedLine, PaymentFailed, PaymentStarted,
    PaymentSurplusDetected, RefundRecorded, SurplusReason,
};
pub use number::InvoiceNumber;
pub use pricing::{Phase, Pipeline, Priced, PricedLine, Stage};
pub use rejection::Rejection;
pub use state::{Attempt, AttemptOutcome, Invoice, Line, LineStatus, Opened, PAYMENTS_MAX, Status};
