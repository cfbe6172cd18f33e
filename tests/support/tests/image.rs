//! What the builders make is what `transload-reference` reads.

use std::collections::BTreeSet;

use transload_reference::{Digest, Manifest, ManifestError, MediaType, Platform, RawManifest};
use transload_test_support::image::{self, Document, Family, Image, ImageBuilder, Style, samples};

fn every_kind() -> Vec<(&'static str, Image)> {
    let single = samples::single(Family::Docker, "linux/amd64", 1);
    vec![
        ("docker", single.clone()),
        ("oci", samples::single(Family::Oci, "linux/arm/v7", 1)),
        ("docker list", samples::multi_platform(Family::Docker, 1)),
        ("oci index", samples::multi_platform(Family::Oci, 1)),
        ("attested", samples::attested(1)),
        ("nested", samples::nested(1)),
        ("helm", samples::helm_chart("chart", "1.0.0")),
        ("cosign", samples::cosign_signature(&single)),
        ("artifact", samples::artifact(&single)),
        ("unusual", samples::unusual_layers()),
        ("foreign", samples::foreign("http://127.0.0.1:1/layer").0),
    ]
}

fn raw(document: &Document) -> RawManifest {
    RawManifest::parse(document.bytes.clone(), Some(document.media_type.as_str()))
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&document.bytes)))
}

#[test]
fn every_image_is_complete_and_in_order() {
    for (name, image) in every_kind() {
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        for document in &image.manifests {
            let raw = raw(document);
            assert_eq!(raw.media_type(), &document.media_type, "{name}");
            assert_eq!(raw.digest(), &document.digest, "{name}");
            for child in raw.view().children() {
                assert!(seen.contains(&child.digest), "{name}: {child:?} comes too late");
            }
            for blob in raw.view().blobs() {
                let Some(bytes) = image.blob(&blob.digest) else {
                    assert!(blob.media_type.is_foreign_layer(), "{name}: {blob:?} is missing");
                    continue;
                };
                assert_eq!(bytes.len() as u64, blob.size, "{name}");
                assert_eq!(Digest::of(bytes), blob.digest, "{name}");
            }
            assert!(seen.insert(document.digest.clone()), "{name}: a manifest twice");
        }
        assert_eq!(image.manifests.last(), Some(&image.root), "{name}");
    }
}

#[test]
fn the_same_calls_make_the_same_bytes() {
    assert_eq!(every_kind(), every_kind());
    assert_ne!(
        samples::multi_platform(Family::Oci, 1).digest(),
        samples::multi_platform(Family::Oci, 2).digest()
    );
}

#[test]
fn odd_formatting_is_lost_by_writing_it_anew() {
    let odd = samples::multi_platform(Family::Oci, 1).root.bytes;
    let value: serde_json::Value = serde_json::from_slice(&odd).unwrap();
    assert_eq!(value["x-number"], 150.0);
    assert_ne!(serde_json::to_vec(&value).unwrap(), odd);
    assert_ne!(serde_json::to_vec_pretty(&value).unwrap(), odd);
}

#[test]
fn an_index_has_the_variants() {
    let index = raw(&samples::multi_platform(Family::Docker, 1).root);
    let platforms: Vec<Platform> = index
        .view()
        .children()
        .iter()
        .filter_map(|child| child.platform.as_deref().cloned())
        .collect();
    let expected = [
        ("amd64", None),
        ("arm", Some("v6")),
        ("arm", Some("v7")),
        ("arm64", Some("v8")),
    ];
    assert_eq!(
        platforms,
        expected.map(|(arch, variant)| Platform::new("linux", arch, variant))
    );
}

#[test]
fn attestations_name_the_image_that_they_describe() {
    let image = samples::attested(1);
    let index = raw(&image.root);
    let children = index.view().children();
    for (described, attestation) in children[..2].iter().zip(&children[2..]) {
        assert!(attestation.platform.as_deref().is_some_and(Platform::is_unknown));
        let named = &attestation.annotations["vnd.docker.reference.digest"];
        assert_eq!(named, described.digest.as_str());
    }
}

#[test]
fn shared_and_duplicate_layers_are_held_once() {
    let unusual = samples::unusual_layers();
    let manifest = raw(&unusual.root);
    let Manifest::Image(view) = manifest.view() else {
        panic!("an image")
    };
    assert_eq!(view.layers.len(), 4);
    assert_eq!(
        unusual.blobs.len(),
        4,
        "a configuration and three different layers"
    );
    assert_eq!(samples::multi_platform(Family::Oci, 1).blobs.len(), 4 * 2 + 1);
}

#[test]
fn schema_1_is_what_readers_refuse() {
    let image = samples::schema1("library/old", "1");
    let error = RawManifest::parse(image.root.bytes, Some(image.root.media_type.as_str())).unwrap_err();
    assert!(matches!(error, ManifestError::Schema1 { .. }), "{error}");
}

#[test]
fn a_manifest_may_leave_its_media_type_out() {
    let image = ImageBuilder::new(Family::Oci)
        .without_media_type()
        .style(Style::Compact)
        .build();
    assert!(!String::from_utf8_lossy(&image.root.bytes).contains("image.manifest"));
    assert_eq!(raw(&image.root).media_type(), &MediaType::OCI_MANIFEST);
}

#[test]
fn noise_has_its_size_and_does_not_compress() {
    let noise = image::noise(7, 100_001);
    assert_eq!(noise.len(), 100_001);
    assert!(image::gzip(&noise).len() > 100_000);
    assert_ne!(noise, image::noise(8, 100_001));
}
