//! Dependencies that no code names.

use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Package, TargetKind};

use super::sources;

/// The dependencies of a package that its code doesn't name, in words.
///
/// A crate is used where its name stands before `::` or behind `use` or `extern crate`, outside of comments. Tests' dependencies may
/// be used in the package's own files too, and in the code of its documentation.
///
/// # Errors
/// Where the code can't be read.
pub fn unused(package: &Package) -> Result<Vec<String>, String> {
    let is_built = |kind: &TargetKind| {
        !matches!(
            kind,
            TargetKind::Test | TargetKind::Example | TargetKind::Bench | TargetKind::CustomBuild
        )
    };
    let folders = |wanted: &dyn Fn(&TargetKind) -> bool| -> Vec<PathBuf> {
        let targets = package
            .targets
            .iter()
            .filter(|target| target.kind.iter().any(wanted));
        let mut folders: Vec<PathBuf> = targets
            .filter_map(|target| Some(target.src_path.parent()?.as_std_path().to_owned()))
            .collect();
        folders.sort();
        folders.dedup();
        folders
    };
    let built = code(&folders(&is_built))?;
    let all = code(&folders(&|_| true))?;
    let mut found = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency
            .rename
            .as_ref()
            .unwrap_or(&dependency.name)
            .replace('-', "_");
        let is_used = match dependency.kind {
            DependencyKind::Development => names(&all, &name, true),
            DependencyKind::Build => names(&all, &name, false),
            _ => names(&built, &name, false),
        };
        if !is_used {
            found.push(format!(
                "{} depends on {}, which its code doesn't name",
                package.name, dependency.name
            ));
        }
    }
    Ok(found)
}

/// All Rust code below these folders, without that of other packages.
fn code(folders: &[PathBuf]) -> Result<String, String> {
    let mut text = String::new();
    for folder in folders {
        for (_, code) in sources::below(folder)? {
            text.push_str(&code);
            text.push('\n');
        }
    }
    Ok(text)
}

/// Whether the code names the crate.
fn names(code: &str, name: &str, in_documentation: bool) -> bool {
    code.lines().any(|line| {
        let line = line.trim_start();
        let documentation = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        match documentation {
            Some(line) => in_documentation && names_in_line(line, name),
            None => names_in_line(line.split(" //").next().unwrap_or(line), name),
        }
    })
}

fn names_in_line(line: &str, name: &str) -> bool {
    if line.starts_with("//") {
        return false;
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        if before.ends_with(is_part) || after.starts_with(is_part) {
            return false;
        }
        let before = before.trim_end();
        let is_imported = before.ends_with("use") || before.ends_with("extern crate");
        (after.starts_with("::") && !before.ends_with("::")) || is_imported || before.ends_with("use ::")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_crate_is_named_in_paths_and_imports() {
        for (line, expected) in [
            ("use serde::Serialize;", true),
            ("use serde;", true),
            ("pub use serde as s;", true),
            ("extern crate serde;", true),
            ("    let x = serde::to_string();", true),
            ("#[derive(serde::Serialize)]", true),
            ("use {a::b, serde::c};", true),
            ("use ::serde::c;", true),
            ("let serde = 1;", false),
            ("use serde_json::Value;", false),
            ("use my_serde::Value;", false),
            ("use crate::serde::Value;", false),
            ("// use serde::Serialize;", false),
            ("let x = 1; // serde::x", false),
            ("/// use serde::Serialize;", false),
        ] {
            assert_eq!(names(line, "serde", false), expected, "{line}");
        }
        assert!(names("/// use serde::Serialize;", "serde", true));
    }

    #[test]
    fn code_of_other_packages_isnt_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("own")).unwrap();
        fs::create_dir_all(dir.path().join("other")).unwrap();
        fs::write(dir.path().join("own/a.rs"), "one").unwrap();
        fs::write(dir.path().join("other/Cargo.toml"), "").unwrap();
        fs::write(dir.path().join("other/b.rs"), "two").unwrap();
        fs::write(dir.path().join("c.md"), "three").unwrap();
        assert_eq!(code(&[dir.path().to_owned()]).unwrap(), "one\n");
    }
}
