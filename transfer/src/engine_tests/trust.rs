//! What is checked of an image before anything of it moves.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use transload_policy::ImagePattern;
use transload_reference::{Descriptor, Digest, MediaType, Reference, ReferrerTag};
use transload_signature::PublicKeys;
use transload_test_support::image::{Family, Image, ImageBuilder, IndexBuilder, samples};
use transload_test_support::sign::{self, Signer};

use super::Engine;
use crate::memory::{Call, Kind, Memory, Trouble};
use crate::trust::{TrustPolicy, TrustProgram, TrustRule};
use crate::{Event, Observer};

const NAME: &str = "team/app:v1";

fn image(seed: u64) -> Image {
    samples::multi_platform(Family::Oci, seed)
}

fn keys(signers: &[&Signer]) -> Arc<PublicKeys> {
    let file: String = signers.iter().map(|signer| signer.pem()).collect();
    Arc::new(PublicKeys::from_pem(file.as_bytes()).unwrap())
}

fn by_keys(pattern: Option<&str>, signers: &[&Signer]) -> TrustRule {
    TrustRule {
        pattern: pattern.map(|pattern| ImagePattern::new(pattern).unwrap()),
        keys: Some(keys(signers)),
        program: None,
    }
}

fn by_program(program: TrustProgram) -> TrustRule {
    TrustRule {
        program: Some(program),
        ..TrustRule::default()
    }
}

/// An engine with one image, which these rules are for.
fn engine(image: &Image, rules: Vec<TrustRule>) -> Engine {
    let mut engine = Engine::to(Kind::Registry);
    engine.add(NAME, image);
    engine.job.trust = vec![Arc::new(TrustPolicy { rules })];
    engine
}

/// Puts what stands for a signature under cosign's tag of an image.
fn tag_signature(engine: &Engine, image: &Digest, signature: &Image) {
    let tag = ReferrerTag::Signature.of(image);
    let name: Reference = format!("from.example/team/app:{tag}").parse().unwrap();
    engine.from.add(&name, signature);
}

/// Puts a referrer into the image's repository.
fn add_referrer(engine: &Engine, referrer: &Image) {
    let name = format!("from.example/team/app@{}", referrer.digest());
    engine.from.add(&name.parse().unwrap(), referrer);
}

/// The one image fails with these words, and nothing came to the destination.
#[track_caller]
fn assert_refused(engine: &Engine, said: &[&str]) {
    let told = engine.run().remove(0);
    for words in said {
        assert!(
            told.starts_with("failed: ") && told.contains(words),
            "{words}: {told}"
        );
    }
    for call in [Call::BringBlob, Call::PutManifest, Call::Publish] {
        assert_eq!(engine.to.count(call), 0, "{call:?}");
    }
}

#[test]
fn an_image_that_is_signed_moves_and_tells_the_key() {
    let image = image(1);
    for signer in [Signer::p256(), Signer::p384(), Signer::ed25519()] {
        let id = Digest::of(&signer.spki());
        for is_bundle in [false, true] {
            let engine = engine(&image, vec![by_keys(None, &[&Signer::p256(), &signer])]);
            match is_bundle {
                false => tag_signature(
                    &engine,
                    image.digest(),
                    &sign::simple_signature(&signer, image.digest()),
                ),
                true => add_referrer(&engine, &sign::bundle_referrer(&signer, &image, sign::SIGN)),
            }
            let outcome = engine.outcomes().remove(0);
            assert!(outcome.status.is_success(), "{:?}", outcome.status);
            let [voucher] = outcome.verified_by.as_slice() else {
                panic!("{:?}", outcome.verified_by)
            };
            assert!(
                voucher.starts_with("key ") && voucher.ends_with(id.short()),
                "{voucher}"
            );
            assert_eq!(engine.lacks(), [""; 0]);
        }
    }
}

#[test]
fn an_image_without_a_signature_fails_before_anything_of_it_moves() {
    let signer = Signer::p256();
    let engine = engine(&image(1), vec![by_keys(None, &[&signer])]);
    let id = Digest::of(&signer.spki());
    let key = format!("isn't signed by the key ECDSA P-256 {}", id.short());
    assert_refused(
        &engine,
        &["source: ", "from.example/team/app:v1", &key, "has no signature"],
    );
}

#[test]
fn signatures_of_strangers_of_other_images_and_attestations_do_not_count() {
    let (signer, stranger) = (Signer::p256(), Signer::p256());
    let (image, other) = (image(1), image(2));
    let rules = || vec![by_keys(None, &[&signer])];
    let by_stranger = engine(&image, rules());
    tag_signature(
        &by_stranger,
        image.digest(),
        &sign::simple_signature(&stranger, image.digest()),
    );
    assert_refused(&by_stranger, &["none of the given keys made it"]);

    let of_other = engine(&image, rules());
    tag_signature(
        &of_other,
        image.digest(),
        &sign::simple_signature(&signer, other.digest()),
    );
    assert_refused(&of_other, &["a signature of another image"]);

    let attested = engine(&image, rules());
    add_referrer(
        &attested,
        &sign::bundle_referrer(&signer, &image, "https://spdx.dev/Document"),
    );
    assert_refused(&attested, &["it is an attestation"]);

    let all = engine(&image, rules());
    tag_signature(
        &all,
        image.digest(),
        &sign::simple_signature(&stranger, image.digest()),
    );
    add_referrer(
        &all,
        &sign::bundle_referrer(&signer, &image, "https://spdx.dev/Document"),
    );
    assert_refused(
        &all,
        &[
            "no valid signature among 2",
            "none of the given keys",
            "an attestation",
        ],
    );
    // One that counts among others that don't is enough.
    add_referrer(&all, &sign::bundle_referrer(&signer, &image, sign::SIGN));
    assert_eq!(all.run(), ["copied"]);
}

#[test]
fn a_signature_of_one_platform_is_none_of_the_whole_image() {
    let (signer, image) = (Signer::p256(), image(1));
    let engine = engine(&image, vec![by_keys(None, &[&signer])]);
    let child = &image.manifests[0].digest;
    assert_ne!(child, image.digest());
    tag_signature(&engine, child, &sign::simple_signature(&signer, child));
    assert_refused(&engine, &["has no signature"]);
    tag_signature(&engine, image.digest(), &sign::simple_signature(&signer, child));
    assert_refused(&engine, &["a signature of another image"]);
}

#[test]
fn a_signature_that_cannot_be_looked_up_is_told_as_such_and_never_taken_as_none() {
    let (signer, image) = (Signer::p256(), image(1));
    let signature = sign::simple_signature(&signer, image.digest());
    let blob = signature
        .blobs
        .iter()
        .find(|(blob, _)| blob.media_type.as_str() == sign::SIMPLE)
        .unwrap();
    for (call, subject) in [
        (Call::FindTag, None),
        (Call::OpenBlob, Some(blob.0.digest.as_str())),
    ] {
        let engine = engine(&image, vec![by_keys(None, &[&signer])]);
        tag_signature(&engine, image.digest(), &signature);
        engine.from.trouble(call, subject, Trouble::Refuse, 1);
        assert_refused(&engine, &["refused on purpose"]);
        assert_eq!(engine.from.troubles_left(), 0, "{call:?}");
        engine.assert_a_rerun_completes();
    }
    let engine = engine(&image, vec![by_keys(None, &[&signer])]);
    engine.from.trouble(Call::Referrers, None, Trouble::Refuse, 1);
    assert_refused(&engine, &["refused on purpose"]);
}

#[test]
fn an_image_that_is_there_already_is_checked_as_well() {
    let (signer, image) = (Signer::p256(), image(1));
    let mut engine = engine(&image, Vec::new());
    engine.job.trust.clear();
    assert_eq!(engine.run(), ["copied"]);
    engine.job.trust = vec![Arc::new(TrustPolicy {
        rules: vec![by_keys(None, &[&signer])],
    })];
    assert!(engine.run()[0].contains("has no signature"));
    tag_signature(
        &engine,
        image.digest(),
        &sign::simple_signature(&signer, image.digest()),
    );
    assert_eq!(engine.run(), ["there"]);
}

/// Lets a tag at the source stand for another image once an image is planned.
struct Mover {
    from: Memory,
    name: Reference,
    other: Image,
}

impl Observer for Mover {
    fn event(&self, event: &Event<'_>) {
        if let Event::ImagePlanned { .. } = event {
            self.from.add(&self.name, &self.other);
        }
    }
}

#[test]
fn what_was_checked_is_what_is_copied_if_the_tag_moves_meanwhile() {
    let (signer, image, other) = (Signer::p256(), image(1), image(2));
    let mut engine = engine(&image, vec![by_keys(None, &[&signer])]);
    tag_signature(
        &engine,
        image.digest(),
        &sign::simple_signature(&signer, image.digest()),
    );
    let name: Reference = format!("from.example/{NAME}").parse().unwrap();
    engine.observer = Box::new(Mover {
        from: engine.from.clone(),
        name: name.clone(),
        other: other.clone(),
    });
    assert_eq!(engine.run(), ["copied"]);
    assert_eq!(
        engine.from.digest(&name).as_ref(),
        Some(other.digest()),
        "the tag has moved"
    );
    assert_eq!(
        engine.to.digest(&engine.target(NAME)).as_ref(),
        Some(image.digest())
    );
}

#[test]
fn the_first_rule_that_matches_decides_and_no_rule_is_a_refusal() {
    let (signer, stranger, image) = (Signer::p256(), Signer::p256(), image(1));
    let signed = |rules| {
        let engine = engine(&image, rules);
        tag_signature(
            &engine,
            image.digest(),
            &sign::simple_signature(&signer, image.digest()),
        );
        engine
    };
    let first = vec![
        by_keys(Some("^from.example/team/"), &[&signer]),
        by_keys(None, &[&stranger]),
    ];
    assert_eq!(signed(first).run(), ["copied"]);
    let second = vec![by_keys(Some("/other/"), &[&stranger]), by_keys(None, &[&signer])];
    assert_eq!(signed(second).run(), ["copied"]);
    let shadowed = vec![by_keys(Some("/team/"), &[&stranger]), by_keys(None, &[&signer])];
    assert_refused(&signed(shadowed), &["none of the given keys"]);
    assert_refused(
        &signed(vec![by_keys(Some("/other/"), &[&signer])]),
        &["no rule of `verify` is for it"],
    );
    assert_refused(&signed(vec![TrustRule::default()]), &["no key and no program"]);
    assert_refused(&signed(Vec::new()), &["no rule of `verify` is for it"]);
    let mut both = signed(vec![by_keys(None, &[&signer])]);
    both.job.trust.push(Arc::new(TrustPolicy {
        rules: vec![by_keys(None, &[&stranger])],
    }));
    assert_refused(&both, &["none of the given keys"]);
}

#[test]
fn signatures_move_unsigned_and_nothing_else_does_under_their_tags() {
    let (signer, image) = (Signer::p256(), image(1));
    let signature = sign::simple_signature(&signer, image.digest());
    let list = |child: &Image, artifact_type: Option<&str>| {
        let mut child_descriptor = child.root.descriptor();
        child_descriptor.artifact_type = artifact_type.map(str::to_owned);
        IndexBuilder::new(Family::Oci)
            .described(child_descriptor, child)
            .build()
    };
    let referrer = sign::bundle_referrer(&signer, &image, sign::SIGN);
    let attachments = [
        (ReferrerTag::Signature, signature, true),
        (ReferrerTag::Attestation, samples::artifact(&image), true),
        (ReferrerTag::Index, list(&referrer, Some(sign::BUNDLE)), true),
        (
            ReferrerTag::Signature,
            samples::single(Family::Oci, "linux/amd64", 3),
            false,
        ),
        (
            ReferrerTag::Signature,
            samples::single(Family::Docker, "linux/amd64", 3),
            false,
        ),
        (ReferrerTag::Signature, samples::helm_chart("chart", "1"), false),
        (ReferrerTag::Signature, image.clone(), false),
        (
            ReferrerTag::Index,
            samples::single(Family::Oci, "linux/amd64", 3),
            false,
        ),
        (
            ReferrerTag::Index,
            list(&samples::single(Family::Oci, "linux/amd64", 3), None),
            false,
        ),
    ];
    for (kind, attached, moves) in attachments {
        let mut engine = Engine::to(Kind::Registry);
        engine.add(&format!("team/app:{}", kind.of(image.digest())), &attached);
        engine.job.trust = vec![Arc::new(TrustPolicy {
            rules: vec![by_keys(None, &[&signer])],
        })];
        match moves {
            true => assert_eq!(engine.run(), ["copied"], "{kind:?}"),
            false => assert_refused(&engine, &["has no signature"]),
        }
    }
}

#[test]
fn signatures_are_looked_at_in_a_bounded_number_and_size() {
    let (signer, stranger, image) = (Signer::p256(), Signer::p256(), image(1));
    let payload = sign::payload(image.digest());
    let mut many = ImageBuilder::new(Family::Oci);
    for number in 0..101 {
        let payload = format!("{payload}{}", " ".repeat(number));
        let layer = sign::simple(payload.as_bytes(), &stranger.sign(payload.as_bytes()));
        many = many.described_layer(layer, payload.as_bytes());
    }
    let crowded = engine(&image, vec![by_keys(None, &[&signer])]);
    tag_signature(&crowded, image.digest(), &many.build());
    assert_refused(&crowded, &["more than 100 signatures"]);

    let huge = engine(&image, vec![by_keys(None, &[&signer])]);
    let mut layer = Descriptor::new(MediaType::new(sign::SIMPLE), Digest::of(b"huge"), 1 << 40);
    layer
        .annotations
        .insert(sign::ANNOTATION.to_owned(), "eA==".to_owned());
    tag_signature(
        &huge,
        image.digest(),
        &ImageBuilder::new(Family::Oci)
            .described_layer(layer, b"huge")
            .build(),
    );
    assert_refused(&huge, &["at most 1048576 are read"]);
    assert_eq!(huge.from.count(Call::OpenBlob), 0);
}

/// A shell script as a program.
fn shell(text: &str) -> TrustProgram {
    TrustProgram::new("sh", ["-c", text, "check"].map(Into::into).to_vec())
}

#[test]
fn a_program_gets_reference_and_digest_and_its_exit_status_decides() {
    let folder = TempDir::new().unwrap();
    let seen = folder.path().join("seen");
    let echo =
        r#"echo "$#|$1|$2|$3|$4|$TRANSLOAD_IMAGE|$TRANSLOAD_REFERENCE|$TRANSLOAD_DIGEST|$TRANSLOAD_SOURCE""#;
    let text = format!("{echo} > {}", seen.display());
    let arguments = ["-c", &text, "check", "--policy", "a b;$(false)"].map(Into::into);
    let image = image(1);
    let engine = engine(
        &image,
        vec![by_program(TrustProgram::new("sh", arguments.to_vec()))],
    );
    let outcome = engine.outcomes().remove(0);
    assert!(outcome.status.is_success(), "{:?}", outcome.status);
    assert_eq!(outcome.verified_by, ["program sh"]);
    let digest = image.digest();
    let expected = format!(
        "4|--policy|a b;$(false)|from.example/team/app@{digest}|{digest}|from.example/team/app:v1|from.example/team/app@{digest}|{digest}|from.example\n"
    );
    assert_eq!(fs::read_to_string(seen).unwrap(), expected);
}

#[test]
fn a_program_that_refuses_is_quoted_within_bounds_and_escaped() {
    let program = shell(r"printf '\033[31mno signature\n' >&2; yes no | head -c 300000 >&2; exit 3");
    let engine = engine(&image(1), vec![by_program(program)]);
    assert_refused(
        &engine,
        &[
            "source: ",
            "program sh refused it (exit status: 3)",
            "\\u{1b}[31mno signature\\nno",
        ],
    );
    assert!(engine.run()[0].len() < 2000);
}

#[test]
fn a_program_that_is_silent_killed_late_or_missing_refuses_the_image() {
    let late = shell("exec sleep 1000").with_time_limit(Duration::from_millis(50));
    let folder = TempDir::new().unwrap();
    let missing = TrustProgram::new(folder.path().join("nothing"), Vec::new());
    let table = [
        (shell("exit 1"), "refused it (exit status: 1)"),
        (shell("kill -9 $$"), "signal: 9"),
        (late, "didn't end within 0.05 seconds"),
        (missing, "couldn't be run"),
    ];
    for (program, said) in table {
        assert_refused(&engine(&image(1), vec![by_program(program)]), &[said]);
    }
}

#[test]
fn a_program_that_leaves_a_process_behind_is_quoted_without_waiting_for_that() {
    let folder = TempDir::new().unwrap();
    let gone = folder.path().join("gone");
    let text = format!("(sleep 4; : > {}) & echo unsigned >&2; exit 1", gone.display());
    let told = engine(&image(1), vec![by_program(shell(&text))]).run().remove(0);
    assert!(told.contains("refused it (exit status: 1): unsigned"), "{told}");
    assert!(!gone.exists(), "it was waited for");
}

#[test]
fn a_program_is_stopped_with_the_run() {
    let folder = TempDir::new().unwrap();
    let running = folder.path().join("running");
    let program = shell(&format!(": > {}; exec sleep 1000", running.display()));
    let engine = engine(&image(1), vec![by_program(program)]);
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| stop_once_there(&running, &engine.cancel));
        assert_eq!(engine.run(), ["interrupted"]);
    });
    assert!(began.elapsed() < Duration::from_secs(100));
}

fn stop_once_there(file: &Path, cancel: &AtomicBool) {
    let began = Instant::now();
    while !file.exists() && began.elapsed() < Duration::from_secs(60) {
        std::thread::yield_now();
    }
    cancel.store(true, Ordering::Relaxed);
}

#[test]
fn keys_and_a_program_must_both_accept() {
    let (signer, image) = (Signer::p256(), image(1));
    let rule = |text: &str| TrustRule {
        program: Some(shell(text)),
        ..by_keys(None, &[&signer])
    };
    let accepted = engine(&image, vec![rule("exit 0")]);
    assert_refused(&accepted, &["has no signature"]);
    tag_signature(
        &accepted,
        image.digest(),
        &sign::simple_signature(&signer, image.digest()),
    );
    assert_eq!(accepted.outcomes().remove(0).verified_by.len(), 2);
    let refused = engine(&image, vec![rule("exit 1")]);
    tag_signature(
        &refused,
        image.digest(),
        &sign::simple_signature(&signer, image.digest()),
    );
    assert_refused(&refused, &["exit status: 1"]);
}
