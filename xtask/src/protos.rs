//! The protos: linted, and compared with the last landed ones, by `buf`.
//!
//! `buf` comes from its npm package, pinned by `xtask/buf/package-lock.json` and installed without
//! running any script. `proto/baseline.binpb` is the last landed state; a change that breaks
//! clients is refused until `proto-bless` makes the new state the baseline, which shows in review.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::console;
use crate::place::Place;
use crate::shell;

const BASELINE: &str = "proto/baseline.binpb";

/// Lints, and looks for breaking changes.
pub fn run(place: &Place) -> Result<()> {
    ensure_buf(place)?;
    shell::run("buf lint", buf(place).args(["lint", "proto"]))?;
    shell::run(
        "buf breaking",
        buf(place).args(["breaking", "proto", "--exclude-imports", "--against", BASELINE]),
    )
}

/// Writes the baseline.
pub fn bless(place: &Place) -> Result<()> {
    ensure_buf(place)?;
    shell::run("buf lint", buf(place).args(["lint", "proto"]))?;
    shell::run("buf build", buf(place).args(["build", "proto", "--exclude-source-info", "-o", BASELINE]))
}

fn folder(place: &Place) -> PathBuf {
    place.root.join("xtask").join("buf")
}

fn buf(place: &Place) -> Command {
    let mut command = Command::new(folder(place).join("node_modules/.bin/buf"));
    command.current_dir(&place.root);
    command
}

fn ensure_buf(place: &Place) -> Result<()> {
    if is_installed(place)? {
        return Ok(());
    }
    if !shell::is_on_path("npm") {
        bail!("npm is needed for the proto linter: install Node.js.");
    }
    console::note("installing the proto linter");
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    shell::run("npm ci", command.current_dir(folder(place)))
}

/// Whether the installed version is the pinned one.
fn is_installed(place: &Place) -> Result<bool> {
    let manifest: serde_json::Value =
        serde_json::from_str(&shell::read(&folder(place).join("package.json"))?)?;
    let wanted = manifest["devDependencies"]["@bufbuild/buf"].as_str().unwrap_or_default();
    Ok(shell::output("buf", buf(place).arg("--version")).is_ok_and(|version| version.trim() == wanted))
}
