// Shows the OpenAPI document. Text is only ever set as text, so nothing in it can run.
"use strict";

const verbs = ["get", "post", "put", "patch", "delete"];

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function resolve(api, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((at, part) => at[part], api);
}

function kind(api, schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return kind(api, schema.items) + "[]";
  return schema.format ? `${schema.type} (${schema.format})` : schema.type || "any";
}

// An example document, from the examples of its fields.
function example(api, schema, seen = []) {
  if (schema.$ref && seen.includes(schema.$ref)) return {};
  const path = schema.$ref ? [...seen, schema.$ref] : seen;
  const own = resolve(api, schema);
  if (schema.examples || own.examples) return (schema.examples || own.examples)[0];
  if (own.enum) return own.enum[1] || own.enum[0];
  if (own.type === "array") return [example(api, own.items, path)];
  if (own.type === "object") {
    return Object.fromEntries(Object.entries(own.properties || {}).map(([name, field]) => [name, example(api, field, path)]));
  }
  return { boolean: true, integer: 0, number: 0 }[own.type] ?? (own.format === "int64" ? "0" : "");
}

function fields(api, rows) {
  const table = element("table");
  for (const [name, place, schema, text] of rows) {
    table.append(element("tr", {},
      element("td", {}, element("code", { textContent: name })),
      element("td", { className: "dim", textContent: place }),
      element("td", { textContent: kind(api, schema) }),
      element("td", { textContent: text || resolve(api, schema).description || "" })));
  }
  return table;
}

function operation(api, path, verb, described) {
  const box = element("details", {},
    element("summary", {},
      element("span", { className: "verb", textContent: verb.toUpperCase() }),
      element("code", { textContent: path }),
      element("span", { className: "dim", textContent: described.summary })));
  box.dataset.text = `${verb} ${path} ${described.summary} ${described.operationId}`.toLowerCase();
  box.append(element("p", { textContent: described.description }));
  const who = described["x-permission"] ? `permission ${described["x-permission"]}` : described.security.length ? "signed-in users" : "anybody";
  box.append(element("p", { className: "dim", textContent: `For ${who}.` }));
  const parameters = (described.parameters || []).map((one) => resolve(api, one));
  if (parameters.length) {
    box.append(element("h4", { textContent: "Parameters" }),
      fields(api, parameters.map((one) => [one.name, one.in, one.schema, one.description])));
  }
  const body = described.requestBody?.content?.["application/json"]?.schema;
  if (body) {
    const properties = Object.entries(resolve(api, body).properties || {});
    box.append(element("h4", { textContent: "Body" }),
      fields(api, properties.map(([name, schema]) => [name, "body", schema, schema.description])),
      element("pre", { textContent: JSON.stringify(example(api, body), null, 2) }));
  }
  for (const [status, response] of Object.entries(described.responses)) {
    const answer = resolve(api, response);
    box.append(element("h4", { textContent: `${status} ${answer.description || ""}` }));
    const schema = answer.content?.["application/json"]?.schema;
    if (schema) box.append(element("pre", { textContent: JSON.stringify(example(api, schema), null, 2) }));
  }
  return box;
}

function show(api) {
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("about").textContent = api.info.description;
  const main = document.getElementById("operations");
  main.replaceChildren();
  for (const tag of api.tags) {
    const section = element("section", {}, element("h2", { textContent: tag.name }), element("p", { textContent: tag.description }));
    for (const [path, item] of Object.entries(api.paths)) {
      for (const verb of verbs.filter((verb) => item[verb]?.tags.includes(tag.name))) {
        section.append(operation(api, path, verb, item[verb]));
      }
    }
    main.append(section);
  }
}

document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const section of document.querySelectorAll("section")) {
    let any = false;
    for (const box of section.querySelectorAll("details")) {
      box.hidden = !box.dataset.text.includes(wanted);
      any ||= !box.hidden;
    }
    section.hidden = !any;
  }
});

fetch("/api/v1/openapi.json").then((answer) => answer.json()).then(show).catch(() => {
  document.getElementById("operations").textContent = "The document could not be loaded.";
});
