//! Credentials that no task gives: files as docker and podman keep them, and the helpers that those name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::{Output, Transload};

use super::help::*;

/// `tester:correct:horse` in base64.
const RIGHT: &str = "dGVzdGVyOmNvcnJlY3Q6aG9yc2U=";
/// `tester:wrong` in base64.
const WRONG: &str = "dGVzdGVyOndyb25n";

/// A registry that asks for a password, and a machine that may know it.
struct Machine {
    registry: Site,
    folder: TempDir,
}

impl Machine {
    fn new() -> Machine {
        Machine {
            registry: Site::with_images(PASSWORDS, "team/app"),
            folder: folder(),
        }
    }

    /// Writes a file that nobody else may read.
    fn file(&self, name: &str, content: &Value) -> PathBuf {
        let path = self.folder.path().join(name);
        write(&path, &content.to_string(), 0o600);
        path
    }

    /// `auths` of a file of credentials.
    fn auths(&self, encoded: &str) -> Value {
        json!({"auths": {self.registry.host(): {"auth": encoded}}})
    }

    /// Puts a program `docker-credential-<name>` into a folder of its own, which knows the user's password and writes down
    /// what it is asked. Gives the search path with that folder, and the notes.
    fn helper(&self, name: &str) -> (String, PathBuf) {
        let bin = self.folder.path().join(format!("bin-{name}"));
        let notes = bin.join("notes");
        let script = format!(
            "#!/bin/sh\nread server\necho \"$1 $server\" >> {notes}\n\
             case $server in\n{host}) echo '{{\"ServerURL\":\"{host}\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}';;\n\
             *) echo 'credentials not found in native keychain'; exit 1;;\nesac\n",
            notes = notes.display(),
            host = self.registry.host(),
        );
        write(&bin.join(format!("docker-credential-{name}")), &script, 0o755);
        let others = std::env::var("PATH").expect("a search path");
        (format!("{}:{others}", bin.display()), notes)
    }

    /// Pulls by a task with these entries of `auths`.
    fn pull(&self, auths: &Value, files: &[(&str, &Path)]) -> Output {
        let program = task(&json!({
            "manifests": self.registry.references("team/app"),
            "dest": format!("local://{}", text(self.folder.path().join("images"))),
            "auths": auths,
        }));
        with_files(program, files).run()
    }

    #[track_caller]
    fn assert_pulled(&self, output: Output) {
        output.expect_code(0);
        let dir = self.folder.path().join("images");
        assert_pulled(&dir, &self.registry, "team/app");
        fs::remove_dir_all(dir).expect("a removable temporary folder");
    }

    #[track_caller]
    fn assert_refused(&self, output: Output, origin: &str) {
        let host = self.registry.host();
        let reason = format!(
            "source: {host}: logging in: {host} refused {USER}'s password ({origin}): the registry answered 401 Unauthorized: \
             UNAUTHORIZED: authentication required"
        );
        let hint = format!(
            "{host} refused the user name or the password: check them in auths, or log in again; --dry-run tells which credentials \
             are used and where they come from"
        );
        assert_failed(output, &format!("{host}/team/app:oci"), &reason, &hint);
    }
}

/// Sets these variables, and lets no other file of credentials be found.
fn with_files(program: Transload, files: &[(&str, &Path)]) -> Transload {
    let program = program.env("REGISTRY_AUTH_FILE", "");
    files
        .iter()
        .fold(program, |program, (name, path)| program.env(name, path))
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a writable temporary folder");
    fs::write(path, text).expect("a writable temporary folder");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of one's own");
}

/// What a task says of the registry beside who one is: that passwords may go to it over plain HTTP.
fn nobody(machine: &Machine) -> Value {
    json!([{"repo": machine.registry.host(), "plain_http": true}])
}

#[test]
fn dockers_configuration_is_looked_into() {
    let machine = Machine::new();
    machine.file("docker/config.json", &machine.auths(RIGHT));
    let docker = machine.folder.path().join("docker");
    machine.assert_pulled(machine.pull(&nobody(&machine), &[("DOCKER_CONFIG", &docker)]));
    // A user's name and password that aren't encoded do, too.
    let host = machine.registry.host();
    let plain = json!({"auths": {format!("https://{host}/v2/"): {"username": USER, "password": PASSWORD}}});
    machine.file("docker/config.json", &plain);
    machine.assert_pulled(machine.pull(&nobody(&machine), &[("DOCKER_CONFIG", &docker)]));
    machine.file("docker/config.json", &machine.auths(WRONG));
    let origin = format!("docker config {}/config.json (entry {host})", docker.display());
    machine.assert_refused(
        machine.pull(&nobody(&machine), &[("DOCKER_CONFIG", &docker)]),
        &origin,
    );
}

#[test]
fn what_podman_wrote_comes_before_what_docker_wrote() {
    let machine = Machine::new();
    let docker = machine.folder.path().join("docker");
    let run = machine.folder.path().join("run");
    machine.file("run/containers/auth.json", &machine.auths(RIGHT));
    machine.file("docker/config.json", &machine.auths(WRONG));
    let files = [
        ("XDG_RUNTIME_DIR", run.as_path()),
        ("DOCKER_CONFIG", docker.as_path()),
    ];
    machine.assert_pulled(machine.pull(&nobody(&machine), &files));
}

#[test]
fn a_file_that_the_environment_names_is_the_only_one() {
    let machine = Machine::new();
    let docker = machine.folder.path().join("docker");
    machine.file("docker/config.json", &machine.auths(RIGHT));
    let named = machine.file("named.json", &machine.auths(RIGHT));
    machine.assert_pulled(machine.pull(&nobody(&machine), &[("REGISTRY_AUTH_FILE", &named)]));
    let wrong = machine.file("wrong.json", &machine.auths(WRONG));
    let files = [
        ("REGISTRY_AUTH_FILE", wrong.as_path()),
        ("DOCKER_CONFIG", &docker),
    ];
    let origin = format!(
        "credentials file {} (entry {})",
        wrong.display(),
        machine.registry.host()
    );
    machine.assert_refused(machine.pull(&nobody(&machine), &files), &origin);
}

#[test]
fn helpers_are_asked_once_for_the_hosts_that_are_theirs() {
    let machine = Machine::new();
    let docker = machine.folder.path().join("docker");
    let host = machine.registry.host();
    let of_host = json!({"credHelpers": {host: "of-host"}, "auths": {host: {"auth": WRONG}}});
    let for_all = json!({"credsStore": "for-all", "auths": {host: {}}});
    for (name, config) in [("of-host", of_host), ("for-all", for_all)] {
        machine.file("docker/config.json", &config);
        let (path, notes) = machine.helper(name);
        let files = [("DOCKER_CONFIG", docker.as_path()), ("PATH", Path::new(&path))];
        machine.assert_pulled(machine.pull(&nobody(&machine), &files));
        let notes = fs::read_to_string(notes).expect("the helper wrote down what it was asked");
        assert_eq!(notes, format!("get {host}\n"));
    }
}

#[test]
fn a_helper_that_is_not_installed_is_named() {
    let machine = Machine::new();
    let docker = machine.folder.path().join("docker");
    machine.file("docker/config.json", &json!({"credsStore": "of-nobody"}));
    let pull = machine.pull(&nobody(&machine), &[("DOCKER_CONFIG", &docker)]);
    let told = told(&pull.expect_code(1));
    assert!(
        told.contains("credential helper docker-credential-of-nobody"),
        "{told}"
    );
    assert!(
        told.contains("install it, or give the credentials in auths"),
        "{told}"
    );
}

#[test]
fn what_a_task_says_wins() {
    let machine = Machine::new();
    let (host, docker) = (machine.registry.host(), machine.folder.path().join("docker"));
    let entry =
        |password: &str| json!([{"repo": host, "username": USER, "password": password, "plain_http": true}]);
    let files = [("DOCKER_CONFIG", docker.as_path())];
    machine.file("docker/config.json", &machine.auths(WRONG));
    machine.assert_pulled(machine.pull(&entry(PASSWORD), &files));
    machine.file("docker/config.json", &machine.auths(RIGHT));
    machine.assert_refused(
        machine.pull(&entry("wrong"), &files),
        &format!("auths entry {host}"),
    );
    // An entry that says nothing of a user leaves that to the files.
    machine.assert_pulled(machine.pull(&nobody(&machine), &files));
}

#[test]
fn of_several_entries_the_one_with_the_longest_path_counts() {
    let machine = Machine::new();
    let host = machine.registry.host();
    let entry = |repo: String, password: &str| json!({"repo": repo, "username": USER, "password": password, "plain_http": true});
    let (all, team) = (host.to_owned(), format!("{host}/team"));
    let right = json!([entry(all.clone(), "wrong"), entry(team.clone(), PASSWORD)]);
    machine.assert_pulled(machine.pull(&right, &[]));
    let wrong = json!([entry(team, "wrong"), entry(all, PASSWORD)]);
    machine.assert_refused(machine.pull(&wrong, &[]), &format!("auths entry {host}/team"));
}
