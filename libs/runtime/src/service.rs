//! A service as a value.

use std::future::Future;
use std::pin::Pin;

use crate::{Drain, Tasks};

type Work = Box<dyn Fn(Drain) -> Pin<Box<dyn Future<Output = fault::Result<()>> + Send>> + Send>;

/// Everything a service brings: its rpcs and its background roles.
pub struct Service {
    /// The word after `vbwd.` in its proto package.
    pub name: &'static str,
    /// Its rpcs.
    pub routes: tonic::service::Routes,
    /// Relay, projectors, reactors, timers.
    pub roles: Vec<Role>,
}

/// One background activity of a service.
pub struct Role {
    name: &'static str,
    work: Work,
}

impl Role {
    /// An activity that runs until it is told to drain; when it fails it is started again.
    pub fn task<W, F>(name: &'static str, work: W) -> Self
    where
        W: Fn(Drain) -> F + Send + 'static,
        F: Future<Output = fault::Result<()>> + Send + 'static,
    {
        Self { name, work: Box::new(move |drain| Box::pin(work(drain))) }
    }

    /// Its name within the service: `relay`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Starts it under the name `<service>.<role>`.
    pub fn start(self, service: &str, tasks: &Tasks) {
        tasks.supervise(format!("{service}.{}", self.name), crate::OnError::Restart, self.work);
    }
}
