//! Whether what the program writes for programs is as the published schemas say.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// What of a value isn't as a schema of `docs` says, each with where in the value that is.
pub fn flaws(schema: &str, value: &Value) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(schema);
    let text = fs::read_to_string(path).expect("a schema in the documentation");
    let schema: Value = serde_json::from_str(&text).expect("a schema in JSON");
    let validator = jsonschema::draft202012::options()
        .build(&schema)
        .expect("a schema of the draft that it names");
    let flaws = validator.iter_errors(value);
    flaws
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}
