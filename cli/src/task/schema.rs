//! The JSON Schema of task files, for editors.

use serde_json::{Map, Value, json};

use super::keys::{
    ACCEPTED, AUTH, BLOCK, COPY, FROM, IGNORED, IMAGE, INCLUDE, Key, Kind, PLAY, PULL, PUSH, ROLE, TASK,
    TASK_LISTS, TO, Table, VERIFY,
};
use super::yaml;

/// Where the schema of the newest version is.
const ID: &str = "https://raw.githubusercontent.com/transload/transload/main/docs/task.schema.json";

/// The words of a text that is true or false, in any case.
const TRUTH: &str =
    r"^\s*([Tt][Rr][Uu][Ee]|[Yy][Ee][Ss]|[Oo][Nn]|[Ff][Aa][Ll][Ss][Ee]|[Nn][Oo]|[Oo][Ff][Ff])\s*$";

/// What a text has that is a template.
const TEMPLATE: &str = r"\{\{";

/// The schema (draft 2020-12): what the reader takes by its shape. Names, patterns, templates and paths are the reader's alone to judge.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for table in [
        &IMAGE, &AUTH, &VERIFY, &PULL, &PUSH, &COPY, &FROM, &TO, &PLAY, &ROLE,
    ] {
        definitions.insert(table.name.to_owned(), mapping(table, &[]));
    }
    definitions.insert(TASK.name.to_owned(), mapping(&TASK, &[&ACCEPTED, &IGNORED]));
    definitions.insert(BLOCK.name.to_owned(), mapping(&BLOCK, &[&ACCEPTED]));
    definitions.insert(INCLUDE.name.to_owned(), mapping(&INCLUDE, &[&ACCEPTED]));
    let inner = json!({
        "type": "object",
        "if": {"required": ["block"]},
        "then": reference(&BLOCK),
        "else": {
            "if": {"anyOf": [{"required": ["include_tasks"]}, {"required": ["import_tasks"]}]},
            "then": reference(&INCLUDE),
            "else": reference(&TASK),
        },
    });
    let in_a_play: Vec<Value> = TASK_LISTS
        .iter()
        .chain(&["hosts", "roles", "import_playbook"])
        .map(|key| json!({"required": [key]}))
        .collect();
    let entry = json!({
        "type": "object",
        "if": {"not": {"anyOf": [{"required": ["image"]}, {"required": ["block"]}]}, "anyOf": in_a_play},
        "then": reference(&PLAY),
        "else": {"$ref": "#/$defs/inner"},
    });
    definitions.insert("inner".to_owned(), inner);
    definitions.insert("entry".to_owned(), entry);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "transload task file",
        "description": "Tasks that move container images between registries and directories.",
        "anyOf": [
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/entry"}},
            {"$ref": "#/$defs/entry"},
        ],
        "$defs": definitions,
    })
}

fn reference(table: &Table) -> Value {
    json!({"$ref": format!("#/$defs/{}", table.name)})
}

/// A mapping with the keys of a table, of others besides, and no more.
fn mapping(table: &Table, others: &[&Table]) -> Value {
    let keys = std::iter::once(table)
        .chain(others.iter().copied())
        .flat_map(|table| table.keys);
    let properties: Map<String, Value> = keys.map(|key| (key.name.to_owned(), property(key))).collect();
    let mut mapping = json!({"type": "object", "properties": properties, "additionalProperties": false});
    let rules = serde_json::from_str(table.rules).unwrap_or_default();
    if let (Value::Object(mapping), Value::Object(rules)) = (&mut mapping, rules) {
        mapping.extend(rules);
    }
    mapping
}

fn property(key: &Key) -> Value {
    let mut property = value(&key.kind);
    property.insert("description".to_owned(), key.about.into());
    if let Kind::Flag | Kind::FlagOr(_) | Kind::Count | Kind::Choice(_) = key.kind
        && let Ok(Some(default)) = yaml::parse_one(key.default)
        && !key.default.contains(' ')
    {
        property.insert("default".to_owned(), Value::from(&default));
    }
    if let (false, Ok(Some(example))) = (key.example.is_empty(), yaml::parse_one(key.example)) {
        property.insert("examples".to_owned(), json!([Value::from(&example)]));
    }
    if key.about.starts_with("Deprecated") {
        property.insert("deprecated".to_owned(), true.into());
    }
    Value::Object(property)
}

/// What a value may be.
fn value(kind: &Kind) -> Map<String, Value> {
    let text = || json!({"type": "string"});
    let template = || json!({"type": "string", "pattern": TEMPLATE});
    // Templates give lists as texts.
    let list_as_text = || json!({"type": "string", "pattern": r"^\s*$|^\s*(\[|- )|^null$|\{\{"});
    let value = match kind {
        Kind::Text => text(),
        Kind::Name => json!({"type": ["string", "null"]}),
        Kind::Texts => json!({"anyOf": [{"type": "array", "items": text()}, {"type": ["string", "null"]}]}),
        Kind::Images => {
            let one = json!({"type": "string", "pattern": r"\S"});
            json!({"anyOf": [{"type": "array", "items": text(), "contains": one}, one]})
        }
        Kind::Flag => {
            json!({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": TRUTH}, template()]})
        }
        Kind::FlagOr(words) => json!({"anyOf": [
            {"type": "boolean"}, {"enum": words}, {"type": "string", "pattern": TRUTH}, template()
        ]}),
        Kind::Count => json!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": u32::MAX}, {"type": "string", "pattern": r"^\s*[0-9]+\s*$"}, template()
        ]}),
        Kind::Choice(words) => {
            json!({"anyOf": [{"enum": words}, {"type": "string", "pattern": r"^\s*$"}, template()]})
        }
        Kind::Condition => json!({"anyOf": [
            {"type": ["boolean", "string", "null"]},
            {"type": "array", "items": {"type": ["boolean", "string", "null", "array"]}},
        ]}),
        Kind::Variables => json!({"type": ["object", "null"]}),
        Kind::Items => json!({"type": ["array", "string", "null"]}),
        Kind::Entries(table) => json!({"anyOf": [
            {"type": "array", "items": reference(table)}, {"type": "null"}, list_as_text()
        ]}),
        Kind::Rules(table) => json!({"anyOf": [
            {"type": "array", "items": reference(table), "minItems": 1},
            {"type": "string", "pattern": r"^\s*(\[|- )|\{\{"}
        ]}),
        Kind::Map(table) => reference(table),
        Kind::Names(table) => json!({"anyOf": [
            {"type": "array", "items": {"anyOf": [text(), reference(table)]}}, {"type": "null"}
        ]}),
        Kind::Tasks => {
            json!({"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/inner"}}, {"type": "null"}]})
        }
        Kind::Any => json!({}),
    };
    match value {
        Value::Object(value) => value,
        _ => Map::new(),
    }
}
