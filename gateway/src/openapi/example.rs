//! Examples that follow from a field's name; where a name says nothing, there is none.

use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Value, json};

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
