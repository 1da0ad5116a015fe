//! Post linked legs, all or nothing, in their order.
//!
//! Each leg must hold in its turn: a customer account is never below zero, not even between two
//! legs of one operation. A repeated id is answered before any other rule, because what was posted
//! once stays posted even if the accounts could not do it again.

use ids::{AccountId, TenantId};
use smallvec::SmallVec;

use super::{Posted, Verdict};
use crate::state::Account;
use crate::{
    Leg, POSTINGS_MAX, PartitionState, Post, Posting, REASON_LENGTH_MAX, REFERENCE_LENGTH_MAX, Rejection,
    body,
};

pub(crate) fn post(
    state: &PartitionState,
    tenant: TenantId,
    command: &Post,
) -> Result<Verdict<Posted>, Rejection> {
    let body = body::digest(command);
    let Some(tenant) = state.tenants.find(&tenant) else {
        return Err(first_unknown(command));
    };
    if let Some(seen) = state.operations.find(tenant, command.operation) {
        return repeated(seen.body == body, seen.sequence, command);
    }
    if state.operations.may_be_forgotten(command.operation) {
        return Err(Rejection::OperationIdExpired { operation: command.operation });
    }
    well_formed(command)?;
    let mut postings = SmallVec::new();
    for (index, leg) in command.legs.iter().enumerate() {
        let posting = posting(state, tenant, index, leg, &postings)?;
        postings.push(posting);
    }
    Ok(Verdict::New(Posted { body, postings }))
}

fn repeated(same_body: bool, sequence: u64, command: &Post) -> Result<Verdict<Posted>, Rejection> {
    if same_body {
        Ok(Verdict::Done { sequence })
    } else {
        Err(Rejection::OperationIdReused { operation: command.operation })
    }
}

/// In a tenant without accounts every account is unknown; malformed commands are so first.
fn first_unknown(command: &Post) -> Rejection {
    let unknown = |leg: &Leg| Rejection::AccountUnknown { account: leg.debit };
    let first = command.legs.first().map_or(Rejection::PostingsMissing, unknown);
    well_formed(command).err().unwrap_or(first)
}

fn well_formed(command: &Post) -> Result<(), Rejection> {
    let count = command.legs.len();
    if count == 0 {
        return Err(Rejection::PostingsMissing);
    }
    if count > POSTINGS_MAX {
        return Err(Rejection::TooManyPostings { count, limit: POSTINGS_MAX });
    }
    if command.reason.is_empty() || longer_than(&command.reason, REASON_LENGTH_MAX) {
        return Err(Rejection::ReasonOutOfRange { limit: REASON_LENGTH_MAX });
    }
    if longer_than(&command.reference, REFERENCE_LENGTH_MAX) {
        return Err(Rejection::ReferenceTooLong { limit: REFERENCE_LENGTH_MAX });
    }
    Ok(())
}

fn longer_than(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}

fn posting(
    state: &PartitionState,
    tenant: u32,
    index: usize,
    leg: &Leg,
    before: &[Posting],
) -> Result<Posting, Rejection> {
    if leg.amount <= 0 {
        return Err(Rejection::AmountNotPositive { index, amount: leg.amount });
    }
    if leg.debit == leg.credit {
        return Err(Rejection::SameAccount { index, account: leg.debit });
    }
    let (debit, giving) = account(state, tenant, leg.debit)?;
    let (credit, taking) = account(state, tenant, leg.credit)?;
    same_asset(state, index, giving, taking)?;
    let debit_after = give(giving, balance(debit, giving, before), leg)?;
    let credit_after = balance(credit, taking, before)
        .checked_add(leg.amount)
        .ok_or(Rejection::BalanceOutOfRange { account: leg.credit })?;
    Ok(Posting { debit, credit, amount: leg.amount, debit_after, credit_after })
}

fn account(state: &PartitionState, tenant: u32, account: AccountId) -> Result<(u32, &Account), Rejection> {
    let number = state.accounts.find(tenant, account);
    number
        .and_then(|number| state.accounts.get(number).map(|row| (number, row)))
        .ok_or(Rejection::AccountUnknown { account })
}

fn same_asset(
    state: &PartitionState,
    index: usize,
    giving: &Account,
    taking: &Account,
) -> Result<(), Rejection> {
    let name = |row: &Account| state.assets.get(u32::from(row.asset)).copied();
    match (name(giving), name(taking)) {
        (Some(debit), Some(credit)) if debit != credit => {
            Err(Rejection::AssetMismatch { index, debit, credit })
        }
        _ => Ok(()),
    }
}

/// The balance after the earlier legs of the same operation.
fn balance(number: u32, row: &Account, before: &[Posting]) -> i64 {
    let latest = before.iter().rev().find_map(|posting| match number {
        _ if posting.debit == number => Some(posting.debit_after),
        _ if posting.credit == number => Some(posting.credit_after),
        _ => None,
    });
    latest.unwrap_or(row.balance)
}

fn give(row: &Account, available: i64, leg: &Leg) -> Result<i64, Rejection> {
    let account = leg.debit;
    let after = available.checked_sub(leg.amount).ok_or(Rejection::BalanceOutOfRange { account })?;
    if after < 0 && !row.kind.may_go_below_zero() {
        return Err(Rejection::InsufficientFunds { account, available, needed: leg.amount });
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, given};
    use crate::samples::{a_customer, a_post, an_account_in_euro, an_issuance, customer, issuance};

    fn world() -> Given {
        given([an_issuance(), a_customer(1), a_customer(2)])
    }

    fn posted(postings: &[(u32, u32, i64, i64, i64)], post: &Post) -> Verdict<Posted> {
        let postings = postings.iter().map(|(debit, credit, amount, debit_after, credit_after)| Posting {
            debit: *debit,
            credit: *credit,
            amount: *amount,
            debit_after: *debit_after,
            credit_after: *credit_after,
        });
        Verdict::New(Posted { body: body::digest(post), postings: postings.collect() })
    }

    #[test]
    fn issuance_credits_a_customer() {
        let post = a_post(1, issuance(), customer(1), 100);
        world().when(&post).then(posted(&[(0, 1, 100, -100, 100)], &post));
    }

    #[test]
    fn a_customer_is_never_below_zero() {
        let post = a_post(2, customer(1), customer(2), 101);
        let refused = Rejection::InsufficientFunds { account: customer(1), available: 100, needed: 101 };
        world().and(a_post(1, issuance(), customer(1), 100)).when(&post).then_rejected(refused);
    }

    #[test]
    fn linked_legs_hold_in_their_turn() {
        let mut post = a_post(1, issuance(), customer(1), 100);
        post.legs.push(Leg { debit: customer(1), credit: customer(2), amount: 60 });
        world().when(&post).then(posted(&[(0, 1, 100, -100, 100), (1, 2, 60, 40, 60)], &post));
        post.legs.reverse();
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
        let mut post = a_post(1, issuance(), customer(1), 1);
        post.legs = std::iter::repeat_n(post.legs[0], 33).collect();
        world().when(&post).then_rejected(Rejection::TooManyPostings { count: 33, limit: 32 });
        post.legs.clear();
        world().when(&post).then_rejected(Rejection::PostingsMissing);
    }

    #[test]
    fn words_have_their_lengths() {
        let mut post = a_post(1, issuance(), customer(1), 1);
        post.reference = "é".repeat(201);
        world().when(&post).then_rejected(Rejection::ReferenceTooLong { limit: 200 });
        post.reference = "é".repeat(200);
        post.reason = "".into();
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
