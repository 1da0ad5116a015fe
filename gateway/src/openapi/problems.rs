//! The problems an operation may answer with: their statuses, the codes that the edge itself uses,
//! and those of the operation's own rules. A client switches on `code`, never on text.

use std::collections::BTreeMap;

use contracts::{Access, Idempotency};
use fault::Code;
use serde_json::{Map, Value, json};

use crate::plan::Plan;

/// A status: its number, the name of the response, what it means, and codes of the edge.
type Row = (u16, &'static str, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        400,
        "InvalidInput",
        "The input is malformed or out of range; `errors` says where.",
        &[
            "invalid_input",
            "malformed_json",
            "json_too_deep",
            "idempotency_key_missing",
            "idempotency_key_malformed",
            "body_incomplete",
        ],
    ),
    (
        401,
        "Unauthenticated",
        "No access token, or one that is not valid here.",
        &[
            "authentication_required",
            "token_invalid",
            "token_expired",
            "token_foreign_tenant",
            "session_ended",
        ],
    ),
    (
        403,
        "Forbidden",
        "The caller lacks the permission, or the request may have been forged by another site.",
        &["permission_denied", "request_forged"],
    ),
    (404, "NotFound", "There is no such thing for this caller.", &["route_unknown", "unknown_host"]),
    (406, "NotAcceptable", "The client takes no answer in this form.", &["not_acceptable"]),
    (408, "TooSlow", "The body came too slowly.", &["body_timeout"]),
    (
        409,
        "Rejected",
        "A rule refused it in the present state, or the first request with this key is still running.",
        &["idempotency_in_flight"],
    ),
    (412, "Stale", "It was changed since it was read.", &["stale_revision"]),
    (413, "TooLarge", "The body is larger than this gateway takes.", &["body_too_large"]),
    (415, "Unsupported", "The body is not in a form that is understood.", &["unsupported_media_type"]),
    (
        422,
        "KeyReused",
        "The idempotency key, or the operation id, was used for another request.",
        &["idempotency_key_reused"],
    ),
    (429, "TooMany", "Too many requests; `Retry-After` says how long to wait.", &["rate_limited"]),
    (431, "HeadersTooLarge", "The headers are too large.", &["headers_too_large"]),
    (451, "Blocked", "Not available for legal reasons.", &["blocked"]),
    (500, "Broken", "Something is wrong on our side; quote `trace_id`.", &["internal"]),
    (
        503,
        "Unavailable",
        "Cannot answer right now; `Retry-After` says when to try again.",
        &[
            "overloaded",
            "service_unavailable",
            "service_unreachable",
            "service_unknown",
            "idempotency_unavailable",
        ],
    ),
    (
        504,
        "Late",
        "No answer in time; the outcome may be unknown: repeat with the same key.",
        &["call_timeout"],
    ),
];

/// The statuses of the problems that an operation may answer with.
#[must_use]
pub fn statuses(plan: &Plan) -> Vec<u16> {
    let mut statuses = vec![400, 404, 406, 429, 431, 451, 500, 503, 504];
    match plan.rpc.access {
        Some(Access::Permission(_)) => statuses.extend([401, 403]),
        Some(Access::Authenticated) => statuses.extend([401, 403]),
        _ => {}
    }
    if plan.is_write() {
        statuses.extend([401, 403, 409, 422]);
    }
    if matches!(plan.rpc.idempotency, Idempotency::KeyOptional | Idempotency::KeyRequired) {
        statuses.push(422);
    }
    if plan.route.body || plan.route.raw_body {
        statuses.extend([408, 413, 415]);
    }
    if plan.expected_revision.is_some() {
        statuses.push(412);
    }
    statuses.extend(own_codes(plan).into_keys());
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// The codes of the operation's own rules, by status.
#[must_use]
pub fn own_codes(plan: &Plan) -> BTreeMap<u16, Vec<&'static str>> {
    let mut codes = BTreeMap::<u16, Vec<_>>::new();
    for problem in contracts::problems(&plan.rpc.path) {
        let Some(kind) = Code::from_name(problem.kind) else { continue };
        codes.entry(kind.http_status()).or_default().push(problem.code);
    }
    for of_status in codes.values_mut() {
        of_status.sort_unstable();
        of_status.dedup();
    }
    codes
}

/// The response of an operation with this status, which names the operation's own codes.
#[must_use]
pub fn response(status: u16, own_codes: Option<&Vec<&str>>) -> Value {
    let reference = format!("#/components/responses/{}", name(status));
    let Some(codes) = own_codes else { return json!({"$ref": reference}) };
    let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    json!({"$ref": reference, "description": format!("{} Here: {}.", meaning(status), codes.join(", "))})
}

/// The name of the response that a status has.
#[must_use]
pub fn name(status: u16) -> &'static str {
    ROWS.iter().find(|(known, ..)| *known == status).map_or("Broken", |(_, name, ..)| name)
}

fn meaning(status: u16) -> &'static str {
    ROWS.iter().find(|(known, ..)| *known == status).map_or("", |(_, _, meaning, _)| meaning)
}

/// The responses that operations refer to.
#[must_use]
pub fn components() -> Value {
    let responses = ROWS.iter().map(|(status, name, meaning, codes)| {
        let example = json!({
            "type": format!("/problems/{}", codes[0]),
            "title": codes[0].replace('_', " "),
            "status": status,
            "detail": meaning,
            "code": codes[0],
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "errors": [],
            "facts": {},
        });
        let content = json!({"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"}, "example": example,
        }});
        let headers = match status {
            429 | 503 => json!({"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}),
            401 => json!({"WWW-Authenticate": {"schema": {"type": "string"}}}),
            _ => json!({}),
        };
        let response =
            json!({"description": meaning, "headers": headers, "content": content, "x-codes": codes});
        ((*name).to_owned(), response)
    });
    Value::Object(Map::from_iter(responses))
}
