//! A server's log file: what it said during this start.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::error::{Result, ServerError};

const TAIL_LINES: usize = 12;

/// The log of one start: the file, and where this start begins in it.
pub(crate) struct StartLog {
    path: PathBuf,
    file: File,
    begins_at: usize,
}

impl StartLog {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let file = opened.map_err(ServerError::io("write", path))?;
        let length = file.metadata().map_err(ServerError::io("look at", path))?.len();
        let begins_at = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(Self { path: path.to_owned(), file, begins_at })
    }

    /// The file as a child's output.
    pub(crate) fn output(&self) -> Result<Stdio> {
        self.file.try_clone().map(Stdio::from).map_err(ServerError::io("write", &self.path))
    }

    /// Everything the server said since this start.
    pub(crate) fn text(&self) -> String {
        let all = std::fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(all.get(self.begins_at..).unwrap_or_default()).into_owned()
    }

    pub(crate) fn did_not_start(&self, server: &'static str) -> ServerError {
        ServerError::DidNotStart { server, log: self.path.clone(), tail: tail(&self.text()) }
    }

    pub(crate) fn not_ready(&self, server: &'static str, seconds: u64) -> ServerError {
        ServerError::NotReady { server, seconds, log: self.path.clone(), tail: tail(&self.text()) }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines[first..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_shown() {
        let text: String = (0..40).map(|line| format!("line {line}\n")).collect();
        assert_eq!(tail(&text).lines().count(), TAIL_LINES);
        assert!(tail(&text).ends_with("  line 39"));
    }

    #[test]
    fn an_earlier_start_is_not_part_of_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        std::fs::write(&path, "old\n").unwrap();
        let log = StartLog::open(&path).unwrap();
        std::fs::write(&path, "old\nnew\n").unwrap();
        assert_eq!(log.text(), "new\n");
    }
}
