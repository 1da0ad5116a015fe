//! Examples that follow from a field's name; where a name says nothing, there is none, or in a whole
//! example what its type allows.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// Deeper than any request of ours.
const DEPTH_MAX: usize = 4;

/// An example of a message, without the fields that `shown` leaves out.
#[must_use]
pub fn message(kind: &MessageDescriptor, depth: usize, shown: &dyn Fn(&FieldDescriptor) -> bool) -> Value {
    let fields = kind.fields().filter(|field| shown(field) && field.name() != "revision");
    let members = fields.filter_map(|field| {
        let value = of(&field).or_else(|| plain(&field.kind(), depth))?;
        let value = if field.is_map() {
            json!({})
        } else if field.is_list() {
            json!([value])
        } else {
            value
        };
        Some((field.name().to_owned(), value))
    });
    Value::Object(members.collect::<Map<_, _>>())
}

fn plain(kind: &Kind, depth: usize) -> Option<Value> {
    Some(match kind {
        Kind::String => json!("text"),
        Kind::Bytes => json!("dGV4dA=="),
        Kind::Bool => json!(true),
        Kind::Double | Kind::Float => json!(1.5),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => json!("1"),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Uint32 | Kind::Fixed32 => json!(1),
        Kind::Enum(kind) => json!(kind.values().nth(1).or_else(|| kind.values().next())?.name()),
        Kind::Message(inner) => match inner.full_name() {
            "google.protobuf.Timestamp" => json!("2026-11-23T12:00:00Z"),
            "google.protobuf.Duration" => json!("60s"),
            name if name.starts_with("vbwd.") && depth < DEPTH_MAX => message(inner, depth + 1, &|_| true),
            _ => return None,
        },
    })
}

/// An example of a field's value.
#[must_use]
pub fn of(field: &FieldDescriptor) -> Option<Value> {
    if field.is_list() || field.is_map() {
        return None;
    }
    match (field.kind(), field.name()) {
        (Kind::String, name) => text(name).map(Value::from),
        (Kind::Int64, "minor") => Some(json!("1990")),
        (Kind::Int64, "quantity") => Some(json!("1")),
        (Kind::Int32, "page_size") => Some(json!(50)),
        _ => None,
    }
}

fn text(name: &str) -> Option<&'static str> {
    match name {
        "email" => Some("ada@example.com"),
        "password" => Some("correct horse battery"),
        "display_name" => Some("Ada Lovelace"),
        "currency" | "default_currency" => Some("EUR"),
        "billing_country" | "country" => Some("DE"),
        "payment_method" | "method" => Some("sandbox_card"),
        "return_url" => Some("https://shop.example/thanks"),
        "kind" => Some("token_bundle"),
        "number" => Some("INV-2026-000042"),
        "cursor" | "next_cursor" | "position" | "min_position" => None,
        _ if name.ends_with("_id") => Some("0198c5a0-7c1e-7f5e-8a53-3f0c2b9f2a10"),
        _ => None,
    }
}
