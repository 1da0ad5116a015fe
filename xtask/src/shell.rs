//! Runs other programs, with their output going where ours goes.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::place::Place;

/// The cargo that runs us.
pub fn cargo(place: &Place) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(&place.root);
    command
}

/// Runs a command to its end; fails when it fails, naming `what`.
pub fn run(what: &str, command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{what} failed ({status}).");
    }
    Ok(())
}

/// Runs a command quietly and answers what it wrote to standard output.
pub fn output(what: &str, command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{what} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program of this name is on PATH.
pub fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// What cargo knows of the workspace's own crates.
pub fn metadata(place: &Place) -> Result<Value> {
    let mut command = cargo(place);
    command.args(["metadata", "--format-version", "1", "--no-deps"]);
    let text = output("cargo metadata", &mut command)?;
    serde_json::from_str(&text).context("cargo metadata did not answer JSON")
}

/// Every file of the checkout that is not ignored, relative to its top.
pub fn files(place: &Place) -> Result<Vec<String>> {
    let mut command = Command::new("git");
    // A checkout that belongs to somebody else, as in some CI machines, is still the one we were built from.
    command.arg("-c").arg(format!("safe.directory={}", place.root.display()));
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let text = output("git ls-files", command.current_dir(&place.root))?;
    let exists = |name: &&str| !name.is_empty() && place.root.join(name).is_file();
    Ok(text.split('\0').filter(exists).map(str::to_owned).collect())
}

/// Reads a text file of the checkout.
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
