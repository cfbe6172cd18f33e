//! Headers and documents of archives, for the workspace's fuzz targets alone.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use transload_reference::Digest;

use crate::bundle::{BundleError, Holdings, list_in};
use crate::difference::{DifferenceError, make_anyway, with_head};
use crate::entries::Entries;
use crate::{ArchivedImage, Error, docker, oci};

/// An entry's name, and where the file is that it leads to.
pub type Found = (String, Option<Range<u64>>);

/// Reads the headers of a tar, and returns the names in it, sorted, with what each leads to.
///
/// # Errors
/// Where they are refused.
pub fn entries(tar: &[u8]) -> Result<Vec<Found>, Error> {
    let path = Path::new("fuzzed.tar");
    let mut entries = Entries::default();
    let scanned = entries.scan(tar, tar.len() as u64);
    scanned.map_err(|flaw| flaw.at(path))?;
    let mut found = Vec::new();
    for name in entries.names() {
        let extent = entries.find(name).ok().flatten();
        let bytes = extent.map(|extent| extent.offset..extent.offset + extent.size);
        found.push((name.to_owned(), bytes));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Reads an `index.json`.
///
/// # Errors
/// Where it is none.
pub fn index(text: &[u8]) -> Result<Vec<ArchivedImage>, Error> {
    oci::images(text).map_err(|reason| Error::entry(Path::new("fuzzed.tar"), oci::INDEX, reason))
}

/// Reads a `manifest.json`, and returns it as it would be written.
///
/// # Errors
/// Where it is none.
pub fn docker(text: &[u8]) -> Result<Vec<u8>, Error> {
    let refused = |reason| Error::entry(Path::new("fuzzed.tar"), docker::MANIFEST, reason);
    let images: Vec<docker::Listed> = docker::from_json(text).map_err(refused)?;
    serde_json::to_vec(&images).map_err(|error| refused(error.to_string()))
}

/// What a bundle's list says that the other side has once the bundle is imported, and the layers that are rebuilt there, each with the one
/// that it is rebuilt from.
pub type Listed = (Holdings, Vec<(Digest, Digest)>);

/// Reads a `BUNDLE.json`.
///
/// # Errors
/// Where it is none.
pub fn bundle(text: &[u8]) -> Result<Listed, BundleError> {
    list_in(text, Path::new("BUNDLE.json"))
}

/// Makes the difference between two layers, whether or not it is worth it.
///
/// # Errors
/// Where there is none.
pub fn difference(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DifferenceError> {
    make_anyway(old, new)
}

/// Makes a difference of streams that aren't packed yet.
pub fn forged_difference(streams: [&[u8]; 6]) -> Vec<u8> {
    let packed = streams.map(|stream| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder
            .write_all(stream)
            .and_then(|()| encoder.finish())
            .unwrap_or_default()
    });
    with_head(packed.into())
}
