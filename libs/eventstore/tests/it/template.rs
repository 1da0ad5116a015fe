//! Every event-sourced service starts with the same tables.

use std::path::Path;

/// When a service becomes event-sourced, add its schema here.
const SERVICES: [&str; 6] = ["identity", "wallet", "invoicing", "subscription", "payments", "notify"];

#[test]
fn every_first_migration_is_the_template() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    for service in SERVICES {
        let file = root.join(service).join("0001_create_event_store.sql");
        let rendered = eventstore::TEMPLATE.replace("{{service}}", service);
        if std::env::var_os("VBWD_BLESS").is_some() {
            std::fs::write(&file, &rendered).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, rendered, "{} differs; write it with VBWD_BLESS=1", file.display());
    }
}
