//! Variables from files and from the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use transload_template::Value;

use super::diagnostic::{Sink, Source};
use super::files;
use super::problem::{Problem, TaskErrors};
use super::reader::describe;
use super::yaml::{self, Yaml};

/// What messages call the command line's assignments.
const SET: &str = "--set";

/// Reads variables: files of YAML or JSON, of which later ones win, and assignments `a.b.c=value`, which win over files.
///
/// Mappings are merged key by key, at every depth; everything else is replaced. An assignment's value is read as YAML, so that
/// `n=3` is a number, `on=true` is true and `list=[a, b]` is a list; `n="3"` and `n={{ .m }}` are text. Numbers keep their texts: `v=1.10` is rendered as
/// 1.10. The result is an object.
///
/// # Errors
/// Where a file can't be read or isn't a mapping, or an assignment has no name; all of them together. Values aren't shown: they may be
/// secret.
pub fn load_variables(files: &[PathBuf], sets: &[String]) -> Result<Value, TaskErrors> {
    let mut variables = Value::Object(BTreeMap::new());
    let mut errors: Option<TaskErrors> = None;
    let mut fail = |more: TaskErrors| match &mut errors {
        Some(errors) => errors.append(more),
        None => errors = Some(more),
    };
    for path in files {
        match read_file(path) {
            Ok(more) => merge(&mut variables, more),
            Err(error) => fail(error),
        }
    }
    for set in sets {
        match read_assignment(set) {
            Ok((path, value)) => {
                let nested = path.rsplit('.').fold(value, |value, name| {
                    Value::Object(BTreeMap::from([(name.to_owned(), value)]))
                });
                merge(&mut variables, nested);
            }
            Err(problem) => fail(problem.into()),
        }
    }
    match errors {
        Some(errors) => Err(errors),
        None => Ok(variables),
    }
}

fn read_file(path: &std::path::Path) -> Result<Value, TaskErrors> {
    let (name, text) = files::read(path)?;
    let source = Source {
        name: &name,
        text: &text,
    };
    let parsed = yaml::parse(&text).map_err(|error| source.syntax_error(error))?;
    let mut sink = Sink::with(parsed.mistakes);
    let mut variables = Value::Object(BTreeMap::new());
    match parsed.documents.as_slice() {
        [] => {}
        [document] => match &document.value {
            Yaml::Null => {}
            Yaml::Map(_) => variables = document.to_value(),
            _ => {
                let found = describe(document);
                sink.error(
                    document.id,
                    format!("a file of variables must be a mapping of names to values, not {found}"),
                );
            }
        },
        [_, second, ..] => {
            sink.error(
                second.id,
                "a file of variables has one YAML document, and this is the second",
            );
        }
    }
    source.close(sink, &parsed.documents)?;
    Ok(variables)
}

fn read_assignment(set: &str) -> Result<(&str, Value), Problem> {
    let Some((name, value)) = set.split_once('=') else {
        // Without an equals sign all of it may be a value.
        return Err(Problem::of_file(
            SET,
            "an assignment is NAME=VALUE, and this one has no \"=\"",
        ));
    };
    let name = name.trim();
    if name.split('.').any(|part| part.trim().is_empty()) {
        let message = format!("\"{name}\" isn't a variable's name");
        return Err(
            Problem::of_file(SET, message).with_hint("names are separated by single dots, as in a.b.c=value")
        );
    }
    // To YAML, a template's braces would begin a mapping.
    if value.is_empty() || value.starts_with("{{") {
        return Ok((name, Value::String(value.to_owned())));
    }
    match yaml::parse_value(value) {
        Ok(value) => Ok((name, value)),
        // Most such values are texts to which nobody thought of as YAML, such as `*.example.com` or `@x`.
        Err(_) if !value.starts_with(['[', '{', '"', '\'']) => Ok((name, Value::String(value.to_owned()))),
        Err(cause) => {
            let message = format!("the value of {name} can't be read: {cause}");
            Err(Problem::of_file(SET, message)
                .with_hint(format!("text needs quotes within quotes: {name}='\"…\"'")))
        }
    }
}

/// Merges `more` into `base`: it wins, and mappings are merged key by key.
pub(super) fn merge(base: &mut Value, more: Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (name, value) in more {
                match base.get_mut(&name) {
                    Some(known) => merge(known, value),
                    None => {
                        base.insert(name, value);
                    }
                }
            }
        }
        (base, more) => *base = more,
    }
}
