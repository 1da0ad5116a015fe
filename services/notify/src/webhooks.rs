//! Outbound webhooks by the Standard Webhooks specification.
//!
//! An event of the fleet is fanned out to rows, one per endpoint that wants it. Each endpoint has a
//! lane, whose row says when to look at it next; what is queued for one endpoint is never looked at
//! for another. The dispatcher claims what a lane's rate and concurrency allow, sends it through
//! the guard, and ends it, with what was asked and answered in the log.

mod claim;
mod deliver;
mod dispatch;
mod end;
mod endpoints;
mod event_types;
mod fan_out;
mod lane;
mod log;
mod replay;
mod signature;

pub(crate) use deliver::Sender;
pub(crate) use dispatch::Dispatcher;
pub(crate) use egress::Guard;
pub(crate) use endpoints::{Endpoint, Endpoints, Settings};
pub(crate) use event_types::event_types;
pub(crate) use fan_out::FanOut;
pub(crate) use log::{Attempt, Delivery, Filter, Log};
pub(crate) use replay::Start;
