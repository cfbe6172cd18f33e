//! JSON, YAML and base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Arguments;
use crate::error::Fault;
use crate::value::{Json, Value, from_json, to_json, write_json};

type Given = Result<Value, Fault>;

pub(super) fn json(args: &Arguments<'_>) -> Given {
    Ok(to_json(&args.values[0]).into())
}

pub(super) fn pretty_json(args: &Arguments<'_>) -> Given {
    Ok(write_json(&args.values[0], Json::PRETTY).into())
}

/// Without escapes for HTML.
pub(super) fn raw_json(args: &Arguments<'_>) -> Given {
    Ok(write_json(&args.values[0], Json::RAW).into())
}

pub(super) fn of_json(args: &Arguments<'_>) -> Given {
    let value = from_json(args.text(0)?);
    value.map_err(|cause| {
        args.refused(
            0,
            format!("`{}` can't read this text: {cause}", args.function.name),
        )
    })
}

pub(super) fn yaml(args: &Arguments<'_>) -> Given {
    Ok(crate::yaml::write(&args.values[0]).into())
}

pub(super) fn of_yaml(args: &Arguments<'_>) -> Given {
    let value = crate::yaml::read(args.text(0)?);
    value.map_err(|cause| args.refused(0, format!("`fromYaml` can't read this text: {cause}")))
}

pub(super) fn base64(args: &Arguments<'_>) -> Given {
    Ok(STANDARD.encode(args.text(0)?).into())
}

pub(super) fn of_base64(args: &Arguments<'_>) -> Given {
    // Line ends separate nothing, as in Go.
    let text = args.text(0)?.replace(['\r', '\n'], "");
    let bytes = STANDARD.decode(text).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Value::String)
        .ok_or_else(|| args.refused(0, "this isn't text in base64"))
}
