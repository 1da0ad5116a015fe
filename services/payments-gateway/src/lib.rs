//! Payments through providers.
