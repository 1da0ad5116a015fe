//! Open an account: customer accounts have an owner, system accounts have none.

use ids::TenantId;

use super::Verdict;
use crate::{AccountKind, AccountTerms, OpenAccount, PartitionState, Rejection};

/// Most assets that a partition can number.
const ASSETS_MAX: usize = 1 << 16;

pub(crate) fn open_account(
    state: &PartitionState,
    tenant: TenantId,
    command: &OpenAccount,
) -> Result<Verdict<()>, Rejection> {
    let terms = &command.terms;
    match (terms.kind, terms.owner) {
        (AccountKind::Customer, None) => return Err(Rejection::OwnerMissing),
        (kind, Some(_)) if kind != AccountKind::Customer => return Err(Rejection::OwnerUnexpected),
        _ => {}
    }
    if let Some(open) = state.account(tenant, terms.account) {
        return as_before(&open.terms, terms, state.sequence());
    }
    if state.account_count() >= u32::MAX as usize || !has_room_for(state, terms) {
        return Err(Rejection::PartitionFull);
    }
    Ok(Verdict::New(()))
}

fn as_before(open: &AccountTerms, asked: &AccountTerms, sequence: u64) -> Result<Verdict<()>, Rejection> {
    if open == asked {
        Ok(Verdict::Done { sequence })
    } else {
        Err(Rejection::AccountExists { account: asked.account })
    }
}

fn has_room_for(state: &PartitionState, terms: &AccountTerms) -> bool {
    state.assets.len() < ASSETS_MAX || state.assets.find(&terms.asset).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::given;
    use crate::samples::{a_customer, an_issuance, tenant, user};
    use crate::{Asset, customer_account};

    #[test]
    fn an_account_is_opened() {
        given([]).when_opened(a_customer(1)).then(Verdict::New(()));
        given([]).when_opened(an_issuance()).then(Verdict::New(()));
    }

    #[test]
    fn opening_again_with_the_same_terms_changes_nothing() {
        given([a_customer(1)]).when_opened(a_customer(1)).then(Verdict::Done { sequence: 1 });
    }

    #[test]
    fn other_terms_for_an_open_account_are_refused() {
        let other = AccountTerms { asset: "EUR".parse().unwrap(), ..a_customer(1) };
        let account = customer_account(tenant(), user(1), Asset::TOKEN);
        given([a_customer(1)]).when_opened(other).then_rejected(Rejection::AccountExists { account });
    }

    #[test]
    fn customers_need_an_owner_and_systems_none() {
        let unowned = AccountTerms { owner: None, ..a_customer(1) };
        given([]).when_opened(unowned).then_rejected(Rejection::OwnerMissing);
        let owned = AccountTerms { owner: Some(user(1)), ..an_issuance() };
        given([]).when_opened(owned).then_rejected(Rejection::OwnerUnexpected);
    }
}
