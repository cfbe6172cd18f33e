//! From directory to directory: copies by default, hard links where they are asked for; and what is there already, checked or not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use transload_reference::Digest;
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::{Output, Transload};

use super::{folder, run_tasks};

const NAME: &str = "hub.example.com/team/app:v1";

/// A registry with an image, and a directory that it was pulled into.
struct Scene {
    registry: ScriptedRegistry,
    dir: TempDir,
    image: Image,
}

impl Scene {
    fn new() -> Scene {
        let registry = ScriptedRegistry::start();
        let image = samples::single(Family::Oci, "linux/amd64", 1);
        registry.put_image("mirror/team/app", "v1", &image);
        let scene = Scene {
            registry,
            dir: folder(),
            image,
        };
        scene.pull(&[], 0);
        scene
    }

    fn program(&self, args: &[&str]) -> Transload {
        Transload::new().args(args).current_dir(self.dir.path())
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Output {
        self.program(args).run().expect_code(code)
    }

    #[track_caller]
    fn pull(&self, more: &[&str], code: i32) -> Output {
        let mirror = format!("{}/mirror", self.registry.host());
        let args = [
            "pull",
            NAME,
            "--dest",
            "images",
            "--src",
            &mirror,
            "--plain-http",
            "--retries",
            "0",
        ];
        self.run(&[&args, more].concat(), code)
    }

    /// Copies the directory, and returns how its blobs got there.
    #[track_caller]
    fn copy(&self, dest: &str, more: &[&str]) -> Value {
        let args = [
            "copy",
            "--src",
            "images",
            "--dest",
            dest,
            "--report",
            "report.json",
        ];
        self.run(&[&args, more].concat(), 0);
        self.blobs()
    }

    fn blobs(&self) -> Value {
        let report = fs::read(self.dir.path().join("report.json")).expect("a report");
        let report: Value = serde_json::from_slice(&report).expect("JSON");
        report["totals"]["blobs"].clone()
    }

    /// The layer that is harmed.
    fn layer(&self) -> &Digest {
        &self.image.blobs[1].0.digest
    }

    fn blob(&self, dir: &str) -> PathBuf {
        self.dir
            .path()
            .join(dir)
            .join("blobs")
            .join(self.layer().as_str())
    }

    /// Changes one byte of the layer, and leaves the file's size and times as they were.
    fn harm(&self, dir: &str) -> Vec<u8> {
        let path = self.blob(dir);
        let time = path
            .metadata()
            .and_then(|file| file.modified())
            .expect("a file with a time");
        let mut bytes = fs::read(&path).expect("a readable file");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(&path, &bytes).expect("a writable file");
        let file = fs::File::options()
            .write(true)
            .open(&path)
            .expect("a writable file");
        file.set_modified(time).expect("a file of this user");
        bytes
    }

    fn is_whole(&self, dir: &str) -> bool {
        fs::read(self.blob(dir)).is_ok_and(|bytes| Digest::of(&bytes) == *self.layer())
    }
}

fn inode(path: &Path) -> u64 {
    path.metadata().expect("a file").ino()
}

fn count(blobs: &Value, how: &str) -> u64 {
    blobs[how]["blobs"].as_u64().expect("a number")
}

#[test]
fn a_copy_is_a_copy_and_survives_a_program_that_writes_in_place() {
    let scene = Scene::new();
    let blobs = scene.copy("./copy", &[]);
    let all = scene.image.blobs.len() as u64;
    assert_eq!(count(&blobs, "linked"), 0);
    // The second is where the filesystem shares blocks.
    assert_eq!(count(&blobs, "moved") + count(&blobs, "cloned"), all, "{blobs}");
    scene.harm("images");
    assert!(scene.is_whole("copy"));
}

#[test]
fn links_are_made_where_they_are_asked_for_and_of_files_that_nobody_else_may_write() {
    let all = |scene: &Scene| scene.image.blobs.len() as u64;
    let scene = Scene::new();
    assert_eq!(count(&scene.copy("./linked", &["--link"]), "linked"), all(&scene));
    assert_eq!(inode(&scene.blob("images")), inode(&scene.blob("linked")));

    let task = format!(
        "- image: {{src: 'local://{0}/images', dest: 'local://{0}/by-task', link: true}}",
        scene.dir.path().display()
    );
    run_tasks(&task, &[], 0);
    assert_eq!(inode(&scene.blob("images")), inode(&scene.blob("by-task")));

    let scene = Scene::new();
    fs::set_permissions(scene.blob("images"), fs::Permissions::from_mode(0o666)).expect("an own file");
    let blobs = scene.copy("./linked", &["--link"]);
    assert_eq!(count(&blobs, "linked"), all(&scene) - 1, "the rest is copied");
    assert_ne!(inode(&scene.blob("images")), inode(&scene.blob("linked")));

    let scene = Scene::new();
    if chown(scene.blob("images"), Some(12_345), None).is_ok() {
        scene.copy("./linked", &["--link"]);
        assert_ne!(inode(&scene.blob("images")), inode(&scene.blob("linked")));
        assert!(scene.is_whole("linked"));
    }
}

/// A file's time of change is nobody's word: anybody can set it, `cp -a` and `tar` keep it, and rot leaves it alone.
#[test]
fn wrong_bytes_get_no_name_in_another_directory_by_copy_or_link() {
    for more in [&[][..], &["--link"]] {
        let scene = Scene::new();
        scene.harm("images");
        let args = ["copy", "--src", "images", "--dest", "./copy"];
        let output = scene.run(&[&args, more].concat(), 1);
        let told = format!("source: images/blobs/{} is damaged", scene.layer());
        assert!(output.stderr.contains(&told), "{more:?}: {}", output.stderr);
        assert!(!scene.blob("copy").exists(), "{more:?}");
    }
}

#[test]
fn links_are_refused_where_an_end_is_a_registry() {
    let scene = Scene::new();
    let output = scene.run(
        &["copy", "--src", "images", "--dest", "hub.example.com/x", "--link"],
        2,
    );
    assert!(
        output.stderr.contains("--link") && output.stderr.contains("only between directories"),
        "{}",
        output.stderr
    );
    let task = "- image: {src: 'local:///images', dest: hub.example.com, link: true}";
    let output = run_tasks(task, &[], 2);
    assert!(
        output.stderr.contains("only between directories") && output.stderr.contains("standard input:1:"),
        "{}",
        output.stderr
    );
}

/// A blob of the right size counts as there. Whoever doubts that has it hashed.
#[test]
fn what_is_there_is_hashed_and_replaced_where_that_is_asked_for() {
    let scene = Scene::new();
    let harmed = scene.harm("images");
    let again = scene.pull(&[], 0);
    assert!(again.stderr.contains("1 there already"), "{}", again.stderr);
    assert!(fs::read(scene.blob("images")).expect("a file") == harmed);

    let planned = scene.pull(&["--check-existing", "--dry-run", "--output", "json"], 0);
    let planned: Value = serde_json::from_str(&planned.stdout).expect("JSON");
    assert!(
        planned.to_string().contains(r#""to_move":{"blobs":1,"#),
        "{planned:#}"
    );
    assert!(!scene.is_whole("images"), "a look changes nothing");

    // What it can't replace stays.
    let bytes = scene.image.blob(scene.layer()).expect("a layer").to_vec();
    scene.registry.remove_blob("mirror/team/app", scene.layer());
    scene.pull(&["--check-existing"], 1);
    assert!(fs::read(scene.blob("images")).expect("a file") == harmed);

    scene.registry.put_blob("mirror/team/app", scene.layer(), &bytes);
    scene.registry.log().clear();
    scene.pull(&["--check-existing", "--report", "report.json"], 0);
    assert!(scene.is_whole("images"));
    assert_eq!(
        scene.registry.log().count("GET", "/blobs/"),
        1,
        "what is whole isn't fetched"
    );
    assert_eq!(count(&scene.blobs(), "moved"), 1);
    let aside = fs::read_dir(scene.dir.path().join("images/.transload/aside")).expect("a folder");
    assert_eq!(aside.count(), 0);

    let task = format!(
        "- image: {{manifests: [{NAME}], src: {}/mirror, dest: 'local://{}/images', check_existing: true, \
         auths: [{{repo: {}, plain_http: true}}]}}",
        scene.registry.host(),
        scene.dir.path().display(),
        scene.registry.host()
    );
    scene.harm("images");
    run_tasks(&task, &[], 0);
    assert!(scene.is_whole("images"));
}

#[test]
fn a_registry_that_lost_a_blob_gets_it_again_and_the_user_is_told() {
    let scene = Scene::new();
    let host = scene.registry.host();
    let push = |more: &[&str]| {
        let dest = format!("{host}/target");
        let args = [
            "push",
            "--src",
            "images",
            "--dest",
            &dest,
            "--plain-http",
            "--report",
            "report.json",
        ];
        scene.run(&[&args, more].concat(), 0)
    };
    let has = || scene.registry.blob("target/team/app", scene.layer()).is_some();
    let warning = format!(
        "warning: {host} lacks blobs or manifests that it listed or took: checking all images there (as with --check-existing)\n"
    );
    push(&[]);
    for more in [&[][..], &["--check-existing"]] {
        scene.registry.remove_blob("target/team/app", scene.layer());
        let mended = push(more);
        assert!(has());
        assert!(mended.stdout.contains("copied   "), "{}", mended.stdout);
        assert_eq!(
            mended.stderr.matches(&warning).count(),
            usize::from(more.is_empty())
        );
        assert_eq!(count(&scene.blobs(), "moved"), 1);
        let again = push(&[]);
        assert!(again.stderr.contains("1 there already"), "{}", again.stderr);
        assert!(!again.stderr.contains("warning"), "{}", again.stderr);
    }
}

/// The images that a dry run of a copy of the whole directory would move, and the warnings.
fn would_copy(scene: &Scene, more: &[&str]) -> (Vec<String>, String) {
    let copy = [
        "copy",
        "--src",
        "images",
        "--dest",
        "./other",
        "--dry-run",
        "--output",
        "json",
    ];
    let output = scene.run(&[&copy, more].concat(), 0);
    let plan: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let images = plan["tasks"][0]["images"].as_array().expect("images");
    let names = images
        .iter()
        .map(|image| image["image"].as_str().expect("a name").to_owned());
    (names.collect(), plan["tasks"][0]["warnings"].to_string())
}

#[test]
fn what_a_moved_tag_left_in_a_directory_moves_on_request_alone() {
    let scene = Scene::new();
    let newer = samples::single(Family::Oci, "linux/amd64", 2);
    scene.registry.put_image("mirror/team/app", "v1", &newer);
    scene.pull(&[], 0);
    let leftover = format!("hub.example.com/team/app@{}", scene.image.digest());

    let (images, said) = would_copy(&scene, &[]);
    assert_eq!(images, [NAME]);
    assert!(
        said.contains("an image without a tag left out") && said.contains(&leftover),
        "{said}"
    );
    let (images, said) = would_copy(&scene, &["--untagged"]);
    assert_eq!(images, [&leftover, NAME]);
    assert!(!said.contains("left out"), "{said}");
    let (images, _) = would_copy(&scene, &[&leftover]);
    assert_eq!(images, [leftover], "it was asked for");
}

#[test]
fn images_that_were_pulled_by_digest_alone_move_with_their_directory() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.dir.path().join("images")).expect("a folder that is there");
    let pinned = format!("hub.example.com/team/app@{}", scene.image.digest());
    let mirror = format!("{}/mirror", scene.registry.host());
    let pull = [
        "pull",
        &pinned,
        "--dest",
        "images",
        "--src",
        &mirror,
        "--plain-http",
    ];
    scene.run(&pull, 0);
    let (images, said) = would_copy(&scene, &[]);
    assert_eq!(images, [pinned]);
    assert!(!said.contains("left out"), "{said}");
}
