//! The rpcs: convert, call the use case, convert. Who may call was checked by the guard before.

mod accounts;
mod batches;
mod bundles;
mod commands;
pub(crate) mod convert;
mod ledger;
mod limits;
mod line_items;
mod meters;
mod operations;
mod refusals;
mod wallet;

use std::sync::Arc;

use auth::Caller;
use contracts::vbwd::invoicing::v1::line_item_source_service_server::LineItemSourceServiceServer;
use contracts::vbwd::wallet::v1::ledger_service_server::LedgerServiceServer;
use contracts::vbwd::wallet::v1::meter_service_server::MeterServiceServer;
use contracts::vbwd::wallet::v1::token_bundle_service_server::TokenBundleServiceServer;
use contracts::vbwd::wallet::v1::wallet_service_server::WalletServiceServer;
use eventstore::CommandContext;
use kernel::Clock;
use tonic::Request;
use tonic::service::Routes;
use tower::Layer as _;

use crate::bundles::Catalogue;
use crate::chart::Chart;
use crate::engine::Ledger;
use crate::forwarding::Forwarding;
use crate::history::History;
use crate::recipients::Recipients;
use crate::selling::Selling;
use crate::teller::Teller;
pub(crate) use convert::bundle_message;

/// What the handlers need.
pub(crate) struct Parts {
    pub(crate) ledger: Ledger,
    pub(crate) history: History,
    pub(crate) teller: Teller,
    pub(crate) chart: Chart,
    pub(crate) recipients: Recipients,
    pub(crate) catalogue: Catalogue,
    pub(crate) selling: Selling,
    pub(crate) forwarding: Forwarding,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The handlers of all services of this package.
#[derive(Clone)]
struct Api(Arc<Parts>);

impl Api {
    fn context<T>(&self, request: &Request<T>) -> fault::Result<(Arc<Caller>, CommandContext)> {
        runtime::context(request, &*self.0.clock)
    }
}

/// The rpcs of the wallet. What asks the ledger goes through the forwarding, to be answered by the
/// owner of the tenant's partition; the catalogue is the same everywhere.
pub(crate) fn routes(parts: Parts) -> Routes {
    let owner = parts.forwarding.clone();
    let api = Api(Arc::new(parts));
    Routes::new(TokenBundleServiceServer::new(api.clone()))
        .add_service(owner.layer(LedgerServiceServer::new(api.clone())))
        .add_service(owner.layer(WalletServiceServer::new(api.clone())))
        .add_service(owner.layer(MeterServiceServer::new(api.clone())))
        .add_service(owner.layer(LineItemSourceServiceServer::new(api)))
}
