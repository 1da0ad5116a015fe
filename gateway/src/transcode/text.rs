//! One value written as text, in a path or a query.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, MessageDescriptor, Value};

/// The value of `kind` that `text` writes.
///
/// # Errors
/// The violation's code.
pub fn value(kind: &Kind, text: &str) -> Result<Value, &'static str> {
    let malformed = "wrong_type";
    match kind {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| malformed),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number(text).map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number(text).map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => number(text).map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => number(text).map(Value::U64),
        Kind::Float => text.parse().map(Value::F32).map_err(|_| malformed),
        Kind::Double => text.parse().map(Value::F64).map_err(|_| malformed),
        Kind::Bytes => Ok(Value::Bytes(Bytes::copy_from_slice(text.as_bytes()))),
        Kind::Enum(kind) => enumerated(kind, text),
        Kind::Message(kind) if kind.full_name() == "google.protobuf.Timestamp" => timestamp(kind, text),
        Kind::Message(_) => Err(malformed),
    }
}

/// A time by RFC 3339.
fn timestamp(kind: &MessageDescriptor, text: &str) -> Result<Value, &'static str> {
    let at: jiff::Timestamp = text.parse().map_err(|_| "wrong_type")?;
    let mut message = DynamicMessage::new(kind.clone());
    message.set_field_by_name("seconds", Value::I64(at.as_second()));
    message.set_field_by_name("nanos", Value::I32(at.subsec_nanosecond()));
    Ok(Value::Message(message))
}

/// The number of an enum's value, by name.
///
/// # Errors
/// `unknown_value`.
pub fn enumerated(kind: &EnumDescriptor, name: &str) -> Result<Value, &'static str> {
    kind.get_value_by_name(name).map(|value| Value::EnumNumber(value.number())).ok_or("unknown_value")
}

/// A whole number; one that is too large is told apart from one that is none.
///
/// # Errors
/// `out_of_range` or `wrong_type`.
pub fn number<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole { "out_of_range" } else { "wrong_type" }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_the_value_of_its_kind() {
        let status = contracts::pool().get_enum_by_name("vbwd.invoicing.v1.InvoiceStatus").unwrap();
        let rows = [
            (Kind::String, "a b", Ok(Value::String("a b".to_owned()))),
            (Kind::Int32, "-5", Ok(Value::I32(-5))),
            (Kind::Int32, "5000000000", Err("out_of_range")),
            (Kind::Int32, "five", Err("wrong_type")),
            (Kind::Int32, "", Err("wrong_type")),
            (Kind::Int64, "5000000000", Ok(Value::I64(5_000_000_000))),
            (Kind::Uint32, "-1", Err("out_of_range")),
            (Kind::Bool, "true", Ok(Value::Bool(true))),
            (Kind::Bool, "yes", Err("wrong_type")),
            (Kind::Enum(status.clone()), "INVOICE_STATUS_PAID", Ok(Value::EnumNumber(3))),
            (Kind::Enum(status), "paid", Err("unknown_value")),
        ];
        for (kind, text, expected) in rows {
            assert_eq!(value(&kind, text), expected, "{kind:?} {text}");
        }
    }
}
