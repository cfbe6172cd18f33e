//! Images made in memory. The same calls make the same bytes on every machine.

mod build;
mod index;
mod layer;
pub mod samples;

use serde_json::Value;
use transload_reference::{Descriptor, Digest, MediaType, Platform};

pub use build::ImageBuilder;
pub use index::IndexBuilder;
pub use layer::{gzip, noise, program_that_prints, tar, zstd_frame};

/// Which of the two families of media types a manifest is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Docker's image manifest version 2, schema 2, and manifest list.
    Docker,
    /// The OCI image specification's manifest and index.
    Oci,
}

impl Family {
    /// The media type of an image's manifest.
    pub fn manifest(self) -> MediaType {
        match self {
            Family::Docker => MediaType::DOCKER_MANIFEST,
            Family::Oci => MediaType::OCI_MANIFEST,
        }
    }

    /// The media type of a list of manifests.
    pub fn index(self) -> MediaType {
        match self {
            Family::Docker => MediaType::DOCKER_LIST,
            Family::Oci => MediaType::OCI_INDEX,
        }
    }

    /// The media type of a runnable image's configuration.
    pub fn config(self) -> MediaType {
        match self {
            Family::Docker => MediaType::DOCKER_CONFIG,
            Family::Oci => MediaType::OCI_CONFIG,
        }
    }

    /// The media type of a layer that is a tar archive with gzip.
    pub fn layer(self) -> MediaType {
        match self {
            Family::Docker => MediaType::DOCKER_LAYER,
            Family::Oci => MediaType::OCI_LAYER_GZIP,
        }
    }
}

/// How a manifest's JSON is laid out. Whoever writes it anew gets other bytes than these for at least one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// Three spaces, as the Docker engine writes.
    #[default]
    Docker,
    /// No spaces at all, as Go's encoder writes.
    Compact,
    /// Tabs, keys in reverse, escaped slashes, unknown fields, a number with an exponent and spaces at the end.
    Odd,
}

/// A manifest or index as its bytes.
///
/// It is no `RawManifest`, since it may be one that such a type refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// What a registry says that they are.
    pub media_type: MediaType,
    /// The sha256 of the bytes.
    pub digest: Digest,
}

impl Document {
    /// The document of these bytes.
    pub fn new(bytes: Vec<u8>, media_type: MediaType) -> Document {
        Document {
            digest: Digest::of(&bytes),
            bytes,
            media_type,
        }
    }

    /// What an index says of it, without a platform.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(
            self.media_type.clone(),
            self.digest.clone(),
            self.bytes.len() as u64,
        )
    }
}

/// Everything that one reference leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What the tag points to.
    pub root: Document,
    /// Every manifest, children before those that name them, each once; the last is the root.
    pub manifests: Vec<Document>,
    /// Every blob that a registry has of it (no foreign layers), each once.
    pub blobs: Vec<(Descriptor, Vec<u8>)>,
    /// The platform, where the root is a single image of one.
    pub platform: Option<Platform>,
}

impl Image {
    /// The image of a root without children.
    pub fn single(root: Document, blobs: Vec<(Descriptor, Vec<u8>)>, platform: Option<Platform>) -> Image {
        let mut image = Image {
            manifests: vec![root.clone()],
            root,
            blobs: Vec::new(),
            platform,
        };
        image.add_blobs(&blobs);
        image
    }

    /// The digest of the largest blob: of the layer, where there is one.
    ///
    /// # Panics
    /// Where there is no blob.
    pub fn layer(&self) -> &str {
        let largest = self.blobs.iter().max_by_key(|(blob, _)| blob.size);
        largest.expect("an image with blobs").0.digest.as_str()
    }

    /// The digest of the root.
    pub fn digest(&self) -> &Digest {
        &self.root.digest
    }

    /// What an index says of the root, with its platform.
    pub fn descriptor(&self) -> Descriptor {
        let mut descriptor = self.root.descriptor();
        descriptor.platform = self.platform.clone().map(Box::new);
        descriptor
    }

    /// The manifest with this digest.
    pub fn manifest(&self, digest: &Digest) -> Option<&Document> {
        self.manifests.iter().find(|manifest| manifest.digest == *digest)
    }

    /// The content of the blob with this digest.
    pub fn blob(&self, digest: &Digest) -> Option<&[u8]> {
        let (_, bytes) = self
            .blobs
            .iter()
            .find(|(descriptor, _)| descriptor.digest == *digest)?;
        Some(bytes)
    }

    /// The size of all blobs, in bytes.
    pub fn blob_bytes(&self) -> u64 {
        self.blobs.iter().map(|(descriptor, _)| descriptor.size).sum()
    }

    fn add_blobs(&mut self, blobs: &[(Descriptor, Vec<u8>)]) {
        for (descriptor, bytes) in blobs {
            if self.blob(&descriptor.digest).is_none() {
                self.blobs.push((descriptor.clone(), bytes.clone()));
            }
        }
    }
}

/// The descriptor of a content, by its sha256.
pub fn descriptor_of(media_type: MediaType, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
}

/// Lays out an object whose keys come in this order.
fn render(fields: &[(&str, Value)], style: Style) -> Vec<u8> {
    let unknown = [
        ("x-unknown", serde_json::json!({"kept": [true, null, "\u{e9}"]})),
        ("x-number", Value::Null),
    ];
    let mut fields = fields.to_vec();
    if style == Style::Odd {
        fields.extend(unknown);
        fields.reverse();
    }
    let (open, indent, colon): (&str, &[u8], &str) = match style {
        Style::Docker => ("\n", b"   ", ": "),
        Style::Compact => ("", b"", ":"),
        Style::Odd => ("\n", b"\t", " : "),
    };
    let mut text = String::from("{");
    for (position, (key, value)) in fields.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        text.push_str(open);
        text.push_str(&String::from_utf8_lossy(indent));
        text.push_str(&format!("\"{key}\"{colon}"));
        match *key {
            "x-number" => text.push_str("1.50e2"),
            _ => text.push_str(&value_text(value, indent)),
        }
    }
    text.push_str(open);
    text.push('}');
    if style == Style::Odd {
        text = text.replace("application/", "application\\/");
        text.push_str(" \n\n");
    }
    text.into_bytes()
}

fn value_text(value: &Value, indent: &[u8]) -> String {
    if indent.is_empty() {
        return value.to_string();
    }
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(value, &mut serializer).expect("a JSON value is writable");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    text.replace('\n', &format!("\n{}", String::from_utf8_lossy(indent)))
}

/// A descriptor as the JSON that a manifest has of it.
fn descriptor_json(descriptor: &Descriptor) -> Value {
    serde_json::to_value(descriptor).expect("a descriptor is writable as JSON")
}
