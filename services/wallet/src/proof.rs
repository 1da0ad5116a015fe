//! Proof that the ledger is what it says: nothing altered, lost, doubled or invented.
//!
//! [`Auditor`] is fed the rows of one partition's journal, from a database or from a file, and is
//! pure. It looks at every fact twice: the domain's state takes each batch as recovery does, and
//! [`books`] keep balances, holds and lots from postings and effects alone, by code that shares
//! nothing with the state. [`verify_database`] also compares every table that follows from the
//! journal; [`verify_archive`] needs no database. [`export_archive`] and [`export_lines`] write.
//!
//! A [`Finding`] is something that is wrong; an error is something that could not be looked at.

mod archive;
mod auditor;
mod books;
mod digest;
mod effects;
mod export;
mod facts;
mod finding;
mod lines;
mod operations;
mod report;
mod tables;
mod verify;

pub use archive::{ArchiveError, ArchiveReader, ArchiveWriter, Archived};
pub use auditor::Auditor;
pub use books::Books;
pub use export::{Exported, export_archive, export_lines};
pub use finding::{Check, Finding};
pub use lines::Lines;
pub use report::{PartitionReport, Report};
pub use verify::{Anchor, Source, partitions, verify_archive, verify_database};
