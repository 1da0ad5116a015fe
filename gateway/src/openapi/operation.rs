//! One rpc as an OpenAPI operation.

use contracts::{Access, Idempotency};
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::example;
use super::problems;
use super::schema::Schemas;
use crate::plan::Plan;

/// The operation.
#[must_use]
pub fn describe(plan: &Plan, comments: &Comments, schemas: &mut Schemas<'_>) -> Value {
    let rpc = plan.rpc;
    let comment = comments.method(&rpc.descriptor);
    let mut operation = json!({
        "operationId": rpc.descriptor.name(),
        "tags": [rpc.descriptor.parent_service().name()],
        "summary": first_sentence(&comment),
        "description": comment,
        "parameters": parameters(plan, schemas),
        "responses": responses(plan, schemas),
        "security": security(plan),
    });
    let codes = problems::own_codes(plan);
    if !codes.is_empty() {
        operation["x-problems"] = json!(codes);
    }
    if let Some(Access::Permission(name)) = &rpc.access {
        operation["x-permission"] = json!(name);
        operation["description"] = json!(format!("{comment}\n\nNeeds the permission `{name}`."));
    }
    if plan.route.raw_body {
        operation["requestBody"] = json!({
            "description": "Taken byte for byte.",
            "content": {"*/*": {}},
        });
    } else if plan.route.body {
        let schema = schemas.body(&plan.input, &plan.path_fields);
        let required = plan.input.fields().any(|field| !plan.path_fields.contains(&field));
        let example = example::message(&plan.input, 0, &|field| !plan.path_fields.contains(field));
        operation["requestBody"] = json!({
            "required": required,
            "content": {"application/json": {"schema": schema, "example": example}},
        });
    }
    operation
}

fn parameters(plan: &Plan, schemas: &mut Schemas<'_>) -> Vec<Value> {
    let mut parameters: Vec<_> =
        plan.path_fields.iter().map(|field| parameter(field, "path", schemas)).collect();
    if !plan.route.body && !plan.route.raw_body {
        let rest = plan.input.fields().filter(|field| !plan.path_fields.contains(field));
        rest.for_each(|field| query_parameters(&field, "", &mut parameters, schemas));
    }
    if plan.resume.is_some() {
        parameters.push(json!({
            "name": "Last-Event-ID", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The id of the last event that was received; the stream goes on after it.",
        }));
    }
    if plan.expected_revision.is_some() {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The `ETag` of what was read, in place of `revision`.",
        }));
    }
    match plan.rpc.idempotency {
        Idempotency::KeyRequired => {
            parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        }
        Idempotency::KeyOptional => {
            parameters.push(json!({"$ref": "#/components/parameters/OptionalIdempotencyKey"}));
        }
        Idempotency::Safe | Idempotency::Natural => {}
    }
    parameters
}

/// A field of the query; the fields of a message are named with a dot, `filter.reason`.
fn query_parameters(
    field: &FieldDescriptor,
    prefix: &str,
    parameters: &mut Vec<Value>,
    schemas: &mut Schemas<'_>,
) {
    let name = format!("{prefix}{}", field.name());
    match field.kind() {
        Kind::Message(kind) if !field.is_list() && kind.parent_file().package_name().starts_with("vbwd") => {
            for inner in kind.fields() {
                query_parameters(&inner, &format!("{name}."), parameters, schemas);
            }
        }
        _ => {
            let mut parameter = parameter(field, "query", schemas);
            parameter["name"] = Value::String(name);
            parameters.push(parameter);
        }
    }
}

fn parameter(field: &FieldDescriptor, place: &str, schemas: &mut Schemas<'_>) -> Value {
    let mut schema = schemas.property(field);
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut parameter =
        json!({"name": field.name(), "in": place, "required": place == "path", "schema": schema});
    if let Some(description) = description {
        parameter["description"] = description;
    }
    parameter
}

fn responses(plan: &Plan, schemas: &mut Schemas<'_>) -> Value {
    let mut responses = Map::new();
    let schema = schemas.answer(&plan.output);
    let success = if plan.streams {
        let description = "Server-sent events: the data of each is such an object. An event `end` says why the \
            stream ends, an event `problem` is a problem document.";
        json!({"description": description, "content": {"text/event-stream": {"schema": schema}}})
    } else {
        json!({"description": "The result.", "content": {"application/json": {"schema": schema}}})
    };
    responses.insert(plan.success.as_u16().to_string(), success);
    let refusals = problems::statuses(plan);
    if plan.is_public_read() {
        responses.insert("304".to_owned(), json!({"description": "What you have is still right."}));
    }
    let own = problems::own_codes(plan);
    for status in refusals {
        responses.insert(status.to_string(), problems::response(status, own.get(&status)));
    }
    Value::Object(responses)
}

fn security(plan: &Plan) -> Value {
    if plan.is_public() { json!([]) } else { json!([{"bearer": []}]) }
}

/// The header that makes a request repeatable.
#[must_use]
pub fn idempotency_key(required: bool) -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": required,
        "description": "A value of your own for each new request, 1 to 255 visible characters. The same request \
            sent again with it gets the same answer (`Idempotent-Replayed: true`) and is executed once.",
        "schema": {"type": "string", "maxLength": 255, "examples": ["7f9c1b34-order-1"]},
    })
}

fn first_sentence(text: &str) -> String {
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    text[..end].trim_end_matches('.').to_owned()
}
