//! Bundles: written, interrupted, read with and without volumes, damaged and lied about.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Image;
use proptest::prelude::*;
use tempfile::TempDir;
use transload_archive::PlannedImage;
use transload_archive::bundle::{
    Bundle, BundleError, BundleOptions, BundlePlan, Held, Holdings, Place, VolumeSize, Wanted,
};
use transload_reference::{Descriptor, Digest, MediaType, Verifier, VerifyingReader};

mod common;

type Blobs = HashMap<Digest, Vec<u8>>;

/// Bytes that no two seeds share.
fn bytes(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![seed; size];
    for (at, byte) in bytes.iter_mut().enumerate().step_by(97) {
        *byte = byte.wrapping_add((at / 97) as u8);
    }
    bytes
}

/// Images `app0`, `app1`, …, each with the layers of these sizes, the first of which all share.
fn images(sizes: &[usize]) -> (Vec<PlannedImage>, Blobs) {
    let shared = bytes(200, 3000);
    let (mut planned, mut blobs) = (Vec::new(), Blobs::new());
    for (at, size) in sizes.iter().enumerate() {
        let own = bytes(at as u8, *size);
        let image = Image::new("amd64", &[&shared, &own], MediaType::OCI_LAYER);
        blobs.extend(image.blobs().map(|blob| (Digest::of(blob), blob.clone())));
        let name = format!("hub.local/team/app{at}:v1").parse().unwrap();
        planned.push(PlannedImage::new(name, image.manifest.clone(), Vec::new()));
    }
    (planned, blobs)
}

fn plan(sizes: &[usize], base: &Holdings, limit: u64) -> (BundlePlan, Blobs) {
    let (images, blobs) = images(sizes);
    let plan = BundlePlan::new(images, &Wanted::beyond(base.clone()), VolumeSize::of(limit));
    (plan.unwrap(), blobs)
}

fn write_with(options: &BundleOptions, folder: &Path, plan: &BundlePlan, blobs: &Blobs) -> Result<bool, BundleError> {
    let mut open = |blob: &Descriptor, offset: u64| {
        let bytes = blobs.get(&blob.digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(bytes[offset as usize..].to_vec())) as Box<dyn Read + Send>)
    };
    options.write(folder, plan, &mut open, &mut |_, _| {})
}

fn write(folder: &Path, plan: &BundlePlan, blobs: &Blobs) {
    assert!(write_with(&BundleOptions::default(), folder, plan, blobs).unwrap());
}

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<_> = entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

fn read(bundle: &Bundle, digest: &Digest) -> Vec<u8> {
    let mut bytes = Vec::new();
    bundle.open_blob(digest, 0).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn no_flaws(folder: &Path) {
    let bundle = Bundle::open(folder, &[]).unwrap();
    let flaws = bundle.check(&AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!(flaws, []);
}

fn bundle(sizes: &[usize], limit: u64) -> (TempDir, Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let (plan, blobs) = plan(sizes, &Holdings::default(), limit);
    write(folder.path(), &plan, &blobs);
    (folder, blobs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read_back_whatever_the_sizes_and_the_limit(
        sizes in prop::collection::vec(0_usize..200_000, 1..5),
        limit in 65_536_u64..400_000,
    ) {
        let (folder, blobs) = bundle(&sizes, limit);
        let bundle = Bundle::open(folder.path(), &[]).unwrap();
        prop_assert!(bundle.is_complete());
        prop_assert_eq!(bundle.images().len(), sizes.len());
        for (digest, expected) in &blobs {
            prop_assert_eq!(&read(&bundle, digest), expected);
        }
        for image in bundle.images() {
            prop_assert!(bundle.manifest(&image.digest).unwrap().is_some());
        }
        for (name, bytes) in files(folder.path()) {
            prop_assert!(!name.contains(':') && bytes.len() as u64 <= limit, "{}", name);
        }
        no_flaws(folder.path());
    }

    #[test]
    fn a_killed_writing_is_resumed_to_the_same_bytes(
        sizes in prop::collection::vec(1_usize..200_000, 1..4),
        limit in 65_536_u64..200_000,
        stops in prop::collection::vec(0_usize..600_000, 1..4),
        damage in any::<bool>(),
    ) {
        let (whole, blobs) = bundle(&sizes, limit);
        let folder = tempfile::tempdir().unwrap();
        let (plan, _) = plan(&sizes, &Holdings::default(), limit);
        for stop in stops {
            // The source ends after so many bytes, as if the process had been killed there.
            let mut left = stop;
            let mut open = |blob: &Descriptor, offset: u64| {
                let bytes = &blobs[&blob.digest][offset as usize..];
                let given = bytes.len().min(left);
                left -= given;
                let failing = Failing(given == bytes.len());
                Ok(Box::new(io::Cursor::new(bytes[..given].to_vec()).chain(failing)) as Box<dyn Read + Send>)
            };
            let _ = BundleOptions::default().write(folder.path(), &plan, &mut open, &mut |_, _| {});
            if damage {
                // The disk may hold zeros where the last bytes should be.
                for (name, mut bytes) in files(folder.path()) {
                    if name.ends_with(".tar.partial") && bytes.len() > 600 {
                        let at = bytes.len() - 300;
                        bytes[at..].fill(0);
                        fs::write(folder.path().join(name), bytes).unwrap();
                    }
                }
            }
        }
        write_with(&BundleOptions::default(), folder.path(), &plan, &blobs).unwrap();
        prop_assert_eq!(files(folder.path()), files(whole.path()));
    }

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

/// Fails, unless it is the end.
struct Failing(bool);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {
            true => Ok(0),
            false => Err(io::Error::other("the process was killed")),
        }
    }
}

#[test]
fn a_bundle_holds_exactly_what_its_base_lacks() {
    let (first, blobs) = bundle(&[50_000, 60_000], 1 << 20);
    let base = Bundle::holdings_in(first.path().join("BUNDLE.json")).unwrap();
    assert_eq!(base, Bundle::open(first.path(), &[]).unwrap().holdings());
    let (plan, more) = plan(&[50_000, 60_000, 70_000], &base, 1 << 20);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &plan, &more);
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    assert!(!bundle.is_complete());
    for (digest, bytes) in &more {
        let expected = match blobs.contains_key(digest) {
            true => Place::Required {
                size: bytes.len() as u64,
                repository: Some("team/app0".to_owned()).filter(|_| base.blobs[digest].repository.as_deref() == Some("team/app0")).or(base.blobs[digest].repository.clone()),
            },
            false => Place::Here { size: bytes.len() as u64 },
        };
        assert_eq!(bundle.find(digest), Some(expected));
    }
    let volumes: u64 = plan.volumes().sum();
    assert!(volumes < 70_000 + 20_000, "{volumes}");
    no_flaws(folder.path());
}

#[test]
fn the_same_images_in_another_order_give_the_same_bytes() {
    let (images, blobs) = images(&[50_000, 60_000, 0]);
    let mut reversed = images.clone();
    reversed.reverse();
    let [one, two] = [images, reversed].map(|images| {
        let plan = BundlePlan::new(images, &Wanted::default(), VolumeSize::of(65_536)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &plan, &blobs);
        assert!(!write_with(&BundleOptions::default(), folder.path(), &plan, &blobs).unwrap(), "it is there");
        folder
    });
    assert_eq!(files(one.path()), files(two.path()));
}

#[test]
fn each_lost_volume_is_named_and_what_is_whole_without_it_stays_readable() {
    let (folder, blobs) = bundle(&[30_000, 90_000, 150_000], 70_000);
    let volumes: Vec<String> = files(folder.path()).into_iter().map(|(name, _)| name).filter(|name| name.starts_with("vol-")).collect();
    assert!(volumes.len() > 3);
    let elsewhere = tempfile::tempdir().unwrap();
    for volume in &volumes {
        let moved = elsewhere.path().join(volume);
        fs::rename(folder.path().join(volume), &moved).unwrap();
        let bundle = Bundle::open(folder.path(), &[]).unwrap();
        assert_eq!(bundle.lost_volumes().collect::<Vec<_>>(), [format!("{volume} isn't there")]);
        let mut lost = 0;
        for (digest, bytes) in &blobs {
            match bundle.find(digest).unwrap() {
                Place::Here { .. } => assert_eq!(&read(&bundle, digest), bytes),
                Place::Lost { volumes, .. } => {
                    assert_eq!(volumes, [format!("{volume} isn't there")]);
                    assert!(bundle.open_blob(digest, 0).is_none());
                    lost += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(lost > 0, "{volume}");
        let flaws = bundle.check(&AtomicBool::new(false), &|_| {}).unwrap();
        assert!(flaws.iter().all(|flaw| flaw.to_string().contains(volume)), "{flaws:?}");
        // It is found in another folder, and it may be made again.
        let both = Bundle::open(folder.path(), &[elsewhere.path().to_owned()]).unwrap();
        assert!(both.is_complete());
        let (plan, _) = plan(&[30_000, 90_000, 150_000], &Holdings::default(), 70_000);
        write(folder.path(), &plan, &blobs);
        assert_eq!(fs::read(folder.path().join(volume)).unwrap(), fs::read(moved).unwrap());
        no_flaws(folder.path());
    }
}

#[test]
fn a_second_bundle_has_what_was_lost() {
    let (folder, blobs) = bundle(&[30_000, 90_000], 70_000);
    fs::remove_file(folder.path().join("vol-0002.tar")).unwrap();
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    let mut only = Holdings::default();
    for (digest, bytes) in &blobs {
        if matches!(bundle.find(digest), Some(Place::Lost { .. })) {
            only.add_blob(digest, Held::new(bytes.len() as u64, None));
        }
    }
    assert_eq!(only.blobs.len(), 1);
    let (images, _) = images(&[30_000, 90_000]);
    let wanted = Wanted::default().only(Some(only));
    let plan = BundlePlan::new(images, &wanted, None).unwrap();
    let second = tempfile::tempdir().unwrap();
    write(second.path(), &plan, &blobs);
    assert!(!Bundle::open(second.path(), &[]).unwrap().is_complete());
    let both = Bundle::open(folder.path(), &[second.path().to_owned()]).unwrap();
    assert!(both.is_complete());
    for (digest, bytes) in &blobs {
        assert_eq!(&read(&both, digest), bytes);
    }
}

#[test]
fn a_volume_of_another_bundle_or_a_cut_one_is_told_apart() {
    let (one, _) = bundle(&[30_000, 90_000], 70_000);
    let (two, _) = bundle(&[30_000, 90_001], 70_000);
    fs::copy(two.path().join("vol-0002.tar"), one.path().join("vol-0002.tar")).unwrap();
    let mixed = Bundle::open(one.path(), &[]).unwrap();
    let told: Vec<&str> = mixed.lost_volumes().collect();
    assert!(told.len() == 1 && told[0].ends_with("vol-0002.tar is a volume of another bundle, or damaged"), "{told:?}");
    let volume = fs::read(two.path().join("vol-0001.tar")).unwrap();
    fs::write(two.path().join("vol-0001.tar"), &volume[..volume.len() - 512]).unwrap();
    let cut = Bundle::open(two.path(), &[]).unwrap();
    let told: Vec<&str> = cut.lost_volumes().collect();
    assert!(told[0].ends_with("it was cut off"), "{told:?}");
}

#[test]
fn a_full_volume_is_taken_away_before_the_next_is_begun() {
    let (whole, blobs) = bundle(&[90_000, 150_000], 70_000);
    let (folder, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (plan, _) = plan(&[90_000, 150_000], &Holdings::default(), 70_000);
    // The first try fails at the second volume.
    let failing = format!("case $1 in *0002*) exit 3;; esac; mv \"$TRANSLOAD_VOLUME\" {}", away.path().display());
    let options = BundleOptions::default().volume_command(Some(failing));
    let error = write_with(&options, folder.path(), &plan, &blobs).unwrap_err();
    assert_eq!(error.to_string(), "the command for vol-0002.tar ended with exit status: 3");
    let options = BundleOptions::default().volume_command(Some(format!("mv \"$1\" {}", away.path().display())));
    assert!(write_with(&options, folder.path(), &plan, &blobs).unwrap());
    assert!(!write_with(&options, folder.path(), &plan, &blobs).unwrap());
    let mut both = [files(folder.path()), files(away.path())].concat();
    both.sort();
    assert_eq!(both, files(whole.path()));
}

#[test]
fn wrong_bytes_get_into_no_volume() {
    let (whole, blobs) = bundle(&[90_000, 150_000], 70_000);
    let (plan, _) = plan(&[90_000, 150_000], &Holdings::default(), 70_000);
    for digest in blobs.keys() {
        let mut wrong = blobs.clone();
        if let Some(last) = wrong.get_mut(digest).and_then(|bytes| bytes.last_mut()) {
            *last ^= 1;
        }
        let folder = tempfile::tempdir().unwrap();
        let error = write_with(&BundleOptions::default(), folder.path(), &plan, &wrong).unwrap_err();
        assert!(matches!(error, BundleError::WrongContent { .. }), "{error}");
        assert!(!folder.path().join("BUNDLE.json").exists());
        write(folder.path(), &plan, &blobs);
        assert_eq!(files(folder.path()), files(whole.path()));
    }
}

#[test]
fn something_else_in_the_folder_is_left_alone() {
    let (folder, blobs) = bundle(&[10], 70_000);
    let before = files(folder.path());
    let (other, _) = plan(&[11], &Holdings::default(), 70_000);
    let error = write_with(&BundleOptions::default(), folder.path(), &other, &blobs).unwrap_err();
    assert!(error.to_string().ends_with("holds another bundle"), "{error}");
    assert_eq!(files(folder.path()), before);
    let stranger = tempfile::tempdir().unwrap();
    fs::write(stranger.path().join("README.txt"), "mine").unwrap();
    let error = write_with(&BundleOptions::default(), stranger.path(), &other, &blobs).unwrap_err();
    assert!(error.to_string().ends_with("holds files that a bundle has, and no bundle"), "{error}");
}

#[test]
fn what_another_plan_left_half_written_is_replaced() {
    let (whole, blobs) = bundle(&[90_000], 70_000);
    let folder = tempfile::tempdir().unwrap();
    let (other, others) = plan(&[150_000], &Holdings::default(), 70_000);
    let options = BundleOptions::default().volume_command(Some("case $1 in *0002*) exit 1;; esac".to_owned()));
    assert!(write_with(&options, folder.path(), &other, &others).is_err());
    let (plan, _) = plan(&[90_000], &Holdings::default(), 70_000);
    write(folder.path(), &plan, &blobs);
    assert_eq!(files(folder.path()), files(whole.path()));
}

#[test]
fn a_stop_ends_the_writing_and_the_checking() {
    let cancel = std::sync::Arc::new(AtomicBool::new(true));
    let (plan, blobs) = plan(&[90_000], &Holdings::default(), 70_000);
    let folder = tempfile::tempdir().unwrap();
    let options = BundleOptions::default().cancel_flag(std::sync::Arc::clone(&cancel));
    let stopped = write_with(&options, folder.path(), &plan, &blobs);
    assert!(matches!(stopped, Err(BundleError::Stopped)));
    cancel.store(false, Ordering::Relaxed);
    write_with(&options, folder.path(), &plan, &blobs).unwrap();
    cancel.store(true, Ordering::Relaxed);
    let read = std::sync::atomic::AtomicU64::new(0);
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    bundle
        .check(&cancel, &|bytes| {
            read.fetch_add(bytes, Ordering::Relaxed);
        })
        .unwrap();
    assert!(read.into_inner() < bundle.bytes_to_check());
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
        (change("/carried/0/parts/0/offset", (offset + 512).into()), "can't be at offset"),
        (change("/carried/0/parts/0/offset", u64::MAX.into()), "can't be at offset"),
        (change("/carried/0/parts/0/volume", 9.into()), "is in volume 9"),
        (change("/carried/0/parts/0/volume", 0.into()), "is in volume 0"),
        (change("/carried/0/size", 1.into()), "aren't its 1 bytes"),
        (change("/carried/0/parts", serde_json::json!([])), "the parts of"),
        (change("/carried", serde_json::json!([])), "bytes of contents"),
        (change("/required", serde_json::json!([{"digest": blob["digest"], "size": 1}])), "twice"),
        (change("/images/0/digest", Digest::of(b"x").to_string().into()), "of an image isn't listed"),
        (change("/images/0/name", "../../etc".into()), "is no image's name"),
        (change("/images/1/name", value.pointer("/images/0/name").unwrap().clone()), "an image twice"),
        (change("/volumes/0/file", "../vol-0001.tar".into()), "volume 1 is called"),
        (change("/volumes/0/size", 1.into()), "has no room"),
        (change("/volumes/0/size", u64::MAX.into()), "which no file has"),
        (change("/volumes", serde_json::json!([])), "it has 0 volumes"),
        (change("/version", 2.into()), "is a bundle of version 2, and version 1 is known"),
        (change("/version", 0.into()), "is a bundle of version 0"),
        (change("/format", "zip".into()), "it is no list of a bundle"),
    ] {
        fs::write(&path, lie.to_string()).unwrap();
        let error = Bundle::open(folder.path(), &[]).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    // One that fits its form is found out by the volumes, which name the bundle that they are of.
    let lie = text.replace(&format!("\"digest\":{}", blob["digest"]), &format!("\"digest\":\"{}\"", Digest::of(b"x")));
    fs::write(&path, lie).unwrap();
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    assert_eq!(bundle.lost_volumes().count(), value["volumes"].as_array().unwrap().len());
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
    assert_eq!(flaws[0].images.iter().map(ToString::to_string).collect::<Vec<_>>(), ["hub.local/team/app0:v1"]);
    let opened = bundle.open_blob(digest, 0).unwrap();
    let mut verified = VerifyingReader::new(opened, Verifier::new(digest, 30_000));
    assert!(io::copy(&mut verified, &mut io::sink()).is_err());
}

#[test]
fn volumes_too_small_for_the_index_are_refused() {
    let (images, _) = images(&vec![10; 300]);
    let error = BundlePlan::new(images, &Wanted::default(), VolumeSize::of(65_536)).unwrap_err();
    assert_eq!(error.to_string(), "a volume of 65536 bytes has no room for index.json");
}

/// Runs import.sh of a bundle.
fn import(bundle: &Path, arguments: &[&Path]) -> (bool, String) {
    let output = Command::new("sh").arg(bundle.join("import.sh")).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), told)
}

#[test]
fn the_script_makes_an_oci_layout_and_adds_a_later_bundle_to_it() {
    let (first, blobs) = bundle(&[30_000, 90_000], 70_000);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(first.path().join("vol-0002.tar"), elsewhere.path().join("vol-0002.tar")).unwrap();
    let target = tempfile::tempdir().unwrap();
    let layout = target.path().join("a layout");
    let (done, told) = import(first.path(), &[&layout]);
    assert!(!done && told.contains("vol-0002.tar is in none of the folders"), "{told}");
    let (done, told) = import(first.path(), &[&layout, elsewhere.path()]);
    assert!(done && told.ends_with("is complete\n"), "{told}");
    let check = |blobs: &Blobs| {
        for (digest, bytes) in blobs {
            assert_eq!(&fs::read(layout.join("blobs/sha256").join(digest.hex())).unwrap(), bytes);
        }
        let names: Vec<String> = files(&layout.join("blobs/sha256")).into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| name.len() == 64), "{names:?}");
    };
    check(&blobs);
    let base = Bundle::holdings_in(first.path().join("BUNDLE.json")).unwrap();
    let (plan, more) = plan(&[30_000, 90_000, 5], &base, 70_000);
    let second = tempfile::tempdir().unwrap();
    write(second.path(), &plan, &more);
    let (done, told) = import(second.path(), &[&target.path().join("empty")]);
    assert!(!done && told.contains("blobs are neither in the bundle nor in"), "{told}");
    let (done, told) = import(second.path(), &[&layout]);
    assert!(done, "{told}");
    check(&more);
    assert!(layout.join("index.json.old").exists() && layout.join("oci-layout").exists());
    // What was changed isn't unpacked.
    fs::write(second.path().join("README.txt"), "changed").unwrap();
    let (done, told) = import(second.path(), &[&layout]);
    assert!(!done && told.contains("README.txt: FAILED"), "{told}");
}
