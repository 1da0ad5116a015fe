//! Every service that does something privileged has the same table for its notes.

use std::collections::BTreeSet;
use std::path::Path;

/// Identity writes into the trail itself, in the transaction of the action.
const KEEPS_THE_TRAIL: &str = "identity";

#[test]
fn every_service_with_a_privileged_rpc_has_the_outbox() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let privileged = contracts::methods().iter().filter(|rpc| rpc.is_privileged());
    let services: BTreeSet<_> = privileged.map(|rpc| rpc.service.as_str()).collect();
    for service in services.into_iter().filter(|service| *service != KEEPS_THE_TRAIL) {
        let rendered = runtime::audit::TEMPLATE.replace("{{service}}", service);
        let folder = std::fs::read_dir(root.join(service)).unwrap();
        let mut files = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        assert!(files.any(|text| text == rendered), "{service} has no audit outbox as the template says");
    }
}
