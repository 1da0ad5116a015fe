//! The crates of the workspace, as far as their layers are concerned.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// What a crate is, by where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `libs/*`
    Lib,
    /// `services/<name>` and servers of its own below it; carries `<name>`.
    Service(String),
    /// `services/<name>/domain`
    Domain,
    /// `services/fleet`: puts the services together.
    Binary,
    /// `gateway`
    Gateway,
    /// `tests/*`
    Test,
    /// `xtask`
    Tool,
}

/// One crate.
#[derive(Debug, Clone)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What it depends on, our own crates and others.
    pub uses: Vec<Use>,
    manifest: PathBuf,
}

/// One dependency.
#[derive(Debug, Clone)]
pub struct Use {
    /// Name of the crate that is used.
    pub name: String,
    /// Whether only tests use it.
    pub development: bool,
}

/// Reads them from what cargo says.
pub fn read(metadata: &Value) -> Result<Vec<Crate>> {
    let root = metadata["workspace_root"].as_str().context("cargo names no workspace root")?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    packages.iter().map(|package| read_one(Path::new(root), package)).collect()
}

fn read_one(root: &Path, package: &Value) -> Result<Crate> {
    let name = package["name"].as_str().context("a package has no name")?.to_owned();
    let manifest = PathBuf::from(package["manifest_path"].as_str().context("a package has no manifest")?);
    let folder = manifest.parent().unwrap_or(root).strip_prefix(root)?.display().to_string();
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let uses = dependencies.iter().map(read_use).collect::<Result<_>>()?;
    let kind = kind_of(&folder).with_context(|| format!("{folder} is no place for a crate"))?;
    Ok(Crate { name, kind, uses, manifest })
}

fn read_use(dependency: &Value) -> Result<Use> {
    let name = dependency["name"].as_str().context("a dependency has no name")?.to_owned();
    Ok(Use { name, development: dependency["kind"] == "dev" })
}

fn kind_of(folder: &str) -> Option<Kind> {
    let parts: Vec<&str> = folder.split('/').collect();
    Some(match parts.as_slice() {
        ["libs", _] => Kind::Lib,
        ["services", "fleet"] => Kind::Binary,
        ["services", _, "domain"] => Kind::Domain,
        ["services", name] | ["services", name, _] => Kind::Service((*name).to_owned()),
        ["gateway"] => Kind::Gateway,
        ["tests", _] => Kind::Test,
        ["xtask"] => Kind::Tool,
        _ => return None,
    })
}

impl Crate {
    /// What its manifest does on its own that the workspace should decide.
    pub fn manifest_complaints(&self) -> Result<Vec<String>> {
        let manifest: toml::Table = shell::read(&self.manifest)?.parse()?;
        Ok(manifest_complaints(&self.name, &manifest))
    }

    #[cfg(test)]
    pub fn sample(name: &str, kind: Kind, uses: &[&str]) -> Self {
        let uses = uses.iter().map(|name| Use { name: (*name).to_owned(), development: false }).collect();
        Self { name: name.to_owned(), kind, uses, manifest: PathBuf::new() }
    }
}

fn manifest_complaints(name: &str, manifest: &toml::Table) -> Vec<String> {
    let inherits = |table: &toml::Value| table.get("workspace").and_then(toml::Value::as_bool) == Some(true);
    let mut found = Vec::new();
    if !manifest.get("lints").is_some_and(inherits) {
        found.push(format!("{name} lacks [lints] workspace = true"));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let table = manifest.get(section).and_then(toml::Value::as_table);
        for (used, value) in table.into_iter().flatten() {
            // A crate may name itself, to switch on a feature for its own tests.
            if used != name && !inherits(value) {
                found.push(format!("{name} sets its own version of {used}; use {used}.workspace = true"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_goes_its_own_way_is_named() {
        let manifest = "[dependencies]\nserde = \"1\"\ntokio.workspace = true".parse().unwrap();
        let found = manifest_complaints("x", &manifest);
        assert_eq!(found.len(), 2, "{found:?}");
        let manifest =
            "[lints]\nworkspace = true\n[dependencies]\nserde = { workspace = true }".parse().unwrap();
        assert!(manifest_complaints("x", &manifest).is_empty());
    }

    #[test]
    fn a_folder_says_what_a_crate_is() {
        assert_eq!(kind_of("services/wallet/domain"), Some(Kind::Domain));
        assert_eq!(kind_of("services/wallet"), Some(Kind::Service("wallet".to_owned())));
        assert_eq!(kind_of("elsewhere"), None);
    }
}
