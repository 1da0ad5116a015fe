//! The rpcs: thin translations between messages and the catalogue.

mod admin;
pub(crate) mod convert;
mod plans;

use std::sync::Arc;

use contracts::vbwd::subscription::v1::plan_admin_service_server::PlanAdminServiceServer;
use contracts::vbwd::subscription::v1::plan_service_server::PlanServiceServer;
use kernel::Clock;
use tonic::service::Routes;

use crate::catalogue::Catalogue;

/// What the rpcs work with.
#[derive(Clone)]
pub(crate) struct Rpcs {
    pub(crate) catalogue: Catalogue,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Every rpc of the service.
pub(crate) fn routes(rpcs: Rpcs) -> Routes {
    Routes::new(PlanServiceServer::new(rpcs.clone())).add_service(PlanAdminServiceServer::new(rpcs))
}
