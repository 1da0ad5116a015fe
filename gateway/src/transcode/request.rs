//! The request message: the body first, then the query, then the path, which always wins.

use bytes::Bytes;
use fault::{Code, Fault};
use http::{HeaderMap, StatusCode, header};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value};
use serde_json::Value as Json;
use url::form_urlencoded;

use super::json::{self, Reading};
use super::text;
use crate::cookies;
use crate::plan::Plan;
use crate::problem::{self, Refusal};

/// Deepest nesting of JSON that is read; ours needs five.
const DEPTH_MAX: usize = 32;
/// Most parts of a dotted name in a query.
const PATH_MAX: usize = 4;

/// What arrived.
pub struct Input<'a> {
    /// Values of the path's placeholders, in the order of the plan's path fields.
    pub path: &'a [String],
    /// The query, as sent.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, empty when there is none.
    pub body: Bytes,
}

/// The encoded request message.
///
/// # Errors
/// `InvalidInput` with every wrong part; 415 for a body that is no JSON.
pub fn message(plan: &Plan, input: &Input<'_>) -> problem::Result<Bytes> {
    let mut message = DynamicMessage::new(plan.input.clone());
    let mut reading = Reading::default();
    if let Some(raw) = &plan.raw {
        message.set_field(&raw.body, Value::Bytes(input.body.clone()));
        message.set_field(&raw.headers, Value::Map(header_map(input.headers)));
    } else if plan.route.body {
        fill_from_body(&mut message, plan, input, &mut reading)?;
    } else {
        fill_from_query(&mut message, plan, input, &mut reading);
    }
    fill_from_cookie(&mut message, plan, input.headers);
    fill_from_path(&mut message, plan, input, &mut reading);
    fill_from_if_match(&mut message, plan, input.headers)?;
    let violations = reading.into_violations();
    if violations.is_empty() {
        return Ok(message.encode_to_vec().into());
    }
    let fault = Fault::new(Code::InvalidInput, "invalid_input", "Parts of the input do not fit.");
    Err(violations
        .into_iter()
        .fold(fault, |fault, wrong| fault.with_violation(wrong.pointer, wrong.code))
        .into())
}

fn fill_from_body(
    message: &mut DynamicMessage,
    plan: &Plan,
    input: &Input<'_>,
    reading: &mut Reading,
) -> problem::Result<()> {
    if input.body.is_empty() {
        return Ok(()); // an absent body is the empty message
    }
    must_be_json(input.headers)?;
    if depth(&input.body) > DEPTH_MAX {
        return Err(Fault::new(Code::InvalidInput, "json_too_deep", "The JSON is nested too deeply.")
            .with_fact("depth_max", DEPTH_MAX)
            .into());
    }
    match serde_json::from_slice(&input.body).map_err(|error| malformed(&error))? {
        Json::Object(object) => json::fill(message, &plan.input, object, reading),
        _ => reading.wrong("wrong_type"),
    }
    Ok(())
}

fn fill_from_query(message: &mut DynamicMessage, plan: &Plan, input: &Input<'_>, reading: &mut Reading) {
    for (name, value) in form_urlencoded::parse(input.query.unwrap_or_default().as_bytes()) {
        let path: Vec<&str> = name.split('.').take(PATH_MAX).collect();
        fill_field(message, &path, &value, reading);
    }
    let position = input.headers.get("min-position").and_then(|value| value.to_str().ok());
    if let (Some(field), Some(position)) = (&plan.min_position, position) {
        message.set_field(field, Value::String(position.to_owned()));
    }
    let last = input.headers.get("last-event-id").and_then(|value| value.to_str().ok());
    if let (Some(field), Some(last)) = (&plan.resume, last) {
        message.set_field(field, Value::String(last.to_owned()));
    }
}

/// A browser cannot write what lies in its cookies itself: the refresh token of a session, the token that
/// binds a sign-in elsewhere to it.
fn fill_from_cookie(message: &mut DynamicMessage, plan: &Plan, headers: &HeaderMap) {
    let held = [
        (&plan.refresh_token, cookies::refresh_token(headers)),
        (&plan.attempt_token, cookies::attempt_token(headers)),
    ];
    for (field, token) in held {
        if let (Some(field), Some(token)) = (field, token)
            && !message.has_field(field)
        {
            message.set_field(field, Value::String(token.to_owned()));
        }
    }
}

/// Sets the field that a dotted path names: `filter.reason` is the field `reason` of the field
/// `filter`. A name that is no field is passed over.
fn fill_field(message: &mut DynamicMessage, path: &[&str], text: &str, reading: &mut Reading) {
    let Some((name, rest)) = path.split_first() else { return };
    let descriptor = message.descriptor();
    let named = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name));
    let Some(field) = named.filter(|field| !field.is_map()) else { return };
    reading.within(name, |reading| {
        if !rest.is_empty() {
            if !field.is_list()
                && let Some(inner) = message.get_field_mut(&field).as_message_mut()
            {
                fill_field(inner, rest, text, reading);
            }
            return;
        }
        match text::value(&field.kind(), text) {
            Ok(value) if field.is_list() => {
                if let Some(list) = message.get_field_mut(&field).as_list_mut() {
                    list.push(value);
                }
            }
            Ok(value) => message.set_field(&field, value),
            Err(code) => reading.wrong(code),
        }
    });
}

fn fill_from_path(message: &mut DynamicMessage, plan: &Plan, input: &Input<'_>, reading: &mut Reading) {
    for (field, text) in plan.path_fields.iter().zip(input.path) {
        match text::value(&field.kind(), text) {
            Ok(value) => message.set_field(field, value),
            Err(code) => reading.within(field.name(), |reading| reading.wrong(code)),
        }
    }
}

/// `If-Match: "7"` expects revision 7, whatever the body says. A tag that is no revision of ours
/// cannot match.
fn fill_from_if_match(message: &mut DynamicMessage, plan: &Plan, headers: &HeaderMap) -> fault::Result<()> {
    let (Some(field), Some(tag)) = (&plan.expected_revision, headers.get(header::IF_MATCH)) else {
        return Ok(());
    };
    let tag = tag.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Ok(());
    }
    let revision = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').parse().map_err(|_| {
        Fault::new(Code::StaleRevision, "stale_revision", "It has changed since it was read; read it again.")
    })?;
    message.set_field(field, Value::I64(revision));
    Ok(())
}

/// Names in lower case; a header that was sent twice is joined as HTTP allows.
fn header_map(headers: &HeaderMap) -> std::collections::HashMap<MapKey, Value> {
    let names = headers.keys().map(|name| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let joined = values.collect::<Vec<_>>().join(", ");
        (MapKey::String(name.as_str().to_owned()), Value::String(joined))
    });
    names.collect()
}

fn must_be_json(headers: &HeaderMap) -> problem::Result<()> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match kind.as_deref() {
        Some("application/json") => Ok(()),
        Some(kind) if kind.starts_with("application/") && kind.ends_with("+json") => Ok(()),
        _ => Err(Refusal::http(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Send the body as application/json.",
        )
        .with_header(header::ACCEPT, http::HeaderValue::from_static("application/json"))),
    }
}

fn malformed(error: &serde_json::Error) -> Refusal {
    Fault::new(Code::InvalidInput, "malformed_json", "The body is not JSON.")
        .with_fact("line", error.line())
        .with_fact("column", error.column())
        .into()
}

/// How deeply brackets nest, without parsing: text in quotes does not count.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut deepest, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(path: &str) -> Plan {
        Plan::new(contracts::method(path).unwrap()).unwrap().unwrap()
    }

    fn json_headers() -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json; charset=utf-8".parse().unwrap())])
    }

    fn checkout(headers: &HeaderMap, body: &str) -> problem::Result<Bytes> {
        let plan = plan("/vbwd.invoicing.v1.CheckoutService/CreateCheckout");
        message(&plan, &Input { path: &[], query: None, headers, body: Bytes::from(body.to_owned()) })
    }

    fn reason(answer: problem::Result<Bytes>) -> String {
        answer.unwrap_err().fault().reason().to_owned()
    }

    #[test]
    fn the_path_wins_over_the_body() {
        let plan = plan("/vbwd.invoicing.v1.InvoiceService/PayInvoice");
        let body = Bytes::from_static(br#"{"invoice_id": "theirs", "payment_method": "sandbox_card"}"#);
        let path = ["ours".to_owned()];
        let input = Input { path: &path, query: None, headers: &json_headers(), body };
        let sent = contracts::vbwd::invoicing::v1::PayInvoiceRequest::decode(message(&plan, &input).unwrap());
        let sent = sent.unwrap();
        assert_eq!((sent.invoice_id.as_str(), sent.payment_method.as_str()), ("ours", "sandbox_card"));
    }

    #[test]
    fn the_query_fills_reads_and_a_header_may_carry_the_position() {
        let plan = plan("/vbwd.wallet.v1.WalletService/ListMyEntries");
        let headers = HeaderMap::from_iter([("min-position".parse().unwrap(), "p-1".parse().unwrap())]);
        let read = |query: &str| {
            message(&plan, &Input { path: &[], query: Some(query), headers: &headers, body: Bytes::new() })
        };
        let sent = read("page_size=7&cursor=a%2Bb&unknown=1").unwrap();
        let sent = contracts::vbwd::wallet::v1::ListMyEntriesRequest::decode(sent).unwrap();
        assert_eq!((sent.page_size, sent.cursor.as_str(), sent.min_position.as_str()), (7, "a+b", "p-1"));
        let sent =
            read("filter.reason=gift&filter.from=2026-11-23T12:00:00.5Z&filter.none=1&cursor.x=1").unwrap();
        let sent = contracts::vbwd::wallet::v1::ListMyEntriesRequest::decode(sent).unwrap();
        let filter = sent.filter.unwrap();
        assert_eq!((filter.reason.as_str(), filter.from.unwrap().nanos), ("gift", 500_000_000));
        let refused = read("filter.from=yesterday").unwrap_err();
        assert_eq!(refused.fault().violations()[0].pointer, "/filter/from");
        let refused = read("page_size=seven").unwrap_err();
        assert_eq!(refused.fault().violations()[0].pointer, "/page_size");
    }

    #[test]
    fn if_match_says_which_revision_is_expected() {
        let plan = plan("/vbwd.wallet.v1.TokenBundleService/UpdateTokenBundle");
        let update = |tag: &str| {
            let mut headers = json_headers();
            headers.insert(header::IF_MATCH, tag.parse().unwrap());
            let body = Bytes::from_static(br#"{"revision": 3}"#);
            let path = ["b".to_owned()];
            let sent = message(&plan, &Input { path: &path, query: None, headers: &headers, body });
            sent.map(|sent| {
                contracts::vbwd::wallet::v1::UpdateTokenBundleRequest::decode(sent).unwrap().revision
            })
        };
        assert_eq!((update("\"7\"").unwrap(), update("W/\"7\"").unwrap(), update("*").unwrap()), (7, 7, 3));
        assert_eq!(update("\"abc\"").unwrap_err().fault().reason(), "stale_revision");
    }

    #[test]
    fn a_raw_body_arrives_byte_for_byte() {
        let plan = plan("/vbwd.payments.v1.WebhookService/ReceiveWebhook");
        let headers = HeaderMap::from_iter([("X-Signature".parse().unwrap(), "v1=abc".parse().unwrap())]);
        let body = Bytes::from_static(b"{ \"not\" :  \"touched\" }\xff");
        let path = ["sandbox".to_owned()];
        let input = Input { path: &path, query: None, headers: &headers, body: body.clone() };
        let sent = message(&plan, &input).unwrap();
        let sent = contracts::vbwd::payments::v1::ReceiveWebhookRequest::decode(sent).unwrap();
        assert_eq!((sent.provider.as_str(), sent.body), ("sandbox", body.to_vec()));
        assert_eq!(sent.headers["x-signature"], "v1=abc");
    }

    #[test]
    fn a_body_that_is_no_json_is_refused_by_its_own_code() {
        let refused = checkout(&json_headers(), "{\"lines\": [,]}").unwrap_err();
        assert_eq!(refused.fault().reason(), "malformed_json");
        assert!(refused.fault().facts().any(|fact| fact == ("column", "12")));
        assert_eq!(reason(checkout(&json_headers(), &"[".repeat(50_000))), "json_too_deep");
        assert_eq!(reason(checkout(&json_headers(), "[]")), "invalid_input");
        assert_eq!(reason(checkout(&HeaderMap::new(), "{}")), "unsupported_media_type");
        assert!(checkout(&HeaderMap::new(), "").is_ok(), "an absent body is the empty message");
    }

    #[test]
    fn quotes_hide_brackets_from_the_depth() {
        assert_eq!(depth(br#"{"a": "[[[\"[[", "b": [1, {}]}"#), 3);
    }
}
