//! Bundles whose bytes changed, and bundles that lie.

use std::fs;
use std::io;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use transload_archive::bundle::Bundle;
use transload_reference::{Digest, Verifier, VerifyingReader};

use crate::{bundle, files};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_flipped_bit_is_named_wherever_it_is(file in 0_usize..100, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (folder, _) = bundle(&[90_000, 150_000, 10], 70_000);
        let all = files(folder.path());
        let (name, mut bytes) = all[file % all.len()].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(folder.path().join(&name), &bytes).unwrap();
        let told = match Bundle::open(folder.path(), &[]) {
            Ok(bundle) => match bundle.check(&AtomicBool::new(false), &|_| {}) {
                Ok(flaws) => flaws.iter().map(|flaw| flaw.to_string() + "\n").collect(),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        prop_assert!(told.contains(&name) || told.contains("BUNDLE.json") || told.contains("SHA256SUMS"), "{}: {}", name, told);
    }
}

#[test]
fn a_list_that_lies_is_refused_and_says_of_what() {
    let (folder, _) = bundle(&[30_000, 90_000], 70_000);
    let path = folder.path().join("BUNDLE.json");
    let text = fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let change = |pointer: &str, to: serde_json::Value| {
        let mut changed = value.clone();
        *changed.pointer_mut(pointer).unwrap() = to;
        changed
    };
    let blob = value.pointer("/carried/0").unwrap().clone();
    let offset = blob.pointer("/parts/0/offset").unwrap().as_u64().unwrap();
    for (lie, told) in [
        (
            change("/carried/0/parts/0/offset", (offset + 512).into()),
            "can't be at offset",
        ),
        (
            change("/carried/0/parts/0/offset", u64::MAX.into()),
            "can't be at offset",
        ),
        (change("/carried/0/parts/0/volume", 9.into()), "is in volume 9"),
        (change("/carried/0/parts/0/volume", 0.into()), "is in volume 0"),
        (change("/carried/0/size", 1.into()), "aren't its 1 bytes"),
        (change("/carried/0/parts", serde_json::json!([])), "the parts of"),
        (change("/carried", serde_json::json!([])), "bytes of contents"),
        (
            change(
                "/required",
                serde_json::json!([{"digest": blob["digest"], "size": 1}]),
            ),
            "twice",
        ),
        (
            change("/images/0/digest", Digest::of(b"x").to_string().into()),
            "of an image isn't listed",
        ),
        (
            change("/images/0/name", "../../etc".into()),
            "isn't an image's name",
        ),
        (
            change("/images/1/name", value.pointer("/images/0/name").unwrap().clone()),
            "an image twice",
        ),
        (
            change("/volumes/0/file", "../vol-0001.tar".into()),
            "volume 1 is called",
        ),
        (change("/volumes/0/size", 1.into()), "has no room"),
        (change("/volumes/0/size", u64::MAX.into()), "which no file has"),
        (change("/volumes", serde_json::json!([])), "it has 0 volumes"),
        (
            change("/version", 3.into()),
            "is a bundle of version 3; this transload reads versions 1 and 2",
        ),
        (change("/version", 0.into()), "is a bundle of version 0"),
        (change("/format", "zip".into()), "it isn't a bundle's list"),
    ] {
        fs::write(&path, lie.to_string()).unwrap();
        let error = Bundle::open(folder.path(), &[]).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    // One that fits its form is found out by the volumes, which name the bundle that they are of.
    let lie = text.replace(
        &format!("\"digest\":{}", blob["digest"]),
        &format!("\"digest\":\"{}\"", Digest::of(b"x")),
    );
    fs::write(&path, lie).unwrap();
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    assert_eq!(
        bundle.lost_volumes().count(),
        value["volumes"].as_array().unwrap().len()
    );
}

#[test]
fn a_hostile_bundle_whose_files_agree_is_found_out_by_its_digests() {
    let (folder, blobs) = bundle(&[30_000], 70_000);
    let digest = blobs.iter().find(|(_, bytes)| bytes.len() == 30_000).unwrap().0;
    let volume = folder.path().join("vol-0001.tar");
    let mut bytes = fs::read(&volume).unwrap();
    let at = bytes.len() - 20_000;
    bytes[at] ^= 1;
    fs::write(&volume, &bytes).unwrap();
    let sums = fs::read_to_string(folder.path().join("SHA256SUMS")).unwrap();
    let lines = sums.lines().map(|line| match line.ends_with("vol-0001.tar") {
        true => format!("{}  vol-0001.tar\n", Digest::of(&bytes).hex()),
        false => format!("{line}\n"),
    });
    fs::write(folder.path().join("SHA256SUMS"), lines.collect::<String>()).unwrap();
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    let flaws = bundle.check(&AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!(flaws.len(), 1, "{flaws:?}");
    assert_eq!(flaws[0].spot.as_ref().unwrap().digest.as_ref(), Some(digest));
    assert_eq!(
        flaws[0]
            .images
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["hub.local/team/app0:v1"]
    );
    let opened = bundle.open_blob(digest, 0).unwrap();
    let mut verified = VerifyingReader::new(opened, Verifier::new(digest, 30_000));
    assert!(io::copy(&mut verified, &mut io::sink()).is_err());
}

#[test]
fn a_hundred_flipped_bits_are_each_named_by_volume_offset_digest_and_image() {
    let (folder, _) = bundle(&[90_000, 150_000, 10], 200_000);
    let list = fs::read(folder.path().join("BUNDLE.json")).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    let volumes: Vec<(String, Vec<u8>)> = files(folder.path())
        .into_iter()
        .filter(|(name, _)| name.starts_with("vol-"))
        .collect();
    assert!(volumes.len() > 1);
    let number = |value: &serde_json::Value| value.as_u64().unwrap() as usize;
    let mut state = 1_usize;
    for flip in 0..100 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (name, bytes) = &volumes[flip % volumes.len()];
        // What a volume begins with is looked at when it is opened.
        let at = 1024 + (state >> 16) % (bytes.len() - 1024);
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (state % 8);
        fs::write(folder.path().join(name), damaged).unwrap();
        let checked = Bundle::open(folder.path(), &[]).unwrap();
        let flaws = checked.check(&AtomicBool::new(false), &|_| {}).unwrap();
        let things = ["manifests", "carried"]
            .iter()
            .flat_map(|kind| list[kind].as_array().unwrap());
        let hit = things.chain([&list["index"]]).find(|thing| {
            let parts = thing["parts"].as_array().unwrap().iter();
            let mut here =
                parts.filter(|part| name.ends_with(&format!("{:04}.tar", number(&part["volume"]))));
            here.any(|part| {
                (number(&part["offset"])..number(&part["offset"]) + number(&part["size"])).contains(&at)
            })
        });
        let flaw = &flaws[0];
        let spot = flaw.spot.as_ref().unwrap();
        assert!(flaw.path.ends_with(name), "{flaw}");
        match hit {
            Some(thing) => {
                assert_eq!(
                    spot.digest.as_ref().unwrap().to_string(),
                    thing["digest"],
                    "{flaw}"
                );
                assert_eq!(
                    spot.offset as usize,
                    number(&thing["parts"][0]["offset"]),
                    "{flaw}"
                );
                let is_index = thing["digest"] == list["index"]["digest"];
                assert!(is_index || !flaw.images.is_empty(), "{flaw}");
            }
            None => assert!(spot.digest.is_none() && spot.offset as usize <= at, "{flaw}"),
        }
        fs::write(folder.path().join(name), bytes).unwrap();
    }
}
