//! Currencies without minor digits, and with three.

use ids::RefundId;
use money::Money;
use payments_gateway::provider::RefundOrder;
use payments_gateway_domain::ProviderState;

use super::rig::{Rig, Way, Wish, read};

pub async fn amounts_of_every_exponent_come_back_as_they_went(rig: &impl Rig) {
    for (minor, code) in
        [(1999, "EUR"), (2000, "JPY"), (12_340, "KWD"), (5, "ISK"), (700, "UGX"), (500, "MGA")]
    {
        let amount = Money::new(minor, code.parse().unwrap());
        let wish = Wish::of(rig, Way::Instant).costing(amount);
        let reference = wish.pay(rig, Way::Instant).await;
        let payment = read(rig, &reference).await;
        assert_eq!((payment.state, payment.amount), (ProviderState::Captured, amount), "{code}");
        let refund = RefundOrder { reference: &reference, refund_id: RefundId::new(), amount };
        let after = rig.provider().refund(refund).await.unwrap();
        assert_eq!(after.refunds[0].amount, amount, "{code}");
    }
}
