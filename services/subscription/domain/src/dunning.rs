//! Dunning: what happens to a debt, and when.
//!
//! A schedule is data, per tenant and plan: so many days after the payment failed, charge the saved
//! method again, write a letter, or both; and after the last day the final action. What a bank will
//! not change its mind about (a stolen card) is not charged again, only written about; card schemes
//! fine merchants who try (Visa Rules 7.3.8, Mastercard Transaction Processing Rules 8.5).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Most steps of a schedule.
pub const STEPS_MAX: usize = 30;
/// The latest day of a schedule.
pub const DAYS_MAX: u16 = 180;

/// What a refused payment lets hope for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    /// It may work another day: no funds, no answer from the bank.
    Soft,
    /// It will not work with this method again: stolen, closed, expired.
    Hard,
    /// It works when the customer confirms it (strong customer authentication).
    AuthenticationRequired,
}

/// One step: `after_days` days after the payment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Days of 24 hours after the failure.
    pub after_days: u16,
    /// Whether the saved method is charged again.
    pub retry: bool,
    /// The letter to write: `reminder`; empty for none.
    pub letter: String,
}

/// What ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalAction {
    /// The subscription is cancelled.
    Cancel,
    /// It rests until the debt is paid.
    Pause,
    /// It stays past due; a person decides.
    Keep,
}

/// The schedule of a tenant or plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The steps, by day.
    pub steps: Vec<Step>,
    /// Days after the failure when the final action is taken.
    pub final_after_days: u16,
    /// What it is.
    pub final_action: FinalAction,
}

/// Why a schedule cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// More steps than allowed.
    #[error("at most {STEPS_MAX} steps")]
    TooManySteps,
    /// Steps are not in the order of their days.
    #[error("step {step} does not come after the one before it")]
    OutOfOrder {
        /// Which, from 0.
        step: usize,
    },
    /// A step does nothing.
    #[error("step {step} neither charges nor writes")]
    Idle {
        /// Which, from 0.
        step: usize,
    },
    /// The final action comes before a step, or too late.
    #[error("the final action comes after the last step and within {DAYS_MAX} days")]
    FinalOutOfRange,
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A step of the schedule, at its time.
    Step(u32, Timestamp),
    /// The final action, at its time.
    Final(Timestamp),
}

impl Default for Schedule {
    /// Three more attempts within two weeks, a letter with each, then the end.
    fn default() -> Self {
        let step = |after_days, letter: &str| Step { after_days, retry: true, letter: letter.to_owned() };
        Self {
            steps: vec![
                step(1, "payment_failed"),
                step(3, "reminder"),
                step(7, "reminder"),
                step(12, "last_reminder"),
            ],
            final_after_days: 14,
            final_action: FinalAction::Cancel,
        }
    }
}

impl Schedule {
    /// Whether it can be followed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), ScheduleError> {
        if self.steps.len() > STEPS_MAX {
            return Err(ScheduleError::TooManySteps);
        }
        let mut last = None;
        for (place, step) in self.steps.iter().enumerate() {
            if last.is_some_and(|last| step.after_days <= last) {
                return Err(ScheduleError::OutOfOrder { step: place });
            }
            if !step.retry && step.letter.is_empty() {
                return Err(ScheduleError::Idle { step: place });
            }
            last = Some(step.after_days);
        }
        let too_early = last.is_some_and(|last| self.final_after_days < last);
        if too_early || self.final_after_days > DAYS_MAX {
            return Err(ScheduleError::FinalOutOfRange);
        }
        Ok(())
    }

    /// What comes after `taken` steps of a debt that stands since `since`.
    #[must_use]
    pub fn next(&self, since: Timestamp, taken: u32) -> Next {
        let step = usize::try_from(taken).ok().and_then(|taken| self.steps.get(taken));
        match step {
            Some(step) => Next::Step(taken, days_after(since, step.after_days)),
            None => Next::Final(days_after(since, self.final_after_days)),
        }
    }
}

impl Next {
    /// When.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Step(_, at) | Self::Final(at) => *at,
        }
    }
}

impl Decline {
    /// Whether charging the same method again by ourselves can work.
    #[must_use]
    pub const fn may_be_retried(self) -> bool {
        matches!(self, Self::Soft)
    }
}

/// The end of the calendar when it does not fit.
fn days_after(since: Timestamp, days: u16) -> Timestamp {
    let hours = i64::from(days).saturating_mul(24);
    since.checked_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINCE: Timestamp = Timestamp::constant(1_795_435_200, 0);

    fn step(after_days: u16) -> Step {
        Step { after_days, retry: true, letter: String::new() }
    }

    fn schedule(days: &[u16], final_after_days: u16) -> Schedule {
        let steps = days.iter().copied().map(step).collect();
        Schedule { steps, final_after_days, final_action: FinalAction::Cancel }
    }

    #[test]
    fn the_standard_schedule_can_be_followed() {
        assert_eq!(Schedule::default().check(), Ok(()));
    }

    #[test]
    fn steps_come_in_order_and_do_something() {
        assert_eq!(schedule(&[3, 3], 9).check(), Err(ScheduleError::OutOfOrder { step: 1 }));
        assert_eq!(schedule(&[3, 7], 6).check(), Err(ScheduleError::FinalOutOfRange));
        assert_eq!(schedule(&[3, 7], 181).check(), Err(ScheduleError::FinalOutOfRange));
        let mut idle = schedule(&[3], 9);
        idle.steps[0].retry = false;
        assert_eq!(idle.check(), Err(ScheduleError::Idle { step: 0 }));
        assert_eq!(schedule(&[], 0).check(), Ok(()), "the final action at once");
    }

    #[test]
    fn days_count_from_the_first_failure() {
        let schedule = schedule(&[3, 7], 14);
        let at = |days: i64| SINCE.checked_add(SignedDuration::from_hours(days * 24)).unwrap();
        assert_eq!(schedule.next(SINCE, 0), Next::Step(0, at(3)));
        assert_eq!(schedule.next(SINCE, 1), Next::Step(1, at(7)));
        assert_eq!(schedule.next(SINCE, 2), Next::Final(at(14)));
    }
}
