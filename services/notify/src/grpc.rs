//! The rpcs: convert, call, convert. Who may call was checked by the guard before.

mod convert;
mod mails;
mod notifications;
mod preferences;
mod suppressions;
mod templates;
mod webhooks;

use std::sync::Arc;

use contracts::vbwd::notify::v1::mail_service_server::MailServiceServer;
use contracts::vbwd::notify::v1::notification_service_server::NotificationServiceServer;
use contracts::vbwd::notify::v1::preference_service_server::PreferenceServiceServer;
use contracts::vbwd::notify::v1::suppression_service_server::SuppressionServiceServer;
use contracts::vbwd::notify::v1::template_service_server::TemplateServiceServer;
use contracts::vbwd::notify::v1::webhook_service_server::WebhookServiceServer;
use eventstore::{CommandContext, EventStore};
use kernel::Clock;
use tonic::Request;
use tonic::service::Routes;

use crate::mail::Queue;
use crate::notifications::Hub;
use crate::secrets::Secrets;
use crate::webhooks::Endpoints;
pub(crate) use convert::timestamp;

/// The handlers of all services of this package.
#[derive(Clone)]
pub(crate) struct Rpcs {
    pub clock: Arc<dyn Clock>,
    pub store: EventStore,
    pub queue: Queue,
    pub endpoints: Endpoints,
    pub secrets: Arc<Secrets>,
    pub hub: Hub,
    /// Name of the installation, for tenants that have set none.
    pub product_name: String,
}

impl Rpcs {
    fn context<T>(&self, request: &Request<T>) -> fault::Result<(Arc<auth::Caller>, CommandContext)> {
        runtime::context(request, &*self.clock)
    }
}

/// The rpcs of notify.
pub(crate) fn routes(rpcs: Rpcs) -> Routes {
    Routes::new(MailServiceServer::new(rpcs.clone()))
        .add_service(WebhookServiceServer::new(rpcs.clone()))
        .add_service(TemplateServiceServer::new(rpcs.clone()))
        .add_service(SuppressionServiceServer::new(rpcs.clone()))
        .add_service(PreferenceServiceServer::new(rpcs.clone()))
        .add_service(NotificationServiceServer::new(rpcs))
}
