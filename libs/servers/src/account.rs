//! The user a server runs as.
//!
//! PostgreSQL refuses root. So when we are root, and only then, PostgreSQL's programs run through
//! `setpriv` as the user `postgres` that the Debian package created; everybody else simply runs them.
//! The environment is always cleaned: a stray `PGDATA` or `PGPORT` must not redirect a private server.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Result, ServerError};

const SERVER_USER: &str = "postgres";
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The user PostgreSQL runs as: ourselves, or `postgres` when we are root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    uid: u32,
    gid: u32,
    /// Set when it differs from who we are.
    name: Option<String>,
}

impl Account {
    /// The account for PostgreSQL on this machine.
    pub fn for_postgres() -> Result<Self> {
        let uid = rustix::process::geteuid();
        if !uid.is_root() {
            let gid = rustix::process::getegid();
            return Ok(Self { uid: uid.as_raw(), gid: gid.as_raw(), name: None });
        }
        let passwd = std::fs::read_to_string("/etc/passwd")
            .map_err(ServerError::io("read", Path::new("/etc/passwd")))?;
        find_user(&passwd, SERVER_USER)
            .map(|(uid, gid)| Self { uid, gid, name: Some(SERVER_USER.to_owned()) })
            .ok_or(ServerError::NoUser { user: SERVER_USER })
    }

    /// The name for messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("number {}", self.uid))
    }

    /// Whether this user may enter the folder. A folder that does not exist cannot be entered.
    #[must_use]
    pub fn can_enter(&self, folder: &Path) -> bool {
        let mut test = self.command("/usr/bin/test");
        let status = test.arg("-x").arg(folder).stdin(Stdio::null()).status();
        folder.is_dir() && status.is_ok_and(|status| status.success())
    }

    /// A command that runs as this user with a cleaned environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match &self.name {
            None => Command::new(program),
            Some(name) => {
                let mut wrapped = Command::new("/usr/bin/setpriv");
                wrapped.args(["--reuid", name, "--regid", &self.gid.to_string(), "--init-groups", "--"]);
                wrapped.arg(program);
                wrapped
            }
        };
        command.env_clear().env("PATH", SYSTEM_PATH).env("LC_ALL", "C").current_dir("/");
        command
    }

    /// Makes a folder that only this user can read.
    pub(crate) fn make_folder(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir(folder).map_err(ServerError::io("create", folder))?;
        self.own(folder, 0o700)
    }

    /// Hands a file or folder to this user.
    pub(crate) fn own(&self, path: &Path, mode: u32) -> Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(ServerError::io("change the owner of", path))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .map_err(ServerError::io("change the permissions of", path))
    }

    /// Checks that the folder is this user's and closed to others, as PostgreSQL demands.
    pub(crate) fn check_owner(&self, folder: &Path) -> Result<()> {
        let metadata = std::fs::metadata(folder).map_err(ServerError::io("look at", folder))?;
        if metadata.uid() != self.uid {
            let (found, user) = (metadata.uid(), self.name());
            let reason = format!("it belongs to user number {found}, the server would run as user {user}");
            return Err(ServerError::broken(folder, reason));
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o027 != 0 {
            let reason = format!("its permissions are {mode:o} and must be 700 (chmod 700 closes it)");
            return Err(ServerError::broken(folder, reason));
        }
        Ok(())
    }
}

fn find_user(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:9:9::/:\npostgres:x:104:112::/:\n";
        assert_eq!(find_user(passwd, "postgres"), Some((104, 112)));
        assert_eq!(find_user(passwd, "post"), None);
    }
}
