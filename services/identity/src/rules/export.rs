//! Audit entries as a file: one JSON object a line, or CSV (RFC 4180).
//!
//! A spreadsheet takes a cell that begins like a formula for one; such cells get an apostrophe in
//! front, because what is exported was written by whoever was audited.

use serde_json::{Value, json};

use super::chain::Link;

const COLUMNS: &str = "sequence,at,actor,action,target,source,outcome,origin_address,trace_id,operation_id,\
                       before,after,entry_id,hash\r\n";

/// The form of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values.
    Csv,
}

impl Format {
    /// The form with this name; the empty name is JSON.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "" | "ndjson" => Some(Self::Ndjson),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }
}

/// A part of an export.
#[derive(Debug)]
pub struct Part {
    /// Its form.
    pub format: Format,
    /// What belongs into the file.
    pub content: String,
    /// How many entries are in it.
    pub entries: usize,
    /// Place of the last one.
    pub last: Option<i64>,
    /// Whether nothing follows.
    pub complete: bool,
}

impl Part {
    /// An empty part.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let content = if format == Format::Csv { COLUMNS.to_owned() } else { String::new() };
        Self { format, content, entries: 0, last: None, complete: false }
    }

    /// Whether it is to end here.
    #[must_use]
    pub const fn is_full(&self, entries_max: usize, bytes: usize) -> bool {
        self.entries >= entries_max || self.content.len() >= bytes
    }

    /// Adds an entry.
    pub fn add(&mut self, link: &Link) {
        match self.format {
            Format::Ndjson => self.content.push_str(&line(link)),
            Format::Csv => self.content.push_str(&row(link)),
        }
        self.entries += 1;
        self.last = Some(link.sequence);
    }
}

fn line(link: &Link) -> String {
    let entry = &link.entry;
    let state = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let object = json!({
        "sequence": link.sequence,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "source": entry.source,
        "outcome": entry.outcome,
        "origin_address": entry.origin_address,
        "trace_id": entry.trace_id,
        "operation_id": entry.operation_id,
        "before": state(&entry.before_json),
        "after": state(&entry.after_json),
        "entry_id": entry.entry_id,
        "hash": hex(&link.hash),
    });
    format!("{object}\n")
}

fn row(link: &Link) -> String {
    let entry = &link.entry;
    let cells = [
        link.sequence.to_string(),
        entry.at.to_string(),
        entry.actor.clone(),
        entry.action.clone(),
        entry.target.clone(),
        entry.source.clone(),
        entry.outcome.clone(),
        entry.origin_address.clone(),
        entry.trace_id.clone(),
        entry.operation_id.clone(),
        entry.before_json.clone(),
        entry.after_json.clone(),
        entry.entry_id.to_string(),
        hex(&link.hash),
    ];
    let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
    format!("{}\r\n", cells.join(","))
}

fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

/// A hash as text.
#[must_use]
pub fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_cells() {
        let rows = [
            ("user:1", "user:1"),
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            (r#"{"a":1,"b":"c"}"#, r#""{""a"":1,""b"":""c""}""#),
            ("-a,b", "\"'-a,b\""),
        ];
        for (cell, expected) in rows {
            assert_eq!(quoted(cell), expected);
        }
    }

    #[test]
    fn formats_have_names() {
        assert_eq!(Format::named(""), Some(Format::Ndjson));
        assert_eq!(Format::named("csv"), Some(Format::Csv));
        assert_eq!(Format::named("xlsx"), None);
    }
}
