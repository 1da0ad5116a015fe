//! The ledger for people and data teams: one JSON object per line, accounts by their ids.
//!
//! Names of fields are stable and described in `docs/reference/ledger-export-format.md`. Units are
//! decimal strings, as in the rest of the product: a JSON number loses digits beyond 2^53.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;
use wallet_domain::effect::Change;
use wallet_domain::{AccountKind, AccountStatus, Batch, Kind, Opening, Origin, Posting, Recorded};

/// Writes the lines of one partition; needs every batch from the first, for the accounts' ids.
#[derive(Debug)]
pub struct Lines {
    partition: u16,
    tenants: Vec<Uuid>,
    accounts: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    tenant: Uuid,
    id: Uuid,
    asset: String,
}

#[derive(Serialize)]
struct AccountLine<'a> {
    r#type: &'static str,
    partition: u16,
    sequence: u64,
    tenant_id: Uuid,
    account_id: Uuid,
    kind: Option<&'static str>,
    asset: &'a str,
    owner_user_id: Option<Uuid>,
    at: String,
    #[serde(flatten)]
    origin: OriginFields<'a>,
}

#[derive(Serialize)]
struct OperationLine<'a> {
    r#type: &'static str,
    partition: u16,
    sequence: u64,
    index: u32,
    tenant_id: Option<Uuid>,
    operation_id: Uuid,
    kind: Option<&'static str>,
    at: String,
    reason: &'a str,
    reference: &'a str,
    metadata: Value,
    #[serde(flatten)]
    origin: OriginFields<'a>,
    postings: Vec<PostingFields<'a>>,
    effects: Vec<Value>,
}

#[derive(Serialize)]
struct OriginFields<'a> {
    actor: &'a str,
    correlation_id: Option<Uuid>,
    causation_id: Option<Uuid>,
}

#[derive(Serialize)]
struct PostingFields<'a> {
    debit_account_id: Option<Uuid>,
    credit_account_id: Option<Uuid>,
    asset: Option<&'a str>,
    amount: String,
    debit_balance_after: String,
    credit_balance_after: String,
}

impl Lines {
    /// The lines of a partition.
    #[must_use]
    pub const fn new(partition: u16) -> Self {
        Self { partition, tenants: Vec::new(), accounts: Vec::new() }
    }

    /// Notes the accounts that a batch opens.
    pub fn learn(&mut self, batch: &Batch) {
        for opening in &batch.openings {
            let tenant = opening.tenant();
            if !self.tenants.contains(&tenant) {
                self.tenants.push(tenant);
            }
            let asset = batch.word(opening.asset).unwrap_or_default().to_owned();
            self.accounts.push(Known { tenant, id: opening.account(), asset });
        }
    }

    /// Writes the lines of a batch whose accounts were learned. Answers how many.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, sequence: u64, batch: &Batch, out: &mut impl Write) -> io::Result<u64> {
        let mut lines = 0;
        for opening in &batch.openings {
            write_line(out, &self.account_line(sequence, batch, opening))?;
            lines += 1;
        }
        for (index, recorded) in (0..).zip(batch.recorded()) {
            write_line(out, &self.operation_line((sequence, index), batch, recorded))?;
            lines += 1;
        }
        Ok(lines)
    }

    fn account_line<'a>(&self, sequence: u64, batch: &'a Batch, opening: &Opening) -> AccountLine<'a> {
        let kind = i32::try_from(opening.kind).ok().and_then(|kind| AccountKind::try_from(kind).ok());
        AccountLine {
            r#type: "account",
            partition: self.partition,
            sequence,
            tenant_id: opening.tenant(),
            account_id: opening.account(),
            kind: kind.map(AccountKind::name),
            asset: batch.word(opening.asset).unwrap_or_default(),
            owner_user_id: opening.owner(),
            at: time(batch.at_ms.saturating_add(opening.at_offset_ms)),
            origin: origin(batch.origins.get(opening.origin as usize)),
        }
    }

    fn operation_line<'a>(
        &'a self,
        (sequence, index): (u64, u32),
        batch: &'a Batch,
        recorded: Recorded<'a>,
    ) -> OperationLine<'a> {
        let Recorded { operation, postings, effects } = recorded;
        let tenant_id = match operation.tenant.checked_sub(1) {
            Some(tenant) => self.tenants.get(tenant as usize).copied(),
            None => postings.first().and_then(|posting| Some(self.known(posting.debit)?.tenant)),
        };
        OperationLine {
            r#type: "operation",
            partition: self.partition,
            sequence,
            index,
            tenant_id,
            operation_id: operation.id(),
            kind: Kind::numbered(operation.kind).map(kind_name),
            at: time(batch.time_of(operation)),
            reason: batch.word(operation.reason).unwrap_or_default(),
            reference: &operation.reference,
            metadata: metadata(&operation.metadata),
            origin: origin(batch.origins.get(operation.origin as usize)),
            postings: postings.iter().map(|posting| self.posting(posting)).collect(),
            effects: effects
                .iter()
                .filter_map(|effect| Some(self.effect(operation.id(), effect.change.as_ref()?)))
                .collect(),
        }
    }

    fn known(&self, number: u32) -> Option<&Known> {
        self.accounts.get(number as usize)
    }

    fn id(&self, number: u32) -> Option<Uuid> {
        self.known(number).map(|known| known.id)
    }

    fn posting(&self, posting: &Posting) -> PostingFields<'_> {
        PostingFields {
            debit_account_id: self.id(posting.debit),
            credit_account_id: self.id(posting.credit),
            asset: self.known(posting.debit).map(|known| known.asset.as_str()),
            amount: posting.amount.to_string(),
            debit_balance_after: posting.debit_after.to_string(),
            credit_balance_after: posting.credit_after.to_string(),
        }
    }

    /// An effect as an object. When you add one, also describe it in the reference.
    fn effect(&self, operation: Uuid, change: &Change) -> Value {
        let units = |units: i64| units.to_string();
        let maybe = |units: Option<i64>| units.map(|units| units.to_string());
        match change {
            Change::LotOpened(lot) => {
                let terms = lot.terms.clone().unwrap_or_default();
                json!({"type": "lot_opened", "account_id": self.id(lot.account), "lot_id": lot.id(),
                    "granted": units(lot.amount), "source": terms.source, "priority": terms.priority,
                    "expires_at": terms.expires_at_ms.map(time), "posting": lot.leg})
            }
            Change::LotMoved(lot) => json!({"type": "lot_moved", "account_id": self.id(lot.account),
                "lot_id": lot.id(), "left": units(lot.left), "free_after": units(lot.free),
                "held_after": units(lot.held), "posting": lot.leg}),
            Change::LotJoined(lot) => json!({"type": "lot_joined", "account_id": self.id(lot.account),
                "lot_id": lot.id(), "joined": units(lot.amount), "free_after": units(lot.free),
                "held_after": units(lot.held), "posting": lot.leg}),
            Change::HoldPlaced(hold) => json!({"type": "hold_placed", "hold_id": operation,
                "account_id": self.id(hold.account), "credit_account_id": self.id(hold.credit),
                "amount": units(hold.amount), "expires_at": hold.expires_at_ms.map(time),
                "account_held_after": units(hold.held_after), "meter": text(&hold.meter),
                "quantity": units(hold.quantity)}),
            Change::HoldReduced(hold) => json!({"type": "hold_reduced", "hold_id": hold.id(),
                "account_id": self.id(hold.account), "captured": units(hold.captured),
                "released": units(hold.released), "left": units(hold.left),
                "account_held_after": units(hold.held_after), "ended": hold.ended}),
            Change::AccountChanged(changed) => json!({"type": "account_changed",
                "account_id": self.id(changed.account),
                "status": AccountStatus::numbered(changed.status).map(status_name),
                "overdraft": units(changed.overdraft), "low_below": maybe(changed.low_below),
                "top_up_below": maybe(changed.top_up_below), "top_up_amount": units(changed.top_up_amount)}),
            Change::Reversed(reversed) => {
                let id = Uuid::from_u64_pair(reversed.id_high, reversed.id_low);
                let undone: Vec<_> = reversed.undone.iter().map(|undone| units(*undone)).collect();
                json!({"type": "reversed", "reversed_operation_id": id, "undone_by_posting": undone})
            }
            Change::Counted(counted) => json!({"type": "limit_counted",
                "account_id": self.id(counted.account), "amount": units(counted.amount)}),
            Change::LimitsSet(set) => {
                let names: Vec<_> = set.rules.iter().map(|rule| rule.name.as_str()).collect();
                json!({"type": "limits_set", "rules": names})
            }
            Change::MeterPut(meter) => json!({"type": "meter_put", "meter": meter.name,
                "asset": meter.asset, "per": units(meter.per), "quota": maybe(meter.quota)}),
            Change::Used(used) => json!({"type": "meter_used", "account_id": self.id(used.account),
                "meter": used.meter, "quantity": units(used.quantity), "charged": units(used.charged),
                "period_start": time(used.period_start_ms), "used_after": units(used.used_after)}),
            Change::Alerted(alerted) => json!({"type": "balance_low",
                "account_id": self.id(alerted.account), "available": units(alerted.available),
                "below": units(alerted.below), "top_up_amount": units(alerted.top_up_amount)}),
            Change::Sent(sent) => json!({"type": "sent", "account_id": self.id(sent.account),
                "recipient_account_id": self.id(sent.recipient), "amount": units(sent.amount)}),
        }
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

fn origin(origin: Option<&Origin>) -> OriginFields<'_> {
    let correlation = origin.map(Origin::correlation_id).filter(|id| !id.is_nil());
    OriginFields {
        actor: origin.map_or("", |origin| &origin.actor),
        correlation_id: correlation,
        causation_id: origin.and_then(Origin::causation_id),
    }
}

fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}

/// The client's own object; kept as text if it is none.
fn metadata(stored: &str) -> Value {
    if stored.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(stored).unwrap_or_else(|_| Value::String(stored.to_owned()))
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Words of the export; stable for ever.
const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Post => "post",
        Kind::Hold => "hold",
        Kind::Capture => "capture",
        Kind::Release => "release",
        Kind::Reverse => "reverse",
        Kind::Convert => "convert",
        Kind::Grant => "grant",
        Kind::Transfer => "transfer",
        Kind::ChangeAccount => "change_account",
        Kind::SetLimits => "set_limits",
        Kind::PutMeter => "put_meter",
        Kind::ReserveUsage => "reserve_usage",
        Kind::SettleUsage => "settle_usage",
        Kind::RecordUsage => "record_usage",
        Kind::ExpireLot => "expire_lot",
        Kind::ExpireHold => "expire_hold",
    }
}

const fn status_name(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Open => "open",
        AccountStatus::DebitsFrozen => "debits_frozen",
        AccountStatus::Frozen => "frozen",
        AccountStatus::Closed => "closed",
    }
}
