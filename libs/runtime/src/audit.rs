//! What was done by privilege, noted where it is done and handed over to the audit trail.
//!
//! The layer around a service's rpcs concerns itself with those that ask for a permission and change
//! something (or show a secret), when a person or a key calls. It notes the action in the service's
//! own database *before* the rpc begins and what became of it afterwards; so nothing is done without
//! a note, and a crash in between leaves one that says `unknown`. An rpc whose action cannot be noted
//! is refused. What was refused before anything changed leaves nothing.
//!
//! A courier hands notes over to identity, where they become entries of the tenant's hash chain, and
//! forgets them only then. Ids follow from the operation and the rpc, so what comes twice is one
//! entry. That way no service knows the chain, none can forget an rpc, and audit data, which is
//! nobody else's business, never stands on the broker.

mod courier;
mod layer;
mod note;
mod outbox;
mod request;

use std::sync::Arc;

use eventstore::EventStore;
use kernel::Clock;
use tokio::sync::Notify;
use tonic::service::Routes;

use crate::{Platform, Role};

pub use note::{acted_on, changed, state};

/// The migration that every service with a trail has, with `{{service}}` for its name.
pub const TEMPLATE: &str = include_str!("../template/create_audit_outbox.sql");

/// The trail of one service.
#[derive(Clone)]
pub struct Trail {
    store: EventStore,
    clock: Arc<dyn Clock>,
    settled: Arc<Notify>,
}

impl Trail {
    /// A trail that is noted in `store`.
    #[must_use]
    pub fn new(store: EventStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, settled: Arc::default() }
    }

    /// `routes`, with every privileged action noted.
    #[must_use]
    pub fn around(&self, routes: Routes) -> Routes {
        Routes::from(routes.into_axum_router().layer(layer::AuditLayer(self.clone())))
    }

    /// The role that hands over what was noted. In a fleet without identity notes stay.
    #[must_use]
    pub fn courier(&self, platform: &Platform) -> Role {
        let (trail, identity) = (self.clone(), platform.peer(self.store.service(), "identity").ok());
        Role::task("audit", move |drain| courier::run(trail.clone(), identity.clone(), drain))
    }
}
