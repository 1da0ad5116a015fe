//! The way into a partition: bounded by the number of operations, never by waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::work::Work;

/// Where callers put work. The partition's thread ends when every sender is gone.
#[derive(Clone)]
pub(crate) struct Mailbox {
    sender: Sender<Work>,
    queued: Arc<AtomicUsize>,
    limit: usize,
}

/// Where the thread takes work from.
pub(crate) struct Inbox {
    pub(crate) receiver: Receiver<Work>,
    queued: Arc<AtomicUsize>,
}

/// Why work was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Too much waits already.
    Overloaded,
    /// The thread has ended.
    Closed,
}

/// A mailbox in which at most `limit` operations wait.
pub(crate) fn mailbox(limit: usize) -> (Mailbox, Inbox) {
    let (sender, receiver) = unbounded();
    let queued = Arc::new(AtomicUsize::new(0));
    (Mailbox { sender, queued: Arc::clone(&queued), limit }, Inbox { receiver, queued })
}

impl Mailbox {
    pub(crate) fn put(&self, work: Work) -> Result<(), NotTaken> {
        let weight = work.weight();
        let before = self.queued.fetch_add(weight, Ordering::Relaxed);
        if before > 0 && before.saturating_add(weight) > self.limit {
            self.queued.fetch_sub(weight, Ordering::Relaxed);
            return Err(NotTaken::Overloaded);
        }
        self.sender.send(work).map_err(|_| NotTaken::Closed)
    }
}

impl Inbox {
    /// Work was taken out.
    pub(crate) fn taken(&self, weight: usize) {
        self.queued.fetch_sub(weight, Ordering::Relaxed);
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
        let (mailbox, inbox) = mailbox(2);
        assert_eq!([mailbox.put(a_read()), mailbox.put(a_read())], [Ok(()), Ok(())]);
        assert_eq!(mailbox.put(a_read()), Err(NotTaken::Overloaded));
        let work = inbox.receiver.recv().unwrap();
        inbox.taken(work.weight());
        assert_eq!(mailbox.put(a_read()), Ok(()));
    }

    #[test]
    fn a_closed_partition_takes_nothing() {
        let (mailbox, inbox) = mailbox(2);
        drop(inbox);
        assert_eq!(mailbox.put(a_read()), Err(NotTaken::Closed));
    }
}
