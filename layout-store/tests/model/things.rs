//! What the store is given: a few blobs, images of them in a few repositories, and tags.

use std::sync::LazyLock;

use transload_reference::{Descriptor, Digest, MediaType, RawManifest, Repository, Tag};

/// A blob's number.
pub type Blob = usize;
/// An image's or index's number.
pub type Image = usize;

pub const BLOBS: usize = 6;
pub const IMAGES: usize = 5;
pub const REPOSITORIES: usize = 3;
pub const TAGS: usize = 3;

/// The sizes of the blobs in bytes; the last is hashed in several rounds when it is gone on with.
const SIZES: [usize; BLOBS] = [2, 0, 7, 300, 5_000, 20_000];

/// Each blob's bytes.
pub static CONTENT: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let content = |(blob, size): (Blob, &usize)| (0..*size).map(|at| (at * 31 + blob * 7) as u8).collect();
    SIZES.iter().enumerate().map(content).collect()
});

/// Each blob's descriptor.
pub static DESCRIPTORS: LazyLock<Vec<Descriptor>> = LazyLock::new(|| {
    let media_type = || MediaType::new("application/octet-stream");
    let descriptor = |bytes: &Vec<u8>| Descriptor::new(media_type(), Digest::of(bytes), bytes.len() as u64);
    CONTENT.iter().map(descriptor).collect()
});

/// What an image is made of.
pub struct Made {
    pub manifest: RawManifest,
    pub blobs: Vec<Blob>,
    pub children: Vec<Image>,
}

/// Images that share blobs, an index of two of them, and an index of that one and another.
pub static MADE: LazyLock<Vec<Made>> = LazyLock::new(|| {
    let mut made: Vec<Made> = Vec::new();
    let parts: [(&[Blob], &[Image]); IMAGES] = [
        (&[0, 2, 3], &[]),
        (&[1, 3, 4], &[]),
        (&[0, 5, 5, 2], &[]),
        (&[], &[0, 1]),
        (&[], &[3, 2]),
    ];
    for (blobs, children) in parts {
        let text = match blobs {
            [] => {
                let children: Vec<Descriptor> = children
                    .iter()
                    .map(|child| made[*child].manifest.descriptor())
                    .collect();
                format!(r#"{{"schemaVersion":2,"manifests":{}}}"#, json(&children))
            }
            [config, layers @ ..] => {
                let layers: Vec<&Descriptor> = layers.iter().map(|layer| &DESCRIPTORS[*layer]).collect();
                let config = json(&DESCRIPTORS[*config]);
                format!(
                    r#"{{"schemaVersion":2,"config":{config},"layers":{}}}"#,
                    json(&layers)
                )
            }
        };
        made.push(Made {
            manifest: RawManifest::parse(text.into_bytes(), None).unwrap(),
            blobs: blobs.to_vec(),
            children: children.to_vec(),
        });
    }
    made
});

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// An image and all below it, the image last.
pub fn with_children(image: Image) -> Vec<Image> {
    let mut all: Vec<Image> = Vec::new();
    for child in &MADE[image].children {
        all.extend(with_children(*child));
    }
    all.push(image);
    all
}

/// The repositories: one is below another's folder, one is Docker Hub's.
pub static NAMES: LazyLock<Vec<Repository>> = LazyLock::new(|| {
    let names: [&str; REPOSITORIES] = ["hub.local/a", "hub.local/a/b", "alpine"];
    names.iter().map(|name| name.parse().unwrap()).collect()
});

/// The tags: one is called as the format's own file.
pub static TAG_NAMES: LazyLock<Vec<Tag>> = LazyLock::new(|| {
    let tags: [&str; TAGS] = ["v1", "v2", "layout"];
    tags.iter().map(|tag| tag.parse().unwrap()).collect()
});

/// The tag that has no file of its own.
pub const LAYOUT_TAG: usize = 2;
