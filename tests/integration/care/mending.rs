//! What mending does where it is hard.

use std::fs;
use std::path::Path;

use transload_reference::{Descriptor, Digest};
use transload_test_support::image::{Family, ImageBuilder, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::scripted::{Action, Fault};

use super::{APP, Scene, WEB, contents, findings};

fn rot(path: &Path) {
    let size = fs::metadata(path).expect("a file that is there").len();
    fs::write(path, vec![b'x'; usize::try_from(size).expect("a small file")]).expect("a writable file");
}

#[test]
fn what_no_registry_has_stays_and_the_rest_is_mended() {
    let scene = Scene::pulled();
    let [(lost, _), (mended, _)] = [&scene.web.blobs[2], &scene.app.blobs[0]];
    let aside = scene.store().join(".transload/aside");
    for blob in [lost, mended] {
        rot(&scene.blob(&blob.digest));
    }
    let rotten = fs::read(scene.blob(&lost.digest)).expect("a blob that is there");
    scene.registry.remove_blob("mirror/team/web", &lost.digest);
    let report = scene.repair(1);
    let expected = format!("corrupt blob images/blobs/{}: {WEB}", lost.digest);
    assert_eq!(findings(&report, "findings"), [expected]);
    let fault = report["findings"][0]["fault"].as_str().expect("a reason");
    assert!(fault.contains("404"), "{fault}");
    assert_eq!(findings(&report, "mended").len(), 1);
    // What can't be fetched isn't thrown away: another machine may be able to read it.
    assert_eq!(fs::read(scene.blob(&lost.digest)).ok(), Some(rotten));
    assert_eq!(fs::read_dir(aside).expect("a folder").count(), 0);

    scene.registry.put_image("mirror/team/web", "v1", &scene.web);
    assert_eq!(scene.repair(0)["whole"], true);
}

#[test]
fn a_folder_in_a_blobs_place_is_told_of_and_left_alone() {
    let scene = Scene::pulled();
    let path = scene.blob(&scene.web.blobs[2].0.digest);
    fs::remove_file(&path).expect("a blob that is there");
    fs::create_dir(&path).expect("a writable folder");
    let report = scene.repair(1);
    let fault = report["findings"][0]["fault"].as_str().expect("a reason");
    assert!(fault.contains("it is a folder: move it away"), "{fault}");
    assert_eq!(scene.fetched(), Vec::<String>::new());
    fs::remove_dir(&path).expect("an empty folder");
    scene.repair(0);
}

/// An index that was cut to some platforms is in no registry.
#[test]
fn an_index_that_was_cut_down_is_cut_again() {
    let scene = Scene::empty();
    scene.pull(&[APP], &["--platform", "linux/amd64,linux/arm64"]);
    let before = contents(&scene.store());
    let cut = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64/v8"], 1);
    rot(&scene.manifest("app", cut.digest().as_str()));
    assert_eq!(scene.repair(0)["whole"], true);
    assert!(contents(&scene.store()) == before);
    let expected = [
        format!("app/manifests/{}", cut.digest()),
        "app/manifests/v1".to_owned(),
    ];
    assert_eq!(scene.fetched(), expected);

    // Once its tag stands for something else, only a pull can help.
    rot(&scene.manifest("app", cut.digest().as_str()));
    let other = samples::multi_platform(Family::Oci, 7);
    scene.registry.put_image("mirror/team/app", "v1", &other);
    let report = scene.repair(1);
    let expected = format!(
        "corrupt manifest images/hub.example.com/team/app/manifests/{}: {APP}",
        cut.digest()
    );
    assert_eq!(findings(&report, "findings"), [expected]);
}

/// Each image's own registry is asked where there is no `--src`, the next image's where the first doesn't have it.
#[test]
fn images_own_registries_are_asked_in_turn() {
    let scene = Scene::empty();
    let [one, two] = ["one", "two"].map(|name| format!("{}/{name}/app:v1", scene.registry.host()));
    for name in ["one/app", "two/app"] {
        scene.registry.put_image(name, "v1", &scene.web);
    }
    scene.run(&["pull", &one, &two, "--dest", "images", "--plain-http"], 0);
    let (blob, _) = &scene.web.blobs[2];
    fs::remove_file(scene.blob(&blob.digest)).expect("a blob that is there");
    scene.registry.remove_blob("one/app", &blob.digest);
    scene.registry.log().clear();
    scene.run(&["verify", "images", "--repair", "--plain-http"], 0);
    let gets = ["one", "two"].map(|name| {
        scene
            .registry
            .log()
            .count("GET", &format!("/v2/{name}/app/blobs/{}", blob.digest))
    });
    assert_eq!(gets, [1, 1]);
    scene.run(&["verify", "images"], 0);
}

#[test]
fn a_mend_that_is_stopped_leaves_what_was_there_and_says_so() {
    let scene = Scene::pulled();
    let (blob, _) = &scene.web.blobs[2];
    rot(&scene.blob(&blob.digest));
    let rotten = contents(&scene.store());
    scene
        .registry
        .fault(Fault::new("GET", "/blobs/", Action::Stall { after: 5 }).every());
    let mirror = scene.mirror();
    let running = scene
        .program(&["verify", "images", "--repair", "--src", &mirror, "--plain-http"])
        .spawn();
    scene.registry.wait_until_stalled(1);
    running.signal("INT");
    let output = running.wait().expect_code(130);
    assert!(
        output.stdout.contains("stopped before everything was looked at"),
        "{}",
        output.stdout
    );
    let mut after = contents(&scene.store());
    after.retain(|name, _| !name.starts_with(".transload/partial/"));
    assert!(after == rotten);
    scene.registry.clear_faults();
    scene.registry.release();
    scene.repair(0);
}

#[test]
fn a_look_that_is_stopped_ends_within_a_blob() {
    let scene = Scene::empty();
    let huge = Descriptor {
        size: 1 << 40,
        ..scene.web.blobs[2].0.clone()
    };
    let image = ImageBuilder::new(Family::Oci)
        .described_layer(huge.clone(), b"")
        .build();
    kubekey::write(
        &scene.store(),
        "hub.example.com",
        "team/huge",
        "v1",
        &image,
        Generation::Third,
    );
    // A hole of a terabyte takes hours to read, and no room.
    let file = fs::File::create(scene.blob(&huge.digest)).expect("a writable folder");
    file.set_len(huge.size).expect("a filesystem with holes");
    let mut running = scene.program(&["verify", "images", "-v", "--jobs", "1"]).spawn();
    running.wait_for_stderr(|text| text.contains("reading 2 blobs"));
    running.signal("INT");
    let output = running.wait().expect_code(130);
    assert!(output.stdout.contains("\nStopped. "), "{}", output.stdout);
}

#[test]
fn stores_of_other_generations_are_verified_and_mended() {
    for generation in Generation::ALL {
        let scene = Scene::empty();
        for (name, image) in [("app", &scene.app), ("web", &scene.web)] {
            let repository = format!("team/{name}");
            kubekey::write(
                &scene.store(),
                "hub.example.com",
                &repository,
                "v1",
                image,
                generation,
            );
        }
        assert_eq!(scene.verify(0)["images"], 2, "{generation:?}");
        let child = &scene.app.manifests[0].digest;
        rot(&scene.manifest("app", child.as_str()));
        let root = match generation {
            Generation::Third => scene.manifest("web", scene.web.digest().as_str()),
            _ => scene.manifest("web", "v1"),
        };
        if generation != Generation::First {
            rot(&root);
        }
        rot(&scene.blob(&Digest::clone(&scene.web.blobs[2].0.digest)));
        let report = scene.repair(0);
        assert_eq!(report["whole"], true, "{generation:?}: {report:#}");
        let count = if generation == Generation::First { 2 } else { 3 };
        assert_eq!(
            scene.fetched().len(),
            count,
            "{generation:?}: {:?}",
            scene.fetched()
        );
        assert_eq!(
            fs::read(root).ok().as_ref(),
            Some(&scene.web.root.bytes),
            "{generation:?}"
        );
    }
}
