//! What plugins may write into the audit trail: named, short, and JSON.

use serde_json::Value;

use crate::rejection::Rejection;

const ACTION_LENGTH_MAX: usize = 100;
const TARGET_LENGTH_MAX: usize = 200;
const STATE_LENGTH_MAX: usize = 16_000;

/// Whether an action may be called this and be on that.
///
/// # Errors
/// [`Rejection::EntryUnfit`].
pub fn check(action: &str, target: &str) -> Result<(), Rejection> {
    let word = |part: &str| {
        let character = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        !part.is_empty() && part.bytes().all(character)
    };
    let named = action.len() <= ACTION_LENGTH_MAX && action.contains('.') && action.split('.').all(word);
    if !named {
        return Err(Rejection::EntryUnfit { pointer: "/action", code: "malformed" });
    }
    if target.len() > TARGET_LENGTH_MAX || target.chars().any(char::is_control) {
        return Err(Rejection::EntryUnfit { pointer: "/target", code: "malformed" });
    }
    Ok(())
}

/// A state, written as JSON; none when it is empty.
///
/// # Errors
/// [`Rejection::EntryUnfit`] at `pointer`.
pub fn state(pointer: &'static str, text: &str) -> Result<Option<Value>, Rejection> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > STATE_LENGTH_MAX {
        return Err(Rejection::EntryUnfit { pointer, code: "too_long" });
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) if !fields.contains_key("sealed") => Ok(Some(Value::Object(fields))),
        _ => Err(Rejection::EntryUnfit { pointer, code: "malformed" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_entries() {
        assert_eq!(check("loyalty.points_granted", "order/7"), Ok(()));
        let long = format!("a.{}", "b".repeat(100));
        for action in ["", "loyalty", "Loyalty.x", "a..b", "a b.c", ".a", &long] {
            assert!(check(action, "").is_err(), "{action}");
        }
        assert!(check("a.b", &"t".repeat(201)).is_err());
        assert!(check("a.b", "line\nbreak").is_err());
    }

    #[test]
    fn states_are_objects_that_cannot_pass_for_sealed_ones() {
        assert_eq!(state("/after_json", ""), Ok(None));
        assert!(state("/after_json", r#"{"points":5}"#).unwrap().is_some());
        for text in
            ["{", "[]", "5", r#"{"sealed":"x","of":"y"}"#, &format!("{{\"a\":\"{}\"}}", "x".repeat(16_000))]
        {
            assert!(state("/after_json", text).is_err(), "{}", text.len());
        }
    }
}
