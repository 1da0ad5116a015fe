//! How a private PostgreSQL server is to run, and the arguments that follow from it.
//!
//! Settings go on the command line, not into `postgresql.conf`: they follow the code, also for data
//! folders that an earlier version of the code made.

use std::path::{Path, PathBuf};

use crate::error::{Result, ServerError};

/// A socket's path must fit into 107 bytes, name included.
const SOCKET_FOLDER_BYTES_MAX: usize = 80;

/// What a private PostgreSQL server is asked to be.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Absolute path; made on the first start.
    pub data_folder: PathBuf,
    /// Where the server writes its log; made if missing.
    pub log_file: PathBuf,
    /// Port on 127.0.0.1; none takes any free one.
    pub port: Option<u16>,
    /// Whether committed data must survive a power failure. Data survives a killed server either way.
    pub durable: bool,
    /// Password of the superuser `postgres`, letters and digits; without one, everybody on this
    /// machine is let in. It takes effect when the data folder is made.
    pub password: Option<String>,
    /// More settings, `("work_mem", "16MB")`; they win over ours.
    pub settings: Vec<(String, String)>,
}

impl PostgresOptions {
    /// For data that stays: durable, on a port that stays the same.
    #[must_use]
    pub fn durable(data_folder: impl Into<PathBuf>, port: u16, password: &str) -> Self {
        let data_folder = data_folder.into();
        let log_file = beside(&data_folder, "log");
        let (port, password) = (Some(port), Some(password.to_owned()));
        Self { data_folder, log_file, port, durable: true, password, settings: Vec::new() }
    }

    /// For tests: quick, any port, no password.
    #[must_use]
    pub fn ephemeral(data_folder: impl Into<PathBuf>) -> Self {
        let data_folder = data_folder.into();
        let log_file = beside(&data_folder, "log");
        Self { data_folder, log_file, port: None, durable: false, password: None, settings: Vec::new() }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !self.data_folder.is_absolute() {
            let folder = self.data_folder.display();
            return Err(ServerError::BadOption(format!(
                "The data folder {folder} must be an absolute path."
            )));
        }
        let plain =
            |password: &str| !password.is_empty() && password.chars().all(|c| c.is_ascii_alphanumeric());
        if self.password.as_deref().is_some_and(|password| !plain(password)) {
            let sentence = "The password of a private PostgreSQL consists of letters and digits.";
            return Err(ServerError::BadOption(sentence.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn url(&self, port: u16, database: &str) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}")).unwrap_or_default();
        format!("postgres://postgres{password}@127.0.0.1:{port}/{database}")
    }

    /// The server's command line, without the program.
    pub(crate) fn arguments(&self, port: u16) -> Vec<String> {
        let mut settings: Vec<(String, String)> = Vec::new();
        let mut set = |name: &str, value: &str| settings.push((name.to_owned(), value.to_owned()));
        set("listen_addresses", "127.0.0.1");
        set("port", &port.to_string());
        set("unix_socket_directories", &socket_folder(&self.data_folder));
        set("max_connections", "300");
        set("shared_buffers", "256MB");
        set("max_wal_size", "2GB");
        set("timezone", "UTC");
        set("log_timezone", "UTC");
        set("log_min_messages", "warning");
        // Commits wait until the server has handed them to the system, so that killing the server
        // loses nothing; only `durable` makes the system write them down as well.
        set("synchronous_commit", "on");
        set("fsync", if self.durable { "on" } else { "off" });
        set("full_page_writes", if self.durable { "on" } else { "off" });
        settings.extend(self.settings.iter().cloned());
        let mut arguments = vec!["-D".to_owned(), self.data_folder.display().to_string()];
        for (name, value) in settings {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        arguments
    }
}

/// The data folder itself, or none at all where its path is too long for a socket.
fn socket_folder(data_folder: &Path) -> String {
    let text = data_folder.display().to_string();
    // The setting is a list: a comma or a quote in the path would be read as part of the list.
    let fits = text.len() <= SOCKET_FOLDER_BYTES_MAX && !text.contains([',', '"', ' ']);
    if fits { text } else { String::new() }
}

/// `…/postgres` and `log` → `…/postgres.log`.
fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    folder.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_needs_escaping_is_refused() {
        let refused = PostgresOptions::durable("/tmp/x", 1, "a@b").check().unwrap_err();
        assert!(refused.to_string().contains("letters and digits"));
    }

    #[test]
    fn a_relative_folder_is_refused() {
        assert!(PostgresOptions::ephemeral("x/y").check().is_err());
    }

    #[test]
    fn a_path_too_long_for_a_socket_means_no_socket() {
        let long = PathBuf::from(format!("/{}", "x".repeat(100)));
        assert_eq!(socket_folder(&long), "");
        assert_eq!(socket_folder(Path::new("/tmp/short")), "/tmp/short");
    }

    #[test]
    fn the_log_lies_beside_the_data() {
        assert_eq!(beside(Path::new("/a/postgres"), "log"), PathBuf::from("/a/postgres.log"));
    }
}
