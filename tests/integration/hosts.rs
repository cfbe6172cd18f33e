//! Credentials and hosts: `login`, `logout`, `check`.
//!
//! Every screen is compared whole, with snapshots.

mod authfile;
mod check;
mod helpers;
mod login;
mod prompt;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use transload_test_support::Output;
use transload_test_support::real::{PASSWORD, USER};

use crate::messages::{Scene, assert_said};

/// A machine: its home is the scene's folder `home`.
struct Machine {
    scene: Scene,
    /// Variables of the environment beside the home's.
    envs: Vec<(&'static str, String)>,
}

impl Machine {
    fn new() -> Machine {
        Machine {
            scene: Scene::new(),
            envs: Vec::new(),
        }
    }

    /// One whose registries are spoken to in plain HTTP: a password goes over that only where it is asked for.
    fn plain() -> Machine {
        let mut machine = Machine::new();
        machine.envs.push(("TRANSLOAD_PLAIN_HTTP", "true".to_owned()));
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scene.path(&format!("home/{name}"))
    }

    /// Writes a file of its owner's into the home.
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a writable folder");
        self.scene.write(&format!("home/{name}"), text);
    }

    fn json(&self, name: &str) -> Value {
        let text = fs::read(self.path(name)).expect("a file that is there");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Runs the program with this on its standard input.
    #[track_caller]
    fn run(&self, args: &[&str], stdin: &str, code: i32) -> Output {
        let home = self.path("");
        fs::create_dir_all(&home).expect("a writable folder");
        let program = self.scene.program(args).stdin(stdin);
        let mut program = program
            .env("HOME", &home)
            .env("XDG_RUNTIME_DIR", "")
            .env("XDG_CONFIG_HOME", "")
            .env("DOCKER_CONFIG", "")
            .env("REGISTRY_AUTH_FILE", "");
        for (name, value) in &self.envs {
            program = program.env(name, value);
        }
        program.run().expect_code(code)
    }

    #[track_caller]
    fn said(&self, args: &[&str], stdin: &str, code: i32) -> String {
        self.scene.transcript(args, &self.run(args, stdin, code))
    }

    /// Logs in with the right password.
    #[track_caller]
    fn log_in(&self, registry: &str) -> String {
        let args = ["login", registry, "--username", USER, "--password-stdin"];
        self.said(&args, PASSWORD, 0)
    }
}

/// A file's permissions.
fn mode(path: PathBuf) -> u32 {
    fs::metadata(path)
        .expect("a file that is there")
        .permissions()
        .mode()
        & 0o777
}
