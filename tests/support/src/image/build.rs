//! The builder of single images and artifacts.

use serde_json::{Map, Value, json};
use transload_reference::{Descriptor, Digest, MediaType, Platform};

use super::{
    Document, Family, Image, Style, descriptor_json, descriptor_of, gzip, layer, noise, render, tar,
    zstd_frame,
};

/// Makes a single image or artifact.
///
/// ```
/// use transload_test_support::image::{Family, ImageBuilder};
///
/// let image = ImageBuilder::new(Family::Oci)
///     .platform("linux/arm/v7")
///     .layer(&[("etc/hostname", b"box\n")])
///     .build();
/// assert_eq!(image.blobs.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    family: Family,
    style: Style,
    platform: Option<Platform>,
    config: Option<(MediaType, Vec<u8>)>,
    layers: Vec<Layer>,
    annotations: Map<String, Value>,
    extra: Vec<(String, Value)>,
    without_media_type: bool,
}

#[derive(Debug, Clone)]
struct Layer {
    descriptor: Descriptor,
    /// `None` where no registry has it.
    content: Option<Vec<u8>>,
    diff_id: Digest,
}

impl ImageBuilder {
    /// An image of `linux/amd64` without layers.
    pub fn new(family: Family) -> ImageBuilder {
        ImageBuilder {
            family,
            style: Style::default(),
            platform: Some(Platform::new("linux", "amd64", None)),
            config: None,
            layers: Vec::new(),
            annotations: Map::new(),
            extra: Vec::new(),
            without_media_type: false,
        }
    }

    /// The platform, such as `linux/arm/v7` or `windows(10.0.20348.2527)/amd64`, as the configuration spells it.
    ///
    /// # Panics
    /// Where there is no slash in it.
    pub fn platform(mut self, platform: &str) -> ImageBuilder {
        let (os, rest) = platform.split_once('/').expect("a platform is os/architecture");
        let (architecture, variant) = match rest.split_once('/') {
            Some((architecture, variant)) => (architecture, Some(variant)),
            None => (rest, None),
        };
        let (os, version) = match os.split_once('(') {
            Some((os, version)) => (os, Some(version.trim_end_matches(')').to_owned())),
            None => (os, None),
        };
        let mut platform = Platform::new(os, architecture, variant);
        platform.os_version = version;
        self.platform = Some(platform);
        self
    }

    /// Another layout of the manifest's JSON.
    pub fn style(mut self, style: Style) -> ImageBuilder {
        self.style = style;
        self
    }

    /// A gzip layer of these files.
    pub fn layer(self, files: &[(&str, &[u8])]) -> ImageBuilder {
        let archive = tar(files);
        let media_type = self.family.layer();
        self.push(media_type, gzip(&archive), &archive)
    }

    /// A gzip layer with one file that may be run.
    pub fn program_layer(self, path: &str, program: &[u8]) -> ImageBuilder {
        let archive = layer::tar_with_mode(&[(path, program)], 0o755);
        let media_type = self.family.layer();
        self.push(media_type, gzip(&archive), &archive)
    }

    /// A gzip layer with one file of `size` incompressible bytes, which differ by seed.
    pub fn noise_layer(self, seed: u64, size: usize) -> ImageBuilder {
        self.layer(&[("noise", &noise(seed, size))])
    }

    /// An OCI layer in zstd.
    pub fn zstd_layer(self, files: &[(&str, &[u8])]) -> ImageBuilder {
        let archive = tar(files);
        self.push(MediaType::OCI_LAYER_ZSTD, zstd_frame(&archive), &archive)
    }

    /// A gzip layer without files, as a Dockerfile's `ENV` used to leave.
    pub fn empty_layer(self) -> ImageBuilder {
        self.layer(&[])
    }

    /// The last layer once more.
    ///
    /// # Panics
    /// Where there is none yet.
    pub fn duplicate_layer(mut self) -> ImageBuilder {
        let last = self.layers.last().cloned();
        self.layers.push(last.expect("a layer to duplicate"));
        self
    }

    /// Any blob as a layer; it may have no bytes at all.
    pub fn blob_layer(self, media_type: &str, content: &[u8]) -> ImageBuilder {
        self.push(MediaType::new(media_type), content.to_vec(), content)
    }

    /// Any blob as a layer, with a descriptor of the caller's: another algorithm, annotations, inline data, or a lie.
    pub fn described_layer(mut self, descriptor: Descriptor, content: &[u8]) -> ImageBuilder {
        self.layers.push(Layer {
            descriptor,
            content: Some(content.to_vec()),
            diff_id: Digest::of(content),
        });
        self
    }

    /// A layer that registries don't have, only these addresses.
    pub fn foreign_layer(mut self, content: &[u8], urls: &[&str]) -> ImageBuilder {
        let media_type = match self.family {
            Family::Docker => MediaType::DOCKER_FOREIGN_LAYER,
            Family::Oci => MediaType::new("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
        };
        let mut descriptor = descriptor_of(media_type, content);
        descriptor.urls = urls.iter().map(|&url| url.to_owned()).collect();
        self.layers.push(Layer {
            descriptor,
            content: None,
            diff_id: Digest::of(content),
        });
        self
    }

    /// Another configuration than a runnable image's: makes the image an artifact without a platform.
    pub fn config(mut self, media_type: &str, content: &[u8]) -> ImageBuilder {
        self.config = Some((MediaType::new(media_type), content.to_vec()));
        self.platform = None;
        self
    }

    /// An annotation of the manifest.
    pub fn annotation(mut self, name: &str, value: &str) -> ImageBuilder {
        self.annotations.insert(name.to_owned(), value.into());
        self
    }

    /// What the manifest is about (`subject`).
    pub fn subject(self, subject: &Descriptor) -> ImageBuilder {
        let subject = descriptor_json(subject);
        self.field("subject", subject)
    }

    /// Any further field of the manifest.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> ImageBuilder {
        self.extra.push((name.to_owned(), value.into()));
        self
    }

    /// A manifest that doesn't say its own media type, which OCI allows.
    pub fn without_media_type(mut self) -> ImageBuilder {
        self.without_media_type = true;
        self
    }

    /// The image.
    pub fn build(self) -> Image {
        let (config_type, config) = match &self.config {
            Some((media_type, content)) => (media_type.clone(), content.clone()),
            None => (self.family.config(), self.image_config()),
        };
        let config_descriptor = descriptor_of(config_type, &config);
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| descriptor_json(&layer.descriptor))
            .collect();
        let mut fields = vec![("schemaVersion", json!(2))];
        if !self.without_media_type {
            fields.push(("mediaType", json!(self.family.manifest())));
        }
        fields.push(("config", descriptor_json(&config_descriptor)));
        fields.push(("layers", layers.into()));
        if !self.annotations.is_empty() {
            fields.push(("annotations", self.annotations.clone().into()));
        }
        for (name, value) in &self.extra {
            fields.push((name, value.clone()));
        }
        let root = Document::new(render(&fields, self.style), self.family.manifest());
        let mut blobs = vec![(config_descriptor, config)];
        for layer in self.layers {
            blobs.extend(layer.content.map(|content| (layer.descriptor, content)));
        }
        Image::single(root, blobs, self.platform)
    }

    fn push(mut self, media_type: MediaType, content: Vec<u8>, uncompressed: &[u8]) -> ImageBuilder {
        self.layers.push(Layer {
            descriptor: descriptor_of(media_type, &content),
            content: Some(content),
            diff_id: Digest::of(uncompressed),
        });
        self
    }

    fn image_config(&self) -> Vec<u8> {
        let platform = self.platform.clone().unwrap_or_default();
        let diff_ids: Vec<&str> = self.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let mut config = json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "created": "2024-01-01T00:00:00Z",
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": diff_ids
                .iter()
                .map(|_| json!({"created": "2024-01-01T00:00:00Z", "created_by": "test"}))
                .collect::<Vec<_>>(),
        });
        if let Some(version) = platform.os_version {
            config["os.version"] = version.into();
        }
        if let Some(variant) = platform.variant {
            config["variant"] = variant.into();
        }
        config.to_string().into_bytes()
    }
}
