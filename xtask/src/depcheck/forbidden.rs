//! Whether `unsafe` is forbidden in every package.

/// The workspace's lint that forbids it: no attribute in the code can allow it again.
const LINT: &str = "unsafe_code = \"forbid\"";

/// A package of the workspace.
#[derive(Debug)]
pub struct Package {
    pub name: String,
    /// The text of its manifest.
    pub manifest: String,
}

/// What lets `unsafe` in, in words: the workspace's manifest, or a package.
pub fn allowed(workspace: &str, packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !section(workspace, "workspace.lints.rust").any(|line| line == LINT) {
        wrong.push(format!("the workspace's lints don't have {LINT}"));
    }
    for Package { name, manifest } in packages {
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
pub fn manifest(path: &std::path::Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The lines of a section of a manifest, without comments.
fn section<'a>(manifest: &'a str, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
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

    const WORKSPACE: &str = "[workspace]\n\n[workspace.lints.rust]\nmissing_docs = \"deny\"\nunsafe_code = \"forbid\"\n\n[workspace.lints.clippy]\ntodo = \"deny\"\n\n[profile.dev]\n";

    fn package(name: &str, manifest: &str) -> Package {
        Package {
            name: name.to_owned(),
            manifest: manifest.to_owned(),
        }
    }

    #[test]
    fn every_package_takes_the_lint() {
        let good = package(
            "p",
            "[package]\nname = \"p\"\n\n[lints]\nworkspace = true\n\n[dependencies]\n",
        );
        assert_eq!(allowed(WORKSPACE, &[good]), Vec::<String>::new());
        for manifest in [
            "[package]\n",
            "[lints]\n# workspace = true\n",
            "[lints.rust]\nunsafe_code = \"allow\"\n",
            "[lints]\n[dependencies]\nworkspace = true\n",
        ] {
            let wrong = allowed(WORKSPACE, &[package("p", manifest)]);
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
