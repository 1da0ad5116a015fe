//! Appending behind a known end, and moving that end away from whoever wrote before.
//!
//! An append names the event it expects to be the last one. A writer knows that event from its own
//! fence and its own appends and from nothing else; it never learns an end that somebody with a
//! later epoch has written. So from the moment a fence is in the stream nothing of the writers
//! before it can get in, not even what was on its way.

use kurrentdb::EventData;

use super::KurrentJournal;
use super::connection::Failed;
use super::event;
use super::line::Line;
use crate::{Journal, JournalError, Lease, Row};

/// How often the end may turn out to be another one before a call gives up.
const ATTEMPTS: usize = 8;

/// The end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// Of whoever wrote last; zero when nobody did.
    epoch: u64,
    /// The last batch.
    sequence: u64,
    /// The last event.
    revision: Option<u64>,
}

impl Tail {
    const fn precedes(&self, sequence: u64) -> bool {
        self.sequence.saturating_add(1) == sequence
    }
}

impl<L: Journal> KurrentJournal<L> {
    /// Shuts out everybody before `lease`, which has just been granted.
    pub(super) async fn take_over(&self, lease: Lease) -> Result<(), JournalError> {
        let slot = self.writer(lease.partition);
        let mut slot = slot.lock().await;
        slot.tail = None;
        let known = self.tail(lease.partition).await?;
        if known.revision.is_none() && !self.leases().read(lease.partition, 0, 1).await?.is_empty() {
            let detail = format!("the batches of partition {} are not in KurrentDB", lease.partition);
            return Err(JournalError::Corrupt(detail));
        }
        slot.tail = Some(self.fence(&mut slot.line, lease, known).await?);
        Ok(())
    }

    pub(super) async fn append_row(&self, lease: Lease, row: &Row) -> Result<(), JournalError> {
        let (partition, sequence) = (lease.partition, row.sequence);
        let slot = self.writer(partition);
        let mut slot = slot.lock().await;
        for _ in 0..ATTEMPTS {
            // A row that follows is simply tried. Anything else is not said before looking.
            let known = slot.tail.take().filter(|tail| tail.epoch == lease.epoch && tail.precedes(sequence));
            let known = match known {
                Some(tail) => tail,
                None => self.end(&mut slot.line, lease).await?,
            };
            if !known.precedes(sequence) {
                slot.tail = Some(known);
                return Err(if sequence <= known.sequence {
                    JournalError::Taken { partition, sequence }
                } else {
                    JournalError::Gap { partition, sequence }
                });
            }
            let event = event::batch(lease, row)?;
            let written = self.write(&mut slot.line, lease, known.revision, event).await?;
            if let Some(revision) = written {
                slot.tail = Some(Tail { epoch: lease.epoch, sequence, revision: Some(revision) });
                self.offsets().entry(partition).or_default().learn(sequence, revision);
                return Ok(());
            }
        }
        Err(JournalError::unavailable("the end of the stream does not stand still"))
    }

    /// The end of the stream, which is this lease's own.
    async fn end(&self, line: &mut Option<Line>, lease: Lease) -> Result<Tail, JournalError> {
        let known = self.tail(lease.partition).await?;
        if known.epoch == lease.epoch { Ok(known) } else { self.fence(line, lease, known).await }
    }

    /// Puts a fence behind the events of earlier epochs.
    async fn fence(
        &self,
        line: &mut Option<Line>,
        lease: Lease,
        mut known: Tail,
    ) -> Result<Tail, JournalError> {
        for _ in 0..ATTEMPTS {
            if known.epoch >= lease.epoch {
                return Err(JournalError::Fenced { lease });
            }
            let fence = event::fence(lease, known.sequence)?;
            if let Some(revision) = self.write(line, lease, known.revision, fence).await? {
                return Ok(Tail { epoch: lease.epoch, sequence: known.sequence, revision: Some(revision) });
            }
            known = self.tail(lease.partition).await?;
        }
        Err(JournalError::unavailable("the end of the stream does not stand still"))
    }

    /// Appends behind `last`; nothing when that is not the last event.
    async fn write(
        &self,
        line: &mut Option<Line>,
        lease: Lease,
        last: Option<u64>,
        event: EventData,
    ) -> Result<Option<u64>, JournalError> {
        match self.connection().append(line, &self.stream(lease.partition), last, event).await {
            Ok(revision) => Ok(Some(revision)),
            Err(Failed::Moved) => Ok(None),
            Err(Failed::Missing | Failed::Unsupported) => {
                Err(JournalError::unavailable("the server does not know the stream or the call"))
            }
            Err(Failed::Other(error)) => Err(error),
        }
    }

    async fn tail(&self, partition: u16) -> Result<Tail, JournalError> {
        let last = self.connection().last(&self.stream(partition)).await?;
        Ok(last.map_or(Tail { epoch: 0, sequence: 0, revision: None }, |last| Tail {
            epoch: last.epoch,
            sequence: last.sequence,
            revision: Some(last.revision),
        }))
    }
}
