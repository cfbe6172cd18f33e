//! Whether `unsafe` is forbidden in every package, but for the one file that may have it.

use crate::rules::UNSAFE;

/// The lint that `unsafe` is against.
const NAME: &str = "unsafe_code";

/// The workspace's lint that forbids it: no attribute in the code can allow it again.
const LINT: &str = "unsafe_code = \"forbid\"";

/// What the package has in its place whose one file may allow it again.
const NEARLY: &str = "unsafe_code = \"deny\"";

/// A proof stands at each place.
const PROOF: &str = "undocumented_unsafe_blocks = \"deny\"";

/// A package of the workspace.
#[derive(Debug, Default)]
pub struct Package {
    pub name: String,
    /// The text of its manifest.
    pub manifest: String,
    /// Its code: paths below its folder, and texts.
    pub files: Vec<(String, String)>,
}

/// What lets `unsafe` in, in words: the workspace's manifest, or a package.
pub fn allowed(workspace: &str, packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !section(workspace, "workspace.lints.rust").any(|line| line == LINT) {
        wrong.push(format!("the workspace's lints don't have {LINT}"));
    }
    for package in packages {
        let name = &package.name;
        if section(&package.manifest, "lints").any(|line| line == "workspace = true") {
            continue;
        }
        if name == UNSAFE.0 {
            wrong.extend(
                lacking(workspace, &package.manifest)
                    .into_iter()
                    .map(|lint| format!("{name}'s lints don't have {lint}")),
            );
            wrong.extend(elsewhere(package));
        } else {
            wrong.push(format!(
                "{name} doesn't take the workspace's lints, and so could have `unsafe`"
            ));
        }
    }
    wrong
}

/// The lints that a package lacks that has a list of its own.
fn lacking<'a>(workspace: &'a str, manifest: &str) -> Vec<&'a str> {
    let mut lacking = Vec::new();
    for (part, also) in [("rust", None), ("clippy", Some(PROOF))] {
        let own: Vec<&str> = section(manifest, &format!("lints.{part}")).collect();
        let agreed = section(workspace, &format!("workspace.lints.{part}"));
        let wanted = agreed.map(|lint| if lint == LINT { NEARLY } else { lint });
        lacking.extend(
            wanted
                .chain(also)
                .filter(|lint| !lint.is_empty() && !own.contains(lint)),
        );
    }
    lacking
}

/// Files that allow it and may not.
fn elsewhere(package: &Package) -> impl Iterator<Item = String> {
    package
        .files
        .iter()
        .filter(|(path, text)| path != UNSAFE.1 && text.contains(NAME))
        .map(|(path, _)| {
            format!(
                "{}: {path} speaks of {NAME}; {} alone may",
                package.name, UNSAFE.1
            )
        })
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
            files: Vec::new(),
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

    #[test]
    fn one_package_may_allow_it_in_one_file_and_lacks_no_other_lint() {
        let (name, file) = UNSAFE;
        let whole = "[lints.rust]\nmissing_docs = \"deny\"\nunsafe_code = \"deny\"\n\n[lints.clippy]\ntodo = \"deny\"\nundocumented_unsafe_blocks = \"deny\"\n";
        let with_files = |files: &[&str]| Package {
            files: files
                .iter()
                .map(|path| ((*path).to_owned(), "#![expect(unsafe_code)]".to_owned()))
                .collect(),
            ..package(name, whole)
        };
        assert_eq!(allowed(WORKSPACE, &[with_files(&[file])]), Vec::<String>::new());
        let wrong = allowed(WORKSPACE, &[with_files(&[file, "src/lib.rs"])]);
        assert_eq!(
            wrong,
            [format!(
                "{name}: src/lib.rs speaks of unsafe_code; {file} alone may"
            )]
        );
        for lint in whole.lines().filter(|line| line.contains('=')) {
            let wrong = allowed(WORKSPACE, &[package(name, &whole.replace(lint, ""))]);
            assert_eq!(wrong, [format!("{name}'s lints don't have {lint}")]);
        }
    }
}
