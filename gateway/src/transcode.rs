//! HTTP to proto and back: path, query and body become the request message, the answer message
//! becomes JSON.
//!
//! The mapping is the canonical one of proto3 with two choices the specification leaves open:
//! fields carry their proto names (`invoice_id`; `invoiceId` is understood too), and fields at
//! their default are written, so that a client sees every field. Unknown members of the input are
//! ignored: an amount sent by a client simply has no field to go to. Wrong types are refused, all
//! of them at once, each with its pointer.

pub mod json;
mod request;
mod response;
mod text;

pub use request::{Input, message};
pub use response::to_json;
