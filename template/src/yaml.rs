//! YAML for `toYaml` and `fromYaml`. Nothing outside this file knows the YAML library.

use crate::value::Value;

/// Block style, without a line's end at the end, as KubeKey's `toYaml` gives it.
pub(crate) fn write(value: &Value) -> String {
    // A number may have a text of its own that JSON keeps.
    let json = crate::value::to_json(value);
    let plain: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
    let text = serde_yaml::to_string(&plain).unwrap_or_default();
    text.trim_end().to_owned()
}

/// The one document of a text.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    // The library bounds nesting and what aliases may stand for.
    let value: serde_json::Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    Ok(value.into())
}
