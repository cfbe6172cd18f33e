//! Every way in which a directory can be wrong: what is reported, and that mending fetches that and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use transload_test_support::image::{Family, samples};

use super::{APP, Scene, WEB, contents, findings};

/// A flaw that is made by hand.
struct Case {
    name: &'static str,
    make: fn(&Scene),
    /// What is found: flaw, thing, path, images.
    found: fn(&Scene) -> Vec<String>,
    /// What is fetched to mend it.
    fetched: fn(&Scene) -> Vec<String>,
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("a file that is there");
    bytes[0] ^= 1;
    fs::write(path, bytes).expect("a writable file");
}

fn link_elsewhere(path: &Path) {
    fs::remove_file(path).expect("a file that is there");
    symlink("/etc/hostname", path).expect("a writable folder");
}

/// A layer that both images share, and one that only the second has.
fn shared(scene: &Scene) -> String {
    scene.web.blobs[1].0.digest.to_string()
}

fn own(scene: &Scene) -> String {
    scene.web.blobs[2].0.digest.to_string()
}

fn child(scene: &Scene) -> String {
    scene.app.manifests[0].digest.to_string()
}

fn root(scene: &Scene) -> String {
    scene.app.digest().to_string()
}

fn own_blob(scene: &Scene) -> std::path::PathBuf {
    scene.blob(&scene.web.blobs[2].0.digest)
}

fn of_blob(flaw: &str, digest: &str, images: &str) -> Vec<String> {
    vec![format!("{flaw} blob images/blobs/{digest}: {images}")]
}

fn of_app(flaw: &str, name: &str) -> Vec<String> {
    vec![format!(
        "{flaw} images/hub.example.com/team/app/manifests/{name}: {APP}"
    )]
}

const CASES: &[Case] = &[
    Case {
        name: "a blob is missing",
        make: |scene| fs::remove_file(own_blob(scene)).expect("a blob that is there"),
        found: |scene| of_blob("missing", &own(scene), WEB),
        fetched: |scene| vec![format!("web/blobs/{}", own(scene))],
    },
    Case {
        name: "a blob is short",
        make: |scene| fs::write(own_blob(scene), "short").expect("a writable file"),
        found: |scene| of_blob("short", &own(scene), WEB),
        fetched: |scene| vec![format!("web/blobs/{}", own(scene))],
    },
    Case {
        name: "a blob is long",
        make: |scene| fs::write(own_blob(scene), [0; 5000]).expect("a writable file"),
        found: |scene| of_blob("long", &own(scene), WEB),
        fetched: |scene| vec![format!("web/blobs/{}", own(scene))],
    },
    Case {
        name: "a blob that two images share is corrupt",
        make: |scene| flip(&scene.blob(&scene.web.blobs[1].0.digest)),
        found: |scene| of_blob("corrupt", &shared(scene), &format!("{APP} {WEB}")),
        fetched: |scene| vec![format!("app/blobs/{}", shared(scene))],
    },
    Case {
        name: "a blob is a link to elsewhere",
        make: |scene| link_elsewhere(&own_blob(scene)),
        found: |scene| of_blob("unreadable", &own(scene), WEB),
        fetched: |scene| vec![format!("web/blobs/{}", own(scene))],
    },
    Case {
        name: "a platform's manifest is missing",
        make: |scene| {
            fs::remove_file(scene.manifest("app", &child(scene))).expect("a manifest that is there")
        },
        found: |scene| of_app("missing manifest", &child(scene)),
        fetched: |scene| vec![format!("app/manifests/{}", child(scene))],
    },
    Case {
        name: "a platform's manifest is corrupt",
        make: |scene| flip(&scene.manifest("app", &child(scene))),
        found: |scene| of_app("corrupt manifest", &child(scene)),
        fetched: |scene| vec![format!("app/manifests/{}", child(scene))],
    },
    Case {
        name: "an index is corrupt, and with it its tag's file",
        make: |scene| flip(&scene.manifest("app", &root(scene))),
        // The manifests that it names seem to be images of their own.
        found: |scene| of_app("corrupt manifest", &root(scene)),
        fetched: |scene| vec![format!("app/manifests/{}", root(scene))],
    },
    Case {
        name: "an index is a link to elsewhere",
        make: |scene| link_elsewhere(&scene.manifest("app", &root(scene))),
        found: |scene| of_app("unreadable manifest", &root(scene)),
        fetched: |scene| vec![format!("app/manifests/{}", root(scene))],
    },
    Case {
        name: "a tag map is of the wrong type",
        make: |scene| fs::write(scene.manifest("app", "layout"), "[\"v1\"]").expect("a writable file"),
        found: |_| of_app("damaged tag_map", "layout"),
        fetched: |_| vec![],
    },
    Case {
        name: "a tag map's entry is no digest",
        make: |scene| {
            fs::write(scene.manifest("app", "layout"), "{\"v1\": \"newest\"}").expect("a writable file")
        },
        found: |_| of_app("damaged tag_map", "layout"),
        fetched: |_| vec![],
    },
    Case {
        name: "much is wrong at once",
        make: |scene| {
            flip(&scene.manifest("app", &root(scene)));
            fs::remove_file(scene.manifest("app", &child(scene))).expect("a manifest that is there");
            fs::write(scene.manifest("web", "layout"), "0").expect("a writable file");
            flip(&own_blob(scene));
        },
        found: |scene| {
            // What the index leads to isn't known before it is back.
            let index = of_app("corrupt manifest", &root(scene));
            let map = "damaged tag_map images/hub.example.com/team/web/manifests/layout";
            let map = vec![format!("{map}: {WEB}")];
            [map, index, of_blob("corrupt", &own(scene), WEB)].concat()
        },
        fetched: |scene| {
            let mut manifests = [root(scene), child(scene)].map(|digest| format!("app/manifests/{digest}"));
            manifests.sort();
            [manifests.to_vec(), vec![format!("web/blobs/{}", own(scene))]].concat()
        },
    },
];

#[test]
fn a_tags_file_that_kubekey_left_behind_is_renewed_without_a_network_and_nothing_is_wrong() {
    let scene = Scene::pulled();
    let before = contents(&scene.store());
    fs::copy(scene.manifest("app", &child(&scene)), scene.manifest("app", "v1")).expect("a writable folder");
    let report = scene.verify(0);
    assert_eq!(report["whole"], true);
    let old = &report["old_tag_files"][0];
    assert_eq!(
        (&old["tag"], &old["failure"]),
        (&json!("v1"), &json!(null)),
        "{report:#}"
    );
    assert!(contents(&scene.store()) == before);
    assert_eq!(scene.registry.log().requests().len(), 0);
    assert_eq!(scene.verify(0)["old_tag_files"], json!([]));
}

#[test]
fn each_flaw_is_found_with_what_it_affects_and_mended_by_fetching_it_alone() {
    for case in CASES {
        let scene = Scene::pulled();
        let before = contents(&scene.store());
        assert_eq!(scene.verify(0)["whole"], true, "{}", case.name);
        (case.make)(&scene);

        let report = scene.verify(1);
        assert_eq!(
            findings(&report, "findings"),
            (case.found)(&scene),
            "{}",
            case.name
        );
        assert_eq!(report["whole"], false);
        assert_eq!(scene.registry.log().requests().len(), 0, "{}", case.name);

        let report = scene.repair(0);
        assert_eq!(report["whole"], true, "{}: {report:#}", case.name);
        let mended = findings(&report, "mended");
        for finding in (case.found)(&scene) {
            assert!(mended.contains(&finding), "{}: {mended:?}", case.name);
        }
        assert_eq!(scene.fetched(), (case.fetched)(&scene), "{}", case.name);
        let mut after = contents(&scene.store());
        after.retain(|name, _| !name.ends_with("/layout~"));
        assert!(after == before, "{}: {:?}", case.name, after.keys());
        assert_eq!(scene.verify(0)["whole"], true, "{}", case.name);
    }
}

#[test]
fn what_is_not_wrong_is_told_beside_it() {
    let scene = Scene::pulled();
    fs::write(scene.store().join("blobs/notes.txt"), "mine").expect("a writable folder");
    let orphan = samples::single(Family::Oci, "linux/amd64", 9).blobs[0].clone();
    fs::write(scene.blob(&orphan.0.digest), &orphan.1).expect("a writable folder");
    let partial = scene.store().join(".transload/partial");
    fs::create_dir_all(&partial).expect("a writable folder");
    fs::write(partial.join(orphan.0.digest.to_string()), "par").expect("a writable folder");
    let report = scene.verify(0);
    assert_eq!(report["strangers"], serde_json::json!(["images/blobs/notes.txt"]));
    assert_eq!(report["orphans"][0]["size"], orphan.0.size);
    assert_eq!(report["leftovers"][0]["size"], 3);
    assert_eq!(report["leftovers"][0]["digest"], orphan.0.digest.to_string());
    let numbers = ["images", "affected", "manifests", "blobs"].map(|key| report[key].as_u64());
    let blobs = scene.app.blobs.len() + scene.web.blobs.len() - 1;
    assert_eq!(numbers, [Some(2), Some(0), Some(6), Some(blobs as u64)]);
    let bytes = scene.app.blob_bytes() + scene.web.blob_bytes() - scene.web.blobs[1].0.size;
    assert_eq!(report["bytes"], bytes);
}

#[test]
fn only_images_of_the_pattern_are_looked_at() {
    let scene = Scene::pulled();
    fs::remove_file(own_blob(&scene)).expect("a blob that is there");
    let report = scene.json(&["verify", "images", "--pattern", "team/app"], 0);
    assert_eq!(report["images"], 1);
    assert_eq!(
        report["orphans"],
        serde_json::json!([]),
        "they may be another image's"
    );
    let report = scene.json(&["verify", "images", "--pattern", "team/web"], 1);
    assert_eq!(
        findings(&report, "findings"),
        of_blob("missing", &own(&scene), WEB)
    );
}

#[test]
fn platforms_that_were_left_out_on_request_are_not_missed_but_those_that_were_lost_are() {
    let scene = Scene::empty();
    let only = ["--index", "original", "--platform", "linux/amd64,linux/arm64"];
    scene.pull(&[APP], &only);
    let report = scene.verify(0);
    let arm = [1, 2].map(|at| scene.app.manifests[at].digest.to_string());
    let left_out = report["left_out"][0]["manifests"]
        .as_array()
        .expect("a list")
        .clone();
    assert_eq!(left_out.len(), 2);
    assert!(
        arm.iter()
            .all(|digest| left_out.contains(&digest.as_str().into()))
    );

    fs::remove_file(scene.manifest("app", &child(&scene))).expect("a manifest that is there");
    // Its tag's file would do in its place.
    for name in [root(&scene).as_str(), "v1"] {
        fs::remove_file(scene.manifest("app", name)).expect("a manifest that is there");
    }
    let report = scene.repair(0);
    assert_eq!(report["left_out"][0]["manifests"], serde_json::json!(left_out));
    let mut expected = [root(&scene), child(&scene)].map(|digest| format!("app/manifests/{digest}"));
    expected.sort();
    assert_eq!(scene.fetched(), expected, "and nothing that was left out");

    // Pulled later, they count.
    scene.pull(&[APP], &["--index", "original"]);
    assert_eq!(scene.verify(0)["left_out"], serde_json::json!([]));
    fs::remove_file(scene.manifest("app", &arm[0])).expect("a manifest that is there");
    assert_eq!(
        findings(&scene.verify(1), "findings"),
        of_app("missing manifest", &arm[0])
    );
}

#[test]
fn layers_that_only_their_publisher_gives_out_may_be_absent() {
    let scene = Scene::empty();
    let (image, content) = samples::foreign("https://layers.example.com/base");
    scene.registry.put_image("mirror/team/windows", "v1", &image);
    scene.pull(&["hub.example.com/team/windows:v1"], &[]);
    assert_eq!(scene.verify(0)["whole"], true);
    // One that somebody put there should be whole.
    let digest = transload_reference::Digest::of(&content);
    fs::write(scene.blob(&digest), &content).expect("a writable folder");
    assert_eq!(scene.verify(0)["orphans"], serde_json::json!([]));
    flip(&scene.blob(&digest));
    let found = of_blob("corrupt", digest.as_str(), "hub.example.com/team/windows:v1");
    assert_eq!(findings(&scene.verify(1), "findings"), found);
}
