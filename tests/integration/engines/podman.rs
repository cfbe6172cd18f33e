//! podman, by `podman load`, `pull` and `save`.

use std::path::PathBuf;
use std::process::Command;

use super::sandbox::{Sandbox, assert_greets, line_with, named, pipe, succeed};
use super::saved::{Expected, assert_read};
use super::written::{Case, PROGRAM, Written};
use super::{skopeo, text};
use crate::serve::Served;

struct Podman {
    sandbox: Sandbox,
}

impl Podman {
    fn new() -> Option<Podman> {
        let sandbox = Sandbox::for_programs(&["podman", "conmon", "runc", "skopeo"])?;
        Some(Podman { sandbox })
    }

    fn podman(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command("podman");
        let own = named("--tmpdir=", &self.sandbox.path("own"), "");
        let runtime = self.sandbox.program("runc");
        command
            .envs(self.sandbox.settings())
            .args([&own, &named("--runtime=", &runtime, "")])
            .args(args);
        command
    }

    /// The start of a command that takes images in.
    fn take_in(&self, command: &str) -> Command {
        self.podman(&[command, "--quiet", &self.sandbox.policy()])
    }

    fn save(&self, case: &Case, format: &str) -> PathBuf {
        let saved = self.sandbox.path(format);
        let save = [
            "save",
            "--quiet",
            "--format",
            format,
            "--output",
            &text(&saved),
            &case.name,
        ];
        succeed(&mut self.podman(&save));
        saved
    }

    /// Checks that the image is there, runs it and removes everything.
    #[track_caller]
    fn assert_has(&self, case: &Case, name: &str) {
        let listed = succeed(&mut self.podman(&["images", "--digests", "--no-trunc"]));
        let (repository, _) = name.rsplit_once(':').expect("a name with a tag");
        line_with(&listed, &[repository, case.id().as_str()]);
        let digests = succeed(&mut self.podman(&["image", "inspect", "--format={{.RepoDigests}}", name]));
        assert!(
            digests.contains(case.digest().as_str()),
            "{}: {digests}",
            case.digest()
        );
        let run = ["run", "--rm", "--network=none", "--ulimit=host", name, PROGRAM];
        assert_greets(&mut self.podman(&run));
        succeed(&mut self.podman(&["rmi", "--all", "--force"]));
    }
}

#[test]
fn podman_loads_and_runs_archives_and_layouts_of_one_platform_and_of_several() {
    let Some(podman) = Podman::new() else {
        return;
    };
    let written = Written::new();
    for case in &written.cases {
        let archive = written.archive(case);
        succeed(podman.take_in("load").arg("--input").arg(&archive));
        podman.assert_has(case, &case.name);

        pipe(
            &mut written.to_stdout(case).command(),
            &mut podman.take_in("load"),
        );
        podman.assert_has(case, &case.name);

        // podman calls an image after the folder that it comes from.
        let layout = written.layout(case);
        let (folder, name) = (layout.parent(), case.digest().hex());
        let mut pull = podman.take_in("pull");
        pull.arg(format!("oci:{name}:v1"))
            .current_dir(folder.expect("a folder above it"));
        succeed(&mut pull);
        podman.assert_has(case, &format!("localhost/{name}:latest"));
    }
}

#[test]
fn what_podman_saved_is_read_with_its_digests_or_with_new_ones() {
    let Some(podman) = Podman::new() else {
        return;
    };
    let written = Written::new();
    let case = &written.cases[0];
    succeed(podman.take_in("load").arg("--input").arg(written.archive(case)));
    for (format, scheme) in [("oci-archive", "oci-archive:"), ("oci-dir", "oci:")] {
        let saved = podman.save(case, format);
        // It packs layers anew, so that the image may be another one.
        let digest = skopeo::digest(&podman.sandbox, &named(scheme, &saved, ""));
        assert_read(&saved, &case.name, Expected::Told(&digest));
    }
    let saved = podman.save(case, "docker-archive");
    assert_read(&saved, &case.name, Expected::New(case.id()));
}

#[test]
fn podman_pulls_from_a_server_under_the_images_own_names_and_pushes_to_it() {
    let Some(podman) = Podman::new() else {
        return;
    };
    let written = Written::new();
    let served = Served::start(&[&written.store()]);
    let node = podman.sandbox.path("node");
    served.configure("podman", &written.store(), &text(&node));
    let taking = Served::start(&[&text(podman.sandbox.path("pushed")), "--writable"]);
    for case in &written.cases[..2] {
        let pull = || {
            let mut pull = podman.take_in("pull");
            pull.env("CONTAINERS_REGISTRIES_CONF", node.join("registries.conf"))
                .arg(&case.name);
            succeed(&mut pull);
        };
        pull();
        podman.assert_has(case, &case.name);

        pull();
        let name = format!("{}/{}", taking.host(), case.name);
        succeed(
            podman
                .take_in("push")
                .args(["--tls-verify=false", &case.name, &name]),
        );
        succeed(&mut podman.podman(&["rmi", "--all", "--force"]));
        succeed(podman.take_in("pull").args(["--tls-verify=false", &name]));
        let run = ["run", "--rm", "--network=none", "--ulimit=host", &name, PROGRAM];
        assert_greets(&mut podman.podman(&run));
        succeed(&mut podman.podman(&["rmi", "--all", "--force"]));
    }
}
