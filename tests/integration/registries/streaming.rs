//! From registry to registry: whatever either of them asks for, and without a copy on the way.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use transload_reference::Digest;
use transload_test_support::image::{Family, Image, ImageBuilder, noise, samples};
use transload_test_support::real::{Auth, Tls};
use transload_test_support::scripted::{Action, Fault, Request};
use transload_test_support::{ScriptedRegistry, Transload};

use super::help::*;

const PATIENCE: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;

/// Every folder that a program might keep something in, all empty.
struct Folders(TempDir);

impl Folders {
    fn new() -> Folders {
        let folders = Folders(folder());
        for name in ["home", "tmp", "here"] {
            fs::create_dir(folders.0.path().join(name)).expect("a writable temporary folder");
        }
        folders
    }

    /// Lets a program know no other folders.
    fn given_to(&self, program: Transload) -> Transload {
        let at = |name: &str| self.0.path().join(name);
        [
            "HOME",
            "XDG_RUNTIME_DIR",
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "XDG_DATA_HOME",
            "DOCKER_CONFIG",
        ]
        .into_iter()
        .fold(program, |program, name| program.env(name, at("home")))
        .env("XDG_STATE_HOME", at("state"))
        .env("TMPDIR", at("tmp"))
        .current_dir(at("here"))
    }

    #[track_caller]
    fn assert_empty(&self) {
        for name in ["home", "tmp", "here"] {
            let mut entries = fs::read_dir(self.0.path().join(name)).expect("a readable folder");
            assert!(entries.next().is_none(), "something was written to {name}");
        }
    }
}

/// The files that a process has open, those without a name included.
fn open_files(id: u32) -> Vec<PathBuf> {
    let open = fs::read_dir(format!("/proc/{id}/fd")).expect("the descriptors of a child");
    open.flatten()
        .filter(|entry| fs::metadata(entry.path()).is_ok_and(|target| target.is_file()))
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .collect()
}

/// An image with one large layer, and the layer's digest.
fn large(size: usize) -> (Image, Digest) {
    let layer = noise(1, size);
    let image = ImageBuilder::new(Family::Oci)
        .blob_layer("application/vnd.oci.image.layer.v1.tar", &layer)
        .build();
    (image, Digest::of(&layer))
}

#[test]
fn images_are_copied_between_registries_that_ask_for_different_things() {
    for (from, to) in [
        (TOKENS, CLIENT_CERTIFICATE),
        (CLIENT_CERTIFICATE, PASSWORDS),
        (PASSWORDS, PRIVATE_CA),
        (PRIVATE_CA, TOKENS),
        (
            shape(Tls::Server, Auth::Htpasswd),
            shape(Tls::Mutual, Auth::Htpasswd),
        ),
        (shape(Tls::Mutual, Auth::Htpasswd), PLAIN),
    ] {
        let (from, to) = (Site::with_images(from, "team/app"), Site::start(to));
        let folders = Folders::new();
        let image = json!({
            "manifests": from.references("team/app"),
            "dest": format!("{}/copied", to.host()),
            "auths": [from.entry(), to.entry()],
        });
        folders.given_to(task(&image)).run().expect_code(0);
        assert_pushed(&to, "copied/team/app", &images());
        folders.assert_empty();
    }
}

#[test]
fn bytes_are_on_their_way_to_the_destination_before_the_source_has_sent_them_all() {
    let (from, to) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let (image, layer) = large(4 * MIB);
    from.put_image("team/app", "v1", &image);
    from.fault(Fault::new(
        "GET",
        layer.as_str(),
        Action::Stall { after: 3 * MIB },
    ));
    to.fault(Fault::new(
        "PUT",
        layer.hex(),
        Action::StallUpload { after: 2 * MIB },
    ));
    let folders = Folders::new();
    let name = format!("{}/team/app:v1", from.host());
    let program = Transload::new().args(["copy", &name, "--dest", to.host()]);
    let running = folders.given_to(program).spawn();

    let stalled = |requests: &[Request]| {
        requests
            .iter()
            .any(|request| request.stalled && !request.finished)
    };
    assert!(to.log().wait_for(stalled, PATIENCE), "nothing came");
    assert!(from.log().wait_for(stalled, PATIENCE), "the source has sent all");
    let mut open = open_files(running.id());
    // The upload session's address is kept for the case that the process is killed, and no content.
    open.retain(|path| !path.starts_with(folders.0.path().join("state")));
    assert_eq!(open, [] as [&Path; 0]);
    folders.assert_empty();

    to.release();
    from.release();
    running.wait().expect_code(0);
    assert!(to.has_image("team/app", "v1", &image));
    folders.assert_empty();
}

#[test]
fn an_upload_that_was_cut_goes_on_with_what_is_fetched_from_there_on() {
    let (from, to) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let (image, layer) = large(4 * MIB);
    from.put_image("team/app", "v1", &image);
    to.fault(Fault::new(
        "PUT",
        layer.hex(),
        Action::CutUpload { after: 3 * MIB },
    ));
    let folders = Folders::new();
    let name = format!("{}/team/app:v1", from.host());
    let program = Transload::new().args(["copy", &name, "--dest", to.host()]);
    folders.given_to(program).run().expect_code(0);

    assert!(to.has_image("team/app", "v1", &image));
    let fetches: Vec<Option<String>> = from
        .log()
        .requests()
        .iter()
        .filter(|request| request.is("GET", layer.as_str()))
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    assert_eq!(fetches, [None, Some(format!("bytes={}-", 3 * MIB))]);
    folders.assert_empty();
}

#[test]
fn images_are_planned_and_finished_while_a_slow_one_still_moves() {
    let (from, to) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let image = |seed| samples::single(Family::Oci, "linux/amd64", seed);
    for seed in 0..6 {
        from.put_image(&format!("app{seed}"), "v1", &image(seed));
    }
    let (own_layer, _) = &image(0).blobs[2];
    from.fault(Fault::new(
        "GET",
        own_layer.digest.as_str(),
        Action::Stall { after: 5 },
    ));
    let mut args = ["copy", "--dest", to.host(), "--jobs", "2"]
        .map(str::to_owned)
        .to_vec();
    args.extend((0..6).map(|seed| format!("{}/app{seed}:v1", from.host())));
    let running = Transload::new().args(args).spawn();

    let others_are_done = |requests: &[Request]| {
        let is_tag = |request: &&Request| request.is("PUT", "/manifests/v1") && request.finished;
        requests.iter().filter(is_tag).count() == 5
    };
    assert!(to.log().wait_for(others_are_done, PATIENCE), "the others wait");
    assert_eq!(to.tags("app0"), [""; 0]);
    from.release();
    running.wait().expect_code(0);
    for seed in 0..6 {
        assert!(to.has_image(&format!("app{seed}"), "v1", &image(seed)), "{seed}");
    }
}
