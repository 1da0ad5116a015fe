//! What is measured, one file per part of the product.

pub mod checkout;
pub mod edge;
pub mod gateway;
pub mod ledger;
