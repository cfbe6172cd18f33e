//! Inventories that are written.

use std::path::Path;

use transload_transfer::bundle::Holdings;

use crate::atomic;
use crate::task::Problem;
use crate::ui;

/// Writes down what is nowhere. Returns whether that succeeded.
pub(crate) fn write_missing<'a>(file: &Path, missing: impl Iterator<Item = &'a Holdings>) -> bool {
    let mut all = Holdings::default();
    missing.cloned().for_each(|missing| all.unite(missing));
    write(file, &all, "--missing")
}

/// Writes an inventory to a file, or to standard output. Returns whether that succeeded.
pub(crate) fn write(file: &Path, holdings: &Holdings, argument: &str) -> bool {
    let text = holdings.to_text();
    let written = match file == Path::new("-") {
        true => ui::out(text.as_bytes()),
        false => atomic::replace(file, &text),
    };
    match written {
        Ok(()) => true,
        Err(error) => {
            let problem = Problem::of_file(argument, format!("writing {}: {error}", file.display()));
            ui::err(ui::errors(&[problem], 0));
            false
        }
    }
}
