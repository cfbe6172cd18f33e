//! The table of names that the project agrees on, and properties of names.

use proptest::prelude::*;
use transload_reference::{Digest, ParseErrorKind, Reference};

const VECTORS: &str = include_str!("data/reference-vectors.tsv");

/// Expands `{N*c}` to N times c, and the word `D` after an `@` or alone to a digest of all f.
fn expand(field: &str) -> String {
    let digest = format!("sha256:{}", "f".repeat(64));
    let field = match field.strip_suffix("@D") {
        Some(name) => format!("{name}@{digest}"),
        None if field == "D" => digest,
        None => field.to_owned(),
    };
    let Some((before, rest)) = field.split_once('{') else {
        return field;
    };
    let (run, after) = rest.split_once('}').expect("a closed brace");
    let (count, text) = run.split_once('*').expect("count*text");
    format!("{before}{}{after}", text.repeat(count.parse().expect("a count")))
}

/// The words of the table for each cause.
fn reason(kind: &ParseErrorKind) -> &'static str {
    use ParseErrorKind::*;
    match kind {
        Empty => "empty",
        Uppercase => "uppercase repository",
        NoRepository => "no repository",
        DigestLength => "digest length",
        DigestHex => "digest must be lowercase hex",
        DigestAlgorithm => "unknown digest algorithm",
        DigestEmpty => "empty digest",
        TagLength => "tag too long",
        TagGrammar => "tag grammar",
        TagEmpty => "empty tag",
        RepositoryLength => "repository too long",
        EmptyComponent => "empty path component",
        Separator => "separator",
        ComponentStart => "component must start with a letter or digit",
        Url => "a URL, not a reference",
        Traversal => "path traversal",
        Host => "invalid registry host",
        Port => "port out of range",
        _ => "another cause",
    }
}

#[test]
fn every_vector_of_the_table_parses_or_fails_as_it_says() {
    let mut rows = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        rows += 1;
        let fields: Vec<&str> = line.split('\t').collect();
        let input = expand(fields[0]);
        let parsed = input.parse::<Reference>();
        if fields[1] == "ERROR" {
            let error = parsed.expect_err(&input);
            assert_eq!(reason(error.kind()), fields[2], "{input}");
            continue;
        }
        let reference = parsed.unwrap_or_else(|error| panic!("{error}"));
        let tag = reference.tag().map(ToString::to_string).unwrap_or_default();
        let digest = reference.digest().map(ToString::to_string).unwrap_or_default();
        let got = [
            reference.registry().as_str(),
            reference.repository().path(),
            &tag,
            &digest,
        ];
        let expected: Vec<String> = (1..=4).map(|i| expand(fields.get(i).unwrap_or(&""))).collect();
        assert_eq!(got.as_slice(), expected.as_slice(), "{input}");
        assert_eq!(
            reference.to_string().parse::<Reference>().as_ref(),
            Ok(&reference),
            "{input} round-trips"
        );
    }
    assert!(rows > 40, "the table was read");
}

#[test]
fn a_registry_that_only_capitals_tell_from_a_path_keeps_some() {
    for (text, registry, written) in [
        ("Foo/bar:1", "foo", "FOO/bar:1"),
        ("hUB-2/a/b", "hub-2", "HUB-2/a/b"),
        ("LOCALHOST/a", "localhost", "localhost/a"),
        ("Hub:80/a", "hub:80", "hub:80/a"),
        ("Hub.Local/a", "hub.local", "hub.local/a"),
    ] {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.registry().as_str(), registry);
        assert_eq!(reference.to_string(), written);
        assert_eq!(written.parse(), Ok(reference));
    }
}

#[test]
fn the_longest_name_counts_what_docker_hub_adds() {
    for (length, is_name) in [(247, true), (248, false)] {
        let text = "a".repeat(length);
        let reference = text.parse::<Reference>();
        assert_eq!(reference.is_ok(), is_name, "{length}");
        match reference {
            Ok(reference) => assert_eq!(reference.to_string().parse(), Ok(reference)),
            Err(error) => assert_eq!(error.kind(), &ParseErrorKind::RepositoryLength),
        }
    }
}

#[test]
fn a_reference_without_tag_and_digest_means_latest() {
    let parse = |text: &str| text.parse::<Reference>().unwrap();
    assert_eq!(
        parse("alpine").or_latest().to_string(),
        "docker.io/library/alpine:latest"
    );
    assert_eq!(
        parse("alpine:3").or_latest().to_string(),
        "docker.io/library/alpine:3"
    );
    let pinned = format!("alpine:3@sha256:{}", "0".repeat(64));
    assert!(
        parse(&pinned).identifier().as_str().starts_with("sha256:"),
        "a digest is what is asked for"
    );
}

#[test]
fn a_digest_alone_is_no_reference_but_a_tag_that_looks_like_one_is_a_tag() {
    for (algorithm, length) in [("sha256", 64), ("sha512", 128)] {
        let digest = format!("{algorithm}:{}", "0a".repeat(length / 2));
        let error = digest.parse::<Reference>().unwrap_err();
        assert_eq!(error.kind(), &ParseErrorKind::DigestAlone);
        assert!(error.to_string().contains("repository@sha256:"), "{error}");
        let full = format!("docker.io/library/{digest}");
        assert_eq!(full.parse::<Reference>().unwrap().to_string(), full);
    }
    assert!("sha256:latest".parse::<Reference>().is_ok());
}

#[test]
fn a_child_of_an_index_is_named_by_its_digest_alone() {
    let digest = Digest::of(b"{}");
    for name in [
        "alpine:3.19",
        "alpine",
        &format!("alpine:3@sha256:{}", "0".repeat(64)),
    ] {
        let child = name.parse::<Reference>().unwrap().by_digest(&digest);
        assert_eq!(child.to_string(), format!("docker.io/library/alpine@{digest}"));
    }
}

proptest! {
    #[test]
    fn references_round_trip(
        registry in prop::option::of("([a-z0-9]{1,8}\\.){1,2}[a-z]{2,4}(:[1-9][0-9]{0,3})?"),
        path in "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}){0,3}",
        tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        digest in prop::option::of("[0-9a-f]{64}"),
    ) {
        let mut text = format!("{}/{path}", registry.as_deref().unwrap_or("docker.io"));
        if let Some(tag) = tag { text = format!("{text}:{tag}"); }
        if let Some(digest) = digest { text = format!("{text}@sha256:{digest}"); }
        let reference: Reference = text.parse().unwrap();
        prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
    }

    #[test]
    fn no_input_makes_the_parser_panic_or_leave_its_grammar(input in "[a-zA-Z0-9:/@._\\[\\]-]{0,60}|.*") {
        if let Ok(reference) = input.parse::<Reference>() {
            let path = reference.repository().path();
            prop_assert!(!path.starts_with('/') && !path.split('/').any(|part| part.is_empty() || part.starts_with('.')));
            let host = reference.registry().as_str();
            prop_assert!(!host.contains('/') && !host.contains("..") && !host.starts_with('.'));
        }
    }
}
