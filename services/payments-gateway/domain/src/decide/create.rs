//! Create: start collecting. Creating again with the same terms changes nothing.

use jiff::Timestamp;

use super::Decision;
use crate::{Created, Payment, PaymentEvent, PaymentRejection, Terms};

/// Decides [`Create`](crate::PaymentCommand::Create).
pub fn create(payment: &Payment, terms: Terms, created_at: Timestamp) -> Decision {
    match &payment.terms {
        Some(agreed) if agreed.collects_the_same(&terms) => Ok(Vec::new()),
        Some(_) => Err(PaymentRejection::TermsDiffer),
        None if !terms.amount.is_positive() => Err(PaymentRejection::AmountNotPositive),
        None => Ok(vec![PaymentEvent::Created(Created { terms, created_at })]),
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;
    use money::{Currency, Money};

    use crate::tests::samples::*;
    use crate::{Payment, PaymentCommand, PaymentEvent, PaymentRejection, Terms};

    #[test]
    fn a_payment_begins_with_its_terms() {
        given::<Payment>([]).when(PaymentCommand::Create(terms()), AT).then([created()]);
    }

    #[test]
    fn the_same_payment_again_is_no_second_payment() {
        let again = Terms { description: "other words".to_owned(), ..terms() };
        given::<Payment>([created()]).when(PaymentCommand::Create(again), AT).then_nothing();
    }

    #[test]
    fn other_terms_under_the_same_id_are_refused() {
        let dearer = Terms { amount: Money::new(1001, Currency::EUR), ..terms() };
        let other = Terms { method: "sandbox_pending".to_owned(), ..terms() };
        for terms in [dearer, other] {
            given::<Payment>([created()])
                .when(PaymentCommand::Create(terms), AT)
                .then_rejected(PaymentRejection::TermsDiffer);
        }
    }

    #[test]
    fn nothing_or_less_is_not_collected() {
        for minor in [0, -1] {
            let free = Terms { amount: Money::new(minor, Currency::EUR), ..terms() };
            given::<Payment>(Vec::<PaymentEvent>::new())
                .when(PaymentCommand::Create(free), AT)
                .then_rejected(PaymentRejection::AmountNotPositive);
        }
    }
}
