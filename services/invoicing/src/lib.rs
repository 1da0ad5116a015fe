//! Checkout and invoices.
