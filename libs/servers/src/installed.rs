//! Where the server programs are.
//!
//! PostgreSQL: `$PG_BIN`, then Debian's versioned folders, newest first, then `pg_config --bindir`.
//! A `postgres` on PATH is never used: it may be anything, and its `initdb` another version.
//! NATS: `$NATS_BIN` or `$VBWD_TEST_NATS_BIN`, then PATH, then the sbin folders that are missing
//! from the PATH of ordinary users.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Result, ServerError};

const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// One installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresInstallation {
    /// Folder with `postgres`, `initdb` and the rest.
    pub bin: PathBuf,
    /// Major version, 15.
    pub major: u32,
}

/// Every usable PostgreSQL, the one to prefer first.
pub fn postgres_installations() -> Result<Vec<PostgresInstallation>> {
    if let Some(folder) = std::env::var_os("PG_BIN").map(PathBuf::from) {
        let found = installation(&folder).ok_or(ServerError::WrongOverride {
            variable: "PG_BIN",
            path: folder,
            program: "postgres and initdb",
        })?;
        return Ok(vec![found]);
    }
    let mut found = debian_installations(Path::new(DEBIAN_FOLDER));
    if found.is_empty() {
        found.extend(pg_config_folder().as_deref().and_then(installation));
    }
    if found.is_empty() {
        return Err(ServerError::NotInstalled { server: "PostgreSQL", package: "postgresql" });
    }
    Ok(found)
}

/// The `nats-server` program.
pub fn nats_binary() -> Result<PathBuf> {
    for variable in ["NATS_BIN", "VBWD_TEST_NATS_BIN"] {
        if let Some(path) = std::env::var_os(variable).map(PathBuf::from) {
            let wrong = ServerError::WrongOverride { variable, path: path.clone(), program: "nats-server" };
            return if path.is_file() { Ok(path) } else { Err(wrong) };
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join("nats-server"))
        .find(|program| program.is_file())
        .ok_or(ServerError::NotInstalled { server: "NATS", package: "nats-server" })
}

fn debian_installations(root: &Path) -> Vec<PostgresInstallation> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.filter_map(|entry| installation(&entry.path().join("bin"))).collect();
    found.sort_by_key(|installation| std::cmp::Reverse(installation.major));
    found
}

fn pg_config_folder() -> Option<PathBuf> {
    let answer = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    Some(PathBuf::from(text.trim()))
}

fn installation(bin: &Path) -> Option<PostgresInstallation> {
    if !bin.join("initdb").is_file() {
        return None;
    }
    let answer = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let major = major_version(&String::from_utf8(answer.stdout).ok()?)?;
    Some(PostgresInstallation { bin: bin.to_owned(), major })
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → 15; `… 19devel` → 19.
fn major_version(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL)")?.1.trim_start();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_the_programs_answer() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 19devel\n"), Some(19));
        assert_eq!(major_version("something else 3.1"), None);
    }

    #[test]
    fn a_folder_without_programs_is_no_installation() {
        let empty = tempfile::tempdir().unwrap();
        assert!(debian_installations(empty.path()).is_empty());
        assert!(debian_installations(Path::new("/does/not/exist")).is_empty());
    }
}
