//! From rejections of the ledger's rules to faults that callers see.

use fault::{Code, Fault};
use wallet_domain::Rejection;

/// A rejection as callers see it.
pub(crate) fn refused(rejection: Rejection) -> Fault {
    let (reason, message) = (rejection.code(), sentence(&rejection));
    match pointer(&rejection) {
        Some(pointer) => {
            let fault = Fault::new(Code::InvalidInput, reason, message).with_violation(pointer, reason);
            with_facts(fault, rejection)
        }
        None => with_facts(Fault::new(code(&rejection), reason, message), rejection),
    }
}

const fn code(rejection: &Rejection) -> Code {
    match rejection {
        Rejection::AccountExists { .. } => Code::AlreadyExists,
        Rejection::AccountUnknown { .. } | Rejection::HoldUnknown { .. } | Rejection::MeterUnknown { .. } => {
            Code::NotFound
        }
        Rejection::OperationIdReused { .. } => Code::OperationReused,
        Rejection::OperationIdUnsettled { .. } => Code::Unavailable,
        _ => Code::Rejected,
    }
}

/// Which field is to blame, where one is.
fn pointer(rejection: &Rejection) -> Option<String> {
    Some(match rejection {
        Rejection::OwnerMissing | Rejection::OwnerUnexpected => "/owner_user_id".to_owned(),
        Rejection::PostingsMissing | Rejection::TooManyPostings { .. } => "/postings".to_owned(),
        Rejection::ReasonOutOfRange { .. } => "/reason".to_owned(),
        Rejection::ReferenceTooLong { .. } => "/reference".to_owned(),
        Rejection::MetadataTooLong { .. } => "/metadata".to_owned(),
        Rejection::AmountNotPositive { index, .. } => format!("/postings/{index}/amount"),
        Rejection::SameAccount { index, .. } => format!("/postings/{index}/credit_account_id"),
        Rejection::AssetMismatch { index, .. } => format!("/postings/{index}"),
        Rejection::ExpiryInThePast => "/expires_at".to_owned(),
        Rejection::LegUnknown { .. } => "/parts".to_owned(),
        Rejection::AmountTooSmall => "/amount".to_owned(),
        Rejection::QuantityOutOfRange => "/quantity".to_owned(),
        Rejection::Malformed { pointer, .. } => pointer.clone(),
        _ => return None,
    })
}

fn with_facts(fault: Fault, rejection: Rejection) -> Fault {
    match rejection {
        Rejection::AccountExists { account }
        | Rejection::AccountUnknown { account }
        | Rejection::NotACustomer { account }
        | Rejection::NotASystemAccount { account }
        | Rejection::AccountFrozen { account }
        | Rejection::AccountClosed { account }
        | Rejection::BalanceOutOfRange { account } => fault.with_fact("account_id", account),
        Rejection::AccountNotEmpty { account, balance, held } => {
            fault.with_fact("account_id", account).with_fact("posted", balance).with_fact("held", held)
        }
        Rejection::TooManyPostings { limit, .. }
        | Rejection::ReasonOutOfRange { limit }
        | Rejection::ReferenceTooLong { limit }
        | Rejection::MetadataTooLong { limit } => fault.with_fact("limit", limit),
        Rejection::AssetMismatch { debit, credit, .. } => {
            fault.with_fact("debit_asset", debit).with_fact("credit_asset", credit)
        }
        Rejection::InsufficientFunds { account, available, needed } => fault
            .with_fact("account_id", account)
            .with_fact("available", available)
            .with_fact("needed", needed),
        Rejection::HoldUnknown { hold }
        | Rejection::HoldEnded { hold }
        | Rejection::HoldForUsage { hold }
        | Rejection::NotAReservation { hold } => fault.with_fact("hold_id", hold),
        Rejection::AmountExceedsHold { left, needed }
        | Rejection::AmountExceedsOriginal { left, needed, .. } => {
            fault.with_fact("left", left).with_fact("needed", needed)
        }
        Rejection::NotReversible { operation }
        | Rejection::TooOldToReverse { operation }
        | Rejection::AlreadyReversed { operation }
        | Rejection::NotDivisible { operation }
        | Rejection::OperationIdReused { operation }
        | Rejection::OperationIdExpired { operation }
        | Rejection::OperationIdUnsettled { operation, .. } => fault.with_fact("operation_id", operation),
        Rejection::LimitExceeded { account, rule, limit, used, needed } => fault
            .with_fact("account_id", account)
            .with_fact("rule", rule)
            .with_fact("limit", limit)
            .with_fact("used", used)
            .with_fact("needed", needed),
        Rejection::TooManyOperations { rule, limit } => {
            fault.with_fact("rule", rule).with_fact("limit", limit)
        }
        Rejection::MeterUnknown { meter } => fault.with_fact("meter", meter),
        Rejection::QuotaExceeded { meter, quota, used, needed } => fault
            .with_fact("meter", meter)
            .with_fact("quota", quota)
            .with_fact("used", used)
            .with_fact("needed", needed),
        Rejection::QuantityExceedsReservation { reserved, used } => {
            fault.with_fact("reserved", reserved).with_fact("used", used)
        }
        Rejection::Malformed { expected, .. } => fault.with_fact("expected", expected),
        _ => fault,
    }
}

/// What a person reads.
pub(crate) const fn sentence(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::AccountExists { .. } => "The account is open with other terms.",
        Rejection::AccountUnknown { .. } => "There is no such account.",
        Rejection::OwnerMissing => "A customer account needs an owner.",
        Rejection::OwnerUnexpected => "A system account has no owner.",
        Rejection::PartitionFull => "The ledger cannot take more accounts here.",
        Rejection::PostingsMissing => "An operation needs at least one posting.",
        Rejection::TooManyPostings { .. } => "The operation has too many postings.",
        Rejection::ReasonOutOfRange { .. } => "The reason is missing or too long.",
        Rejection::ReferenceTooLong { .. } => "The reference is too long.",
        Rejection::MetadataTooLong { .. } => "The metadata is too long.",
        Rejection::AmountNotPositive { .. } => "Amounts are above zero.",
        Rejection::SameAccount { .. } => "A posting has two different accounts.",
        Rejection::AssetMismatch { .. } => "The accounts count different things.",
        Rejection::InsufficientFunds { .. } => "The account has not enough.",
        Rejection::BalanceOutOfRange { .. } => "The balance would be out of range.",
        Rejection::NoAccounts => "The ledger has no account yet.",
        Rejection::NotACustomer { .. } => "Only a customer account can do this.",
        Rejection::NotASystemAccount { .. } => "Only a system account can do this.",
        Rejection::AccountFrozen { .. } => "The account is frozen.",
        Rejection::AccountClosed { .. } => "The account is closed.",
        Rejection::AccountNotEmpty { .. } => "Only an empty account can be closed.",
        Rejection::HoldUnknown { .. } => "There is no such hold.",
        Rejection::HoldEnded { .. } => "The hold has ended.",
        Rejection::HoldForUsage { .. } => "A reservation of usage is settled or cancelled as a whole.",
        Rejection::NotAReservation { .. } => "The hold reserves no usage.",
        Rejection::AmountExceedsHold { .. } => "Less than that is left of the hold.",
        Rejection::ExpiryInThePast => "The expiry lies in the past.",
        Rejection::NotReversible { .. } => "This operation cannot be reversed.",
        Rejection::TooOldToReverse { .. } => "This operation is too old to be reversed.",
        Rejection::AlreadyReversed { .. } => "All of this operation has been reversed.",
        Rejection::NotDivisible { .. } => "This operation can only be reversed as a whole.",
        Rejection::LegUnknown { .. } => "The operation has no such posting.",
        Rejection::AmountExceedsOriginal { .. } => "Less than that is left to be reversed.",
        Rejection::SameAsset { .. } => "Both accounts count the same.",
        Rejection::AmountTooSmall => "The amount comes to less than one unit.",
        Rejection::LimitExceeded { .. } => "A limit does not allow that much.",
        Rejection::TooManyOperations { .. } => "A limit does not allow that many operations.",
        Rejection::MeterUnknown { .. } => "There is no such meter.",
        Rejection::QuantityOutOfRange => "The quantity is out of range.",
        Rejection::QuotaExceeded { .. } => "The quota of the period does not allow that much.",
        Rejection::QuantityExceedsReservation { .. } => "More was used than was reserved.",
        Rejection::Malformed { .. } => "A part of the definition is out of range.",
        Rejection::NotDue => "Nothing is due.",
        Rejection::OperationIdReused { .. } => "This operation id was used with another body.",
        Rejection::OperationIdExpired { .. } => "This operation id is too old to be told from a repetition.",
        Rejection::OperationIdUnsettled { .. } => "This operation id could not be looked up yet; try again.",
    }
}
