//! What may begin in a lane now, and when to look at it again. Pure: the rows are read and written
//! by `claim`.

use jiff::{SignedDuration, Timestamp};

/// A lane as it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lane {
    /// Deliveries that may begin per second; 0 means no limit.
    pub rate: f64,
    /// Deliveries at a time.
    pub concurrency: i64,
    /// Deliveries that run, on any replica.
    pub running: i64,
    /// Deliveries that may begin at once, as of `credited_at`.
    pub credit: f64,
    pub credited_at: Timestamp,
    /// Until when the endpoint asked to be left alone.
    pub paused_until: Option<Timestamp>,
    /// Whether nothing has succeeded lately.
    pub failing: bool,
}

impl Lane {
    /// How many may begin at `now`, and the credit before they do.
    pub(crate) fn allowance(&self, now: Timestamp) -> (i64, f64) {
        let credit = self.credit_at(now);
        if self.paused_until.is_some_and(|until| until > now) {
            return (0, credit);
        }
        // An endpoint that fails is felt for with one delivery at a time: it costs little, and it
        // is not hit with everything the moment it comes back.
        let width = if self.failing { 1 } else { self.concurrency };
        let free = (width - self.running).max(0);
        #[allow(clippy::cast_possible_truncation, reason = "credit is at most a thousand")]
        let paid_for = if self.rate > 0.0 { credit.floor() as i64 } else { free };
        (free.min(paid_for), credit)
    }

    /// When to look again after `taken` have begun, if `more` are due already. The end of a
    /// delivery looks at once, so nothing here needs to wait for one.
    pub(crate) fn look_again(
        &self,
        now: Timestamp,
        credit: f64,
        taken: i64,
        more: bool,
    ) -> Option<Timestamp> {
        if !more {
            return None;
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Some(until);
        }
        #[allow(clippy::cast_precision_loss, reason = "at most 64")]
        let left = credit - taken as f64;
        if self.rate > 0.0 && left < 1.0 {
            let wait = SignedDuration::try_from_secs_f64((1.0 - left) / self.rate)
                .unwrap_or(SignedDuration::from_secs(1));
            return now.saturating_add(wait).ok();
        }
        None
    }

    /// Credit grows with time, up to what one second allows.
    fn credit_at(&self, now: Timestamp) -> f64 {
        let elapsed = now.duration_since(self.credited_at).as_secs_f64().max(0.0);
        (self.credit + elapsed * self.rate).min(self.rate.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    fn lane() -> Lane {
        Lane {
            rate: 0.0,
            concurrency: 4,
            running: 0,
            credit: 1.0,
            credited_at: at(0),
            paused_until: None,
            failing: false,
        }
    }

    #[test]
    fn concurrency_counts_what_runs_anywhere() {
        assert_eq!(lane().allowance(at(0)).0, 4);
        assert_eq!(Lane { running: 3, ..lane() }.allowance(at(0)).0, 1);
        assert_eq!(Lane { running: 9, ..lane() }.allowance(at(0)).0, 0);
        assert_eq!(Lane { failing: true, ..lane() }.allowance(at(0)).0, 1);
        assert_eq!(Lane { failing: true, running: 1, ..lane() }.allowance(at(0)).0, 0);
    }

    #[test]
    fn a_rate_is_kept_and_one_second_of_it_may_be_saved_up() {
        let limited = Lane { rate: 2.0, credit: 0.0, ..lane() };
        assert_eq!(limited.allowance(at(400)).0, 0);
        assert_eq!(limited.allowance(at(500)).0, 1);
        assert_eq!(limited.allowance(at(60_000)).0, 2);
        assert_eq!(limited.look_again(at(500), 1.0, 1, true), Some(at(1000)));
        assert_eq!(limited.look_again(at(500), 1.0, 1, false), None);
    }

    #[test]
    fn a_pause_is_respected() {
        let paused = Lane { paused_until: Some(at(5_000)), ..lane() };
        assert_eq!(paused.allowance(at(4_999)).0, 0);
        assert_eq!(paused.look_again(at(0), 1.0, 0, true), Some(at(5_000)));
        assert_eq!(paused.allowance(at(5_000)).0, 4);
    }
}
