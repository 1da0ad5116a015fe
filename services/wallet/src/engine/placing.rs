//! What is known and wanted of the place of one partition: the part of its slot that
//! [`super::placement`] works with.

use std::sync::atomic::AtomicBool;

use journal::Wish;
use tokio::sync::{Notify, watch};

/// What is known and wanted of the placing of one partition.
#[derive(Default)]
pub(super) struct Placing {
    /// What the database wishes of this process.
    pub(super) wish: watch::Sender<Option<Wish>>,
    /// Whether this process could take over at once.
    pub(super) prepared: AtomicBool,
    /// The lease shall be looked at before its time.
    pub(super) look: Notify,
}
