//! Paths with slashes, as Go's `path` takes them apart.

use super::Arguments;
use crate::error::Fault;
use crate::value::Value;

type Given = Result<Value, Fault>;

/// Go's `path.Base`.
pub(super) fn base(args: &Arguments<'_>) -> Given {
    let path = args.text(0)?;
    if path.is_empty() {
        return Ok(".".into());
    }
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    Ok(if name.is_empty() { "/" } else { name }.into())
}

/// Go's `path.Dir`: what is before the last slash, cleaned.
pub(super) fn dir(args: &Arguments<'_>) -> Given {
    let path = args.text(0)?;
    Ok(clean(path.rfind('/').map_or("", |at| &path[..=at])).into())
}

/// Go's `path.Clean`.
fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            ".." if is_rooted => {}
            name => names.push(name),
        }
    }
    match (is_rooted, names.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

/// Go's `path.Clean`.
pub(super) fn clean_path(args: &Arguments<'_>) -> Given {
    Ok(clean(args.text(0)?).into())
}

/// Go's `path.Ext`: what follows the last dot of the last name, with the dot.
pub(super) fn ext(args: &Arguments<'_>) -> Given {
    let path = args.text(0)?;
    let name = path.rsplit('/').next().unwrap_or_default();
    Ok(name.rfind('.').map_or("", |at| &name[at..]).into())
}

pub(super) fn is_absolute(args: &Arguments<'_>) -> Given {
    Ok(args.text(0)?.starts_with('/').into())
}
