//! What goes wrong in a run, how often: drawn from the seed before the run begins, so that some runs
//! are quiet, some suffer from one thing, and some from everything.

use super::dice::Dice;

/// Chances in a thousand, per call or per step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plan {
    pub(super) processes: usize,
    pub(super) clients: usize,
    pub(super) steps: usize,
    /// Operations in a batch.
    pub(super) batch: usize,
    /// A snapshot after so many batches.
    pub(super) snapshot_batches: u64,
    /// An order to the journal never arrives.
    pub(super) order_lost: usize,
    /// It arrives, and its answer does not.
    pub(super) answer_lost: usize,
    /// It takes long.
    pub(super) slow: usize,
    pub(super) crash: usize,
    pub(super) pause: usize,
    pub(super) clock_step: usize,
    pub(super) snapshot_lost: usize,
    /// A process gives its partition up in an orderly way.
    pub(super) leave: usize,
    /// Nothing gets through to the journal for a while.
    pub(super) storm: usize,
    /// A client does not wait for its answer.
    pub(super) hang_up: usize,
    /// A process recovers ahead of taking over.
    pub(super) heir: usize,
}

impl Plan {
    pub(super) fn drawn(dice: &mut Dice) -> Self {
        let is_quiet = dice.chance(60);
        let mut level = |high: usize| {
            let level = [0, 0, high / 4, high][dice.below(4)];
            if is_quiet { 0 } else { level }
        };
        let plan = Self {
            order_lost: level(120),
            answer_lost: level(120),
            slow: level(200),
            crash: level(16),
            pause: level(30),
            clock_step: level(40),
            snapshot_lost: level(20),
            leave: level(10),
            storm: level(8),
            hang_up: level(150),
            heir: level(1_000),
            ..Self::default()
        };
        Self {
            processes: 1 + dice.below(3),
            clients: 1 + dice.below(4),
            steps: 100 + dice.below(500),
            batch: 1 + dice.below(12),
            snapshot_batches: 1 + dice.below(8) as u64,
            ..plan
        }
    }

    /// Nothing goes wrong.
    pub(super) fn calm(self) -> Self {
        Self {
            processes: self.processes,
            clients: self.clients,
            steps: self.steps,
            batch: self.batch,
            snapshot_batches: self.snapshot_batches,
            ..Self::default()
        }
    }
}
