//! OCI image layouts ([image specification, "Image Layout"]).
//!
//! [image specification, "Image Layout"]: https://github.com/opencontainers/image-spec/blob/main/image-layout.md

use serde::Deserialize;
use transload_reference::{Descriptor, Digest, Reference, Tag};

use crate::archive::{Contents, distinct};
use crate::docker::{from_json, or_default};
use crate::{Archive, ArchivedImage, Error, OpenOptions, combined};

pub(crate) const LAYOUT: &str = "oci-layout";
pub(crate) const INDEX: &str = "index.json";

/// The annotation of an image's full name, as containerd and Docker write it.
pub(crate) const FULL_NAME: &str = "io.containerd.image.name";
/// The annotation of an image's tag, or of its full name, as podman and skopeo write it.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The name of a blob's entry.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// Reads what the archive's index names.
pub(crate) fn read(archive: &Archive, options: &OpenOptions) -> Result<Contents, Error> {
    if let Some(text) = archive.document(LAYOUT)? {
        check_version(&text).map_err(|reason| Error::entry(&archive.path, LAYOUT, reason))?;
    }
    let text = archive.document(INDEX)?.unwrap_or_default();
    let images = images(&text).map_err(|reason| Error::entry(&archive.path, INDEX, reason))?;
    combined::read(archive, distinct(images), options)
}

fn check_version(text: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        image_layout_version: String,
    }
    let read: Version = serde_json::from_slice(text).map_err(|error| format!("can't be read: {error}"))?;
    if read.image_layout_version.starts_with("1.") {
        return Ok(());
    }
    Err(format!(
        "says that it is an image layout of version {:?}; 1 is known",
        read.image_layout_version
    ))
}

/// The images that an `index.json` names.
pub(crate) fn images(text: &[u8]) -> Result<Vec<ArchivedImage>, String> {
    #[derive(Deserialize)]
    struct IndexJson {
        #[serde(deserialize_with = "or_default")]
        manifests: Vec<Descriptor>,
    }
    let index: IndexJson = from_json(text)?;
    Ok(index.manifests.iter().map(image).collect())
}

fn image(entry: &Descriptor) -> ArchivedImage {
    let annotation = |key| {
        entry
            .annotations
            .get(key)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    };
    let full = annotation(FULL_NAME).and_then(full_name);
    let tag: Option<Tag> = annotation(REF_NAME).and_then(|tag| tag.parse().ok());
    // Programs that know no full names, such as umoci, keep it where they give an image a further tag.
    let retagged = full.zip(tag).map(|(full, tag)| {
        let name = Reference::new(full.repository().clone(), Some(tag), None);
        name.to_string()
    });
    let name = retagged
        .as_deref()
        .or(annotation(FULL_NAME))
        .or(annotation(REF_NAME));
    ArchivedImage::named(name, entry.clone(), None)
}

/// Reads a full name. A text without a slash, colon or `@` is a tag to everyone who writes layouts.
pub(crate) fn full_name(name: &str) -> Option<Reference> {
    name.contains(['/', ':', '@']).then(|| name.parse().ok())?
}
