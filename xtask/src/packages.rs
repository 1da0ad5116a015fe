//! Debian packages that the private servers need.
//!
//! As root, what is missing is installed, and nothing else happens to the machine: no cluster is
//! made, no daemon is started now or at the next boot. As an ordinary user the exact command is
//! printed instead, and the exit code is 2.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::console;
use crate::shell;

const POLICY: &str = "/usr/sbin/policy-rc.d";
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// Packages that an ordinary user has to have installed.
#[derive(Debug)]
pub struct Missing(Vec<&'static str>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Something is missing on this machine. Install it as root, then try again:\n\n    \
             apt-get install --no-install-recommends {}\n",
            self.0.join(" ")
        )
    }
}

impl std::error::Error for Missing {}

/// Makes sure that PostgreSQL and NATS are installed.
pub fn ensure_servers() -> Result<()> {
    let missing = missing_servers()?;
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root()? || !shell::is_on_path("apt-get") {
        return Err(Missing(missing).into());
    }
    console::timed(&format!("Installing {}", missing.join(" ")), || install(&missing))?;
    match missing_servers()? {
        still if still.is_empty() => Ok(()),
        still => Err(Missing(still).into()),
    }
}

fn missing_servers() -> Result<Vec<&'static str>> {
    let package = |error: servers::ServerError| match error {
        servers::ServerError::NotInstalled { package, .. } => Ok(package),
        other => Err(other),
    };
    let postgres = servers::postgres_installations().err().map(package).transpose()?;
    let nats = servers::nats_binary().err().map(package).transpose()?;
    Ok(postgres.into_iter().chain(nats).collect())
}

fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self").context("cannot read /proc")?.uid() == 0)
}

fn install(packages: &[&'static str]) -> Result<()> {
    let no_daemons = TemporaryFile::write(Path::new(POLICY), "#!/bin/sh\nexit 101\n", 0o755)?;
    apt(&["update", "-qq"])?;
    for package in packages {
        match *package {
            "postgresql" => install_postgres()?,
            other => apt(&["install", other])?,
        }
        if *package == "nats-server" {
            // Only the program is wanted, not a broker at every boot. Without systemd this is nothing.
            let _no_systemd = Command::new("systemctl").args(["disable", "--quiet", "nats-server"]).output();
        }
    }
    drop(no_daemons);
    Ok(())
}

/// The package's main cluster is not wanted. The file that says so belongs to postgresql-common, so
/// that comes first; what the file said before is put back, should somebody want clusters later.
fn install_postgres() -> Result<()> {
    apt(&["install", "postgresql-common"])?;
    let path = Path::new(CREATE_CLUSTER);
    let before = std::fs::read_to_string(path).unwrap_or_default();
    std::fs::write(path, format!("{before}\ncreate_main_cluster = false\n"))
        .with_context(|| format!("cannot write {CREATE_CLUSTER}"))?;
    let installed = apt(&["install", "postgresql"]);
    std::fs::write(path, before).with_context(|| format!("cannot write {CREATE_CLUSTER}"))?;
    installed
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    shell::run(&format!("apt-get {}", arguments.join(" ")), &mut command)
}

/// A file that is there for a while, unless somebody already has one there.
struct TemporaryFile(Option<PathBuf>);

impl TemporaryFile {
    fn write(path: &Path, text: &str, mode: u32) -> Result<Self> {
        if path.exists() {
            return Ok(Self(None));
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        Ok(Self(Some(path.to_owned())))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _already_gone = std::fs::remove_file(path);
        }
    }
}
