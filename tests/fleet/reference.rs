//! The checked-in reference is what the descriptors say now.

use std::path::Path;

#[test]
fn the_generated_reference_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    for (path, text) in fleet::docs::pages().unwrap() {
        let stored = std::fs::read_to_string(folder.join(&path)).unwrap_or_default();
        assert!(stored == text, "{path} is out of date: run `cargo run -p fleet -- docs docs/reference`");
    }
}

#[test]
fn every_published_event_has_a_schema() {
    let pages = fleet::docs::pages().unwrap();
    for event in ["invoice.paid", "tokens.credited", "payment.captured", "user.registered"] {
        assert!(pages.iter().any(|(path, _)| path == &format!("events/{event}.v1.schema.json")), "{event}");
    }
}
