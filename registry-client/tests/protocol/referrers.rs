//! Lists of referrers: the API, the referrers tag, and writing to the list under the tag.

use std::thread;

use transload_reference::{
    Descriptor, Digest, Identifier, MediaType, RawManifest, ReferrerTag, ReferrersIndex, Repository,
};
use transload_registry_client::Client;
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::scripted::{Action, Fault, Options, Referrers, Reply};

use crate::help::*;

fn registry_with(referrers: Referrers) -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        referrers,
        sparse_indexes: true,
        ..Options::default()
    })
}

/// An image with an artifact about it.
fn image_and_artifact() -> (Image, Image) {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let artifact = samples::artifact(&image);
    (image, artifact)
}

fn digests(client: &Client, repository: &Repository, subject: &Digest) -> Vec<Digest> {
    let found = client.referrers(repository, subject, None).unwrap();
    found.into_iter().map(|referrer| referrer.digest).collect()
}

/// An entry of a list. No manifest has it.
fn entry(name: &str) -> Descriptor {
    let mut entry = Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(name.as_bytes()), 1);
    entry.artifact_type = Some(format!("application/{name}"));
    entry
}

fn listed(client: &Client, repository: &Repository, subject: &Digest) -> Vec<Digest> {
    let tag: Identifier = ReferrerTag::Index.of(subject).into();
    let index = ReferrersIndex::of(&client.manifest(repository, &tag).unwrap()).unwrap();
    let mut digests: Vec<Digest> = index
        .referrers()
        .iter()
        .map(|entry| entry.digest.clone())
        .collect();
    digests.sort();
    digests
}

#[test]
fn a_registry_without_the_api_is_asked_for_it_once() {
    let registry = registry_with(Referrers::Off);
    let (client, repository) = (client(), repository(&registry, "a"));
    for name in ["one", "two", "three"] {
        assert_eq!(digests(&client, &repository, &Digest::of(name.as_bytes())), []);
    }
    assert_eq!(registry.log().count("GET", "/referrers/"), 1);
    assert_eq!(registry.log().count("GET", "/manifests/sha256-"), 3);
}

#[test]
fn a_missing_repository_teaches_nothing_about_the_api() {
    let registry = registry_with(Referrers::Unfiltered);
    let (image, artifact) = image_and_artifact();
    registry.put_image("a", "v1", &image);
    registry.put_image("a", "artifact", &artifact);
    let unknown = Reply::status(404).error("NAME_UNKNOWN", "no such repository");
    registry.fault(Fault::new("GET", "/referrers/", Action::Answer(unknown)).nth(1));
    let (client, repository) = (client(), repository(&registry, "a"));
    assert_eq!(digests(&client, &repository, image.digest()), []);
    assert_eq!(
        digests(&client, &repository, image.digest()),
        [artifact.digest().clone()]
    );
}

#[test]
fn what_one_registry_lacks_another_may_have() {
    let (without, with) = (
        registry_with(Referrers::Off),
        registry_with(Referrers::Unfiltered),
    );
    let (image, artifact) = image_and_artifact();
    with.put_image("a", "v1", &image);
    with.put_image("a", "artifact", &artifact);
    let client = client();
    assert_eq!(digests(&client, &repository(&without, "a"), image.digest()), []);
    assert_eq!(
        digests(&client, &repository(&with, "a"), image.digest()),
        [artifact.digest().clone()]
    );
}

#[test]
fn a_list_is_written_only_where_the_api_is_missing() {
    let registry = registry_with(Referrers::Unfiltered);
    let (image, artifact) = image_and_artifact();
    registry.put_image("a", "v1", &image);
    registry.put_image("a", "artifact", &artifact);
    let (client, repository) = (client(), repository(&registry, "a"));
    let manifest = RawManifest::parse(artifact.root.bytes.clone(), None).unwrap();
    let digest: Identifier = manifest.digest().clone().into();
    client.push_manifest(&repository, &digest, &manifest).unwrap();
    let referrer = manifest.referrer().unwrap();
    client
        .add_referrers(&repository, image.digest(), &[referrer])
        .unwrap();
    let log = registry.log();
    assert_eq!(
        (
            log.count("GET", "/referrers/"),
            log.count("PUT", "/manifests/sha256-")
        ),
        (0, 0),
        "the answer to the push told of the API"
    );
}

#[test]
fn a_list_keeps_what_others_put_there() {
    let registry = registry_with(Referrers::Off);
    let (client, repository) = (client(), repository(&registry, "a"));
    let subject = Digest::of(b"subject");
    let add = |names: &[&str]| {
        let entries: Vec<Descriptor> = names.iter().map(|name| entry(name)).collect();
        client.add_referrers(&repository, &subject, &entries)
    };
    add(&["one", "two"]).unwrap();
    add(&["three"]).unwrap();
    let writes = registry.log().count("PUT", "/manifests/");
    add(&["two", "three"]).unwrap();
    assert_eq!(
        registry.log().count("PUT", "/manifests/"),
        writes,
        "all are listed: nothing is written"
    );
    let mut expected = ["one", "two", "three"].map(|name| entry(name).digest);
    expected.sort();
    assert_eq!(listed(&client, &repository, &subject), expected);
    let found = client
        .referrers(&repository, &subject, Some("application/two"))
        .unwrap();
    assert_eq!(found, [entry("two")]);
}

#[test]
fn a_list_that_another_writer_replaces_is_written_again() {
    let registry = registry_with(Referrers::Off);
    let (client, repository) = (client(), repository(&registry, "a"));
    let subject = Digest::of(b"subject");
    // The second look, after the first write, finds the list of another writer.
    let other: ReferrersIndex = [entry("other")].into_iter().collect();
    let replaced = Reply::status(200)
        .header("Content-Type", MediaType::OCI_INDEX.as_str())
        .body(other.to_manifest().unwrap().bytes().to_vec());
    registry.fault(Fault::new("GET", "/manifests/sha256-", Action::Answer(replaced)).nth(2));
    client
        .add_referrers(&repository, &subject, &[entry("own")])
        .unwrap();
    let mut expected = ["own", "other"].map(|name| entry(name).digest);
    expected.sort();
    assert_eq!(listed(&client, &repository, &subject), expected);
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let registry = registry_with(Referrers::Off);
    let repository = repository(&registry, "a");
    let subject = Digest::of(b"subject");
    let names = ["one", "two", "three", "four"];
    thread::scope(|scope| {
        for name in names {
            let (repository, subject) = (&repository, &subject);
            scope.spawn(move || {
                client()
                    .add_referrers(repository, subject, &[entry(name)])
                    .unwrap()
            });
        }
    });
    let mut expected = names.map(|name| entry(name).digest);
    expected.sort();
    assert_eq!(listed(&client(), &repository, &subject), expected);
}

#[test]
fn a_list_that_is_replaced_again_and_again_ends_with_an_error() {
    let registry = registry_with(Referrers::Off);
    let (client, repository) = (client(), repository(&registry, "a"));
    let empty = ReferrersIndex::default().to_manifest().unwrap();
    let replaced = Reply::status(200).body(empty.bytes().to_vec());
    registry.fault(Fault::new("GET", "/manifests/sha256-", Action::Answer(replaced)).every());
    let error = client
        .add_referrers(&repository, &Digest::of(b"subject"), &[entry("own")])
        .unwrap_err();
    assert!(error.to_string().contains("other writers replaced it"), "{error}");
    assert_eq!(registry.log().count("PUT", "/manifests/"), 10);
}
