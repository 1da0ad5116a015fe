//! Read models, written in the commit of their events.

pub(crate) mod invoices;
