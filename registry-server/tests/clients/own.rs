use std::io::Read;

use transload_layout_store::{Format, Store};
use transload_reference::{RawManifest, Reference, ReferrerTag, Repository, Verifier, VerifyingReader};
use transload_registry_client::Client;
use transload_test_support::image::{Family, Image, ImageBuilder, IndexBuilder, samples};

use super::Served;

fn client() -> Client {
    Client::builder()
        .plain_http(Some(true))
        .proxies_from_env(false)
        .build()
        .unwrap()
}

fn push(client: &Client, name: &Reference, image: &Image) {
    for (descriptor, bytes) in &image.blobs {
        let open = |offset: u64| -> std::io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(std::io::Cursor::new(
                bytes[usize::try_from(offset).unwrap()..].to_vec(),
            )))
        };
        client
            .push_blob(name.repository(), descriptor, &mut { open })
            .unwrap();
    }
    for document in &image.manifests {
        let manifest =
            RawManifest::parse(document.bytes.clone(), Some(document.media_type.as_str())).unwrap();
        let identifier = match document.digest == image.root.digest {
            true => name.identifier(),
            false => document.digest.clone().into(),
        };
        client
            .push_manifest(name.repository(), &identifier, &manifest)
            .unwrap();
    }
}

fn assert_pulls(client: &Client, name: &Reference, image: &Image) {
    let root = client.manifest(name.repository(), &name.identifier()).unwrap();
    assert_eq!(root.bytes(), image.root.bytes);
    for document in &image.manifests {
        let manifest = client
            .manifest(name.repository(), &document.digest.clone().into())
            .unwrap();
        assert_eq!(manifest.bytes(), document.bytes);
    }
    for (descriptor, bytes) in &image.blobs {
        let reader = client.open_blob(name.repository(), descriptor, 0).unwrap();
        let mut got = Vec::new();
        VerifyingReader::new(reader, Verifier::of(descriptor))
            .read_to_end(&mut got)
            .unwrap();
        assert_eq!(&got, bytes);
        if descriptor.size > 10 {
            let part = client
                .open_blob_part(name.repository(), descriptor, 3..7)
                .unwrap();
            got.clear();
            part.expect("ranges are served").read_to_end(&mut got).unwrap();
            assert_eq!(got, bytes[3..7]);
        }
    }
}

#[test]
fn the_client_pushes_pulls_lists_and_finds_referrers() {
    let large = ImageBuilder::new(Family::Oci).noise_layer(1, 3_000_000).build();
    let image = IndexBuilder::new(Family::Oci).image(&large).build();
    let artifact = samples::artifact(&image);
    for format in [Format::KubeKey, Format::Oci] {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::writable(folder.path(), format);
        let client = client();
        let name: Reference = format!("{}/team/app:v1", served.address).parse().unwrap();
        push(&client, &name, &image);
        push(&client, &name.by_digest(artifact.digest()), &artifact);
        assert_pulls(&client, &name, &image);
        let mut expected = vec!["v1".to_owned()];
        if format == Format::Oci {
            // Programs that know no referrers API find them in a layout by a tag.
            expected.insert(0, ReferrerTag::Index.of(image.digest()).to_string());
        }
        let tags = client.tags(name.repository()).unwrap();
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        assert_eq!(tags, expected);
        let referrers = client.referrers(name.repository(), image.digest(), None).unwrap();
        assert_eq!(referrers[0].digest, *artifact.digest());
        let other: Repository = format!("{}/team/other", served.address).parse().unwrap();
        let layer = &large.blobs[0].0.digest;
        assert!(client.mount_blob(&other, layer, name.repository()).unwrap());
        drop(served);
        let store = Store::open(folder.path()).unwrap();
        for (descriptor, _) in &image.blobs {
            assert!(store.check_blob(descriptor).unwrap());
        }
        assert!(store.uploads().unwrap().is_empty());
    }
}

#[test]
fn many_clients_pull_at_once() {
    let image = ImageBuilder::new(Family::Oci).noise_layer(1, 1_000_000).build();
    let folder = tempfile::tempdir().unwrap();
    let served = Served::writable(folder.path(), Format::KubeKey);
    let name: Reference = format!("{}/team/app:v1", served.address).parse().unwrap();
    push(&client(), &name, &image);
    drop(served);
    let served = Served::of(folder.path());
    let name: Reference = format!("{}/team/app:v1", served.address).parse().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_pulls(&client(), &name, &image));
        }
    });
}
