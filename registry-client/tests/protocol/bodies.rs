//! The bounds of bodies, and the reuse of connections after them.

use transload_test_support::ScriptedRegistry;
use transload_test_support::scripted::{Action, Fault, Raw};

use crate::help::*;

#[test]
fn blobs_of_all_sizes_follow_each_other_on_one_connection() {
    let registry = ScriptedRegistry::start();
    let (client, repository) = (client(), repository(&registry, "a"));
    // Around the sizes of heads and of buffers.
    for length in [
        1, 4000, 32_767, 32_768, 32_769, 65_536, 65_537, 100_000, 3_000_000,
    ] {
        let bytes = content(length);
        let blob = put(&registry, "a", &bytes);
        assert!(read(&client, &repository, &blob, 0).unwrap() == bytes, "{length}");
        let from = length / 3;
        let rest = read(&client, &repository, &blob, from as u64).unwrap();
        assert!(rest == bytes[from..], "{length} from {from}");
    }
    let requests = registry.log().requests();
    let first = requests[0].connection;
    assert!(requests.iter().all(|request| request.connection == first));
}

#[test]
fn a_body_that_looks_like_a_head_is_a_body() {
    let registry = ScriptedRegistry::start();
    let (client, repository) = (client(), repository(&registry, "a"));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n";
    for times in [1, 100, 5000] {
        let bytes = head.repeat(times).into_bytes();
        let blob = put(&registry, "a", &bytes);
        assert!(read(&client, &repository, &blob, 0).unwrap() == bytes, "{times}");
    }
}

#[test]
fn a_cut_anywhere_costs_no_byte() {
    let bytes = content(100_000);
    for after in [0, 1, 3000, 4096, 32_768, 99_998, 99_999] {
        for action in [Action::Truncate { after }, Action::Reset { after: Some(after) }] {
            let registry = ScriptedRegistry::start();
            let blob = put(&registry, "a", &bytes);
            registry.fault(Fault::new("GET", "/blobs/", action.clone()).nth(1));
            let pulled = read(&client(), &repository(&registry, "a"), &blob, 0).unwrap();
            assert!(pulled == bytes, "{action:?}");
            let requests = registry.log().requests();
            let range = requests[1].header("range").map(str::to_owned);
            // A reset may lose bytes on the way.
            if matches!(action, Action::Truncate { .. }) {
                assert_eq!(range, (after > 0).then(|| format!("bytes={after}-")));
            }
        }
    }
}

#[test]
fn a_connection_with_bytes_too_many_is_not_used_again() {
    let registry = ScriptedRegistry::start();
    let bytes = content(40_000);
    let blob = put(&registry, "a", &bytes);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n";
    let answer = [
        &head[..],
        &bytes,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
    ]
    .concat();
    registry.fault(Fault::new("GET", "/blobs/", Action::Raw(Raw::new(answer))).nth(1));
    let (client, repository) = (client(), repository(&registry, "a"));
    for _ in 0..2 {
        assert!(read(&client, &repository, &blob, 0).unwrap() == bytes);
    }
    let requests = registry.log().requests();
    assert_ne!(requests[0].connection, requests[1].connection);
}

#[test]
fn two_lengths_or_two_framings_are_no_way_to_slip_bytes_in() {
    let bytes = content(40_000);
    let oddities = [
        "Content-Length: 40000\r\nContent-Length: 39999\r\n",
        "Content-Length: 40000\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 40000\r\nX: y\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 39999\r\n",
    ];
    for oddity in oddities {
        let registry = ScriptedRegistry::start();
        let blob = put(&registry, "a", &bytes);
        let answer = [format!("HTTP/1.1 200 OK\r\n{oddity}\r\n").as_bytes(), &bytes].concat();
        registry.fault(Fault::new("GET", "/blobs/", Action::Raw(Raw::new(answer))).nth(1));
        // The second try is answered properly; the first answer is refused, or is the blob.
        let pulled = read(&client(), &repository(&registry, "a"), &blob, 0);
        assert!(
            pulled.as_ref().map_or(true, |pulled| *pulled == bytes),
            "{oddity:?}: {:?}",
            pulled.map(|pulled| pulled.len())
        );
    }
}
