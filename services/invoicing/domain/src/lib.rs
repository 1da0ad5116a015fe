//! The rules of checkout and invoices, pure.
