//! The hash chain over the batches of a partition: altering, dropping or reordering a row changes
//! every hash behind it.

use sha2::{Digest as _, Sha256};

use crate::Row;

/// SHA-256.
pub type Hash = [u8; 32];

/// What the first row of a partition is chained to.
pub const GENESIS: Hash = [0; 32];

/// The end of a partition's chain, as far as it has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    partition: u16,
    sequence: u64,
    hash: Hash,
}

/// A row that does not follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("partition {partition}: row {found} does not follow row {last}: {detail}")]
pub struct ChainBroken {
    /// The partition.
    pub partition: u16,
    /// Last row that was sound.
    pub last: u64,
    /// The row that does not follow.
    pub found: u64,
    /// What is wrong with it.
    pub detail: &'static str,
}

impl Chain {
    /// The chain before the first row.
    #[must_use]
    pub const fn start(partition: u16) -> Self {
        Self { partition, sequence: 0, hash: GENESIS }
    }

    /// The chain behind a row that is known to be sound.
    #[must_use]
    pub const fn behind(partition: u16, sequence: u64, hash: Hash) -> Self {
        Self { partition, sequence, hash }
    }

    /// Number of the last row.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Hash of the last row.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Makes the row that follows.
    pub fn seal(&mut self, epoch: u64, payload: Vec<u8>) -> Row {
        let sequence = self.sequence + 1;
        let hash = link(&self.hash, self.partition, sequence, &payload);
        (self.sequence, self.hash) = (sequence, hash);
        Row { sequence, epoch, payload, hash }
    }

    /// Follows the chain by one row.
    ///
    /// # Errors
    /// [`ChainBroken`]; the chain stays where it was.
    pub fn follow(&mut self, row: &Row) -> Result<(), ChainBroken> {
        let broken = |detail| {
            Err(ChainBroken { partition: self.partition, last: self.sequence, found: row.sequence, detail })
        };
        if row.sequence != self.sequence + 1 {
            return broken("its number is not the next");
        }
        if row.hash != link(&self.hash, self.partition, row.sequence, &row.payload) {
            return broken("its hash is not that of its content");
        }
        (self.sequence, self.hash) = (row.sequence, row.hash);
        Ok(())
    }
}

fn link(previous: &Hash, partition: u16, sequence: u64, payload: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(partition.to_be_bytes());
    hasher.update(sequence.to_be_bytes());
    hasher.update(payload);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let mut chain = Chain::start(3);
        [b"a", b"b", b"c"].into_iter().map(|payload| chain.seal(1, payload.to_vec())).collect()
    }

    fn follow(rows: &[Row]) -> Result<(), ChainBroken> {
        let mut chain = Chain::start(3);
        rows.iter().try_for_each(|row| chain.follow(row))
    }

    #[test]
    fn an_untouched_chain_is_followed() {
        assert_eq!(follow(&rows()), Ok(()));
    }

    #[test]
    fn altering_dropping_and_reordering_show() {
        let mut altered = rows();
        altered[1].payload = b"B".to_vec();
        assert_eq!(follow(&altered).unwrap_err().found, 2);
        let mut dropped = rows();
        dropped.remove(1);
        assert_eq!(follow(&dropped).unwrap_err().found, 3);
        let mut reordered = rows();
        reordered.swap(0, 1);
        assert_eq!(follow(&reordered).unwrap_err().found, 2);
    }

    #[test]
    fn a_row_of_another_partition_does_not_follow() {
        let row = Chain::start(4).seal(1, b"a".to_vec());
        assert!(Chain::start(3).follow(&row).is_err());
    }
}
