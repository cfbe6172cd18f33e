//! Whether `unsafe` is forbidden in every package.

use std::path::Path;

/// The workspace's lint that forbids it: no attribute in the code can allow it again.
const LINT: &str = "unsafe_code = \"forbid\"";

/// What lets `unsafe` in, in words: the workspace's manifest, or one of the packages' (given with their names).
pub fn allowed(workspace: &str, packages: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !section(workspace, "workspace.lints.rust").any(|line| line == LINT) {
        wrong.push(format!("the workspace's lints don't have {LINT}"));
    }
    for (name, manifest) in packages {
        if !section(manifest, "lints").any(|line| line == "workspace = true") {
            wrong.push(format!(
                "{name} doesn't take the workspace's lints, and so could have `unsafe`"
            ));
        }
    }
    wrong
}

/// The text of a manifest.
///
/// # Errors
/// Where it can't be read.
pub fn manifest(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The lines of a section of a manifest, without comments.
fn section<'a>(manifest: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let header = format!("[{name}]");
    manifest
        .lines()
        .map(str::trim)
        .skip_while(move |line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "[workspace]\n\n[workspace.lints.rust]\nmissing_docs = \"deny\"\nunsafe_code = \"forbid\"\n\n[profile.dev]\n";

    #[test]
    fn every_package_takes_the_lint() {
        let package = |manifest: &str| ("p".to_owned(), manifest.to_owned());
        let good = package("[package]\nname = \"p\"\n\n[lints]\nworkspace = true\n\n[dependencies]\n");
        assert_eq!(allowed(WORKSPACE, &[good]), Vec::<String>::new());
        for manifest in [
            "[package]\n",
            "[lints]\n# workspace = true\n",
            "[lints.rust]\nunsafe_code = \"allow\"\n",
            "[lints]\n[dependencies]\nworkspace = true\n",
        ] {
            let wrong = allowed(WORKSPACE, &[package(manifest)]);
            assert_eq!(
                wrong,
                ["p doesn't take the workspace's lints, and so could have `unsafe`"],
                "{manifest}"
            );
        }
    }

    #[test]
    fn the_workspace_forbids_it() {
        for workspace in [
            "",
            "[workspace.lints.rust]\nunsafe_code = \"deny\"\n",
            "[other]\nunsafe_code = \"forbid\"\n",
        ] {
            assert_eq!(allowed(workspace, &[]).len(), 1, "{workspace}");
        }
    }
}
