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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, given};
    use crate::samples::{
        a_command, a_customer, a_grant, a_post, a_request_later, a_system, an_account_in_euro, an_issuance,
        customer, issuance, tenant,
    };
    use crate::{AccountTerms, Command, Verb};

    fn in_euro(kind: AccountKind) -> AccountTerms {
        AccountTerms::system(tenant(), kind, an_account_in_euro(1).asset)
    }

    fn world() -> Given {
        let systems = [an_issuance(), a_system(AccountKind::Liquidity), in_euro(AccountKind::Liquidity)];
        given(systems.into_iter().chain([a_customer(1), an_account_in_euro(1), a_customer(2)])).and(a_post(
            100,
            issuance(),
            customer(1),
            1_000,
        ))
    }

    fn convert(amount: i64, rate_numerator: i64, rate_denominator: i64) -> Convert {
        let (from, to) = (customer(1), an_account_in_euro(1).account);
        Convert { from, to, amount, rate_numerator, rate_denominator }
    }

    fn asking(convert: Convert) -> Command {
        a_command(1, Verb::Convert(convert))
    }

    #[test]
    fn both_sides_pass_through_liquidity_and_fractions_stay_there() {
        let said = world().when(&asking(convert(100, 2, 3)));
        said.then_posted(&[(3, 1, 100, 900, 100), (2, 4, 66, -66, 66)]);
    }

    #[test]
    fn each_asset_stays_balanced_on_its_own() {
        let world = world().and(asking(convert(100, 2, 3)));
        assert!(world.state().sums().values().all(|sum| *sum == 0));
    }

    #[test]
    fn terms_of_lots_end() {
        let world = world().and(a_grant(2, 1, 100, Some(1_000))).and(asking(convert(100, 1, 1)));
        assert!(world.lots(a_customer(1)).is_empty() && world.lots(an_account_in_euro(1)).is_empty());
        let world = world.and_expired(&a_request_later(1_000));
        assert_eq!(world.account(an_account_in_euro(1)).balance, 100);
    }

    #[test]
    fn amounts_and_rates_are_above_zero() {
        let refused = Rejection::AmountNotPositive { index: 0, amount: 0 };
        world().when(&asking(convert(0, 1, 1))).then_rejected(refused);
        for (numerator, denominator) in [(0, 1), (1, 0), (-1, 1), (1, i64::MIN)] {
            let refused = Rejection::malformed("/rate", "both parts above zero");
            world().when(&asking(convert(1, numerator, denominator))).then_rejected(refused);
        }
    }

    #[test]
    fn less_than_a_unit_is_refused_and_so_is_more_than_fits() {
        world().when(&asking(convert(2, 1, 3))).then_rejected(Rejection::AmountTooSmall);
        let refused = Rejection::BalanceOutOfRange { account: an_account_in_euro(1).account };
        world().when(&asking(convert(3, i64::MAX, 2))).then_rejected(refused);
    }

    #[test]
    fn assets_must_differ() {
        let same = Convert { to: customer(2), ..convert(5, 1, 1) };
        world().when(&asking(same)).then_rejected(Rejection::SameAsset { asset: Asset::TOKEN });
    }

    #[test]
    fn liquidity_must_be_open_and_does_not_convert_itself() {
        let sink = a_system(AccountKind::Liquidity).account;
        let itself = Convert { from: sink, ..convert(5, 1, 1) };
        world().when(&asking(itself)).then_rejected(Rejection::SameAccount { index: 0, account: sink });
        let source = in_euro(AccountKind::Liquidity).account;
        let itself = Convert { to: source, ..convert(5, 1, 1) };
        world().when(&asking(itself)).then_rejected(Rejection::SameAccount { index: 1, account: source });
        let refused = Rejection::AccountUnknown { account: source };
        given([a_system(AccountKind::Liquidity), a_customer(1), an_account_in_euro(1)])
            .when(&asking(convert(5, 1, 1)))
            .then_rejected(refused);
    }
}
