//! The events that can be delivered, read from the contracts: every message in a file
//! `events.proto` whose comment begins with the event's name.

use std::sync::LazyLock;

use fault::Fault;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// An event that can be delivered.
#[derive(Debug, Clone)]
pub(crate) struct EventType {
    /// `invoice.paid`.
    pub name: String,
    /// One sentence.
    pub meaning: String,
    /// Full name of the message in `data`.
    pub schema: String,
    /// What `data` may look like.
    pub example: Value,
}

const PATTERNS_MAX: usize = 50;

static EVENT_TYPES: LazyLock<Vec<EventType>> = LazyLock::new(|| {
    let files = contracts::pool().files().filter(|file| file.name().ends_with("/events.proto"));
    let messages = files.flat_map(|file| file.messages().collect::<Vec<_>>());
    let mut found: Vec<_> = messages.filter_map(|message| read(&message)).collect();
    found.sort_by(|one, two| one.name.cmp(&two.name));
    found
});

/// Every event, by name.
pub(crate) fn event_types() -> &'static [EventType] {
    &EVENT_TYPES
}

/// Whether `patterns` want the event; none at all want every one.
pub(crate) fn wants(patterns: &[String], event: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, event))
}

/// Refuses patterns that no event fits: they are slips of the pen.
pub(crate) fn check(patterns: &[String]) -> fault::Result<()> {
    if patterns.len() > PATTERNS_MAX {
        return Err(Fault::invalid("/event_types", "too_many", "These are too many event types."));
    }
    let known = |pattern: &String| EVENT_TYPES.iter().any(|event| matches(pattern, &event.name));
    match patterns.iter().position(|pattern| !known(pattern)) {
        None => Ok(()),
        Some(index) => {
            let pointer = format!("/event_types/{index}");
            Err(Fault::invalid(pointer, "unknown", "There is no such event."))
        }
    }
}

fn matches(pattern: &str, event: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(prefix) => prefix.ends_with('.') && event.starts_with(prefix),
        None => pattern == event,
    }
}

fn read(message: &MessageDescriptor) -> Option<EventType> {
    let text = comment(message);
    let (name, meaning) = text.strip_prefix('`')?.split_once("`:")?;
    Some(EventType {
        name: name.to_owned(),
        meaning: meaning.trim().to_owned(),
        schema: message.full_name().to_owned(),
        example: example(message),
    })
}

fn comment(message: &MessageDescriptor) -> String {
    let file = message.parent_file();
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|one| one.path == message.path()));
    location
        .map(|location| location.leading_comments().split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or_default()
}

fn example(message: &MessageDescriptor) -> Value {
    let fields = message.fields().map(|field| {
        let one = field_example(&field);
        (field.json_name().to_owned(), if field.is_list() { json!([one]) } else { one })
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn field_example(field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => json!("2026-11-23T12:00:00Z"),
            "vbwd.money.v1.Money" => json!({"minor": "1999", "currency": "EUR"}),
            _ => example(&message),
        },
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 => json!("100"),
        Kind::Int32 | Kind::Uint32 | Kind::Sint32 => json!(1),
        Kind::Bool => json!(true),
        _ if field.name().ends_with("_id") => json!("0198c5a0-7c1e-7f5e-8a53-3f0c2b9f2a10"),
        _ => json!(field.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
    }

    #[test]
    fn every_published_event_is_known_with_an_example() {
        let paid = event_types().iter().find(|event| event.name == "invoice.paid").unwrap();
        assert_eq!(paid.schema, "vbwd.invoicing.v1.InvoicePaid");
        assert_eq!(paid.example["total"]["currency"], "EUR");
        assert!(event_types().len() > 15);
    }

    #[test]
    fn patterns_are_names_prefixes_or_everything() {
        for (patterns, wanted) in [
            (&[][..], true),
            (&["*"][..], true),
            (&["invoice.*"][..], true),
            (&["invoice.paid"][..], true),
            (&["tokens.*", "invoice.paid"][..], true),
            (&["invoice.opened"][..], false),
            (&["inv*"][..], false),
        ] {
            assert_eq!(wants(&own(patterns), "invoice.paid"), wanted, "{patterns:?}");
        }
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_refused_with_its_place() {
        assert!(check(&own(&["invoice.paid", "tokens.*", "*"])).is_ok());
        let fault = check(&own(&["invoice.paid", "invoice.payed"])).unwrap_err();
        assert_eq!(fault.violations()[0].pointer, "/event_types/1");
    }
}
