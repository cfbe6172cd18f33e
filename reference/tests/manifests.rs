//! Manifests as registries and other tools write them, and how they compare with what `oci-spec` reads.

use proptest::prelude::*;
use transload_reference::{Digest, MAX_MANIFEST_SIZE, Manifest, ManifestError, MediaType, RawManifest};

fn descriptor(media_type: &str, content: &[u8]) -> String {
    let digest = Digest::of(content);
    format!(
        r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}}}"#,
        content.len()
    )
}

fn image(media_type: &str) -> String {
    let config = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
    let layer = descriptor("application/vnd.oci.image.layer.v1.tar+gzip", b"layer");
    format!(r#"{{"schemaVersion":2,{media_type}"config":{config},"layers":[{layer},{layer}]}}"#)
}

fn parse(text: &str, content_type: Option<&str>) -> Result<RawManifest, ManifestError> {
    RawManifest::parse(text.as_bytes().to_vec(), content_type)
}

#[test]
fn the_media_type_is_the_documents_then_the_headers_then_what_the_fields_say() {
    const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    let own = format!(r#""mediaType":"{DOCKER}","#);
    for (text, header, expected) in [
        (image(&own), Some(OCI), DOCKER),
        (image(&own), None, DOCKER),
        (image(""), Some(DOCKER), DOCKER),
        (
            image(""),
            Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
            DOCKER,
        ),
        (image(""), None, OCI),
        (image(""), Some("application/json"), OCI),
        (image(""), Some("text/html"), OCI),
        // A header that says index of a document that is none.
        (image(""), Some("application/vnd.oci.image.index.v1+json"), OCI),
    ] {
        let raw = parse(&text, header).unwrap();
        assert_eq!(raw.media_type().as_str(), expected, "{header:?}");
        assert_eq!(raw.bytes(), text.as_bytes());
        assert_eq!(raw.digest(), &Digest::of(text.as_bytes()));
    }
}

#[test]
fn an_image_names_its_config_then_its_layers_in_their_order_with_duplicates() {
    let raw = parse(&image(""), None).unwrap();
    let sizes: Vec<u64> = raw.view().blobs().map(|blob| blob.size).collect();
    assert_eq!(sizes, [2, 5, 5]);
    assert!(raw.view().children().is_empty());
}

#[test]
fn null_lists_are_empty_lists() {
    let raw = parse(r#"{"schemaVersion":2,"manifests":null}"#, None).unwrap();
    assert_eq!(raw.media_type(), &MediaType::OCI_INDEX);
    assert!(raw.view().children().is_empty());
}

#[test]
fn a_type_that_is_new_still_names_what_it_refers_to() {
    let raw = parse(
        &image(r#""mediaType":"application/vnd.new.thing.v9+json","#),
        None,
    )
    .unwrap();
    assert_eq!(raw.media_type().as_str(), "application/vnd.new.thing.v9+json");
    assert_eq!(raw.view().blobs().count(), 3);
    let opaque = parse(r#"{"mediaType":"application/vnd.new.thing.v9+json"}"#, None).unwrap();
    assert!(matches!(opaque.view(), Manifest::Opaque));
}

#[test]
fn the_withdrawn_artifact_manifest_names_its_blobs() {
    let blob = descriptor("application/octet-stream", b"blob");
    let text = format!(r#"{{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[{blob}]}}"#);
    assert_eq!(parse(&text, None).unwrap().view().blobs().count(), 1);
}

#[test]
fn schema_1_is_refused_by_name_however_it_shows() {
    for (text, header) in [
        (
            r#"{"schemaVersion":1,"name":"library/old","tag":"1","fsLayers":[]}"#,
            None,
        ),
        (
            r#"{"schemaVersion":1,"signatures":[]}"#,
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ),
        (
            r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}"#,
            None,
        ),
    ] {
        let error = parse(text, header).unwrap_err();
        assert!(matches!(error, ManifestError::Schema1 { .. }), "{error}");
        assert!(error.to_string().contains("schema 1"), "{error}");
        assert!(!error.is_retryable());
    }
}

#[test]
fn a_document_that_can_be_read_as_two_things_is_refused() {
    let config = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
    for text in [
        format!(r#"{{"schemaVersion":2,"manifests":[],"config":{config},"layers":[]}}"#),
        r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#.to_owned(),
    ] {
        assert!(matches!(
            parse(&text, None).unwrap_err(),
            ManifestError::Ambiguous { .. }
        ));
    }
    let twice = r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
    assert!(matches!(parse(twice, None).unwrap_err(), ManifestError::Json(_)));
}

#[test]
fn a_missing_field_is_named() {
    let text = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}"#;
    let message = parse(text, None).unwrap_err().to_string();
    assert!(message.contains("no \"config\""), "{message}");
}

#[test]
fn other_bytes_than_asked_for_are_refused_and_worth_another_try() {
    let asked = Digest::of(b"another manifest");
    let error = RawManifest::verified(image("").into_bytes(), None, &asked).unwrap_err();
    assert!(error.is_retryable());
}

#[test]
fn a_manifest_larger_than_the_limit_is_refused_before_it_is_read() {
    let bytes = vec![b' '; MAX_MANIFEST_SIZE as usize + 1];
    assert!(matches!(
        RawManifest::parse(bytes, None).unwrap_err(),
        ManifestError::TooLarge { .. }
    ));
}

#[test]
fn what_we_read_is_what_oci_spec_reads() {
    let text = image(r#""mediaType":"application/vnd.oci.image.manifest.v1+json","#);
    let theirs = oci_spec::image::ImageManifest::from_reader(text.as_bytes()).unwrap();
    let ours = parse(&text, None).unwrap();
    let Manifest::Image(ours) = ours.view() else {
        panic!("not an image")
    };
    assert_eq!(
        ours.config.digest.to_string(),
        theirs.config().digest().to_string()
    );
    assert_eq!(ours.config.size, theirs.config().size());
    let digests: Vec<String> = ours.layers.iter().map(|layer| layer.digest.to_string()).collect();
    let expected: Vec<String> = theirs
        .layers()
        .iter()
        .map(|layer| layer.digest().to_string())
        .collect();
    assert_eq!(digests, expected);

    let platform = r#""platform":{"architecture":"arm","os":"linux","variant":"v7","os.version":"1","os.features":["f"]}"#;
    let child = descriptor("application/vnd.oci.image.manifest.v1+json", text.as_bytes());
    let child = format!("{},{platform}}}", &child[..child.len() - 1]);
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{child}]}}"#
    );
    let theirs = oci_spec::image::ImageIndex::from_reader(text.as_bytes()).unwrap();
    let ours = parse(&text, None).unwrap();
    let (ours, theirs) = (&ours.view().children()[0], &theirs.manifests()[0]);
    assert_eq!(ours.digest.to_string(), theirs.digest().to_string());
    let (ours, theirs) = (
        ours.platform.as_ref().unwrap(),
        theirs.platform().as_ref().unwrap(),
    );
    assert_eq!(ours.os, theirs.os().to_string());
    assert_eq!(ours.architecture, theirs.architecture().to_string());
    assert_eq!(ours.variant.as_deref(), theirs.variant().as_deref());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), header in proptest::option::of(".*")) {
        let _ = RawManifest::parse(bytes, header.as_deref());
    }

    #[test]
    fn no_json_of_the_right_fields_makes_it_panic(version in 0u64..4, kind in "[a-z/+.0-9]{0,12}", size in any::<i64>(), nested in 0usize..300) {
        let deep = "[".repeat(nested) + &"]".repeat(nested);
        let text = format!(r#"{{"schemaVersion":{version},"mediaType":"{kind}","x":{deep},"layers":[{{"digest":"sha256:0","size":{size}}}]}}"#);
        let _ = parse(&text, None);
    }
}
