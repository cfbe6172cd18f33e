//! buildah, by `buildah pull` and `push`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::sandbox::{Sandbox, assert_greets, line_with, named, succeed};
use super::saved::{Expected, assert_read};
use super::text;
use super::written::{Case, PROGRAM, Written};
use crate::serve::Served;

struct Buildah {
    sandbox: Sandbox,
}

impl Buildah {
    fn new() -> Option<Buildah> {
        let sandbox = Sandbox::for_programs(&["buildah"])?;
        Some(Buildah { sandbox })
    }

    fn buildah(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command("buildah");
        command.envs(self.sandbox.settings()).args(args);
        command
    }

    fn pull(&self, from: &str, folder: &Path) {
        let policy = self.sandbox.policy();
        let mut pull = self.buildah(&["pull", "--quiet", &policy, from]);
        succeed(pull.current_dir(folder));
    }

    /// Checks that the image is there, runs it and removes everything.
    #[track_caller]
    fn assert_has(&self, case: &Case, name: &str) {
        let listed = succeed(&mut self.buildah(&["images", "--no-trunc"]));
        let (repository, _) = name.rsplit_once(':').expect("a name with a tag");
        line_with(&listed, &[repository, case.id().as_str()]);
        let policy = self.sandbox.policy();
        let container = succeed(&mut self.buildah(&["from", "--pull-never", &policy, name]));
        assert_greets(&mut self.buildah(&["run", "--isolation=chroot", container.trim_end(), PROGRAM]));
        succeed(&mut self.buildah(&["rm", "--all"]));
        succeed(&mut self.buildah(&["rmi", "--all", "--force"]));
    }
}

#[test]
fn buildah_takes_and_runs_archives_and_layouts_of_one_platform_and_of_several() {
    let Some(buildah) = Buildah::new() else {
        return;
    };
    let written = Written::new();
    for case in &written.cases {
        let archive = written.archive(case);
        for scheme in ["oci-archive:", "docker-archive:"] {
            buildah.pull(&named(scheme, &archive, ""), Path::new("/"));
            buildah.assert_has(case, &case.name);
        }
        // buildah calls an image after the folder that it comes from.
        let layout = written.layout(case);
        let (folder, name) = (layout.parent(), case.digest().hex());
        buildah.pull(&format!("oci:{name}:v1"), folder.expect("a folder above it"));
        buildah.assert_has(case, &format!("localhost/{name}:latest"));
    }
}

#[test]
fn what_buildah_pushes_into_files_and_folders_is_read() {
    let Some(buildah) = Buildah::new() else {
        return;
    };
    let written = Written::new();
    let case = &written.cases[0];
    buildah.pull(&named("oci-archive:", &written.archive(case), ""), Path::new("/"));
    let policy = buildah.sandbox.policy();
    for (scheme, expected) in [
        ("oci-archive:", None),
        ("oci:", None),
        ("docker-archive:", Some(Expected::New(case.id()))),
    ] {
        let place = buildah.sandbox.path(scheme.trim_end_matches(':'));
        let to = named(scheme, &place, &format!(":{}", case.name));
        let digest = buildah.sandbox.path("digest");
        let told = text(&digest);
        succeed(&mut buildah.buildah(&["push", "--quiet", &policy, "--digestfile", &told, &case.name, &to]));
        // It packs layers anew, so that the image is another one: the one whose digest it tells.
        let told = fs::read_to_string(&digest).expect("the digest that buildah tells");
        assert_read(&place, &case.name, expected.unwrap_or(Expected::Told(&told)));
    }
}

#[test]
fn buildah_pulls_from_a_server_under_the_images_own_names_and_pushes_to_it() {
    let Some(buildah) = Buildah::new() else {
        return;
    };
    let written = Written::new();
    let served = Served::start(&[&written.store()]);
    let node = buildah.sandbox.path("node");
    served.configure("podman", &written.store(), &text(&node));
    let taking = Served::start(&[&text(buildah.sandbox.path("pushed")), "--writable"]);
    let policy = buildah.sandbox.policy();
    for case in &written.cases[..2] {
        let pull = || {
            let mut pull = buildah.buildah(&["pull", "--quiet", &policy, &case.name]);
            succeed(pull.env("CONTAINERS_REGISTRIES_CONF", node.join("registries.conf")));
        };
        pull();
        buildah.assert_has(case, &case.name);

        pull();
        let name = format!("{}/{}", taking.host(), case.name);
        succeed(&mut buildah.buildah(&[
            "push",
            "--quiet",
            &policy,
            "--tls-verify=false",
            &case.name,
            &format!("docker://{name}"),
        ]));
        succeed(&mut buildah.buildah(&["rmi", "--all", "--force"]));
        succeed(&mut buildah.buildah(&["pull", "--quiet", &policy, "--tls-verify=false", &name]));
        buildah.assert_has(case, &name);
    }
}
