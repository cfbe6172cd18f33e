//! `--lock` and `--locked`.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::scripted::ScriptedRegistry;
use transload_test_support::{Output, Transload};

const BOTH: &str = "linux/amd64,linux/arm64";

/// A registry with two images, and a folder that the program is run in.
struct Scene {
    registry: ScriptedRegistry,
    dir: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let scene = Scene {
            registry: ScriptedRegistry::start(),
            dir: tempfile::tempdir().expect("a temporary folder"),
        };
        scene.put("team/app", &app(1));
        scene.put("team/web", &web());
        scene
    }

    fn put(&self, repository: &str, image: &Image) {
        self.registry.put_image(repository, "v1", image);
    }

    fn name(&self, repository: &str) -> String {
        format!("{}/{repository}:v1", self.registry.host())
    }

    fn program(&self, args: &[&str]) -> Transload {
        Transload::new().args(args).current_dir(self.dir.path())
    }

    /// Pulls both images into this folder.
    #[track_caller]
    fn pull(&self, into: &str, platforms: &str, more: &[&str], code: i32) -> Output {
        let (app, web) = (self.name("team/app"), self.name("team/web"));
        let args = [
            "pull",
            &app,
            &web,
            "--plain-http",
            "--retries",
            "0",
            "--dest",
            into,
            "--platform",
            platforms,
        ];
        self.program(&args).args(more).run().expect_code(code)
    }

    /// Pulls both, and notes in `t.lock` what they are.
    #[track_caller]
    fn lock(&self) -> Output {
        self.pull("first", BOTH, &["--lock", "t.lock"], 0)
    }

    /// Pulls both into `second` as they are in `t.lock`.
    #[track_caller]
    fn pull_locked(&self, code: i32) -> Output {
        self.pull("second", BOTH, &["--lock", "t.lock", "--locked"], code)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("a writable folder");
    }

    fn has(&self, name: &str) -> bool {
        self.dir.path().join(name).exists()
    }

    /// Whether a folder has the repository.
    fn stores(&self, folder: &str, repository: &str) -> bool {
        self.has(&format!("{folder}/{}/{repository}", self.registry.host()))
    }

    /// The blocks of a lock file by their images, without the head and the day.
    fn blocks(&self, file: &str) -> Vec<String> {
        let text = self.read(file);
        let (_, images) = text.split_once("\nimages:\n").unwrap_or_default();
        images
            .split("\n\n")
            .map(|block| {
                let is_day = |line: &&str| line.starts_with("    locked: 20");
                assert_eq!(block.lines().filter(is_day).count(), 1, "{block}");
                block
                    .lines()
                    .filter(|line| !is_day(line))
                    .map(|line| format!("{line}\n"))
                    .collect()
            })
            .collect()
    }
}

/// An image of four platforms.
fn app(seed: u64) -> Image {
    samples::multi_platform(Family::Oci, seed)
}

/// What is left of it where two platforms are asked for.
fn app_cut(seed: u64) -> Image {
    samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64/v8"], seed)
}

fn web() -> Image {
    samples::index_of(Family::Docker, &["linux/amd64", "linux/arm64/v8"], 9)
}

fn block(name: &str, source: &Image, written: &Image, parts: [&Image; 2]) -> String {
    format!(
        "  - image: {name}\n    digest: {}\n    written: {}\n    platforms:\n      - {{platform: linux/amd64, digest: {}}}\n      \
         - {{platform: linux/arm64, digest: {}}}\n",
        source.digest(),
        written.digest(),
        parts[0].digest(),
        parts[1].digest()
    )
}

fn app_block(scene: &Scene, seed: u64) -> String {
    let part = |platform| samples::single(Family::Oci, platform, seed);
    let parts = [&part("linux/amd64"), &part("linux/arm64/v8")];
    block(&scene.name("team/app"), &app(seed), &app_cut(seed), parts)
}

fn web_block(scene: &Scene) -> String {
    let part = |platform| samples::single(Family::Docker, platform, 9);
    block(
        &scene.name("team/web"),
        &web(),
        &web(),
        [&part("linux/amd64"), &part("linux/arm64/v8")],
    )
}

/// The files in a folder that a draft of the lock file would be among.
fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a readable folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("a readable folder")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn what_tags_stand_for_is_noted_and_moves_again_exactly() {
    let scene = Scene::new();
    scene.lock();
    assert_eq!(scene.blocks("t.lock"), [app_block(&scene, 1), web_block(&scene)]);
    assert_eq!(files(scene.dir.path()), ["first", "t.lock"]);
    let text = scene.read("t.lock");
    scene.pull_locked(0);
    scene.lock();
    assert_eq!(scene.read("t.lock"), text, "nothing has changed");
    // The directory that was pulled is what is locked, too, and so is what is pushed from it.
    let registry = ScriptedRegistry::start();
    let push = [
        "push",
        "--src",
        "second",
        "--dest",
        registry.host(),
        "--plain-http",
        "--lock",
        "t.lock",
    ];
    scene.program(&push).arg("--locked").run().expect_code(0);
    scene.program(&push).run().expect_code(0);
    assert_eq!(scene.read("t.lock"), text, "what was written is no news");
    assert!(registry.has_image("team/app", "v1", &app_cut(1)));
}

#[test]
fn a_tag_that_moved_fails_with_what_changed_and_nothing_of_it_moves() {
    let scene = Scene::new();
    scene.lock();
    let text = scene.read("t.lock");
    scene.put("team/app", &app(2));
    let name = scene.name("team/app");
    let repository = name.trim_end_matches(":v1");
    for dry_run in [true, false] {
        scene.registry.log().clear();
        let more: &[&str] = if dry_run { &["--dry-run"] } else { &[] };
        let args = [&["--lock", "t.lock", "--locked"], more].concat();
        let output = scene.pull("second", BOTH, &args, 1);
        let said = output.stdout.clone() + &output.stderr;
        let stood = format!("{name} stood for {} on 20", app(1).digest());
        let stands = format!(", and stands for {} now", app(2).digest());
        let line = said
            .lines()
            .find(|line| line.contains(&stood))
            .unwrap_or_else(|| panic!("{said}"));
        assert!(line.ends_with(&stands), "{line}");
        let hint = format!("to move what is locked, name it {repository}@{}", app(1).digest());
        assert!(
            said.contains("if that is meant, run once without --locked: t.lock takes it up, for review; "),
            "{said}"
        );
        assert!(said.replace("\n", " ").contains(&hint), "{said}");
        assert_eq!(scene.registry.log().count("GET", "/v2/team/app/blobs/"), 0);
        assert_eq!(scene.read("t.lock"), text);
    }
    assert!(!scene.stores("second", "team/app") && scene.stores("second", "team/web"));

    // Both ways on that the hint tells.
    let old = format!("{repository}@{}", app(1).digest());
    let args = ["pull", &old, "--plain-http", "--dest", "old"];
    scene.program(&args).run().expect_code(0);
    scene.lock();
    assert_eq!(scene.blocks("t.lock"), [app_block(&scene, 2), web_block(&scene)]);
    scene.pull_locked(0);
}

#[test]
fn images_that_are_not_in_the_file_are_told_before_anything_moves() {
    let scene = Scene::new();
    let app = scene.name("team/app");
    scene
        .program(&[
            "pull",
            &app,
            "--plain-http",
            "--dest",
            "first",
            "--lock",
            "t.lock",
        ])
        .run()
        .expect_code(0);
    scene.registry.log().clear();
    let output = scene.pull_locked(2);
    let message = format!(
        "error: pull: {} isn't in t.lock\n  hint: if that is meant, run once without --locked: t.lock takes it up",
        scene.name("team/web")
    );
    assert!(output.stderr.starts_with(&message), "{}", output.stderr);
    assert!(
        output.stderr.ends_with("\nNothing was moved.\n"),
        "{}",
        output.stderr
    );
    assert_eq!(scene.registry.log().requests().len(), 0);
    assert!(!scene.has("second"));
}

/// With the policy `warn`, an image may have been left out when the file was written: it is judged by itself.
#[test]
fn an_image_that_is_left_out_by_rule_is_not_missed() {
    let scene = Scene::new();
    let warn = |platforms, more: &[&str], code| {
        scene.pull(
            "first",
            platforms,
            &[&["--policy", "warn", "--lock", "t.lock"], more].concat(),
            code,
        )
    };
    warn("linux/arm/v6", &[], 0);
    assert_eq!(scene.blocks("t.lock").len(), 1, "web has no such platform");
    warn("linux/arm/v6", &["--locked"], 0);
    let output = warn("linux/amd64", &["--locked"], 1);
    assert!(
        output
            .stderr
            .contains(&format!("{} isn't in t.lock", scene.name("team/web"))),
        "{}",
        output.stderr
    );
    let output = warn("linux/s390x", &["--locked"], 1);
    assert!(
        output.stderr.contains("and nothing of it would be now: "),
        "{}",
        output.stderr
    );
}

#[test]
fn other_platforms_are_drift() {
    let scene = Scene::new();
    scene.lock();
    // One after another: what both images fail by is told in full of the first alone.
    let locked = ["--lock", "t.lock", "--locked", "--jobs", "1"];
    let output = scene.pull("second", "linux/amd64", &locked, 1);
    let was = format!(
        "{} was written with linux/amd64, linux/arm64 ({}) on 20",
        scene.name("team/app"),
        app_cut(1).digest()
    );
    assert!(output.stdout.contains(&was), "{}", output.stdout);
    assert!(
        output
            .stderr
            .contains(", and would be written with linux/amd64 (sha256:"),
        "{}",
        output.stderr
    );
    assert!(!scene.stores("second", "team/app") && !scene.stores("second", "team/web"));
    // What was written serves for what is cut down no further.
    scene.pull_locked(0);
}

#[test]
fn images_that_fail_or_are_not_reached_keep_what_the_file_had() {
    let scene = Scene::new();
    scene.lock();
    let before = scene.read("t.lock");
    scene.put("team/app", &app(2));
    scene.registry.remove_manifest("team/web", "v1");
    scene.pull("first", BOTH, &["--lock", "t.lock"], 1);
    assert_eq!(
        scene.blocks("t.lock"),
        [app_block(&scene, 2), web_block(&scene)],
        "{before}"
    );
    // One image alone: the other one isn't reached.
    scene.put("team/app", &app(3));
    let name = scene.name("team/app");
    let args = [
        "pull",
        &name,
        "--plain-http",
        "--dest",
        "first",
        "--platform",
        BOTH,
        "--lock",
        "t.lock",
    ];
    scene.program(&args).run().expect_code(0);
    assert_eq!(scene.blocks("t.lock"), [app_block(&scene, 3), web_block(&scene)]);
    // What can't be begun and what is only looked at write nothing.
    let text = scene.read("t.lock");
    scene.put("team/app", &app(4));
    scene.program(&args).arg("--dry-run").run().expect_code(0);
    scene.program(&args).args(["--pattern", "["]).run().expect_code(2);
    assert_eq!(scene.read("t.lock"), text);
    assert_eq!(files(scene.dir.path()), ["first", "t.lock"]);
}

/// Whoever reads the file while it is written reads the old one whole; what leads to it still does.
#[test]
fn the_file_is_replaced_as_a_whole() {
    let scene = Scene::new();
    scene.write("real.lock", "");
    std::os::unix::fs::symlink("real.lock", scene.dir.path().join("t.lock")).expect("a writable folder");
    let open = fs::File::open(scene.dir.path().join("real.lock")).expect("a file");
    scene.lock();
    assert_eq!(open.metadata().expect("an open file").len(), 0);
    assert_eq!(
        scene.blocks("real.lock"),
        [app_block(&scene, 1), web_block(&scene)]
    );
    let link = scene
        .dir
        .path()
        .join("t.lock")
        .symlink_metadata()
        .expect("a link");
    assert!(link.is_symlink());
    assert_eq!(files(scene.dir.path()), ["first", "real.lock", "t.lock"]);
}

#[test]
fn a_file_that_is_damaged_missing_or_cannot_be_written_is_told_before_anything_moves() {
    let scene = Scene::new();
    scene.lock();
    let whole = scene.read("t.lock");
    fs::create_dir(scene.dir.path().join("folder")).expect("a writable folder");
    scene.write("cut.lock", &whole[..whole.len() - 20]);
    scene.write(
        "digest.lock",
        &whole.replacen("    digest: sha256:", "    digest: sha256:x", 1),
    );
    scene.write("key.lock", &whole.replacen("written:", "writen:", 1));
    scene.write("other.yaml", "- name: pull\n  image: {}\n");
    let cases: [(&[&str], &str); 10] = [
        (&["cut.lock"], "cut.lock:"),
        (&["digest.lock"], "digest.lock:6:13: `digest`: "),
        (&["digest.lock", "--locked"], "digest.lock:6:13: `digest`: "),
        (&["key.lock"], "key.lock:7:5: an image has no key `writen`"),
        (
            &["other.yaml"],
            "other.yaml:1:1: a lock file must be a mapping, not a list",
        ),
        (
            &["missing.lock", "--locked"],
            "missing.lock: there is no such file, and --locked needs it",
        ),
        (
            &["no/such/t.lock"],
            "no/such/t.lock: the lock file can't be written here: ",
        ),
        (&["folder"], "folder: this is a directory, not a file"),
        (&["folder", "--locked"], "folder: this is a directory, not a file"),
        (
            &["-"],
            "--lock: - is stdout, and that has a line for each image already\n  hint: add --quiet",
        ),
    ];
    scene.registry.log().clear();
    for (lock, expected) in cases {
        let output = scene.pull("second", BOTH, &[&["--lock"], lock].concat(), 2);
        assert!(
            output.stderr.contains(&format!("error: {expected}")),
            "{lock:?}\n{}",
            output.stderr
        );
        assert!(
            output.stderr.ends_with("\nNothing was moved.\n"),
            "{lock:?}\n{}",
            output.stderr
        );
    }
    assert_eq!(scene.registry.log().requests().len(), 0);
    assert!(!scene.has("second"));
    let output = scene.pull("second", BOTH, &["--locked"], 2);
    assert!(output.stderr.contains("--lock <FILE>"), "{}", output.stderr);
}

#[test]
fn the_file_goes_to_stdout_and_comes_from_stdin() {
    let scene = Scene::new();
    scene.lock();
    let output = scene.pull("second", BOTH, &["--quiet", "--lock", "-"], 0);
    assert_eq!(output.stdout, scene.read("t.lock"));
    let (app, web) = (scene.name("team/app"), scene.name("team/web"));
    let pull = |lock: &str, code| {
        let args = [
            "pull",
            &app,
            &web,
            "--plain-http",
            "--dest",
            "third",
            "--platform",
            BOTH,
            "--lock",
            "-",
            "--locked",
        ];
        scene.program(&args).stdin(lock).run().expect_code(code)
    };
    pull(&output.stdout, 0);
    assert!(
        pull("version: 1\n", 2)
            .stderr
            .starts_with("error: standard input:1:1: `images` is missing here")
    );
}

/// Tasks of one file: what one wrote is what the next takes.
#[test]
fn a_task_file_is_locked_as_a_whole() {
    let scene = Scene::new();
    let host = scene.registry.host().to_owned();
    let mirror = ScriptedRegistry::start();
    let tasks = format!(
        "- name: pull\n  image:\n    manifests: ['{host}/team/app:v1', '{host}/team/web:v1']\n    platform: [{BOTH}]\n    dest: local://images\n    \
         auths: [{{repo: '{host}', plain_http: true}}]\n- name: push\n  image:\n    src: local://images\n    dest: {mirror}\n    \
         auths: [{{repo: '{mirror}', plain_http: true}}]\n",
        mirror = mirror.host()
    );
    scene.write("tasks.yaml", &tasks);
    let run = |more: &[&str], code| {
        scene
            .program(&[&["run", "tasks.yaml", "--lock", "t.lock"], more].concat())
            .run()
            .expect_code(code)
    };
    run(&[], 0);
    assert_eq!(scene.blocks("t.lock"), [app_block(&scene, 1), web_block(&scene)]);
    run(&["--locked"], 0);
    scene.put("team/app", &app(2));
    let output = run(&["--locked"], 1);
    assert!(output.stderr.contains(" stood for "), "{}", output.stderr);
    assert!(mirror.has_image("team/app", "v1", &app_cut(1)));
}

#[test]
fn runs_that_write_one_file_at_once_lose_nothing_of_each_other() {
    let scene = Scene::new();
    let names: Vec<String> = (0..8).map(|number| format!("team/image{number}")).collect();
    for (seed, name) in names.iter().enumerate() {
        scene.put(name, &app(seed as u64 + 10));
    }
    let running: Vec<_> = names
        .iter()
        .map(|name| {
            let (image, dest) = (scene.name(name), name.replace('/', "-"));
            let args = [
                "pull",
                &image,
                "--plain-http",
                "--dest",
                &dest,
                "--lock",
                "t.lock",
            ];
            scene.program(&args).spawn()
        })
        .collect();
    for run in running {
        run.wait().expect_code(0);
    }
    let text = scene.read("t.lock");
    for name in &names {
        assert!(text.contains(&scene.name(name)), "{name} is lost: {text}");
    }
}
