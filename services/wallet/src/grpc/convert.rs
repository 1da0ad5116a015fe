//! Between messages and the domain, and from rejections to faults.

use std::str::FromStr;
use std::sync::Arc;

use contracts::vbwd::money::v1 as money_proto;
use contracts::vbwd::wallet::v1 as proto;
use eventstore::CommandContext;
use fault::{Code, Fault};
use ids::AccountId;
use jiff::Timestamp;
use money::{Currency, Money};
use wallet_domain::{AccountKind, AccountView, Asset, Origin, Rejection, Request};

use crate::Position;
use crate::bundles::{Bundle, BundleBody};
use crate::queries::EntryLine;

/// What the ledger needs to know of the call.
pub(crate) fn request(context: &CommandContext) -> Request {
    let origin = Origin {
        actor: context.actor.clone(),
        correlation: context.correlation_id.as_bytes().to_vec(),
        causation: context.causation_id.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        traceparent: context.traceparent.clone().unwrap_or_default(),
    };
    Request { tenant: context.tenant, at_ms: context.at.as_millisecond(), origin: Arc::new(origin) }
}

/// An id in a message.
pub(crate) fn id<T: FromStr>(text: &str, pointer: &str) -> fault::Result<T> {
    text.parse().map_err(|_| Fault::invalid(pointer, "malformed", "This is no id."))
}

/// An asset code in a message.
pub(crate) fn asset(text: &str) -> fault::Result<Asset> {
    text.parse().map_err(|_| Fault::invalid("/asset", "malformed", "This is no asset code."))
}

/// An account kind in a message.
pub(crate) fn kind(number: i32) -> fault::Result<AccountKind> {
    AccountKind::try_from(number).map_err(|_| Fault::invalid("/kind", "unknown", "There is no such kind."))
}

/// A currency in a message.
pub(crate) fn currency(text: &str) -> fault::Result<Currency> {
    text.parse().map_err(|_| Fault::invalid("/currency", "currency_unknown", "There is no such currency."))
}

/// A rejection as callers see it.
pub(crate) fn refused(rejection: Rejection) -> Fault {
    let reason = rejection.code();
    let message = sentence(&rejection);
    let invalid =
        |pointer: &str| Fault::new(Code::InvalidInput, reason, message).with_violation(pointer, reason);
    match rejection {
        Rejection::AccountExists { account } => {
            Fault::new(Code::AlreadyExists, reason, message).with_fact("account_id", account)
        }
        Rejection::AccountUnknown { account } => {
            Fault::new(Code::NotFound, reason, message).with_fact("account_id", account)
        }
        Rejection::OwnerMissing | Rejection::OwnerUnexpected => invalid("/owner_user_id"),
        Rejection::PartitionFull => Fault::rejected(reason, message),
        Rejection::PostingsMissing => invalid("/postings"),
        Rejection::TooManyPostings { limit, .. } => invalid("/postings").with_fact("limit", limit),
        Rejection::ReasonOutOfRange { limit } => invalid("/reason").with_fact("limit", limit),
        Rejection::ReferenceTooLong { limit } => invalid("/reference").with_fact("limit", limit),
        Rejection::AmountNotPositive { index, .. } => invalid(&format!("/postings/{index}/amount")),
        Rejection::SameAccount { index, .. } => invalid(&format!("/postings/{index}/credit_account_id")),
        Rejection::AssetMismatch { index, debit, credit } => invalid(&format!("/postings/{index}"))
            .with_fact("debit_asset", debit)
            .with_fact("credit_asset", credit),
        Rejection::InsufficientFunds { account, available, needed } => Fault::rejected(reason, message)
            .with_fact("account_id", account)
            .with_fact("available", available)
            .with_fact("needed", needed),
        Rejection::BalanceOutOfRange { account } => {
            Fault::rejected(reason, message).with_fact("account_id", account)
        }
        Rejection::OperationIdReused { operation } => {
            Fault::new(Code::OperationReused, reason, message).with_fact("operation_id", operation)
        }
        Rejection::OperationIdExpired { operation } => {
            Fault::rejected(reason, message).with_fact("operation_id", operation)
        }
    }
}

const fn sentence(rejection: &Rejection) -> &'static str {
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
        Rejection::AmountNotPositive { .. } => "Amounts are above zero.",
        Rejection::SameAccount { .. } => "A posting has two different accounts.",
        Rejection::AssetMismatch { .. } => "The accounts count different things.",
        Rejection::InsufficientFunds { .. } => "The account has not enough.",
        Rejection::BalanceOutOfRange { .. } => "The balance would be out of range.",
        Rejection::OperationIdReused { .. } => "This operation id was used with another body.",
        Rejection::OperationIdExpired { .. } => "This operation id is too old to be told from a repetition.",
    }
}

/// An account's figures as a message.
pub(crate) fn balance_message(view: &AccountView, position: Position) -> proto::Balance {
    balance(view.terms.account, view.terms.asset, view.balance, position)
}

/// The figures of an account.
pub(crate) fn balance(account: AccountId, asset: Asset, posted: i64, position: Position) -> proto::Balance {
    proto::Balance {
        account_id: account.to_string(),
        asset: asset.to_string(),
        posted,
        held: 0,
        available: posted,
        position: position.to_string(),
    }
}

/// A statement's line as a message.
pub(crate) fn entry_message(line: EntryLine) -> proto::Entry {
    proto::Entry {
        account_id: line.account_id.to_string(),
        operation_id: line.operation_id.to_string(),
        asset: line.asset,
        amount: line.amount,
        balance_after: line.balance_after,
        reason: line.reason,
        reference: line.reference,
        at: Some(timestamp(line.at)),
        position: format!("{}-{}", line.partition, line.sequence),
    }
}

/// A bundle as a message.
pub(crate) fn bundle_message(bundle: &Bundle) -> proto::TokenBundle {
    let body = &bundle.body;
    proto::TokenBundle {
        bundle_id: bundle.id.to_string(),
        name: body.name.clone(),
        description: body.description.clone(),
        tokens: body.tokens,
        prices: body.prices.iter().map(|price| money_message(*price)).collect(),
        active: body.active,
        sort_order: body.sort_order,
        revision: bundle.revision,
    }
}

/// A submitted bundle.
pub(crate) fn bundle_body(message: proto::CreateTokenBundleRequest) -> fault::Result<BundleBody> {
    let price = |(index, price): (usize, &money_proto::Money)| {
        let unknown = |_| {
            let pointer = format!("/prices/{index}/currency");
            Fault::invalid(pointer, "currency_unknown", "There is no such currency.")
        };
        Ok(Money::new(price.minor, price.currency.parse().map_err(unknown)?))
    };
    let prices = message.prices.iter().enumerate().map(price).collect::<fault::Result<_>>()?;
    Ok(BundleBody {
        name: message.name.trim().to_owned(),
        description: message.description,
        tokens: message.tokens,
        prices,
        active: message.active,
        sort_order: message.sort_order,
    })
}

/// An amount as a message.
pub(crate) fn money_message(amount: Money) -> money_proto::Money {
    money_proto::Money { minor: amount.minor(), currency: amount.currency().code().to_owned() }
}

/// A time as a message.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}
