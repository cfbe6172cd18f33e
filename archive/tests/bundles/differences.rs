//! Bundles some of whose layers travel as differences.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use transload_archive::bundle::{Difference, Held, Place};
use transload_archive::difference::MOST_PLAIN;

use super::*;

/// What stands for a difference; the bundle doesn't look into it.
const DIFFERENCE: &[u8] = &[7; 5000];

/// A bundle of two images, the own layer of the first as a difference, and that layer.
fn with_difference(limit: u64) -> (TempDir, Digest, Difference) {
    let (images, mut blobs) = images(&[40_000, 50_000]);
    let layer = blobs.iter().find(|(_, bytes)| bytes.len() == 40_000).unwrap().0;
    let layer = layer.clone();
    let difference = Difference {
        size: 40_000,
        base: Digest::of(b"the old layer"),
        base_size: 39_000,
        base_repository: Some("team/old".to_owned()),
        digest: Digest::of(DIFFERENCE),
        difference_size: DIFFERENCE.len() as u64,
    };
    let mut base = Holdings::default();
    base.add_blob(
        &difference.base,
        Held::new(39_000, difference.base_repository.clone()),
    );
    let differences = BTreeMap::from([(layer.clone(), difference.clone())]);
    let wanted = Wanted::beyond(base).with_differences(differences);
    let plan = BundlePlan::new(images, &wanted, VolumeSize::of(limit)).unwrap();
    blobs.insert(Digest::of(DIFFERENCE), DIFFERENCE.to_vec());
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &plan, &blobs);
    (folder, layer, difference)
}

#[test]
fn the_difference_is_carried_in_place_of_its_layer_and_is_found_as_one() {
    let (folder, layer, difference) = with_difference(1 << 20);
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    assert_eq!(bundle.find(&layer), Some(Place::Difference(difference.clone())));
    assert!(bundle.open_blob(&layer, 0).is_none());
    assert_eq!(read(&bundle, &difference.digest), DIFFERENCE);
    assert!(!bundle.is_complete());
    let holdings = bundle.holdings().blobs;
    // The layer is in its image's repository, even if the old layer is in another.
    let held = Held::new(40_000, Some("team/app0".to_owned()));
    assert_eq!(holdings.get(&layer), Some(&held));
    assert!(!holdings.contains_key(&difference.digest));
    no_flaws(folder.path());
    let users = bundle.users();
    assert_eq!(users.get(&difference.digest), users.get(&layer));
    let list = fs::read_to_string(folder.path().join("BUNDLE.json")).unwrap();
    assert!(list.contains("\"version\":2,"), "{list}");
}

#[test]
fn without_differences_a_list_says_nothing_of_them() {
    let (folder, _) = bundle(&[100], 1 << 20);
    let list = fs::read_to_string(folder.path().join("BUNDLE.json")).unwrap();
    assert!(
        list.contains("\"version\":1,") && !list.contains("differences"),
        "{list}"
    );
}

#[test]
fn a_layer_is_lost_with_the_volume_of_its_difference() {
    let (folder, layer, _) = with_difference(70_000);
    fs::remove_file(folder.path().join("vol-0001.tar")).unwrap();
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    let volumes = vec!["vol-0001.tar isn't there".to_owned()];
    assert_eq!(
        bundle.find(&layer),
        Some(Place::Lost {
            size: 40_000,
            volumes
        })
    );
}

#[test]
fn lists_that_lie_of_differences_are_refused() {
    let (folder, layer, difference) = with_difference(1 << 20);
    let path = folder.path().join("BUNDLE.json");
    let list: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let first = &list["differences"][0];
    let change = |pointer: &str, value: Value| {
        let mut lie = list.clone();
        *lie.pointer_mut(pointer).unwrap() = value;
        lie
    };
    let with = |more: Value| change("/differences", json!([first, more]));
    let other = |changes: Value| {
        let mut other = first.clone();
        other
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        other
    };
    let carried = list["carried"].as_array().unwrap().last().unwrap()["digest"].clone();
    let unknown = json!(Digest::of(b"x").to_string());
    let own = json!(layer.to_string());
    for (lie, told) in [
        (
            change("/differences/0/difference", unknown.clone()),
            "isn't carried",
        ),
        (
            change("/differences/0/difference", own.clone()),
            "has to be rebuilt",
        ),
        (
            change("/differences/0/base", json!(difference.digest.to_string())),
            "has to be rebuilt",
        ),
        (change("/differences/0/base", own.clone()), "has to be rebuilt"),
        (change("/differences/0/base", carried.clone()), "is carried"),
        (
            change("/differences/0/base", list["images"][0]["digest"].clone()),
            "is carried",
        ),
        (change("/differences/0/digest", carried), "twice"),
        (with(first.clone()), "twice"),
        // A chain, and a circle.
        (
            with(other(json!({"digest": unknown, "base": own}))),
            "has to be rebuilt",
        ),
        (
            change(
                "/differences",
                json!([
                    other(json!({"base": unknown})),
                    other(json!({"digest": unknown, "base": own})),
                ]),
            ),
            "has to be rebuilt",
        ),
        (
            change("/differences/0/size", 5000.into()),
            "can't have 5000 bytes",
        ),
        // No program makes differences of such layers.
        (
            change("/differences/0/size", (MOST_PLAIN + 1).into()),
            "can't have",
        ),
        (
            change("/differences/0/base_size", (MOST_PLAIN + 1).into()),
            "can't have",
        ),
        (
            change("/differences/0/repository", "../etc".into()),
            "isn't a repository",
        ),
        (
            change("/differences/0/base_repository", "../etc".into()),
            "isn't a repository",
        ),
        (
            change("/differences", json!([])),
            "a list of version 2 has 0 differences",
        ),
        (
            change("/version", 1.into()),
            "a list of version 1 has 1 differences",
        ),
    ] {
        fs::write(&path, lie.to_string()).unwrap();
        let error = Bundle::open(folder.path(), &[]).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
}
