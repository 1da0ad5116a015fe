//! A PostgreSQL data folder: made, recognised, refused.
//!
//! Every refusal happens before the server is started and says what is wrong with which folder;
//! nothing that exists is ever deleted or repaired here.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::PostgresOptions;
use crate::account::Account;
use crate::error::{Result, ServerError};
use crate::installed::{PostgresInstallation, postgres_installations};
use crate::process::{Found, Process};

/// Makes the folder if there is none, checks it if there is one, and chooses the programs for it.
pub(super) fn prepare(options: &PostgresOptions, account: &Account) -> Result<PostgresInstallation> {
    let folder = &options.data_folder;
    let installations = postgres_installations()?;
    make_parent(folder, account)?;
    if !exists_with_content(folder)? {
        let newest = installations.into_iter().next();
        let installation =
            newest.ok_or(ServerError::NotInstalled { server: "PostgreSQL", package: "postgresql" })?;
        create(options, account, &installation)?;
        return Ok(installation);
    }
    if let Some(found) = running(folder) {
        return Err(ServerError::AlreadyRunning { folder: folder.clone(), pid: found.process.id() });
    }
    account.check_owner(folder)?;
    let major = version_of(folder)?;
    forget_a_dead_server(folder)?;
    matching(folder, major, installations)
}

/// The server that runs on the folder. In the lock file line 1 is its process, line 4 its port.
pub(super) fn running(folder: &Path) -> Option<Found> {
    let text = lock_file(folder)?;
    let mut lines = text.lines().map(str::trim);
    let process = Process::find(lines.next()?.parse().ok()?, &folder.display().to_string())?;
    Some(Found { process, port: lines.nth(2)?.parse().ok()? })
}

/// Whether the server with this id has written "ready" into its lock file (line 8).
pub(super) fn says_ready(folder: &Path, pid: i32) -> bool {
    let Some(text) = lock_file(folder) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

fn lock_file(folder: &Path) -> Option<String> {
    std::fs::read_to_string(folder.join("postmaster.pid")).ok()
}

/// A lock file whose process id now belongs to a stranger would stop the server from starting.
fn forget_a_dead_server(folder: &Path) -> Result<()> {
    let path = folder.join("postmaster.pid");
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ServerError::io("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

fn make_parent(folder: &Path, account: &Account) -> Result<()> {
    let parent = folder.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(ServerError::io("create", parent))?;
    if account.can_enter(parent) {
        return Ok(());
    }
    Err(ServerError::Unreachable { folder: parent.to_owned(), user: account.name() })
}

fn exists_with_content(folder: &Path) -> Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(ServerError::broken(folder, "it is a file"))
        }
        Err(error) => Err(ServerError::io("read", folder)(error)),
    }
}

fn version_of(folder: &Path) -> Result<u32> {
    let path = folder.join("PG_VERSION");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ServerError::broken(folder, "it has content, but none made by PostgreSQL"));
        }
        Err(error) => return Err(ServerError::io("read", &path)(error)),
    };
    let Ok(major) = text.trim().parse() else {
        return Err(ServerError::broken(folder, "its PG_VERSION holds no version number; it is damaged"));
    };
    for needed in ["global/pg_control", "base", "pg_wal"] {
        if !folder.join(needed).exists() {
            return Err(ServerError::broken(folder, format!("it has no {needed}; it is damaged")));
        }
    }
    Ok(major)
}

fn matching(folder: &Path, major: u32, all: Vec<PostgresInstallation>) -> Result<PostgresInstallation> {
    let installed = all.iter().map(|one| one.major.to_string()).collect::<Vec<_>>().join(", ");
    let wrong = ServerError::OtherVersion { folder: folder.to_owned(), found: major, installed };
    all.into_iter().find(|one| one.major == major).ok_or(wrong)
}

fn create(options: &PostgresOptions, account: &Account, installation: &PostgresInstallation) -> Result<()> {
    let folder = &options.data_folder;
    let draft = draft_of(folder);
    if draft.exists() {
        std::fs::remove_dir_all(&draft).map_err(ServerError::io("remove", &draft))?;
    }
    account.make_folder(&draft)?;
    let made = initdb(options, account, installation, &draft)
        .and_then(|()| std::fs::rename(&draft, folder).map_err(ServerError::io("create", folder)));
    if made.is_err() {
        let _first_failure_counts = std::fs::remove_dir_all(&draft);
    }
    made
}

fn initdb(
    options: &PostgresOptions,
    account: &Account,
    installation: &PostgresInstallation,
    draft: &Path,
) -> Result<()> {
    let mut command = account.command(installation.bin.join("initdb"));
    command.arg("-D").arg(draft).args(["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]);
    let password_file = options.password.as_ref().map(|password| write_password(draft, password, account));
    match password_file.transpose()? {
        None => command.arg("--auth=trust"),
        Some(path) => command.arg("--auth=scram-sha-256").arg(format!("--pwfile={}", path.display())),
    };
    if !options.durable {
        command.arg("--no-sync");
    }
    let output = command.stdin(Stdio::null()).output();
    let _only_there_with_a_password = std::fs::remove_file(password_path(draft));
    let output = output.map_err(ServerError::io("run", &installation.bin.join("initdb")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(ServerError::broken(&options.data_folder, format!("initdb could not make it: {said}")))
}

/// Beside the draft, since `initdb` wants an empty folder.
fn write_password(draft: &Path, password: &str, account: &Account) -> Result<PathBuf> {
    let path = password_path(draft);
    std::fs::write(&path, "").map_err(ServerError::io("write", &path))?;
    account.own(&path, 0o600)?;
    std::fs::write(&path, password).map_err(ServerError::io("write", &path))?;
    Ok(path)
}

fn password_path(draft: &Path) -> PathBuf {
    draft.with_extension("password")
}

fn draft_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    folder.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(prepare_folder: impl FnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        prepare_folder(folder.path());
        version_of(folder.path()).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let said = refusal(|folder| std::fs::write(folder.join("holiday.jpg"), "x").unwrap());
        assert!(said.contains("none made by PostgreSQL"), "{said}");
    }

    #[test]
    fn a_garbled_version_is_refused() {
        let said = refusal(|folder| std::fs::write(folder.join("PG_VERSION"), "garbage").unwrap());
        assert!(said.contains("no version number"), "{said}");
    }

    #[test]
    fn a_folder_with_parts_missing_is_refused() {
        let said = refusal(|folder| std::fs::write(folder.join("PG_VERSION"), "15\n").unwrap());
        assert!(said.contains("has no global/pg_control"), "{said}");
    }

    #[test]
    fn data_of_another_version_is_named() {
        let installed = vec![PostgresInstallation { bin: PathBuf::from("/x"), major: 15 }];
        let said = matching(Path::new("/data"), 14, installed).unwrap_err().to_string();
        assert!(said.contains("PostgreSQL 14, but only 15") && said.contains("postgresql-14"), "{said}");
    }
}
