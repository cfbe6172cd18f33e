//! Signatures that cosign 3.1.3 made with key pairs, as registries had them.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use transload_signature::reference::{Descriptor, RawManifest};
use transload_signature::{Form, PublicKeys, Refusal, check};

#[derive(Deserialize)]
struct Vector {
    key: String,
    image: String,
    layer: Descriptor,
    blob: String,
}

impl Vector {
    fn read(name: &str) -> Vector {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cosign");
        serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
    }

    fn image(&self) -> RawManifest {
        RawManifest::parse(self.image.clone().into_bytes(), None).unwrap()
    }

    fn keys(&self) -> PublicKeys {
        PublicKeys::from_pem(self.key.as_bytes()).unwrap()
    }
}

#[test]
fn cosigns_signatures_are_valid_in_both_forms() {
    let table = [
        ("p256-simple.json", Form::SimpleSigning),
        ("p256-bundle.json", Form::Statement),
        ("p384-simple.json", Form::SimpleSigning),
        ("p384-bundle.json", Form::Statement),
        ("rsa-simple.json", Form::SimpleSigning),
        ("rsa-bundle.json", Form::Statement),
    ];
    for (name, form) in table {
        let vector = Vector::read(name);
        let image = vector.image();
        let signed = check(&image, &vector.keys(), &vector.layer, vector.blob.as_bytes());
        let signed = signed.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((&signed.image, signed.form), (image.digest(), form), "{name}");
        assert_eq!(Some(&signed.key), vector.keys().iter().next(), "{name}");
    }
}

#[test]
fn cosigns_signatures_hold_for_their_own_image_and_key_alone() {
    let names = [
        "p256-simple.json",
        "p256-bundle.json",
        "p384-simple.json",
        "rsa-bundle.json",
    ];
    for name in names {
        for other in names {
            let (vector, other_vector) = (Vector::read(name), Vector::read(other));
            let blob = vector.blob.as_bytes();
            let by_other_key = check(&vector.image(), &other_vector.keys(), &vector.layer, blob);
            let of_other_image = check(&other_vector.image(), &vector.keys(), &vector.layer, blob);
            if other_vector.key != vector.key {
                assert_eq!(by_other_key.unwrap_err(), Refusal::OtherKey, "{name} {other}");
            }
            if other_vector.image != vector.image {
                let why = of_other_image.unwrap_err();
                assert!(matches!(why, Refusal::OtherImage { .. }), "{name} {other}: {why}");
            }
        }
    }
}

/// cosign 3 signs with Ed25519ph where the key is Ed25519, and its own `verify` refuses that, too.
#[test]
fn a_signature_with_ed25519ph_is_not_taken_for_one_with_ed25519() {
    for name in ["ed25519ph-simple.json", "ed25519ph-bundle.json"] {
        let vector = Vector::read(name);
        let checked = check(
            &vector.image(),
            &vector.keys(),
            &vector.layer,
            vector.blob.as_bytes(),
        );
        assert_eq!(checked.unwrap_err(), Refusal::OtherKey, "{name}");
    }
}
