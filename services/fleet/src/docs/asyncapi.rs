//! The AsyncAPI 3 document of the published events: one channel and one operation per event, the payload
//! as a JSON Schema. Generated from the same messages as the reference pages.

use serde_json::{Map, Value, json};

use super::events;

/// The document.
#[must_use]
pub fn document() -> Value {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for event in events::published() {
        let name = event.name().to_owned();
        messages.insert(name.clone(), message(&event));
        channels.insert(name.clone(), channel(&event));
        let reference = json!({"$ref": format!("#/channels/{name}")});
        let summary = event.meaning();
        operations.insert(
            format!("hear_{}", name.replace('.', "_")),
            json!({
                "action": "send", "channel": reference, "summary": summary,
                "messages": [{"$ref": format!("#/channels/{name}/messages/{name}")}],
            }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "vbwd events",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0"},
            "description": "CloudEvents 1.0 in structured JSON on the JetStream stream VBWD_EVENTS. Delivered at least \
                once: remember the ids you have handled. Events of one aggregate come in order.",
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {"broker": {"host": "nats:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    })
}

fn channel(event: &events::Published) -> Value {
    let name = event.name();
    json!({
        "address": event.subject().replace("<tenant>", "{tenantId}"),
        "parameters": {"tenantId": {"description": "The id of the tenant; `*` hears all."}},
        "messages": {name: {"$ref": format!("#/components/messages/{name}")}},
    })
}

fn message(event: &events::Published) -> Value {
    json!({
        "name": event.name(),
        "title": event.name(),
        "summary": event.meaning(),
        "contentType": "application/cloudevents+json",
        "payload": event.schema(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_channel_a_message_and_an_operation() {
        let document = document();
        let count = |name: &str| document[name].as_object().unwrap().len();
        assert!(count("channels") > 20);
        assert_eq!(count("channels"), count("operations"));
        let paid = &document["channels"]["invoice.paid"];
        assert_eq!(paid["address"], "evt.{tenantId}.invoicing.invoice.paid.v1");
        let reference = paid["messages"]["invoice.paid"]["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(reference).unwrap()["payload"]["properties"]["data"].is_object());
    }
}
