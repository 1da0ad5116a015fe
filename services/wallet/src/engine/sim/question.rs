//! What clients read, in a form that both the ledger and the auditor can answer. An account that is
//! not open reads like an empty one: within a batch the journal does not say which came first.

use ids::{AccountId, OperationId, TenantId};
use wallet_domain::PartitionState;
use wallet_domain::samples::NOON_MS;

#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    Account(TenantId, AccountId),
    Available(TenantId, AccountId),
    Hold(TenantId, OperationId),
    Operation(TenantId, OperationId),
    Trial(TenantId),
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Account(Figures),
    Available(i64),
    /// What is left of it.
    Hold(Option<i64>),
    /// In which batch it was recorded.
    Operation(Option<u64>),
    /// Asset, kind, posted, held; sorted, without zeros.
    Trial(Vec<(String, u8, i128, i128)>),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Figures {
    pub(super) balance: i64,
    pub(super) held: i64,
    pub(super) overdraft: i64,
    pub(super) status: u8,
    pub(super) lots_free: i64,
    pub(super) lots_held: i64,
    /// Meter, used, reserved; sorted, without zeros.
    pub(super) usage: Vec<(String, i64, i64)>,
}

impl Question {
    /// What the ledger says.
    pub(super) fn look(self, state: &PartitionState) -> Seen {
        match self {
            Self::Account(tenant, account) => Seen::Account(figures(state, tenant, account)),
            Self::Available(tenant, account) => {
                let view = state.account(tenant, account);
                Seen::Available(view.map(|view| view.available()).unwrap_or_default())
            }
            Self::Hold(tenant, hold) => Seen::Hold(state.hold(tenant, hold).map(|hold| hold.left)),
            Self::Operation(tenant, operation) => Seen::Operation(state.operation(tenant, operation)),
            Self::Trial(tenant) => {
                let lines = state.trial_balance(tenant).into_iter();
                let lines =
                    lines.map(|line| (line.asset.to_string(), line.kind as u8, line.posted, line.held));
                Seen::trial(lines.collect())
            }
        }
    }
}

impl Seen {
    pub(super) fn trial(mut lines: Vec<(String, u8, i128, i128)>) -> Self {
        lines.retain(|(_, _, posted, held)| (*posted, *held) != (0, 0));
        lines.sort();
        Self::Trial(lines)
    }
}

fn figures(state: &PartitionState, tenant: TenantId, account: AccountId) -> Figures {
    let Some(view) = state.account(tenant, account) else { return Figures::default() };
    let (mut lots_free, mut lots_held) = (0, 0);
    for lot in state.lots_of(view.number) {
        (lots_free, lots_held) = (lots_free + lot.free, lots_held + lot.held);
    }
    let usage = state.usage_of(tenant, view.number, NOON_MS);
    let mut usage: Vec<_> = usage.map(|view| (view.meter.name, view.used, view.reserved)).collect();
    usage.retain(|(_, used, reserved)| (*used, *reserved) != (0, 0));
    usage.sort();
    let (balance, held, overdraft) = (view.balance, view.held, view.overdraft);
    Figures { balance, held, overdraft, status: view.status as u8, lots_free, lots_held, usage }
}
