//! Messages and enums as JSON schemas. Each is described once, under `components`.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::example;

/// The schemas that were needed so far.
pub struct Schemas<'a> {
    comments: &'a Comments,
    components: BTreeMap<String, Value>,
}

impl<'a> Schemas<'a> {
    /// None so far.
    #[must_use]
    pub const fn new(comments: &'a Comments) -> Self {
        Self { comments, components: BTreeMap::new() }
    }

    /// Everything under `components/schemas`.
    #[must_use]
    pub fn into_components(mut self) -> BTreeMap<String, Value> {
        self.components.insert("Problem".to_owned(), problem());
        self.components
    }

    /// A reference to a message of an answer: what is never absent is required.
    pub fn answer(&mut self, message: &MessageDescriptor) -> Value {
        let always = |field: &FieldDescriptor| !field.supports_presence();
        self.reference(message, |_| true, always)
    }

    /// A reference to the body of a request: the fields that the path does not fill.
    pub fn body(&mut self, message: &MessageDescriptor, path: &[FieldDescriptor]) -> Value {
        self.reference(message, |field| !path.contains(field), |_| false)
    }

    fn reference(
        &mut self,
        message: &MessageDescriptor,
        shown: impl Fn(&FieldDescriptor) -> bool,
        always: impl Fn(&FieldDescriptor) -> bool,
    ) -> Value {
        let name = short(message.full_name());
        let pointer = json!({"$ref": format!("#/components/schemas/{name}")});
        if self.components.contains_key(&name) {
            return pointer;
        }
        self.components.insert(name.clone(), Value::Null); // a message may contain itself
        let fields: Vec<_> = message.fields().filter(|field| shown(field)).collect();
        let properties: Map<_, _> =
            fields.iter().map(|field| (field.name().to_owned(), self.property(field))).collect();
        let required: Vec<_> =
            fields.iter().filter(|field| always(field)).map(|field| field.name()).collect();
        let mut schema = json!({"type": "object", "properties": properties});
        describe(&mut schema, &self.comments.message(message));
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        self.components.insert(name, schema);
        pointer
    }

    /// The schema of a field, with its comment and an example.
    pub fn property(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = self.field(field);
        describe(&mut schema, &self.comments.field(field));
        if let Some(example) = example::of(field) {
            schema["examples"] = json!([example]);
        }
        schema
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let kind = field.kind();
        if field.is_map() {
            let value = kind.as_message().map(MessageDescriptor::map_entry_value_field);
            let value = value.map_or(json!({}), |value| self.kind(&value.kind()));
            return json!({"type": "object", "additionalProperties": value});
        }
        if field.is_list() { json!({"type": "array", "items": self.kind(&kind)}) } else { self.kind(&kind) }
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Double | Kind::Float => json!({"type": "number"}),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": "string", "format": "int64"}),
            Kind::Uint64 | Kind::Fixed64 => json!({"type": "string", "format": "uint64"}),
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "format": "int64", "minimum": 0}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Enum(kind) => self.enumeration(kind),
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
                "google.protobuf.Duration" => json!({"type": "string", "pattern": r"^-?\d+(\.\d+)?s$"}),
                name if name.starts_with("google.protobuf.") => json!({}),
                _ => self.answer(message),
            },
        }
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Value {
        let name = short(kind.full_name());
        if !self.components.contains_key(&name) {
            let values: Vec<_> = kind.values().map(|value| value.name().to_owned()).collect();
            let meanings = kind.values().filter_map(|value| {
                let meaning = self.comments.value(&value);
                (!meaning.is_empty()).then(|| format!("`{}`: {meaning}", value.name()))
            });
            let mut text = vec![self.comments.enumeration(kind)];
            text.extend(meanings);
            let mut schema = json!({"type": "string", "enum": values});
            describe(&mut schema, text.join("\n\n").trim());
            self.components.insert(name.clone(), schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }
}

fn describe(schema: &mut Value, text: &str) {
    if !text.is_empty() {
        schema["description"] = json!(text);
    }
}

/// `vbwd.wallet.v1.Entry` is `wallet.Entry`.
fn short(full_name: &str) -> String {
    let parts: Vec<_> = full_name.split('.').collect();
    match parts.as_slice() {
        ["vbwd", service, _version, rest @ ..] => format!("{service}.{}", rest.join(".")),
        _ => full_name.to_owned(),
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457. Switch on `code`; quote `trace_id` when asking for help.",
        "required": ["type", "title", "status", "detail", "code", "trace_id", "errors", "facts"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/invalid_input"]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "For people; may change."},
            "code": {"type": "string", "description": "Stable."},
            "trace_id": {"type": "string"},
            "errors": {"type": "array", "items": {
                "type": "object", "required": ["pointer", "code"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the request.",
                                "examples": ["/lines/0/quantity"]},
                    "code": {"type": "string", "examples": ["out_of_range"]},
                },
            }},
            "facts": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    })
}
