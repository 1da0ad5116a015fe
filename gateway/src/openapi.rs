//! The OpenAPI 3.1 document, made from the descriptors, their comments and options. Nothing in it
//! is written by hand, so it cannot disagree with what the gateway does.

mod comments;
mod example;
mod operation;
mod problems;
mod schema;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::openapi::comments::Comments;
use crate::openapi::schema::Schemas;
use crate::plan::Plan;

/// The document.
#[must_use]
pub fn document() -> Value {
    let comments = Comments::read(contracts::pool());
    let mut schemas = Schemas::new(&comments);
    let (mut paths, mut tags) = (BTreeMap::<String, Map<String, Value>>::new(), BTreeMap::new());
    for rpc in contracts::methods() {
        // A route that cannot work stops the gateway before anybody reads this document.
        let Ok(Some(plan)) = Plan::new(rpc) else { continue };
        let service = rpc.descriptor.parent_service();
        tags.insert(service.name().to_owned(), comments.service(service));
        let verb = plan.route.verb.name().to_lowercase();
        let operation = operation::describe(&plan, &comments, &mut schemas);
        paths.entry(plan.route.path.clone()).or_default().insert(verb, operation);
    }
    let tags = tags.into_iter().map(|(name, description)| json!({"name": name, "description": description}));
    json!({
        "openapi": "3.1.0",
        "info": info(),
        "servers": [{"url": "/"}],
        "tags": tags.collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas.into_components(),
            "parameters": {
                "IdempotencyKey": operation::idempotency_key(true),
                "OptionalIdempotencyKey": operation::idempotency_key(false),
            },
            "responses": problems::components(),
            "securitySchemes": {"bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "The access token of a session, or an API key.",
            }},
        },
    })
}

fn info() -> Value {
    json!({
        "title": "vbwd",
        "version": env!("CARGO_PKG_VERSION"),
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        "description": "The sales platform's API. Amounts are integers in minor units, 64-bit integers are \
            written as strings, unknown members of a request are ignored. Whatever is not a result is an \
            application/problem+json document (RFC 9457) whose code is stable.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(value: &Value, visit: &mut impl FnMut(&str)) {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    visit(target);
                }
                members.values().for_each(|member| walk(member, visit));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
            _ => {}
        }
    }

    #[test]
    fn every_routed_rpc_is_described() {
        let document = document();
        for rpc in contracts::methods() {
            let Some(route) = &rpc.http else { continue };
            let verb = route.verb.name().to_lowercase();
            let operation = &document["paths"][&route.path][verb];
            assert_eq!(operation["operationId"], rpc.descriptor.name(), "{}", rpc.path);
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{}", rpc.path);
            assert!(operation["responses"][route.success_status.to_string()].is_object(), "{}", rpc.path);
        }
        assert!(!document.to_string().contains("ResolveTenant"), "internal rpcs are nobody's business");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut targets = Vec::new();
        walk(&document, &mut |target| targets.push(target.to_owned()));
        assert!(targets.len() > 50);
        for target in targets {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn operation_ids_are_unique() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let mut ids: Vec<_> = operations.map(|operation| operation["operationId"].to_string()).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn checkout_is_described_as_its_options_say() {
        let document = document();
        let checkout = &document["paths"]["/api/v1/checkout"]["post"];
        assert_eq!(checkout["security"], json!([{"bearer": []}]));
        assert_eq!(checkout["parameters"][0]["$ref"], "#/components/parameters/IdempotencyKey");
        let schemas = &document["components"]["schemas"];
        let quantity = &schemas["invoicing.CheckoutLine"]["properties"]["quantity"];
        assert_eq!((&quantity["type"], &quantity["format"]), (&json!("string"), &json!("int64")));
        assert_eq!(quantity["description"], "1 to 1000000.");
        let pay = &document["paths"]["/api/v1/invoices/{invoice_id}/pay"]["post"];
        assert_eq!(pay["parameters"][0]["name"], "invoice_id");
        let body = &schemas["invoicing.PayInvoiceRequest"]["properties"];
        assert!(body.get("invoice_id").is_none(), "the path says it");
        assert!(body["payment_method"].is_object());
    }
}
