//! SSH signatures: OpenSSH's programs and this crate read each other's, and what is forged is refused with its reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use transload_signature::ssh::{AllowedSigners, SignedBy, SshError, SshSigner};
use transload_test_support::ssh::{SshAgent, is_verified, make_key, seal, sign_file, signer_line};

const NAMESPACE: &str = "transload-bundle";
const MESSAGE: &[u8] = b"0123  BUNDLE.json\n";

/// A folder with a message, keys and a list of signers.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("message"), MESSAGE).unwrap();
        World { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn key(&self, name: &str, how: &str) -> PathBuf {
        make_key(self.dir.path(), name, how)
    }

    fn signers(&self, lines: &[String]) -> PathBuf {
        let path = self.path("allowed_signers");
        fs::write(&path, lines.concat()).unwrap();
        path
    }

    /// Whether ssh-keygen accepts a signature by somebody of the list.
    fn accepts(&self, signature: &str) -> bool {
        let path = self.path("message.sig");
        fs::write(&path, signature).unwrap();
        let signers = self.path("allowed_signers");
        is_verified(
            &signers,
            "alice@example.com",
            NAMESPACE,
            &self.path("message"),
            &path,
        )
    }

    /// A signature of the message by ssh-keygen.
    fn signed(&self, key: &Path, namespace: &str, more: &[&str]) -> String {
        let path = sign_file(key, namespace, &self.path("message"), more);
        fs::read_to_string(path).unwrap()
    }

    /// Checks a signature by the list.
    fn check(&self, signature: &str) -> Result<SignedBy, SshError> {
        let list = fs::read(self.path("allowed_signers")).unwrap();
        AllowedSigners::parse(&list)?.check(NAMESPACE, MESSAGE, signature.as_bytes(), SystemTime::now())
    }
}

fn alice(key: &Path) -> String {
    signer_line("alice@example.com", "", key)
}

const KINDS: [(&str, &str); 5] = [
    ("ed25519", "ed25519"),
    ("p256", "ecdsa -b 256"),
    ("p384", "ecdsa -b 384"),
    ("rsa2048", "rsa -b 2048"),
    ("rsa3072", "rsa -b 3072"),
];

#[test]
fn what_we_sign_ssh_keygen_verifies() {
    let world = World::new();
    for (name, how) in &KINDS[..3] {
        let key = world.key(name, how);
        world.signers(&[alice(&key)]);
        let signer = SshSigner::read(&fs::read(&key).unwrap(), None).unwrap();
        // A number of ECDSA's may be shorter than others.
        for _ in 0..20 {
            let signature = signer.sign(NAMESPACE, MESSAGE).unwrap();
            assert!(world.accepts(&signature), "{name}: {signature}");
            assert!(world.check(&signature).is_ok(), "{name}");
            assert!(signer.has_signed(NAMESPACE, MESSAGE, signature.as_bytes()));
            assert!(!signer.has_signed(NAMESPACE, b"other", signature.as_bytes()));
            assert!(!signer.has_signed("file", MESSAGE, signature.as_bytes()));
        }
    }
}

#[test]
fn what_ssh_keygen_signs_is_trusted_with_each_kind_of_key_and_each_hash() {
    let world = World::new();
    for (name, how) in KINDS {
        let key = world.key(name, how);
        world.signers(&["# a comment\n\n".to_owned(), alice(&key)]);
        for hash in ["sha256", "sha512"] {
            let signature = world.signed(&key, NAMESPACE, &["-O", &format!("hashalg={hash}")]);
            let signed = world
                .check(&signature)
                .unwrap_or_else(|error| panic!("{name} {hash}: {error}"));
            assert_eq!(signed.principals, "alice@example.com");
            let shown = std::process::Command::new("ssh-keygen")
                .arg("-lf")
                .arg(&key)
                .output()
                .unwrap();
            let shown = String::from_utf8(shown.stdout).unwrap();
            assert!(shown.contains(&signed.key.fingerprint()), "{shown}");
        }
    }
}

#[test]
fn an_agent_signs_with_sealed_and_public_keys_of_each_kind() {
    let world = World::new();
    let agent = SshAgent::start(world.dir.path());
    for (name, how) in KINDS {
        let key = world.key(name, how);
        world.signers(&[alice(&key)]);
        let public = fs::read(key.with_extension("pub")).unwrap();
        let signer = SshSigner::read(&public, Some(agent.socket())).unwrap();
        let refused = signer.sign(NAMESPACE, MESSAGE).unwrap_err().to_string();
        assert!(
            refused.starts_with("ssh-agent didn't sign: it doesn't have "),
            "{refused}"
        );
        agent.add(&key);
        seal(&key);
        let sealed = fs::read(&key).unwrap();
        for file in [&public, &sealed] {
            let signer = SshSigner::read(file, Some(agent.socket())).unwrap();
            let signature = signer.sign(NAMESPACE, MESSAGE).unwrap();
            assert!(world.accepts(&signature), "{name}");
            assert!(world.check(&signature).is_ok(), "{name}");
        }
        let refused = |file: &[u8]| SshSigner::read(file, None).unwrap_err().to_string();
        assert_eq!(
            refused(&public),
            "this is a public key, and SSH_AUTH_SOCK names no ssh-agent"
        );
        assert_eq!(
            refused(&sealed),
            "this key has a passphrase, and SSH_AUTH_SOCK names no ssh-agent"
        );
    }
    let gone = world.path("nothing");
    let public = fs::read(world.path("p256.pub")).unwrap();
    let signer = SshSigner::read(&public, Some(&gone)).unwrap();
    let refused = signer.sign(NAMESPACE, MESSAGE).unwrap_err().to_string();
    assert!(
        refused.starts_with("ssh-agent didn't sign: No such file"),
        "{refused}"
    );
}

#[test]
fn keys_that_cannot_sign_say_why() {
    let world = World::new();
    let refused = |file: &[u8]| SshSigner::read(file, None).unwrap_err();
    let read = |path: &Path| fs::read(path).unwrap();
    assert_eq!(
        refused(&read(&world.key("rsa", "rsa -b 2048"))),
        SshError::RsaFile
    );
    let p521 = read(&world.key("p521", "ecdsa -b 521"));
    assert_eq!(
        refused(&p521),
        SshError::KeyType("ecdsa-sha2-nistp521".to_owned())
    );
    let pem = read(&world.key("pem", "ecdsa -b 256 -m PEM"));
    assert_eq!(refused(&pem), SshError::OtherForm);
    let whole = read(&world.key("whole", "ed25519"));
    for wrong in [&whole[..whole.len() - 20], b"", b"no key", &[0xff; 10]] {
        assert!(matches!(refused(wrong), SshError::Damaged(_)), "{wrong:?}");
    }
    assert!(matches!(refused(&vec![b'a'; 70_000]), SshError::TooLarge { .. }));
    // The public half of another key.
    let text = String::from_utf8(whole).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let mut bytes = STANDARD.decode(body).unwrap();
    let at = bytes
        .windows(11)
        .position(|window| window == b"ssh-ed25519")
        .unwrap()
        + 20;
    bytes[at] ^= 1;
    let other = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        STANDARD.encode(bytes)
    );
    assert_eq!(refused(other.as_bytes()), SshError::Damaged("private key"));
}

/// Changes the bytes inside a signature's armor.
fn edited(signature: &str, edit: impl FnOnce(&mut Vec<u8>)) -> String {
    let body: String = signature.lines().filter(|line| !line.starts_with('-')).collect();
    let mut bytes = STANDARD.decode(body).unwrap();
    edit(&mut bytes);
    format!(
        "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
        STANDARD.encode(bytes)
    )
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .expect("is there");
    bytes[at..at + from.len()].copy_from_slice(to);
}

#[test]
fn attacks_on_signatures_are_refused_with_their_reasons() {
    let world = World::new();
    let key = world.key("alice", "ed25519");
    let mallory = world.key("mallory", "ed25519");
    let ecdsa = world.key("ecdsa", "ecdsa -b 256");
    world.signers(&[alice(&key), signer_line("bob@example.com", "", &ecdsa)]);
    let signature = world.signed(&key, NAMESPACE, &[]);
    assert!(world.check(&signature).is_ok());
    let other = {
        let path = world.path("other");
        fs::write(&path, "another file").unwrap();
        fs::read_to_string(sign_file(&key, NAMESPACE, &path, &[])).unwrap()
    };
    let body_from = signature.find('\n').unwrap() + 1;
    let table = [
        (
            "for another namespace",
            world.signed(&key, "file", &[]),
            "the signature is for \"file\", and not for \"transload-bundle\"",
        ),
        (
            "with another namespace written over",
            edited(&world.signed(&key, "transload-letter", &[]), |bytes| {
                replace(bytes, b"transload-letter", b"transload-bundle")
            }),
            "the signature doesn't match",
        ),
        (
            "with another hash",
            edited(&signature, |bytes| replace(bytes, b"sha512", b"sha256")),
            "the signature doesn't match",
        ),
        (
            "with an unknown hash",
            edited(&signature, |bytes| replace(bytes, b"sha512", b"sha1\x1b7")),
            "signatures with the hash sha1\\u{1b}7 aren't supported",
        ),
        (
            "of another file",
            other,
            "the signature doesn't match: the file was changed, or another file was signed",
        ),
        (
            "by somebody else",
            world.signed(&mallory, NAMESPACE, &[]),
            "signed it, and no signer has this key",
        ),
        (
            "of another algorithm",
            edited(&signature, |bytes| {
                let at = bytes.len() - 83 + 4;
                bytes[at..at + 11].copy_from_slice(b"rsa-sha2-25");
            }),
            "signatures of type rsa-sha2-25 aren't supported for a key of type ssh-ed25519",
        ),
        (
            "cut off",
            signature[..signature.len() - 40].to_owned(),
            "it isn't a valid SSH signature",
        ),
        (
            "with base64 that is cut off",
            format!("{}{}", &signature[..body_from], &signature[body_from + 1..]),
            "it isn't a valid SSH signature",
        ),
        (
            "with more behind it",
            edited(&signature, |bytes| bytes.push(0)),
            "it isn't a valid SSH signature",
        ),
        (
            "of another version",
            edited(&signature, |bytes| bytes[9] = 2),
            "it isn't a valid SSH signature",
        ),
        (
            "with a flipped bit",
            edited(&signature, |bytes| *bytes.last_mut().unwrap() ^= 1),
            "the signature doesn't match",
        ),
        (
            "of zeros",
            edited(&signature, |bytes| {
                let at = bytes.len() - 64;
                bytes[at..].fill(0);
            }),
            "the signature doesn't match",
        ),
        (
            "of gigabytes",
            "-----BEGIN SSH SIGNATURE-----\n".repeat(3000),
            "has more than 65536 bytes",
        ),
        (
            "that isn't there",
            String::new(),
            "it isn't a valid SSH signature",
        ),
    ];
    for (what, signature, expected) in table {
        let error = world.check(&signature).expect_err(what).to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
}

#[test]
fn keys_of_tokens_and_certificates_are_named_as_unsupported() {
    let world = World::new();
    let key = world.key("alice", "ed25519");
    let signature = world.signed(&key, NAMESPACE, &[]);
    // The same signature with the type of a key in a token: both names have as many letters.
    let blob = |name: &str| {
        let mut blob = u32::try_from(name.len()).unwrap().to_be_bytes().to_vec();
        blob.extend_from_slice(name.as_bytes());
        blob.extend_from_slice(&[0, 0, 0, 32]);
        blob.extend_from_slice(&[7; 32]);
        blob
    };
    for name in [
        "sk-ssh-ed25519@openssh.com",
        "ssh-ed25519-cert-v01@openssh.com",
        "ssh-dss",
    ] {
        let blob = blob(name);
        let line = format!("alice@example.com {name} {}\n", STANDARD.encode(&blob));
        world.signers(&[line]);
        let forged = edited(&signature, |bytes| {
            let mut new = bytes[..10].to_vec();
            new.extend_from_slice(&u32::try_from(blob.len()).unwrap().to_be_bytes());
            new.extend_from_slice(&blob);
            new.extend_from_slice(&bytes[10 + 4 + 51..]);
            *bytes = new;
        });
        let error = world.check(&forged).unwrap_err();
        assert_eq!(error, SshError::KeyType(name.to_owned()));
        assert_eq!(error.to_string(), format!("keys of type {name} aren't supported"));
    }
}

#[test]
fn options_of_signers_decide_for_what_and_when_a_key_counts() {
    let world = World::new();
    let key = world.key("alice", "ed25519");
    let signature = world.signed(&key, NAMESPACE, &[]);
    let table = [
        ("namespaces=\"transload-bundle\"", None),
        ("namespaces=\"file,transload-*\",valid-before=\"29990101Z\"", None),
        ("VALID-AFTER=\"20200101Z\"", None),
        ("valid-after=\"202001012359\"", None),
        (
            "namespaces=\"file\"",
            Some("is for \"file\", and not for \"transload-bundle\""),
        ),
        (
            "namespaces=\"transload-*,!transload-bundle\"",
            Some("and not for \"transload-bundle\""),
        ),
        ("valid-before=\"20200101Z\"", Some("whose key has expired")),
        ("valid-before=\"20200101\"", Some("whose key has expired")),
        ("valid-after=\"29990101Z\"", Some("whose key isn't valid yet")),
        (
            "cert-authority",
            Some("line 1: cert-authority isn't supported: certificates aren't checked"),
        ),
        (
            "valid-before=\"tomorrow\"",
            Some("line 1: valid-before has no date"),
        ),
        (
            "valid-before",
            Some("line 1: the option valid-before isn't known, or has no value"),
        ),
        (
            "no-touch-required",
            Some("line 1: the option no-touch-required isn't known"),
        ),
        (
            "namespaces=\"a\",namespaces=\"transload-bundle\"",
            Some("line 1: the option namespaces is there twice"),
        ),
        (
            "namespaces=\"transload-bundle",
            Some("line 1: a quote isn't closed"),
        ),
        (
            "namespaces=transload-bundle",
            Some("line 1: a value isn't in quotes"),
        ),
        (
            "namespaces=\"a\"x",
            Some("line 1: the option namespaces has no end"),
        ),
    ];
    for (options, expected) in table {
        world.signers(&[signer_line("alice@example.com", options, &key)]);
        let checked = world.check(&signature);
        // ssh-keygen says the same, in the cases that it understands.
        if !options.contains("no-touch") && !options.ends_with("namespaces=\"transload-bundle\"") {
            assert_eq!(world.accepts(&signature), expected.is_none(), "{options}");
        }
        match (checked, expected) {
            (Ok(signed), None) => assert_eq!(signed.principals, "alice@example.com", "{options}"),
            (Err(error), Some(expected)) => {
                let error = error.to_string();
                assert!(error.contains(expected), "{options}: {error}");
            }
            (checked, _) => panic!("{options}: {checked:?}"),
        }
    }
    // Another line for the same key may allow what the first one doesn't.
    let lines = ["valid-before=\"20200101Z\"", "namespaces=\"transload-bundle\""];
    world.signers(&lines.map(|options| signer_line("alice@example.com,a@b.c", options, &key)));
    let signed = world.check(&signature).unwrap();
    assert_eq!(signed.principals, "alice@example.com,a@b.c");
    assert!(
        signed
            .to_string()
            .starts_with("alice@example.com,a@b.c (ssh-ed25519 SHA256:")
    );
}

#[test]
fn a_key_counts_up_to_the_last_second_of_its_time() {
    let world = World::new();
    let key = world.key("alice", "ed25519");
    let signature = world.signed(&key, NAMESPACE, &[]);
    let list = signer_line(
        "alice@example.com",
        "valid-after=\"20260101Z\",valid-before=\"20270101Z\"",
        &key,
    );
    let signers = AllowedSigners::parse(list.as_bytes()).unwrap();
    for (seconds, is_valid) in [
        (1_767_225_599, false),
        (1_767_225_600, true),
        (1_798_761_600, true),
        (1_798_761_601, false),
    ] {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let checked = signers.check(NAMESPACE, MESSAGE, signature.as_bytes(), now);
        assert_eq!(checked.is_ok(), is_valid, "{seconds}");
    }
}

#[test]
fn lists_of_signers_that_are_none_say_where() {
    let world = World::new();
    let key = world.key("alice", "ed25519");
    let good = alice(&key);
    let refused = |text: &str| AllowedSigners::parse(text.as_bytes()).unwrap_err().to_string();
    let table = [
        (String::new(), "it names no signer"),
        ("# nobody\n\n".to_owned(), "it names no signer"),
        (format!("{good}bob\n"), "line 2: it has no key"),
        (format!("{good}bob ssh-ed25519\n"), "line 2: it has no key"),
        (
            "bob ssh-ed25519 AAAA\n".to_owned(),
            "line 1: it isn't a valid public key",
        ),
        (
            good.replace("ssh-ed25519", "ssh-rsa"),
            "line 1: it isn't a valid public key",
        ),
        (
            good.replace("AAAAC3", "AAAAC"),
            "line 1: it isn't a valid public key",
        ),
        (
            "\"bob ssh-ed25519 AAAA\n".to_owned(),
            "line 1: a quote isn't closed",
        ),
        (
            "a".repeat(2_000_000),
            "this list of signers has more than 1048576 bytes",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(refused(&text), expected, "{}", &text[..text.len().min(80)]);
    }
    assert!(AllowedSigners::parse(&[0xff, 0xfe]).is_err());
    assert!(AllowedSigners::parse(good.replacen("alice@example.com", "\"a b\"", 1).as_bytes()).is_ok());
    assert!(AllowedSigners::parse(good.replace('\n', "\r\n").as_bytes()).is_ok());
}
