//! How many fences stand before a batch, as far as this process has met them.
//!
//! Batch `n` is the event `n - 1 + fences before it`. That number only grows along the stream and
//! never changes for a batch, so what was once seen gives a lower bound for every later batch, and
//! nearly always the place itself. Nothing here needs to be kept: it can be found again.

use std::collections::BTreeMap;

/// The fences before batches of one partition.
#[derive(Debug, Default)]
pub(super) struct Offsets(BTreeMap<u64, u64>);

impl Offsets {
    /// No event before this one is the batch `sequence`.
    pub(super) fn earliest(&self, sequence: u64) -> u64 {
        sequence.saturating_sub(1).saturating_add(self.before(sequence))
    }

    /// The batch `sequence` was met as the event `revision`.
    pub(super) fn learn(&mut self, sequence: u64, revision: u64) {
        let fences = revision.saturating_add(1).saturating_sub(sequence);
        if self.before(sequence) == fences {
            return;
        }
        let next = self.0.range(sequence..).next().map(|(next, known)| (*next, *known));
        if let Some((next, _)) = next.filter(|(_, known)| *known == fences) {
            self.0.remove(&next);
        }
        self.0.insert(sequence, fences);
    }

    fn before(&self, sequence: u64) -> u64 {
        self.0.range(..=sequence).next_back().map_or(0, |(_, fences)| *fences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_met_bounds_what_comes_behind_it() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.earliest(1), 0);
        offsets.learn(5, 6); // two fences
        assert_eq!((offsets.earliest(4), offsets.earliest(5), offsets.earliest(9)), (3, 6, 10));
    }

    #[test]
    fn there_is_one_entry_for_each_number_of_fences() {
        let mut offsets = Offsets::default();
        for sequence in (1..=100).rev() {
            offsets.learn(sequence, sequence + 2);
        }
        offsets.learn(101, 106);
        assert_eq!(offsets.0.into_iter().collect::<Vec<_>>(), [(1, 3), (101, 6)]);
    }
}
