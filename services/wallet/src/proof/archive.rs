//! A journal as a file: portable, streamed, and enough to prove the ledger without its database.
//!
//! Layout, described for others in `docs/reference/ledger-export-format.md`: eight bytes of magic,
//! four of version, then records, each a protobuf message behind its length. The last record counts
//! the rows, so that a file that was cut off is noticed. The hash chain is inside of the rows; a file
//! that begins in the middle of a partition names the hash before.

use std::io::{self, Read, Write};

use journal::{Hash, Row};
use prost::Message;

const MAGIC: &[u8; 8] = b"VBWDLEDG";
const VERSION: u32 = 1;
/// A record that claims to be larger is damaged: a batch of 8 192 operations has about a megabyte.
const RECORD_BYTES_MAX: u64 = 1 << 30;

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(message, optional, tag = "1")]
    row: Option<StoredRow>,
    #[prost(message, optional, tag = "2")]
    end: Option<StoredEnd>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredRow {
    #[prost(uint32, tag = "1")]
    partition: u32,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(uint64, tag = "3")]
    epoch: u64,
    #[prost(bytes = "vec", tag = "4")]
    payload: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    hash: Vec<u8>,
    /// Only of the first row of a partition, unless that is row 1: the hash of the row before.
    #[prost(bytes = "vec", tag = "6")]
    previous: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct StoredEnd {
    #[prost(uint64, tag = "1")]
    rows: u64,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system said no.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// It does not begin as such a file does.
    #[error("this is no export of a ledger's journal")]
    Foreign,
    /// A newer program wrote it.
    #[error("the file has version {0}, which this program does not know")]
    Version(u32),
    /// It is not what was written.
    #[error("the file is damaged behind row {rows}: {detail}")]
    Damaged {
        /// Rows that were read.
        rows: u64,
        /// What is wrong.
        detail: String,
    },
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its partition.
    pub partition: u16,
    /// The row.
    pub row: Row,
    /// The hash of the row before, where the file begins in the middle of a partition.
    pub previous: Option<Hash>,
}

/// Writes a file.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    out: W,
    rows: u64,
    buffer: Vec<u8>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_be_bytes())?;
        Ok(Self { out, rows: 0, buffer: Vec::new() })
    }

    /// Adds a row. `previous` is the hash of the row before, where a partition does not begin with
    /// its first row.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn row(&mut self, partition: u16, row: Row, previous: Option<Hash>) -> io::Result<()> {
        let stored = StoredRow {
            partition: partition.into(),
            sequence: row.sequence,
            epoch: row.epoch,
            payload: row.payload,
            hash: row.hash.to_vec(),
            previous: previous.map(Vec::from).unwrap_or_default(),
        };
        self.rows = self.rows.saturating_add(1);
        self.record(&Record { row: Some(stored), end: None })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(mut self) -> io::Result<W> {
        let end = StoredEnd { rows: self.rows };
        self.record(&Record { row: None, end: Some(end) })?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.buffer.clear();
        record.encode_length_delimited(&mut self.buffer).map_err(io::Error::other)?;
        self.out.write_all(&self.buffer)
    }
}

/// Reads a file, row by row.
#[derive(Debug)]
pub struct ArchiveReader<R> {
    source: R,
    rows: u64,
    has_ended: bool,
}

impl<R: Read> ArchiveReader<R> {
    /// Begins to read. Give it a buffered source.
    ///
    /// # Errors
    /// When this is no such file, or one of a newer program.
    pub fn begin(mut source: R) -> Result<Self, ArchiveError> {
        let mut head = [0; 12];
        source.read_exact(&mut head).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::Foreign,
            _ => ArchiveError::Io(error),
        })?;
        let (magic, version) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(ArchiveError::Foreign);
        }
        match version.try_into().map(u32::from_be_bytes) {
            Ok(VERSION) => Ok(Self { source, rows: 0, has_ended: false }),
            other => Err(ArchiveError::Version(other.unwrap_or_default())),
        }
    }

    fn next_row(&mut self) -> Result<Option<Archived>, ArchiveError> {
        let length = self.length()?;
        if length > RECORD_BYTES_MAX {
            return Err(self.damaged(format!("a record of {length} bytes")));
        }
        let mut bytes = Vec::new();
        (&mut self.source).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(self.damaged("it ends within a record"));
        }
        let record = Record::decode(bytes.as_slice()).map_err(|error| self.damaged(error.to_string()))?;
        match (record.row, record.end) {
            (Some(row), None) => self.archived(row).map(Some),
            (None, Some(end)) => self.ended(end),
            _ => Err(self.damaged("a record that is neither a row nor the end")),
        }
    }

    fn archived(&mut self, stored: StoredRow) -> Result<Archived, ArchiveError> {
        self.rows = self.rows.saturating_add(1);
        let hash = |bytes: Vec<u8>| Hash::try_from(bytes).map_err(|_| self.damaged("a hash has 32 bytes"));
        let previous = if stored.previous.is_empty() { None } else { Some(hash(stored.previous.clone())?) };
        let partition =
            u16::try_from(stored.partition).map_err(|_| self.damaged("there is no such partition"))?;
        let row = Row {
            sequence: stored.sequence,
            epoch: stored.epoch,
            hash: hash(stored.hash)?,
            payload: stored.payload,
        };
        Ok(Archived { partition, row, previous })
    }

    fn ended(&mut self, end: StoredEnd) -> Result<Option<Archived>, ArchiveError> {
        self.has_ended = true;
        if end.rows != self.rows {
            return Err(self.damaged(format!("it was written with {} rows", end.rows)));
        }
        let mut more = [0];
        match self.source.read(&mut more)? {
            0 => Ok(None),
            _ => Err(self.damaged("there is something behind its end")),
        }
    }

    /// The length of the next record.
    fn length(&mut self) -> Result<u64, ArchiveError> {
        let mut length = 0_u64;
        for shift in (0..63).step_by(7) {
            let mut byte = [0];
            if self.source.read(&mut byte)? == 0 {
                return Err(self.damaged("it ends without saying so: it was cut off"));
            }
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(self.damaged("a record without a length"))
    }

    fn damaged(&self, detail: impl Into<String>) -> ArchiveError {
        ArchiveError::Damaged { rows: self.rows, detail: detail.into() }
    }
}

impl<R: Read> Iterator for ArchiveReader<R> {
    type Item = Result<Archived, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let next = self.next_row().transpose();
        self.has_ended |= next.as_ref().is_some_and(Result::is_err);
        next
    }
}

#[cfg(test)]
mod tests {
    use journal::Chain;

    use super::*;

    fn file() -> Vec<u8> {
        let (mut chain, mut writer) = (Chain::start(3), ArchiveWriter::begin(Vec::new()).unwrap());
        for payload in [vec![], vec![1; 300], vec![2; 3]] {
            writer.row(3, chain.seal(7, payload), None).unwrap();
        }
        writer.end().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Archived>, ArchiveError> {
        ArchiveReader::begin(bytes)?.collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let rows = read(&file()).unwrap();
        let mut chain = Chain::start(3);
        assert_eq!(rows.len(), 3);
        for Archived { partition, row, previous } in rows {
            assert_eq!((partition, row.epoch, previous), (3, 7, None));
            chain.follow(&row).unwrap();
        }
    }

    #[test]
    fn other_files_newer_ones_and_cut_off_ones_are_refused() {
        assert!(matches!(read(b"PK"), Err(ArchiveError::Foreign)));
        assert!(matches!(read(&[b'x'; 100]), Err(ArchiveError::Foreign)));
        let mut newer = file();
        newer[11] = 9;
        assert!(matches!(read(&newer), Err(ArchiveError::Version(9))));
        let whole = file();
        for length in 12..whole.len() {
            assert!(matches!(read(&whole[..length]), Err(ArchiveError::Damaged { .. })), "{length}");
        }
        let longer = [whole.as_slice(), b"x"].concat();
        assert!(matches!(read(&longer), Err(ArchiveError::Damaged { .. })));
    }
}
