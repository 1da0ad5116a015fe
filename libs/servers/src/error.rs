//! What can go wrong, as sentences that say what to do next.
//!
//! The reader is somebody who typed `make up`. A variant exists where that reader has to act
//! differently; the rest is [`ServerError::DidNotStart`] with the server's own last words.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, ServerError>;

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The program is not installed.
    #[error("{server} is not installed. Install it with: apt-get install --no-install-recommends {package}")]
    NotInstalled {
        /// Name for people, "PostgreSQL".
        server: &'static str,
        /// Debian package.
        package: &'static str,
    },
    /// An environment variable points to a folder or file without the program.
    #[error("{variable} is set to {}, but there is no {program} in it.", path.display())]
    WrongOverride {
        /// Name of the variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
        /// The program that was looked for.
        program: &'static str,
    },
    /// The data folder was made by a PostgreSQL that is not installed (any more).
    #[error(
        "The data folder {} was made by PostgreSQL {found}, but only {installed} is installed. \
         Install it with: apt-get install postgresql-{found}; or delete the folder.",
        folder.display()
    )]
    OtherVersion {
        /// The data folder.
        folder: PathBuf,
        /// Major version that made it.
        found: u32,
        /// Major versions that are installed.
        installed: String,
    },
    /// Somebody else listens on the port.
    #[error("{server} cannot start: port {port} on 127.0.0.1 is taken by another program.")]
    PortTaken {
        /// Name for people.
        server: &'static str,
        /// The port.
        port: u16,
    },
    /// The data folder is not what it should be.
    #[error("The data folder {} cannot be used: {reason}.", folder.display())]
    BrokenData {
        /// The data folder.
        folder: PathBuf,
        /// What is wrong, lower case, no full stop.
        reason: String,
    },
    /// A server of ours already runs on the data folder.
    #[error("A server already runs on {} (process {pid}).", folder.display())]
    AlreadyRunning {
        /// The data folder.
        folder: PathBuf,
        /// Its process id.
        pid: i32,
    },
    /// The user the server runs as cannot get to the folder.
    #[error(
        "User {user} cannot reach {}: every folder on the way needs the x permission for others.",
        folder.display()
    )]
    Unreachable {
        /// The folder.
        folder: PathBuf,
        /// The user.
        user: String,
    },
    /// PostgreSQL refuses to run as root and there is no other user to take.
    #[error(
        "PostgreSQL does not run as root, and there is no user {user} to run it as. Create it or install the package postgresql."
    )]
    NoUser {
        /// The user that is missing.
        user: &'static str,
    },
    /// The server ended during start.
    #[error("{server} did not start. Its log {} ends with:\n{tail}", log.display())]
    DidNotStart {
        /// Name for people.
        server: &'static str,
        /// Where the log is.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The server runs but does not get ready.
    #[error("{server} was not ready after {seconds} s. Its log {} ends with:\n{tail}", log.display())]
    NotReady {
        /// Name for people.
        server: &'static str,
        /// How long we waited.
        seconds: u64,
        /// Where the log is.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The server ignored every request to stop.
    #[error("{server} (process {pid}) does not stop.")]
    DoesNotStop {
        /// Name for people.
        server: &'static str,
        /// Its process id.
        pid: i32,
    },
    /// An option makes no sense.
    #[error("{0}")]
    BadOption(String),
    /// The operating system said no.
    #[error("Cannot {doing}: {source}.")]
    Io {
        /// What was tried, "create /tmp/x".
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl ServerError {
    /// For `map_err`: names what was being done and to which path.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let doing = format!("{doing} {}", path.display());
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn broken(folder: &Path, reason: impl Into<String>) -> Self {
        Self::BrokenData { folder: folder.to_owned(), reason: reason.into() }
    }
}
