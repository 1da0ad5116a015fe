//! Rate limits: so many requests per minute and rate class, for each user of a tenant, or for each
//! address where nobody is signed in. Log-ins, registrations, resets and webhooks always count by address.
//!
//! The state is per process: with several gateways each allows the whole rate. IPv6 addresses count
//! by their /64, which is what one customer has.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use auth::{Caller, Subject};
use contracts::RateClass;
use fault::{Code, Fault};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderName, HeaderValue};
use ids::{TenantId, UserId};

use crate::config::{Rate, Rates};
use crate::problem::{self, Refusal};

/// `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type Limiter = RateLimiter<Counted, DashMapStateStore<Counted>, DefaultClock, StateInformationMiddleware>;

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Counted {
    tenant: TenantId,
    by: By,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum By {
    Address(IpAddr),
    User(UserId),
}

/// The limits of every class.
pub struct Limits {
    read: Option<Class>,
    write: Option<Class>,
    login: Option<Class>,
    registration: Option<Class>,
    reset: Option<Class>,
    webhook: Option<Class>,
}

struct Class {
    limiter: Limiter,
    name: &'static str,
    policy: HeaderValue,
}

/// How many requests are left; written into the answer.
pub struct Allowance {
    policy: HeaderValue,
    state: HeaderValue,
}

impl Allowance {
    /// Writes the fields.
    pub fn write(self, headers: &mut http::HeaderMap) {
        headers.insert(RATE_LIMIT_POLICY, self.policy);
        headers.insert(RATE_LIMIT, self.state);
    }
}

impl Limits {
    /// Nobody has been counted yet.
    #[must_use]
    pub fn new(rates: &Rates) -> Self {
        Self {
            read: Class::new("read", rates.read),
            write: Class::new("write", rates.write),
            login: Class::new("login", rates.login),
            registration: Class::new("registration", rates.registration),
            reset: Class::new("reset", rates.reset),
            webhook: Class::new("webhook", rates.webhook),
        }
    }

    /// Counts one request. `None` when the class is unlimited.
    ///
    /// # Errors
    /// 429 `rate_limited` with `Retry-After`.
    pub fn count(
        &self,
        class: RateClass,
        caller: &Caller,
        address: IpAddr,
    ) -> problem::Result<Option<Allowance>> {
        let Some(limits) = self.class(class) else { return Ok(None) };
        let by = match (class, &caller.subject) {
            (RateClass::Read | RateClass::Write, Subject::User(user)) => By::User(*user),
            _ => By::Address(network(address)),
        };
        limits.count(&Counted { tenant: caller.tenant, by }).map(Some)
    }

    /// Forgets who has not come for a while.
    pub fn sweep(&self) {
        for class in RateClass::ALL.into_iter().filter_map(|class| self.class(class)) {
            class.limiter.retain_recent();
        }
    }

    const fn class(&self, class: RateClass) -> Option<&Class> {
        match class {
            RateClass::Read => self.read.as_ref(),
            RateClass::Write => self.write.as_ref(),
            RateClass::Login => self.login.as_ref(),
            RateClass::Registration => self.registration.as_ref(),
            RateClass::Reset => self.reset.as_ref(),
            RateClass::Webhook => self.webhook.as_ref(),
        }
    }
}

impl Class {
    fn new(name: &'static str, rate: Rate) -> Option<Self> {
        let quota = Quota::per_minute(NonZeroU32::new(rate.per_minute)?)
            .allow_burst(NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN));
        let policy = format!("\"{name}\";q={};w=60", rate.per_minute);
        Some(Self {
            limiter: RateLimiter::dashmap(quota).with_middleware(),
            name,
            policy: HeaderValue::from_str(&policy).ok()?,
        })
    }

    fn count(&self, who: &Counted) -> problem::Result<Allowance> {
        match self.limiter.check_key(who) {
            Ok(state) => Ok(self.allowance(state.remaining_burst_capacity(), None)),
            Err(early) => {
                let wait = early.wait_time_from(self.limiter.clock().now());
                Err(self.refusal(wait))
            }
        }
    }

    fn allowance(&self, remaining: u32, reset_seconds: Option<u64>) -> Allowance {
        let mut state = format!("\"{}\";r={remaining}", self.name);
        if let Some(seconds) = reset_seconds {
            state.push_str(&format!(";t={seconds}"));
        }
        let state = HeaderValue::from_str(&state).unwrap_or(HeaderValue::from_static(""));
        Allowance { policy: self.policy.clone(), state }
    }

    fn refusal(&self, wait: Duration) -> Refusal {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        crate::metrics::rate_limited(self.name);
        let fault = Fault::new(Code::TooMany, "rate_limited", "Too many requests; wait a moment.")
            .with_fact("class", self.name)
            .with_fact("retry_after_seconds", seconds);
        let allowance = self.allowance(0, Some(seconds));
        Refusal::from(fault)
            .with_header(RATE_LIMIT_POLICY, allowance.policy)
            .with_header(RATE_LIMIT, allowance.state)
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    fn limits(per_minute: u32, burst: u32) -> Limits {
        let rate = Rate { per_minute, burst, timeout_ms: 1, in_flight_max: 1 };
        Limits::new(&Rates { read: rate, login: rate, ..Rates::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_burst_is_allowed_and_the_next_one_told_to_wait() {
        let (limits, nobody) = (limits(60, 3), Caller::anonymous(TenantId::new()));
        for _ in 0..3 {
            assert!(limits.count(RateClass::Read, &nobody, address("203.0.113.7")).is_ok());
        }
        let refused = limits.count(RateClass::Read, &nobody, address("203.0.113.7")).err().unwrap();
        assert_eq!(refused.fault().reason(), "rate_limited");
        let answer = refused.into_answer("t");
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        assert_eq!(answer.headers()["ratelimit-policy"], "\"read\";q=60;w=60");
        assert_eq!(answer.headers()["ratelimit"], "\"read\";r=0;t=1");
        assert!(limits.count(RateClass::Read, &nobody, address("203.0.113.8")).is_ok(), "another address");
        let other = Caller::anonymous(TenantId::new());
        assert!(limits.count(RateClass::Read, &other, address("203.0.113.7")).is_ok(), "another tenant");
    }

    #[test]
    fn users_count_for_themselves_except_at_the_log_in() {
        let limits = limits(60, 1);
        let mut user = Caller::anonymous(TenantId::new());
        user.subject = Subject::User(UserId::new());
        let mut other = user.clone();
        other.subject = Subject::User(UserId::new());
        let here = address("203.0.113.7");
        assert!(limits.count(RateClass::Read, &user, here).is_ok());
        assert!(limits.count(RateClass::Read, &user, address("203.0.113.9")).is_err());
        assert!(limits.count(RateClass::Read, &other, here).is_ok());
        assert!(limits.count(RateClass::Login, &user, here).is_ok());
        assert!(limits.count(RateClass::Login, &other, here).is_err());
    }

    #[test]
    fn neighbours_in_one_ipv6_network_count_together_and_zero_means_unlimited() {
        let nobody = Caller::anonymous(TenantId::new());
        let strict = limits(60, 1);
        assert!(strict.count(RateClass::Read, &nobody, address("2001:db8::1")).is_ok());
        assert!(strict.count(RateClass::Read, &nobody, address("2001:db8::2")).is_err());
        assert!(strict.count(RateClass::Read, &nobody, address("2001:db8:0:1::1")).is_ok());
        let open = limits(0, 1);
        for _ in 0..100 {
            assert!(matches!(open.count(RateClass::Read, &nobody, address("::1")), Ok(None)));
        }
    }
}
