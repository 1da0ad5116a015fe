//! The rules, by what they are about.

mod boundary;
mod cancel;
mod change;
mod pause;
mod payment;
mod subscribe;

pub(crate) use boundary::{extend, pass_boundary};
pub(crate) use cancel::{cancel, restore, undo_cancel};
pub(crate) use change::{change, change_add_on, drop_scheduled_change};
pub(crate) use pause::{pause, resume};
pub(crate) use payment::{record_invoice_paid, record_payment_failed, take_dunning_step};
pub(crate) use subscribe::subscribe;

use crate::events::SubscriptionEvent;
use crate::rejection::Rejection;
use crate::terms::QUANTITY_MAX;

pub(crate) type Decision = Result<Vec<SubscriptionEvent>, Rejection>;

const fn check_quantity(quantity: i64) -> Result<(), Rejection> {
    match quantity {
        1..=QUANTITY_MAX => Ok(()),
        _ => Err(Rejection::QuantityOutOfRange),
    }
}
