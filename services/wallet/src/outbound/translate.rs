//! From operations to events:
//!
//! | Operation | Events |
//! |---|---|
//! | transfer | `tokens.transferred`, one for both sides |
//! | expiry, also by roll-over | `tokens.expired` |
//! | reversal | `tokens.reversed` for every customer entry |
//! | everything else that posts | `tokens.credited`, `tokens.spent` for every customer entry |
//! | any that crosses a threshold downward | `balance.low`, `balance.top_up_requested` |
//!
//! Ids of events follow from where the fact lies in the journal: publishing again gives the same ids.

use bus::{Outbound, canonical_json};
use contracts::vbwd::wallet::v1 as proto;
use fault::Fault;
use ids::EventId;
use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;
use wallet_domain::effect::{Alerted, Change};
use wallet_domain::{Batch, Kind, Origin, Posting, Recorded};

use super::{Customer, Customers};
use crate::NAME;
use crate::grpc::convert::timestamp;

/// Numbers of the accounts whose customers a batch is about.
pub(super) fn accounts(batch: &Batch) -> impl Iterator<Item = u32> {
    let posted = batch.postings.iter().flat_map(|posting| [posting.debit, posting.credit]);
    let alerted = batch.effects.iter().filter_map(|effect| match &effect.change {
        Some(Change::Alerted(alerted)) => Some(alerted.account),
        _ => None,
    });
    posted.chain(alerted)
}

/// The events of a batch, in the order of its operations.
pub(super) fn events(at: (u16, u64), batch: &Batch, customers: &Customers) -> fault::Result<Vec<Outbound>> {
    let mut translation = Translation { at, batch, customers, entries: 0, effects: 0, events: Vec::new() };
    for recorded in batch.recorded() {
        translation.operation(recorded)?;
    }
    Ok(translation.events)
}

struct Translation<'a> {
    at: (u16, u64),
    batch: &'a Batch,
    customers: &'a Customers,
    /// Entries and effects of the batch that were passed.
    entries: u32,
    effects: u32,
    events: Vec<Outbound>,
}

/// What events of one operation share.
struct About<'a> {
    recorded: Recorded<'a>,
    kind: Option<Kind>,
    when: Timestamp,
    reason: &'a str,
}

impl Translation<'_> {
    fn operation(&mut self, recorded: Recorded<'_>) -> fault::Result<()> {
        let (batch, operation) = (self.batch, recorded.operation);
        let when = Timestamp::from_millisecond(batch.time_of(operation)).map_err(Fault::internal)?;
        let reason = batch.word(operation.reason).unwrap_or_default();
        let about = About { recorded, kind: Kind::numbered(operation.kind), when, reason };
        for posting in recorded.postings {
            self.posting(&about, posting)?;
            self.entries += 2;
        }
        for effect in recorded.effects {
            if let Some(Change::Alerted(alerted)) = &effect.change {
                self.alert(&about, alerted)?;
            }
            self.effects += 1;
        }
        Ok(())
    }

    fn posting(&mut self, about: &About<'_>, posting: &Posting) -> fault::Result<()> {
        let (giving, taking) = (self.customers.get(&posting.debit), self.customers.get(&posting.credit));
        let sides = [
            (giving, posting.amount.saturating_neg(), posting.debit_after, self.entries),
            (taking, posting.amount, posting.credit_after, self.entries + 1),
        ];
        if about.kind == Some(Kind::Transfer)
            && let (Some(giving), Some(taking)) = (giving, taking)
        {
            return self.transferred(about, posting, (giving, taking));
        }
        for (customer, amount, after, index) in sides {
            let Some(customer) = customer else { continue };
            match about.kind {
                Some(Kind::Reverse) => self.reversed(about, customer, (amount, after), index)?,
                Some(Kind::ExpireLot) => self.expired(about, customer, (amount, after), index)?,
                Some(Kind::Grant) if amount < 0 => self.expired(about, customer, (amount, after), index)?,
                _ if amount > 0 => self.credited(about, customer, (amount, after), index)?,
                _ => self.spent(about, customer, (amount, after), index)?,
            }
        }
        Ok(())
    }

    fn credited(
        &mut self,
        about: &About<'_>,
        customer: &Customer,
        (amount, balance_after): (i64, i64),
        index: u32,
    ) -> fault::Result<()> {
        let message = proto::TokensCredited {
            account_id: customer.account.to_string(),
            user_id: customer.owner.to_string(),
            operation_id: about.id().to_string(),
            asset: customer.asset.clone(),
            amount,
            balance_after,
            reason: about.reason.to_owned(),
            reference: about.reference(),
            at: Some(timestamp(about.when)),
        };
        self.entry("tokens.credited", about, customer, index, &message)
    }

    fn spent(
        &mut self,
        about: &About<'_>,
        customer: &Customer,
        (amount, balance_after): (i64, i64),
        index: u32,
    ) -> fault::Result<()> {
        let message = proto::TokensSpent {
            account_id: customer.account.to_string(),
            user_id: customer.owner.to_string(),
            operation_id: about.id().to_string(),
            asset: customer.asset.clone(),
            amount: amount.saturating_abs(),
            balance_after,
            reason: about.reason.to_owned(),
            reference: about.reference(),
            at: Some(timestamp(about.when)),
        };
        self.entry("tokens.spent", about, customer, index, &message)
    }

    fn expired(
        &mut self,
        about: &About<'_>,
        customer: &Customer,
        (amount, balance_after): (i64, i64),
        index: u32,
    ) -> fault::Result<()> {
        let message = proto::TokensExpired {
            account_id: customer.account.to_string(),
            user_id: customer.owner.to_string(),
            operation_id: about.id().to_string(),
            asset: customer.asset.clone(),
            amount: amount.saturating_abs(),
            balance_after,
            at: Some(timestamp(about.when)),
        };
        self.entry("tokens.expired", about, customer, index, &message)
    }

    fn reversed(
        &mut self,
        about: &About<'_>,
        customer: &Customer,
        (amount, balance_after): (i64, i64),
        index: u32,
    ) -> fault::Result<()> {
        let undone = about.recorded.effects.iter().find_map(|effect| match &effect.change {
            Some(Change::Reversed(reversed)) => Some(Uuid::from_u64_pair(reversed.id_high, reversed.id_low)),
            _ => None,
        });
        let message = proto::TokensReversed {
            account_id: customer.account.to_string(),
            user_id: customer.owner.to_string(),
            operation_id: about.id().to_string(),
            reversed_operation_id: undone.map(|id| id.to_string()).unwrap_or_default(),
            asset: customer.asset.clone(),
            amount,
            balance_after,
            reason: about.reason.to_owned(),
            reference: about.reference(),
            at: Some(timestamp(about.when)),
        };
        self.entry("tokens.reversed", about, customer, index, &message)
    }

    fn transferred(
        &mut self,
        about: &About<'_>,
        posting: &Posting,
        (giving, taking): (&Customer, &Customer),
    ) -> fault::Result<()> {
        let message = proto::TokensTransferred {
            operation_id: about.id().to_string(),
            from_user_id: giving.owner.to_string(),
            to_user_id: taking.owner.to_string(),
            asset: giving.asset.clone(),
            amount: posting.amount,
            reason: about.reason.to_owned(),
            reference: about.reference(),
            from_balance_after: posting.debit_after,
            to_balance_after: posting.credit_after,
            at: Some(timestamp(about.when)),
        };
        let index = self.entries;
        self.entry("tokens.transferred", about, giving, index, &message)
    }

    /// What is enough again is no news.
    fn alert(&mut self, about: &About<'_>, alerted: &Alerted) -> fault::Result<()> {
        let Some(customer) = self.customers.get(&alerted.account) else { return Ok(()) };
        if alerted.available >= alerted.below {
            return Ok(());
        }
        let place = (Fact::Effect, self.effects);
        if alerted.top_up_amount > 0 {
            let message = proto::BalanceTopUpRequested {
                account_id: customer.account.to_string(),
                user_id: customer.owner.to_string(),
                operation_id: about.id().to_string(),
                asset: customer.asset.clone(),
                available: alerted.available,
                threshold: alerted.below,
                amount: alerted.top_up_amount,
                at: Some(timestamp(about.when)),
            };
            return self.push("balance.top_up_requested", about, customer, place, &message);
        }
        let message = proto::BalanceLow {
            account_id: customer.account.to_string(),
            user_id: customer.owner.to_string(),
            operation_id: about.id().to_string(),
            asset: customer.asset.clone(),
            available: alerted.available,
            threshold: alerted.below,
            at: Some(timestamp(about.when)),
        };
        self.push("balance.low", about, customer, place, &message)
    }

    fn entry<M: Message>(
        &mut self,
        event: &'static str,
        about: &About<'_>,
        customer: &Customer,
        index: u32,
        message: &M,
    ) -> fault::Result<()> {
        self.push(event, about, customer, (Fact::Entry, index), message)
    }

    fn push<M: Message>(
        &mut self,
        event: &'static str,
        about: &About<'_>,
        customer: &Customer,
        (fact, index): (Fact, u32),
        message: &M,
    ) -> fault::Result<()> {
        let (partition, sequence) = self.at;
        let place = format!("{partition}-{sequence}-{index}");
        let origin = self.batch.origins.get(about.recorded.operation.origin as usize);
        let data_schema = schema(event);
        self.events.push(Outbound {
            tenant: customer.tenant,
            service: NAME,
            aggregate: if event.starts_with("balance") { "balance" } else { "tokens" },
            event: event.to_owned(),
            event_id: EventId::derived(&[fact.word(), &place]),
            subject_id: customer.account.to_string(),
            sequence: format!("{partition:05}-{sequence:016x}-{}{index:08x}", fact.rank()),
            at: about.when,
            correlation_id: origin.map(Origin::correlation_id).unwrap_or_else(|| about.id()),
            causation_id: Some(about.id()),
            traceparent: origin.map(|origin| origin.traceparent.clone()).filter(|text| !text.is_empty()),
            data: canonical_json(data_schema, message)?,
            data_schema,
        });
        Ok(())
    }
}

/// What an event is about: entries come before effects.
#[derive(Clone, Copy)]
enum Fact {
    Entry,
    Effect,
}

impl Fact {
    const fn word(self) -> &'static str {
        match self {
            Self::Entry => "ledger-entry",
            Self::Effect => "ledger-effect",
        }
    }

    const fn rank(self) -> &'static str {
        match self {
            Self::Entry => "",
            Self::Effect => "e",
        }
    }
}

impl About<'_> {
    const fn id(&self) -> Uuid {
        self.recorded.operation.id()
    }

    fn reference(&self) -> String {
        self.recorded.operation.reference.clone()
    }
}

/// The message of an event.
fn schema(event: &str) -> &'static str {
    match event {
        "tokens.credited" => "vbwd.wallet.v1.TokensCredited",
        "tokens.spent" => "vbwd.wallet.v1.TokensSpent",
        "tokens.expired" => "vbwd.wallet.v1.TokensExpired",
        "tokens.reversed" => "vbwd.wallet.v1.TokensReversed",
        "tokens.transferred" => "vbwd.wallet.v1.TokensTransferred",
        "balance.top_up_requested" => "vbwd.wallet.v1.BalanceTopUpRequested",
        _ => "vbwd.wallet.v1.BalanceLow",
    }
}
