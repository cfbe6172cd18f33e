//! Docker, by `docker load` and `docker save`.

use std::process::Command;

use super::sandbox::{Daemon, Sandbox, assert_greets, output, pipe, succeed};
use super::saved::{Expected, assert_read};
use super::text;
use super::written::{Case, PROGRAM, Written};

struct Docker {
    _daemon: Daemon,
    sandbox: Sandbox,
}

impl Docker {
    fn start() -> Option<Docker> {
        let sandbox = Sandbox::for_programs(&["dockerd", "docker", "containerd", "runc"])?;
        let config = sandbox.path("daemon.json");
        std::fs::write(&config, "{}").expect("a writable temporary folder");
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
