//! The digest by which a repeated operation is told from a reused id.
//!
//! It covers what the client said, not what followed. XXH3 is stable across machines and releases;
//! 64 bits suffice, because a collision could only return a client its own earlier answer.

use prost::Message as _;
use smallvec::SmallVec;

use crate::{
    AccountChange, Capture, Command, Convert, Expire, Freeze, Grant, Hold, Leg, LotTerms, RecordUsage,
    Release, ReserveUsage, Reverse, RollOver, SettleUsage, Verb, stored,
};

/// The digest of a command, without its operation id: equal for equal orders.
#[must_use]
pub fn digest(command: &Command) -> u64 {
    let mut body = Body(SmallVec::new());
    body.verb(&command.verb);
    body.length(command.note.reason.len());
    body.text(&command.note.reason);
    body.text(&command.note.reference);
    if !command.note.metadata.is_empty() {
        body.text("\0metadata\0");
        body.text(&command.note.metadata);
    }
    twox_hash::XxHash3_64::oneshot(&body.0)
}

/// Bytes to be digested. Every verb but `Post` begins with its name: posts were there first.
struct Body(SmallVec<[u8; 128]>);

impl Body {
    fn verb(&mut self, verb: &Verb) {
        match verb {
            Verb::Post(legs) => legs.iter().for_each(|leg| self.leg(leg)),
            Verb::Transfer(leg) => self.named("transfer").leg(leg),
            Verb::Hold(Hold { leg, expires_at_ms }) => self.named("hold").optional(*expires_at_ms).leg(leg),
            Verb::Capture(Capture { hold, amount, release_rest }) => {
                self.named("capture").id(hold.as_uuid()).optional(*amount).number(i64::from(*release_rest));
            }
            Verb::Release(Release { hold, amount }) => {
                self.named("release").id(hold.as_uuid()).optional(*amount);
            }
            Verb::Reverse(command) => self.reverse(command),
            Verb::Convert(command) => self.convert(command),
            Verb::Grant(command) => self.grant(command),
            Verb::ChangeAccount(command) => {
                self.named("change-account").id(command.account.as_uuid()).change(&command.change);
            }
            Verb::SetLimits(rules) => {
                self.named("set-limits");
                stored::write_rules(rules).iter().for_each(|rule| self.bytes(&rule.encode_to_vec()));
            }
            Verb::PutMeter(meter) => {
                self.named("put-meter").bytes(&stored::write_meter(meter).encode_to_vec());
            }
            Verb::ReserveUsage(ReserveUsage { meter, account, credit, quantity, expires_at_ms }) => {
                self.named("reserve-usage").named(meter).id(account.as_uuid()).id(credit.as_uuid());
                self.number(*quantity).optional(*expires_at_ms);
            }
            Verb::SettleUsage(SettleUsage { hold, quantity }) => {
                self.named("settle-usage").id(hold.as_uuid()).number(*quantity);
            }
            Verb::RecordUsage(RecordUsage { meter, account, credit, quantity }) => {
                self.named("record-usage").named(meter).id(account.as_uuid()).id(credit.as_uuid());
                self.number(*quantity);
            }
            Verb::Expire(due) => {
                let (Expire::Hold(number) | Expire::Lot(number)) = due;
                self.named("expire").number(i64::from(*number));
            }
        }
    }

    fn reverse(&mut self, command: &Reverse) {
        self.named("reverse").id(command.original.operation.as_uuid());
        for part in &command.parts {
            self.number(i64::from(part.leg)).number(part.amount);
        }
    }

    fn convert(&mut self, command: &Convert) {
        self.named("convert").id(command.from.as_uuid()).id(command.to.as_uuid());
        self.number(command.amount).number(command.rate_numerator).number(command.rate_denominator);
    }

    fn grant(&mut self, command: &Grant) {
        let LotTerms { source, priority, expires_at_ms, series } = &command.terms;
        self.named("grant").named(source).number(i64::from(*priority)).optional(*expires_at_ms);
        self.number(series.cast_signed());
        match command.roll_over {
            RollOver::Keep => self.number(0),
            RollOver::None => self.number(1),
            RollOver::All => self.number(2),
            RollOver::Capped(most) => self.number(3).number(most),
        };
        self.leg(&command.leg);
    }

    fn change(&mut self, change: &AccountChange) {
        match change {
            AccountChange::Freeze(Freeze::None) => self.number(0),
            AccountChange::Freeze(Freeze::Debits) => self.number(1),
            AccountChange::Freeze(Freeze::All) => self.number(2),
            AccountChange::Close => self.number(3),
            AccountChange::Overdraft(most) => self.number(4).number(*most),
            AccountChange::Alerts(alerts) => self
                .number(5)
                .optional(alerts.low_below)
                .optional(alerts.top_up_below)
                .number(alerts.top_up_amount),
        };
    }

    fn leg(&mut self, leg: &Leg) {
        self.id(leg.debit.as_uuid()).id(leg.credit.as_uuid()).number(leg.amount);
    }

    fn named(&mut self, name: &str) -> &mut Self {
        self.length(name.len());
        self.text(name);
        self
    }

    fn id(&mut self, id: uuid::Uuid) -> &mut Self {
        self.0.extend_from_slice(id.as_bytes());
        self
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn optional(&mut self, number: Option<i64>) -> &mut Self {
        self.0.push(u8::from(number.is_some()));
        self.number(number.unwrap_or_default())
    }

    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&length.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{a_post, customer, issuance};

    #[test]
    fn the_digest_is_pinned() {
        let post = a_post(1, issuance(), customer(1), 5);
        assert_eq!(digest(&post), 2_056_350_933_632_407_550);
    }

    #[test]
    fn every_part_of_the_body_counts() {
        let post = a_post(1, issuance(), customer(1), 5);
        let mut others = vec![post.clone(), post.clone(), post.clone(), post.clone()];
        others[0].note.reference.push('x');
        others[1].note.reason = "other".into();
        others[2].note.metadata.push_str("{}");
        others[3].verb = Verb::Transfer(Leg { debit: issuance(), credit: customer(1), amount: 5 });
        for other in others {
            assert_ne!(digest(&other), digest(&post));
        }
    }
}
