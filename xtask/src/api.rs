//! What integrators see, compared with what they saw last: the OpenAPI and AsyncAPI documents of this
//! checkout against those of the last release (tag `v*`), or of the commit before when there is none.
//!
//! Breaking is what makes a client written yesterday fail today: an operation, a success status, a
//! member of an answer or a value of an enum that is gone, a type that is another, something newly
//! required of a request, a channel that is gone. Where such a change is meant, name it in
//! `xtask/api-breaks.txt`, one line as printed here; a release removes the file.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::place::Place;
use crate::shell;

const DOCUMENTS: [&str; 2] = ["docs/reference/openapi.json", "docs/reference/asyncapi.json"];
const MEANT: &str = "xtask/api-breaks.txt";

/// Runs the verb.
pub fn run(place: &Place) -> Result<()> {
    let since = since(place);
    let meant = shell::read(&place.root.join(MEANT)).unwrap_or_default();
    let meant: BTreeSet<&str> = meant.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for document in DOCUMENTS {
        // Without an earlier document (the first commit, a shallow clone) there is nothing to break.
        let Some(before) = earlier(place, &since, document) else { continue };
        let after: Value = serde_json::from_str(&shell::read(&place.root.join(document))?)?;
        found.extend(breaks(&before, &after));
    }
    found.retain(|one| !meant.contains(one.as_str()));
    if found.is_empty() {
        return Ok(());
    }
    bail!("Breaking for clients since {since} (list what is meant in {MEANT}):\n  {}", found.join("\n  "))
}

fn since(place: &Place) -> String {
    let tag = git(place, &["describe", "--tags", "--abbrev=0", "--match", "v*"]);
    tag.map_or_else(|| "HEAD^".to_owned(), |tag| tag.trim().to_owned())
}

fn earlier(place: &Place, since: &str, document: &str) -> Option<Value> {
    serde_json::from_str(&git(place, &["show", &format!("{since}:{document}")])?).ok()
}

fn git(place: &Place, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-c").arg(format!("safe.directory={}", place.root.display())).args(arguments);
    shell::output("git", command.current_dir(&place.root)).ok()
}

/// What breaks between two documents of the same kind.
fn breaks(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    operations(before, after, &mut found);
    members(&before["components"]["schemas"], &after["components"]["schemas"], &mut found);
    for (name, channel) in object(&before["channels"]) {
        if after["channels"][name]["address"] != channel["address"] {
            found.push(format!("channel {name}: gone, or elsewhere"));
        }
    }
    for (name, message) in object(&before["components"]["messages"]) {
        let now = &after["components"]["messages"][name]["payload"];
        schema(&format!("event {name}"), &message["payload"], now, &mut found);
    }
    found
}

fn operations(before: &Value, after: &Value, found: &mut Vec<String>) {
    for (path, verbs) in object(&before["paths"]) {
        for (verb, operation) in object(verbs) {
            let name = format!("{} {path}", verb.to_uppercase());
            let now = &after["paths"][path][verb];
            if now.is_null() {
                found.push(format!("{name}: gone"));
                continue;
            }
            if now["operationId"] != operation["operationId"] {
                found.push(format!("{name}: has another operationId"));
            }
            for status in
                object(&operation["responses"]).map(|(status, _)| status).filter(|one| one.starts_with('2'))
            {
                if now["responses"][status].is_null() {
                    found.push(format!("{name}: no longer answers {status}"));
                }
            }
            required_parameters(&name, operation, now, found);
        }
    }
}

fn required_parameters(name: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let required = |operation: &Value| -> BTreeSet<String> {
        let all = operation["parameters"].as_array().cloned().unwrap_or_default();
        let needed = all
            .iter()
            .filter(|one| one["required"] == true || one["$ref"].to_string().contains("/IdempotencyKey"));
        needed
            .map(|one| {
                format!(
                    "{}{}",
                    one["name"].as_str().unwrap_or_default(),
                    one["$ref"].as_str().unwrap_or_default()
                )
            })
            .collect()
    };
    for new in required(after).difference(&required(before)) {
        found.push(format!("{name}: newly requires {new}"));
    }
}

fn members(before: &Value, after: &Value, found: &mut Vec<String>) {
    for (name, was) in object(before) {
        match &after[name] {
            Value::Null => found.push(format!("schema {name}: gone")),
            now => schema(&format!("schema {name}"), was, now, found),
        }
    }
}

fn schema(name: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    for part in ["type", "format", "$ref", "const", "contentEncoding"] {
        if before[part] != after[part] {
            found.push(format!("{name}: {part} was {} and is {}", before[part], after[part]));
        }
    }
    for value in before["enum"].as_array().into_iter().flatten() {
        if !after["enum"].as_array().is_some_and(|values| values.contains(value)) {
            found.push(format!("{name}: the value {value} is gone"));
        }
    }
    for needed in before["required"].as_array().into_iter().flatten() {
        if !after["required"].as_array().is_some_and(|all| all.contains(needed)) {
            found.push(format!("{name}: {needed} is no longer always there"));
        }
    }
    for (member, was) in object(&before["properties"]) {
        match &after["properties"][member] {
            Value::Null => found.push(format!("{name}: {member} is gone")),
            now => schema(&format!("{name}.{member}"), was, now, found),
        }
    }
    if before["items"].is_object() {
        schema(&format!("{name}[]"), &before["items"], &after["items"], found);
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "paths": {"/a": {"get": {
                "operationId": "GetA", "responses": {"200": {}, "404": {}},
                "parameters": [{"name": "q", "required": false}],
            }}},
            "components": {
                "schemas": {"A": {"type": "object", "required": ["x"], "properties": {
                    "x": {"type": "string"}, "kind": {"type": "string", "enum": ["ONE", "TWO"]},
                }}},
                "messages": {"a.made": {"payload": {"type": "object", "properties": {"data": {"type": "object"}}}}},
            },
            "channels": {"a.made": {"address": "evt.a"}},
        })
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut after = document();
        change(&mut after);
        breaks(&document(), &after)
    }

    #[test]
    fn what_is_added_breaks_nobody() {
        let found = changed(|after| {
            after["paths"]["/b"] = json!({"get": {}});
            after["components"]["schemas"]["A"]["properties"]["y"] = json!({"type": "string"});
            after["components"]["schemas"]["A"]["properties"]["kind"]["enum"] =
                json!(["ONE", "TWO", "THREE"]);
            after["paths"]["/a"]["get"]["responses"]["409"] = json!({});
        });
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn what_a_client_would_miss_is_named() {
        type Change = Box<dyn FnOnce(&mut Value)>;
        let rows: [(&str, Change); 8] = [
            ("GET /a: gone", Box::new(|after| after["paths"] = json!({}))),
            (
                "GET /a: no longer answers 200",
                Box::new(|after| after["paths"]["/a"]["get"]["responses"] = json!({"201": {}})),
            ),
            (
                "GET /a: newly requires q",
                Box::new(|after| after["paths"]["/a"]["get"]["parameters"][0]["required"] = json!(true)),
            ),
            (
                "schema A.x: type was \"string\" and is \"integer\"",
                Box::new(|after| {
                    after["components"]["schemas"]["A"]["properties"]["x"]["type"] = json!("integer")
                }),
            ),
            (
                "schema A.kind: the value \"TWO\" is gone",
                Box::new(|after| {
                    after["components"]["schemas"]["A"]["properties"]["kind"]["enum"] = json!(["ONE"])
                }),
            ),
            (
                "schema A: \"x\" is no longer always there",
                Box::new(|after| after["components"]["schemas"]["A"]["required"] = json!([])),
            ),
            (
                "channel a.made: gone, or elsewhere",
                Box::new(|after| after["channels"]["a.made"]["address"] = json!("evt.b")),
            ),
            (
                "event a.made: data is gone",
                Box::new(|after| {
                    after["components"]["messages"]["a.made"]["payload"]["properties"] = json!({})
                }),
            ),
        ];
        for (expected, change) in rows {
            assert_eq!(changed(change), [expected]);
        }
    }
}
