//! The small tables as messages, in an order that does not depend on hashing: equal states give
//! equal bytes.

use prost::Message;

use crate::effect::{Allocation, MeterPut, StoredRule};
use crate::state::{Acquaintance, Books, Counters, Hold, Undone, Usage, Watch, Window};
use crate::{Alerts, stored};

/// A slot of the table of holds; an empty one has no id.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredHold {
    #[prost(fixed64, optional, tag = "1")]
    id_high: Option<u64>,
    #[prost(fixed64, tag = "2")]
    id_low: u64,
    #[prost(uint32, tag = "3")]
    tenant: u32,
    #[prost(uint32, tag = "4")]
    account: u32,
    #[prost(uint32, tag = "5")]
    credit: u32,
    #[prost(int64, tag = "6")]
    left: i64,
    #[prost(int64, optional, tag = "7")]
    expires_at_ms: Option<i64>,
    #[prost(message, repeated, tag = "8")]
    allocations: Vec<Allocation>,
    #[prost(string, tag = "9")]
    meter: String,
    #[prost(int64, tag = "10")]
    quantity: i64,
}

/// Settings of a tenant.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredBooks {
    #[prost(int64, tag = "1")]
    pub(super) last_ms: i64,
    #[prost(message, repeated, tag = "2")]
    pub(super) limits: Vec<StoredRule>,
    #[prost(message, repeated, tag = "3")]
    pub(super) meters: Vec<MeterPut>,
}

/// What is counted.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredCounters {
    #[prost(message, repeated, tag = "1")]
    windows: Vec<StoredWindow>,
    #[prost(message, repeated, tag = "2")]
    usage: Vec<StoredUsage>,
    #[prost(message, repeated, tag = "3")]
    acquaintances: Vec<StoredAcquaintance>,
    #[prost(message, repeated, tag = "4")]
    watches: Vec<StoredWatch>,
    #[prost(message, repeated, tag = "5")]
    undone: Vec<StoredUndone>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredWindow {
    #[prost(uint32, tag = "1")]
    account: u32,
    #[prost(fixed64, tag = "2")]
    rule: u64,
    #[prost(int64, tag = "3")]
    slice_ms: i64,
    #[prost(int64, tag = "4")]
    newest: i64,
    #[prost(int64, repeated, tag = "5")]
    amounts: Vec<i64>,
    #[prost(uint32, repeated, tag = "6")]
    counts: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredUsage {
    #[prost(uint32, tag = "1")]
    account: u32,
    #[prost(string, tag = "2")]
    meter: String,
    #[prost(int64, tag = "3")]
    period_start_ms: i64,
    #[prost(int64, tag = "4")]
    used: i64,
    #[prost(int64, tag = "5")]
    reserved: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredAcquaintance {
    #[prost(uint32, tag = "1")]
    account: u32,
    #[prost(uint32, tag = "2")]
    recipient: u32,
    #[prost(int64, tag = "3")]
    since_ms: i64,
    #[prost(int64, tag = "4")]
    sent: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredWatch {
    #[prost(uint32, tag = "1")]
    account: u32,
    #[prost(int64, optional, tag = "2")]
    low_below: Option<i64>,
    #[prost(int64, optional, tag = "3")]
    top_up_below: Option<i64>,
    #[prost(int64, tag = "4")]
    top_up_amount: i64,
    #[prost(bool, tag = "5")]
    is_low: bool,
    #[prost(bool, tag = "6")]
    is_asked: bool,
}

#[derive(Clone, PartialEq, Message)]
struct StoredUndone {
    #[prost(uint32, tag = "1")]
    tenant: u32,
    #[prost(fixed64, tag = "2")]
    id_high: u64,
    #[prost(fixed64, tag = "3")]
    id_low: u64,
    #[prost(int64, tag = "4")]
    at_ms: i64,
    #[prost(int64, repeated, tag = "5")]
    legs: Vec<i64>,
}

impl StoredHold {
    pub(super) fn write(slot: Option<&Hold>) -> Self {
        let Some(hold) = slot else { return Self::default() };
        let (meter, quantity) = hold.usage.as_deref().cloned().unwrap_or_default();
        Self {
            id_high: Some(hold.id.0),
            id_low: hold.id.1,
            tenant: hold.tenant,
            account: hold.account,
            credit: hold.credit,
            left: hold.left,
            expires_at_ms: hold.expires_at_ms,
            allocations: hold.allocations.to_vec(),
            meter,
            quantity,
        }
    }

    pub(super) fn read(&self) -> Option<Hold> {
        let usage = (!self.meter.is_empty()).then(|| Box::new((self.meter.clone(), self.quantity)));
        Some(Hold {
            id: (self.id_high?, self.id_low),
            tenant: self.tenant,
            account: self.account,
            credit: self.credit,
            left: self.left,
            expires_at_ms: self.expires_at_ms,
            allocations: self.allocations.clone().into(),
            usage,
        })
    }
}

impl StoredBooks {
    pub(super) fn write(books: &Books) -> Self {
        let meters = books.meters.iter().map(stored::write_meter).collect();
        Self { last_ms: books.last_ms, limits: stored::write_rules(&books.limits), meters }
    }
}

impl StoredCounters {
    pub(super) fn write(counters: &Counters) -> Self {
        let mut stored = Self {
            windows: counters.windows.iter().map(StoredWindow::write).collect(),
            usage: counters.usage.iter().map(StoredUsage::write).collect(),
            acquaintances: counters.acquaintances.iter().map(StoredAcquaintance::write).collect(),
            watches: counters.watches.iter().map(StoredWatch::write).collect(),
            undone: counters.undone.iter().map(StoredUndone::write).collect(),
        };
        stored.windows.sort_unstable_by_key(|row| (row.account, row.rule));
        stored
            .usage
            .sort_unstable_by(|one, other| (one.account, &one.meter).cmp(&(other.account, &other.meter)));
        stored.acquaintances.sort_unstable_by_key(|row| (row.account, row.recipient));
        stored.watches.sort_unstable_by_key(|row| row.account);
        stored.undone.sort_unstable_by_key(|row| (row.tenant, row.id_high, row.id_low));
        stored
    }

    pub(super) fn read(&self) -> Option<Counters> {
        Some(Counters {
            windows: self.windows.iter().map(StoredWindow::read).collect::<Option<_>>()?,
            usage: self.usage.iter().map(StoredUsage::read).collect(),
            acquaintances: self.acquaintances.iter().map(StoredAcquaintance::read).collect(),
            watches: self.watches.iter().map(StoredWatch::read).collect(),
            undone: self.undone.iter().map(StoredUndone::read).collect(),
        })
    }
}

impl StoredWindow {
    fn write(((account, rule), window): (&(u32, u64), &Window)) -> Self {
        let (amounts, counts) = window.slices.iter().copied().unzip();
        Self {
            account: *account,
            rule: *rule,
            slice_ms: window.slice_ms,
            newest: window.newest,
            amounts,
            counts,
        }
    }

    fn read(&self) -> Option<((u32, u64), Window)> {
        let slices: Vec<_> = self.amounts.iter().copied().zip(self.counts.iter().copied()).collect();
        let window = Window { slice_ms: self.slice_ms, newest: self.newest, slices: slices.try_into().ok()? };
        Some(((self.account, self.rule), window))
    }
}

impl StoredUsage {
    fn write(((account, meter), usage): (&(u32, String), &Usage)) -> Self {
        let (account, meter) = (*account, meter.clone());
        let Usage { period_start_ms, used, reserved } = *usage;
        Self { account, meter, period_start_ms, used, reserved }
    }

    fn read(&self) -> ((u32, String), Usage) {
        let Self { period_start_ms, used, reserved, .. } = *self;
        ((self.account, self.meter.clone()), Usage { period_start_ms, used, reserved })
    }
}

impl StoredAcquaintance {
    fn write(((account, recipient), known): (&(u32, u32), &Acquaintance)) -> Self {
        Self { account: *account, recipient: *recipient, since_ms: known.since_ms, sent: known.sent }
    }

    const fn read(&self) -> ((u32, u32), Acquaintance) {
        ((self.account, self.recipient), Acquaintance { since_ms: self.since_ms, sent: self.sent })
    }
}

impl StoredWatch {
    fn write((account, watch): (&u32, &Watch)) -> Self {
        let Alerts { low_below, top_up_below, top_up_amount } = watch.alerts;
        let (is_low, is_asked) = (watch.is_low, watch.is_asked);
        Self { account: *account, low_below, top_up_below, top_up_amount, is_low, is_asked }
    }

    const fn read(&self) -> (u32, Watch) {
        let Self { low_below, top_up_below, top_up_amount, is_low, is_asked, .. } = *self;
        (self.account, Watch { alerts: Alerts { low_below, top_up_below, top_up_amount }, is_low, is_asked })
    }
}

impl StoredUndone {
    fn write(((tenant, id), undone): (&(u32, (u64, u64)), &Undone)) -> Self {
        let legs = undone.legs.to_vec();
        Self { tenant: *tenant, id_high: id.0, id_low: id.1, at_ms: undone.at_ms, legs }
    }

    fn read(&self) -> ((u32, (u64, u64)), Undone) {
        let undone = Undone { at_ms: self.at_ms, legs: self.legs.clone().into() };
        ((self.tenant, (self.id_high, self.id_low)), undone)
    }
}
