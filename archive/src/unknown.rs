//! Telling what a tar is that holds no images.

use std::path::Path;

use transload_reference::printable;

use crate::entries::Entries;
use crate::error::LONGEST_NAME;
use crate::{Compression, Error, docker, oci};

/// What a container's files begin with, as `docker export` and `podman export` write them.
const FILE_SYSTEM: [&str; 6] = [".dockerenv", "bin", "bin/", "dev/", "etc/", "usr/"];

/// The error of a tar without images.
pub(crate) fn error(path: &Path, entries: &Entries, compression: Compression) -> Error {
    Error::NotAnArchive {
        path: path.to_owned(),
        found: describe(entries, compression),
    }
}

/// Whether it looks like a container's files.
pub(crate) fn is_file_system(entries: &Entries) -> bool {
    let has_list = entries
        .names()
        .any(|name| name == oci::INDEX || name == docker::MANIFEST);
    !has_list
        && entries
            .first()
            .iter()
            .any(|name| FILE_SYSTEM.contains(&name.trim_start_matches("./")))
}

fn describe(entries: &Entries, compression: Compression) -> String {
    let tar = match compression {
        Compression::None => "a tar",
        Compression::Gzip => "a tar with gzip",
        Compression::Zstd => "a tar with zstd",
    };
    if entries.first().is_empty() {
        return format!("{tar} without entries");
    }
    if is_file_system(entries) {
        return format!(
            "{tar} of a container's files, as docker export writes it: docker save writes images"
        );
    }
    if let Some(folder) = folder_of_an_archive(entries) {
        return format!(
            "{tar} of a folder {folder}, in which an archive's files are: pack what is in the folder, without it"
        );
    }
    let first: Vec<String> = entries.first().iter().map(|name| quoted(name)).collect();
    format!(
        "{tar} without index.json and manifest.json, whose first entries are {}",
        first.join(", ")
    )
}

/// The folder in which the lists of an archive are.
fn folder_of_an_archive(entries: &Entries) -> Option<String> {
    let folder = |name: &str| {
        let (folder, last) = name.rsplit_once('/')?;
        [oci::LAYOUT, docker::MANIFEST]
            .contains(&last)
            .then(|| quoted(folder))
    };
    entries.names().filter_map(folder).min()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", printable(name, LONGEST_NAME))
}
