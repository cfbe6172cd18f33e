//! Blobs that are pushed from files, which the system sends by itself where it can: for the registry, nothing differs.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use transload_reference::{Digest, Identifier};
use transload_registry_client::{
    BlobBytes, Client, Error, ErrorKind, HostRule, Network, RetryPolicy, Timeouts,
};
use transload_test_support::ScriptedRegistry;
use transload_test_support::real::Tls;
use transload_test_support::scripted::{Action, Fault, Options, Reply};

use crate::help::*;

/// A file with these bytes.
fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// What a push of these bytes from a file came to: the offsets that they were asked from, and how many were counted from each.
fn push_by(client: &Client, registry: &ScriptedRegistry, bytes: &[u8]) -> Result<Vec<(u64, u64)>, Error> {
    let blob = descriptor(bytes);
    let file = file(bytes);
    let counts = Mutex::new(Vec::new());
    let mut open = |offset: u64| {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        counts.lock().unwrap().push((offset, 0));
        Ok(BlobBytes::file(file).watched(|count| {
            counts.lock().unwrap().last_mut().unwrap().1 += count;
            Ok(())
        }))
    };
    client.push_blob(&repository(registry, "a/b"), &blob, &mut open)?;
    assert!(registry.blob("a/b", &blob.digest).as_deref() == Some(bytes));
    Ok(counts.into_inner().unwrap())
}

fn push(registry: &ScriptedRegistry, bytes: &[u8]) -> Result<Vec<(u64, u64)>, Error> {
    push_by(&client(), registry, bytes)
}

#[test]
fn files_of_all_sizes_are_pushed_whole_over_one_connection() {
    let registry = ScriptedRegistry::start();
    let client = client();
    for length in [0, 1, 65_535, 65_536, 65_537, 3_000_000] {
        let pushed = push_by(&client, &registry, &content(length)).unwrap();
        assert_eq!(pushed, [(0, length as u64)]);
    }
    let requests = registry.log().requests();
    let first = requests[0].connection;
    assert!(requests.iter().all(|request| request.connection == first));
}

#[test]
fn a_file_is_pushed_with_tls() {
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    let mut rule = HostRule::new(registry.host());
    rule.ca_file = Some(registry.ca_file());
    let client = builder().plain_http(None).hosts(vec![rule]).build().unwrap();
    let pushed = push_by(&client, &registry, &content(1_000_000)).unwrap();
    assert_eq!(pushed, [(0, 1_000_000)]);
}

#[test]
fn a_push_that_is_cut_goes_on_where_the_registry_has_it() {
    let registry = ScriptedRegistry::start();
    let cut = Action::CutUpload { after: 1_000_000 };
    registry.fault(Fault::new("PUT", "/blobs/uploads/", cut).first(2));
    let pushed = push(&registry, &content(3_000_000)).unwrap();
    let offsets: Vec<_> = pushed.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [0, 1_000_000, 2_000_000]);
}

#[test]
fn a_refusal_in_the_middle_is_heard_and_chunks_follow_each_other() {
    let registry = ScriptedRegistry::start();
    let refusal = Action::Early(Reply::status(413));
    registry.fault(Fault::new("PUT", "/blobs/uploads/", refusal));
    let pushed = push(&registry, &content(9_000_000)).unwrap();
    // The chunks, and the end without a byte, are of one file that goes on where it was.
    let last = pushed.last().unwrap();
    assert_eq!((pushed.len(), last), (2, &(0, 9_000_000)));
    let requests = registry.log().requests();
    let ranges: Vec<_> = requests
        .iter()
        .filter_map(|request| request.header("content-range"))
        .collect();
    assert_eq!(ranges, ["0-4194303", "4194304-8388607", "8388608-8999999"]);
}

#[test]
fn a_file_that_is_too_short_or_changed_is_no_silent_damage() {
    let registry = ScriptedRegistry::start();
    let bytes = content(200_000);
    let blob = descriptor(&bytes);
    let repository = repository(&registry, "a/b");
    let mut short = |offset: u64| {
        let mut file = file(&bytes[..150_000]);
        file.seek(SeekFrom::Start(offset))?;
        Ok(BlobBytes::file(file))
    };
    let error = client().push_blob(&repository, &blob, &mut short).unwrap_err();
    let is_sources =
        matches!(error.kind(), ErrorKind::Source(cause) if cause.kind() == io::ErrorKind::UnexpectedEof);
    assert!(
        is_sources && error.to_string().contains("before the announced end"),
        "{error}"
    );
    let mut changed = |_| {
        let mut file = file(&content(200_001)[1..]);
        file.rewind()?;
        Ok(BlobBytes::file(file))
    };
    let error = client().push_blob(&repository, &blob, &mut changed).unwrap_err();
    assert_eq!(error.status(), Some(400), "{error}");
    assert_eq!(registry.blob("a/b", &blob.digest), None);
}

#[test]
fn whoever_watches_may_end_a_push_and_ask_the_registry_meanwhile() {
    let registry = ScriptedRegistry::start();
    let bytes = content(300_000);
    let blob = descriptor(&bytes);
    let (client, repository) = (client(), repository(&registry, "a/b"));
    let seen = AtomicU64::new(0);
    let (client, repository, seen) = (&client, &repository, &seen);
    let mut asking = |_| {
        let mut file = file(&bytes);
        file.rewind()?;
        Ok(BlobBytes::file(file).watched(|count| {
            seen.fetch_add(count, Ordering::Relaxed);
            let other = Identifier::Digest(Digest::of(b"other"));
            let found = client
                .find_manifest(repository, &other)
                .map_err(io::Error::other)?;
            assert!(found.is_none());
            Ok(())
        }))
    };
    client.push_blob(repository, &blob, &mut asking).unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 300_000);
    assert!(registry.blob("a/b", &blob.digest).as_deref() == Some(bytes.as_slice()));
    registry.remove_blob("a/b", &blob.digest);
    let mut ending = |_| {
        let mut file = file(&bytes);
        file.rewind()?;
        Ok(BlobBytes::file(file).watched(|_| Err(io::Error::other("enough"))))
    };
    let error = client.push_blob(repository, &blob, &mut ending).unwrap_err();
    assert!(error.to_string().contains("enough"), "{error}");
}

fn push_to_a_stalled_registry(client: &Client, registry: &ScriptedRegistry) -> Error {
    let file = file(&[]);
    file.set_len(VAST).unwrap();
    push_and_stall(registry, client, &mut |offset| {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(BlobBytes::file(file))
    })
}

#[test]
fn a_push_that_stalls_is_noticed() {
    let registry = ScriptedRegistry::start();
    let mut timeouts = Timeouts::default();
    timeouts.idle = Duration::from_millis(300);
    let builder = builder().timeouts(timeouts).retry(RetryPolicy::attempts(1));
    let error = push_to_a_stalled_registry(&builder.build().unwrap(), &registry);
    let is_stalled = matches!(
        error.kind(),
        ErrorKind::Network {
            network: Network::Stalled,
            ..
        }
    );
    assert!(is_stalled, "{error}");
}

#[test]
fn the_wish_to_stop_ends_a_push_that_stalls() {
    let registry = ScriptedRegistry::start();
    let cancel = Arc::new(AtomicBool::new(false));
    let client = builder().cancel(Arc::clone(&cancel)).build().unwrap();
    let error = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| push_to_a_stalled_registry(&client, &registry));
        let has_begun = |requests: &[_]| requests.len() > 1;
        registry.log().wait_for(has_begun, Duration::from_secs(60));
        cancel.store(true, Ordering::Relaxed);
        pushing.join().unwrap()
    });
    assert!(error.is_cancelled(), "{error}");
}
