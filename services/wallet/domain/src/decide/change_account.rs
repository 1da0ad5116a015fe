//! Change an account's settings: freeze, close, overdraft, alerts.

use crate::effect::{AccountChanged, Change};
use crate::plan::Plan;
use crate::state::Account;
use crate::{AccountChange, AccountKind, AccountStatus, Alerts, ChangeAccount, Freeze, Rejection};

pub(super) fn change_account(plan: &mut Plan<'_>, command: &ChangeAccount) -> Result<(), Rejection> {
    let account = plan.find(command.account)?;
    let place = plan.touch(account)?;
    let row = *plan.row(place);
    if row.status == AccountStatus::Closed {
        return Err(Rejection::AccountClosed { account: command.account });
    }
    let watch = plan.state.counters.watches.get(&account);
    let mut alerts = watch.map(|watch| watch.alerts).unwrap_or_default();
    let (mut status, mut overdraft) = (row.status, row.overdraft);
    match command.change {
        AccountChange::Freeze(freeze) => status = frozen(freeze),
        AccountChange::Close => status = closed(&row)?,
        AccountChange::Overdraft(most) => overdraft = allowed(&row, most)?,
        AccountChange::Alerts(wanted) => alerts = checked(&row, wanted)?,
    }
    let changed = plan.row(place);
    (changed.status, changed.overdraft) = (status, overdraft);
    plan.set_alerts(place, alerts);
    plan.note(Change::AccountChanged(AccountChanged {
        account,
        status: u32::from(status as u8),
        overdraft,
        low_below: alerts.low_below,
        top_up_below: alerts.top_up_below,
        top_up_amount: alerts.top_up_amount,
    }));
    Ok(())
}

const fn frozen(freeze: Freeze) -> AccountStatus {
    match freeze {
        Freeze::None => AccountStatus::Open,
        Freeze::Debits => AccountStatus::DebitsFrozen,
        Freeze::All => AccountStatus::Frozen,
    }
}

fn closed(row: &Account) -> Result<AccountStatus, Rejection> {
    if row.balance != 0 || row.held != 0 {
        return Err(Rejection::AccountNotEmpty { account: row.id(), balance: row.balance, held: row.held });
    }
    Ok(AccountStatus::Closed)
}

/// A lower overdraft than is used is allowed: the account then gives nothing until it owes less.
fn allowed(row: &Account, most: i64) -> Result<i64, Rejection> {
    if row.kind != AccountKind::Customer {
        return Err(Rejection::NotACustomer { account: row.id() });
    }
    if most < 0 {
        return Err(Rejection::malformed("/overdraft_limit", "0 or above"));
    }
    Ok(most)
}

fn checked(row: &Account, alerts: Alerts) -> Result<Alerts, Rejection> {
    if row.kind != AccountKind::Customer {
        return Err(Rejection::NotACustomer { account: row.id() });
    }
    let is_whole = match alerts.top_up_below {
        Some(_) => alerts.top_up_amount > 0,
        None => alerts.top_up_amount == 0,
    };
    if !is_whole {
        return Err(Rejection::malformed("/top_up_amount", "above zero, with a threshold"));
    }
    Ok(alerts)
}

#[cfg(test)]
mod tests;
