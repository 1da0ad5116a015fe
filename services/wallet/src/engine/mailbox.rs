//! The way into a partition: bounded by the number of operations, never by waiting.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::work::Work;

/// Where callers put work and the partition's writer takes it from.
pub(crate) struct Mailbox {
    waiting: Mutex<Waiting>,
    limit: usize,
}

#[derive(Default)]
struct Waiting {
    works: VecDeque<Work>,
    operations: usize,
    is_closed: bool,
}

/// Why work was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Too much waits already.
    Overloaded,
    /// The partition is not served here any more.
    Closed,
}

/// What was found in the mailbox.
#[derive(Debug)]
pub(crate) enum Found {
    Work(Work),
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

impl Mailbox {
    /// A mailbox in which at most `limit` operations wait.
    pub(crate) fn new(limit: usize) -> Self {
        Self { waiting: Mutex::default(), limit }
    }

    /// Larger work than the limit is taken when nothing else waits.
    pub(crate) fn put(&self, work: Work) -> Result<(), NotTaken> {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return Err(NotTaken::Closed);
        }
        let operations = waiting.operations.saturating_add(work.weight());
        if waiting.operations > 0 && operations > self.limit {
            return Err(NotTaken::Overloaded);
        }
        waiting.operations = operations;
        waiting.works.push_back(work);
        Ok(())
    }

    pub(crate) fn take(&self) -> Found {
        let mut waiting = self.waiting();
        match waiting.works.pop_front() {
            Some(work) => {
                waiting.operations = waiting.operations.saturating_sub(work.weight());
                Found::Work(work)
            }
            None if waiting.is_closed => Found::Closed,
            None => Found::Nothing,
        }
    }

    /// How many operations wait.
    pub(crate) fn operations(&self) -> usize {
        self.waiting().operations
    }

    /// From now on nothing is taken in.
    pub(crate) fn close(&self) {
        self.waiting().is_closed = true;
    }

    /// Closes it and throws away what waits; who waits for an answer learns that there is none.
    pub(crate) fn discard(&self) {
        let discarded = {
            let mut waiting = self.waiting();
            waiting.is_closed = true;
            waiting.operations = 0;
            std::mem::take(&mut waiting.works)
        };
        drop(discarded);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::work::Reading;
    use wallet_domain::PartitionState;

    fn a_read() -> Work {
        let (reply, _) = tokio::sync::oneshot::channel();
        Work::Read(Box::new(Reading { look: PartitionState::sequence, reply }))
    }

    #[test]
    fn what_is_too_much_is_refused_until_something_is_taken() {
        let mailbox = Mailbox::new(2);
        assert_eq!([mailbox.put(a_read()), mailbox.put(a_read())], [Ok(()), Ok(())]);
        assert_eq!(mailbox.put(a_read()), Err(NotTaken::Overloaded));
        assert!(matches!(mailbox.take(), Found::Work(_)));
        assert_eq!(mailbox.put(a_read()), Ok(()));
    }

    #[test]
    fn a_closed_mailbox_takes_nothing_and_gives_what_it_has() {
        let mailbox = Mailbox::new(2);
        assert_eq!(mailbox.put(a_read()), Ok(()));
        mailbox.close();
        assert_eq!(mailbox.put(a_read()), Err(NotTaken::Closed));
        assert!(matches!(mailbox.take(), Found::Work(_)));
        assert!(matches!(mailbox.take(), Found::Closed));
    }

    #[test]
    fn who_waits_in_a_discarded_mailbox_learns_it() {
        let mailbox = Mailbox::new(2);
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        mailbox.put(Work::Read(Box::new(Reading { look: PartitionState::sequence, reply }))).unwrap();
        mailbox.discard();
        assert!(
            answer.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed)
        );
    }
}
