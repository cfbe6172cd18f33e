//! What some programs can't do with an archive.

use std::fmt;

use transload_reference::{Digest, Platform, Reference};

/// How many bytes of `manifest.json` podman and skopeo read.
pub(crate) const LONGEST_LIST: u64 = 1 << 20;

/// Something that a program can't do with an archive, though the archive is right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Docker's list has one platform of each image: Docker loads no other, unless it keeps its images in containerd.
    DockerTakesOne {
        /// The image.
        image: Reference,
        /// What Docker loads.
        platform: Platform,
        /// What it doesn't.
        left_out: Vec<Platform>,
    },
    /// An image that isn't in Docker's list: a chart, a signature or another artifact, one for no Linux, or one with foreign layers.
    NotForDocker {
        /// The image.
        image: Reference,
    },
    /// An image that has a digest in place of a tag: Docker and podman, where an archive has several images, load it without a name.
    NamelessInDocker {
        /// The image.
        image: Reference,
    },
    /// Layers with zstd, which Docker reads from version 23 on.
    ZstdLayers {
        /// The image.
        image: Reference,
    },
    /// An index that names manifests which aren't in the archive: older containerd refuses it.
    Sparse {
        /// The image.
        image: Reference,
        /// What isn't there.
        missing: Vec<Digest>,
    },
    /// Docker's list is longer than the 1 MiB that podman and skopeo read of it.
    LongList {
        /// Its size in bytes.
        size: u64,
    },
}

impl Warning {
    /// The image that it is about; none where it is about the archive.
    pub fn image(&self) -> Option<&Reference> {
        match self {
            Warning::DockerTakesOne { image, .. }
            | Warning::NotForDocker { image }
            | Warning::NamelessInDocker { image }
            | Warning::ZstdLayers { image }
            | Warning::Sparse { image, .. } => Some(image),
            Warning::LongList { .. } => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::DockerTakesOne {
                image,
                platform,
                left_out,
            } => {
                write!(f, "{image}: docker load takes {platform} alone")?;
                let others: Vec<String> = left_out.iter().map(ToString::to_string).collect();
                if others.is_empty() {
                    Ok(())
                } else {
                    write!(f, ", not {}", others.join(", "))
                }
            }
            Warning::NotForDocker { image } => {
                write!(
                    f,
                    "{image}: docker load skips it, since Docker on Linux can't run it"
                )
            }
            Warning::NamelessInDocker { image } => {
                write!(f, "{image}: docker load gives it no name, since it has no tag")
            }
            Warning::ZstdLayers { image } => {
                write!(
                    f,
                    "{image}: its layers are packed with zstd, which Docker loads from version 23 on"
                )
            }
            Warning::Sparse { image, missing } => {
                write!(
                    f,
                    "{image}: the archive lacks {} of the manifests that its index names; older containerd refuses such an index",
                    missing.len()
                )
            }
            Warning::LongList { size } => {
                write!(
                    f,
                    "the archive's manifest.json has {size} bytes, and podman and skopeo read at most {LONGEST_LIST}: write the images into several archives"
                )
            }
        }
    }
}
