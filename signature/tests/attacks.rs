//! What must not count as a signature of an image, and why each is refused.

mod common;

use common::*;
use proptest::prelude::*;
use transload_signature::reference::{Digest, RawManifest};
use transload_signature::{
    Form, MAX_SIGNATURE_SIZE, NotSigned, Refusal, Signed, check, may_be_signature, signature_layers,
};
use transload_test_support::sign::*;

/// An attack: its name, how it goes, and what the refusal says.
type Attack = (&'static str, fn(&World) -> Result<Signed, Refusal>, &'static str);

struct World {
    signer: Signer,
    stranger: Signer,
    image: RawManifest,
    other: RawManifest,
}

impl World {
    fn new() -> World {
        World {
            signer: Signer::p256(),
            stranger: Signer::p256(),
            image: image("image"),
            other: image("other"),
        }
    }

    fn simple(&self, payload: &str) -> Result<Signed, Refusal> {
        let signature = self.signer.sign(payload.as_bytes());
        check_simple(&self.image, &keys_of(&self.signer), payload, &signature)
    }

    fn simple_with(&self, edit: impl Fn(String) -> String) -> Result<Signed, Refusal> {
        self.simple(&edit(payload(self.image.digest())))
    }

    fn bundle(&self, bundle: &str) -> Result<Signed, Refusal> {
        check_bundle(&self.image, &keys_of(&self.signer), bundle)
    }

    fn statement_with(&self, edit: impl Fn(String) -> String) -> Result<Signed, Refusal> {
        self.bundle(&signed_statement(
            &self.signer,
            &edit(statement(self.image.digest(), SIGN)),
        ))
    }

    fn bundle_with(&self, edit: impl Fn(String) -> String) -> Result<Signed, Refusal> {
        self.bundle(&edit(signed_statement(
            &self.signer,
            &statement(self.image.digest(), SIGN),
        )))
    }

    fn message(&self, image: &RawManifest, digest: &Digest, message: &[u8]) -> Result<Signed, Refusal> {
        let bytes: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&digest.hex()[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let content = format!(
            r#""messageSignature":{{"messageDigest":{{"algorithm":"SHA2_256","digest":"{}"}},"signature":"{}"}}"#,
            b64(bytes),
            b64(self.signer.sign(message))
        );
        check_bundle(image, &keys_of(&self.signer), &bundle(&content))
    }
}

#[test]
fn what_the_attacks_start_from_is_valid() {
    let world = World::new();
    let digest = world.image.digest();
    let simple = world.simple_with(|payload| payload).unwrap();
    assert_eq!(
        (simple.form, simple.identity.as_deref()),
        (Form::SimpleSigning, Some("hub.local/app"))
    );
    assert_eq!(
        world.statement_with(|statement| statement).unwrap().form,
        Form::Statement
    );
    assert_eq!(world.bundle_with(|bundle| bundle).unwrap().image, *digest);
    assert_eq!(
        world
            .message(&world.image, digest, world.image.bytes())
            .unwrap()
            .form,
        Form::Message
    );
    for old in ["0.1", "0.2", "0.3"] {
        let version = format!("application/vnd.dev.sigstore.bundle+json;version={old}");
        assert!(
            world
                .bundle_with(|bundle| bundle.replace(BUNDLE, &version))
                .is_ok(),
            "{old}"
        );
    }
    let v01 = |text: String| text.replace("Statement/v1", "Statement/v0.1");
    assert!(world.statement_with(v01).is_ok());
}

#[rustfmt::skip]
const ATTACKS: &[Attack] = &[
    ("the payload of another image", |w| w.simple(&payload(w.other.digest())), "of another image, sha256:"),
    ("a stranger's signature", |w| {
        let payload = payload(w.image.digest());
        check_simple(&w.image, &keys_of(&w.signer), &payload, &w.stranger.sign(payload.as_bytes()))
    }, "none of the given keys"),
    ("a signature of another payload", |w| {
        let of_other = w.signer.sign(payload(w.other.digest()).as_bytes());
        check_simple(&w.image, &keys_of(&w.signer), &payload(w.image.digest()), &of_other)
    }, "none of the given keys"),
    ("another payload behind a valid layer", |w| {
        let signed = payload(w.image.digest());
        let layer = simple(signed.as_bytes(), &w.signer.sign(signed.as_bytes()));
        check(&w.image, &keys_of(&w.signer), &layer, payload(w.other.digest()).as_bytes())
    }, "its content doesn't match its manifest"),
    ("a payload that is cut off", |w| {
        let signed = payload(w.image.digest());
        let layer = simple(signed.as_bytes(), &w.signer.sign(signed.as_bytes()));
        check(&w.image, &keys_of(&w.signer), &layer, &signed.as_bytes()[1..])
    }, "instead of"),
    ("no annotation", |w| {
        let payload = payload(w.image.digest());
        check(&w.image, &keys_of(&w.signer), &layer(SIMPLE, payload.as_bytes()), payload.as_bytes())
    }, "no annotation"),
    ("an empty annotation", |w| check_simple(&w.image, &keys_of(&w.signer), &payload(w.image.digest()), b""), "no annotation"),
    ("an annotation that is cut off", |w| edited_annotation(w, |text| { text.pop(); }), "isn't base64"),
    ("an annotation with a line break", |w| edited_annotation(w, |text| text.insert(8, '\n')), "isn't base64"),
    ("an annotation that is edited", |w| edited_annotation(w, |text| {
        let letter = if text.as_bytes()[20] == b'A' { "B" } else { "A" };
        text.replace_range(20..21, letter);
    }), "none of the given keys"),
    ("a certificate in place of a key", |w| {
        let payload = payload(w.image.digest());
        let mut layer = simple(payload.as_bytes(), &w.stranger.sign(payload.as_bytes()));
        layer.annotations.insert("dev.sigstore.cosign/certificate".to_owned(), "x".to_owned());
        check(&w.image, &keys_of(&w.signer), &layer, payload.as_bytes())
    }, "made with a certificate"),
    ("a layer of a filesystem", |w| {
        let payload = payload(w.image.digest());
        let mut layer = simple(payload.as_bytes(), &w.signer.sign(payload.as_bytes()));
        layer.media_type = transload_signature::reference::MediaType::OCI_LAYER;
        check(&w.image, &keys_of(&w.signer), &layer, payload.as_bytes())
    }, "its media type is"),
    ("two digests in one payload", |w| w.simple_with(|text| {
        text.replace(r#""docker-manifest-digest":"#, &format!(r#""docker-manifest-digest":"{}","docker-manifest-digest":"#, w.other.digest()))
    }), "a name is there twice"),
    ("two digests, one in capital letters", |w| w.simple_with(|text| {
        text.replace(r#""docker-manifest-digest":"#, &format!(r#""Docker-Manifest-Digest":"{}","docker-manifest-digest":"#, w.other.digest()))
    }), "a name is there twice"),
    ("two documents in one payload", |w| w.simple_with(|text| text.clone() + &text), "trailing"),
    ("a name in capital letters", |w| w.simple_with(|text| text.replace("\"critical\"", "\"Critical\"")), "missing field"),
    ("a payload of another type", |w| w.simple_with(|text| text.replace("cosign container", "atomic container")), "payload's type is \"atomic"),
    ("a payload without a digest", |w| w.simple_with(|text| text.replace("docker-manifest-digest", "digest")), "missing field"),
    ("a digest in capital letters", |w| w.simple_with(|text| text.replace(w.image.digest().hex(), &w.image.digest().hex().to_uppercase())), "of another image"),
    ("a digest alone", |w| w.simple(w.image.digest().as_str()), "can't be read"),
    ("a payload that is nested for ever", |w| w.simple(&"[".repeat(100_000)), "can't be read"),
    ("a statement about another image", |w| w.bundle(&signed_statement(&w.signer, &statement(w.other.digest(), SIGN))), "of another image, sha256:"),
    ("a statement about nothing", |w| w.statement_with(|text| text.replace("sha256", "gitCommit")), "without a digest"),
    ("a bill of materials", |w| w.bundle(&signed_statement(&w.signer, &statement(w.image.digest(), "https://spdx.dev/Document"))), "an attestation (\"https://spdx.dev/Document\")"),
    ("a statement of another type", |w| w.statement_with(|text| text.replace("Statement/v1", "Statement/v9")), "statement's type is"),
    ("two subjects in one name", |w| w.statement_with(|text| text.replace("\"subject\":", "\"subject\":[],\"subject\":")), "a name is there twice"),
    ("a stranger's statement", |w| w.bundle(&signed_statement(&w.stranger, &statement(w.image.digest(), SIGN))), "none of the given keys"),
    ("an envelope of another payload type", |w| {
        let statement = statement(w.image.digest(), SIGN);
        let signature = w.signer.sign(&pae("application/json", &statement));
        w.bundle(&bundle(&format!(r#""dsseEnvelope":{}"#, envelope("application/json", &statement, &signature))))
    }, "payload's type is \"application/json\""),
    ("an envelope whose payload type was edited", |w| {
        let statement = statement(w.image.digest(), SIGN);
        let signature = w.signer.sign(&pae("application/json", &statement));
        w.bundle(&bundle(&format!(r#""dsseEnvelope":{}"#, envelope(IN_TOTO, &statement, &signature))))
    }, "none of the given keys"),
    ("a signature of the statement without its envelope", |w| {
        let statement = statement(w.image.digest(), SIGN);
        let signature = w.signer.sign(statement.as_bytes());
        w.bundle(&bundle(&format!(r#""dsseEnvelope":{}"#, envelope(IN_TOTO, &statement, &signature))))
    }, "none of the given keys"),
    ("an envelope without a signature", |w| w.bundle_with(|text| {
        let at = text.find("[{\"sig\"").unwrap();
        text[..at].to_owned() + "[]}}"
    }), "0 signatures in its envelope"),
    ("an envelope with two signatures", |w| w.bundle_with(|text| text.replace("[{\"sig\"", "[{\"sig\":\"\"},{\"sig\"")), "2 signatures in its envelope"),
    ("an envelope's payload that is cut off", |w| w.bundle_with(|text| text.replace("\"payload\":\"ey", "\"payload\":\"e")), "payload isn't base64"),
    ("a bundle with two contents", |w| w.bundle_with(|text| {
        text.replace("\"dsseEnvelope\"", r#""messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":""},"signature":""},"dsseEnvelope""#)
    }), "2 contents"),
    ("a bundle without content", |w| w.bundle_with(|text| text.replace("dsseEnvelope", "dsse")), "0 contents"),
    ("a bundle with two envelopes", |w| w.bundle_with(|text| text.replace("\"dsseEnvelope\"", "\"DsseEnvelope\":{},\"dsseEnvelope\"")), "a name is there twice"),
    ("a bundle of a later version", |w| w.bundle_with(|text| text.replace("v0.3", "v1.0")), "bundle's media type is"),
    ("a bundle with a certificate", |w| {
        let stranger = signed_statement(&w.stranger, &statement(w.image.digest(), SIGN));
        w.bundle(&stranger.replace(r#""publicKey":{"hint":"x"}"#, r#""certificate":{"rawBytes":""}"#))
    }, "made with a certificate"),
    ("a signature of another manifest", |w| w.message(&w.image, w.other.digest(), w.other.bytes()), "of another image, sha256:"),
    ("a signature of another manifest under this one's digest", |w| w.message(&w.image, w.image.digest(), w.other.bytes()), "none of the given keys"),
    ("a signed payload that is passed off as an image", |w| {
        let document = RawManifest::parse(payload(w.image.digest()).into_bytes(), None).unwrap();
        w.message(&document, document.digest(), document.bytes())
    }, "neither an image nor an index"),
    ("a payload in the place of a bundle", |w| w.bundle(&payload(w.image.digest())), "bundle can't be read"),
];

fn edited_annotation(world: &World, edit: impl Fn(&mut String)) -> Result<Signed, Refusal> {
    let payload = payload(world.image.digest());
    let mut layer = simple(payload.as_bytes(), &world.signer.sign(payload.as_bytes()));
    edit(layer.annotations.get_mut(ANNOTATION).unwrap());
    check(&world.image, &keys_of(&world.signer), &layer, payload.as_bytes())
}

#[test]
fn each_attack_is_refused_and_says_why() {
    let world = World::new();
    for (name, attack, said) in ATTACKS {
        let why = attack(&world).expect_err(name).to_string();
        assert!(why.contains(said), "{name}: {why}");
    }
}

#[test]
fn a_huge_signature_is_refused_before_it_is_hashed_or_read() {
    let world = World::new();
    let mut layer = layer(SIMPLE, b"{}");
    layer.size = u64::MAX;
    let why = check(&world.image, &keys_of(&world.signer), &layer, b"{}").unwrap_err();
    assert_eq!(why, Refusal::TooLarge { size: u64::MAX });
    let huge = " ".repeat(MAX_SIGNATURE_SIZE as usize + 1);
    let why = check_bundle(&world.image, &keys_of(&world.signer), &huge).unwrap_err();
    assert!(matches!(why, Refusal::TooLarge { .. }));
}

#[test]
fn a_key_of_one_kind_is_never_taken_for_another() {
    let image = image("image");
    let payload = payload(image.digest());
    let signers = [Signer::p256(), Signer::p384(), Signer::ed25519()];
    for (made, signer) in signers.iter().enumerate() {
        let signature = signer.sign(payload.as_bytes());
        for (given, other) in signers.iter().enumerate() {
            let checked = check_simple(&image, &keys_of(other), &payload, &signature);
            assert_eq!(checked.is_ok(), made == given, "{made} {given}");
        }
        let all = signers.iter().map(Signer::pem).collect::<String>();
        let all = transload_signature::PublicKeys::from_pem(all.as_bytes()).unwrap();
        let signed = check_simple(&image, &all, &payload, &signature).unwrap();
        assert_eq!(
            signed.key.id(),
            &Digest::of(&signer.spki()),
            "the key that made it is named"
        );
    }
}

#[test]
fn signatures_are_looked_for_in_referrers_and_layers_of_their_own_types() {
    let mut layers = [
        layer(SIMPLE, b"1"),
        layer(BUNDLE, b"2"),
        layer("application/spdx+json", b"3"),
    ];
    layers[2]
        .annotations
        .insert(ANNOTATION.to_owned(), "x".to_owned());
    let text = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":{}}}"#,
        serde_json::to_string(&layer("application/vnd.oci.empty.v1+json", b"{}")).unwrap(),
        serde_json::to_string(&layers).unwrap()
    );
    let manifest = RawManifest::parse(text.into_bytes(), None).unwrap();
    let mut referrer = manifest.descriptor();
    assert!(may_be_signature(&referrer), "what has no type may be one");
    for (kind, may_be) in [
        (BUNDLE, true),
        ("application/vnd.dev.cosign.artifact.sig.v1+json", true),
        ("application/spdx+json", false),
    ] {
        referrer.artifact_type = Some(kind.to_owned());
        assert_eq!(may_be_signature(&referrer), may_be, "{kind}");
    }
    let found: Vec<_> = signature_layers(&manifest).collect();
    assert_eq!(found, layers[..2].iter().collect::<Vec<_>>());
}

#[test]
fn an_image_without_a_valid_signature_is_told_each_reason() {
    let digest = Digest::of(b"x");
    let mut not_signed = NotSigned::new(digest.clone());
    assert_eq!(not_signed.to_string(), format!("{digest} has no signature"));
    let blob = Digest::of(b"1");
    not_signed.refuse(blob.clone(), Refusal::OtherKey);
    let one = not_signed.to_string();
    assert!(
        one.ends_with(&format!(
            "no valid signature: of {}, none of the given keys made it",
            blob.short()
        )),
        "{one}"
    );
    for _ in 0..4 {
        not_signed.refuse(
            blob.clone(),
            Refusal::Type {
                what: "payload's type",
                found: "\u{1b}[31m".repeat(1000),
            },
        );
    }
    let several = not_signed.to_string();
    assert!(
        several.contains("no valid signature among 5") && several.ends_with("and 2 more"),
        "{several}"
    );
    assert!(several.len() < 2000 && !several.contains('\u{1b}'), "{several}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One changed byte anywhere leaves no signature valid: what is signed is signed to its last byte.
    #[test]
    fn a_changed_byte_of_a_payload_is_noticed(at in any::<prop::sample::Index>(), with in 1u8..) {
        let world = World::new();
        let text = payload(world.image.digest());
        let signature = world.signer.sign(text.as_bytes());
        let mut changed = text.into_bytes();
        let at = at.index(changed.len());
        changed[at] ^= with;
        let checked = check(&world.image, &keys_of(&world.signer), &simple(&changed, &signature), &changed);
        prop_assert_eq!(checked.unwrap_err(), Refusal::OtherKey);
    }

    /// What a bundle signs is the image's digest or nothing.
    #[test]
    fn a_changed_byte_of_a_bundle_leaves_it_valid_for_the_same_image_alone(at in any::<prop::sample::Index>(), with in 1u8..) {
        let world = World::new();
        let text = signed_statement(&world.signer, &statement(world.image.digest(), SIGN));
        let mut changed = text.into_bytes();
        let at = at.index(changed.len());
        changed[at] ^= with;
        if let Ok(signed) = check(&world.image, &keys_of(&world.signer), &layer(BUNDLE, &changed), &changed) {
            prop_assert_eq!(&signed.image, world.image.digest());
        }
        prop_assert!(check(&world.other, &keys_of(&world.signer), &layer(BUNDLE, &changed), &changed).is_err());
    }

    #[test]
    fn no_blob_makes_the_check_panic_or_pass(blob in prop::collection::vec(any::<u8>(), 0..300), is_bundle in any::<bool>()) {
        let world = World::new();
        let mut layer = layer(if is_bundle { BUNDLE } else { SIMPLE }, &blob);
        layer.annotations.insert(ANNOTATION.to_owned(), b64(&blob));
        prop_assert!(check(&world.image, &keys_of(&world.signer), &layer, &blob).is_err());
    }
}
