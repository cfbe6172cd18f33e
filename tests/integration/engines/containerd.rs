//! containerd, by `ctr images import` and `export`.

use std::path::Path;
use std::process::Command;

use transload_test_support::RealRegistry;
use transload_test_support::real::{Auth, Tls};

use super::sandbox::{Daemon, Sandbox, assert_greets, line_with, output, pipe, succeed};
use super::saved::{Expected, assert_read};
use super::written::{Case, PROGRAM, Written};
use super::{text, transload};
use crate::guides::page::steps;
use crate::serve::Served;

struct Containerd {
    _daemon: Daemon,
    sandbox: Sandbox,
}

impl Containerd {
    fn start() -> Option<Containerd> {
        let sandbox = Sandbox::for_programs(&["containerd", "ctr", "runc", "containerd-shim-runc-v2"])?;
        let config = sandbox.path("containerd.toml");
        let folder = |name| text(sandbox.path(name));
        let settings = format!(
            "version = 2\nroot = '{}'\nstate = '{}'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt']\n\
             [grpc]\naddress = '{}'\n[ttrpc]\naddress = '{}'\n",
            folder("root"),
            folder("state"),
            folder("socket"),
            folder("ttrpc")
        );
        std::fs::write(&config, settings).expect("a writable temporary folder");
        let mut start = sandbox.command("containerd");
        let daemon = sandbox.daemon(start.arg("--config").arg(&config), || {
            output(ctr(&sandbox).arg("version")).status.success()
        });
        Some(Containerd {
            _daemon: daemon,
            sandbox,
        })
    }

    fn ctr(&self, args: &[&str]) -> Command {
        let mut command = ctr(&self.sandbox);
        command.args(args);
        command
    }

    /// Checks that the image is there, and runs it.
    #[track_caller]
    fn assert_has(&self, case: &Case) {
        let listed = succeed(&mut self.ctr(&["images", "list"]));
        line_with(&listed, &[&case.name, case.digest().as_str(), "linux/amd64"]);
        let checked = succeed(&mut self.ctr(&["images", "check"]));
        line_with(&checked, &[&case.name, "complete"]);
        let fifos = text(self.sandbox.path("fifos"));
        let run = [
            "run",
            "--rm",
            "--snapshotter=native",
            "--fifo-dir",
            &fifos,
            &case.name,
        ];
        assert_greets(self.ctr(&run).args(["greeter", PROGRAM]));
    }

    fn remove(&self, case: &Case) {
        succeed(&mut self.ctr(&["images", "remove", "--sync", &case.name]));
    }
}

fn ctr(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.client("ctr");
    command.arg("--address").arg(sandbox.path("socket"));
    command
}

fn import(file: &str) -> [&str; 4] {
    ["images", "import", "--snapshotter=native", file]
}

#[test]
fn containerd_loads_and_runs_archives_of_one_platform_and_of_several() {
    let Some(containerd) = Containerd::start() else {
        return;
    };
    let written = Written::new();
    for case in &written.cases {
        let archive = text(written.archive(case));
        succeed(&mut containerd.ctr(&import(&archive)));
        containerd.assert_has(case);
        containerd.remove(case);

        pipe(
            &mut written.to_stdout(case).command(),
            &mut containerd.ctr(&import("-")),
        );
        containerd.assert_has(case);
        containerd.remove(case);
    }
}

#[test]
fn an_archive_that_containerd_exported_is_read_with_its_digests() {
    let Some(containerd) = Containerd::start() else {
        return;
    };
    let written = Written::new();
    for case in &written.cases {
        let all = ["images", "import", "--snapshotter=native", "--all-platforms"];
        succeed(containerd.ctr(&all).arg(written.archive(case)));
        let exported = containerd.sandbox.path("exported.tar");
        let export = ["images", "export", "--all-platforms"];
        succeed(containerd.ctr(&export).arg(&exported).arg(&case.name));
        assert_read(Path::new(&exported), &case.name, Expected::Same(&case.image));
        containerd.remove(case);
    }
}

#[test]
fn containerd_pulls_images_of_any_registry_through_one_default_file() {
    let Some(containerd) = Containerd::start() else {
        return;
    };
    let written = Written::new();
    let served = Served::start(&[&written.store()]);
    let node = containerd.sandbox.path("node");
    let hosts = node.join("certs.d");
    for shadow in [None, Some(hosts.join("hub.example.com"))] {
        if let Some(empty) = shadow {
            std::fs::create_dir_all(empty).expect("a writable temporary folder");
        }
        served.configure("containerd", &written.store(), &text(&node));
        for case in &written.cases[..2] {
            let pull = [
                "images",
                "pull",
                "--snapshotter=native",
                "--hosts-dir",
                &text(&hosts),
                &case.name,
            ];
            succeed(&mut containerd.ctr(&pull));
            containerd.assert_has(case);
            containerd.remove(case);
        }
    }
}

/// What the tutorial writes into a file that a command of its names.
fn file_of_the_tutorial(name: &str) -> String {
    let steps = steps("tutorial.md");
    let mut files = steps.iter().filter_map(|step| {
        let (_, rest) = step.script.split_once(&format!("{name} <<'EOF'\n"))?;
        Some(rest.split_once("EOF\n")?.0.to_owned())
    });
    files
        .next()
        .unwrap_or_else(|| panic!("the tutorial writes no {name}"))
}

#[test]
fn the_tutorials_file_leads_containerd_to_a_project_for_images_of_any_registry() {
    let Some(containerd) = Containerd::start() else {
        return;
    };
    let harbor = RealRegistry::start(Tls::Named(&["harbor.example.com"]), Auth::Off);
    let written = Written::new();
    let file = file_of_the_tutorial("/etc/containerd/certs.d/_default/hosts.toml")
        .replace("harbor.example.com", harbor.host())
        .replace("/etc/containerd/harbor-ca.pem", &text(harbor.ca_file()));
    let hosts = containerd.sandbox.path("certs.d");
    std::fs::create_dir_all(hosts.join("_default")).expect("a writable temporary folder");
    std::fs::write(hosts.join("_default/hosts.toml"), file).expect("a writable temporary folder");
    let (ca_file, dest) = (text(harbor.ca_file()), format!("{}/mirror", harbor.host()));
    transload(&[
        "push",
        "--src",
        &written.store(),
        "--dest",
        &dest,
        "--ca-file",
        &ca_file,
    ]);
    for case in &written.cases[..2] {
        let hosts = text(&hosts);
        let pull = ["images", "pull", "--snapshotter=native", "--hosts-dir", &hosts];
        succeed(containerd.ctr(&pull).arg(&case.name));
        containerd.assert_has(case);
        containerd.remove(case);
    }
}

#[test]
fn containerd_pushes_to_a_server_and_pulls_again() {
    let Some(containerd) = Containerd::start() else {
        return;
    };
    let mut written = Written::new();
    let archive = text(written.archive(&written.cases[0]));
    let served = Served::start(&[&text(containerd.sandbox.path("pushed")), "--writable"]);
    let case = &mut written.cases[0];
    succeed(&mut containerd.ctr(&import(&archive)));
    let name = format!("{}/team/one:v1", served.host());
    succeed(&mut containerd.ctr(&["images", "push", "--plain-http", &name, &case.name]));
    containerd.remove(case);
    succeed(&mut containerd.ctr(&["images", "pull", "--snapshotter=native", "--plain-http", &name]));
    case.name = name;
    containerd.assert_has(case);
}
