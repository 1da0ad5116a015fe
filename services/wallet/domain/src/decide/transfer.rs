//! Transfer units between users. Lots keep their terms on the way, so a gift cannot outlive its
//! expiry. Limits of transfers apply, and those for recipients that are new.

use crate::plan::Plan;
use crate::{Leg, LimitedVerb, Rejection};

pub(super) fn transfer(plan: &mut Plan<'_>, leg: &Leg, roles: &[String]) -> Result<(), Rejection> {
    plan.customer(leg.debit)?;
    plan.customer(leg.credit)?;
    plan.transfer(0, leg)?;
    plan.limit_debits(LimitedVerb::Transfer, roles)?;
    let parties = (plan.find(leg.debit)?, plan.find(leg.credit)?);
    plan.limit_recipient(parties, leg.amount, roles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, given};
    use crate::samples::{
        NOON_MS, a_command, a_customer, a_grant, a_post, a_request_later, a_system, an_issuance, customer,
        issuance, tenant, user,
    };
    use crate::{AccountKind, Command, Verb};

    fn world() -> Given {
        given([an_issuance(), a_system(AccountKind::Breakage), a_customer(1), a_customer(2), a_customer(3)])
    }

    fn a_transfer(number: u32, from: u32, to: u32, amount: i64) -> Command {
        a_command(number, Verb::Transfer(Leg { debit: customer(from), credit: customer(to), amount }))
    }

    #[test]
    fn units_go_from_user_to_user() {
        let world = world().and(a_post(1, issuance(), customer(1), 10));
        world.when(&a_transfer(2, 1, 2, 4)).then_posted(&[(2, 3, 4, 6, 4)]);
    }

    #[test]
    fn lots_keep_their_terms_on_the_way() {
        let world = world()
            .and(a_grant(1, 1, 10, Some(1_000)))
            .and(a_grant(2, 1, 10, Some(2_000)))
            .and(a_post(3, issuance(), customer(1), 10))
            .and(a_transfer(4, 1, 2, 25));
        assert_eq!(world.lots(a_customer(2)), [(10, 0), (10, 0)]);
        let expiries: Vec<_> =
            world.lot_views(a_customer(2)).iter().map(|lot| lot.terms.expires_at_ms).collect();
        assert_eq!(expiries, [Some(NOON_MS + 1_000), Some(NOON_MS + 2_000)]);
        let ids: std::collections::HashSet<_> =
            world.lot_views(a_customer(2)).iter().map(|lot| lot.id).collect();
        assert_eq!(ids.len(), 2, "every lot has an id of its own");
        let world = world.and_expired(&a_request_later(1_500));
        assert_eq!(world.account(a_customer(2)).balance, 15, "a gift does not outlive its expiry");
    }

    #[test]
    fn only_users_transfer_and_only_to_users() {
        for (debit, credit) in [(issuance(), customer(1)), (customer(1), issuance())] {
            let transfer = a_command(1, Verb::Transfer(Leg { debit, credit, amount: 1 }));
            world().when(&transfer).then_rejected(Rejection::NotACustomer { account: issuance() });
        }
    }

    #[test]
    fn a_user_does_not_transfer_to_themselves() {
        let refused = Rejection::SameAccount { index: 0, account: customer(1) };
        world().when(&a_transfer(1, 1, 1, 1)).then_rejected(refused);
    }

    #[test]
    fn assets_do_not_mix() {
        let euro = crate::samples::an_account_in_euro(2);
        let leg = Leg { debit: customer(1), credit: euro.account, amount: 1 };
        let refused = Rejection::AssetMismatch { index: 0, debit: crate::Asset::TOKEN, credit: euro.asset };
        given([a_customer(1), euro]).when(&a_command(1, Verb::Transfer(leg))).then_rejected(refused);
        assert_eq!(crate::customer_account(tenant(), user(1), crate::Asset::TOKEN), customer(1));
    }
}
