//! What the requests of one gateway share: configuration, tables, limits, caches, the way to the
//! services. Each file that works on a request adds its verbs to [`Gate`]; [`crate::front`] calls
//! them in order.

use std::sync::Arc;
use std::time::Duration;

use contracts::RateClass;
use fault::{Code, Fault};
use http::HeaderValue;
use kernel::Clock;
use runtime::Drain;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::address::Proxies;
use crate::bearer::Bearer;
use crate::config::{Config, Rate, Rates};
use crate::front_ends::FrontEnds;
use crate::headers;
use crate::idempotency::Store;
use crate::limits::Limits;
use crate::problem::{self, Refusal};
use crate::public_cache::PublicCache;
use crate::routes::Routes;
use crate::rules::Rules;
use crate::tenants::Tenants;
use crate::upstream::Upstream;

/// Everything a request may need.
pub struct Gate {
    pub(crate) config: Config,
    pub(crate) routes: Routes,
    pub(crate) proxies: Proxies,
    pub(crate) tenants: Tenants,
    pub(crate) bearer: Bearer,
    pub(crate) limits: Arc<Limits>,
    pub(crate) cache: PublicCache,
    pub(crate) store: Store,
    pub(crate) upstream: Upstream,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) front_ends: FrontEnds,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) classes: Classes,
    pub(crate) drain: Drain,
    pub(crate) in_flight: Semaphore,
    pub(crate) hsts: Option<HeaderValue>,
}

impl Gate {
    /// A gate in front of the services of `upstream`.
    ///
    /// # Errors
    /// When the configuration or a route cannot work.
    pub fn new(
        config: Config,
        upstream: Upstream,
        store: Store,
        clock: Arc<dyn Clock>,
        drain: Drain,
    ) -> fault::Result<Self> {
        config.validate()?;
        Ok(Self {
            routes: Routes::new()?,
            proxies: Proxies::new(&config.trusted_proxies)?,
            rules: Arc::new(Rules::new(upstream.clone())),
            front_ends: FrontEnds::new(&config.front_ends),
            streams: Arc::new(Semaphore::new(config.streams_max.min(Semaphore::MAX_PERMITS))),
            classes: Classes::new(&config.rates),
            drain,
            tenants: Tenants::new(upstream.clone()),
            bearer: Bearer::new(upstream.clone()),
            limits: Arc::new(Limits::new(&config.rates)),
            cache: PublicCache::new(Duration::from_millis(config.public_cache_ms)),
            in_flight: Semaphore::new(config.concurrency_max.min(Semaphore::MAX_PERMITS)),
            hsts: headers::hsts(config.hsts_seconds),
            store,
            upstream,
            clock,
            config,
        })
    }
}

/// Places for the requests of each rate class.
pub(crate) struct Classes([Semaphore; 6]);

impl Classes {
    fn new(rates: &Rates) -> Self {
        let places = |rate: Rate| Semaphore::new(rate.in_flight_max.min(Semaphore::MAX_PERMITS));
        Self(RateClass::ALL.map(|class| places(rates.of(class))))
    }

    /// A place for a request of `class`.
    ///
    /// # Errors
    /// 503 `overloaded` when there is none.
    pub(crate) fn enter(&self, class: RateClass) -> problem::Result<SemaphorePermit<'_>> {
        let [read, write, login, webhook, registration, reset] = &self.0;
        let places = match class {
            RateClass::Read => read,
            RateClass::Write => write,
            RateClass::Login => login,
            RateClass::Webhook => webhook,
            RateClass::Registration => registration,
            RateClass::Reset => reset,
        };
        places.try_acquire().map_err(|_| overloaded())
    }
}

/// 503: there is no place.
pub(crate) fn overloaded() -> Refusal {
    Fault::new(Code::Unavailable, "overloaded", "Too many requests are being served; try again.").into()
}
