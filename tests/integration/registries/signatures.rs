//! Images that move only if a key has signed them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use transload_reference::{Digest, ReferrerTag};
use transload_test_support::go;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::real::RealRegistry;
use transload_test_support::scripted::{Options, Referrers};
use transload_test_support::sign::{self, Signer};
use transload_test_support::{Output, ScriptedRegistry, Transload};

use super::help::text;

/// A registry with an image of several platforms, and a folder with the public key of whoever signs.
struct World {
    registry: RealRegistry,
    image: Image,
    signer: Signer,
    folder: TempDir,
}

impl World {
    fn new() -> World {
        let world = World {
            registry: RealRegistry::plain(),
            image: samples::multi_platform(Family::Oci, 1),
            signer: Signer::p256(),
            folder: TempDir::new().unwrap(),
        };
        world.registry.push("team/app", "v1", &world.image);
        fs::write(world.path("key.pub"), world.signer.pem()).unwrap();
        fs::write(world.path("other.pub"), Signer::p256().pem()).unwrap();
        world
    }

    /// Signs the image in the form of simple signing.
    fn sign(&self) {
        let tag = ReferrerTag::Signature.of(self.image.digest());
        let signature = sign::simple_signature(&self.signer, self.image.digest());
        self.registry.push("team/app", tag.as_str(), &signature);
    }

    fn path(&self, name: &str) -> String {
        text(self.folder.path().join(name))
    }

    fn name(&self) -> String {
        format!("{}/team/app:v1", self.registry.host())
    }

    fn key(&self) -> String {
        let id = Digest::of(&self.signer.spki());
        format!("key ECDSA P-256 {}", id.short())
    }

    fn pull(&self, dest: &str, more: &[&str]) -> Output {
        let command =
            Transload::new().args(["pull", &self.name(), "--plain-http", "--dest", &self.path(dest)]);
        command.args(more).run()
    }
}

#[test]
fn a_signed_image_is_pulled_checked_offline_and_pushed_and_an_unsigned_one_is_not() {
    let world = World::new();
    let (key, other) = (world.path("key.pub"), world.path("other.pub"));
    let unsigned = world.pull("images", &["--verify-key", &key]).expect_code(1);
    let said = format!("isn't signed by the {}", world.key());
    assert!(
        unsigned.stderr.contains(&said) && unsigned.stderr.contains("has no signature"),
        "{}",
        unsigned.stderr
    );
    assert!(unsigned.stderr.contains("cosign sign"), "{}", unsigned.stderr);
    let blobs = Path::new(&world.path("images")).join("blobs");
    assert!(
        !blobs.exists() || fs::read_dir(blobs).unwrap().next().is_none(),
        "something moved"
    );

    world.sign();
    let by_other = world.pull("images", &["--verify-key", &other]).expect_code(1);
    assert!(
        by_other.stderr.contains("none of the given keys made it"),
        "{}",
        by_other.stderr
    );
    let report = world.path("report.json");
    let more = [
        "--verify-key",
        &other,
        "--verify-key",
        &key,
        "--referrers",
        "all",
        "--report",
        &report,
    ];
    let pulled = world.pull("images", &more).expect_code(0);
    assert!(
        pulled.stderr.contains(&format!("verified by {}", world.key())),
        "{}",
        pulled.stderr
    );
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(
        report["tasks"][0]["images"][0]["verified_by"],
        json!([world.key()])
    );

    let images = world.path("images");
    let verify = |key: &str| {
        Transload::new()
            .args(["verify", &images, "--verify-key", key])
            .run()
    };
    let whole = verify(&key).expect_code(0);
    assert!(
        whole
            .stdout
            .contains(&format!("1 image verified by {}", world.key())),
        "{}",
        whole.stdout
    );
    let stranger = verify(&other).expect_code(1);
    assert!(
        stranger.stdout.contains("not verified: ") && stranger.stdout.contains("none of the given keys"),
        "{}",
        stranger.stdout
    );

    let hub = RealRegistry::plain();
    let push = |key: &str| {
        let command = Transload::new().args(["push", "--src", &images, "--dest", hub.host(), "--plain-http"]);
        command.args(["--verify-key", key, "--referrers", "all"]).run()
    };
    push(&other).expect_code(1);
    assert!(hub.manifest("team/app", "v1").is_none(), "something moved");
    push(&key).expect_code(0);
    assert!(hub.has_image("team/app", "v1", &world.image));
    let tag = ReferrerTag::Signature.of(world.image.digest());
    assert!(
        hub.manifest("team/app", tag.as_str()).is_some(),
        "the signature came along"
    );
}

#[test]
fn a_directory_without_the_signatures_is_whole_and_not_verified() {
    let world = World::new();
    world.sign();
    let (key, images) = (world.path("key.pub"), world.path("images"));
    world.pull("images", &["--verify-key", &key]).expect_code(0);
    Transload::new().args(["verify", &images]).run().expect_code(0);
    let command = Transload::new().args(["verify", &images, "--verify-key", &key, "--output", "json"]);
    let checked: Value = serde_json::from_str(&command.run().expect_code(1).stdout).unwrap();
    assert_eq!(checked["whole"], true);
    let fault = checked["signatures"][0]["fault"].as_str().unwrap();
    assert!(fault.ends_with("has no signature"), "{fault}");
}

#[test]
fn a_task_and_the_command_line_must_both_accept_and_a_plan_is_checked_too() {
    let world = World::new();
    world.sign();
    let task = format!(
        "- image:\n    manifests: {}\n    auths: [{{repo: {}, plain_http: true}}]\n    dest: local://{}\n    verify:\n      - {{pattern: /team/, keys: {}}}\n",
        world.name(),
        world.registry.host(),
        world.path("images"),
        world.path("key.pub"),
    );
    fs::write(world.path("task.yaml"), task).unwrap();
    let run = |more: &[&str]| {
        Transload::new()
            .args(["run", &world.path("task.yaml")])
            .args(more)
            .run()
    };
    let planned = run(&["--dry-run"]).expect_code(0);
    assert!(
        planned.stdout.contains(&format!("verified by {}", world.key())),
        "{}",
        planned.stdout
    );
    run(&["--dry-run", "--verify-key", &world.path("other.pub")]).expect_code(1);
    let refused = run(&["--verify-with", "false"]).expect_code(1);
    assert!(
        refused.stderr.contains("the program false refused it"),
        "{}",
        refused.stderr
    );
    let accepted = run(&["--verify-with", "true"]).expect_code(0);
    let said = format!("verified by {} and program true", world.key());
    assert!(accepted.stderr.contains(&said), "{}", accepted.stderr);
}

#[test]
fn layouts_archives_and_bundles_are_checked_with_the_signatures_that_they_have() {
    let world = World::new();
    let registry = ScriptedRegistry::with(Options {
        referrers: Referrers::Filtered,
        ..Options::default()
    });
    // Both forms, each by a key of its own.
    let newer = Signer::ed25519();
    fs::write(world.path("newer.pub"), newer.pem()).unwrap();
    let simple = sign::simple_signature(&world.signer, world.image.digest());
    let tag = ReferrerTag::Signature.of(world.image.digest());
    registry.put_image("team/app", "v1", &world.image);
    registry.put_image("team/app", tag.as_str(), &simple);
    let bundle = sign::bundle_referrer(&newer, &world.image, sign::SIGN);
    registry.put_image("team/app", "bundle", &bundle);
    let (image, images) = (format!("{}/team/app:v1", registry.host()), world.path("images"));
    let run = |args: &[&str], key: &str, code| {
        let command = Transload::new()
            .args(args)
            .args(["--verify-key", &world.path(key)]);
        command.run().expect_code(code)
    };
    let pull = [
        "pull",
        &image,
        "--plain-http",
        "--dest",
        &images,
        "--referrers",
        "all",
    ];
    run(&pull, "key.pub", 0);
    for place in ["oci:layout", "oci-archive:archive.tar", "bundle:bundle"] {
        let (scheme, name) = place.split_once(':').unwrap();
        let place = format!("{scheme}:{}", world.path(name));
        let copy = ["copy", "--src", &images, "--dest", &place, "--referrers", "all"];
        run(&copy, "key.pub", 0);
        for key in ["key.pub", "newer.pub"] {
            let whole = run(&["verify", &place], key, 0).stdout;
            assert!(whole.contains("1 image verified by key"), "{place}: {whole}");
            let out = world.path(&format!("{scheme}-{key}"));
            run(&["copy", "--src", &place, "--dest", &out], key, 0);
        }
        let checked = run(&["verify", &place, "--output", "json"], "other.pub", 1).stdout;
        let checked: Value = serde_json::from_str(&checked).unwrap();
        let fault = checked["signatures"][0]["fault"].as_str().unwrap();
        assert!(fault.contains("none of the given keys"), "{place}: {fault}");
        let out = world.path(&format!("{scheme}-refused"));
        run(&["copy", "--src", &place, "--dest", &out], "other.pub", 1);
    }
}

#[test]
fn a_file_that_has_no_public_key_ends_the_run_before_anything_is_asked_for() {
    let world = World::new();
    let private = world.path("private.key");
    fs::write(&private, sign::pem("PRIVATE KEY", b"x")).unwrap();
    for (key, said) in [
        (private.as_str(), "this is a private key"),
        ("/nowhere", "there is no such file"),
    ] {
        let told = world.pull("images", &["--verify-key", key]).expect_code(2);
        assert!(told.stderr.contains(said), "{}", told.stderr);
    }
    assert!(!Path::new(&world.path("images")).exists());
}

/// Runs cosign in a folder, without a network but for the registry.
fn run_cosign(cosign: &Path, folder: &Path, arguments: &[&str]) -> bool {
    let run = Command::new(cosign)
        .args(arguments)
        .current_dir(folder)
        .env("COSIGN_PASSWORD", "")
        .output();
    let output = run.expect("a program");
    println!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

#[test]
fn cosign_signs_transload_checks_and_moves_and_cosign_verifies() {
    let Some(program) = go::program("cosign", "github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3") else {
        return;
    };
    let cosign = |folder: &Path, arguments: &[&str]| run_cosign(&program, folder, arguments);
    let world = World::new();
    let (folder, hub) = (world.folder.path(), RealRegistry::plain());
    let image = format!("{}/team/app@{}", world.registry.host(), world.image.digest());
    let public = world.path("cosign.pub");
    assert!(cosign(folder, &["generate-key-pair"]));
    let sign = |more: &str| {
        let arguments = [
            "sign",
            "-y",
            "--key",
            "cosign.key",
            "--tlog-upload=false",
            "--use-signing-config=false",
            more,
            &image,
        ];
        cosign(folder, &arguments)
    };
    for (form, is_bundle) in [
        ("--new-bundle-format=true", true),
        ("--new-bundle-format=false", false),
    ] {
        assert!(sign(form), "{form}");
        let key = ["--verify-key", &public, "--referrers", "all"];
        let images = format!("images{is_bundle}");
        world.pull(&images, &key).expect_code(0);
        let images = world.path(&images);
        Transload::new()
            .args(["verify", &images])
            .args(&key[..2])
            .run()
            .expect_code(0);
        let push = Transload::new().args(["push", "--src", &images, "--dest", hub.host(), "--plain-http"]);
        push.args(key).run().expect_code(0);
        let there = format!("{}/team/app:v1", hub.host());
        let arguments = [
            "verify",
            "--key",
            "cosign.pub",
            "--insecure-ignore-tlog",
            form,
            &there,
        ];
        assert!(cosign(folder, &arguments), "{form}");
    }
}
