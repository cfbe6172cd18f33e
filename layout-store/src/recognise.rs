//! Telling what a folder is.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::folders::{BLOBS, Kind, OWN, kind, read};
use crate::kubekey::MANIFESTS;
use crate::oci::{INDEX, MARK};
use crate::{Error, Format, archive};

/// How deep a folder that may be a store is looked through for one of manifests.
const DEPTH: usize = 8;
/// How many folders are looked at.
const FOLDERS: usize = 10_000;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A folder with nothing in it, or nothing but this program's own.
    Empty,
    /// A store.
    Store(Format),
    /// Something else, in words.
    Other(&'static str),
}

/// Tells what is at a path, by its signs.
pub(crate) fn recognise(path: &Path) -> Result<Found, Error> {
    let metadata = fs::metadata(path).map_err(Error::io("opening", path))?;
    if !metadata.is_dir() {
        return Ok(Found::Other(archive::described(path)));
    }
    let has_file = |name: &str| Ok::<_, Error>(matches!(kind(&path.join(name))?, Kind::File(_)));
    let has_folder = |name: &str| Ok::<_, Error>(kind(&path.join(name))? == Kind::Folder);
    if has_file(MARK)? {
        return Ok(match is_version_1(&path.join(MARK))? {
            true => Found::Store(Format::Oci),
            false => Found::Other(
                "it looks like an OCI image layout, but its file oci-layout doesn't name version 1",
            ),
        });
    }
    if has_file(INDEX)? && has_folder("blobs/sha256")? {
        return Ok(Found::Other(
            "it looks like an OCI image layout, but has no file oci-layout",
        ));
    }
    // A repository may be called as folders and files of other formats are.
    if has_folder(BLOBS)? {
        return Ok(Found::Store(Format::KubeKey));
    }
    if has_folder("docker/registry/v2")? {
        return Ok(Found::Other(
            "it is a registry's own storage; start the registry on it and pull from that",
        ));
    }
    if has_file("version")? && has_file("manifest.json")? {
        return Ok(Found::Other("it is one image in skopeo's dir: format"));
    }
    let mut budget = FOLDERS;
    let mut is_empty = true;
    for entry in fs::read_dir(path).map_err(Error::io("reading", path))? {
        let entry = entry.map_err(Error::io("reading", path))?;
        // Ours, or another process's look at the filesystem, which is over in a moment.
        if entry.file_name().as_encoded_bytes().starts_with(OWN.as_bytes()) {
            continue;
        }
        is_empty = false;
        if has_manifests(&entry.path(), DEPTH, &mut budget)? {
            return Ok(Found::Store(Format::KubeKey));
        }
    }
    // What was found may be what another process began to make of an empty folder in the meantime.
    if has_file(MARK)? {
        return Ok(Found::Store(Format::Oci));
    }
    if has_folder(BLOBS)? || has_folder(OWN)? && !is_empty {
        return Ok(Found::Store(Format::KubeKey));
    }
    if is_empty {
        return Ok(Found::Empty);
    }
    Ok(Found::Other(
        "it has neither a folder of blobs nor one of manifests, and isn't empty",
    ))
}

/// Whether the file that marks an OCI layout says a version that is read.
fn is_version_1(mark: &Path) -> Result<bool, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Mark {
        image_layout_version: String,
    }
    let bytes = read(mark)?.unwrap_or_default();
    let mark: Option<Mark> = serde_json::from_slice(&bytes).ok();
    Ok(mark.is_some_and(|mark| mark.image_layout_version.starts_with("1.")))
}

/// Whether a folder has a store's sign: a folder of blobs, a file of OCI's layout, or what this crate makes.
pub(crate) fn has_sign(path: &Path) -> Result<bool, Error> {
    Ok(kind(&path.join(BLOBS))? == Kind::Folder
        || kind(&path.join(OWN))? == Kind::Folder
        || matches!(kind(&path.join(MARK))?, Kind::File(_)))
}

fn has_manifests(path: &Path, depth: usize, budget: &mut usize) -> Result<bool, Error> {
    if depth == 0 || *budget == 0 || kind(path)? != Kind::Folder {
        return Ok(false);
    }
    *budget -= 1;
    if kind(&path.join(MANIFESTS))? == Kind::Folder {
        return Ok(true);
    }
    // A folder that can't be read has nothing to say.
    let Ok(entries) = fs::read_dir(path) else {
        return Ok(false);
    };
    for entry in entries.flatten() {
        if has_manifests(&entry.path(), depth - 1, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}
