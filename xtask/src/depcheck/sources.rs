//! The code of a package.

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files below a folder with their texts, without those of other packages.
///
/// # Errors
/// Where one can't be read.
pub fn below(folder: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let mut found = Vec::new();
    gather(folder, &mut found)?;
    Ok(found)
}

fn gather(folder: &Path, found: &mut Vec<(PathBuf, String)>) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && !path.join("Cargo.toml").exists() {
            gather(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).map_err(failed)?;
            found.push((path, text));
        }
    }
    Ok(())
}
