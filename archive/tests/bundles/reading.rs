//! Reading bundles without some of their volumes, or with those of another one.

use std::fs;
use std::sync::atomic::AtomicBool;

use transload_archive::bundle::{Bundle, BundlePlan, Held, Holdings, Place, Wanted};

use crate::{bundle, files, images, no_flaws, plan, read, write};

#[test]
fn each_lost_volume_is_named_and_what_is_whole_without_it_stays_readable() {
    let (folder, blobs) = bundle(&[30_000, 90_000, 150_000], 70_000);
    let volumes: Vec<String> = files(folder.path())
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("vol-"))
        .collect();
    assert!(volumes.len() > 3);
    let elsewhere = tempfile::tempdir().unwrap();
    for volume in &volumes {
        let moved = elsewhere.path().join(volume);
        fs::rename(folder.path().join(volume), &moved).unwrap();
        let bundle = Bundle::open(folder.path(), &[]).unwrap();
        assert_eq!(
            bundle.lost_volumes().collect::<Vec<_>>(),
            [format!("{volume} isn't there")]
        );
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
        assert!(
            flaws.iter().all(|flaw| flaw.to_string().contains(volume)),
            "{flaws:?}"
        );
        // It is found in another folder, and it may be made again.
        let both = Bundle::open(folder.path(), &[elsewhere.path().to_owned()]).unwrap();
        assert!(both.is_complete());
        let (plan, _) = plan(&[30_000, 90_000, 150_000], &Holdings::default(), 70_000);
        write(folder.path(), &plan, &blobs);
        assert_eq!(
            fs::read(folder.path().join(volume)).unwrap(),
            fs::read(moved).unwrap()
        );
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
    assert!(
        told.len() == 1 && told[0].ends_with("vol-0002.tar is a volume of another bundle, or damaged"),
        "{told:?}"
    );
    let volume = fs::read(two.path().join("vol-0001.tar")).unwrap();
    fs::write(two.path().join("vol-0001.tar"), &volume[..volume.len() - 512]).unwrap();
    let cut = Bundle::open(two.path(), &[]).unwrap();
    let told: Vec<&str> = cut.lost_volumes().collect();
    assert!(told[0].ends_with("it was cut off"), "{told:?}");
}
