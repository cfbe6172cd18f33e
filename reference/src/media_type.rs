//! Media types of manifests, configs and layers.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::printable;

/// The longest media type that is one, in bytes: two names of 127 and a slash.
const LONGEST: usize = 255;

/// A media type without parameters, such as `application/vnd.oci.image.manifest.v1+json` ([image specification, "Media Types"]).
///
/// [image specification, "Media Types"]: https://github.com/opencontainers/image-spec/blob/main/media-types.md
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Cow<'static, str>);

/// What a media type says of a manifest's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaKind {
    /// An OCI index or a Docker manifest list.
    Index,
    /// An OCI image manifest or a Docker schema 2 manifest.
    Image,
    /// An OCI artifact manifest (a draft that some tools wrote).
    Artifact,
    /// Docker's schema 1, signed or not.
    Schema1,
    /// Anything else.
    Other,
}

macro_rules! known {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl MediaType {
            $($(#[$doc])* pub const $name: MediaType = MediaType(Cow::Borrowed($text));)*
        }
        /// The known ones, so that each of thousands of descriptors needn't hold a copy.
        const KNOWN: &[&str] = &[$($text),*];
    };
}

known! {
    /// OCI index.
    OCI_INDEX = "application/vnd.oci.image.index.v1+json";
    /// OCI image manifest.
    OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image configuration.
    OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
    /// OCI layer, a tar archive with gzip.
    OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// OCI layer, a tar archive with zstd.
    OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// OCI layer, a plain tar archive.
    OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
    /// The OCI empty descriptor's `{}`.
    OCI_EMPTY = "application/vnd.oci.empty.v1+json";
    /// OCI artifact manifest (withdrawn draft).
    OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json";
    /// Docker manifest list.
    DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker schema 2 manifest.
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker image configuration.
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
    /// Docker layer.
    DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// Docker foreign layer.
    DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    /// Docker schema 1.
    DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json";
    /// Docker schema 1, signed.
    DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws";
}

impl MediaType {
    /// Reads a media type as a header or a document gives it: parameters and surrounding spaces are dropped.
    pub fn new(text: &str) -> MediaType {
        let bare = text.split(';').next().unwrap_or_default().trim();
        match KNOWN.iter().find(|known| known.eq_ignore_ascii_case(bare)) {
            Some(known) => MediaType(Cow::Borrowed(known)),
            None => MediaType(Cow::Owned(bare.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a header can carry it: at most 255 visible ASCII characters, and at least one ([RFC 6838, section 4.2]).
    ///
    /// [RFC 6838, section 4.2]: https://www.rfc-editor.org/rfc/rfc6838#section-4.2
    pub fn is_sendable(&self) -> bool {
        (1..=LONGEST).contains(&self.0.len()) && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// What it says of a manifest's shape.
    pub fn kind(&self) -> MediaKind {
        if *self == Self::OCI_INDEX || *self == Self::DOCKER_LIST {
            MediaKind::Index
        } else if *self == Self::OCI_MANIFEST || *self == Self::DOCKER_MANIFEST {
            MediaKind::Image
        } else if *self == Self::OCI_ARTIFACT {
            MediaKind::Artifact
        } else if *self == Self::DOCKER_SCHEMA1 || *self == Self::DOCKER_SCHEMA1_SIGNED {
            MediaKind::Schema1
        } else {
            MediaKind::Other
        }
    }

    /// Whether it is the configuration of a runnable image, which names a platform.
    pub fn is_image_config(&self) -> bool {
        *self == Self::OCI_CONFIG || *self == Self::DOCKER_CONFIG
    }

    /// Whether it is a layer that its publisher doesn't let registries hand on ("foreign", "nondistributable").
    pub fn is_foreign_layer(&self) -> bool {
        self.0.starts_with("application/vnd.docker.image.rootfs.foreign.")
            || self
                .0
                .starts_with("application/vnd.oci.image.layer.nondistributable.")
    }
}

impl fmt::Display for MediaType {
    /// The text; what a terminal would obey in it is escaped, and what is too long for a media type is cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_sendable() {
            f.pad(&self.0)
        } else {
            f.pad(&printable(&self.0, LONGEST))
        }
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(MediaType::new(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_matter() {
        let table = [
            (
                "application/vnd.oci.image.index.v1+json; charset=utf-8",
                MediaKind::Index,
            ),
            (
                "Application/vnd.docker.distribution.manifest.list.v2+JSON",
                MediaKind::Index,
            ),
            (
                " application/vnd.docker.distribution.manifest.v2+json",
                MediaKind::Image,
            ),
            (
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                MediaKind::Schema1,
            ),
            ("application/json", MediaKind::Other),
            ("", MediaKind::Other),
        ];
        for (text, kind) in table {
            assert_eq!(MediaType::new(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn foreign_layers_are_told_apart() {
        assert!(MediaType::DOCKER_FOREIGN_LAYER.is_foreign_layer());
        assert!(
            MediaType::new("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip").is_foreign_layer()
        );
        assert!(!MediaType::OCI_LAYER_ZSTD.is_foreign_layer());
    }
}
