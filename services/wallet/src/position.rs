//! Where in the ledger something happened: `<partition>-<batch>`, opaque to clients.

use std::fmt;
use std::str::FromStr;

/// A batch of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The partition.
    pub partition: u16,
    /// The batch, from 1; 0 stands before all.
    pub sequence: u64,
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a ledger position")]
pub struct InvalidPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.sequence)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let (partition, sequence) = text.split_once('-').ok_or(InvalidPosition)?;
        if !digits(partition) || !digits(sequence) {
            return Err(InvalidPosition);
        }
        let partition = partition.parse().map_err(|_| InvalidPosition)?;
        Ok(Self { partition, sequence: sequence.parse().map_err(|_| InvalidPosition)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_text() {
        let position = Position { partition: 3, sequence: 42 };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "3", "3-", "-1", "3-4-5", "70000-1", "+3-1"] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text}");
        }
    }
}
