//! Raw manifests and read-only views of them.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::descriptor::or_default;
use crate::{Descriptor, Digest, MediaKind, MediaType, Verifier, VerifyError, printable};

/// The largest manifest that is read, in bytes. Registries refuse to take more than 4 MiB; this leaves room for odd ones.
pub const MAX_MANIFEST_SIZE: u64 = 8 * 1024 * 1024;

/// The most fields and list entries that a manifest may have. Real ones have some hundreds; what is read of a document takes many
/// times its size in memory where it has nothing but entries.
pub const MAX_MANIFEST_ENTRIES: usize = 100_000;

/// The largest list of a directory's or an archive's images (`index.json`, `manifest.json`) that is read, in bytes.
pub const MAX_IMAGE_LIST_SIZE: u64 = 32 * 1024 * 1024;

/// The most fields and list entries that such a list may have: enough for 50,000 images.
pub const MAX_IMAGE_LIST_ENTRIES: usize = 400_000;

/// How many characters of a parser's message are shown.
const LONGEST_CAUSE: usize = 300;

/// Why a document can't be used as a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Larger than [`MAX_MANIFEST_SIZE`].
    #[error("the manifest has {size} bytes; at most {MAX_MANIFEST_SIZE} are read")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// More than [`MAX_MANIFEST_ENTRIES`] fields and list entries.
    #[error(
        "the manifest has about {entries} fields and list entries; at most {MAX_MANIFEST_ENTRIES} are read"
    )]
    TooMany {
        /// How many, by its commas.
        entries: usize,
    },
    /// Not JSON, or JSON of another shape. The parser's words are in the message, cut where they quote megabytes.
    #[error("the manifest can't be read: {}", printable(&.0.to_string(), LONGEST_CAUSE))]
    Json(serde_json::Error),
    /// Its media type is no media type: no header can carry it.
    #[error("the manifest's media type, \"{media_type}\", is invalid")]
    MediaType {
        /// What it says.
        media_type: MediaType,
    },
    /// Docker's old schema 1, whose layers have no sizes and whose digest leaves out its signatures.
    #[error(
        "Docker schema 1 manifest ({media_type}): this format was withdrawn and can't be moved unchanged; rebuild or re-push the image with a current tool"
    )]
    Schema1 {
        /// The media type that said so, or that such documents have.
        media_type: MediaType,
    },
    /// A document that could be read as two things, which is how one image is smuggled in as another.
    #[error("the manifest has both \"{first}\" and \"{second}\": its kind is ambiguous")]
    Ambiguous {
        /// One field.
        first: &'static str,
        /// The field that excludes it.
        second: &'static str,
    },
    /// A field that manifests of its media type have is missing.
    #[error("the manifest says that it is {media_type} and has no \"{field}\"")]
    Missing {
        /// The media type.
        media_type: MediaType,
        /// The missing field.
        field: &'static str,
    },
    /// Not the content that was asked for.
    #[error("the manifest isn't the requested one: {0}")]
    Verify(#[from] VerifyError),
}

impl ManifestError {
    /// Whether another try may bring other bytes.
    pub fn is_retryable(&self) -> bool {
        matches!(self, ManifestError::Verify(_))
    }
}

/// A manifest or index as the bytes that came in, with what they say. Clones share the bytes.
#[derive(Clone)]
pub struct RawManifest {
    bytes: Arc<[u8]>,
    media_type: MediaType,
    digest: Digest,
    view: Arc<Manifest>,
}

impl RawManifest {
    /// Reads a manifest. Its digest is computed with sha256.
    ///
    /// The `mediaType` in the document rules; where it has none, `content_type` (a header's value, parameters allowed) does if
    /// it fits what the document has, else the document's fields tell.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(
        bytes: impl Into<Arc<[u8]>>,
        content_type: Option<&str>,
    ) -> Result<RawManifest, ManifestError> {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        RawManifest::read(bytes, content_type, digest)
    }

    /// Reads a manifest that must have this digest.
    ///
    /// # Errors
    /// [`ManifestError::Verify`] where it has another, else as [`RawManifest::parse`].
    pub fn verified(
        bytes: impl Into<Arc<[u8]>>,
        content_type: Option<&str>,
        digest: &Digest,
    ) -> Result<RawManifest, ManifestError> {
        let bytes = bytes.into();
        let mut verifier = Verifier::new(digest, bytes.len() as u64);
        verifier.update(&bytes)?;
        verifier.finish()?;
        RawManifest::read(bytes, content_type, digest.clone())
    }

    fn read(
        bytes: Arc<[u8]>,
        content_type: Option<&str>,
        digest: Digest,
    ) -> Result<RawManifest, ManifestError> {
        let size = bytes.len() as u64;
        if size > MAX_MANIFEST_SIZE {
            return Err(ManifestError::TooLarge { size });
        }
        // Commas in texts are counted too, which no real manifest has many of.
        let entries = bytes.iter().filter(|byte| **byte == b',').count();
        if entries > MAX_MANIFEST_ENTRIES {
            return Err(ManifestError::TooMany { entries });
        }
        let document: Document = serde_json::from_slice(&bytes).map_err(ManifestError::Json)?;
        let (media_type, view) = document.into_view(content_type)?;
        if !media_type.is_sendable() {
            return Err(ManifestError::MediaType { media_type });
        }
        Ok(RawManifest {
            bytes,
            media_type,
            digest,
            view: Arc::new(view),
        })
    }

    /// The bytes, as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, as they came, for whoever keeps them.
    pub fn shared_bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.bytes)
    }

    /// The media type: what a registry must be told as Content-Type.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The size, in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// A descriptor of this manifest: media type, digest and size.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type.clone(), self.digest.clone(), self.size())
    }

    /// What the bytes say.
    pub fn view(&self) -> &Manifest {
        &self.view
    }
}

impl fmt::Debug for RawManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RawManifest({} {}, {} bytes)",
            self.media_type,
            self.digest,
            self.bytes.len()
        )
    }
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Manifest {
    /// One image or artifact: a config and layers.
    Image(Box<ImageManifest>),
    /// A list of manifests.
    Index(Index),
    /// The withdrawn artifact manifest: blobs without a config.
    Artifact(ArtifactManifest),
    /// A document of an unknown type, which refers to nothing that we know of.
    Opaque,
}

impl Manifest {
    /// The blobs that it refers to: an image's config, then its layers, in their order.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, layers): (Option<&Descriptor>, &[Descriptor]) = match self {
            Manifest::Image(image) => (Some(&image.config), &image.layers),
            Manifest::Artifact(artifact) => (None, &artifact.blobs),
            Manifest::Index(_) | Manifest::Opaque => (None, &[]),
        };
        config.into_iter().chain(layers)
    }

    /// The manifest that it is about, such as a signature's image.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Manifest::Image(image) => image.subject.as_ref(),
            Manifest::Index(index) => index.subject.as_ref(),
            Manifest::Artifact(artifact) => artifact.subject.as_ref(),
            Manifest::Opaque => None,
        }
    }

    /// The manifests that it refers to as its parts.
    pub fn children(&self) -> &[Descriptor] {
        match self {
            Manifest::Index(index) => &index.manifests,
            _ => &[],
        }
    }
}

/// An OCI image manifest or a Docker schema 2 manifest ([image specification, "Image Manifest"]).
///
/// [image specification, "Image Manifest"]: https://github.com/opencontainers/image-spec/blob/main/manifest.md
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageManifest {
    /// The configuration, which names the platform of a runnable image.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about (a signature's image).
    pub subject: Option<Descriptor>,
    /// The type of an artifact.
    pub artifact_type: Option<String>,
}

/// An OCI index or a Docker manifest list ([image specification, "Image Index"]).
///
/// [image specification, "Image Index"]: https://github.com/opencontainers/image-spec/blob/main/image-index.md
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Index {
    /// The children.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about.
    pub subject: Option<Descriptor>,
    /// The type of an artifact.
    pub artifact_type: Option<String>,
}

/// An OCI artifact manifest, a draft that was withdrawn and is still met.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactManifest {
    /// The blobs.
    pub blobs: Vec<Descriptor>,
    /// The manifest that this one is about.
    pub subject: Option<Descriptor>,
}

/// The fields of all kinds of manifests, as read. serde refuses a field that comes twice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<MediaType>,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "present")]
    layers: Option<Vec<Descriptor>>,
    #[serde(default, deserialize_with = "present")]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default, deserialize_with = "present")]
    blobs: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// `"layers": null` is an empty list that a Go program wrote; a missing one is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Descriptor>>, D::Error> {
    let mut list: Vec<Descriptor> = or_default(deserializer)?;
    // It is kept as long as its image is copied, and grew by doubling.
    list.shrink_to_fit();
    Ok(Some(list))
}

impl Document {
    fn into_view(self, content_type: Option<&str>) -> Result<(MediaType, Manifest), ManifestError> {
        self.refuse_schema1(content_type)?;
        self.refuse_ambiguity()?;
        let media_type = self.media_type_or_guess(content_type);
        let missing = |field| ManifestError::Missing {
            media_type: media_type.clone(),
            field,
        };
        let view = match media_type.kind() {
            MediaKind::Schema1 => return Err(ManifestError::Schema1 { media_type }),
            MediaKind::Index => Manifest::Index(Index {
                manifests: self.manifests.ok_or_else(|| missing("manifests"))?,
                subject: self.subject,
                artifact_type: self.artifact_type,
            }),
            MediaKind::Image => Manifest::Image(Box::new(ImageManifest {
                config: self.config.ok_or_else(|| missing("config"))?,
                layers: self.layers.ok_or_else(|| missing("layers"))?,
                subject: self.subject,
                artifact_type: self.artifact_type,
            })),
            MediaKind::Artifact => Manifest::Artifact(ArtifactManifest {
                blobs: self.blobs.unwrap_or_default(),
                subject: self.subject,
            }),
            // A type that is new to us: what the document refers to still has to move with it.
            MediaKind::Other => match (self.manifests, self.config) {
                (Some(manifests), _) => Manifest::Index(Index {
                    manifests,
                    subject: self.subject,
                    artifact_type: self.artifact_type,
                }),
                (None, Some(config)) => Manifest::Image(Box::new(ImageManifest {
                    config,
                    layers: self.layers.unwrap_or_default(),
                    subject: self.subject,
                    artifact_type: self.artifact_type,
                })),
                (None, None) => Manifest::Opaque,
            },
        };
        Ok((media_type, view))
    }

    fn refuse_schema1(&self, content_type: Option<&str>) -> Result<(), ManifestError> {
        if self.schema_version == Some(1) || self.fs_layers.is_some() {
            let media_type = content_type
                .map(MediaType::new)
                .filter(|media_type| media_type.kind() == MediaKind::Schema1)
                .unwrap_or(MediaType::DOCKER_SCHEMA1);
            return Err(ManifestError::Schema1 { media_type });
        }
        Ok(())
    }

    fn refuse_ambiguity(&self) -> Result<(), ManifestError> {
        let ambiguous = |second| {
            Err(ManifestError::Ambiguous {
                first: "manifests",
                second,
            })
        };
        match self {
            Document {
                manifests: Some(_),
                layers: Some(_),
                ..
            } => ambiguous("layers"),
            Document {
                manifests: Some(_),
                config: Some(_),
                ..
            } => ambiguous("config"),
            _ => Ok(()),
        }
    }

    fn media_type_or_guess(&self, content_type: Option<&str>) -> MediaType {
        if let Some(media_type) = self
            .media_type
            .as_ref()
            .filter(|media_type| !media_type.as_str().is_empty())
        {
            return media_type.clone();
        }
        let has = (
            self.manifests.is_some(),
            self.config.is_some() && self.layers.is_some(),
            self.blobs.is_some(),
        );
        let told = content_type.map(MediaType::new).filter(|told| match told.kind() {
            MediaKind::Index => has.0,
            MediaKind::Image => has.1,
            MediaKind::Artifact => has.2,
            MediaKind::Schema1 => true,
            MediaKind::Other => false,
        });
        told.unwrap_or_else(|| match has {
            (true, ..) => MediaType::OCI_INDEX,
            (_, true, _) => MediaType::OCI_MANIFEST,
            _ => content_type.map_or(MediaType::new("application/json"), MediaType::new),
        })
    }
}
