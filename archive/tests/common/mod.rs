//! Archives as other programs write them, and as nobody should.
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::path::PathBuf;

use tar::{EntryType, Header};
use tempfile::TempDir;
use transload_reference::{Descriptor, Digest, MediaType, RawManifest};

/// A tar in the making.
#[derive(Default, Clone)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    pub fn new() -> Tar {
        Tar::default()
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Tar {
        let content = content.as_ref();
        self.header(name, EntryType::Regular, content.len() as u64, "")
            .content(content)
    }

    /// The blob at the place of its digest.
    pub fn blob(self, content: impl AsRef<[u8]>) -> Tar {
        let name = blob_name(&Digest::of(content.as_ref()));
        self.file(&name, content)
    }

    pub fn symlink(self, name: &str, target: &str) -> Tar {
        self.header(name, EntryType::Symlink, 0, target)
    }

    pub fn hard_link(self, name: &str, target: &str) -> Tar {
        self.header(name, EntryType::Link, 0, target)
    }

    pub fn folder(self, name: &str) -> Tar {
        self.header(name, EntryType::Directory, 0, "")
    }

    /// A header that says whatever is asked for.
    pub fn header(self, name: &str, kind: EntryType, size: u64, target: &str) -> Tar {
        self.raw_header(name, target, |header| {
            header.set_entry_type(kind);
            header.set_size(size);
        })
    }

    pub fn raw_header(mut self, name: &str, target: &str, change: impl FnOnce(&mut Header)) -> Tar {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_mode(0o644);
        change(&mut header);
        header.set_cksum();
        self.bytes.extend(header.as_bytes());
        self
    }

    /// Bytes, with zeros up to the next block.
    pub fn content(mut self, content: &[u8]) -> Tar {
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// The tar without its end.
    pub fn open_end(self) -> Vec<u8> {
        self.bytes
    }

    pub fn end(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }
}

pub fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// A file of these bytes, in a folder that is removed with the first of the pair.
pub fn written(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// An image of one config and layers.
#[derive(Debug, Clone)]
pub struct Image {
    pub config: Vec<u8>,
    pub layers: Vec<Vec<u8>>,
    pub manifest: RawManifest,
}

impl Image {
    /// An image with these layers, of this media type.
    pub fn new(architecture: &str, layers: &[&[u8]], layer_type: MediaType) -> Image {
        let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let describe = |media_type: MediaType, bytes: &[u8]| {
            Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
        };
        let layer_descriptors: Vec<Descriptor> = layers
            .iter()
            .map(|layer| describe(layer_type.clone(), layer))
            .collect();
        // In the order in which Docker and Go's types write the fields.
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":{}}}"#,
            MediaType::OCI_MANIFEST,
            serde_json::to_string(&describe(MediaType::OCI_CONFIG, &config)).unwrap(),
            serde_json::to_string(&layer_descriptors).unwrap(),
        );
        Image {
            config,
            layers: layers.iter().map(|layer| layer.to_vec()).collect(),
            manifest: RawManifest::parse(manifest.into_bytes(), None).unwrap(),
        }
    }

    /// A small image for amd64 with this one layer.
    pub fn of(layer: &[u8]) -> Image {
        Image::new("amd64", &[layer], MediaType::OCI_LAYER)
    }

    pub fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}

/// An index of images for these architectures.
pub fn index(children: &[(&str, &Image)]) -> RawManifest {
    let children: Vec<_> = children
        .iter()
        .map(|(architecture, image)| {
            let mut child = image.manifest.descriptor();
            child.platform = Some(Box::new(transload_reference::Platform::new(
                "linux",
                architecture,
                None,
            )));
            child
        })
        .collect();
    let text = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX.as_str(), "manifests": children,
    });
    RawManifest::parse(text.to_string().into_bytes(), None).unwrap()
}

/// An `index.json` with these roots and annotations.
pub fn index_json(roots: &[(&RawManifest, &[(&str, &str)])]) -> String {
    let entries: Vec<_> = roots
        .iter()
        .map(|(root, annotations)| {
            let mut entry = root.descriptor();
            entry.annotations = annotations
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            entry
        })
        .collect();
    serde_json::json!({"schemaVersion": 2, "manifests": entries}).to_string()
}

/// A tar of a layout with this index.
pub fn layout(index_json: &str) -> Tar {
    Tar::new()
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", index_json)
}
