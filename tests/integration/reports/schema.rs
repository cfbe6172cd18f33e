//! Whether a value keeps to a JSON Schema, for the keywords that `docs/report.schema.json` uses. Any other keyword is a failure: nothing
//! that the schema says goes unchecked.

use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};

/// What is wrong with a value, each with where in it that is.
pub fn errors(schema: &Value, value: &Value) -> Vec<String> {
    let mut check = Check {
        root: schema,
        errors: Vec::new(),
    };
    check.value(schema, value, "");
    check.errors
}

struct Check<'a> {
    root: &'a Value,
    errors: Vec<String>,
}

impl Check<'_> {
    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        let before = self.errors.len();
        for (keyword, wanted) in schema.as_object().expect("a schema is an object") {
            let holds = match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" | "then" | "else" => true,
                "$ref" => {
                    let pointer = wanted
                        .as_str()
                        .and_then(|text| text.strip_prefix('#'))
                        .expect("a local reference");
                    let target = self
                        .root
                        .pointer(pointer)
                        .unwrap_or_else(|| panic!("no {pointer}"));
                    self.value(target, value, at);
                    true
                }
                "type" => match wanted {
                    Value::Array(types) => types.iter().any(|kind| is_of(kind, value)),
                    kind => is_of(kind, value),
                },
                "enum" => list(wanted).contains(value),
                "const" => wanted == value,
                "minimum" => value
                    .as_f64()
                    .is_none_or(|number| Some(number) >= wanted.as_f64()),
                "minItems" => value
                    .as_array()
                    .is_none_or(|items| items.len() as u64 >= whole(wanted)),
                "maxItems" => value
                    .as_array()
                    .is_none_or(|items| items.len() as u64 <= whole(wanted)),
                "pattern" => {
                    let pattern =
                        Regex::new(wanted.as_str().expect("a pattern is a text")).expect("a pattern");
                    value.as_str().is_none_or(|text| pattern.is_match(text))
                }
                "required" => list(wanted)
                    .iter()
                    .all(|name| value.get(name.as_str().expect("a field's name")).is_some()),
                "additionalProperties" => {
                    assert_eq!(*wanted, Value::Bool(false), "only that is checked");
                    let known = schema["properties"].as_object().expect("properties");
                    let fields = value.as_object();
                    fields.is_none_or(|fields| fields.keys().all(|name| known.contains_key(name)))
                }
                "properties" => {
                    for (name, schema) in wanted.as_object().expect("properties are an object") {
                        if let Some(field) = value.get(name) {
                            self.value(schema, field, &format!("{at}/{name}"));
                        }
                    }
                    true
                }
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(wanted, item, &format!("{at}/{number}"));
                    }
                    true
                }
                "allOf" => {
                    for schema in list(wanted) {
                        self.value(schema, value, at);
                    }
                    true
                }
                "anyOf" => list(wanted).iter().any(|schema| self.holds(schema, value)),
                "if" => {
                    let branch = if self.holds(wanted, value) { "then" } else { "else" };
                    if let Some(schema) = schema.get(branch) {
                        self.value(schema, value, at);
                    }
                    true
                }
                other => panic!("the schema has the keyword {other}, which isn't checked"),
            };
            if !holds {
                self.errors.push(format!("{at}: {keyword} {wanted}: {value}"));
            }
        }
        self.errors[before..].sort();
    }

    fn holds(&self, schema: &Value, value: &Value) -> bool {
        let mut check = Check {
            root: self.root,
            errors: Vec::new(),
        };
        check.value(schema, value, "");
        check.errors.is_empty()
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn whole(value: &Value) -> u64 {
    value.as_u64().expect("a whole number")
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("the name of a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("no type is called {other}"),
    }
}

/// The schema of reports.
pub fn of_reports() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.schema.json");
    let text = fs::read_to_string(path).expect("a schema");
    serde_json::from_str(&text).expect("a schema in JSON")
}

/// A check that lets everything pass would show nothing.
#[test]
fn what_is_no_report_is_found_out() {
    let schema = of_reports();
    let counts = json!({"total": 1, "copied": 0, "there": 0, "skipped": 0, "failed": 1, "stopped": 0, "not_reached": 0});
    let none = json!({"blobs": 0, "bytes": 0});
    let blobs = json!({"moved": none, "resumed": none, "skipped": none, "mounted": none, "linked": none, "shared": none});
    let totals = json!({"images": counts, "blobs": blobs, "retries": 0});
    let error = json!({"message": "no", "side": null, "chain": ["no"], "hint": null, "retryable": false});
    let image = json!({
        "image": "a", "source": "a", "destination": "a in out", "status": "failed", "source_digest": null,
        "digest": null, "platforms": [], "blobs": blobs, "attempts": 1, "retries": 0, "retry_causes": [],
        "began": null, "ended": null, "seconds": 0, "warnings": [], "reason": null, "error": error,
    });
    let task = json!({
        "name": "pull", "status": "done", "seconds": 1.0, "ignore_errors": false, "follows_a_task": false,
        "warnings": [], "errors": [], "origins": [], "totals": totals, "images": [image],
    });
    let time = "2026-01-01T00:00:00.000Z";
    let good = json!({
        "version": 1, "transload": "0.1.0", "began": time, "ended": time, "seconds": 1.0, "status": "failed",
        "totals": totals, "tasks": [task],
    });
    assert_eq!(errors(&schema, &good), [""; 0]);
    let image = "/tasks/0/images/0";
    let cases = [
        ("/version", json!(2)),
        ("/began", json!("yesterday")),
        ("/seconds", json!(-1)),
        ("/status", json!("fine")),
        ("/totals/retries", json!(1.5)),
        ("/totals/images", json!({"total": 1})),
        ("/tasks/0/warnings", json!([1])),
        (&format!("{image}/status"), json!("copied")),
        (&format!("{image}/digest"), json!("sha256:12")),
        (&format!("{image}/error"), Value::Null),
        (&format!("{image}/error/chain"), json!([])),
        (&format!("{image}/reason"), json!("no")),
        (&format!("{image}/blobs/more"), json!(1)),
        (&format!("{image}/retry_causes"), json!(vec!["x"; 11])),
    ];
    for (pointer, wrong) in cases {
        let mut bad = good.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        bad.pointer_mut(parent).expect("a place")[field] = wrong;
        assert!(!errors(&schema, &bad).is_empty(), "{pointer}");
    }
}
