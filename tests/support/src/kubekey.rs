//! Image directories as the generations of KubeKey v4 write them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::image::Image;

/// Who wrote a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// v4.0.0 to v4.0.3: the tagged manifest is the file `manifests/<tag>`; there is no `layout`.
    First,
    /// v4.0.4: as the first, with a `layout` beside it.
    Second,
    /// v4.0.5 and later: `layout` leads from the tag to the file `manifests/<digest>`; no file has the tag's name.
    Third,
}

impl Generation {
    /// Each of them, oldest first.
    pub const ALL: [Generation; 3] = [Generation::First, Generation::Second, Generation::Third];
}

/// Writes an image into a directory that may have others already.
///
/// `repository` is as KubeKey has it in its folders: `library/alpine`, not `alpine`. Docker Hub, however it is spelt, gets
/// KubeKey's name for it.
///
/// # Panics
/// Where the directory isn't writable.
pub fn write(dir: &Path, registry: &str, repository: &str, tag: &str, image: &Image, generation: Generation) {
    let blobs = dir.join("blobs");
    make(&blobs);
    for (descriptor, bytes) in &image.blobs {
        put(&blobs.join(descriptor.digest.as_str()), bytes);
    }
    let manifests = manifests(dir, registry, repository);
    make(&manifests);
    for document in &image.manifests {
        let is_root = document.digest == image.root.digest;
        let name = match generation {
            Generation::First | Generation::Second if is_root => tag,
            _ => document.digest.as_str(),
        };
        put(&manifests.join(name), &document.bytes);
    }
    if generation != Generation::First {
        let path = manifests.join("layout");
        let mut layout: BTreeMap<String, String> = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("a layout that this wrote before"),
            Err(_) => BTreeMap::new(),
        };
        layout.insert(tag.to_owned(), image.digest().to_string());
        let text = serde_json::to_vec_pretty(&layout).expect("strings are writable as JSON");
        put(&path, &text);
    }
}

/// The folder of a repository's manifests in a directory that KubeKey wrote.
pub fn manifests(dir: &Path, registry: &str, repository: &str) -> PathBuf {
    let registry = match registry {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        other => other,
    };
    dir.join(registry).join(repository).join("manifests")
}

fn make(dir: &Path) {
    fs::create_dir_all(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
}

fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Family, samples};

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn each_generation_has_its_files() {
        let image = samples::single(Family::Oci, "linux/amd64", 1);
        let digest = image.digest().as_str();
        let table: [(Generation, &[&str]); 3] = [
            (Generation::First, &["v1"]),
            (Generation::Second, &["layout", "v1"]),
            (Generation::Third, &["layout", digest]),
        ];
        for (generation, expected) in table {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), "docker.io", "library/x", "v1", &image, generation);
            let folder = dir.path().join("registry-1.docker.io/library/x/manifests");
            assert_eq!(names(&folder), expected, "{generation:?}");
            assert_eq!(names(&dir.path().join("blobs")).len(), image.blobs.len());
        }
    }

    #[test]
    fn tags_are_added_to_the_layout() {
        let dir = tempfile::tempdir().unwrap();
        let image = samples::multi_platform(Family::Docker, 1);
        for tag in ["v2", "v1"] {
            write(dir.path(), "host:5000", "team/x", tag, &image, Generation::Third);
        }
        let layout = fs::read_to_string(manifests(dir.path(), "host:5000", "team/x").join("layout")).unwrap();
        let digest = image.digest();
        assert_eq!(
            layout,
            format!("{{\n  \"v1\": \"{digest}\",\n  \"v2\": \"{digest}\"\n}}")
        );
    }
}
