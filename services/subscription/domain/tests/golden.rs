//! The stored form of every event.

use subscription_domain::samples::{
    NOON, activated, add_on_changed, cancel_scheduled, cancelled, change_scheduled, created, customer,
    dunning_step_taken, eur, expired, extended, later, monthly, past_due, paused, period_started,
    plan_changed, recovered, restored, resumed, retry_failed, trial_started, yearly,
};
use subscription_domain::{CancelUndone, ChangeDropped, SubscriptionEvent};

#[test]
fn stored_events_keep_their_form() {
    kernel::testing::golden(
        concat!(env!("CARGO_MANIFEST_DIR"), "/golden"),
        &[
            created(monthly()),
            trial_started(later(14)),
            activated(),
            period_started(1),
            past_due(),
            retry_failed(),
            dunning_step_taken(0),
            recovered(later(2)),
            cancel_scheduled(),
            SubscriptionEvent::CancelUndone(CancelUndone {}),
            cancelled(customer(), eur(1_000), NOON),
            expired(),
            paused(Some(later(20))),
            resumed(864_000, later(20)),
            change_scheduled(yearly()),
            SubscriptionEvent::ChangeDropped(ChangeDropped {}),
            plan_changed(),
            add_on_changed(2),
            extended(later(60)),
            restored(),
        ],
    );
}
