//! `/api/docs`: the API's document as a page, from the same source as `/api/openapi.json`.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::error_page::render;
use crate::api;

#[derive(Template)]
#[template(path = "documentation.html")]
struct DocumentationPage {
    description: String,
    operations: Vec<Operation>,
    schemas: Vec<Schema>,
}

struct Operation {
    method: String,
    path: String,
    summary: String,
    answer: String,
    parameters: Vec<Field>,
}

struct Schema {
    name: String,
    description: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    required: bool,
    description: String,
}

pub(super) async fn documentation() -> Response {
    let document = serde_json::to_value(api::document()).unwrap_or_default();
    render(&DocumentationPage {
        description: text(&document["info"]["description"]),
        operations: operations(&document["paths"]),
        schemas: schemas(&document["components"]["schemas"]),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn operations(paths: &Value) -> Vec<Operation> {
    let each = entries(paths).flat_map(|(path, methods)| {
        entries(methods).map(|(method, operation)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            summary: text(&operation["summary"]),
            answer: kind(&operation["responses"]["200"]["content"]["application/json"]["schema"]),
            parameters: operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|parameter| Field {
                    name: text(&parameter["name"]),
                    kind: kind(&parameter["schema"]),
                    required: parameter["required"].as_bool().unwrap_or(false),
                    description: text(&parameter["description"]),
                })
                .collect(),
        })
    });
    each.collect()
}

fn schemas(schemas: &Value) -> Vec<Schema> {
    let each = entries(schemas).map(|(name, schema)| {
        // A flattened part makes a schema a list of parts.
        let parts: Vec<&Value> = schema["allOf"]
            .as_array()
            .map_or_else(|| vec![schema], |parts| parts.iter().collect());
        let fields = parts.iter().flat_map(|part| {
            let required: Vec<&str> = part["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            entries(&part["properties"]).map(move |(name, property)| Field {
                name: name.clone(),
                kind: kind(property),
                required: required.contains(&name.as_str()),
                description: text(&property["description"]),
            })
        });
        Schema {
            name: name.clone(),
            description: text(&schema["description"]),
            fields: fields.collect(),
        }
    });
    each.collect()
}

/// The type of a schema in a word.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or("").to_owned();
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}
