//! Telling what a folder is, or a file that is given in its place.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use crate::folders::{BLOBS, Kind, OWN, kind, read};
use crate::kubekey::MANIFESTS;
use crate::oci::{INDEX, MARK};
use crate::{Error, Format};

/// How deep a folder that may be a store is looked through for one of manifests.
const DEPTH: usize = 8;
/// How many folders are looked at.
const FOLDERS: usize = 10_000;

/// How a compressed file begins.
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh"];
/// A tar header's length, and where its format's name is.
const HEADER: u64 = 512;
const MAGIC: std::ops::Range<usize> = 257..262;

const IMAGES: &str = "it is an archive of images, as `docker save` and `skopeo copy` write them; copy its images into a directory first";
const TAR: &str = "it is a tar archive; unpack it, and give the directory";
const PACKED: &str =
    "it is a compressed file; if it is a packed directory of images, unpack it, and give the directory";

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
        return Ok(Found::Other(file_described(path)));
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

/// Says what the file at this path is, by its beginning, and what to do about it.
fn file_described(path: &Path) -> &'static str {
    // A pipe or a device isn't read: that might never end.
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut start = Vec::new();
    let has_read =
        is_file && File::open(path).is_ok_and(|file| file.take(HEADER).read_to_end(&mut start).is_ok());
    if !has_read {
        return "it is a file";
    }
    if COMPRESSED.iter().any(|magic| start.starts_with(magic)) {
        return PACKED;
    }
    if start.get(MAGIC) != Some(b"ustar") {
        return "it is a file";
    }
    let name = start.split(|byte| *byte == 0).next().unwrap_or_default();
    let first = name.split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_digest = first.len() >= 64 && first[..64].iter().all(u8::is_ascii_hexdigit);
    let is_of_images = is_digest
        || [
            &b"blobs"[..],
            b"oci-layout",
            b"index.json",
            b"manifest.json",
            b"repositories",
        ]
        .contains(&first);
    if is_of_images { IMAGES } else { TAR }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a tar's first entry.
    fn header(name: &str) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[MAGIC].copy_from_slice(b"ustar");
        header
    }

    #[test]
    fn a_file_is_told_by_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let digest = "0123456789abcdef".repeat(4);
        for (bytes, expected) in [
            (header("blobs/"), IMAGES),
            (header("oci-layout"), IMAGES),
            (header("manifest.json"), IMAGES),
            (header(&format!("{digest}/layer.tar")), IMAGES),
            (header(&format!("{digest}.json")), IMAGES),
            (header("images/blobs/"), TAR),
            (header("./"), TAR),
            (b"\x1f\x8b\x08".to_vec(), PACKED),
            (b"hello".to_vec(), "it is a file"),
            (Vec::new(), "it is a file"),
            (vec![0; 512], "it is a file"),
        ] {
            fs::write(&path, &bytes).unwrap();
            assert_eq!(file_described(&path), expected, "{bytes:?}");
        }
        assert_eq!(file_described(Path::new("/dev/zero")), "it is a file");
        assert_eq!(file_described(&folder.path().join("none")), "it is a file");
    }
}
