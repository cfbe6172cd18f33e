//! Files of public keys.

mod common;

use common::*;
use proptest::prelude::*;
use transload_signature::reference::Digest;
use transload_signature::{KeyError, KeyKind, MAX_KEY_FILE, PublicKey, PublicKeys};
use transload_test_support::sign::*;

fn error(file: &str) -> KeyError {
    PublicKeys::from_pem(file.as_bytes()).expect_err(file)
}

/// DER of fewer than 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..=0x7f => vec![short as u8],
        long @ 0x80..=0xff => vec![0x81, long as u8],
        longer => vec![0x82, (longer >> 8) as u8, longer as u8],
    };
    [&[tag], &length[..], content].concat()
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    der(0x30, &[der(2, modulus), der(2, exponent)].concat())
}

/// A modulus of so many bytes, with its highest and lowest bit set.
fn modulus(bytes: usize) -> Vec<u8> {
    [&[0], &vec![0xff; bytes][..]].concat()
}

#[test]
fn each_kind_of_key_is_read_and_named_by_its_own_digest() {
    let table = [
        (Signer::p256(), KeyKind::EcdsaP256, "ECDSA P-256 "),
        (Signer::p384(), KeyKind::EcdsaP384, "ECDSA P-384 "),
        (Signer::ed25519(), KeyKind::Ed25519, "Ed25519 "),
    ];
    for (signer, kind, name) in table {
        let key = PublicKey::from_spki(&signer.spki()).unwrap();
        assert_eq!((key.kind(), key.id()), (kind, &Digest::of(&signer.spki())));
        assert_eq!(key.to_string(), format!("{name}{}", key.id().short()));
    }
    let keys =
        PublicKeys::from_pem(pem("RSA PUBLIC KEY", &rsa(&modulus(256), &[1, 0, 1])).as_bytes()).unwrap();
    assert_eq!(keys.iter().next().unwrap().kind(), KeyKind::Rsa);
}

#[test]
fn several_keys_are_read_each_once_with_comments_between() {
    let (first, second) = (Signer::p256(), Signer::ed25519());
    let file = format!(
        "# ours\r\n{}and theirs\n{}{}",
        first.pem().replace('\n', "\r\n"),
        second.pem(),
        first.pem()
    );
    let keys = PublicKeys::from_pem(file.as_bytes()).unwrap();
    let ids: Vec<&Digest> = keys.iter().map(PublicKey::id).collect();
    assert_eq!(ids, [&Digest::of(&first.spki()), &Digest::of(&second.spki())]);
    let mut more = keys_of(&first);
    more.extend(keys);
    assert_eq!(more.iter().count(), 2);
}

#[test]
fn what_is_no_public_key_is_named() {
    let p521 = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23";
    let spki = |algorithm: &[u8], key: &[u8]| {
        let key = der(3, &[&[0], key].concat());
        pem("PUBLIC KEY", &der(0x30, &[der(0x30, algorithm), key].concat()))
    };
    let table = [
        (String::new(), "there is no public key in this file"),
        ("hello".to_owned(), "there is no public key in this file"),
        ("ssh-ed25519 AAAA me@home".to_owned(), "an OpenSSH key"),
        ("ecdsa-sha2-nistp256 AAAA".to_owned(), "an OpenSSH key"),
        (
            pem("PRIVATE KEY", b"x"),
            "this is a private key (\"PRIVATE KEY\")",
        ),
        (pem("EC PRIVATE KEY", b"x"), "this is a private key"),
        (
            pem("ENCRYPTED SIGSTORE PRIVATE KEY", b"x"),
            "this is a private key",
        ),
        (pem("OPENSSH PRIVATE KEY", b"x"), "this is a private key"),
        (pem("CERTIFICATE", b"x"), "this is a certificate"),
        (pem("PGP MESSAGE", b"x"), "this is a \"PGP MESSAGE\""),
        (pem("PUBLIC KEY", b"x"), "this public key is damaged"),
        (spki(p521, &[4; 133]), "ECDSA P-521 isn't supported"),
        (
            spki(
                b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a",
                &[4; 65],
            ),
            "secp256k1 isn't supported",
        ),
        (
            spki(b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x30\x00", &[4; 65]),
            "a curve of its own isn't supported",
        ),
        (spki(b"\x06\x03\x2b\x65\x71", &[7; 57]), "Ed448 isn't supported"),
        (
            spki(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", b"x"),
            "for PSS alone isn't supported",
        ),
        (spki(b"\x06\x03\x2a\x03\x04", b"x"), "another kind than"),
        (
            spki(&P256[4..23], &[&[2][..], &[7; 32]].concat()),
            "a compressed ECDSA key isn't supported",
        ),
        (
            pem("RSA PUBLIC KEY", &rsa(&modulus(128), &[1, 0, 1])),
            "has 1024 bits",
        ),
        (
            pem("RSA PUBLIC KEY", &rsa(&modulus(1025), &[1, 0, 1])),
            "has 8200 bits",
        ),
        (
            pem("RSA PUBLIC KEY", &rsa(&modulus(256), &[1])),
            "its modulus or its exponent",
        ),
        (
            pem("RSA PUBLIC KEY", &rsa(&modulus(256), &[4])),
            "its modulus or its exponent",
        ),
        (
            pem("RSA PUBLIC KEY", &rsa(&modulus(256), &[1, 0, 0, 0, 1])),
            "its modulus or its exponent",
        ),
        (
            pem("PUBLIC KEY", &Signer::p256().spki()).repeat(257),
            "more than 256 keys",
        ),
        (" ".repeat(MAX_KEY_FILE + 1), "larger than 1 MiB"),
    ];
    for (file, said) in table {
        let error = error(&file).to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    assert_eq!(PublicKeys::from_pem(b"\xff").unwrap_err(), KeyError::NotText);
}

#[test]
fn a_file_counts_as_a_whole_or_not_at_all() {
    let good = Signer::p256().pem();
    let table = [
        (
            format!("{good}{}", good.replacen("-----BEGIN", "----BEGIN", 1)),
            "line 5 isn't how a key begins",
        ),
        (
            format!("{good}{}", good.replace("-----END PUBLIC KEY-----\n", "")),
            "has no end",
        ),
        (
            good.replace("-----END PUBLIC", "-----END RSA PUBLIC"),
            "line 4 isn't the end of the key",
        ),
        (good.replacen('\n', "\n*", 1), "whose content isn't base64"),
        (
            format!("{good}{}", pem("PRIVATE KEY", b"x")),
            "this is a private key",
        ),
    ];
    for (file, said) in table {
        let error = error(&file).to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn der_that_could_be_written_otherwise_is_refused() {
    let whole = Signer::p256().spki();
    let trailing = [&whole[..], &[0]].concat();
    let unused_bits = {
        let mut der = whole.clone();
        der[26] = 1;
        der
    };
    let long_length = [&[0x30, 0x81][..], &whole[1..]].concat();
    let padded_modulus = rsa(&[&[0], &modulus(256)[..]].concat(), &[1, 0, 1]);
    let negative_modulus = rsa(&[0xff; 256], &[1, 0, 1]);
    for der in [&trailing, &unused_bits, &long_length] {
        assert_eq!(
            PublicKey::from_spki(der).unwrap_err(),
            KeyError::Damaged,
            "{der:x?}"
        );
    }
    for der in [&padded_modulus, &negative_modulus] {
        assert_eq!(error(&pem("RSA PUBLIC KEY", der)), KeyError::Damaged);
    }
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(file in prop::collection::vec(any::<u8>(), 0..200), der in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = PublicKeys::from_pem(&file);
        let _ = PublicKeys::from_pem(pem("PUBLIC KEY", &der).as_bytes());
        let _ = PublicKeys::from_pem(pem("RSA PUBLIC KEY", &der).as_bytes());
    }

    /// A key is read from one text only, so that its id tells it from all others.
    #[test]
    fn a_changed_byte_gives_another_id_or_no_key(at in any::<prop::sample::Index>(), with in 1u8..) {
        let signer = Signer::p384();
        let mut der = signer.spki();
        let at = at.index(der.len());
        der[at] ^= with;
        if let Ok(key) = PublicKey::from_spki(&der) {
            prop_assert_ne!(key.id(), &Digest::of(&signer.spki()));
            prop_assert!(!key.verifies(b"x", &signer.sign(b"x")));
        }
    }
}
