//! Pushing blobs.

use std::io;

use transload_reference::{Verifier, VerifyingReader};
use transload_registry_client::{ErrorKind, NoticeKind};
use transload_test_support::ScriptedRegistry;
use transload_test_support::scripted::{Action, Fault, Locations, Options, Reply};

use crate::help::*;

/// Pushes to a registry with these faults; returns the offsets at which the bytes were opened.
fn push(registry: &ScriptedRegistry, bytes: &[u8]) -> Result<Vec<u64>, transload_registry_client::Error> {
    let mut offsets = Vec::new();
    let blob = descriptor(bytes);
    let pushed = client().push_blob(
        &repository(registry, "a/b"),
        &blob,
        &mut opener(bytes, &mut offsets),
    );
    pushed?;
    assert_eq!(registry.blob("a/b", &blob.digest).as_deref(), Some(bytes));
    Ok(offsets)
}

#[test]
fn a_blob_is_pushed_with_one_post_and_one_put_to_any_form_of_location() {
    for locations in [Locations::Absolute, Locations::Relative, Locations::WithoutScheme] {
        for length in [0, 1, 100_000] {
            let registry = ScriptedRegistry::with(Options {
                locations,
                ..Options::default()
            });
            assert_eq!(push(&registry, &content(length)).unwrap(), [0]);
            let methods: Vec<_> = registry
                .log()
                .requests()
                .into_iter()
                .map(|request| request.method)
                .collect();
            assert_eq!(methods, ["POST", "PUT"]);
            let put = registry.log().requests().pop().unwrap();
            assert_eq!(put.header("content-length"), Some(length.to_string().as_str()));
            assert_eq!(put.header("content-type"), Some("application/octet-stream"));
            assert_eq!(registry.open_sessions(), 0);
        }
    }
}

#[test]
fn an_upload_that_is_cut_goes_on_where_the_registry_has_it() {
    let registry = ScriptedRegistry::start();
    let bytes = content(3_000_000);
    registry.fault(Fault::new(
        "PUT",
        "/blobs/uploads/",
        Action::CutUpload { after: 1_000_000 },
    ));
    let offsets = push(&registry, &bytes).unwrap();
    assert_eq!(offsets, [0, 1_000_000]);
}

#[test]
fn a_link_that_is_cut_all_the_time_is_survived_as_long_as_the_registry_gets_bytes() {
    let registry = ScriptedRegistry::start();
    let cut = Action::CutUpload { after: 200_000 };
    // Far more cuts than a request gets tries.
    registry.fault(Fault::new("PUT", "/blobs/uploads/", cut).first(15));
    let offsets = push(&registry, &content(3_100_000)).unwrap();
    let expected: Vec<u64> = (0..16).map(|number| number * 200_000).collect();
    assert_eq!(offsets, expected);
}

#[test]
fn a_session_that_is_lost_with_each_cut_is_given_up_whatever_it_got_before() {
    let registry = ScriptedRegistry::start();
    let bytes = content(9_000_000);
    let cut = Action::CutUpload { after: 1_000_000 };
    registry.fault(Fault::new("PUT", "/blobs/uploads/", cut.clone()).every());
    registry.fault(Fault::new("PATCH", "/blobs/uploads/", cut).every());
    let gone = Reply::status(404).error("BLOB_UPLOAD_INVALID", "blob upload invalid");
    registry.fault(Fault::new("GET", "/blobs/uploads/", Action::Answer(gone)).every());
    let error = push(&registry, &bytes).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Network { .. }), "{error}");
    let patches = registry.log().requests();
    let patches = patches.iter().filter(|request| request.method == "PATCH");
    let sizes: Vec<_> = patches
        .filter_map(|request| request.header("content-length"))
        .collect();
    assert_eq!(sizes, ["4194304", "524288", "524288"], "smaller and smaller");
}

#[test]
fn an_answer_that_is_lost_is_found_out_by_asking_for_the_blob() {
    let registry = ScriptedRegistry::start();
    registry.fault(Fault::new("PUT", "/blobs/uploads/", Action::LoseAnswer));
    assert_eq!(push(&registry, &content(10_000)).unwrap(), [0]);
    assert_eq!(registry.log().count("PUT", "/blobs/uploads/"), 1);
}

#[test]
fn a_session_that_is_lost_is_begun_anew() {
    let registry = ScriptedRegistry::start();
    let unknown = Reply::status(404).error("BLOB_UPLOAD_UNKNOWN", "unknown");
    registry.fault(Fault::new("PUT", "/blobs/uploads/", Action::Answer(unknown)));
    assert_eq!(push(&registry, &content(10_000)).unwrap(), [0, 0]);
    assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 2);
}

#[test]
fn a_registry_that_is_down_for_a_moment_is_waited_for() {
    for method in ["POST", "PUT"] {
        for status in [429, 500, 502, 503, 504] {
            let registry = ScriptedRegistry::start();
            registry
                .fault(Fault::new(method, "/blobs/uploads/", Action::Answer(Reply::status(status))).first(2));
            push(&registry, &content(10_000)).unwrap_or_else(|error| panic!("{method} {status}: {error}"));
        }
    }
}

#[test]
fn an_upload_that_is_too_large_goes_in_chunks() {
    let registry = ScriptedRegistry::start();
    let bytes = content(9_000_000);
    let too_large = || {
        Action::Early(
            Reply::status(413)
                .header("Content-Type", "text/html")
                .body("<html>"),
        )
    };
    registry.fault(Fault::new("PUT", "/blobs/uploads/", too_large()));
    let mut offsets = Vec::new();
    let blob = descriptor(&bytes);
    let (client, notices) = Notices::of(builder());
    client
        .push_blob(
            &repository(&registry, "a/b"),
            &blob,
            &mut opener(&bytes, &mut offsets),
        )
        .unwrap();
    assert_eq!(
        registry.blob("a/b", &blob.digest).as_deref(),
        Some(bytes.as_slice())
    );
    assert!(notices.kinds().contains(&NoticeKind::Fallback));
    let patches: Vec<_> = registry
        .log()
        .requests()
        .into_iter()
        .filter(|request| request.method == "PATCH")
        .collect();
    let ranges: Vec<_> = patches
        .iter()
        .filter_map(|request| request.header("content-range"))
        .collect();
    assert_eq!(ranges, ["0-4194303", "4194304-8388607", "8388608-8999999"]);
    assert_eq!(registry.open_sessions(), 0, "the refused session was cancelled");
}

#[test]
fn every_status_that_registries_use_for_success_is_accepted() {
    let bytes = content(5_000_000);
    let blob = descriptor(&bytes);
    for (patch, put) in [(201, 204), (202, 201), (204, 204)] {
        let registry = ScriptedRegistry::start();
        let uploads = "/blobs/uploads/";
        registry.fault(Fault::new("PUT", uploads, Action::Early(Reply::status(413))));
        registry.fault(Fault::new("PUT", uploads, Action::Status(put)).after(0));
        registry.fault(Fault::new("PATCH", uploads, Action::Status(patch)).after(0));
        client()
            .push_blob(
                &repository(&registry, "a/b"),
                &blob,
                &mut opener(&bytes, &mut Vec::new()),
            )
            .unwrap_or_else(|error| panic!("{patch} and {put}: {error}"));
        assert!(registry.blob("a/b", &blob.digest).is_some(), "{patch} and {put}");
        assert_eq!(registry.log().count("PATCH", uploads), 2, "{patch} and {put}");
    }
}

#[test]
fn a_chunk_is_never_smaller_than_the_registry_wants() {
    let registry = ScriptedRegistry::with(Options {
        chunk_min_length: Some(5_000_000),
        ..Options::default()
    });
    registry.fault(Fault::new(
        "PUT",
        "/blobs/uploads/",
        Action::Early(Reply::status(413)),
    ));
    let error = push(&registry, &content(4_500_000)).unwrap_err();
    assert_eq!(error.status(), Some(413));
    assert!(error.hint().unwrap().contains("client_max_body_size"));
}

/// A registry that takes only small bodies.
fn narrow() -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        max_body: Some(1 << 20),
        ..Options::default()
    })
}

#[test]
fn a_chunk_that_was_accepted_counts_whatever_the_range_says() {
    let stands_still = "0-524287";
    for range in [
        stands_still,
        "0-0",
        "0-99999999",
        "0-18446744073709551615",
        "7-5",
        "none",
    ] {
        let registry = narrow();
        let headers = vec![("Range".to_owned(), range.to_owned())];
        registry.fault(Fault::new("PATCH", "/blobs/uploads/", Action::Headers(headers)).every());
        assert_eq!(push(&registry, &content(3_000_000)).unwrap(), [0, 0], "{range}");
        assert_eq!(registry.log().count("PATCH", "/blobs/uploads/"), 6, "{range}");
        assert_eq!(registry.open_sessions(), 0, "{range}");
    }
}

#[test]
fn a_token_that_ends_or_a_pause_costs_nothing_where_ranges_stand_still() {
    let wait = Reply::status(429).header("Retry-After", "0");
    let ended = Reply::status(401).header("WWW-Authenticate", "Basic realm=\"x\"");
    for reply in [ended, wait] {
        let registry = narrow();
        registry.fault(Fault::new("PATCH", "/blobs/uploads/", Action::Answer(reply.clone())).nth(3));
        let headers = vec![("Range".to_owned(), "0-524287".to_owned())];
        registry.fault(Fault::new("PATCH", "/blobs/uploads/", Action::Headers(headers)).every());
        let offsets = push(&registry, &content(3_000_000)).unwrap();
        assert_eq!(offsets, [0, 0, 1_048_576], "{reply:?}");
        assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 2, "{reply:?}");
    }
}

#[test]
fn a_chunk_that_was_stored_in_part_is_found_out_and_then_ranges_are_heeded() {
    let registry = narrow();
    for chunk in [2, 5] {
        let part = Action::KeepPart { after: 100_000 };
        registry.fault(Fault::new("PATCH", "/blobs/uploads/", part).nth(chunk));
    }
    let offsets = push(&registry, &content(3_000_000)).unwrap();
    assert_eq!(offsets, [0, 0, 0, 524_288 + 100_000]);
    assert_eq!(registry.open_sessions(), 0);
}

#[test]
fn an_upload_to_a_registry_that_stores_nothing_is_given_up() {
    let registry = narrow();
    let nothing = Action::KeepPart { after: 0 };
    registry.fault(Fault::new("PATCH", "/blobs/uploads/", nothing).every());
    let error = push(&registry, &content(3_000_000)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the registry says that it stored 0 bytes of 524288"),
        "{error}"
    );
    assert!(registry.log().count("PATCH", "/blobs/uploads/") <= 6);
}

#[test]
fn a_chunk_that_is_cut_is_not_sent_twice() {
    let registry = ScriptedRegistry::start();
    let bytes = content(9_000_000);
    registry.fault(Fault::new(
        "PUT",
        "/blobs/uploads/",
        Action::Early(Reply::status(413)),
    ));
    registry.fault(Fault::new("PATCH", "/blobs/uploads/", Action::CutUpload { after: 1_000_000 }).nth(2));
    assert_eq!(push(&registry, &bytes).unwrap(), [0, 0, 5_194_304]);
}

#[test]
fn a_refusal_in_the_middle_of_an_upload_is_seen() {
    let registry = ScriptedRegistry::start();
    let denied = Reply::status(403).error("DENIED", "quota exceeded");
    registry.fault(Fault::new("PUT", "/blobs/uploads/", Action::Early(denied)));
    let error = push(&registry, &content(20_000_000)).unwrap_err();
    assert_eq!(
        (error.status(), error.code(), error.message()),
        (Some(403), Some("DENIED"), Some("quota exceeded"))
    );
}

#[test]
fn a_mount_takes_the_blob_and_a_refused_one_lends_its_session() {
    let bytes = content(1000);
    for (refuse_mount, methods) in [(false, vec!["POST"]), (true, vec!["POST", "PUT"])] {
        let registry = ScriptedRegistry::with(Options {
            refuse_mount,
            ..Options::default()
        });
        let blob = put(&registry, "from", &bytes);
        let (client, to, from) = (
            client(),
            repository(&registry, "a/b"),
            repository(&registry, "from"),
        );
        let mounted = client.mount_blob(&to, &blob.digest, &from).unwrap();
        assert_eq!(mounted, !refuse_mount);
        if !mounted {
            client
                .push_blob(&to, &blob, &mut opener(&bytes, &mut Vec::new()))
                .unwrap();
        }
        assert_eq!(
            registry.blob("a/b", &blob.digest).as_deref(),
            Some(bytes.as_slice())
        );
        let seen: Vec<_> = registry
            .log()
            .requests()
            .into_iter()
            .map(|request| request.method)
            .collect();
        assert_eq!(seen, methods);
        assert_eq!(registry.open_sessions(), 0);
    }
}

#[test]
fn a_mount_that_is_refused_in_any_way_is_no_error() {
    let registry = ScriptedRegistry::start();
    let blob = put(&registry, "from", b"abc");
    for status in [400, 403, 404, 405] {
        registry.clear_faults();
        registry.fault(Fault::new(
            "POST",
            "mount=",
            Action::Answer(Reply::status(status)),
        ));
        let mounted = client().mount_blob(
            &repository(&registry, "a"),
            &blob.digest,
            &repository(&registry, "from"),
        );
        assert!(!mounted.unwrap(), "{status}");
    }
    let elsewhere = "other.example/from".parse().unwrap();
    assert!(
        !client()
            .mount_blob(&repository(&registry, "a"), &blob.digest, &elsewhere)
            .unwrap()
    );
}

#[test]
fn a_source_that_fails_is_not_the_registrys_fault() {
    let registry = ScriptedRegistry::start();
    let blob = descriptor(&content(1000));
    let repository = repository(&registry, "a/b");
    let short = |_| Ok(Box::new(io::Cursor::new(content(999))) as Box<dyn io::Read + Send>);
    let broken = |_| Err(io::Error::other("the disk is gone"));
    type Open = dyn FnMut(u64) -> io::Result<Box<dyn io::Read + Send>>;
    let table: [(Box<Open>, &str); 2] = [
        (Box::new(broken), "the disk is gone"),
        (Box::new(short), "1 before"),
    ];
    for (mut open, part) in table {
        let error = client().push_blob(&repository, &blob, &mut open).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Source(_)) && error.to_string().contains(part),
            "{error}"
        );
    }
    assert_eq!(registry.blob("a/b", &blob.digest), None);
}

#[test]
fn the_session_of_a_source_with_wrong_bytes_is_cancelled_and_that_of_one_that_fails_is_kept() {
    let bytes = content(1_000_000);
    let blob = descriptor(&content(1_000_001)[1..]);
    let wrong = |_| {
        let reader = VerifyingReader::new(io::Cursor::new(bytes.clone()), Verifier::of(&blob));
        Ok(Box::new(reader) as Box<dyn io::Read + Send>)
    };
    let broken = |_| Err(io::Error::other("the disk is gone"));
    type Open<'a> = dyn FnMut(u64) -> io::Result<Box<dyn io::Read + Send>> + 'a;
    let table: [(Box<Open<'_>>, usize); 2] = [(Box::new(wrong), 0), (Box::new(broken), 1)];
    for (mut open, sessions) in table {
        let registry = ScriptedRegistry::start();
        let repository = repository(&registry, "a/b");
        let error = client().push_blob(&repository, &blob, &mut open).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Source(_)), "{error}");
        assert_eq!(registry.open_sessions(), sessions, "{error}");
        let requests = registry.log().requests();
        let mut puts = requests.iter().filter(|request| request.method == "PUT");
        assert!(puts.all(|request| request.status.is_none()), "{requests:#?}");
    }
}

#[test]
fn blobs_of_all_sizes_are_pushed_over_one_connection() {
    let registry = ScriptedRegistry::start();
    let (client, repository) = (client(), repository(&registry, "a/b"));
    for length in [0, 1, 65_535, 65_536, 65_537, 3_000_000] {
        let bytes = content(length);
        let blob = descriptor(&bytes);
        let mut offsets = Vec::new();
        let pushed = client.push_blob(&repository, &blob, &mut opener(&bytes, &mut offsets));
        pushed.unwrap();
        assert!(registry.blob("a/b", &blob.digest).as_deref() == Some(bytes.as_slice()));
        assert_eq!(offsets, [0]);
    }
    let requests = registry.log().requests();
    let first = requests[0].connection;
    assert!(requests.iter().all(|request| request.connection == first));
}

#[test]
fn an_upload_is_not_led_astray() {
    let registry = ScriptedRegistry::start();
    for location in ["file:///tmp/x", "ftp://elsewhere/x", "http://"] {
        registry.clear_faults();
        let reply = Reply::status(202).header("Location", location);
        registry.fault(Fault::new("POST", "/blobs/uploads/", Action::Answer(reply)));
        let error = push(&registry, &content(10)).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Protocol(_)),
            "{location}: {error}"
        );
    }
    registry.clear_faults();
    registry.fault(Fault::new(
        "POST",
        "/blobs/uploads/",
        Action::NoHeader("Location".to_owned()),
    ));
    assert!(
        push(&registry, &content(10))
            .unwrap_err()
            .to_string()
            .contains("Location")
    );
}

#[test]
fn a_registry_refuses_bytes_that_do_not_match_the_digest() {
    let registry = ScriptedRegistry::start();
    let mut blob = descriptor(&content(1000));
    blob.digest = descriptor(b"other").digest;
    let bytes = content(1000);
    let pushed = client().push_blob(
        &repository(&registry, "a/b"),
        &blob,
        &mut opener(&bytes, &mut Vec::new()),
    );
    assert_eq!(pushed.unwrap_err().status(), Some(400));
}

#[test]
fn an_upload_that_was_opened_ahead_is_gone_on_with_or_closed() {
    let registry = ScriptedRegistry::start();
    let (client, bytes) = (client(), content(10));
    let (to, blob) = (repository(&registry, "a/b"), descriptor(&bytes));
    client.open_upload(&to, &blob).unwrap();
    let mut offsets = Vec::new();
    let pushed = client.push_blob(&to, &blob, &mut opener(&bytes, &mut offsets));
    pushed.unwrap();
    assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 1);
    // The blob turns out to be there, or is mounted.
    client.open_upload(&to, &blob).unwrap();
    assert_eq!(client.has_blob(&to, &blob.digest).unwrap(), Some(10));
    assert_eq!(registry.open_sessions(), 0);
    let other = repository(&registry, "a/other");
    client.open_upload(&other, &blob).unwrap();
    assert!(client.mount_blob(&other, &blob.digest, &to).unwrap());
    assert_eq!(registry.open_sessions(), 0);
}

#[test]
fn a_project_that_has_to_be_created_first_is_named() {
    let registry = ScriptedRegistry::start();
    let missing = Reply::status(404).error("NOT_FOUND", "project a not found");
    registry.fault(Fault::new("POST", "/blobs/uploads/", Action::Answer(missing)).every());
    let error = push(&registry, &content(10)).unwrap_err();
    assert!(
        error
            .hint()
            .unwrap()
            .contains("no project a: create it there first"),
        "{:?}",
        error.hint()
    );
    assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 1);
}

#[test]
fn a_session_that_got_no_byte_is_left_for_a_new_one() {
    let registry = ScriptedRegistry::start();
    registry.fault(Fault::new("PUT", "/blobs/uploads/", Action::CutUpload { after: 0 }).first(2));
    let bytes = content(3_000_000);
    assert_eq!(push(&registry, &bytes).unwrap(), [0, 0, 0]);
    assert_eq!(
        registry.open_sessions(),
        0,
        "sessions without a byte are cancelled"
    );
}

#[test]
fn a_manifest_that_no_registry_takes_is_refused_before_it_is_sent() {
    let registry = ScriptedRegistry::start();
    let filling = "x".repeat(4 << 20);
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{{"a":"{filling}"}}}}"#
    );
    let manifest = transload_reference::RawManifest::parse(text.into_bytes(), None).unwrap();
    let error = client()
        .push_manifest(&repository(&registry, "a"), &tag("v1"), &manifest)
        .unwrap_err();
    assert!(
        error.to_string().contains("registries take at most 4194304"),
        "{error}"
    );
    assert_eq!(registry.log().requests(), []);
}
