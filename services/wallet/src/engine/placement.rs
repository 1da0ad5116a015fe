//! Where a partition is served, and what is wanted of this process for it.
//!
//! Callers ask [`Ledger::served`] before they come in; who finds nobody waits for a change, and who
//! found that an owner does not answer asks the partition's task to look at the lease again. The
//! wishes come from the role `membership`, which asks the database for all partitions at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use journal::{Holder, Wish};
use tokio::time::{Instant, sleep, timeout_at};

use super::ledger::Ledger;

/// A lease is looked at again at most this often, however many callers ask.
const LOOK_AGAIN_PAUSE: Duration = Duration::from_millis(50);

/// Who serves a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Served {
    /// This process.
    Here,
    /// Another process.
    Elsewhere(Arc<Holder>),
    /// Nobody, or this process has not recovered it yet.
    Nobody,
}

impl Ledger {
    /// Who serves a partition now.
    pub(crate) fn served(&self, partition: u16) -> Served {
        let Ok(slot) = self.slot(partition) else { return Served::Nobody };
        if slot.desk.load().is_some() {
            return Served::Here;
        }
        slot.owner.load_full().map_or(Served::Nobody, Served::Elsewhere)
    }

    /// Who serves a partition as soon as anybody does; [`Served::Nobody`] at the deadline.
    pub(crate) async fn served_by(&self, partition: u16, deadline: Instant) -> Served {
        let Ok(slot) = self.slot(partition) else { return Served::Nobody };
        let mut changed = slot.changed.subscribe();
        loop {
            let served = self.served(partition);
            let is_last = served != Served::Nobody || Instant::now() >= deadline;
            if is_last || timeout_at(deadline, changed.changed()).await.is_err() {
                return served;
            }
        }
    }

    /// Ends when a partition is served by somebody else than `before`, as far as this process knows.
    pub(crate) async fn changed_from(&self, partition: u16, before: &Served) {
        let Ok(slot) = self.slot(partition) else { return };
        let mut changed = slot.changed.subscribe();
        while self.served(partition) == *before {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Its owner did not answer: the lease shall be looked at soon.
    pub(crate) fn look_again(&self, partition: u16) {
        if let Ok(slot) = self.slot(partition) {
            slot.placing.look.notify_one();
        }
    }

    /// The partition's lease is ours; who owned it before is of no interest any more.
    pub(crate) fn owned_by_nobody_else(&self, partition: u16) {
        if let Ok(slot) = self.slot(partition) {
            slot.owner.store(None);
            slot.placing.prepared.store(false, Ordering::Release);
            slot.changed.send_replace(());
        }
    }

    /// What is wanted of this process; partitions that are not named are nobody's wish.
    pub(crate) fn note_wishes(&self, wishes: &[(u16, Wish)]) {
        for partition in 0..self.partitions() {
            let wish = wishes.iter().find(|(of, _)| *of == partition).map(|(_, wish)| *wish);
            if let Ok(slot) = self.slot(partition) {
                slot.placing.wish.send_if_modified(|known| std::mem::replace(known, wish) != wish);
            }
        }
    }

    /// Whether this process shall take a partition over.
    pub(crate) fn is_heir(&self, partition: u16) -> bool {
        self.slot(partition).is_ok_and(|slot| *slot.placing.wish.borrow() == Some(Wish::Inherit))
    }

    /// Ends when a partition shall be given up.
    pub(crate) async fn told_to_leave(&self, partition: u16) {
        if let Ok(slot) = self.slot(partition) {
            let mut wish = slot.placing.wish.subscribe();
            // It cannot fail: the sender lives as long as the slot.
            let _ = wish.wait_for(|wish| *wish == Some(Wish::Leave)).await;
        }
    }

    /// Whether this process could take a partition over at once.
    pub(crate) fn note_prepared(&self, partition: u16, prepared: bool) {
        if let Ok(slot) = self.slot(partition) {
            slot.placing.prepared.store(prepared, Ordering::Release);
        }
    }

    /// The partitions this process could take over at once.
    pub(crate) fn prepared(&self) -> Vec<u16> {
        let is_prepared = |partition: &u16| {
            self.slot(*partition).is_ok_and(|slot| slot.placing.prepared.load(Ordering::Acquire))
        };
        (0..self.partitions()).filter(is_prepared).collect()
    }

    /// Ends when a partition that is standing by should be looked at before its time.
    pub(crate) async fn disturbed(&self, partition: u16) {
        let Ok(slot) = self.slot(partition) else { return std::future::pending().await };
        let mut wish = slot.placing.wish.subscribe();
        sleep(LOOK_AGAIN_PAUSE).await;
        tokio::select! {
            _ = wish.wait_for(|wish| *wish == Some(Wish::Inherit)) => {}
            () = slot.placing.look.notified() => {}
        }
    }
}
