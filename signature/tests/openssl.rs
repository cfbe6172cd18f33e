//! Keys and signatures made with OpenSSL, in every form.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::*;
use tempfile::TempDir;
use transload_signature::{KeyKind, PublicKeys, Refusal};
use transload_test_support::sign::*;

/// Runs `openssl` in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output();
    let made = made.expect("the program openssl, of Debian's package of that name");
    assert!(
        made.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// How a key is made, and how a message is signed with it.
struct Way {
    kind: KeyKind,
    key: &'static str,
    sign: &'static str,
}

const P256: &str = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key";
const P384: &str = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key";
const RSA: &str = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key";
const RSA_3072: &str = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key";
const PSS: &str =
    "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sign key -out sig message";

const VALID: [Way; 7] = [
    Way {
        kind: KeyKind::EcdsaP256,
        key: P256,
        sign: "dgst -sha256 -sign key -out sig message",
    },
    Way {
        kind: KeyKind::EcdsaP384,
        key: P384,
        sign: "dgst -sha384 -sign key -out sig message",
    },
    Way {
        kind: KeyKind::EcdsaP384,
        key: P384,
        sign: "dgst -sha256 -sign key -out sig message",
    },
    Way {
        kind: KeyKind::Ed25519,
        key: "genpkey -algorithm ed25519 -out key",
        sign: "pkeyutl -sign -rawin -inkey key -in message -out sig",
    },
    Way {
        kind: KeyKind::Rsa,
        key: RSA,
        sign: "dgst -sha256 -sign key -out sig message",
    },
    Way {
        kind: KeyKind::Rsa,
        key: RSA_3072,
        sign: "dgst -sha256 -sign key -out sig message",
    },
    Way {
        kind: KeyKind::Rsa,
        key: RSA,
        sign: PSS,
    },
];

/// Made with the right key, in a way in which cosign makes none.
const INVALID: [Way; 4] = [
    Way {
        kind: KeyKind::EcdsaP256,
        key: P256,
        sign: "dgst -sha1 -sign key -out sig message",
    },
    Way {
        kind: KeyKind::Rsa,
        key: RSA,
        sign: "dgst -sha1 -sign key -out sig message",
    },
    Way {
        kind: KeyKind::Rsa,
        key: RSA,
        sign: "dgst -sha512 -sign key -out sig message",
    },
    Way {
        kind: KeyKind::Rsa,
        key: RSA,
        sign: "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:0 -sign key -out sig message",
    },
];

impl Way {
    /// The keys of a new key pair, and its signature of a message.
    fn signed(&self, message: &[u8]) -> (PublicKeys, Vec<u8>) {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        fs::write(path.join("message"), message).unwrap();
        openssl(path, self.key);
        openssl(path, "pkey -in key -pubout -out pub");
        openssl(path, self.sign);
        let keys = PublicKeys::from_pem(&fs::read(path.join("pub")).unwrap()).unwrap();
        assert_eq!(keys.iter().next().unwrap().kind(), self.kind);
        (keys, fs::read(path.join("sig")).unwrap())
    }
}

#[test]
fn openssls_signatures_are_valid_in_each_form() {
    let image = image("image");
    let payload = payload(image.digest());
    let statement = statement(image.digest(), SIGN);
    for way in VALID {
        let (keys, signature) = way.signed(payload.as_bytes());
        let checked = check_simple(&image, &keys, &payload, &signature);
        assert!(checked.is_ok(), "{} {}", way.kind, way.sign);
        let (keys, signature) = way.signed(&pae(IN_TOTO, &statement));
        let envelope = envelope(IN_TOTO, &statement, &signature);
        let checked = check_bundle(&image, &keys, &bundle(&format!(r#""dsseEnvelope":{envelope}"#)));
        assert!(checked.is_ok(), "{} {}", way.kind, way.sign);
    }
}

#[test]
fn openssls_signatures_with_other_hashes_or_paddings_are_refused() {
    let image = image("image");
    let payload = payload(image.digest());
    for way in INVALID {
        let (keys, signature) = way.signed(payload.as_bytes());
        let checked = check_simple(&image, &keys, &payload, &signature);
        assert_eq!(
            checked.unwrap_err(),
            Refusal::OtherKey,
            "{} {}",
            way.kind,
            way.sign
        );
    }
}

#[test]
fn a_key_in_pkcs1_has_the_id_that_it_has_otherwise() {
    let folder = TempDir::new().unwrap();
    openssl(folder.path(), RSA);
    openssl(folder.path(), "rsa -in key -RSAPublicKey_out -out pkcs1");
    openssl(folder.path(), "rsa -in key -pubout -out spki");
    let keys = |file| PublicKeys::from_pem(&fs::read(folder.path().join(file)).unwrap()).unwrap();
    let (first, second) = (keys("pkcs1"), keys("spki"));
    assert_eq!(
        first.iter().collect::<Vec<_>>(),
        second.iter().collect::<Vec<_>>()
    );
}

#[test]
fn openssls_other_files_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let said = |commands: &[&str]| {
        commands
            .iter()
            .for_each(|command| openssl(folder.path(), command));
        let file = fs::read(folder.path().join("file")).unwrap();
        PublicKeys::from_pem(&file).unwrap_err().to_string()
    };
    let p521 = said(&[
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out key",
        "pkey -in key -pubout -out file",
    ]);
    assert_eq!(p521, "ECDSA P-521 isn't supported");
    let small = said(&[
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out key",
        "pkey -in key -pubout -out file",
    ]);
    assert!(small.contains("1024 bits"), "{small}");
    let compressed = said(&[P256, "ec -in key -pubout -conv_form compressed -out file"]);
    assert_eq!(compressed, "a compressed ECDSA key isn't supported");
    let private = said(&["genpkey -algorithm ed25519 -out file"]);
    assert!(private.starts_with("this is a private key"), "{private}");
    let certificate = said(&[P256, "req -x509 -new -key key -subj /CN=x -out file"]);
    assert!(certificate.starts_with("this is a certificate"), "{certificate}");
}
