//! Writing bundles: interrupted, in any order, in volumes that are carried off, and where something else is.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use proptest::prelude::*;
use transload_archive::bundle::{
    Bundle, BundleError, BundleOptions, BundlePlan, Holdings, Place, VolumeSize, Wanted,
};
use transload_archive::{Error, PlannedImage};
use transload_reference::{Descriptor, Digest, MediaType};

use crate::common::Image;
use crate::{bring, bundle, files, images, no_flaws, plan, read, write, write_from, write_with};

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
    fn blobs_in_any_order_and_at_once_give_the_same_bytes(
        sizes in prop::collection::vec(0_usize..200_000, 1..5),
        limit in 65_536_u64..400_000,
        seed in any::<usize>(),
        carries in any::<bool>(),
    ) {
        let (whole, blobs) = bundle(&sizes, limit);
        let (folder, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (plan, _) = plan(&sizes, &Holdings::default(), limit);
        let mut order: Vec<Descriptor> = plan.blobs().cloned().collect();
        order.rotate_left(seed % plan.blobs().count());
        let command = carries.then(|| format!("mv \"$1\" {}", away.path().display()));
        let options = BundleOptions::default().volume_command(command);
        let writer = options.create(folder.path(), plan).unwrap();
        let queue = Mutex::new(VecDeque::from(order));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| loop {
                    let Some(blob) = queue.lock().unwrap().pop_front() else {
                        return;
                    };
                    match writer.waits(&blob) {
                        true => queue.lock().unwrap().push_back(blob),
                        false => bring(&writer, &blob, &|blob, offset| {
                            Box::new(io::Cursor::new(blobs[&blob.digest][offset as usize..].to_vec()))
                        })
                        .unwrap(),
                    }
                });
            }
        });
        writer.finish().unwrap();
        let mut all = [files(folder.path()), files(away.path())].concat();
        all.sort();
        prop_assert_eq!(all, files(whole.path()));
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
            let left = AtomicUsize::new(stop);
            let open = |blob: &Descriptor, offset: u64| -> Box<dyn Read> {
                let bytes = &blobs[&blob.digest][offset as usize..];
                let given = bytes.len().min(left.load(Ordering::Relaxed));
                left.fetch_sub(given, Ordering::Relaxed);
                let failing = Failing(given == bytes.len());
                Box::new(io::Cursor::new(bytes[..given].to_vec()).chain(failing))
            };
            let _ = write_from(&BundleOptions::default(), folder.path(), &plan, &open);
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
                repository: Some("team/app0".to_owned())
                    .filter(|_| base.blobs[digest].repository.as_deref() == Some("team/app0"))
                    .or(base.blobs[digest].repository.clone()),
            },
            false => Place::Here {
                size: bytes.len() as u64,
            },
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
        assert!(
            !write_with(&BundleOptions::default(), folder.path(), &plan, &blobs).unwrap(),
            "it is there"
        );
        folder
    });
    assert_eq!(files(one.path()), files(two.path()));
}

#[test]
fn a_full_volume_is_taken_away_before_the_next_is_begun() {
    let (whole, blobs) = bundle(&[90_000, 150_000], 70_000);
    let (folder, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (plan, _) = plan(&[90_000, 150_000], &Holdings::default(), 70_000);
    // The first try fails at the second volume.
    let failing = format!(
        "case $1 in *0002*) exit 3;; esac; mv \"$TRANSLOAD_VOLUME\" {}",
        away.path().display()
    );
    let options = BundleOptions::default().volume_command(Some(failing));
    let error = write_with(&options, folder.path(), &plan, &blobs).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the command for vol-0002.tar ended with exit status: 3"
    );
    let options =
        BundleOptions::default().volume_command(Some(format!("mv \"$1\" {}", away.path().display())));
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
        assert!(
            matches!(error, BundleError::Archive(Error::WrongContent { .. })),
            "{error}"
        );
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
    assert!(
        error
            .to_string()
            .ends_with("holds parts of a bundle, but no bundle"),
        "{error}"
    );
}

#[test]
fn what_another_plan_left_half_written_is_replaced() {
    let (whole, blobs) = bundle(&[90_000], 70_000);
    let folder = tempfile::tempdir().unwrap();
    let (other, others) = plan(&[150_000], &Holdings::default(), 70_000);
    let options =
        BundleOptions::default().volume_command(Some("case $1 in *0002*) exit 1;; esac".to_owned()));
    assert!(write_with(&options, folder.path(), &other, &others).is_err());
    let (plan, _) = plan(&[90_000], &Holdings::default(), 70_000);
    write(folder.path(), &plan, &blobs);
    assert_eq!(files(folder.path()), files(whole.path()));
}

#[test]
fn a_stop_ends_the_writing_and_the_checking() {
    let cancel = Arc::new(AtomicBool::new(true));
    let (plan, blobs) = plan(&[90_000], &Holdings::default(), 70_000);
    let folder = tempfile::tempdir().unwrap();
    let options = BundleOptions::default().cancel_flag(Arc::clone(&cancel));
    let stopped = write_with(&options, folder.path(), &plan, &blobs);
    assert!(
        matches!(stopped, Err(BundleError::Archive(Error::Stopped { .. }))),
        "{stopped:?}"
    );
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
fn volumes_too_small_for_the_index_are_refused() {
    let (images, _) = images(&vec![10; 300]);
    let error = BundlePlan::new(images, &Wanted::default(), VolumeSize::of(65_536)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a volume of 65536 bytes has no room for index.json"
    );
}

#[test]
fn wrong_bytes_of_a_volume_that_was_carried_off_are_found_out_by_the_next_run() {
    let (folder, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (plan, blobs) = plan(&[250_000], &Holdings::default(), 70_000);
    let moves = format!("mv \"$1\" {}", away.path().display());
    let options = BundleOptions::default().volume_command(Some(moves));
    // The blob's first bytes are wrong, and the process is killed before its end.
    let open = |blob: &Descriptor, offset: u64| -> Box<dyn Read> {
        let mut bytes = blobs[&blob.digest].clone();
        if bytes.len() == 250_000 {
            bytes[0] ^= 1;
            bytes.truncate(200_000);
        }
        Box::new(io::Cursor::new(bytes.split_off(offset as usize)).chain(Failing(blob.size < 250_000)))
    };
    write_from(&options, folder.path(), &plan, &open).unwrap_err();
    assert!(files(away.path()).len() > 1);
    let error = write_with(&options, folder.path(), &plan, &blobs).unwrap_err();
    assert!(error.to_string().contains("differs from its source"), "{error}");
    assert!(write_with(&options, folder.path(), &plan, &blobs).unwrap());
    for (name, bytes) in files(folder.path()) {
        fs::write(away.path().join(name), bytes).unwrap();
    }
    no_flaws(away.path());
}

#[test]
fn a_manifest_that_is_larger_than_a_volume_is_cut_and_read_back() {
    let layers: Vec<[u8; 4]> = (0_u32..600).map(u32::to_le_bytes).collect();
    let layers: Vec<&[u8]> = layers.iter().map(|layer| &layer[..]).collect();
    let image = Image::new("amd64", &layers, MediaType::OCI_LAYER);
    assert!(image.manifest.size() > 70_000);
    let blobs = image
        .blobs()
        .map(|blob| (Digest::of(blob), blob.clone()))
        .collect();
    let name = "hub.local/team/app:v1".parse().unwrap();
    let planned = PlannedImage::new(name, image.manifest.clone(), Vec::new());
    let plan = BundlePlan::new(vec![planned], &Wanted::default(), VolumeSize::of(70_000)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &plan, &blobs);
    let bundle = Bundle::open(folder.path(), &[]).unwrap();
    let found = bundle.manifest(image.manifest.digest()).unwrap().unwrap();
    assert_eq!(found.bytes(), image.manifest.bytes());
    no_flaws(folder.path());
}
