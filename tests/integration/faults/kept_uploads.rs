//! Uploads that outlive the process that began them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use transload_test_support::image::Image;
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::scripted::{Action, Fault, Locations, Options, Request};
use transload_test_support::{RealRegistry, ScriptedRegistry, Transload};

use super::{MIB, folder, one_layer, program, store, within};

const SIZE: usize = 8 * MIB;
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with an image whose layer is large, and a place where the program keeps its state.
struct Scene {
    dirs: tempfile::TempDir,
    image: Image,
}

impl Scene {
    fn new() -> Scene {
        let (dirs, image) = (folder(), one_layer(1, SIZE));
        store(&within(&dirs, "images"), "team/app", &image);
        Scene { dirs, image }
    }

    fn push(&self, host: &str) -> Transload {
        let src = within(&self.dirs, "images");
        program(["push", "--src", &src, "--dest", host, "--jobs", "1"])
            .env("XDG_STATE_HOME", self.dirs.path().join("state"))
    }

    /// The files of uploads that are under way.
    fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dirs.path().join("state/transload/uploads"));
        let entries = entries.into_iter().flatten();
        entries
            .map(|entry| entry.expect("a readable folder").path())
            .collect()
    }

    /// Pushes through a slow link and kills the program once 3 MiB of the layer are through.
    fn push_and_kill(&self, link: &Link) {
        let running = self.push(link.host()).spawn();
        let moves = link.wait_for_bytes_to_server(3 << 20, PATIENCE);
        running.signal("KILL");
        let output = running.wait();
        assert!(
            moves && output.signal == Some(9),
            "{output:?} {}",
            link.bytes_to_server()
        );
        // What is still on its way is lost with the connection.
        link.close();
        link.set(LinkConditions::default());
        link.open();
    }
}

/// A registry whose addresses lead back through the link.
fn behind_a_link() -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        locations: Locations::Relative,
        ..Options::default()
    })
}

fn slow() -> LinkConditions {
    LinkConditions {
        rate: Some(6_000_000),
        ..LinkConditions::default()
    }
}

fn puts(requests: &[Request], layer: &str) -> Vec<Request> {
    let is_it = |request: &&Request| request.method == "PUT" && request.query.contains(&layer[7..]);
    requests.iter().filter(is_it).cloned().collect()
}

#[test]
fn a_killed_upload_goes_on_where_the_registry_has_it() {
    let (scene, registry) = (Scene::new(), behind_a_link());
    let layer = scene.image.layer();
    let link = Link::start_at(Ipv4Addr::new(127, 0, 0, 2), registry.host(), slow());
    scene.push_and_kill(&link);
    let is_cut = |requests: &[Request]| puts(requests, layer).iter().any(|put| put.finished);
    assert!(registry.log().wait_for(is_cut, PATIENCE));
    assert_eq!(scene.kept().len(), 1);

    let output = scene.push(link.host()).arg("-v").run().expect_code(0);
    assert!(registry.has_image("team/app", "v1", &scene.image));
    let puts = puts(&registry.log().requests(), layer);
    let [first, second] = puts.as_slice() else {
        panic!("{puts:?}");
    };
    assert!(first.body_bytes > 2 << 20);
    let range = format!("{}-{}", first.body_bytes, SIZE - 1);
    assert_eq!(second.header("content-range"), Some(range.as_str()));
    assert_eq!(
        first.body_bytes + second.body_bytes,
        SIZE as u64,
        "no byte was sent twice"
    );
    let told = format!(
        "an earlier run began this upload; going on from byte {}",
        first.body_bytes
    );
    assert!(output.stderr.contains(&told), "{}", output.stderr);
    assert_eq!((scene.kept(), registry.open_sessions()), (vec![], 0));
}

#[test]
fn a_killed_upload_that_the_registry_forgot_begins_anew() {
    let scene = Scene::new();
    // The distribution registry goes by the offset in the Location that it gave last, and refuses a session that has got more.
    let registry = RealRegistry::plain();
    let link = Link::start_at(Ipv4Addr::new(127, 0, 0, 2), registry.host(), slow());
    scene.push_and_kill(&link);
    assert_eq!(scene.kept().len(), 1);
    let before = link.bytes_to_server();
    scene.push(link.host()).run().expect_code(0);
    assert!(registry.has_image("team/app", "v1", &scene.image));
    let sent = link.bytes_to_server() - before;
    assert!(sent < SIZE as u64 + 100_000, "{sent}");
    assert_eq!(scene.kept(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_kept_of_an_upload_is_for_its_owner_alone_and_in_no_log() {
    use std::os::unix::fs::PermissionsExt;
    let (scene, registry) = (Scene::new(), ScriptedRegistry::start());
    let layer = scene.image.layer();
    registry.fault(Fault::new("PUT", &layer[7..], Action::StallUpload { after: MIB }));
    let running = scene.push(registry.host()).arg("-vvv").spawn();
    registry.wait_until_stalled(1);
    let kept = scene.kept();
    let [file] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("a readable folder")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["registry"], registry.host());
    assert_eq!(
        (&kept["repository"], &kept["digest"]),
        (&"team/app".into(), &layer.into())
    );
    let location = kept["location"].as_str().unwrap();
    let (_, state) = location
        .split_once('?')
        .expect("the session's address has a query");
    registry.release();
    let output = running.wait().expect_code(0);
    assert!(
        !state.is_empty() && !output.stderr.contains(&format!("?{state}")),
        "{}",
        output.stderr
    );
}

#[test]
fn two_runs_that_push_the_same_blob_have_a_session_each() {
    let (scene, registry) = (Scene::new(), ScriptedRegistry::start());
    let layer = scene.image.layer();
    registry.fault(Fault::new("PUT", &layer[7..], Action::StallUpload { after: MIB }));
    let first = scene.push(registry.host()).spawn();
    registry.wait_until_stalled(1);
    scene.push(registry.host()).run().expect_code(0);
    registry.release();
    first.wait().expect_code(0);
    assert!(registry.has_image("team/app", "v1", &scene.image));
    let puts = puts(&registry.log().requests(), layer);
    let [first, second] = puts.as_slice() else {
        panic!("{puts:?}");
    };
    assert_ne!(first.path, second.path, "one session");
    assert_eq!(scene.kept(), Vec::<PathBuf>::new());
}

#[test]
fn a_kept_address_that_leads_elsewhere_is_not_believed() {
    let (scene, registry) = (Scene::new(), ScriptedRegistry::start());
    let layer = scene.image.layer();
    registry.fault(Fault::new("PUT", &layer[7..], Action::StallUpload { after: MIB }));
    let running = scene.push(registry.host()).spawn();
    registry.wait_until_stalled(1);
    running.signal("KILL");
    running.wait();
    let kept = scene.kept();
    let text = fs::read_to_string(&kept[0]).unwrap();
    for location in [
        "file:///etc/passwd",
        "/v2/team/app/blobs/uploads/none?a=b",
        "nonsense://",
    ] {
        let mut entry: serde_json::Value = serde_json::from_str(&text).unwrap();
        entry["location"] = location.into();
        registry.remove_manifest("team/app", "v1");
        registry.remove_blob("team/app", &layer.parse().unwrap());
        fs::write(&kept[0], entry.to_string()).unwrap();
        scene.push(registry.host()).run().expect_code(0);
        assert!(registry.has_image("team/app", "v1", &scene.image), "{location}");
        assert_eq!(scene.kept(), Vec::<PathBuf>::new());
    }
}
