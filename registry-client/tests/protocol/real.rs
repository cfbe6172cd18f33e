//! The distribution registry in several shapes: TLS with a private CA, client certificates, passwords, tokens.

use std::time::Duration;

use transload_reference::{RawManifest, Repository};
use transload_registry_client::{Client, ErrorKind, HostRule, Lookup, Network, RetryPolicy};
use transload_test_support::RealRegistry;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::real::{Auth, Tls};

use crate::help::*;

fn rule(registry: &RealRegistry, tls: Tls) -> HostRule {
    let mut rule = HostRule::new(registry.host());
    rule.credential = Some(user());
    match tls {
        Tls::Off => rule.plain_http = Some(true),
        _ => rule.ca_file = Some(registry.ca_file()),
    }
    if tls == Tls::Mutual {
        rule.cert_file = Some(registry.cert_file());
        rule.key_file = Some(registry.key_file());
    }
    rule
}

fn client_with(rule: HostRule) -> Client {
    builder().plain_http(None).hosts(vec![rule]).build().unwrap()
}

fn push_image(client: &Client, repository: &Repository, image: &Image) {
    for (blob, bytes) in &image.blobs {
        client
            .push_blob(repository, blob, &mut opener(bytes, &mut Vec::new()))
            .unwrap();
        assert_eq!(
            client.has_blob(repository, &blob.digest).unwrap(),
            Some(blob.size)
        );
    }
    for document in &image.manifests {
        let manifest = RawManifest::parse(document.bytes.clone(), None).unwrap();
        client
            .push_manifest(repository, &document.digest.clone().into(), &manifest)
            .unwrap();
    }
    let root = RawManifest::parse(image.root.bytes.clone(), None).unwrap();
    client.push_manifest(repository, &tag("v1"), &root).unwrap();
}

#[test]
fn images_go_to_and_come_from_every_shape_of_registry() {
    let shapes = [
        (Tls::Off, Auth::Off),
        (Tls::Server, Auth::Htpasswd),
        (Tls::Mutual, Auth::Off),
        (
            Tls::Off,
            Auth::Token {
                lifetime: Duration::from_secs(300),
            },
        ),
    ];
    for (tls, auth) in shapes {
        let registry = RealRegistry::start(tls, auth);
        let client = client_with(rule(&registry, tls));
        let repository: Repository = format!("{}/team/app", registry.host()).parse().unwrap();
        let image = samples::multi_platform(Family::Oci, 1);
        push_image(&client, &repository, &image);
        assert_eq!(
            client.resolve(&repository, &tag("v1")).unwrap().digest,
            image.root.digest,
            "{tls:?} {auth:?}"
        );
        for (blob, bytes) in &image.blobs {
            assert_eq!(&read(&client, &repository, blob, 0).unwrap(), &**bytes);
        }
        let other: Repository = format!("{}/other", registry.host()).parse().unwrap();
        assert!(
            client
                .mount_blob(&other, &image.blobs[0].0.digest, &repository)
                .unwrap()
        );
        assert_eq!(client.tags(&repository).unwrap(), ["v1"]);
        client.ping(repository.registry()).unwrap();
    }
}

#[test]
fn tokens_that_hardly_live_are_renewed_all_along() {
    let lifetime = Duration::from_secs(1);
    let registry = RealRegistry::start(Tls::Off, Auth::Token { lifetime });
    let client = client_with(rule(&registry, Tls::Off));
    let repository: Repository = format!("{}/team/app", registry.host()).parse().unwrap();
    push_image(&client, &repository, &samples::multi_platform(Family::Docker, 1));
    let before = registry.token_requests().len();
    // The end of a token is time itself; nothing announces it.
    std::thread::sleep(lifetime + Duration::from_millis(1500));
    client.resolve(&repository, &tag("v1")).unwrap();
    assert!(registry.token_requests().len() > before);
}

#[test]
fn a_private_authority_must_be_known_or_checking_be_off() {
    let registry = RealRegistry::start(Tls::Server, Auth::Off);
    let repository: Repository = format!("{}/a", registry.host()).parse().unwrap();
    let ask = |builder: transload_registry_client::ClientBuilder| {
        let client = builder
            .plain_http(None)
            .retry(RetryPolicy::attempts(3))
            .build()
            .unwrap();
        client.find_manifest(&repository, &tag("v1"))
    };
    let error = ask(builder()).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Network {
                network: Network::UnknownIssuer,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.attempts(), 1, "trying again wouldn't help");
    let hint = error.hint().unwrap();
    assert!(hint.contains("ca_file") && hint.contains("insecure"), "{hint}");
    assert_eq!(ask(builder().skip_tls_verify(true)).unwrap(), Lookup::Missing);
    let mut insecure = HostRule::new(registry.host());
    insecure.insecure = Some(true);
    assert_eq!(ask(builder().hosts(vec![insecure])).unwrap(), Lookup::Missing);
    // A rule that says nothing of it isn't covered by the default.
    let bare = HostRule::new(registry.host());
    assert!(ask(builder().skip_tls_verify(true).hosts(vec![bare])).is_err());
    let mut known = HostRule::new(registry.host());
    known.ca_file = Some(registry.ca_file());
    assert_eq!(ask(builder().hosts(vec![known])).unwrap(), Lookup::Missing);
}

#[test]
fn a_missing_client_certificate_is_asked_for() {
    let registry = RealRegistry::start(Tls::Mutual, Auth::Off);
    let mut rule = HostRule::new(registry.host());
    rule.ca_file = Some(registry.ca_file());
    let repository: Repository = format!("{}/a", registry.host()).parse().unwrap();
    let error = client_with(rule)
        .find_manifest(&repository, &tag("v1"))
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Network {
                network: Network::ClientCertificate,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("cert_file"));
}

#[test]
fn a_certificate_and_a_key_that_do_not_match_are_refused_before_anything_moves() {
    let registry = RealRegistry::start(Tls::Mutual, Auth::Off);
    let build = |cert: Option<std::path::PathBuf>, key: Option<std::path::PathBuf>| {
        let mut rule = HostRule::new("hub.local");
        rule.cert_file = cert;
        rule.key_file = key;
        builder()
            .hosts(vec![rule])
            .build()
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let (cert, key, ca) = (registry.cert_file(), registry.key_file(), registry.ca_file());
    assert_eq!(build(Some(cert.clone()), Some(key.clone())), Ok(()));
    assert!(build(Some(ca), Some(key)).unwrap_err().contains("doesn't match"));
    assert!(build(Some(cert.clone()), None).unwrap_err().contains("key_file"));
    assert!(
        build(Some(cert.clone()), Some(cert))
            .unwrap_err()
            .contains("no private key")
    );
}

#[test]
fn https_spoken_to_plain_http_and_the_other_way_is_explained() {
    let plain = RealRegistry::plain();
    let repository: Repository = format!("{}/a", plain.host()).parse().unwrap();
    let strict = builder().plain_http(Some(false)).build().unwrap();
    let error = strict.find_manifest(&repository, &tag("v1")).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Network {
                network: Network::NotTls,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("plain_http"));
    let tls = RealRegistry::start(Tls::Server, Auth::Off);
    let repository: Repository = format!("{}/a", tls.host()).parse().unwrap();
    let error = client().manifest(&repository, &tag("v1")).unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert!(error.hint().unwrap().contains("HTTPS"), "{:?}", error.hint());
}
