//! Expire: the time to pay is over. Where the provider can be told, it is told first, because a
//! customer who is on its page this moment must not pay for something that we have given up.

use super::{Decision, failed, known};
use crate::{Payment, PaymentEvent, Status, VoidReason, VoidRequested};

/// Failure code of a payment whose time ran out.
pub const EXPIRED: &str = "expired";

/// Decides [`Expire`](crate::PaymentCommand::Expire).
pub fn expire(payment: &Payment, voidable: bool) -> Decision {
    let terms = known(payment)?;
    match payment.status {
        // Money may have been taken that nobody agreed on: a person decides, not the clock.
        Status::Contradicted => Ok(Vec::new()),
        status if !status.is_open() => Ok(Vec::new()),
        _ if !voidable || payment.provider_reference.is_none() => {
            Ok(vec![failed(terms, EXPIRED.to_owned(), None)])
        }
        _ if payment.void_requested.is_some() => Ok(Vec::new()),
        _ => Ok(vec![PaymentEvent::VoidRequested(VoidRequested { reason: VoidReason::Expired })]),
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use crate::tests::samples::*;
    use crate::{Payment, PaymentCommand, VoidReason};

    const VOIDABLE: PaymentCommand = PaymentCommand::Expire { voidable: true };
    const FINAL: PaymentCommand = PaymentCommand::Expire { voidable: false };

    #[test]
    fn the_provider_is_told_first() {
        let expiring = void_requested(VoidReason::Expired);
        given::<Payment>(until_action_required()).when(VOIDABLE, AT).then([expiring.clone()]);
        given::<Payment>([until_action_required(), vec![expiring]].concat())
            .when(VOIDABLE, AT)
            .then_nothing();
    }

    #[test]
    fn where_nobody_can_be_told_it_has_failed() {
        given::<Payment>(until_action_required()).when(FINAL, AT).then([failed("expired")]);
        given::<Payment>([created()]).when(VOIDABLE, AT).then([failed("expired")]);
    }

    #[test]
    fn what_is_decided_does_not_expire() {
        given::<Payment>(until_captured()).when(VOIDABLE, AT).then_nothing();
        given::<Payment>([created(), failed("card_declined")]).when(FINAL, AT).then_nothing();
    }
}
