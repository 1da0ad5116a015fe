//! What a request may say in the audit trail, and what it acts on.
//!
//! Requests are shown by their contract's field names, without secrets, with addresses masked and
//! long parts shortened: the trail keeps for ever what it is given.

use contracts::Method;
use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

const OPTIONS: SerializeOptions =
    SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
/// Longer texts are cut.
const TEXT_CHARACTERS_MAX: usize = 300;
/// Of longer lists only the beginning is kept.
const LIST_MAX: usize = 20;
/// Of longer requests only the digest is kept.
const REQUEST_CHARACTERS_MAX: usize = 8_000;
/// Names the call, not what it acts on.
const OPERATION: &str = "operation_id";
/// Fields with such words hold what opens something.
const SECRET: [&str; 5] = ["password", "secret", "token", "digest", "headers"];
/// Fields with such words hold addresses of people.
const PERSONAL: [&str; 3] = ["email", "recipient", "phone"];

/// The message in a unary gRPC body: a flag, four bytes of length, the message.
pub(super) fn message(rpc: &Method, body: &[u8]) -> Option<DynamicMessage> {
    let (head, message) = body.split_at_checked(5)?;
    let plain = head.first() == Some(&0);
    plain.then(|| DynamicMessage::decode(rpc.descriptor.input(), message).ok()).flatten()
}

/// The request as the trail keeps it; empty for an empty one.
pub(super) fn shown(message: &DynamicMessage, bytes: &[u8]) -> String {
    let Ok(whole) = message.serialize_with_options(serde_json::value::Serializer, &OPTIONS) else {
        return String::new();
    };
    let text = match safe("", whole) {
        Value::Object(fields) if fields.is_empty() => return String::new(),
        fields => json!({ "request": fields }).to_string(),
    };
    if text.len() <= REQUEST_CHARACTERS_MAX {
        return text;
    }
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "request_bytes": bytes.len(), "request_sha256": digest }).to_string()
}

/// A message of the contracts with this full name, as the trail may keep it; none when there is no
/// such message.
pub(super) fn state(name: &str, message: &impl Message) -> Option<Value> {
    let descriptor = contracts::pool().get_message_by_name(name)?;
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok()?;
    message.serialize_with_options(serde_json::value::Serializer, &OPTIONS).ok().map(|whole| safe("", whole))
}

/// `freeze_account` of `wallet` is `wallet.freeze_account`.
pub(super) fn action(rpc: &Method) -> String {
    format!("{}.{}", rpc.service, snake(rpc.descriptor.name()))
}

/// What the request acts on: the ids in its route, or what the rpc's name says.
pub(super) fn target(rpc: &Method, message: Option<&DynamicMessage>) -> String {
    let noun = || {
        let name = snake(rpc.descriptor.name());
        name.split_once('_').map_or(name.clone(), |(_, noun)| noun.to_owned())
    };
    let Some(message) = message else { return noun() };
    let route = rpc.http.as_ref().map_or("", |route| route.path.as_str());
    let in_route = route.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    let mut names: Vec<&str> = in_route.collect();
    let fields: Vec<_> = rpc.descriptor.input().fields().map(|field| field.name().to_owned()).collect();
    if names.is_empty() {
        names.extend(
            fields.iter().map(String::as_str).find(|name| name.ends_with("_id") && *name != OPERATION),
        );
    }
    let values: Vec<_> = names.iter().filter_map(|name| text(message, name)).collect();
    match (names.first(), values.is_empty()) {
        (Some(first), false) => {
            let noun = first.strip_suffix("_id").unwrap_or(first);
            format!("{noun}/{}", values.join("/"))
        }
        _ => noun(),
    }
}

fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    let value = message.get_field_by_name(field)?;
    value.as_str().filter(|text| !text.is_empty()).map(|text| text.chars().take(100).collect())
}

fn safe(name: &str, value: Value) -> Value {
    let named = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
        _ if named(&SECRET) => Value::String("…".to_owned()),
        Value::String(text) if named(&PERSONAL) => Value::String(masked(&text)),
        Value::String(text) => Value::String(cut(text)),
        Value::Array(list) => shortened(name, list),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(name, value)| (name.clone(), safe(&name, value))).collect::<Map<_, _>>(),
        ),
    }
}

fn shortened(name: &str, list: Vec<Value>) -> Value {
    let more = list.len().saturating_sub(LIST_MAX);
    let mut kept: Vec<_> = list.into_iter().take(LIST_MAX).map(|value| safe(name, value)).collect();
    if more > 0 {
        kept.push(json!({ "more": more }));
    }
    Value::Array(kept)
}

/// `a…@example.com`: enough to recognise, too little to write to.
fn masked(text: &str) -> String {
    let first: String = text.chars().take(1).collect();
    text.rsplit_once('@').map_or_else(|| format!("{first}…"), |(_, domain)| format!("{first}…@{domain}"))
}

fn cut(text: String) -> String {
    if text.chars().count() <= TEXT_CHARACTERS_MAX {
        return text;
    }
    let kept: String = text.chars().take(TEXT_CHARACTERS_MAX).collect();
    format!("{kept}… ({} bytes)", text.len())
}

fn snake(name: &str) -> String {
    let mut words = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(character.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::vbwd::notify::v1 as notify;
    use contracts::vbwd::payments::v1::RefundPaymentRequest;

    fn framed(message: &impl prost::Message) -> Vec<u8> {
        let bytes = message.encode_to_vec();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[0], length.as_slice(), &bytes].concat()
    }

    fn read(path: &str, asked: &impl prost::Message) -> (String, String, String) {
        let (rpc, body) = (contracts::method(path).unwrap(), framed(asked));
        let found = message(rpc, &body).unwrap();
        (action(rpc), target(rpc, Some(&found)), shown(&found, &body))
    }

    #[test]
    fn the_route_says_what_is_acted_on() {
        let refund =
            RefundPaymentRequest { payment_id: "p1".to_owned(), reason: "late".to_owned(), amount: None };
        let (action, target, shown) = read("/vbwd.payments.v1.PaymentService/RefundPayment", &refund);
        assert_eq!((action.as_str(), target.as_str()), ("payments.refund_payment", "payment/p1"));
        assert_eq!(shown, r#"{"request":{"payment_id":"p1","reason":"late"}}"#);
        let put = notify::PutTemplateRequest {
            template: "invoice.paid".to_owned(),
            locale: "en".to_owned(),
            ..Default::default()
        };
        assert_eq!(read("/vbwd.notify.v1.TemplateService/PutTemplate", &put).1, "template/invoice.paid/en");
        let create = notify::CreateWebhookEndpointRequest::default();
        let (_, target, shown) = read("/vbwd.notify.v1.WebhookService/CreateWebhookEndpoint", &create);
        assert_eq!((target.as_str(), shown.as_str()), ("webhook_endpoint", ""));
    }

    #[test]
    fn secrets_addresses_and_lengths_stay_outside() {
        let value = json!({
            "new_password": "hunter2",
            "contact_email": "ann@example.com",
            "text": "x".repeat(1_000),
            "ids": (0..50).collect::<Vec<_>>(),
        });
        let safe = safe("", value);
        assert_eq!(safe["new_password"], "…");
        assert_eq!(safe["contact_email"], "a…@example.com");
        assert!(safe["text"].as_str().unwrap().ends_with("… (1000 bytes)"));
        assert_eq!(safe["ids"][20], json!({ "more": 30 }));
    }

    #[test]
    fn a_state_is_a_message_without_what_is_nobodys_business() {
        let endpoint = notify::WebhookEndpoint {
            url: "https://a.example".to_owned(),
            contact_email: "ann@example.com".to_owned(),
            ..Default::default()
        };
        let shown = state("vbwd.notify.v1.WebhookEndpoint", &endpoint).unwrap();
        assert_eq!(shown, json!({ "url": "https://a.example", "contact_email": "a…@example.com" }));
        assert_eq!(state("vbwd.notify.v1.Nothing", &endpoint), None);
    }

    #[test]
    fn of_what_is_too_long_the_digest_is_kept() {
        let rpc = contracts::method("/vbwd.notify.v1.WebhookService/CreateWebhookEndpoint").unwrap();
        let asked = notify::CreateWebhookEndpointRequest {
            event_types: (0..40).map(|number| format!("{number}{}", "e".repeat(500))).collect(),
            description: "d".repeat(400),
            ..Default::default()
        };
        let body = framed(&asked);
        let found = message(rpc, &body).unwrap();
        assert!(shown(&found, &body).len() <= REQUEST_CHARACTERS_MAX);
        assert!(message(rpc, &[1, 0, 0, 0, 0]).is_none(), "a compressed one is not read");
        assert!(message(rpc, &[]).is_none());
    }
}
