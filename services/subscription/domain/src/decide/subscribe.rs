//! A customer subscribes: with a trial, or straight into the first period.

use jiff::Timestamp;

use super::{Decision, check_quantity};
use crate::commands::Subscribe;
use crate::events::{Activated, Created, PeriodStarted, SubscriptionEvent, TrialStarted};
use crate::period::Anchor;
use crate::rejection::Rejection;
use crate::state::{Status, Subscription};

pub(crate) fn subscribe(subscription: &Subscription, command: Subscribe, at: Timestamp) -> Decision {
    if subscription.status() != Status::None {
        return Err(Rejection::AlreadyCreated);
    }
    check_quantity(command.quantity)?;
    let Subscribe { user_id, terms, quantity, zone, trial_days, line_id } = command;
    let anchor = Anchor { at, zone: zone.clone() };
    let charges = Subscription::charges(&terms, quantity, &[])?;
    let period = anchor.period(terms.period, 0)?;
    let created = SubscriptionEvent::Created(Created { user_id, terms, quantity, zone, line_id, at });
    if trial_days > 0 {
        let ends_at = anchor.after_days(trial_days)?;
        return Ok(vec![created, SubscriptionEvent::TrialStarted(TrialStarted { ends_at })]);
    }
    let started = PeriodStarted { cycle: 1, period, anchor, charges, prepaid: line_id.is_some() };
    Ok(vec![
        created,
        SubscriptionEvent::Activated(Activated { at }),
        SubscriptionEvent::PeriodStarted(started),
    ])
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use super::*;
    use crate::SubscriptionCommand;
    use crate::samples::{
        NOON, activated, created, later, monthly, period_started, subscribing, trial_started,
    };

    fn command(change: impl FnOnce(&mut Subscribe)) -> SubscriptionCommand {
        let mut command = subscribing(monthly());
        change(&mut command);
        SubscriptionCommand::Subscribe(command)
    }

    #[test]
    fn the_first_period_begins_at_once() {
        given::<Subscription>([]).when(command(|_| ()), NOON).then([
            created(monthly()),
            activated(),
            period_started(1),
        ]);
    }

    #[test]
    fn a_trial_comes_first_and_costs_nothing() {
        given::<Subscription>([])
            .when(command(|command| command.trial_days = 14), NOON)
            .then([created(monthly()), trial_started(later(14))]);
    }

    #[test]
    fn seats_are_one_to_a_million() {
        for quantity in [i64::MIN, 0, 1_000_001] {
            given::<Subscription>([])
                .when(command(|command| command.quantity = quantity), NOON)
                .then_rejected(Rejection::QuantityOutOfRange);
        }
    }

    #[test]
    fn a_zone_that_does_not_exist_is_refused() {
        given::<Subscription>([])
            .when(command(|command| command.zone = "Europe/Atlantis".to_owned()), NOON)
            .then_rejected(Rejection::Calendar(crate::CalendarError::ZoneUnknown));
    }

    #[test]
    fn it_begins_once() {
        given::<Subscription>([created(monthly()), activated(), period_started(1)])
            .when(command(|_| ()), NOON)
            .then_rejected(Rejection::AlreadyCreated);
    }
}
