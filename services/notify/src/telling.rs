//! Events of the fleet are told to the people they concern: by mail and in the application.
//!
//! `facts` says what an event means to whom; `on_event` finds the person, asks what the tenant and
//! the person want, and writes the mail and the notification in the transaction of the inbox row.

mod facts;
mod on_event;

pub(crate) use on_event::OnEvent;
