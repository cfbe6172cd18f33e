//! What `prune` removes, and what it doesn't.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use transload_test_support::image::{Family, Image, ImageBuilder, samples};
use transload_test_support::kubekey::{self, Generation};

use super::{APP, Scene, WEB, contents, names};

fn copy_golden(generation: &str, to: &Path) {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../layout-store/tests/data/stores");
    let status = Command::new("cp")
        .arg("-a")
        .arg(stores.join(generation))
        .arg(to)
        .status();
    assert!(status.expect("a program cp").success());
}

#[test]
fn what_stays_is_what_a_directory_has_into_which_only_that_was_pulled() {
    for (kept, args) in [
        (WEB, ["--keep-file", "keep.txt"]),
        (APP, ["--keep-pattern", "team/a"]),
        (APP, ["--keep-file", "-"]),
    ] {
        let (scene, expected) = (Scene::pulled(), Scene::empty());
        expected.pull(&[kept], &[]);
        let keep = format!("# what is needed\n{kept} # and nothing else\n");
        fs::write(scene.dir.path().join("keep.txt"), &keep).expect("a writable folder");
        let before = contents(&scene.store());
        let prune = |more: &[&str]| {
            let args = [&["prune", "images", "--yes", "--output", "json"], &args[..], more].concat();
            let output = scene.program(&args).stdin(keep.as_str()).run().expect_code(0);
            serde_json::from_str::<serde_json::Value>(&output.stdout).expect("JSON")
        };
        let mut planned = prune(&["--dry-run"]);
        assert!(
            contents(&scene.store()) == before,
            "{kept}: a look changes nothing"
        );
        let pruned = prune(&[]);
        assert_eq!(planned["dry_run"], true);
        planned["dry_run"] = false.into();
        assert_eq!(planned, pruned, "{kept}");
        assert!(
            contents(&scene.store()) == contents(&expected.store()),
            "{kept}: {:?}",
            names(&scene.store())
        );
        assert_eq!(scene.verify(0)["orphans"], serde_json::json!([]), "{kept}");

        let gone = if kept == WEB { APP } else { WEB };
        assert_eq!(pruned["images"][0]["image"], gone);
        assert_eq!(pruned["kept"], 1);
        let left: u64 = contents(&scene.store().join("blobs"))
            .values()
            .map(|bytes| bytes.len() as u64)
            .sum();
        let all = before.iter().filter(|(name, _)| name.starts_with("blobs/"));
        let all: u64 = all.map(|(_, bytes)| bytes.len() as u64).sum();
        assert_eq!(pruned["bytes"], all - left, "{kept}");
    }
}

#[test]
fn without_a_list_all_images_stay_and_only_what_none_needs_goes() {
    let scene = Scene::pulled();
    // An image that has no tag any more is an image.
    let moved = samples::single(Family::Oci, "linux/amd64", 5);
    scene.registry.put_image("mirror/team/web", "v1", &moved);
    scene.pull(&[WEB], &[]);
    let before = contents(&scene.store());
    let orphan = samples::single(Family::Oci, "linux/amd64", 9).blobs[0].clone();
    fs::write(scene.blob(&orphan.0.digest), &orphan.1).expect("a writable folder");
    let partial = scene.store().join(".transload/partial");
    fs::create_dir_all(&partial).expect("a writable folder");
    fs::write(partial.join(orphan.0.digest.to_string()), "par").expect("a writable folder");
    fs::write(scene.store().join("blobs/notes.txt"), "mine").expect("a writable folder");
    let report = scene.json(&["prune", "images", "--yes"], 0);
    assert_eq!(report["bytes"], orphan.0.size + 3);
    fs::remove_file(scene.store().join("blobs/notes.txt")).expect("what isn't the format's stays");
    assert!(contents(&scene.store()) == before);
    assert_eq!(scene.json(&["prune", "images", "--yes"], 0)["bytes"], 0);

    let pinned = format!("hub.example.com/team/web@{}", moved.digest());
    fs::write(scene.dir.path().join("keep.txt"), pinned).expect("a writable folder");
    let report = scene.json(&["prune", "images", "--yes", "--keep-file", "keep.txt"], 0);
    let gone: Vec<&str> = report["images"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|image| image["image"].as_str())
        .collect();
    let untagged = format!("hub.example.com/team/web@{}", scene.web.digest());
    assert_eq!(gone, [APP, &untagged], "a digest keeps the tag that has it");
}

#[test]
fn directories_of_every_generation_lose_what_is_not_kept_and_nothing_else() {
    let alpine = "docker.io/library/alpine:3.19";
    let app = "registry.example.com:5000/team/app:v1";
    for generation in ["v4.0.0", "v4.0.4", "v4.0.5", "documented"] {
        for kept in [alpine, app] {
            let scene = Scene::empty();
            copy_golden(generation, &scene.store());
            let before = contents(&scene.store());
            fs::write(scene.dir.path().join("keep.txt"), kept).expect("a writable folder");
            scene.run(&["prune", "images", "--yes", "--keep-file", "keep.txt"], 0);
            let listed = scene.run(&["list", "images", "--output", "names"], 0).stdout;
            assert!(
                listed.starts_with(kept) && listed.lines().count() == 1,
                "{generation}: {listed}"
            );
            assert_eq!(
                scene.verify(0)["orphans"],
                serde_json::json!([]),
                "{generation} {kept}"
            );
            let after = contents(&scene.store());
            let changed = after
                .iter()
                .filter(|(name, bytes)| before.get(*name) != Some(bytes));
            let changed: Vec<&String> = changed
                .map(|(name, _)| name)
                .filter(|name| !name.starts_with(".transload/"))
                .collect();
            assert_eq!(changed, Vec::<&String>::new(), "{generation} {kept}");
        }
    }
}

/// KubeKey makes a folder for each of Docker Hub's names, and both may have the same tag.
#[test]
fn both_folders_of_docker_hub_count() {
    let scene = Scene::empty();
    let [old, new, other] = [1, 2, 3].map(|seed| samples::single(Family::Oci, "linux/amd64", seed));
    let write = |repository: &str, image| {
        kubekey::write(
            &scene.store(),
            "docker.io",
            repository,
            "v1",
            image,
            Generation::Third,
        );
    };
    write("library/app", &old);
    fs::rename(
        scene.store().join("registry-1.docker.io"),
        scene.store().join("docker.io"),
    )
    .expect("a writable folder");
    write("library/app", &new);
    write("library/other", &other);
    fs::write(scene.dir.path().join("keep.txt"), "app:v1").expect("a writable folder");
    scene.run(&["prune", "images", "--yes", "--keep-file", "keep.txt"], 0);
    for image in [&old, &new] {
        for (blob, _) in &image.blobs {
            assert!(scene.blob(&blob.digest).exists(), "{}", blob.digest);
        }
    }
    assert!(!scene.blob(&other.blobs[2].0.digest).exists());
    assert_eq!(
        scene
            .run(&["list", "images", "--output", "names"], 0)
            .stdout
            .lines()
            .count(),
        2,
        "the older one by its digest"
    );
    let verified = scene.run(&["verify", "images"], 0).stdout;
    assert!(
        verified.contains("two folders disagree about a tag: docker.io/library/app:v1"),
        "{verified}"
    );
    assert!(!verified.contains("no image needs"), "{verified}");

    // Removed, a tag goes from both.
    write("library/other", &other);
    fs::write(scene.dir.path().join("keep.txt"), "other:v1").expect("a writable folder");
    scene.run(&["prune", "images", "--yes", "--keep-file", "keep.txt"], 0);
    let listed = scene.run(&["list", "images", "--output", "names"], 0).stdout;
    assert!(
        listed.starts_with("docker.io/library/other:v1 ") && listed.lines().count() == 1,
        "{listed}"
    );
    assert!(!scene.blob(&old.blobs[2].0.digest).exists());
}

#[test]
fn nothing_goes_from_a_damaged_directory() {
    let damages: [fn(&Scene); 3] = [
        |scene| fs::write(scene.manifest("app", "layout"), "[]").expect("a writable file"),
        |scene| fs::write(scene.manifest("app", scene.app.digest().as_str()), "{}").expect("a writable file"),
        |scene| {
            fs::remove_file(scene.manifest("app", scene.app.manifests[1].digest.as_str()))
                .expect("a manifest")
        },
    ];
    for damage in damages {
        let scene = Scene::pulled();
        damage(&scene);
        let before = contents(&scene.store());
        let output = scene.run(&["prune", "images", "--yes", "--keep-pattern", "team/app"], 1);
        assert!(
            output.stderr.contains("`transload verify images --repair` first"),
            "{}",
            output.stderr
        );
        assert!(contents(&scene.store()) == before);
        scene.repair(0);
        scene.run(&["prune", "images", "--yes", "--keep-pattern", "team/app"], 0);
    }
}

#[test]
fn signatures_and_other_referrers_stay_with_their_image_and_are_told_so() {
    let scene = Scene::pulled();
    let referrers = |image: &Image, seed: u64| {
        let tag = format!("{}.sig", image.digest().as_str().replace(':', "-"));
        let signature = samples::single(Family::Oci, "linux/amd64", seed);
        let sbom = ImageBuilder::new(Family::Oci)
            .noise_layer(seed + 1, 100)
            .subject(&image.descriptor())
            .build();
        [(tag, signature), (format!("sbom-{seed}"), sbom)]
    };
    let mut names = BTreeMap::new();
    for (repository, image, seed) in [("app", &scene.app, 10), ("web", &scene.web, 20)] {
        for (tag, referrer) in referrers(image, seed) {
            scene
                .registry
                .put_image(&format!("mirror/team/{repository}"), &tag, &referrer);
            let name = format!("hub.example.com/team/{repository}:{tag}");
            scene.pull(&[&name], &[]);
            names.entry(repository).or_insert_with(Vec::new).push(name);
        }
    }
    fs::write(scene.dir.path().join("keep.txt"), WEB).expect("a writable folder");
    let args = ["prune", "images", "--yes", "--keep-file", "keep.txt"];
    let planned = scene.run(&[&args[..], &["--dry-run"]].concat(), 0).stdout;
    let told = "keeping 1 image, named in keep.txt, and 2 that refer to them (signatures and the like)";
    assert!(planned.starts_with(told), "{planned}");
    for gone in [&[APP.to_owned()][..], &names["app"]].concat() {
        assert!(
            planned.contains(&format!("would remove  {gone}  ")),
            "{gone}: {planned}"
        );
    }
    let report = scene.json(&args, 0);
    assert_eq!(report["kept"], 3);
    assert_eq!(report["images"].as_array().map(Vec::len), Some(3));
    let listed = scene.run(&["list", "images", "--output", "names"], 0).stdout;
    for name in [&[WEB.to_owned()][..], &names["web"]].concat() {
        assert!(listed.contains(&name), "{name}: {listed}");
    }
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let report = scene.verify(0);
    assert_eq!(report["orphans"], serde_json::json!([]));
}
