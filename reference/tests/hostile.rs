//! Names and manifests that somebody wrote to do harm: each is refused with a short message that a terminal can show, or is
//! harmless.

use transload_reference::{
    Descriptor, Digest, MAX_MANIFEST_ENTRIES, MAX_MANIFEST_SIZE, Manifest, ManifestError, MediaType,
    RawManifest, Reference, Registry, Repository, Tag,
};

/// No message is longer, whatever it quotes.
const LONGEST_MESSAGE: usize = 1000;

fn parse(text: impl Into<Vec<u8>>) -> Result<RawManifest, ManifestError> {
    RawManifest::parse(text.into(), None)
}

/// The message of what is refused, which is short, of one line, and plain.
#[track_caller]
fn refusal(text: impl Into<Vec<u8>>) -> String {
    let error = parse(text).unwrap_err();
    let message = error.to_string();
    assert!(
        message.chars().count() <= LONGEST_MESSAGE,
        "{} characters",
        message.len()
    );
    assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
    assert!(!error.is_retryable(), "{message}");
    message
}

fn image_with(layer: &str) -> String {
    let digest = Digest::of(b"{}");
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":2}},"layers":[{layer}]}}"#
    )
}

#[test]
fn names_that_lead_out_of_their_place_are_none() {
    for name in [
        "hub.local/../etc/passwd:v1",
        "hub.local/a/../../b",
        "hub.local/./a",
        "hub.local//a",
        "/etc/passwd",
        "../a",
        "hub.local/a/..",
        "hub.local/a%2f..%2fb",
        "hub.local/a\\..\\b",
        "hub.local/a\0b",
        "hub.local/a\nb:v1",
        "hub.local/a:../../x",
        "hub.local/a:v1/../../x",
        "hub.local/a@sha256:../../../../etc/passwd",
        "hub.local/a:\u{1b}[2J",
        "user:word@hub.local/a",
        "file:///etc/passwd",
    ] {
        assert!(name.parse::<Reference>().is_err(), "{name:?}");
    }
    for tag in [
        "..",
        ".",
        "../x",
        "a/b",
        "",
        "-a",
        "a b",
        "a\u{202e}",
        "\u{1b}[31m",
    ] {
        assert!(tag.parse::<Tag>().is_err(), "{tag:?}");
    }
    for registry in [
        "..",
        "a/b",
        "a b",
        "hub.local:0",
        "hub.local:99999",
        "a\n",
        "",
        "[::1",
        "-",
        "a..b",
    ] {
        assert!(registry.parse::<Registry>().is_err(), "{registry:?}");
    }
    let hub: Registry = "hub.local".parse().unwrap();
    for path in ["..", "a/../b", "A", "a/", "/a", "", "a//b", "a\u{0}"] {
        assert!(Repository::new(hub.clone(), path).is_err(), "{path:?}");
    }
}

#[test]
fn a_name_of_megabytes_is_not_quoted_in_megabytes() {
    let name = format!("hub.local/{}\u{1b}", "a".repeat(4 << 20));
    let message = name.parse::<Reference>().unwrap_err().to_string();
    assert!(message.chars().count() < LONGEST_MESSAGE && !message.contains('\u{1b}'));
}

#[test]
fn digests_and_sizes_of_descriptors_that_are_none_are_refused() {
    let good = Digest::of(b"layer");
    let table = [
        (
            r#""sha256:../../etc/passwd""#.to_owned(),
            "5",
            "wrong digest length",
        ),
        (
            format!("\"sha256:{}\"", "../".repeat(21) + "x"),
            "5",
            "lowercase hex",
        ),
        (format!("\"sha256:{}\"", "A".repeat(64)), "5", "lowercase hex"),
        (
            format!("\"md5:{}\"", "a".repeat(32)),
            "5",
            "unknown digest algorithm",
        ),
        (format!("\"../{good}\""), "5", "unknown digest algorithm"),
        (format!("\"{good}/../x\""), "5", "wrong digest length"),
        (r#""sha256:\u001b[2J\n""#.to_owned(), "5", "wrong digest length"),
        ("null".to_owned(), "5", "invalid type: null"),
        ("[1]".to_owned(), "5", "invalid type: sequence"),
        (format!("\"{good}\""), "-1", "invalid value: integer `-1`"),
        (format!("\"{good}\""), "1e30", "invalid type: floating point"),
        (
            format!("\"{good}\""),
            "18446744073709551616",
            "invalid type: floating point",
        ),
        (format!("\"{good}\""), "1.5", "invalid type: floating point"),
        (format!("\"{good}\""), "\"5\"", "invalid type: string"),
        (format!("\"{good}\""), "NaN", "expected value"),
    ];
    for (digest, size, expected) in table {
        let message = refusal(image_with(&format!(
            r#"{{"mediaType":"l","digest":{digest},"size":{size}}}"#
        )));
        assert!(message.contains(expected), "{digest} {size}: {message}");
    }
}

#[test]
fn the_largest_size_is_read_and_nothing_overflows() {
    let layer = format!(
        r#"{{"mediaType":"l","digest":"{}","size":{}}}"#,
        Digest::of(b"x"),
        u64::MAX
    );
    let manifest = parse(image_with(&layer)).unwrap();
    assert_eq!(manifest.view().blobs().last().unwrap().size, u64::MAX);
}

#[test]
fn manifests_that_are_too_large_or_have_too_many_parts_are_refused_before_they_are_read() {
    let bytes = vec![b' '; usize::try_from(MAX_MANIFEST_SIZE).unwrap() + 1];
    assert_eq!(
        refusal(bytes),
        "the manifest has 8388609 bytes; at most 8388608 are read"
    );
    // A million children don't fit; the smallest children that fit are too many.
    let child = format!(r#"{{"digest":"{}","size":1}}"#, Digest::of(b"x"));
    let children = vec![child; 80_000].join(",");
    let message = refusal(format!(r#"{{"schemaVersion":2,"manifests":[{children}]}}"#));
    assert!(
        message.ends_with("fields and list entries; at most 100000 are read"),
        "{message}"
    );
    // So are lists and maps of nothing, which would take twenty times their size in memory.
    for filler in [
        r#""","#.repeat(MAX_MANIFEST_ENTRIES + 1),
        "0,".repeat(MAX_MANIFEST_ENTRIES + 1),
    ] {
        let text = format!(r#"{{"schemaVersion":2,"x":[{}0]}}"#, filler);
        assert!(matches!(parse(text).unwrap_err(), ManifestError::TooMany { .. }));
    }
}

#[test]
fn documents_nested_without_end_are_refused_without_using_up_the_stack() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |field: &str| {
            let depth = 1_000_000;
            format!(
                r#"{{"schemaVersion":2,"{field}":{}1{}}}"#,
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        for field in ["config", "layers", "manifests", "subject", "mediaType"] {
            refusal(nested(field));
        }
        // What isn't looked into is skipped.
        assert!(parse(nested("x")).is_ok());
    }
}

#[test]
fn a_field_of_megabytes_in_the_wrong_place_is_not_quoted_in_megabytes() {
    let long = format!("\\u001b[31m\\n{}", "x".repeat(6 << 20));
    for text in [
        format!(r#"{{"schemaVersion":"{long}"}}"#),
        format!(r#"{{"schemaVersion":2,"layers":"{long}"}}"#),
        format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{long}"}}]}}"#),
        format!("\"{long}\""),
    ] {
        let message = refusal(text);
        assert!(
            message.contains("at line 1 column"),
            "the place is still told: {message}"
        );
    }
}

#[test]
fn a_media_type_that_no_header_can_carry_is_refused_and_shown_escaped() {
    for (text, shown) in [
        (r"a/b\r\nAuthorization: x", r"a/b\r\nAuthorization: x"),
        (r"a/\u001b]0owned\u0007", r"a/\u{1b}]0owned\u{7}"),
        ("a/é", "a/é"),
        ("a/ b", "a/ b"),
    ] {
        let message = refusal(format!(r#"{{"schemaVersion":2,"mediaType":"{text}"}}"#));
        assert_eq!(
            message,
            format!("the manifest's media type, \"{shown}\", is invalid")
        );
    }
    let long = "a/".to_owned() + &"b".repeat(1 << 20);
    refusal(format!(r#"{{"schemaVersion":2,"mediaType":"{long}"}}"#));
    // A layer's media type is only passed on within the bytes: it may be anything, and is escaped where it is shown.
    let layer = format!(
        r#"{{"mediaType":"\u001b[2J","digest":"{}","size":1}}"#,
        Digest::of(b"x")
    );
    let manifest = parse(image_with(&layer)).unwrap();
    assert_eq!(
        manifest.view().blobs().last().unwrap().media_type.to_string(),
        "\\u{1b}[2J"
    );
}

#[test]
fn platforms_and_schema_1_are_shown_short_and_escaped() {
    let long = "x".repeat(1 << 20);
    let child = format!(
        r#"{{"digest":"{}","size":1,"platform":{{"os":"\u001b[31m{long}","architecture":"a\nb","variant":"{long}"}}}}"#,
        Digest::of(b"x")
    );
    let index = parse(format!(r#"{{"schemaVersion":2,"manifests":[{child}]}}"#)).unwrap();
    let Manifest::Index(index) = index.view() else {
        panic!("no index")
    };
    let shown = index.manifests[0].platform.as_ref().unwrap().to_string();
    assert!(
        shown.len() < 300 && shown.starts_with("\\u{1b}[31mxxx") && shown.contains("/a\\nb/"),
        "{shown}"
    );
    let error = RawManifest::parse(
        br#"{"schemaVersion":1,"fsLayers":[]}"#.to_vec(),
        Some("application/vnd.docker.distribution.manifest.v1+json\u{1b}"),
    );
    assert!(!error.unwrap_err().to_string().contains('\u{1b}'));
}

#[test]
fn inline_data_that_lies_or_is_no_base64_is_never_used() {
    let truth = Descriptor::new(MediaType::OCI_EMPTY, Digest::of(b"{}"), 2);
    for data in ["e31=", "", "e30", "e30=e30=", "\u{1b}", "AAAA"] {
        let mut liar = truth.clone();
        liar.data = Some(data.to_owned());
        assert!(liar.inline_data().is_err(), "{data:?}");
    }
    let mut huge = truth.clone();
    huge.data = Some("A".repeat(8 << 20));
    assert!(huge.inline_data().is_err());
    huge.size = u64::MAX;
    assert!(huge.inline_data().is_err());
}
