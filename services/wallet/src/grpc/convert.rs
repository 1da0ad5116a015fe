//! Between messages and the domain, and from rejections to faults.

use std::str::FromStr;
use std::sync::Arc;

use auth::Caller;
use contracts::vbwd::money::v1 as money_proto;
use contracts::vbwd::wallet::v1 as proto;
use eventstore::CommandContext;
use fault::Fault;
use ids::AccountId;
use jiff::Timestamp;
use money::{Currency, Money};
use wallet_domain::{AccountKind, AccountView, Asset, Kind, LotView, Origin, Request};

pub(crate) use super::refusals::refused;
use crate::Position;
use crate::bundles::{Bundle, BundleBody};
use crate::history::{EntryLine, Filter};

/// What the ledger needs to know of a call, with the roles of who acts.
pub(crate) fn request_of(caller: &Caller, context: &CommandContext) -> Request {
    let service = caller.is_service().then(|| "service".to_owned());
    Request { roles: caller.roles.iter().cloned().chain(service).collect(), ..request(context) }
}

/// What the ledger needs to know of a call.
pub(crate) fn request(context: &CommandContext) -> Request {
    let origin = Origin {
        actor: context.actor.clone(),
        correlation: context.correlation_id.as_bytes().to_vec(),
        causation: context.causation_id.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        traceparent: context.traceparent.clone().unwrap_or_default(),
    };
    let (tenant, at_ms) = (context.tenant, context.at.as_millisecond());
    Request { tenant, at_ms, origin: Arc::new(origin), roles: Arc::default() }
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

/// An account's figures as a message.
pub(crate) fn balance_message(view: &AccountView, lots: &[LotView], position: Position) -> proto::Balance {
    proto::Balance {
        account_id: view.terms.account.to_string(),
        asset: view.terms.asset.to_string(),
        posted: view.balance,
        held: view.held,
        available: view.available(),
        position: position.to_string(),
        overdraft_limit: view.overdraft,
        lots: lots.iter().map(lot_message).collect(),
    }
}

/// The figures of an account that was never opened.
pub(crate) fn empty_balance(account: AccountId, asset: Asset, position: Position) -> proto::Balance {
    proto::Balance {
        account_id: account.to_string(),
        asset: asset.to_string(),
        position: position.to_string(),
        ..proto::Balance::default()
    }
}

/// A lot with units left as a message.
fn lot_message(lot: &LotView) -> proto::Lot {
    proto::Lot {
        lot_id: lot.id.to_string(),
        source: lot.terms.source.to_string(),
        priority: lot.terms.priority.into(),
        expires_at: lot.terms.expires_at_ms.map(milliseconds),
        granted: lot.granted,
        free: lot.free,
        held: lot.held,
    }
}

/// An account as a message.
pub(crate) fn account_message(view: &AccountView) -> proto::Account {
    proto::Account {
        account_id: view.terms.account.to_string(),
        kind: view.terms.kind as i32,
        asset: view.terms.asset.to_string(),
        owner_user_id: view.terms.owner.map(|owner| owner.to_string()).unwrap_or_default(),
        status: i32::from(view.status as u8).saturating_add(1),
        overdraft_limit: view.overdraft,
        low_below: view.alerts.low_below,
        top_up_below: view.alerts.top_up_below,
        top_up_amount: view.alerts.top_up_amount,
    }
}

/// A statement's line as a message.
pub(crate) fn entry_message(line: &EntryLine, asset: &str, partition: u16) -> proto::Entry {
    let entry = &line.entry;
    proto::Entry {
        account_id: line.account.to_string(),
        operation_id: entry.operation().to_string(),
        asset: asset.to_owned(),
        amount: entry.amount,
        balance_after: entry.balance_after,
        reason: entry.reason.clone(),
        reference: entry.reference.clone(),
        at: Some(milliseconds(entry.at_ms)),
        position: Position { partition, sequence: entry.sequence }.to_string(),
        kind: kind_number(entry.kind),
    }
}

/// The number of an operation's kind in messages: there 0 means none.
pub(crate) fn kind_number(kind: u32) -> i32 {
    i32::try_from(kind).unwrap_or_default().saturating_add(1)
}

/// What a statement is asked with.
pub(crate) fn filter(message: Option<proto::EntryFilter>) -> fault::Result<Filter> {
    let message = message.unwrap_or_default();
    let unknown = |pointer: &str| Fault::invalid(pointer, "unknown", "There is no such value.");
    let kind = match u32::try_from(message.kind) {
        Ok(0) => None,
        Ok(number) => Some(Kind::numbered(number.saturating_sub(1)).ok_or_else(|| unknown("/filter/kind"))?),
        Err(_) => return Err(unknown("/filter/kind")),
    };
    let incoming = match message.direction {
        0 => None,
        1 => Some(true),
        2 => Some(false),
        _ => return Err(unknown("/filter/direction")),
    };
    Ok(Filter {
        from_ms: message.from.map(|at| time_ms(&at, "/filter/from")).transpose()?,
        until_ms: message.until.map(|at| time_ms(&at, "/filter/until")).transpose()?,
        reason: message.reason,
        reference: message.reference,
        kind,
        incoming,
    })
}

/// A time in a message, milliseconds since 1970.
pub(crate) fn time_ms(at: &prost_types::Timestamp, pointer: &str) -> fault::Result<i64> {
    let time = Timestamp::new(at.seconds, at.nanos);
    time.map(Timestamp::as_millisecond).map_err(|_| Fault::invalid(pointer, "malformed", "This is no time."))
}

/// Milliseconds since 1970 as a message.
pub(crate) fn milliseconds(at_ms: i64) -> prost_types::Timestamp {
    timestamp(Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX))
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
