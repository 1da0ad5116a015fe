//! The generated reference: what integrators read.
//!
//! Everything here follows from the proto descriptors, comments included; nothing is written by
//! hand, and a test compares the checked-in files with what this module would write.

mod asyncapi;
mod configuration;
mod events;
mod rpcs;

use std::path::Path;

use fault::Fault;

/// One generated file: its path below the reference folder, and its text.
pub type Page = (String, String);

/// Every generated file.
///
/// # Errors
/// Never in practice: descriptors always serialise.
pub fn pages() -> fault::Result<Vec<Page>> {
    let mut pages = events::pages()?;
    pages.push(rpcs::page());
    pages.push(configuration::page()?);
    let openapi = serde_json::to_string_pretty(&gateway::openapi_document()).map_err(Fault::internal)?;
    let asyncapi = serde_json::to_string_pretty(&asyncapi::document()).map_err(Fault::internal)?;
    pages.push(("asyncapi.json".to_owned(), asyncapi + "\n"));
    pages.push(("openapi.json".to_owned(), openapi + "\n"));
    Ok(pages)
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
