//! The links between the pages of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

/// Checks that each file that a page links to exists.
///
/// # Errors
/// Lists the links that lead nowhere, or says which page can't be read.
pub fn run() -> Result<(), String> {
    let mut broken = Vec::new();
    for page in pages(&root()?)? {
        let text = fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
        let folder = page.parent().unwrap_or(Path::new(""));
        let missing = files(&text).filter(|file| !folder.join(file).exists());
        broken.extend(missing.map(|file| format!("{} links to {file}", page.display())));
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(format!("files that don't exist\n  {}", broken.join("\n  ")))
}

/// The folder of the workspace.
///
/// # Errors
/// Where cargo can't tell it.
pub fn root() -> Result<PathBuf, String> {
    let metadata = MetadataCommand::new().no_deps().exec();
    let metadata = metadata.map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(metadata.workspace_root.into_std_path_buf())
}

/// The pages at the top, in each folder of the workspace, and in the folders of the documentation.
fn pages(root: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("{}: {error}", folder.display()))
    };
    let mut paths = entries(root)?;
    for folder in paths.clone().iter().filter(|path| path.is_dir()) {
        paths.extend(entries(folder)?);
    }
    for folder in ["docs/decisions", "docs/zh-CN"] {
        paths.extend(entries(&root.join(folder))?);
    }
    paths.retain(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "md"));
    Ok(paths)
}

/// The files that a page links to, without what is behind `#`.
fn files(page: &str) -> impl Iterator<Item = &str> {
    let targets = page
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_found_without_their_sections_and_without_the_web() {
        let page = "[a](docs/a.md#part), [b](https://example.com/b), [c](#here) and [d](d.md)";
        assert_eq!(files(page).collect::<Vec<_>>(), ["docs/a.md", "d.md"]);
    }
}
