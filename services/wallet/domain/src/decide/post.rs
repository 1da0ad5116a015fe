//! Post linked legs, all or nothing, in their order.
//!
//! Each leg must hold in its turn: a customer account never owes more than it may, not even between
//! two legs of one operation.

use crate::plan::Plan;
use crate::{Leg, LimitedVerb, POSTINGS_MAX, Rejection};

pub(super) fn post(plan: &mut Plan<'_>, legs: &[Leg], roles: &[String]) -> Result<(), Rejection> {
    well_formed(legs)?;
    for (index, leg) in legs.iter().enumerate() {
        plan.transfer(index, leg)?;
    }
    plan.limit_debits(LimitedVerb::Spend, roles)
}

pub(super) fn well_formed(legs: &[Leg]) -> Result<(), Rejection> {
    match legs.len() {
        0 => Err(Rejection::PostingsMissing),
        1..=POSTINGS_MAX => Ok(()),
        count => Err(Rejection::TooManyPostings { count, limit: POSTINGS_MAX }),
    }
}

pub(super) fn first_unknown(legs: &[Leg]) -> Rejection {
    legs.first().map_or(Rejection::PostingsMissing, |leg| Rejection::AccountUnknown { account: leg.debit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, given};
    use crate::samples::{
        a_command, a_customer, a_post, an_account_in_euro, an_issuance, customer, issuance,
    };
    use crate::{Command, Verb, Verdict};

    fn world() -> Given {
        given([an_issuance(), a_customer(1), a_customer(2)])
    }

    fn posting(legs: &[Leg]) -> Command {
        a_command(1, Verb::Post(legs.into()))
    }

    #[test]
    fn issuance_credits_a_customer() {
        let post = a_post(1, issuance(), customer(1), 100);
        world().when(&post).then_posted(&[(0, 1, 100, -100, 100)]);
    }

    #[test]
    fn a_customer_is_never_below_zero() {
        let post = a_post(2, customer(1), customer(2), 101);
        let refused = Rejection::InsufficientFunds { account: customer(1), available: 100, needed: 101 };
        world().and(a_post(1, issuance(), customer(1), 100)).when(&post).then_rejected(refused);
    }

    #[test]
    fn linked_legs_hold_in_their_turn() {
        let mut legs = vec![
            Leg { debit: issuance(), credit: customer(1), amount: 100 },
            Leg { debit: customer(1), credit: customer(2), amount: 60 },
        ];
        let post = posting(&legs);
        world().when(&post).then_posted(&[(0, 1, 100, -100, 100), (1, 2, 60, 40, 60)]);
        legs.reverse();
        let post = posting(&legs);
        let refused = Rejection::InsufficientFunds { account: customer(1), available: 0, needed: 60 };
        world().when(&post).then_rejected(refused);
    }

    #[test]
    fn a_repeated_operation_gets_the_first_answer() {
        let post = a_post(1, issuance(), customer(1), 100);
        world().and(post.clone()).when(&post).then(Verdict::Done { sequence: 2 });
    }

    #[test]
    fn a_repeated_id_with_another_body_is_refused() {
        let other = a_post(1, issuance(), customer(1), 101);
        let refused = Rejection::OperationIdReused { operation: other.operation };
        world().and(a_post(1, issuance(), customer(1), 100)).when(&other).then_rejected(refused);
    }

    #[test]
    fn accounts_must_be_open_in_the_tenant() {
        let post = a_post(1, issuance(), customer(9), 1);
        world().when(&post).then_rejected(Rejection::AccountUnknown { account: customer(9) });
        given([]).when(&post).then_rejected(Rejection::AccountUnknown { account: issuance() });
    }

    #[test]
    fn assets_do_not_mix() {
        let euro = an_account_in_euro(1);
        let post = a_post(1, issuance(), euro.account, 1);
        let refused = Rejection::AssetMismatch { index: 0, debit: crate::Asset::TOKEN, credit: euro.asset };
        given([an_issuance(), euro]).when(&post).then_rejected(refused);
    }

    #[test]
    fn amounts_are_above_zero() {
        for amount in [0, -1, i64::MIN] {
            let post = a_post(1, issuance(), customer(1), amount);
            world().when(&post).then_rejected(Rejection::AmountNotPositive { index: 0, amount });
        }
    }

    #[test]
    fn an_account_does_not_post_to_itself() {
        let post = a_post(1, customer(1), customer(1), 1);
        world().when(&post).then_rejected(Rejection::SameAccount { index: 0, account: customer(1) });
    }

    #[test]
    fn one_to_32_postings() {
        let leg = Leg { debit: issuance(), credit: customer(1), amount: 1 };
        let post = posting(&[leg; 33]);
        world().when(&post).then_rejected(Rejection::TooManyPostings { count: 33, limit: 32 });
        world().when(&posting(&[])).then_rejected(Rejection::PostingsMissing);
    }

    #[test]
    fn words_have_their_lengths() {
        let mut post = a_post(1, issuance(), customer(1), 1);
        post.note.reference = "é".repeat(201);
        world().when(&post).then_rejected(Rejection::ReferenceTooLong { limit: 200 });
        post.note.reference = "é".repeat(200);
        post.note.reason = "".into();
        world().when(&post).then_rejected(Rejection::ReasonOutOfRange { limit: 40 });
    }

    #[test]
    fn balances_stay_within_64_bits() {
        let most = a_post(1, issuance(), customer(1), i64::MAX);
        let one = a_post(2, issuance(), customer(1), 1);
        let refused = Rejection::BalanceOutOfRange { account: customer(1) };
        world().and(most.clone()).when(&one).then_rejected(refused);
        let two = a_post(2, issuance(), customer(2), 2);
        let refused = Rejection::BalanceOutOfRange { account: issuance() };
        world().and(most).when(&two).then_rejected(refused);
    }
}
