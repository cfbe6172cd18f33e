//! Images of the kinds that registries hold, ready made. A seed tells images of one kind apart.

use serde_json::json;
use transload_reference::MediaType;

use super::{Document, Family, Image, ImageBuilder, IndexBuilder, Style, descriptor_of, noise};

/// A single image of this platform with two small layers, the first shared by all platforms and seeds.
pub fn single(family: Family, platform: &str, seed: u64) -> Image {
    single_builder(family, platform, seed).build()
}

/// What [`single`] builds, to be built on.
pub fn single_builder(family: Family, platform: &str, seed: u64) -> ImageBuilder {
    ImageBuilder::new(family)
        .platform(platform)
        .layer(&[("etc/os-release", b"ID=test\n"), ("etc/motd", b"shared by all\n")])
        .layer(&[("app/name", format!("{platform} {seed}\n").as_bytes())])
}

/// An OCI image with one layer of this many bytes, no part of which is like another.
pub fn one_layer(seed: u64, size: usize) -> Image {
    ImageBuilder::new(Family::Oci)
        .blob_layer("application/vnd.oci.image.layer.v1.tar", &noise(seed, size))
        .build()
}

/// An index of linux on amd64, arm/v6, arm/v7 and arm64/v8, in odd formatting.
pub fn multi_platform(family: Family, seed: u64) -> Image {
    index_of(
        family,
        &["linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"],
        seed,
    )
}

/// What [`multi_platform`] makes, of these platforms: what remains of that where others are left out.
pub fn index_of(family: Family, platforms: &[&str], seed: u64) -> Image {
    platforms
        .iter()
        .fold(IndexBuilder::new(family), |index, platform| {
            index.image(&single(family, platform, seed))
        })
        .style(Style::Odd)
        .build()
}

/// An index of amd64 and arm64 with an attestation of each, as BuildKit makes, with annotations.
pub fn attested(seed: u64) -> Image {
    attested_of(&["linux/amd64", "linux/arm64"], seed)
}

/// What [`attested`] makes, of these platforms: what remains of that where others are left out.
pub fn attested_of(platforms: &[&str], seed: u64) -> Image {
    let images: Vec<Image> = platforms
        .iter()
        .map(|platform| single(Family::Oci, platform, seed))
        .collect();
    let index = images
        .iter()
        .fold(IndexBuilder::new(Family::Oci), IndexBuilder::image);
    images
        .iter()
        .fold(index, IndexBuilder::attestation)
        .annotation("org.opencontainers.image.title", "attested")
        .build()
}

/// An index whose second entry is an index.
pub fn nested(seed: u64) -> Image {
    let inner = multi_platform(Family::Oci, seed);
    IndexBuilder::new(Family::Oci)
        .image(&single(Family::Oci, "linux/s390x", seed))
        .image(&inner)
        .style(Style::Compact)
        .build()
}

/// A Helm chart.
pub fn helm_chart(name: &str, version: &str) -> Image {
    let config = json!({"name": name, "version": version, "apiVersion": "v2"}).to_string();
    let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let path = format!("{name}/Chart.yaml");
    let archive = super::gzip(&super::tar(&[(&path, chart.as_bytes())]));
    ImageBuilder::new(Family::Oci)
        .style(Style::Compact)
        .config("application/vnd.cncf.helm.config.v1+json", config.as_bytes())
        .blob_layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip", &archive)
        .annotation("org.opencontainers.image.title", name)
        .build()
}

/// A cosign signature of an image. Its tag is `sha256-<hex of the image's digest>.sig`.
pub fn cosign_signature(image: &Image) -> Image {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": image.digest()},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string();
    let media_type = MediaType::new("application/vnd.dev.cosign.simplesigning.v1+json");
    let mut layer = descriptor_of(media_type, payload.as_bytes());
    layer.annotations = [(
        "dev.cosignproject.cosign/signature".to_owned(),
        "MEUCIQ==".to_owned(),
    )]
    .into();
    let mut signature = ImageBuilder::new(Family::Oci)
        .style(Style::Compact)
        .described_layer(layer, payload.as_bytes())
        .build();
    signature.platform = None;
    signature
}

/// An artifact in the form of the image specification 1.1: the empty configuration, an artifact's type, a subject.
pub fn artifact(subject: &Image) -> Image {
    ImageBuilder::new(Family::Oci)
        .config(MediaType::OCI_EMPTY.as_str(), b"{}")
        .field("artifactType", "application/vnd.example.sbom.v1+json")
        .blob_layer("application/vnd.example.sbom.v1+json", b"{\"sbom\": []}\n")
        .subject(&subject.root.descriptor())
        .build()
}

/// An image whose layers are unusual: zstd, a layer twice, one without files, one without bytes.
pub fn unusual_layers() -> Image {
    ImageBuilder::new(Family::Oci)
        .zstd_layer(&[("etc/zstd", b"raw blocks\n")])
        .duplicate_layer()
        .empty_layer()
        .blob_layer("application/vnd.example.empty", b"")
        .style(Style::Odd)
        .build()
}

/// A Windows image with a foreign layer, of which only the content at `url` exists; and that content.
pub fn foreign(url: &str) -> (Image, Vec<u8>) {
    let content = super::gzip(&super::tar(&[("Files/Windows/base", b"not to be handed on\n")]));
    let image = ImageBuilder::new(Family::Docker)
        .platform("windows/amd64")
        .foreign_layer(&content, &[url])
        .layer(&[("Files/app.exe", b"MZ")])
        .build();
    (image, content)
}

/// A manifest of schema 1, unsigned, which today's programs refuse.
pub fn schema1(repository: &str, tag: &str) -> Image {
    let layer = super::gzip(&super::tar(&[("etc/old", b"2015\n")]));
    let descriptor = descriptor_of(MediaType::DOCKER_LAYER, &layer);
    let history = json!({"id": "a".repeat(64), "os": "linux", "architecture": "amd64"}).to_string();
    let document = json!({
        "schemaVersion": 1,
        "name": repository,
        "tag": tag,
        "architecture": "amd64",
        "fsLayers": [{"blobSum": descriptor.digest}],
        "history": [{"v1Compatibility": history}],
    });
    let root = Document::new(document.to_string().into_bytes(), MediaType::DOCKER_SCHEMA1);
    Image::single(root, vec![(descriptor, layer)], None)
}
