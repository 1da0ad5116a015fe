//! What can be set for this service. Unknown keys are an error; `validate` runs before a port opens.

use std::time::Duration;

use fault::Fault;
use serde::{Deserialize, Serialize};

/// Longest that a list may be old.
const FRESH_MAX: u32 = 60_000;

/// Settings of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How old the public list of plans may be, in milliseconds. A change made by this process
    /// shows at once; one made by another replica after this time.
    pub catalogue_fresh_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { catalogue_fresh_ms: 1_000 }
    }
}

impl Config {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// `InvalidInput` with a pointer to the wrong key.
    pub fn validate(&self) -> fault::Result<()> {
        if self.catalogue_fresh_ms > FRESH_MAX {
            let message = "The list of plans would be older than a minute.";
            return Err(Fault::invalid("/catalogue_fresh_ms", "out_of_range", message));
        }
        Ok(())
    }

    pub(crate) fn catalogue_fresh(&self) -> Duration {
        Duration::from_millis(u64::from(self.catalogue_fresh_ms))
    }
}
