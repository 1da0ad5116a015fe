//! The place of an event in the order in which readers see no gaps.
//!
//! A sequence alone is no such order: transactions commit in another order than they took their
//! numbers, so a reader that has seen 7 may see 6 appear later. The pair of the writing
//! transaction's id and the sequence is one, as long as readers stop below the oldest transaction
//! that is still running.

use std::fmt;
use std::str::FromStr;

/// Where an event stands; opaque to clients, ordered for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Id of the transaction that wrote it.
    pub transaction: u64,
    /// Order within the transaction.
    pub sequence: u64,
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position")]
pub struct InvalidPosition;

impl Position {
    /// Before every event.
    pub const START: Self = Self { transaction: 0, sequence: 0 };
}

impl fmt::Display for Position {
    /// Fixed width, so that the text sorts as the position does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.transaction, self.sequence)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (transaction, sequence) = text.split_once('-').ok_or(InvalidPosition)?;
        Ok(Self { transaction: hex(transaction)?, sequence: hex(sequence)? })
    }
}

fn hex(text: &str) -> Result<u64, InvalidPosition> {
    if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(InvalidPosition);
    }
    u64::from_str_radix(text, 16).map_err(|_| InvalidPosition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_sorts_as_the_position_does() {
        let earlier = Position { transaction: 9, sequence: 300 };
        let later = Position { transaction: 10, sequence: 2 };
        assert!(earlier < later && earlier.to_string() < later.to_string());
        assert_eq!(later.to_string().parse(), Ok(later));
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in ["", "7", "1-2", "+00000000000000a-0000000000000001"] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text}");
        }
    }
}
