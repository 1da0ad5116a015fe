//! Convert units of one asset into another at a given rate. Both sides pass through the liquidity
//! account of their asset, so each asset stays balanced on its own. The result is rounded down: the
//! fraction of a unit stays with the liquidity account.

use crate::plan::{Credit, Debit, Plan};
use crate::{AccountKind, Asset, Convert, LimitedVerb, Rejection, system_account};

pub(super) fn convert(plan: &mut Plan<'_>, command: &Convert, roles: &[String]) -> Result<(), Rejection> {
    if command.amount <= 0 {
        return Err(Rejection::AmountNotPositive { index: 0, amount: command.amount });
    }
    if command.rate_numerator <= 0 || command.rate_denominator <= 0 {
        return Err(Rejection::malformed("/rate", "both parts above zero"));
    }
    let (from, to) = (plan.find(command.from)?, plan.find(command.to)?);
    let (sold, bought) = (asset(plan, from)?, asset(plan, to)?);
    if sold == bought {
        return Err(Rejection::SameAsset { asset: sold });
    }
    let result = converted(command).ok_or(Rejection::BalanceOutOfRange { account: command.to })?;
    if result == 0 {
        return Err(Rejection::AmountTooSmall);
    }
    let (sink, source) = (liquidity(plan, sold)?, liquidity(plan, bought)?);
    if from == sink {
        return Err(Rejection::SameAccount { index: 0, account: command.from });
    }
    if source == to {
        return Err(Rejection::SameAccount { index: 1, account: command.to });
    }
    plan.shift(from, sink, command.amount, &Debit::InOrder, &Credit::AsTaken)?;
    plan.shift(source, to, result, &Debit::InOrder, &Credit::AsTaken)?;
    plan.limit(LimitedVerb::Convert, from, command.amount, roles)
}

fn converted(command: &Convert) -> Option<i64> {
    let product = i128::from(command.amount).checked_mul(i128::from(command.rate_numerator))?;
    i64::try_from(product.checked_div(i128::from(command.rate_denominator))?).ok()
}

fn asset(plan: &mut Plan<'_>, number: u32) -> Result<Asset, Rejection> {
    let place = plan.touch(number)?;
    let row = *plan.row(place);
    Ok(plan.asset(&row))
}

fn liquidity(plan: &Plan<'_>, asset: Asset) -> Result<u32, Rejection> {
    let tenant = plan.state.tenants.get(plan.tenant()).ok_or(Rejection::NoAccounts)?;
    plan.find(system_account(*tenant, AccountKind::Liquidity, asset))
}
