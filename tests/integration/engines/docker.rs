//! Docker, by `docker load` and `docker save`.

use std::process::Command;

use super::sandbox::{Daemon, Sandbox, assert_greets, output, pipe, succeed};
use super::saved::{Expected, assert_read};
use super::text;
use super::written::{Case, PROGRAM, Written};
use crate::serve::Served;

struct Docker {
    _daemon: Daemon,
    sandbox: Sandbox,
}

impl Docker {
    fn start() -> Option<Docker> {
        Docker::configured(|_| "{}".to_owned())
    }

    /// Starts it with the text of `daemon.json`.
    fn configured(text_of: impl Fn(&Sandbox) -> String) -> Option<Docker> {
        let sandbox = Sandbox::for_programs(&["dockerd", "docker", "containerd", "runc"])?;
        let config = sandbox.path("daemon.json");
        std::fs::write(&config, text_of(&sandbox)).expect("a writable temporary folder");
        let mut start = sandbox.command("dockerd");
        for (option, name) in [
            ("--config-file", "daemon.json"),
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
        ] {
            start.arg(option).arg(sandbox.path(name));
        }
        start.args(["--host", &host(&sandbox), "--storage-driver=vfs", "--bridge=none"]);
        start.args(["--iptables=false", "--ip6tables=false", "--ip-masq=false"]);
        let daemon = sandbox.daemon(&mut start, || {
            output(docker(&sandbox).arg("version")).status.success()
        });
        Some(Docker {
            _daemon: daemon,
            sandbox,
        })
    }

    fn docker(&self, args: &[&str]) -> Command {
        let mut command = docker(&self.sandbox);
        command.args(args);
        command
    }

    /// Checks that the image is there, runs it and removes it.
    #[track_caller]
    fn assert_has(&self, case: &Case) {
        let id = succeed(&mut self.docker(&["image", "inspect", "--format={{.Id}}", &case.name]));
        assert_eq!(id.trim_end(), case.id().as_str());
        assert_greets(&mut self.docker(&["run", "--rm", "--network=none", &case.name, PROGRAM]));
    }

    fn remove(&self, case: &Case) {
        succeed(&mut self.docker(&["image", "rm", &case.name]));
    }
}

fn host(sandbox: &Sandbox) -> String {
    format!("unix://{}", text(sandbox.path("socket")))
}

fn docker(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.client("docker");
    command.args(["--host", &host(sandbox)]);
    command
}

#[test]
fn docker_loads_and_runs_archives_of_one_platform_and_of_several() {
    let Some(docker) = Docker::start() else {
        return;
    };
    let written = Written::new();
    for case in &written.cases {
        let archive = text(written.archive(case));
        succeed(&mut docker.docker(&["load", "--input", &archive]));
        docker.assert_has(case);
        docker.remove(case);

        pipe(
            &mut written.to_stdout(case).command(),
            &mut docker.docker(&["load"]),
        );
        docker.assert_has(case);
        docker.remove(case);
    }
}

#[test]
fn an_archive_that_docker_saved_is_read_with_new_digests() {
    let Some(docker) = Docker::start() else {
        return;
    };
    let written = Written::new();
    for case in &written.cases {
        let archive = text(written.archive(case));
        succeed(&mut docker.docker(&["load", "--input", &archive]));
        let saved = docker.sandbox.path("saved.tar");
        succeed(&mut docker.docker(&["save", "--output", &text(&saved), &case.name]));
        assert_read(&saved, &case.name, Expected::New(case.id()));
        docker.remove(case);
    }
}

#[test]
fn docker_pulls_images_of_docker_hub_from_its_mirror_and_others_by_the_servers_name() {
    let mut written = Written::new();
    let served = Served::start(&[&written.store()]);
    let Some(docker) = Docker::configured(|sandbox| {
        served.configure("docker", &written.store(), &text(sandbox.path("node")));
        let file = sandbox.path("node").join("daemon.json");
        std::fs::read_to_string(file).expect("it was written")
    }) else {
        return;
    };
    for case in &mut written.cases[..2] {
        let full = format!("{}/{}", served.host(), case.name);
        let (_, path) = case.name.split_once('/').expect("a full name");
        case.name = path.to_owned();
        for name in [case.name.clone(), full] {
            case.name = name;
            succeed(&mut docker.docker(&["pull", "--quiet", &case.name]));
            docker.assert_has(case);
            docker.remove(case);
        }
    }
}

#[test]
fn docker_pushes_to_a_server_and_pulls_again() {
    let Some(docker) = Docker::start() else {
        return;
    };
    let mut written = Written::new();
    let archive = text(written.archive(&written.cases[0]));
    let served = Served::start(&[
        &text(docker.sandbox.path("pushed")),
        "--writable",
        "--as",
        "hub.local",
    ]);
    let case = &mut written.cases[0];
    succeed(&mut docker.docker(&["load", "--input", &archive]));
    let name = format!("{}/team/one:v1", served.host());
    succeed(&mut docker.docker(&["tag", &case.name, &name]));
    succeed(&mut docker.docker(&["push", &name]));
    succeed(&mut docker.docker(&["image", "rm", &name]));
    docker.remove(case);
    succeed(&mut docker.docker(&["pull", "--quiet", &name]));
    case.name = name;
    docker.assert_has(case);
}
