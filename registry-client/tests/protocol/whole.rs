//! Whole blobs: copied between repositories, or read into memory.

use transload_registry_client::ErrorKind;
use transload_test_support::ScriptedRegistry;
use transload_test_support::scripted::{Action, Fault, Reply};

use crate::help::*;

fn methods(registry: &ScriptedRegistry) -> Vec<String> {
    let requests = registry.log().requests();
    requests.into_iter().map(|request| request.method).collect()
}

#[test]
fn a_blob_is_copied_by_the_cheapest_way_that_serves() {
    let (source, destination) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let bytes = content(300_000);
    let blob = descriptor(&bytes);
    source.put_blob("team/app", &blob.digest, &bytes);
    let (client, from) = (client(), repository(&source, "team/app"));
    let to = repository(&destination, "mirror/app");
    assert!(client.copy_blob(&from, &blob, &to).unwrap(), "it passes");
    assert_eq!(
        destination.blob("mirror/app", &blob.digest).as_deref(),
        Some(&*bytes)
    );
    assert_eq!(methods(&destination), ["HEAD", "POST", "PUT"]);
    assert_eq!(methods(&source), ["GET"]);
    assert!(!client.copy_blob(&from, &blob, &to).unwrap(), "it is there");
    let beside = repository(&destination, "mirror/other");
    assert!(!client.copy_blob(&to, &blob, &beside).unwrap(), "it is mounted");
    assert_eq!(
        destination.blob("mirror/other", &blob.digest).as_deref(),
        Some(&*bytes)
    );
    assert_eq!(
        methods(&source),
        ["GET"],
        "nothing is read that needn't be written"
    );
}

#[test]
fn a_copy_whose_connections_are_cut_on_both_sides_goes_on() {
    let (source, destination) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let bytes = content(3_000_000);
    let blob = descriptor(&bytes);
    source.put_blob("team/app", &blob.digest, &bytes);
    source.fault(Fault::new("GET", "/blobs/", Action::Truncate { after: 500_000 }));
    destination.fault(Fault::new(
        "PUT",
        "/blobs/uploads/",
        Action::CutUpload { after: 1_000_000 },
    ));
    let to = repository(&destination, "mirror/app");
    client()
        .copy_blob(&repository(&source, "team/app"), &blob, &to)
        .unwrap();
    assert_eq!(
        destination.blob("mirror/app", &blob.digest).as_deref(),
        Some(&*bytes)
    );
}

#[test]
fn an_error_of_a_copy_names_the_side_and_the_fix() {
    let (source, destination) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let blob = descriptor(b"never pushed");
    let to = repository(&destination, "mirror/app");
    let missing = client()
        .copy_blob(&repository(&source, "team/app"), &blob, &to)
        .unwrap_err();
    assert!(matches!(missing.kind(), ErrorKind::Source(_)), "{missing}");
    let text = format!("{missing:#}");
    let (cause, hint) = text.split_once("\nhint: ").expect("a hint on a line of its own");
    assert!(
        cause.contains(source.host()) && cause.contains("404"),
        "{missing:#}"
    );
    assert!(
        hint.contains("lacks this part of it") && !cause.contains("hint"),
        "{hint}"
    );
    assert!(!missing.to_string().contains("hint"), "{missing}");
}

#[test]
fn a_small_blob_is_read_whole_and_verified() {
    let registry = ScriptedRegistry::start();
    let bytes = content(10_000);
    let blob = descriptor(&bytes);
    registry.put_blob("team/app", &blob.digest, &bytes);
    let (client, repository) = (client(), repository(&registry, "team/app"));
    assert_eq!(client.read_blob(&repository, &blob, 10_000).unwrap(), bytes);
    // Bytes that were damaged on their way come whole the second time; damage that stays is told.
    registry.fault(Fault::new("GET", "/blobs/", Action::Corrupt { at: 5_000 }));
    assert_eq!(client.read_blob(&repository, &blob, 10_000).unwrap(), bytes);
    registry.fault(Fault::new("GET", "/blobs/", Action::Corrupt { at: 5_000 }).every());
    let damaged = client
        .read_blob(&repository, &blob, 10_000)
        .map(|bytes| bytes.len());
    let damaged = damaged.unwrap_err();
    assert!(matches!(damaged.kind(), ErrorKind::Content(_)), "{damaged}");
    assert!(damaged.is_retryable() && damaged.hint().is_some(), "{damaged}");
    assert!(
        damaged.to_string().contains("tried 2 times") && damaged.to_string().contains("team/app"),
        "{damaged}"
    );
}

#[test]
fn a_blob_that_is_too_large_for_memory_or_isnt_there_is_refused() {
    let registry = ScriptedRegistry::start();
    let blob = descriptor(&content(10_000));
    let (client, repository) = (client(), repository(&registry, "team/app"));
    let large = client.read_blob(&repository, &blob, 9_999).unwrap_err();
    assert!(
        large.to_string().contains("10000 bytes; at most 9999 are read"),
        "{large}"
    );
    assert_eq!(registry.log().requests().len(), 0, "nothing is asked for");
    let missing = client.read_blob(&repository, &blob, 10_000).unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    registry.put_blob("team/app", &blob.digest, &content(10_000));
    registry.fault(Fault::new("GET", "/blobs/", Action::Answer(Reply::status(403))));
    let denied = client.read_blob(&repository, &blob, 10_000).unwrap_err();
    assert!(denied.is_denied(), "{denied}");
}
