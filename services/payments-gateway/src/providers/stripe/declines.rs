//! What Stripe's words for a decline mean. A word that is not here is some decline, which may be
//! tried again; when Stripe invents one, add it.

use payments_gateway_domain::Decline;

/// The meaning of `decline_code`, or of `code` where there is none.
pub fn decline(code: &str) -> Decline {
    match code {
        "insufficient_funds" | "debit_not_authorized_insufficient_funds" => Decline::InsufficientFunds,
        "do_not_honor"
        | "generic_decline"
        | "card_declined"
        | "no_action_taken"
        | "call_issuer"
        | "not_permitted_by_issuer" => Decline::DoNotHonor,
        "try_again_later"
        | "issuer_not_available"
        | "processing_error"
        | "reenter_transaction"
        | "approve_with_id" => Decline::TryAgainLater,
        "card_velocity_exceeded"
        | "withdrawal_count_limit_exceeded"
        | "pin_try_exceeded"
        | "charge_exceeds_source_limit"
        | "charge_exceeds_transaction_limit" => Decline::LimitExceeded,
        "stolen_card" | "pickup_card" => Decline::StolenCard,
        "lost_card" => Decline::LostCard,
        "expired_card" => Decline::ExpiredCard,
        "invalid_account"
        | "incorrect_number"
        | "invalid_number"
        | "incorrect_cvc"
        | "invalid_cvc"
        | "invalid_expiry_month"
        | "invalid_expiry_year"
        | "incorrect_zip"
        | "invalid_pin"
        | "incorrect_pin"
        | "new_account_information_available"
        | "no_account"
        | "bank_account_unusable"
        | "payment_method_invalid_parameter" => Decline::InvalidAccount,
        "account_closed"
        | "bank_account_restricted"
        | "debit_not_authorized"
        | "revocation_of_authorization"
        | "revocation_of_all_authorizations"
        | "stop_payment_order"
        | "payment_method_bank_account_closed" => Decline::AccountClosed,
        "card_not_supported"
        | "currency_not_supported"
        | "restricted_card"
        | "transaction_not_allowed"
        | "service_not_allowed"
        | "testmode_decline"
        | "duplicate_transaction" => Decline::NotPermitted,
        "fraudulent" | "merchant_blacklist" | "security_violation" => Decline::Fraud,
        "authentication_required" | "authentication_not_handled" => Decline::AuthenticationRequired,
        "payment_intent_authentication_failure"
        | "setup_intent_authentication_failure"
        | "offline_pin_required"
        | "online_or_offline_pin_required" => Decline::AuthenticationFailed,
        _ => Decline::Other,
    }
}

#[cfg(test)]
mod tests {
    use payments_gateway_domain::DeclineClass;

    use super::*;

    #[test]
    fn every_class_is_reached_and_the_unknown_is_soft() {
        for (code, class) in [
            ("insufficient_funds", DeclineClass::Soft),
            ("generic_decline", DeclineClass::Soft),
            ("stolen_card", DeclineClass::Hard),
            ("expired_card", DeclineClass::Hard),
            ("authentication_required", DeclineClass::Authentication),
            ("invented_yesterday", DeclineClass::Soft),
        ] {
            assert_eq!(decline(code).class(), class, "{code}");
        }
    }
}
