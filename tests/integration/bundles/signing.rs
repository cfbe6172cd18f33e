//! Signed bundles: nothing is read of one whose signature doesn't count.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use transload_test_support::ssh::{SshAgent, is_verified, make_key, seal, sign_file, signer_line};
use transload_test_support::{Output, ScriptedRegistry, Transload};

use super::World;
use crate::content::{assert_is, tree};
use crate::serve::Served;

const NAMESPACE: &str = "transload-bundle";

/// A world with keys and a list of signers, which has Alice's.
struct Signed {
    world: World,
    alice: PathBuf,
    mallory: PathBuf,
    /// The path of the list.
    signers: String,
}

impl Signed {
    fn new() -> Signed {
        let world = World::new();
        let alice = make_key(world.dir.path(), "alice", "ed25519");
        let mallory = make_key(world.dir.path(), "mallory", "ecdsa -b 256");
        let signers = world.path("allowed_signers");
        fs::write(&signers, signer_line("alice@example.com", "", &alice)).expect("the list");
        Signed {
            world,
            alice,
            mallory,
            signers: signers.display().to_string(),
        }
    }

    /// Pulls two images into a bundle, with Alice's signature.
    fn pull(&self, name: &str) {
        let key = self.alice.display().to_string();
        let dest = self.world.bundle(name);
        self.world.pull(
            &["lib/debian:12", "team/app:v1"],
            &["--dest", &dest, "--sign", &key],
        );
    }

    fn file(&self, bundle: &str, file: &str) -> PathBuf {
        self.world.path(bundle).join(file)
    }

    fn is_verified(&self, bundle: &str) -> bool {
        let (sums, signature) = (
            self.file(bundle, "SHA256SUMS"),
            self.file(bundle, "SHA256SUMS.sig"),
        );
        is_verified(
            self.signers.as_ref(),
            "alice@example.com",
            NAMESPACE,
            &sums,
            &signature,
        )
    }

    fn list(&self, bundle: &str) -> Output {
        let place = self.world.bundle(bundle);
        Transload::new()
            .args(["list", &place, "--trust", &self.signers])
            .run()
    }
}

/// Writes the sums of a folder anew, as somebody does who changed its files.
fn sum_anew(folder: &std::path::Path) {
    let sums = "sha256sum $(cut -d' ' -f3 SHA256SUMS) > sums && mv sums SHA256SUMS";
    let status = Command::new("sh").args(["-c", sums]).current_dir(folder).status();
    assert!(status.expect("sh").success());
}

#[test]
fn every_command_that_reads_bundles_takes_a_signed_one_and_refuses_another() {
    let signed = Signed::new();
    signed.pull("good");
    assert!(signed.is_verified("good"));
    let bundle = |name: &str| signed.world.bundle(name);
    signed
        .world
        .pull(&["lib/debian:12", "team/app:v1"], &["--dest", &bundle("bad")]);
    let there = ScriptedRegistry::start();
    let image = format!("{}/lib/debian:12", signed.world.registry.host());
    let dest = format!("{}/mirror", there.host());
    let images = format!("oci:{}", signed.world.path("images").display());
    let commands = |place: &str| -> Vec<(i32, Vec<String>)> {
        let table = [
            (2, vec!["list", place]),
            (2, vec!["inspect", &image, "--src", place]),
            (2, vec!["copy", "--src", place, "--dest", &images]),
            (2, vec!["diff", place, &images]),
            (1, vec!["verify", place]),
            (2, vec!["push", "--src", place, "--dest", &dest, "--plain-http"]),
        ];
        let owned = |(code, line): (i32, Vec<&str>)| (code, line.into_iter().map(str::to_owned).collect());
        table.into_iter().map(owned).collect()
    };
    for (code, line) in commands(&bundle("bad")) {
        let refused = Transload::new()
            .args(&line)
            .args(["--trust", &signed.signers])
            .run();
        let refused = refused.expect_code(code);
        assert!(
            refused
                .stderr
                .contains("bad isn't signed: it has no SHA256SUMS.sig"),
            "{line:?}: {}",
            refused.stderr
        );
    }
    assert!(!signed.world.path("images").exists());
    assert_eq!(
        there.log().requests().len(),
        0,
        "nothing was asked of the registry"
    );
    for (_, line) in commands(&bundle("good")) {
        let done = Transload::new()
            .args(&line)
            .args(["--trust", &signed.signers])
            .run()
            .expect_code(0);
        if line[0] == "verify" {
            assert!(
                done.stdout
                    .contains("\nsigned by alice@example.com (ssh-ed25519 SHA256:"),
                "{}",
                done.stdout
            );
        }
    }
    let good = bundle("good");
    let served = Served::start(&[good.as_str(), "--trust", signed.signers.as_str()]);
    drop(served);
    let bad = bundle("bad");
    let serve = [
        "serve",
        &bad,
        "--trust",
        &signed.signers,
        "--listen",
        "127.0.0.1:0",
    ];
    let refused = Transload::new().args(serve).run().expect_code(2);
    assert!(refused.stderr.contains("bad isn't signed"), "{}", refused.stderr);
}

#[test]
fn forged_bundles_are_refused_and_nothing_else_of_them_is_read() {
    let signed = Signed::new();
    signed.pull("whole");
    let whole = signed.world.path("whole");
    let text = |name: &str| fs::read_to_string(whole.join(name)).expect("a file of the bundle");
    let (sums, list) = (text("SHA256SUMS"), text("BUNDLE.json"));
    type Forgery<'a> = (&'a str, &'a dyn Fn(), &'a str);
    let sums_file = whole.join("SHA256SUMS");
    let signature = whole.join("SHA256SUMS.sig");
    let write = |name: &str, text: &str| fs::write(whole.join(name), text).expect("a file of the bundle");
    // A list that nobody may look at, with sums that are right.
    let other_list = || {
        write("BUNDLE.json", "{\"format\":\"transload-bundle\",\"version\":77}");
        sum_anew(&whole);
    };
    let forgeries: [Forgery<'_>; 10] = [
        (
            "no signature",
            &|| fs::remove_file(&signature).expect("the signature"),
            "isn't signed: it has no SHA256SUMS.sig",
        ),
        (
            "another list, with its sums",
            &other_list,
            "isn't trusted: the signature doesn't match",
        ),
        (
            "another list, with its sums, signed by somebody else",
            &|| {
                other_list();
                sign_file(&signed.mallory, NAMESPACE, &sums_file, &[]);
            },
            "signed it, and no signer has this key",
        ),
        (
            "another list",
            &|| write("BUNDLE.json", &list.replace("\"version\":1", "\"version\":77")),
            "BUNDLE.json isn't the one that was signed",
        ),
        (
            "no list among the sums",
            &|| {
                write(
                    "SHA256SUMS",
                    &sums
                        .lines()
                        .skip(1)
                        .map(|line| format!("{line}\n"))
                        .collect::<String>(),
                );
                sign_file(&signed.alice, NAMESPACE, &sums_file, &[]);
            },
            "BUNDLE.json isn't the one that was signed",
        ),
        (
            "sums that lead elsewhere",
            &|| {
                write("SHA256SUMS", &sums.replace("vol-", "../vol-"));
                sign_file(&signed.alice, NAMESPACE, &sums_file, &[]);
            },
            "SHA256SUMS can't be used: line",
        ),
        (
            "a signature for something else",
            &|| {
                sign_file(&signed.alice, "file", &sums_file, &[]);
            },
            "the signature is for \"file\", and not for \"transload-bundle\"",
        ),
        (
            "a signature that is cut off",
            &|| write("SHA256SUMS.sig", "-----BEGIN SSH SIGNATURE-----\nU1NI\n"),
            "it isn't a valid SSH signature",
        ),
        (
            "a signature of gigabytes",
            &|| {
                let file = fs::File::create(&signature).expect("the signature");
                file.set_len(5 << 30).expect("a file with holes");
            },
            "has more than 65536 bytes",
        ),
        (
            "sums of gigabytes",
            &|| {
                let file = fs::File::create(&sums_file).expect("the sums");
                file.set_len(5 << 30).expect("a file with holes");
            },
            "it has more than 4194304 bytes",
        ),
    ];
    let kept = text("SHA256SUMS.sig");
    for (what, forge, expected) in forgeries {
        forge();
        let refused = signed.list("whole").expect_code(2);
        assert!(refused.stderr.contains(expected), "{what}: {}", refused.stderr);
        for (name, text) in [
            ("SHA256SUMS", &sums),
            ("BUNDLE.json", &list),
            ("SHA256SUMS.sig", &kept),
        ] {
            write(name, text);
        }
        signed.list("whole").expect_code(0);
    }
    // Each bundle that completes another has to be signed.
    let half = signed.world.bundle("half");
    signed.world.pull(&["team/new:v1"], &["--dest", &half]);
    let folder = signed.world.path("half").display().to_string();
    let place = signed.world.bundle("whole");
    let list = ["list", &place, "--volumes", &folder, "--trust", &signed.signers];
    let refused = Transload::new().args(list).run().expect_code(2);
    assert!(refused.stderr.contains("half isn't signed"), "{}", refused.stderr);
}

#[test]
fn a_volume_that_was_changed_with_its_sums_is_refused_as_a_whole_or_by_its_digests() {
    let signed = Signed::new();
    signed.pull("whole");
    let volume = signed.file("whole", "vol-0001.tar");
    let mut bytes = fs::read(&volume).expect("the volume");
    let at = bytes.len() - 20_000;
    bytes[at] ^= 1;
    fs::write(&volume, bytes).expect("the volume");
    let place = signed.world.bundle("whole");
    let trust = ["--trust", &signed.signers];
    let broken = Transload::new()
        .args(["verify", &place])
        .args(trust)
        .run()
        .expect_code(1);
    assert!(
        broken.stdout.contains("is damaged: content has digest"),
        "{}",
        broken.stdout
    );
    let images = format!("oci:{}", signed.world.path("images").display());
    let copied = Transload::new()
        .args(["copy", "--src", &place, "--dest", &images])
        .args(trust)
        .run();
    let copied = copied.expect_code(1);
    assert!(
        copied.stderr.contains("is damaged: content has digest"),
        "{}",
        copied.stderr
    );
}

#[test]
fn a_bundle_that_is_there_is_signed_by_the_same_command_if_it_is_whole() {
    let signed = Signed::new();
    let dest = signed.world.bundle("whole");
    let images =
        ["lib/debian:12", "team/app:v1"].map(|image| format!("{}/{image}", signed.world.registry.host()));
    let pull = |more: &[&str]| {
        let program = Transload::new().arg("pull").args(&images);
        program
            .args(["--dest", &dest, "--plain-http"])
            .args(more.iter().copied())
            .run()
    };
    pull(&[]).expect_code(0);
    let before = tree(signed.world.path("whole").to_str().expect("a plain name"));
    let sign = ["--sign", signed.alice.to_str().expect("a plain name")];
    pull(&sign).expect_code(0);
    assert!(signed.is_verified("whole"));
    signed.list("whole").expect_code(0);
    // The same again leaves it alone, and a run without a key does so, too.
    let signature = signed.file("whole", "SHA256SUMS.sig");
    let stamp = || {
        fs::metadata(&signature)
            .and_then(|file| file.modified())
            .expect("the signature")
    };
    let first = stamp();
    pull(&sign).expect_code(0);
    pull(&[]).expect_code(0);
    assert_eq!(stamp(), first);
    fs::remove_file(&signature).expect("the signature");
    assert_is(
        &tree(signed.world.path("whole").to_str().expect("a plain name")),
        &before,
    );

    // What was changed since isn't signed.
    let folder = signed.world.path("whole");
    for name in ["vol-0001.tar", "import.sh"] {
        let path = folder.join(name);
        let kept = fs::read(&path).expect("a file of the bundle");
        let mut bytes = kept.clone();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).expect("a file of the bundle");
        sum_anew(&folder);
        let refused = pull(&sign).expect_code(1);
        assert!(!signature.exists(), "{name}: {}", refused.stderr);
        let expected = [
            "only a whole bundle is signed: ",
            "import.sh differs from the one that transload writes",
        ];
        assert!(
            expected.iter().any(|told| refused.stderr.contains(told)),
            "{}",
            refused.stderr
        );
        fs::write(&path, kept).expect("a file of the bundle");
        sum_anew(&folder);
    }
    pull(&sign).expect_code(0);
    assert!(signed.is_verified("whole"));
}

#[test]
fn an_agent_signs_bundles_with_a_sealed_key_and_with_its_public_half() {
    let signed = Signed::new();
    let agent = SshAgent::start(signed.world.dir.path());
    let image = format!("{}/lib/debian:12", signed.world.registry.host());
    let public = signed.alice.with_extension("pub");
    agent.add(&signed.alice);
    seal(&signed.alice);
    for (name, key) in [("one", &signed.alice), ("two", &public)] {
        let dest = signed.world.bundle(name);
        let pull = || {
            let program = Transload::new().args(["pull", &image, "--plain-http", "--dest", &dest, "--sign"]);
            program.arg(key)
        };
        let refused = pull().run().expect_code(2);
        assert!(
            refused.stderr.contains("and SSH_AUTH_SOCK names no ssh-agent"),
            "{}",
            refused.stderr
        );
        assert!(!signed.world.path(name).exists(), "nothing moved");
        pull().env("SSH_AUTH_SOCK", agent.socket()).run().expect_code(0);
        assert!(signed.is_verified(name));
        signed.list(name).expect_code(0);
    }
}

#[test]
fn arguments_about_signatures_that_fit_nothing_are_refused() {
    let signed = Signed::new();
    signed.pull("whole");
    let images = signed.world.path("images").display().to_string();
    let oci = format!("oci:{images}");
    signed.world.pull(&["lib/debian:12"], &["--dest", &oci]);
    let place = signed.world.bundle("whole");
    let key = signed.alice.display().to_string();
    let public = signed.alice.with_extension("pub").display().to_string();
    let trust = ["--trust", &signed.signers];
    let table: [(Vec<&str>, &str); 9] = [
        ([&["list", &oci][..], &trust].concat(), "--trust: "),
        (
            [&["verify", &oci][..], &trust].concat(),
            "isn't a bundle, and only bundles are signed as a whole",
        ),
        (
            [&["push", "--src", &oci, "--dest", "a.b"][..], &trust].concat(),
            "isn't a bundle, and only bundles are signed as a whole",
        ),
        (
            [&["copy", "a.b/c:1", "--dest", &images][..], &trust].concat(),
            "it is for bundles, and --src isn't one",
        ),
        (
            [&["diff", &oci, &oci][..], &trust].concat(),
            "neither of them is a bundle",
        ),
        (
            vec!["list", &place, "--trust", &public],
            "line 1: it has no name before the key",
        ),
        (
            vec!["list", &place, "--trust", "nowhere"],
            "nowhere: there is no such file",
        ),
        (
            vec!["pull", "a.b/c:1", "--dest", &images, "--sign", &key],
            "neither a bundle nor a receipt is written",
        ),
        (
            vec!["pull", "a.b/c:1", "--dest", "bundle:x", "--sign", &signed.signers],
            "it isn't a valid key in OpenSSH's form",
        ),
    ];
    for (line, told) in table {
        let refused = Transload::new().args(line.iter().copied()).run().expect_code(2);
        assert!(refused.stderr.contains(told), "{line:?}: {}", refused.stderr);
    }
}
