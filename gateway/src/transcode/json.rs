//! JSON to a message, by descriptor.
//!
//! Unlike a deserialiser it does not stop at the first mistake: every value that does not fit is
//! reported with its JSON pointer. Timestamps and other well-known types go through prost-reflect.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use fault::Violation;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde_json::{Map, Value as Json};

use super::text;

/// Padding is neither demanded nor refused.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Where we are in the input, and what was wrong so far.
#[derive(Debug, Default)]
pub struct Reading {
    pointer: String,
    violations: Vec<Violation>,
}

impl Reading {
    /// What was wrong.
    #[must_use]
    pub fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    /// Notes that the value at the present pointer, or at its member `name`, is wrong.
    pub fn wrong(&mut self, code: &'static str) {
        self.violations.push(Violation { pointer: self.pointer.clone(), code: code.to_owned() });
    }

    /// Reads something one level deeper.
    pub fn within<T>(&mut self, part: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
        let value = read(self);
        self.pointer.truncate(length);
        value
    }
}

/// Fills `message` from the members of a JSON object; unknown members and nulls are passed over.
pub fn fill(
    message: &mut DynamicMessage,
    descriptor: &MessageDescriptor,
    object: Map<String, Json>,
    reading: &mut Reading,
) {
    for (name, json) in object {
        let field = descriptor.get_field_by_name(&name).or_else(|| descriptor.get_field_by_json_name(&name));
        let Some(field) = field.filter(|_| !json.is_null()) else { continue };
        if let Some(value) = reading.within(&name, |reading| field_value(&field, json, reading)) {
            message.set_field(&field, value);
        }
    }
}

fn field_value(field: &FieldDescriptor, json: Json, reading: &mut Reading) -> Option<Value> {
    let kind = field.kind();
    if field.is_map() {
        return map(&kind, json, reading);
    }
    if !field.is_list() {
        return value(&kind, json, reading);
    }
    let Json::Array(items) = json else {
        reading.wrong("wrong_type");
        return None;
    };
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        list.extend(reading.within(&index.to_string(), |reading| value(&kind, item, reading)));
    }
    Some(Value::List(list))
}

fn map(kind: &Kind, json: Json, reading: &mut Reading) -> Option<Value> {
    let Json::Object(members) = json else {
        reading.wrong("wrong_type");
        return None;
    };
    let entry = kind.as_message()?;
    let (key_kind, value_kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
    let mut filled = std::collections::HashMap::with_capacity(members.len());
    for (name, member) in members {
        reading.within(&name, |reading| match map_key(&key_kind, &name) {
            Some(key) => filled.extend(value(&value_kind, member, reading).map(|value| (key, value))),
            None => reading.wrong("wrong_type"),
        });
    }
    Some(Value::Map(filled))
}

fn map_key(kind: &Kind, name: &str) -> Option<MapKey> {
    text::value(kind, name).ok()?.into_map_key()
}

fn value(kind: &Kind, json: Json, reading: &mut Reading) -> Option<Value> {
    let read = match (kind, json) {
        (Kind::Message(descriptor), json) if is_well_known(descriptor) => well_known(descriptor, json),
        (Kind::Message(descriptor), Json::Object(object)) => {
            let mut message = DynamicMessage::new(descriptor.clone());
            fill(&mut message, descriptor, object, reading);
            Ok(Value::Message(message))
        }
        (Kind::String, Json::String(text)) => Ok(Value::String(text)),
        (Kind::Bytes, Json::String(text)) => bytes(&text),
        (Kind::Bool, Json::Bool(flag)) => Ok(Value::Bool(flag)),
        (Kind::Enum(kind), Json::String(name)) => text::enumerated(kind, &name),
        (Kind::Enum(_), Json::Number(number)) => number
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .map(Value::EnumNumber)
            .ok_or("unknown_value"),
        (Kind::Double, Json::Number(number)) => number.as_f64().map(Value::F64).ok_or("out_of_range"),
        (Kind::Float, Json::Number(number)) => text::value(kind, &number.to_string()),
        (kind, Json::Number(number)) if is_number(kind) => text::value(kind, &whole(&number.to_string())),
        (kind, Json::String(digits)) if is_number(kind) => text::value(kind, &digits),
        _ => Err("wrong_type"),
    };
    read.map_err(|code| reading.wrong(code)).ok()
}

fn is_number(kind: &Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Bool | Kind::Enum(_) | Kind::Message(_))
}

/// `5.0` is the whole number 5 in JSON.
fn whole(number: &str) -> String {
    number.strip_suffix(".0").unwrap_or(number).to_owned()
}

fn bytes(text: &str) -> Result<Value, &'static str> {
    let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    decoded.map(|bytes| Value::Bytes(Bytes::from(bytes))).map_err(|_| "malformed")
}

fn is_well_known(descriptor: &MessageDescriptor) -> bool {
    descriptor.package_name() == "google.protobuf"
}

fn well_known(descriptor: &MessageDescriptor, json: Json) -> Result<Value, &'static str> {
    DynamicMessage::deserialize(descriptor.clone(), json).map(Value::Message).map_err(|_| "malformed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(name: &str, input: Json) -> (DynamicMessage, Vec<(String, String)>) {
        let descriptor = contracts::pool().get_message_by_name(name).unwrap();
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut reading = Reading::default();
        let Json::Object(object) = input else { panic!("an object") };
        fill(&mut message, &descriptor, object, &mut reading);
        let wrong = reading.into_violations().into_iter().map(|wrong| (wrong.pointer, wrong.code));
        (message, wrong.collect())
    }

    #[test]
    fn integers_come_as_numbers_or_strings_and_unknown_members_go_nowhere() {
        let input = json!({"lines": [
            {"kind": "token_bundle", "item_id": "a", "quantity": 2, "unit_price": {"minor": "1"}},
            {"kind": "token_bundle", "itemId": "b", "quantity": "3", "amount": 1},
        ], "total": 1, "currency": null});
        let (message, wrong) = read("vbwd.invoicing.v1.CreateCheckoutRequest", input);
        assert!(wrong.is_empty(), "{wrong:?}");
        let lines = message.get_field_by_name("lines").unwrap();
        let quantity = |index: usize| {
            let line = lines.as_list().unwrap()[index].as_message().unwrap().clone();
            (
                line.get_field_by_name("item_id").unwrap().as_str().unwrap().to_owned(),
                line.get_field_by_name("quantity").unwrap().as_i64().unwrap(),
            )
        };
        assert_eq!((quantity(0), quantity(1)), (("a".to_owned(), 2), ("b".to_owned(), 3)));
    }

    #[test]
    fn every_wrong_value_is_reported_with_its_pointer() {
        let input = json!({"lines": [
            {"kind": 5, "quantity": "many"},
            "nothing",
            {"quantity": 99999999999999999999_u128.to_string()},
        ], "currency": ["EUR"]});
        let (_, mut wrong) = read("vbwd.invoicing.v1.CreateCheckoutRequest", input);
        wrong.sort();
        let expected = [
            ("/currency", "wrong_type"),
            ("/lines/0/kind", "wrong_type"),
            ("/lines/0/quantity", "wrong_type"),
            ("/lines/1", "wrong_type"),
            ("/lines/2/quantity", "out_of_range"),
        ];
        assert_eq!(wrong, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    }

    #[test]
    fn enums_bytes_maps_and_times_are_read() {
        let (message, wrong) =
            read("vbwd.wallet.v1.OpenAccountRequest", json!({"kind": "ACCOUNT_KIND_PROMO"}));
        assert!(wrong.is_empty());
        assert_eq!(message.get_field_by_name("kind").unwrap().as_enum_number(), Some(6));
        let input = json!({"body": "aGk", "headers": {"a": "b"}});
        let (message, wrong) = read("vbwd.payments.v1.ReceiveWebhookRequest", input);
        assert!(wrong.is_empty());
        assert_eq!(message.get_field_by_name("body").unwrap().as_bytes().unwrap().as_ref(), b"hi");
        let hold = "vbwd.invoicing.v1.HoldRequest";
        assert!(read(hold, json!({"expires_at": "2026-01-01T00:00:00Z"})).1.is_empty());
        let (_, wrong) = read(hold, json!({"expires_at": "tomorrow"}));
        assert_eq!(wrong, [("/expires_at".to_owned(), "malformed".to_owned())]);
        let (_, wrong) = read("vbwd.wallet.v1.OpenAccountRequest", json!({"kind": "NONSENSE"}));
        assert_eq!(wrong, [("/kind".to_owned(), "unknown_value".to_owned())]);
    }
}
