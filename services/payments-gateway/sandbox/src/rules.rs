//! What can be done to a payment, and when. Pure; the caller holds the row's lock.

use jiff::Timestamp;

use crate::payment::{
    CreateCapture, CreateDispute, CreateRefund, Dispute, Instrument, Payment, Refund, Status,
};
use crate::refusal::Refusal;

/// What a change means for the merchant: the type of the webhook to send, or nothing to tell.
pub type Change = Result<Option<&'static str>, Refusal>;

impl Payment {
    /// The customer confirmed on our page.
    ///
    /// # Errors
    /// When there is nothing to confirm.
    pub fn approve(&mut self, now: Timestamp) -> Change {
        match self.status {
            Status::RequiresAction => {
                let setup = self.purpose == "setup";
                if setup || self.save {
                    self.save_method();
                }
                let status = match () {
                    () if setup => Status::Saved,
                    () if self.manual => Status::Authorized,
                    () => Status::Captured,
                };
                Ok(Some(self.become_(status, now)))
            }
            Status::Captured | Status::Saved => Ok(None),
            _ => Err(not_now("payment_not_confirmable", self.status)),
        }
    }

    /// The customer, or their bank, refused on our page.
    ///
    /// # Errors
    /// When there is nothing to refuse.
    pub fn decline(&mut self, now: Timestamp) -> Change {
        match self.status {
            Status::RequiresAction => {
                self.failure_code = Some("authentication_failed".to_owned());
                Ok(Some(self.become_(Status::Failed, now)))
            }
            Status::Failed => Ok(None),
            _ => Err(not_now("payment_not_confirmable", self.status)),
        }
    }

    /// Takes what is reserved, or a part of it.
    ///
    /// # Errors
    /// When nothing is reserved, or less than this.
    pub fn capture(&mut self, wish: &CreateCapture, now: Timestamp) -> Change {
        let reserved = self.status == Status::Authorized || self.rest_reserved;
        if self.status == Status::Captured && wish.amount.is_none() {
            return Ok(None);
        }
        if !reserved {
            return Err(not_now("payment_not_capturable", self.status));
        }
        let left = self.amount.saturating_sub(self.amount_captured);
        let part = wish.amount.unwrap_or(left);
        if !(1..=left).contains(&part) {
            return Err(Refusal::invalid("amount_invalid", format!("Between 1 and {left} can be taken.")));
        }
        self.amount_captured = self.amount_captured.saturating_add(part);
        self.rest_reserved = wish.keep_rest && part < left;
        let whole = self.amount_captured == self.amount;
        let status = if whole { Status::Captured } else { Status::PartiallyCaptured };
        Ok(Some(self.become_(status, now)))
    }

    /// The bank has answered about a debit that was on its way.
    ///
    /// # Errors
    /// When nothing is on its way.
    pub fn settle(&mut self, now: Timestamp) -> Change {
        match self.status {
            Status::Processing => Ok(Some(self.become_(Status::Captured, now))),
            _ => self.capture(&CreateCapture::default(), now),
        }
    }

    /// The bank has refused a debit that was on its way.
    ///
    /// # Errors
    /// When nothing is on its way.
    pub fn bounce(&mut self, now: Timestamp) -> Change {
        match self.status {
            Status::Processing => {
                self.failure_code = Some("insufficient_funds".to_owned());
                Ok(Some(self.become_(Status::Failed, now)))
            }
            Status::Failed => Ok(None),
            _ => Err(not_now("payment_not_failable", self.status)),
        }
    }

    /// The customer's bank wants money back, or has decided about it.
    ///
    /// # Errors
    /// When nothing was taken, or nothing is disputed.
    pub fn dispute(&mut self, id: String, wish: &CreateDispute, now: Timestamp) -> Change {
        if !matches!(self.status, Status::Captured | Status::PartiallyCaptured) {
            return Err(not_now("payment_not_disputable", self.status));
        }
        self.updated_at = now;
        if let Some(outcome) = &wish.outcome {
            let open = self.disputes.iter_mut().find(|dispute| dispute.status == "open");
            let open = open.ok_or_else(|| Refusal::conflict("dispute_unknown", "Nothing is disputed."))?;
            open.status.clone_from(outcome);
            return Ok(Some("payment.dispute_closed"));
        }
        let (amount, reason) = (wish.amount.unwrap_or(self.taken()), "fraudulent".to_owned());
        self.disputes.push(Dispute { id, amount, reason, status: "open".to_owned() });
        Ok(Some("payment.disputed"))
    }

    /// All that was taken.
    fn taken(&self) -> i64 {
        if self.status == Status::Captured { self.amount } else { self.amount_captured }
    }

    /// Keeps the method for later charges.
    pub fn save_method(&mut self) {
        let suffix = self.id.trim_start_matches("pay_");
        self.instrument = Some(Instrument {
            token: format!("met_{suffix}"),
            kind: "card".to_owned(),
            brand: "sandbox".to_owned(),
            last4: "4242".to_owned(),
            expiry_month: 12,
            expiry_year: 2049,
        });
    }

    /// Gives it up.
    ///
    /// # Errors
    /// When it is decided already.
    pub fn void(&mut self, now: Timestamp) -> Change {
        match self.status {
            Status::RequiresAction | Status::Processing | Status::Authorized => {
                Ok(Some(self.become_(Status::Voided, now)))
            }
            Status::Voided => Ok(None),
            _ => Err(not_now("payment_not_voidable", self.status)),
        }
    }

    /// Gives money back.
    ///
    /// # Errors
    /// When nothing was taken, or less than this is left.
    pub fn refund(&mut self, refund_id: String, wish: &CreateRefund, now: Timestamp) -> Change {
        if !matches!(self.status, Status::Captured | Status::PartiallyCaptured) {
            return Err(not_now("payment_not_refundable", self.status));
        }
        if wish.currency.as_ref().is_some_and(|currency| *currency != self.currency) {
            return Err(Refusal::invalid("currency_differs", "The payment is in another currency."));
        }
        let left = self.taken().saturating_sub(self.amount_refunded);
        let amount = wish.amount.unwrap_or(left);
        if amount <= 0 {
            return Err(Refusal::invalid("amount_invalid", "A refund is above zero."));
        }
        if amount > left {
            return Err(Refusal::conflict("refund_exceeds_capture", format!("Only {left} are left.")));
        }
        self.amount_refunded = self.amount_refunded.saturating_add(amount);
        let reference = wish.reference.clone();
        self.refunds.push(Refund { id: refund_id, reference, amount, status: "completed".to_owned() });
        self.updated_at = now;
        Ok(Some("payment.refunded"))
    }

    fn become_(&mut self, status: Status, now: Timestamp) -> &'static str {
        self.status = status;
        self.redirect_url = None;
        self.updated_at = now;
        status.event()
    }
}

fn not_now(code: &'static str, status: Status) -> Refusal {
    Refusal::conflict(code, format!("The payment is {}.", status.event().trim_start_matches("payment.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn payment(status: Status) -> Payment {
        Payment {
            id: "pay_1".to_owned(),
            reference: "1".to_owned(),
            status,
            amount: 1000,
            currency: "EUR".to_owned(),
            amount_captured: 0,
            rest_reserved: false,
            amount_refunded: 0,
            disputes: Vec::new(),
            purpose: "payment".to_owned(),
            manual: false,
            save: false,
            instrument: None,
            method: "sandbox_card".to_owned(),
            description: String::new(),
            return_url: String::new(),
            redirect_url: None,
            failure_code: None,
            refunds: Vec::new(),
            created_at: NOW,
            updated_at: NOW,
        }
    }

    fn wish(amount: Option<i64>) -> CreateRefund {
        CreateRefund { reference: None, amount, currency: None }
    }

    #[test]
    fn what_the_states_allow() {
        type Verb = fn(&mut Payment, Timestamp) -> Change;
        let rows: [(Verb, [&str; 5]); 4] = [
            (
                Payment::approve,
                [
                    "payment.captured",
                    "payment_not_confirmable",
                    "",
                    "payment_not_confirmable",
                    "payment_not_confirmable",
                ],
            ),
            (
                Payment::decline,
                [
                    "payment.failed",
                    "payment_not_confirmable",
                    "payment_not_confirmable",
                    "",
                    "payment_not_confirmable",
                ],
            ),
            (
                |payment, now| payment.capture(&CreateCapture::default(), now),
                [
                    "payment_not_capturable",
                    "payment.captured",
                    "",
                    "payment_not_capturable",
                    "payment_not_capturable",
                ],
            ),
            (
                Payment::void,
                ["payment.voided", "payment.voided", "payment_not_voidable", "payment_not_voidable", ""],
            ),
        ];
        let states =
            [Status::RequiresAction, Status::Authorized, Status::Captured, Status::Failed, Status::Voided];
        for (verb, expected) in rows {
            for (state, expected) in states.into_iter().zip(expected) {
                let answer = verb(&mut payment(state), NOW);
                let word = answer.map_or_else(|refusal| refusal.code, Option::unwrap_or_default);
                assert_eq!(word, expected, "{state:?}");
            }
        }
    }

    #[test]
    fn parts_are_taken_until_nothing_is_left() {
        let mut payment = payment(Status::Authorized);
        let part = |amount, keep_rest| CreateCapture { amount: Some(amount), keep_rest };
        assert!(payment.capture(&part(400, true), NOW).is_ok());
        assert_eq!((payment.status, payment.rest_reserved), (Status::PartiallyCaptured, true));
        assert_eq!(payment.capture(&part(601, true), NOW).unwrap_err().code, "amount_invalid");
        assert!(payment.capture(&CreateCapture::default(), NOW).is_ok());
        assert_eq!((payment.status, payment.rest_reserved), (Status::Captured, false));
    }

    #[test]
    fn never_more_goes_back_than_was_taken() {
        let mut payment = payment(Status::Captured);
        assert!(payment.refund("ref_1".to_owned(), &wish(Some(600)), NOW).is_ok());
        let refused = payment.refund("ref_2".to_owned(), &wish(Some(401)), NOW).unwrap_err();
        assert_eq!(refused.code, "refund_exceeds_capture");
        assert!(payment.refund("ref_3".to_owned(), &wish(None), NOW).is_ok());
        assert_eq!(payment.amount_refunded, 1000);
    }
}
