//! What the test tokens of Stripe's documentation do.

/// What happens when a token is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// It works.
    Works,
    /// The bank wants to see the customer.
    NeedsCustomer,
    /// A bank debit that takes days.
    Debit,
    /// It can be saved, and is declined when it is charged: code and decline code.
    Declined(&'static str, &'static str),
}

/// The behaviour of a token, or of a saved method whose kind is remembered in its name.
pub fn card(token: &str) -> Card {
    let declined = |code, decline| Card::Declined(code, decline);
    match token {
        _ if token.contains("authenticationRequired") => Card::NeedsCustomer,
        _ if token.contains("InsufficientFunds") => declined("card_declined", "insufficient_funds"),
        _ if token.contains("LostCard") => declined("card_declined", "lost_card"),
        _ if token.contains("StolenCard") => declined("card_declined", "stolen_card"),
        _ if token.contains("ExpiredCard") => declined("expired_card", "expired_card"),
        _ if token.contains("ProcessingError") => declined("processing_error", "processing_error"),
        _ if token.contains("chargeDeclined") || token.contains("chargeCustomerFail") => {
            declined("card_declined", "generic_decline")
        }
        _ if token.contains("sepa") || token.contains("usBankAccount") => Card::Debit,
        _ => Card::Works,
    }
}
