//! Answers with an encoding, an unusual type or an error of another form.

use transload_reference::{Algorithm, Digest, Identifier, RawManifest};
use transload_registry_client::ErrorKind;
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, gzip, samples};
use transload_test_support::scripted::{Action, Fault, Options, Reply};

use crate::help::*;

#[test]
fn bytes_that_are_only_said_to_be_encoded_are_taken() {
    for encoding in ["gzip", "x-gzip", "br", "identity"] {
        let registry = ScriptedRegistry::start();
        let image = samples::single(Family::Oci, "linux/amd64", 1);
        registry.put_image("a", "v1", &image);
        let headers = vec![("Content-Encoding".to_owned(), encoding.to_owned())];
        registry.fault(Fault::new("*", "/v2/a/", Action::Headers(headers)).every());
        let (client, repository) = (client(), repository(&registry, "a"));
        for identifier in [tag("v1"), image.root.digest.clone().into()] {
            let manifest = client.manifest(&repository, &identifier).unwrap();
            assert_eq!(manifest.bytes(), image.root.bytes, "{encoding}");
        }
        assert_eq!(client.tags(&repository).unwrap().len(), 1, "{encoding}");
        for (blob, bytes) in &image.blobs {
            assert_eq!(
                &read(&client, &repository, blob, 0).unwrap(),
                &**bytes,
                "{encoding}"
            );
            assert_eq!(
                read(&client, &repository, blob, 5).unwrap(),
                bytes[5..],
                "{encoding}"
            );
        }
    }
}

#[test]
fn a_blob_that_is_really_encoded_is_refused_as_such() {
    // One gets smaller by it, the other larger.
    for bytes in [vec![7; 10_000], content(10_000)] {
        for chunked_answers in [false, true] {
            let registry = ScriptedRegistry::with(Options {
                chunked_answers,
                ..Options::default()
            });
            let encoded = Reply::status(200)
                .header("Content-Encoding", "gzip")
                .body(gzip(&bytes));
            registry.fault(Fault::new("GET", "/blobs/", Action::Answer(encoded)).every());
            let blob = descriptor(&bytes);
            for offset in [0, 9_000] {
                let error = read(&client(), &repository(&registry, "a"), &blob, offset).unwrap_err();
                assert!(
                    error.to_string().contains("the blob came encoded as gzip"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn a_web_page_in_place_of_a_blob_is_reported() {
    let bytes = content(10_000);
    for chunked_answers in [false, true] {
        let registry = ScriptedRegistry::with(Options {
            chunked_answers,
            ..Options::default()
        });
        let blob = put(&registry, "a", &bytes);
        for length in [10, 100_000] {
            registry.clear_faults();
            let page = format!("<html>{}</html>", "log in ".repeat(length / 7));
            let page = Reply::status(200)
                .header("Content-Type", "text/html; charset=utf-8")
                .body(page);
            registry.fault(Fault::new("GET", "/blobs/", Action::Answer(page)).every());
            let error = client()
                .read_blob(&repository(&registry, "a"), &blob, 1 << 20)
                .unwrap_err();
            assert!(error.to_string().contains("the answer is a web page"), "{error}");
            let hint = error.hint().unwrap();
            assert!(
                hint.contains("NO_PROXY") && !hint.contains("damaged"),
                "{length} {chunked_answers}: {hint}"
            );
        }
        // A blob that is served as a web page is still the blob.
        registry.clear_faults();
        let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
        registry.fault(Fault::new("GET", "/blobs/", Action::Headers(headers)).every());
        assert_eq!(
            read(&client(), &repository(&registry, "a"), &blob, 0).unwrap(),
            bytes
        );
    }
}

#[test]
fn a_web_page_that_answers_a_push_is_no_success() {
    let page = Reply::status(200)
        .header("Content-Type", "text/html")
        .body("<html>log in</html>");
    let bytes = content(10_000);
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let manifest = RawManifest::parse(image.root.bytes.clone(), None).unwrap();
    for (method, path) in [
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
    ] {
        let registry = ScriptedRegistry::start();
        registry.fault(Fault::new(method, path, Action::Answer(page.clone())).every());
        let (client, repository) = (client(), repository(&registry, "a"));
        let pushed = match path {
            "/manifests/" => client.push_manifest(&repository, &tag("v1"), &manifest),
            _ => client.push_blob(
                &repository,
                &descriptor(&bytes),
                &mut opener(&bytes, &mut Vec::new()),
            ),
        };
        let error = pushed.unwrap_err();
        assert!(
            error.to_string().contains("200 OK: the answer is a web page"),
            "{method} {path}: {error}"
        );
    }
}

/// Reads a blob whose storage answers like this; returns the error.
fn from_storage(reply: Reply) -> (transload_registry_client::Error, ScriptedRegistry) {
    let registry = ScriptedRegistry::with(Options {
        redirect_blobs: true,
        ..Options::default()
    });
    let blob = put(&registry, "a", b"abc");
    registry.fault(Fault::new("GET", "/content/", Action::Answer(reply)).every());
    let opened = client().open_blob(&repository(&registry, "a"), &blob, 0);
    (opened.unwrap_err(), registry)
}

#[test]
fn a_storage_says_why_and_tells_no_secrets() {
    for code in ["RequestTimeTooSkewed", "SignatureDoesNotMatch"] {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>It isn't right.</Message>\
             <AWSAccessKeyId>AKIASECRET</AWSAccessKeyId><StringToSign>SECRET</StringToSign></Error>"
        );
        let reply = Reply::status(403)
            .header("Content-Type", "application/xml")
            .body(body);
        let (error, _registry) = from_storage(reply);
        assert_eq!(
            (error.code(), error.message()),
            (Some(code), Some("It isn't right."))
        );
        let text = format!("{error:#} {error:?}");
        assert!(text.contains("its clock"), "{text}");
        assert!(!text.contains("web page") && !text.contains("SECRET"), "{text}");
    }
}

#[test]
fn a_page_in_a_storages_place_is_no_storages_refusal() {
    let page = Reply::status(403)
        .header("Content-Type", "text/html")
        .body("<html>blocked</html>");
    let (error, registry) = from_storage(page);
    assert!(
        error
            .to_string()
            .contains("403 Forbidden: the answer is a web page"),
        "{error}"
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(&format!("check that {} is", registry.content_host().unwrap()))
            && !hint.contains("clock"),
        "{hint}"
    );
}

#[test]
fn a_refused_media_type_is_named_with_a_hint() {
    let image = samples::single(Family::Docker, "linux/amd64", 1);
    let media_type = image.root.media_type.as_str();
    let manifest = RawManifest::parse(image.root.bytes.clone(), Some(media_type)).unwrap();
    let detail = format!(
        r#"{{"errors":[{{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{{"mediaType":"{media_type}"}}}}]}}"#
    );
    for (status, body) in [(415, detail.as_str()), (400, detail.as_str()), (415, "")] {
        let registry = ScriptedRegistry::start();
        let reply = Reply::status(status).body(body);
        registry.fault(Fault::new("PUT", "/manifests/", Action::Answer(reply)).every());
        let pushed = client().push_manifest(&repository(&registry, "a"), &tag("v1"), &manifest);
        let error = pushed.unwrap_err();
        assert!(error.to_string().contains(media_type), "{error}");
        assert!(error.hint().unwrap().contains("docker2s2"), "{:?}", error.hint());
        assert_eq!(registry.log().requests().len(), 1);
    }
}

#[test]
fn a_registry_that_misreads_its_own_files_gets_the_manifest_again() {
    let registry = ScriptedRegistry::start();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.put_image("a", "v0", &image);
    let media_type = image.root.media_type.as_str();
    let manifest = RawManifest::parse(image.root.bytes.clone(), Some(media_type)).unwrap();
    for identifier in [manifest.digest().clone().into(), tag("v1")] {
        registry.log().clear();
        let refusal = Reply::status(400).error("DIGEST_INVALID", "invalid checksum digest format");
        registry.fault(Fault::new("PUT", "/manifests/", Action::Answer(refusal)).first(1));
        let pushed = client().push_manifest(&repository(&registry, "a"), &identifier, &manifest);
        pushed.unwrap();
        assert_eq!(registry.log().count("PUT", "/manifests/"), 2, "{identifier}");
    }
}

#[test]
fn a_registry_that_knows_sha256_alone_gets_a_hint() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let digest = Digest::with(Algorithm::Sha512, &image.root.bytes);
    let media_type = image.root.media_type.as_str();
    let manifest = RawManifest::verified(image.root.bytes.clone(), Some(media_type), &digest).unwrap();
    let by_digest: Identifier = digest.clone().into();
    let start = || {
        let registry = ScriptedRegistry::start();
        registry.put_image("a", "v0", &image);
        registry
    };
    let push = |registry: &ScriptedRegistry, identifier: &Identifier| {
        client().push_manifest(&repository(registry, "a"), identifier, &manifest)
    };
    push(&start(), &by_digest).unwrap();

    let registry = start();
    let refusal = Reply::status(400).error("DIGEST_INVALID", "provided digest did not match");
    registry.fault(Fault::new("PUT", "/manifests/", Action::Answer(refusal)));
    let error = push(&registry, &by_digest).unwrap_err();
    assert!(error.to_string().contains("this one is sha512"), "{error}");
    assert!(
        error.hint().unwrap().contains("sha256 only"),
        "{:?}",
        error.hint()
    );

    // It takes the manifest, and names it in its own way.
    let headers = vec![("Docker-Content-Digest".to_owned(), image.root.digest.to_string())];
    let renaming = || Fault::new("PUT", "/manifests/", Action::Headers(headers.clone())).every();
    let registry = start();
    registry.fault(renaming());
    push(&registry, &by_digest).unwrap();
    push(&registry, &tag("v1")).unwrap();
    registry.fault(Fault::new("HEAD", "/manifests/sha512:", Action::Answer(Reply::status(404))).every());
    push(&registry, &tag("v1")).unwrap();
    let error = push(&registry, &by_digest).unwrap_err();
    let expected = format!(
        "stored the manifest as {} and doesn't have it as {digest}",
        image.root.digest
    );
    assert!(
        matches!(error.kind(), ErrorKind::Protocol(message) if message.contains(&expected)),
        "{error}"
    );
}
