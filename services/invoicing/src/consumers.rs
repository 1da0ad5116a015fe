//! What this service does about events of others.

mod on_payment;

pub(crate) use on_payment::OnPayment;
