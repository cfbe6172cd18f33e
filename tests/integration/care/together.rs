//! `prune` beside others who use the directory.

use std::fs;
use std::time::Duration;

use transload_layout_store::Store;
use transload_test_support::Running;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, Request};

use super::{APP, Scene, WEB};

/// Begins a pull that asks for one thing at a time.
fn pull(scene: &Scene, image: &str) -> Running {
    let mirror = scene.mirror();
    let args = [
        "pull",
        image,
        "--dest",
        "images",
        "--src",
        &mirror,
        "--plain-http",
        "--jobs",
        "1",
    ];
    scene.program(&args).spawn()
}

#[test]
fn prunes_amid_four_pulls_take_nothing_that_is_needed() {
    let scene = Scene::pulled();
    let images: Vec<String> = (10..14)
        .map(|seed| {
            let name = format!("team/p{seed}");
            let image = samples::multi_platform(Family::Oci, seed);
            scene.registry.put_image(&format!("mirror/{name}"), "v1", &image);
            format!("hub.example.com/{name}:v1")
        })
        .collect();
    // Every pull has blobs that no tag names yet when the prunes come.
    scene
        .registry
        .fault(Fault::new("GET", "/manifests/", Action::Hold).every());
    let pulls: Vec<Running> = images.iter().map(|image| pull(&scene, image)).collect();
    scene.registry.wait_until_stalled(pulls.len());
    scene.registry.clear_faults();
    scene
        .registry
        .fault(Fault::new("GET", "/blobs/", Action::Stall { after: 1 }).every());
    scene.registry.release();
    scene.registry.wait_until_stalled(2 * pulls.len());

    let mut prunes: Vec<Running> = (0..2)
        .map(|_| scene.program(&["prune", "images", "--yes"]).spawn())
        .collect();
    for prune in &mut prunes {
        let told = prune.wait_for_stderr(|text| text.contains("others use the directory"));
        let holder = format!("process {}: transload pull", pulls[0].id());
        assert!(told.contains(&holder), "{told}");
    }
    scene.registry.clear_faults();
    scene.registry.release();
    for running in pulls.into_iter().chain(prunes) {
        running.wait().expect_code(0);
    }
    let listed = scene.run(&["list", "images"], 0).stdout;
    for image in images.iter().map(String::as_str).chain([APP, WEB]) {
        assert!(listed.contains(image), "{image}: {listed}");
    }
    let report = scene.verify(0);
    assert_eq!(
        (&report["orphans"], &report["leftovers"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
}

#[test]
fn a_pull_that_begins_during_a_prune_waits_and_says_for_whom() {
    let scene = Scene::pulled();
    let exclusive = Store::open_exclusively(scene.store()).expect("nobody else uses it");
    let mut pull = pull(&scene, WEB);
    let told = pull.wait_for_stderr(|text| text.contains("images are being removed"));
    assert!(
        told.contains(&format!("process {}", std::process::id())),
        "{told}"
    );
    drop(exclusive);
    pull.wait().expect_code(0);
}

#[test]
fn a_prune_or_a_verify_that_waits_can_be_stopped() {
    let scene = Scene::pulled();
    let _exclusive = Store::open_exclusively(scene.store()).expect("nobody else uses it");
    for args in [&["prune", "images", "--yes"][..], &["verify", "images"]] {
        let command = args[0];
        let mut waiting = scene.program(args).spawn();
        waiting.wait_for_stderr(|text| text.contains("waiting for"));
        waiting.signal("INT");
        let output = waiting.wait().expect_code(130);
        assert!(
            command == "verify" || output.stderr.ends_with("\nStopped. Nothing was removed.\n"),
            "{}",
            output.stderr
        );
    }
}

/// KubeKey's directories have nothing of ours to be locked.
#[test]
fn a_prune_waits_for_a_push_from_a_directory_that_kubekey_made() {
    let scene = Scene::pulled();
    fs::remove_dir_all(scene.store().join(".transload")).expect("an own folder");
    scene
        .registry
        .fault(Fault::new("HEAD", "/target/", Action::Hold).every());
    let dest = format!("{}/target", scene.registry.host());
    let args = [
        "push",
        "--src",
        "images",
        "--dest",
        &dest,
        "--plain-http",
        "--jobs",
        "2",
    ];
    let push = scene.program(&args).spawn();
    let asked = |requests: &[Request]| requests.iter().any(|request| request.is("HEAD", "/target/"));
    assert!(scene.registry.log().wait_for(asked, Duration::from_secs(40)));
    let mut prune = scene
        .program(&["prune", "images", "--yes", "--keep-pattern", "team/app"])
        .spawn();
    let told = prune.wait_for_stderr(|text| text.contains("others use the directory"));
    let holder = format!("process {}: transload push", push.id());
    assert!(told.contains(&holder), "{told}");
    scene.registry.clear_faults();
    scene.registry.release();
    push.wait().expect_code(0);
    prune.wait().expect_code(0);
    assert!(scene.registry.has_image("target/team/web", "v1", &scene.web));
    let listed = scene.run(&["list", "images", "--output", "names"], 0).stdout;
    assert!(listed.starts_with(APP) && listed.lines().count() == 1, "{listed}");
}
