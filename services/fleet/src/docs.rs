//! The generated reference: what integrators read.
//!
//! Everything here follows from the proto descriptors, comments included; nothing is written by
//! hand, and a test compares the checked-in files with what this module would write.

mod asyncapi;
mod configuration;
mod events;
mod problems;
mod rpcs;

use std::collections::BTreeMap;
use std::path::Path;

use fault::Fault;
use serde_json::Value;

/// One generated file: its path below the reference folder, and its text.
pub type Page = (String, String);

/// Every generated file.
///
/// # Errors
/// Never in practice: descriptors always serialise.
pub fn pages() -> fault::Result<Vec<Page>> {
    let mut pages = events::pages()?;
    pages.push(rpcs::page());
    pages.push(problems::page());
    pages.push(configuration::page()?);
    pages.push(("asyncapi.json".to_owned(), json(asyncapi::document())?));
    pages.push(("openapi.json".to_owned(), json(gateway::openapi_document())?));
    Ok(pages)
}

/// JSON for people, members by name: a build whose `serde_json` keeps another order writes the same.
fn json(document: Value) -> fault::Result<String> {
    Ok(serde_json::to_string_pretty(&sorted(document)).map_err(Fault::internal)? + "\n")
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, sorted(value)));
            Value::Object(members.collect::<BTreeMap<_, _>>().into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        plain => plain,
    }
}

/// Writes every generated file below `folder`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path) -> fault::Result<()> {
    for (path, text) in pages()? {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(Fault::internal)?;
        }
        std::fs::write(&file, text).map_err(Fault::internal)?;
        println!("{}", file.display());
    }
    Ok(())
}
