//! Receipts of imports: what a place has is compared with them later, and forged ones are refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use transload_test_support::ssh::{is_verified, make_key, sign_file, signer_line};
use transload_test_support::{Output, ScriptedRegistry, Transload};

use super::{World, image};

const NAMESPACE: &str = "transload-receipt";

/// A bundle that was imported into a registry, with a signed receipt.
struct Imported {
    world: World,
    there: ScriptedRegistry,
    alice: PathBuf,
}

impl Imported {
    fn new() -> Imported {
        let world = World::new();
        let alice = make_key(world.dir.path(), "alice", "ecdsa -b 384");
        let list = signer_line("alice@example.com", "namespaces=\"transload-*\"", &alice);
        fs::write(world.path("allowed_signers"), list).expect("the list");
        world.pull(
            &["lib/debian:12", "team/app:v1"],
            &["--dest", &world.bundle("one")],
        );
        let imported = Imported {
            world,
            there: ScriptedRegistry::start(),
            alice,
        };
        imported.push("receipt.json").expect_code(0);
        imported
    }

    fn push(&self, receipt: &str) -> Output {
        let dest = format!("{}/mirror", self.there.host());
        let push = Transload::new().args(["push", "--src", &self.world.bundle("one"), "--dest", &dest]);
        let push = push.arg("--receipt").arg(self.world.path(receipt));
        push.arg("--sign").arg(&self.alice).arg("--plain-http").run()
    }

    fn verify(&self, more: &[&str]) -> Output {
        let against = self.there.host().to_owned();
        let verify = Transload::new().args(["verify", "--plain-http", "--against", &against, "--receipt"]);
        verify
            .arg(self.world.path("receipt.json"))
            .args(more.iter().copied())
            .run()
    }

    fn trusting(&self) -> Output {
        let signers = self.world.path("allowed_signers").display().to_string();
        self.verify(&["--trust", &signers])
    }

    fn receipt(&self) -> PathBuf {
        self.world.path("receipt.json")
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("the receipt")).expect("JSON")
}

#[test]
fn a_receipt_tells_what_arrived_and_a_place_that_differs_is_named() {
    let imported = Imported::new();
    let receipt = json(&imported.receipt());
    let task = &receipt["tasks"][0];
    let list = fs::read(imported.world.path("one/BUNDLE.json")).expect("the list");
    let digest = transload_reference::Digest::of(&list).to_string();
    assert_eq!(task["bundles"], serde_json::json!([digest]));
    assert_eq!(task["images"].as_array().expect("images").len(), 2);
    let signature = imported.world.path("receipt.json.sig");
    let signers = imported.world.path("allowed_signers");
    assert!(is_verified(
        &signers,
        "alice@example.com",
        NAMESPACE,
        &imported.receipt(),
        &signature
    ));

    let same = imported.trusting().expect_code(0);
    assert!(same.stdout.contains("2 of 2 arrived"), "{}", same.stdout);
    assert!(
        same.stdout.contains(&format!(
            "from the bundle {digest}\nsigned by alice@example.com (ecdsa-sha2-nistp384 SHA256:"
        )),
        "{}",
        same.stdout
    );
    assert!(
        same.stdout.ends_with("all match the receipt\n"),
        "{}",
        same.stdout
    );

    // The same import again is proven, too.
    imported.push("second.json").expect_code(0);
    assert_eq!(
        json(&imported.world.path("second.json"))["tasks"][0]["images"][0]["status"],
        "there"
    );

    imported.there.put_image("mirror/team/app", "v1", &image(9));
    let other = imported.verify(&[]).expect_code(1);
    let line = other.stdout.lines().next().expect("a line");
    assert!(
        line.contains("mirror/team/app:v1: is sha256:") && line.contains(" now, and was sha256:"),
        "{line}"
    );
    assert!(
        other.stdout.ends_with("1 image differing from the receipt\n"),
        "{}",
        other.stdout
    );
    let told = imported.verify(&["--output", "json"]).expect_code(1);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let differs = told["images"]
        .as_array()
        .expect("images")
        .iter()
        .filter(|image| !image["differs"].is_null());
    assert_eq!(differs.count(), 1);

    // Another registry, and one where nothing is.
    let empty = ScriptedRegistry::start();
    let verify = Transload::new().args(["verify", "--plain-http", "--against", empty.host(), "--receipt"]);
    let elsewhere = verify.arg(imported.receipt()).run().expect_code(1);
    assert!(
        elsewhere
            .stdout
            .contains("it was imported elsewhere, and not into"),
        "{}",
        elsewhere.stdout
    );
}

#[test]
fn a_receipt_of_a_directory_is_checked_wherever_the_directory_is_now() {
    let world = World::new();
    world.pull(&["lib/debian:12"], &["--dest", &world.bundle("one")]);
    let images = world.path("images").display().to_string();
    let receipt = world.path("receipt.json").display().to_string();
    let copy = [
        "copy",
        "--src",
        &world.bundle("one"),
        "--dest",
        &images,
        "--receipt",
        &receipt,
    ];
    Transload::new().args(copy).run().expect_code(0);
    let moved = world.path("moved").display().to_string();
    fs::rename(&images, &moved).expect("the directory");
    let verify = ["verify", "--receipt", &receipt, "--against", &moved];
    Transload::new().args(verify).run().expect_code(0);
    let other = world.path("other").display().to_string();
    world.pull(&["team/new:v1"], &["--dest", &other]);
    let verify = ["verify", "--receipt", &receipt, "--against", &other];
    let lacking = Transload::new().args(verify).run().expect_code(1);
    assert!(
        lacking.stdout.contains("1 image differing from the receipt"),
        "{}",
        lacking.stdout
    );
}

#[test]
fn receipts_forged_are_refused_before_the_place_is_asked() {
    let imported = Imported::new();
    let (receipt, signature) = (imported.receipt(), imported.world.path("receipt.json.sig"));
    let kept = (
        fs::read(&receipt).expect("the receipt"),
        fs::read(&signature).expect("its signature"),
    );
    let mallory = make_key(imported.world.dir.path(), "mallory", "ed25519");
    let text = String::from_utf8(kept.0.clone()).expect("text");
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        fs::write(&receipt, text.replace(from, to)).expect("the receipt");
    };
    type Forgery<'a> = (&'a str, &'a dyn Fn(), &'a str);
    let forgeries: [Forgery<'_>; 7] = [
        (
            "without its signature",
            &|| fs::remove_file(&signature).expect("the signature"),
            "it isn't signed: reading ",
        ),
        (
            "with a failure that became a success",
            &|| change("\"copied\"", "\"there\""),
            "the signature doesn't match",
        ),
        (
            "with a space more",
            &|| fs::write(&receipt, format!("{text} ")).expect("the receipt"),
            "the signature doesn't match",
        ),
        (
            "signed by somebody else",
            &|| {
                change("\"copied\"", "\"there\"");
                sign_file(&mallory, NAMESPACE, &receipt, &[]);
            },
            "signed it, and no signer has this key",
        ),
        (
            "with a signature of a bundle",
            &|| {
                sign_file(&imported.alice, "transload-bundle", &receipt, &[]);
            },
            "the signature is for \"transload-bundle\", and not for \"transload-receipt\"",
        ),
        (
            "with the signature of another",
            &|| {
                imported.push("other.json").expect_code(0);
                fs::copy(imported.world.path("other.json.sig"), &signature).expect("the signature");
            },
            "the signature doesn't match",
        ),
        (
            "that is none, and signed",
            &|| {
                fs::write(&receipt, "{}").expect("the receipt");
                sign_file(&imported.alice, NAMESPACE, &receipt, &[]);
            },
            "this isn't a report: it has no version",
        ),
    ];
    for (what, forge, expected) in forgeries {
        forge();
        let asked = imported.there.log().requests().len();
        let refused = imported.trusting().expect_code(1);
        assert!(refused.stderr.contains(expected), "{what}: {}", refused.stderr);
        assert_eq!(imported.there.log().requests().len(), asked, "{what}");
        fs::write(&receipt, &kept.0).expect("the receipt");
        fs::write(&signature, &kept.1).expect("its signature");
        imported.trusting().expect_code(0);
    }
}

#[test]
fn arguments_about_receipts_that_fit_nothing_are_refused() {
    let world = World::new();
    let host = world.registry.host();
    let image = format!("{host}/lib/debian:12");
    let images = world.path("images").display().to_string();
    let receipt = world.path("receipt.json").display().to_string();
    world.pull(&["lib/debian:12"], &["--dest", &world.bundle("one")]);
    let bundle = world.bundle("one");
    for (line, told) in [
        (
            vec!["pull", &image, "--dest", &images, "--receipt", &receipt],
            "no image comes from a bundle",
        ),
        (
            vec!["copy", "--src", &bundle, "--dest", &images, "--receipt", "-"],
            "a receipt must be a file",
        ),
        (
            vec![
                "copy",
                "--src",
                &bundle,
                "--dest",
                &images,
                "--receipt",
                "/nowhere/r.json",
            ],
            "there is no directory /nowhere",
        ),
        (vec!["verify", "--receipt", &receipt], "--against <PLACE>"),
        (vec!["verify"], "<PLACE>"),
    ] {
        let refused = Transload::new().args(line.iter().copied()).run().expect_code(2);
        assert!(refused.stderr.contains(told), "{line:?}: {}", refused.stderr);
        assert!(!Path::new(&images).exists(), "{line:?}");
    }
}
