//! The files of a release, as they stand below the folder where it is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Pages at the top of the repository that go along.
const TOP: [&str; 5] = [
    "README.md",
    "README.zh-CN.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

/// Folders of the repository that go along as they are.
const FOLDERS: [&str; 2] = ["docs", "examples"];

/// Where what is to be read goes.
const DOCUMENTS: &str = "share/doc/transload";

/// One thing with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// Its permissions.
        mode: u32,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// A symbolic link to this.
    Link(String),
}

/// Files and links by their paths, which have slashes between and none in front.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, Entry>);

impl Tree {
    /// Adds a file.
    pub fn file(&mut self, path: &str, mode: u32, bytes: Vec<u8>) {
        self.0.insert(path.to_owned(), Entry::File { mode, bytes });
    }

    /// Adds a file that is read.
    pub fn text(&mut self, path: &str, text: String) {
        self.file(path, 0o644, text.into_bytes());
    }

    /// Adds the man pages and completions that `pages` wrote.
    ///
    /// # Errors
    /// Where they can't be read.
    pub fn pages(&mut self, folder: &Path) -> Result<(), String> {
        self.folder("share/man/man1", &folder.join("man"))?;
        for (name, installed) in [
            ("transload.bash", "share/bash-completion/completions/transload"),
            ("_transload", "share/zsh/site-functions/_transload"),
            ("transload.fish", "share/fish/vendor_completions.d/transload.fish"),
        ] {
            self.copy(installed, &folder.join("completions").join(name))?;
        }
        Ok(())
    }

    /// Adds the repository's pages and examples.
    ///
    /// # Errors
    /// Where they can't be read.
    pub fn documents(&mut self, root: &Path) -> Result<(), String> {
        for name in TOP {
            self.copy(&format!("{DOCUMENTS}/{name}"), &root.join(name))?;
        }
        for name in FOLDERS {
            self.folder(&format!("{DOCUMENTS}/{name}"), &root.join(name))?;
        }
        Ok(())
    }

    fn folder(&mut self, path: &str, folder: &Path) -> Result<(), String> {
        let failed = |error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| format!("{}: a name that is no text", folder.display()))?;
            let kind = entry.file_type().map_err(failed)?;
            let path = format!("{path}/{name}");
            if kind.is_dir() {
                // What a run of an example left isn't the example.
                if name != ".transload" {
                    self.folder(&path, &entry.path())?;
                }
            } else if kind.is_symlink() {
                let to = fs::read_link(entry.path()).map_err(failed)?;
                self.0
                    .insert(path, Entry::Link(to.to_string_lossy().into_owned()));
            } else {
                self.copy(&path, &entry.path())?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, path: &str, from: &Path) -> Result<(), String> {
        let bytes = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
        self.file(path, 0o644, bytes);
        Ok(())
    }

    /// Everything, by path.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Every file, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries().filter_map(|(path, entry)| match entry {
            Entry::File { bytes, .. } => Some((path, bytes.as_slice())),
            Entry::Link(_) => None,
        })
    }

    /// Every folder that something is in, parents first.
    pub fn folders(&self) -> BTreeSet<&str> {
        let ends = |path: &'_ str| path.match_indices('/').map(|(end, _)| end).collect::<Vec<_>>();
        self.0
            .keys()
            .flat_map(|path| ends(path).into_iter().map(|end| &path[..end]))
            .collect()
    }

    /// The same things at other places; those that have none are left out.
    pub fn moved(&self, place: impl Fn(&str) -> Option<String>) -> Tree {
        Tree(
            self.0
                .iter()
                .filter_map(|(path, entry)| Some((place(path)?, entry.clone())))
                .collect(),
        )
    }
}

/// Lines as `sha256sum -c` reads them.
pub fn sums<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    files
        .map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes)))
        .collect()
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_whatever_their_order_was() {
        let mut tree = Tree::default();
        for path in ["b/c/d", "a", "b/a"] {
            tree.text(path, path.to_owned());
        }
        let paths: Vec<&str> = tree.files().map(|(path, _)| path).collect();
        assert_eq!(paths, ["a", "b/a", "b/c/d"]);
        assert_eq!(tree.folders().into_iter().collect::<Vec<_>>(), ["b", "b/c"]);
    }

    #[test]
    fn things_can_move_and_be_left_out() {
        let mut tree = Tree::default();
        tree.text("bin/x", String::new());
        tree.text("share/y", String::new());
        let moved = tree.moved(|path| path.strip_prefix("bin/").map(str::to_owned));
        assert_eq!(moved.entries().map(|(path, _)| path).collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn sums_are_lines_of_sha256sum() {
        let line = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  a/b\n";
        assert_eq!(sums([("a/b", b"hello".as_slice())].into_iter()), line);
    }

    #[test]
    fn folders_are_read_with_their_links_and_without_what_a_run_left() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("store/.transload")).unwrap();
        fs::write(dir.path().join("store/.transload/lock"), "").unwrap();
        fs::write(dir.path().join("store/file"), "x").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("store/link")).unwrap();
        let mut tree = Tree::default();
        tree.folder("e", dir.path()).unwrap();
        let file = Entry::File {
            mode: 0o644,
            bytes: b"x".to_vec(),
        };
        let expected = [
            ("e/store/file", &file),
            ("e/store/link", &Entry::Link("file".to_owned())),
        ];
        assert_eq!(tree.entries().collect::<Vec<_>>(), expected);
    }
}
