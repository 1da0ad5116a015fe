//! What a tenant has set: limits and meters; and how far its time has come.

use std::sync::Arc;

use crate::{LimitRule, Meter};

/// Settings of a tenant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    /// The latest time of an operation: time never runs backwards in a ledger.
    pub(crate) last_ms: i64,
    pub(crate) limits: Arc<[LimitRule]>,
    pub(crate) meters: Arc<[Meter]>,
}

impl Books {
    pub(crate) fn meter(&self, name: &str) -> Option<&Meter> {
        self.meters.iter().find(|meter| meter.name == name)
    }

    /// Adds a meter, or replaces the one of its name.
    pub(crate) fn put_meter(&mut self, meter: Meter) {
        let others = self.meters.iter().filter(|other| other.name != meter.name).cloned();
        self.meters = others.chain([meter.clone()]).collect();
    }
}
