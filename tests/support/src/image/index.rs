//! The builder of indexes and manifest lists.

use serde_json::{Map, Value, json};
use transload_reference::{Descriptor, Platform};

use super::{Document, Family, Image, ImageBuilder, Style, descriptor_json, render};

/// Makes an index (OCI) or a manifest list (Docker).
///
/// ```
/// use transload_test_support::image::{Family, ImageBuilder, IndexBuilder};
///
/// let arm = ImageBuilder::new(Family::Oci).platform("linux/arm/v7").build();
/// let image = IndexBuilder::new(Family::Oci).image(&arm).attestation(&arm).build();
/// assert_eq!(image.manifests.len(), 3);
/// ```
#[derive(Debug, Clone)]
pub struct IndexBuilder {
    family: Family,
    style: Style,
    entries: Vec<Value>,
    children: Vec<Image>,
    annotations: Map<String, Value>,
    extra: Vec<(String, Value)>,
}

impl IndexBuilder {
    /// An index of nothing.
    pub fn new(family: Family) -> IndexBuilder {
        IndexBuilder {
            family,
            style: Style::default(),
            entries: Vec::new(),
            children: Vec::new(),
            annotations: Map::new(),
            extra: Vec::new(),
        }
    }

    /// Another layout of the index's JSON.
    pub fn style(mut self, style: Style) -> IndexBuilder {
        self.style = style;
        self
    }

    /// Adds an image with its own platform; one without (an artifact, another index) is added without.
    pub fn image(self, image: &Image) -> IndexBuilder {
        let descriptor = image.descriptor();
        self.described(descriptor, image)
    }

    /// Adds an image with a descriptor of the caller's: another platform, annotations, an artifact's type.
    pub fn described(mut self, descriptor: Descriptor, image: &Image) -> IndexBuilder {
        self.entries.push(descriptor_json(&descriptor));
        self.children.push(image.clone());
        self
    }

    /// Adds an entry whose manifest isn't there, as in a sparse index.
    pub fn missing(mut self, descriptor: &Descriptor) -> IndexBuilder {
        self.entries.push(descriptor_json(descriptor));
        self
    }

    /// Adds an attestation of an image, as BuildKit does: `unknown/unknown`, with the image's digest in its annotations.
    pub fn attestation(self, image: &Image) -> IndexBuilder {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "subject": [{"digest": {"sha256": image.digest().hex()}}],
        });
        let attestation = ImageBuilder::new(Family::Oci)
            .platform("unknown/unknown")
            .style(Style::Compact)
            .blob_layer("application/vnd.in-toto+json", statement.to_string().as_bytes())
            .build();
        let mut descriptor = attestation.descriptor();
        descriptor.platform = Some(Box::new(Platform::new("unknown", "unknown", None)));
        descriptor.annotations = [
            ("vnd.docker.reference.digest", image.digest().as_str()),
            ("vnd.docker.reference.type", "attestation-manifest"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        self.described(descriptor, &attestation)
    }

    /// An annotation of the index.
    pub fn annotation(mut self, name: &str, value: &str) -> IndexBuilder {
        self.annotations.insert(name.to_owned(), value.into());
        self
    }

    /// Any further field of the index.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> IndexBuilder {
        self.extra.push((name.to_owned(), value.into()));
        self
    }

    /// The index with everything below it.
    pub fn build(self) -> Image {
        let mut fields = vec![
            ("schemaVersion", json!(2)),
            ("mediaType", json!(self.family.index())),
            ("manifests", self.entries.into()),
        ];
        if !self.annotations.is_empty() {
            fields.push(("annotations", self.annotations.into()));
        }
        for (name, value) in &self.extra {
            fields.push((name, value.clone()));
        }
        let root = Document::new(render(&fields, self.style), self.family.index());
        let mut index = Image::single(root.clone(), Vec::new(), None);
        index.manifests.clear();
        for child in &self.children {
            for manifest in &child.manifests {
                if index.manifest(&manifest.digest).is_none() {
                    index.manifests.push(manifest.clone());
                }
            }
            index.add_blobs(&child.blobs);
        }
        index.manifests.push(root);
        index
    }
}
