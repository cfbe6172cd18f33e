//! Reports, and the runs that do the rest by them.

mod only_failed;
mod pages;
mod schema;
mod written;

use crate::schemas::flaws;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use transload_test_support::image::samples::one_layer;
use transload_test_support::scripted::{Action, Fault, Reply};
use transload_test_support::{Output, ScriptedRegistry, Transload};

const MIB: usize = 1 << 20;

/// A folder to work in.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a writable folder");
    }

    fn program(&self, args: &[&str]) -> Transload {
        Transload::new().args(args).current_dir(self.dir.path())
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Output {
        self.program(args).run().expect_code(code)
    }

    /// The report in a file, which keeps to the schema.
    #[track_caller]
    fn report(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.path(name)).expect("a report");
        report_of(&text)
    }

    /// Names in the folder that begin like a report's temporary file.
    fn leftovers(&self) -> usize {
        let entries = fs::read_dir(self.dir.path()).expect("a readable folder");
        let names = entries.map(|entry| entry.expect("a readable folder").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(".transload"))
            .count()
    }
}

/// A text that must be a report, whole and in the documented form.
#[track_caller]
fn report_of(text: &str) -> Value {
    let report: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let errors = flaws(schema::SCHEMA, &report);
    assert!(errors.is_empty(), "{errors:#?}\n{report:#}");
    report
}

/// A status by image, as the images' short names are written.
fn statuses(report: &Value) -> Vec<String> {
    let images = report["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .flat_map(|task| {
            task["images"].as_array().expect("images").iter().map(|image| {
                let name = image["image"].as_str().expect("a name");
                let name = name.rsplit('/').next().unwrap_or(name);
                format!("{name} {}", image["status"].as_str().expect("a status"))
            })
        });
    images.collect()
}

/// A registry with images `team/<name>:v1`, whose layers have so many bytes.
fn registry(names: &[&str], size: usize) -> ScriptedRegistry {
    let registry = ScriptedRegistry::start();
    for (seed, name) in names.iter().enumerate() {
        registry.put_image(&format!("team/{name}"), "v1", &one_layer(seed as u64 + 1, size));
    }
    registry
}

fn name(registry: &ScriptedRegistry, repository: &str) -> String {
    format!("{}/team/{repository}:v1", registry.host())
}

/// Lets every request for an image's manifest be refused.
fn refuse(registry: &ScriptedRegistry, repository: &str) {
    let denied = Reply::status(403).error("DENIED", "requested access to the resource is denied");
    let path = format!("/team/{repository}/manifests/");
    registry.fault(Fault::new("*", &path, Action::Answer(denied)).every());
}

/// Waits until a file of a folder has bytes.
fn wait_for_bytes(folder: &Path) {
    let has_bytes = || {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .filter_map(|file| file.metadata().ok())
            .any(|metadata| metadata.len() > 0)
    };
    let deadline = Instant::now() + Duration::from_secs(40);
    while !has_bytes() {
        assert!(Instant::now() < deadline, "nothing came to {}", folder.display());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether anything was asked of a repository.
fn was_asked(registry: &ScriptedRegistry, repository: &str) -> bool {
    let path = format!("/v2/team/{repository}/");
    registry
        .log()
        .requests()
        .iter()
        .any(|request| request.is("GET", &path) || request.is("HEAD", &path))
}
