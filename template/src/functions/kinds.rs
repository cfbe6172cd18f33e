//! What kind a value is, in Go's words.

use super::Arguments;
use crate::error::Fault;
use crate::value::Value;

type Given = Result<Value, Fault>;

/// The name of Go's type of values that YAML and JSON hold.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.value.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
        value => type_name(value),
    }
}

pub(super) fn type_of(args: &Arguments<'_>) -> Given {
    Ok(type_name(&args.values[0]).into())
}

pub(super) fn type_is(args: &Arguments<'_>) -> Given {
    Ok((args.text(0)? == type_name(&args.values[1])).into())
}

pub(super) fn kind_of(args: &Arguments<'_>) -> Given {
    Ok(kind_name(&args.values[0]).into())
}

pub(super) fn kind_is(args: &Arguments<'_>) -> Given {
    Ok((args.text(0)? == kind_name(&args.values[1])).into())
}

pub(super) fn deep_equal(args: &Arguments<'_>) -> Given {
    Ok((args.values[0] == args.values[1]).into())
}
