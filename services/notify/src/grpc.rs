//! The rpcs: convert, call, convert. Who may call was checked by the guard before.

mod mails;

use std::sync::Arc;

use contracts::vbwd::notify::v1::mail_service_server::MailServiceServer;
use eventstore::CommandContext;
use jiff::Timestamp;
use kernel::Clock;
use runtime::Platform;
use tonic::Request;
use tonic::service::Routes;

use crate::mail::Queue;

/// The handlers of all services of this package.
#[derive(Clone)]
pub(crate) struct Rpcs {
    clock: Arc<dyn Clock>,
    queue: Queue,
}

impl Rpcs {
    pub(crate) fn new(platform: &Platform, queue: Queue) -> Self {
        Self { clock: Arc::clone(&platform.clock), queue }
    }

    fn context<T>(&self, request: &Request<T>) -> fault::Result<(Arc<auth::Caller>, CommandContext)> {
        runtime::context(request, &*self.clock)
    }
}

/// The rpcs of notify.
pub(crate) fn routes(rpcs: Rpcs) -> Routes {
    Routes::new(MailServiceServer::new(rpcs))
}

pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}
