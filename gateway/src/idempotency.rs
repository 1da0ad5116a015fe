//! Idempotency keys: the same request sent again gets the same answer, and is executed once.
//!
//! A key belongs to a tenant, a caller and an rpc. Its first request claims it, executes, and keeps
//! the answer; a repetition is answered from there, another body is refused, and a repetition that
//! comes while the first is in flight is told to wait. Answers that say "not now" (unavailable,
//! timeout, rate limit) are not kept.
//!
//! Exactly once does not rest on this table. The key also gives the operation id that the services
//! see, and they are idempotent by it; so a claim whose process died is simply executed again.

mod store;
mod upkeep;

use auth::{Caller, Subject};
use contracts::Idempotency;
use fault::{Code, Fault};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ids::OperationId;

pub use store::{Begun, Claim, Request, Store};
pub use upkeep::role;

use crate::answer::Answer;
use crate::plan::Plan;
use crate::problem::{self, Refusal};

/// The request header.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const KEY_BYTES_MAX: usize = 255;

/// The key that the request carries, if the rpc has a use for one.
///
/// # Errors
/// 400 `idempotency_key_missing` or `idempotency_key_malformed`.
pub fn key<'a>(plan: &Plan, headers: &'a HeaderMap) -> fault::Result<Option<&'a str>> {
    let demanded = match plan.rpc.idempotency {
        Idempotency::Safe => return Ok(None),
        Idempotency::Natural | Idempotency::KeyOptional => false,
        Idempotency::KeyRequired => true,
    };
    let Some(value) = headers.get(KEY) else {
        let missing = "Send the header Idempotency-Key with a value of your own for each new request.";
        return if demanded { Err(refused("idempotency_key_missing", missing)) } else { Ok(None) };
    };
    let key = value.to_str().unwrap_or_default();
    // The standard's draft writes a quoted string; most clients send the bare value.
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    let valid =
        !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
    let malformed = "An idempotency key is 1 to 255 visible ASCII characters.";
    if valid { Ok(Some(key)) } else { Err(refused("idempotency_key_malformed", malformed)) }
}

/// Whether the answers of this rpc are kept.
#[must_use]
pub fn keeps_answers(plan: &Plan) -> bool {
    matches!(plan.rpc.idempotency, Idempotency::KeyOptional | Idempotency::KeyRequired)
}

/// The operation behind a key: the same however often and wherever the request arrives.
#[must_use]
pub fn operation(plan: &Plan, caller: &Caller, key: Option<&str>) -> OperationId {
    let Some(key) = key else { return OperationId::new() };
    OperationId::derived(&[&caller.tenant.to_string(), &owner(caller), &plan.rpc.path, key])
}

/// Whose keys they are. Strangers are told apart by their address, so that nobody meets the key of
/// another.
#[must_use]
pub fn owner(caller: &Caller) -> String {
    match (&caller.subject, &caller.origin) {
        (Subject::Anonymous, Some(address)) => format!("anonymous:{address}"),
        (subject, _) => subject.to_string(),
    }
}

/// Whether a refusal is an answer to the request, and not to the moment it came in.
fn is_final(fault: &Fault) -> bool {
    !(fault.is_transient() || matches!(fault.code(), Code::Internal | Code::Unauthenticated))
}

/// Executes `work` under a claim and keeps its answer.
///
/// # Errors
/// What `work` refuses, when the refusal is not kept.
pub async fn executed(
    claim: Claim,
    trace_id: &str,
    work: impl Future<Output = problem::Result<Answer>>,
) -> problem::Result<Answer> {
    let answer = match work.await {
        Ok(answer) => answer,
        Err(refusal) if is_final(refusal.fault()) => refusal.into_answer(trace_id),
        Err(refusal) => {
            claim.give_up().await;
            return Err(refusal);
        }
    };
    claim.keep(&answer).await;
    Ok(answer)
}

/// Marks a kept answer as given before.
fn replayed(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    answer
}

fn in_flight() -> Refusal {
    let fault = Fault::rejected("idempotency_in_flight", "The first request with this key is still running.");
    Refusal::from(fault).with_header(http::header::RETRY_AFTER, HeaderValue::from_static("1"))
}

fn reused() -> Refusal {
    let message = "This key was used for another request; use a new key.";
    debug_assert_eq!(Code::OperationReused.http_status(), StatusCode::UNPROCESSABLE_ENTITY.as_u16());
    Fault::new(Code::OperationReused, "idempotency_key_reused", message).into()
}

fn refused(reason: &'static str, message: &'static str) -> Fault {
    Fault::new(Code::InvalidInput, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(path: &str) -> Plan {
        Plan::new(contracts::method(path).unwrap()).unwrap().unwrap()
    }

    fn headers(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(KEY, key.parse().unwrap())])
    }

    #[test]
    fn a_key_is_demanded_where_the_rpc_says_so() {
        let checkout = plan("/vbwd.invoicing.v1.CheckoutService/CreateCheckout");
        let missing = key(&checkout, &HeaderMap::new()).unwrap_err();
        assert_eq!(missing.reason(), "idempotency_key_missing");
        assert_eq!(key(&checkout, &headers("\"abc\"")).unwrap(), Some("abc"));
        for malformed in ["a b", "", "\"\"", &"x".repeat(256)] {
            let refused = key(&checkout, &headers(malformed)).unwrap_err();
            assert_eq!(refused.reason(), "idempotency_key_malformed", "{malformed}");
        }
        let log_in = plan("/vbwd.identity.v1.AuthService/LogIn");
        assert_eq!(key(&log_in, &HeaderMap::new()).unwrap(), None);
        let read = plan("/vbwd.identity.v1.AuthService/GetMe");
        assert_eq!(key(&read, &headers("abc")).unwrap(), None, "reads have no use for one");
    }

    #[test]
    fn the_operation_follows_from_tenant_caller_rpc_and_key() {
        let (checkout, pay) = (
            plan("/vbwd.invoicing.v1.CheckoutService/CreateCheckout"),
            plan("/vbwd.invoicing.v1.InvoiceService/PayInvoice"),
        );
        let caller = Caller::anonymous(ids::TenantId::new());
        let other = Caller::anonymous(ids::TenantId::new());
        let first = operation(&checkout, &caller, Some("k"));
        assert_eq!(first, operation(&checkout, &caller, Some("k")));
        assert_ne!(first, operation(&checkout, &caller, Some("l")));
        assert_ne!(first, operation(&pay, &caller, Some("k")));
        assert_ne!(first, operation(&checkout, &other, Some("k")));
        assert_ne!(operation(&checkout, &caller, None), operation(&checkout, &caller, None));
        let here = Caller { origin: Some("203.0.113.7".to_owned()), ..caller.clone() };
        assert_ne!(first, operation(&checkout, &here, Some("k")), "strangers are told apart");
        let user = Caller { subject: Subject::User(ids::UserId::new()), ..caller };
        let moved = Caller { origin: here.origin, ..user.clone() };
        assert_eq!(operation(&checkout, &user, Some("k")), operation(&checkout, &moved, Some("k")));
    }

    #[test]
    fn only_answers_to_the_request_are_kept() {
        let kept: Vec<_> =
            Code::ALL.into_iter().filter(|code| is_final(&Fault::new(*code, "x", "x"))).collect();
        let expected = [
            Code::InvalidInput,
            Code::Forbidden,
            Code::NotFound,
            Code::AlreadyExists,
            Code::Rejected,
            Code::OperationReused,
        ];
        assert_eq!(kept, expected);
    }
}
