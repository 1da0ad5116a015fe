//! The tool that calls the API with generated input: Schemathesis, in a Python environment of its own
//! below the target folder, pinned by `xtask/schemathesis/requirements.txt`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::console;
use crate::packages;
use crate::place::Place;
use crate::shell;

const REQUIREMENTS: &str = "xtask/schemathesis/requirements.txt";

/// Makes sure that it is installed; answers its program.
pub fn ensure(place: &Place) -> Result<PathBuf> {
    let folder = place.target_folder()?.join("schemathesis");
    let (program, stamp) = (folder.join("bin/schemathesis"), folder.join("requirements.txt"));
    let wanted = shell::read(&place.root.join(REQUIREMENTS))?;
    if program.is_file() && shell::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(program);
    }
    packages::ensure_python(place)?;
    console::timed("Installing the API fuzzer", || {
        shell::run("python3 -m venv", Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        shell::run("pip install", pip.arg(place.root.join(REQUIREMENTS)))
    })?;
    std::fs::write(&stamp, wanted)?;
    Ok(program)
}
