//! What becomes of an append, decided without waiting: told what the journal answered, it says what
//! to do next. The appender waits between its steps; the simulation does not.
//!
//! An append whose answer was lost is repeated with the same row under the same epoch: it either
//! goes in now, or a row is there and says itself whether it is ours.

use std::time::{Duration, Instant};

use journal::{JournalError, Row};

const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// What to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Read the row with the number of ours.
    Look,
    /// Append again after so long.
    Repeat(Duration, JournalError),
    /// It is settled: the row is in the journal, or it is not, or nobody knows.
    Done(Result<(), JournalError>),
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is in the journal.
    Durable,
    /// It is not, or nobody knows.
    Unknown,
}

/// An append that is not settled yet.
pub(crate) struct Settling {
    began: Instant,
    patience: Duration,
    pause: Duration,
    refused: Option<JournalError>,
}

impl Settling {
    /// The row is sent for the first time.
    pub(crate) const fn begun(now: Instant, patience: Duration) -> Self {
        Self { began: now, patience, pause: PAUSE_MIN, refused: None }
    }

    /// The append was answered.
    pub(crate) fn appended(&mut self, outcome: Result<(), JournalError>, now: Instant) -> Next {
        match outcome {
            Ok(()) => Next::Done(Ok(())),
            Err(error @ (JournalError::Taken { .. } | JournalError::Fenced { .. })) => {
                self.refused = Some(error);
                Next::Look
            }
            Err(error) => self.repeat(error, now),
        }
    }

    /// The look at the row with the number of ours was answered. It is ours when it was written under
    /// our epoch: who owned the partition since may have written the very same facts, and more after.
    pub(crate) fn looked(
        &mut self,
        ours: &Row,
        stored: Result<Vec<Row>, JournalError>,
        now: Instant,
    ) -> Next {
        match (stored, self.refused.take()) {
            (Ok(rows), _) if rows.first() == Some(ours) => Next::Done(Ok(())),
            (Ok(_), Some(refused)) => Next::Done(Err(refused)),
            (Ok(_), None) => Next::Done(Err(JournalError::unavailable("nothing was appended yet"))),
            (Err(error), _) => self.repeat(error, now),
        }
    }

    fn repeat(&mut self, error: JournalError, now: Instant) -> Next {
        let silent = matches!(error, JournalError::Unavailable(_));
        if !silent || now.saturating_duration_since(self.began) >= self.patience {
            return Next::Done(Err(error));
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        Next::Repeat(pause, error)
    }
}

#[cfg(test)]
mod tests {
    use journal::{Chain, Lease};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn row(epoch: u64) -> Row {
        Chain::start(0).seal(epoch, vec![7])
    }

    fn fenced() -> Result<(), JournalError> {
        Err(JournalError::Fenced { lease: Lease { partition: 0, epoch: 1 } })
    }

    fn silence() -> Result<(), JournalError> {
        Err(JournalError::unavailable("silence"))
    }

    #[test]
    fn a_refused_append_is_durable_when_the_row_is_there() {
        let now = Instant::now();
        for (stored, durable) in [(vec![row(1)], true), (vec![], false)] {
            let mut settling = Settling::begun(now, PATIENCE);
            assert!(matches!(settling.appended(fenced(), now), Next::Look));
            let Next::Done(outcome) = settling.looked(&row(1), Ok(stored), now) else { panic!("unsettled") };
            assert_eq!(outcome.is_ok(), durable);
        }
    }

    #[test]
    fn the_same_facts_under_another_epoch_are_not_ours() {
        let now = Instant::now();
        let mut settling = Settling::begun(now, PATIENCE);
        assert_eq!(row(1).hash, row(2).hash);
        assert!(matches!(settling.appended(fenced(), now), Next::Look));
        assert!(matches!(settling.looked(&row(1), Ok(vec![row(2)]), now), Next::Done(Err(_))));
    }

    #[test]
    fn silence_is_repeated_until_the_patience_is_over() {
        let now = Instant::now();
        let mut settling = Settling::begun(now, PATIENCE);
        let pauses = [0, 1, 2].map(|_| match settling.appended(silence(), now) {
            Next::Repeat(pause, _) => pause.as_millis(),
            other => panic!("{other:?}"),
        });
        assert_eq!(pauses, [5, 10, 20]);
        assert!(matches!(settling.appended(silence(), now + PATIENCE), Next::Done(Err(_))));
    }

    #[test]
    fn a_look_that_stays_without_an_answer_settles_nothing() {
        let now = Instant::now();
        let mut settling = Settling::begun(now, PATIENCE);
        assert!(matches!(settling.appended(fenced(), now), Next::Look));
        let looked = settling.looked(&row(1), Err(JournalError::unavailable("silence")), now);
        assert!(matches!(looked, Next::Repeat(..)));
    }
}
