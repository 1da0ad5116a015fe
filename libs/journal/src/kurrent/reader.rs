//! Finding batches by their number among fences.

use super::KurrentJournal;
use super::event::Stored;
use crate::{Journal, JournalError, Row};

/// So many events may lie before the batch that is looked for; when there are more, it is searched.
const SKIPPED_MAX: usize = 8;

/// What a look into the stream has found.
enum Found {
    /// Rows with their places; none when the stream ends before.
    Rows(Vec<(u64, Row)>),
    /// The batch lies further on, not before this event.
    Later(u64),
}

impl<L: Journal> KurrentJournal<L> {
    pub(super) async fn rows(
        &self,
        partition: u16,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Row>, JournalError> {
        let first = after.saturating_add(1);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let earliest = self.offsets().entry(partition).or_default().earliest(first);
        let mut found = self.look(partition, earliest, first, limit).await?;
        if let Found::Later(earliest) = found {
            let Some(place) = self.search(partition, earliest, first).await? else { return Ok(Vec::new()) };
            found = self.look(partition, place, first, limit).await?;
        }
        let Found::Rows(rows) = found else { return Err(missing(partition, first)) };
        let mut all = self.offsets();
        let offsets = all.entry(partition).or_default();
        rows.iter().for_each(|(revision, row)| offsets.learn(row.sequence, *revision));
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Reads rows from `first` on, which is the event `from` or lies little behind it.
    async fn look(&self, partition: u16, from: u64, first: u64, limit: usize) -> Result<Found, JournalError> {
        let (mut rows, mut skipped, mut later) = (Vec::new(), 0, None);
        if limit == 0 {
            return Ok(Found::Rows(rows));
        }
        let count = limit.saturating_add(SKIPPED_MAX).saturating_add(1);
        self.connection()
            .forwards(&self.stream(partition), from, count, |stored| {
                let (revision, sequence) = (stored.revision, stored.sequence);
                let next = first.saturating_add(rows.len() as u64);
                match stored.row {
                    Some(row) if sequence == next => {
                        rows.push((revision, row));
                        return Ok(rows.len() < limit);
                    }
                    _ if sequence >= next => return Err(missing(partition, next)),
                    Some(_) if !rows.is_empty() => return Err(missing(partition, next)),
                    _ => {}
                }
                if rows.is_empty() {
                    skipped += 1;
                    later = (skipped > SKIPPED_MAX).then(|| at_least(revision, sequence, first));
                }
                Ok(later.is_none())
            })
            .await?;
        Ok(later.map_or(Found::Rows(rows), Found::Later))
    }

    /// The place of the batch `first`, not before the event `earliest`. Batches and fences are
    /// numbered along the stream, so halves can be left out, and more than halves: between two events
    /// there are at least as many events as batches.
    async fn search(
        &self,
        partition: u16,
        mut earliest: u64,
        first: u64,
    ) -> Result<Option<u64>, JournalError> {
        let stream = self.stream(partition);
        let Some(end) = self.connection().last(&stream).await? else { return Ok(None) };
        if end.sequence < first {
            return Ok(None);
        }
        let mut latest = at_most(&end, first);
        while earliest < latest {
            let middle = earliest.midpoint(latest);
            let mut event = None;
            self.connection()
                .forwards(&stream, middle, 1, |stored| {
                    event = Some(stored);
                    Ok(false)
                })
                .await?;
            let event: Option<Stored> = event;
            let event = event.filter(|event| event.revision == middle);
            let event = event.ok_or_else(|| missing(partition, first))?;
            if event.sequence < first {
                earliest = at_least(middle, event.sequence, first);
            } else {
                latest = at_most(&event, first);
            }
        }
        Ok(Some(earliest))
    }
}

/// The first place where the batch `first` can be, given an event before it.
const fn at_least(revision: u64, sequence: u64, first: u64) -> u64 {
    revision.saturating_add(first.saturating_sub(sequence))
}

/// The last place where the batch `first` can be, given an event that is it or is behind it.
const fn at_most(event: &Stored, first: u64) -> u64 {
    let fence = if event.row.is_some() { 0 } else { 1 };
    event.revision.saturating_sub(event.sequence.saturating_sub(first)).saturating_sub(fence)
}

fn missing(partition: u16, sequence: u64) -> JournalError {
    JournalError::Corrupt(format!("partition {partition}: row {sequence} is not in its place"))
}
