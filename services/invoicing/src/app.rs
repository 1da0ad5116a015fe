//! The parts of the service, put together once.

use std::sync::Arc;

use eventstore::EventStore;
use invoicing_domain::Pipeline;
use kernel::Clock;
use runtime::Platform;

use crate::book::Book;
use crate::checkout::Checkout;
use crate::collection::Collection;
use crate::config::Config;
use crate::consumers::OnPayment;
use crate::opening::Opener;
use crate::payments::Payments;
use crate::reactors::Aftermath;
use crate::sellers::Sellers;
use crate::sweep::Sweep;

/// Everything the rpcs and roles work with.
pub(crate) struct App {
    pub store: EventStore,
    pub clock: Arc<dyn Clock>,
    pub checkout: Checkout,
    pub aftermath: Aftermath,
    pub on_payment: OnPayment,
    pub sweep: Sweep,
}

impl App {
    pub(crate) fn new(platform: &Platform, config: Config) -> fault::Result<Self> {
        let store = EventStore::new(platform.pool(crate::NAME)?, crate::NAME);
        let clock = Arc::clone(&platform.clock);
        let check_after = config.payment_check_after();
        let book = Book { store: store.clone(), clock: Arc::clone(&clock), check_after };
        let sellers = Arc::new(Sellers::new(platform, &config.sellers)?);
        let payments = Arc::new(Payments::new(platform, config.payment_methods_ttl())?);
        Ok(Self {
            aftermath: Aftermath::new(book.clone(), Arc::clone(&sellers), Arc::clone(&payments)),
            on_payment: OnPayment(book.clone()),
            sweep: Sweep {
                book: book.clone(),
                payments: Arc::clone(&payments),
                interval: config.sweep_interval(),
                batch_max: config.sweep_batch_max,
            },
            checkout: Checkout {
                sellers,
                collection: Arc::new(Collection { book, payments }),
                opener: Opener::new(store.clone(), config.series.clone(), check_after),
                pipeline: Pipeline::standard(),
                config,
            },
            store,
            clock,
        })
    }
}
