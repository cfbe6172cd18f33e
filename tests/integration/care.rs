//! Looking after directories: `verify`, `verify --repair` and `prune`.

mod flaws;
mod mending;
mod pruning;
mod together;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use transload_reference::Digest;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::scripted::ScriptedRegistry;
use transload_test_support::{Output, Transload};

/// A registry with two images that share a layer, and a directory that they were pulled into from it as a mirror.
struct Scene {
    registry: ScriptedRegistry,
    dir: TempDir,
    app: Image,
    web: Image,
}

const APP: &str = "hub.example.com/team/app:v1";
const WEB: &str = "hub.example.com/team/web:v1";

impl Scene {
    /// Nothing is pulled yet.
    fn empty() -> Scene {
        let registry = ScriptedRegistry::start();
        let app = samples::multi_platform(Family::Oci, 1);
        let web = samples::single(Family::Docker, "linux/amd64", 2);
        registry.put_image("mirror/team/app", "v1", &app);
        registry.put_image("mirror/team/web", "v1", &web);
        Scene {
            registry,
            dir: tempfile::tempdir().expect("a temporary folder"),
            app,
            web,
        }
    }

    fn pulled() -> Scene {
        let scene = Scene::empty();
        scene.pull(&[APP, WEB], &[]);
        scene
    }

    fn pull(&self, images: &[&str], more: &[&str]) {
        let mirror = self.mirror();
        let args = ["--dest", "images", "--src", &mirror, "--plain-http"];
        self.run(&[&["pull"], images, &args, more].concat(), 0);
        self.registry.log().clear();
    }

    fn mirror(&self) -> String {
        format!("{}/mirror", self.registry.host())
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("images")
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.store().join(format!("blobs/{digest}"))
    }

    /// A file of a repository's manifests.
    fn manifest(&self, repository: &str, name: &str) -> PathBuf {
        let folder = format!("hub.example.com/team/{repository}/manifests");
        self.store().join(folder).join(name)
    }

    fn program(&self, args: &[&str]) -> Transload {
        Transload::new().args(args).current_dir(self.dir.path())
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Output {
        self.program(args).run().expect_code(code)
    }

    /// What a command says as JSON.
    #[track_caller]
    fn json(&self, args: &[&str], code: i32) -> Value {
        let output = self.run(&[args, &["--output", "json"]].concat(), code);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stdout))
    }

    #[track_caller]
    fn verify(&self, code: i32) -> Value {
        self.json(&["verify", "images"], code)
    }

    #[track_caller]
    fn repair(&self, code: i32) -> Value {
        let mirror = self.mirror();
        let args = [
            "verify",
            "images",
            "--repair",
            "--src",
            &mirror,
            "--plain-http",
            "--retries",
            "0",
        ];
        self.json(&args, code)
    }

    /// The paths that were fetched, sorted, without what all have in common.
    fn fetched(&self) -> Vec<String> {
        let requests = self.registry.log().requests();
        let gets = requests.iter().filter(|request| request.method == "GET");
        let paths = gets.filter_map(|request| request.path.strip_prefix("/v2/mirror/team/"));
        let mut paths: Vec<String> = paths.map(str::to_owned).collect();
        paths.sort();
        paths
    }
}

/// The findings, each as its flaw, its thing, its path and the images that it affects.
fn findings(report: &Value, key: &str) -> Vec<String> {
    let findings = report[key].as_array().expect("a list of findings");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let told = findings.iter().map(|finding| {
        let images = finding["images"].as_array().expect("a list of images");
        let images: Vec<String> = images.iter().map(text).collect();
        let (flaw, thing, path) = (&finding["flaw"], &finding["thing"], &finding["path"]);
        format!(
            "{} {} {}: {}",
            text(flaw),
            text(thing),
            text(path),
            images.join(" ")
        )
    });
    told.collect()
}

/// The files of a directory and what they hold.
fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            let kind = path.symlink_metadata().expect("a file that stays").file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(root).expect("a path below the root");
                let bytes = fs::read(&path).expect("a readable file");
                found.insert(name.display().to_string(), bytes);
            }
        }
    }
    found
}

/// The names of a directory's files.
fn names(root: &Path) -> Vec<String> {
    contents(root).into_keys().collect()
}
