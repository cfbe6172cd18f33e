//! Whether the libraries are fit for programs of others: what a package says of itself, what it holds, and that it builds alone.

use std::fs;

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::packages;

/// The most keywords that crates.io takes, and the most characters that one may have.
const MOST_KEYWORDS: usize = 5;
const LONGEST_KEYWORD: usize = 20;

/// What makes a library's README its documentation, so that its code is tested and the two can't drift apart.
const README_IS_DOCUMENTATION: &str = "#![doc = include_str!(\"../README.md\")]";

/// What every library's folder has for its package.
const FILES: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Checks what the packages of the libraries say and hold, then packs what is published.
///
/// # Errors
/// All that is wrong, one a line; or where something can't be packed, or a library doesn't build from its package.
pub fn run() -> Result<(), String> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let libraries = libraries(&metadata);
    let wrong: Vec<String> = libraries
        .iter()
        .flat_map(|package| {
            let faults = Library::read(package).faults();
            faults
                .into_iter()
                .map(|fault| format!("{}: {fault}", package.name))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(format!(
            "a library isn't fit for others\n  {}",
            wrong.join("\n  ")
        ));
    }
    let root = metadata.workspace_root.as_std_path();
    packages::pack(root, &published(&metadata))?;
    // The program is packed alone: to build it here too takes a second build of all it needs.
    packages::check(root, metadata.target_directory.as_std_path(), &libraries)
}

/// The packages that go to a registry.
pub fn published(metadata: &Metadata) -> Vec<&Package> {
    let is_published = |package: &&Package| package.publish.as_ref().is_none_or(|to| !to.is_empty());
    metadata
        .workspace_packages()
        .into_iter()
        .filter(is_published)
        .collect()
}

/// Those of them that are libraries alone.
pub fn libraries(metadata: &Metadata) -> Vec<&Package> {
    let has_program = |package: &Package| package.targets.iter().any(|target| target.is_bin());
    let published = published(metadata);
    published
        .into_iter()
        .filter(|package| !has_program(package))
        .collect()
}

/// A library, as far as others see it before they use it.
#[derive(Debug, Clone, Default)]
struct Library {
    name: String,
    keywords: Vec<String>,
    categories: Vec<String>,
    description: Option<String>,
    documentation: Option<String>,
    repository: Option<String>,
    rust_version: Option<String>,
    examples: usize,
    /// Of [`FILES`], those that aren't there.
    missing: Vec<&'static str>,
    readme: String,
    source: String,
}

impl Library {
    fn read(package: &Package) -> Library {
        let folder = package.manifest_path.parent();
        let path = |name: &str| folder.map(|folder| folder.join(name)).unwrap_or_default();
        let text = |name: &str| fs::read_to_string(path(name)).unwrap_or_default();
        Library {
            name: package.name.to_string(),
            keywords: package.keywords.clone(),
            categories: package.categories.clone(),
            description: package.description.clone(),
            documentation: package.documentation.clone(),
            repository: package.repository.clone(),
            rust_version: package
                .rust_version
                .as_ref()
                .map(|version| format!("{}.{}", version.major, version.minor)),
            examples: package
                .targets
                .iter()
                .filter(|target| target.is_example())
                .count(),
            missing: FILES.into_iter().filter(|name| !path(name).is_file()).collect(),
            readme: text("README.md"),
            source: text("src/lib.rs"),
        }
    }

    /// What others would miss, in words.
    fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = Vec::new();
        let mut expect = |holds: bool, fault: &str| {
            if !holds {
                faults.push(fault.to_owned());
            }
        };
        let is_keyword = |word: &String| !word.is_empty() && word.len() <= LONGEST_KEYWORD;
        let documentation = format!("https://docs.rs/{}", self.name);
        expect(self.description.is_some(), "it has no description");
        expect(self.repository.is_some(), "it names no repository");
        expect(
            self.documentation.as_deref() == Some(&documentation),
            &format!("its documentation isn't {documentation}"),
        );
        expect(
            (1..=MOST_KEYWORDS).contains(&self.keywords.len()) && self.keywords.iter().all(is_keyword),
            &format!("it needs 1 to {MOST_KEYWORDS} keywords of at most {LONGEST_KEYWORD} characters"),
        );
        expect(!self.categories.is_empty(), "it has no category");
        expect(
            !self
                .categories
                .iter()
                .any(|name| name == "command-line-utilities"),
            "it is no command line utility",
        );
        expect(self.examples > 0, "it has no example program");
        for name in &self.missing {
            expect(false, &format!("it has no {name}"));
        }
        expect(
            self.source.contains(README_IS_DOCUMENTATION),
            "its src/lib.rs doesn't take the README for its documentation",
        );
        expect(
            self.readme.contains(&format!("cargo add {}", self.name)),
            "its README doesn't say how to use it",
        );
        expect(
            self.readme.contains("```rust") && self.readme.contains("cargo run --example"),
            "its README shows no code, or no example program",
        );
        match &self.rust_version {
            None => expect(false, "it states no Rust version"),
            Some(version) => expect(
                self.readme.contains(&format!("Rust {version} ")),
                &format!("its README doesn't say that it needs Rust {version}"),
            ),
        }
        expect(
            self.readme.contains("MIT or Apache-2.0"),
            "its README doesn't say the licence",
        );
        // On crates.io and docs.rs there is nothing beside the README.
        expect(
            !self.readme.contains("](..") && !self.readme.contains("](./"),
            "its README links to files that its readers don't have",
        );
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Library {
        Library {
            name: "fine".to_owned(),
            keywords: vec!["oci".to_owned()],
            categories: vec!["filesystem".to_owned()],
            description: Some("Fine".to_owned()),
            documentation: Some("https://docs.rs/fine".to_owned()),
            repository: Some("https://git.example/fine".to_owned()),
            rust_version: Some("1.89".to_owned()),
            examples: 1,
            missing: Vec::new(),
            readme: "# fine\n```rust\n```\ncargo run --example x\ncargo add fine\nRust 1.89 or later\nMIT or Apache-2.0".to_owned(),
            source: format!("{README_IS_DOCUMENTATION}\n"),
        }
    }

    #[test]
    fn each_thing_that_others_would_miss_is_named() {
        assert_eq!(good().faults(), Vec::<String>::new());
        type Change = fn(&mut Library);
        let table: [(&str, Change); 14] = [
            ("it has no description", |library| library.description = None),
            ("it names no repository", |library| library.repository = None),
            ("its documentation isn't https://docs.rs/fine", |library| {
                library.documentation = None;
            }),
            ("it needs 1 to 5 keywords of at most 20 characters", |library| {
                library.keywords = vec!["word".to_owned(); 6];
            }),
            ("it needs 1 to 5 keywords of at most 20 characters", |library| {
                library.keywords = vec!["a-word-of-21-letters-".to_owned()];
            }),
            ("it has no category", |library| library.categories.clear()),
            ("it is no command line utility", |library| {
                library.categories = vec!["command-line-utilities".to_owned()];
            }),
            ("it has no example program", |library| library.examples = 0),
            ("it has no LICENSE-MIT", |library| {
                library.missing.push("LICENSE-MIT")
            }),
            (
                "its src/lib.rs doesn't take the README for its documentation",
                |library| library.source.clear(),
            ),
            ("its README doesn't say how to use it", |library| {
                library.readme = library.readme.replace("cargo add", "cargo");
            }),
            ("its README doesn't say that it needs Rust 1.90", |library| {
                library.rust_version = Some("1.90".to_owned());
            }),
            ("its README doesn't say the licence", |library| {
                library.readme = library.readme.replace("MIT", "");
            }),
            (
                "its README links to files that its readers don't have",
                |library| {
                    library.readme.push_str("[docs](../docs)");
                },
            ),
        ];
        for (fault, change) in table {
            let mut library = good();
            change(&mut library);
            assert_eq!(library.faults(), [fault]);
        }
    }
}
