//! What a scripted registry does wrong when it is told to.

use std::io::{self, Read as _};
use std::time::Instant;

use super::*;

#[test]
fn faults_happen_when_they_should() {
    let (registry, digest, bytes) = seeded(Options::default());
    let target = format!("/v2/a/blobs/{digest}");
    let endpoint = Endpoint::plain(registry.host());
    let get = || endpoint.request("GET", &target, &[], b"");
    registry.fault(Fault::new("GET", "/blobs/", Action::Close));
    registry.fault(Fault::new("GET", "/blobs/", Action::Truncate { after: 10 }).nth(2));
    registry.fault(Fault::new("GET", "/blobs/", Action::Corrupt { at: 3 }).nth(3));
    let busy = Reply::status(429)
        .header("Retry-After", "7")
        .error("TOOMANYREQUESTS", "slow down");
    registry.fault(Fault::new("GET", "/blobs/", Action::Answer(busy)).nth(4));
    let headers = vec![("content-length".to_owned(), "5".to_owned())];
    registry.fault(Fault::new("GET", "/blobs/", Action::Headers(headers)).nth(5));
    assert!(get().is_err());
    assert!(get().is_err());
    let corrupt = get().unwrap().body;
    let differing: Vec<usize> = (0..bytes.len()).filter(|&at| corrupt[at] != bytes[at]).collect();
    assert_eq!(differing, [3]);
    let busy = get().unwrap();
    assert_eq!((busy.status, busy.head.header("retry-after")), (429, Some("7")));
    assert_eq!(get().unwrap().body, bytes[..5]);
    assert_eq!(get().unwrap().body, bytes);
    let statuses: Vec<Option<u16>> = registry
        .log()
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(
        statuses,
        [None, Some(200), Some(200), Some(429), Some(200), Some(200)]
    );
}

#[test]
fn a_cut_upload_keeps_its_bytes_and_a_lost_answer_its_work() {
    let registry = ScriptedRegistry::start();
    registry.fault(Fault::new("PATCH", "/uploads/", Action::CutUpload { after: 4 }));
    registry.fault(Fault::new("PUT", "/uploads/", Action::LoseAnswer));
    let endpoint = Endpoint::plain(registry.host());
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    assert!(endpoint.request("PATCH", &session, &[], b"hello world").is_err());
    let answer = ask(&registry, "GET", &session, b"");
    assert_eq!(answer.head.header("range"), Some("0-3"));
    let digest = Digest::of(b"hello world");
    let target = format!("{}&digest={digest}", location(&answer));
    assert!(endpoint.request("PUT", &target, &[], b"o world").is_err());
    assert!(registry.blob("a", &digest).is_some());
}

#[test]
fn an_early_answer_comes_before_the_body() {
    let registry = ScriptedRegistry::start();
    let reply = Reply::status(413).body("too large");
    registry.fault(Fault::new("PUT", "/uploads/", Action::Early(reply)));
    let mut stream = TcpStream::connect(registry.host()).unwrap();
    let head = "PUT /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("too large"),
        "{answer}"
    );
}

#[test]
fn a_stalled_answer_goes_on_when_released() {
    let (registry, digest, bytes) = seeded(Options::default());
    registry.fault(Fault::new("GET", "/blobs/", Action::Stall { after: 10 }).first(2));
    let target = format!("/v2/a/blobs/{digest}");
    thread::scope(|scope| {
        let answers = [0, 1].map(|_| scope.spawn(|| ask(&registry, "GET", &target, b"").body));
        let stalled = |requests: &[Request]| requests.iter().filter(|request| request.stalled).count() == 2;
        assert!(registry.log().wait_for(stalled, PATIENCE));
        assert!(!answers.iter().any(thread::ScopedJoinHandle::is_finished));
        registry.release();
        for answer in answers {
            assert_eq!(answer.join().unwrap(), bytes);
        }
    });
    assert_eq!(registry.log().most_in_flight(), 2);
    assert!(registry.log().wait_for(
        |requests| requests.iter().all(|request| request.finished),
        PATIENCE
    ));
    registry.log().clear();
    assert_eq!(ask(&registry, "GET", "/v2/", b"").status, 200);
    let finished = |requests: &[Request]| requests.iter().filter(|request| request.finished).count() == 1;
    assert!(registry.log().wait_for(finished, PATIENCE));
    assert_eq!(registry.log().most_in_flight(), 1);
    assert!(
        !registry
            .log()
            .wait_for(|requests| requests.len() > 1, Duration::from_millis(10))
    );
}

#[test]
fn dropping_ends_a_stalled_registry() {
    let registry = ScriptedRegistry::start();
    registry.fault(Fault::new("GET", "/v2/", Action::Hold));
    let endpoint = Endpoint::plain(registry.host());
    let client = thread::spawn(move || endpoint.request("GET", "/v2/", &[], b"").is_err());
    assert!(registry.log().wait_for(
        |requests| requests.iter().any(|request| request.stalled),
        PATIENCE
    ));
    let host = registry.host().to_owned();
    drop(registry);
    client.join().unwrap();
    assert!(TcpStream::connect(host).is_err());
}

#[test]
fn a_stalled_upload_goes_on_when_released() {
    let registry = ScriptedRegistry::start();
    registry.fault(Fault::new("PATCH", "/uploads/", Action::StallUpload { after: 4 }));
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    thread::scope(|scope| {
        let answer = scope.spawn(|| ask(&registry, "PATCH", &session, b"hello world"));
        let stalled = |requests: &[Request]| requests.iter().any(|request| request.stalled);
        assert!(registry.log().wait_for(stalled, PATIENCE));
        assert_eq!(registry.log().requests()[1].body_bytes, 4);
        registry.release();
        assert_eq!(answer.join().unwrap().head.header("range"), Some("0-10"));
    });
}

#[test]
fn a_reset_is_no_end() {
    for tls in [Tls::Off, Tls::Server] {
        let (registry, digest, bytes) = seeded(Options {
            tls,
            ..Options::default()
        });
        let endpoint = endpoint(&registry);
        let target = format!("/v2/a/blobs/{digest}");
        registry.fault(Fault::new("GET", "/blobs/", Action::Reset { after: None }));
        registry.fault(Fault::new("GET", "/blobs/", Action::Reset { after: Some(10) }).nth(2));
        for _ in 0..2 {
            let error = endpoint.request("GET", &target, &[], b"").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{tls:?}");
        }
        let statuses: Vec<_> = registry
            .log()
            .requests()
            .iter()
            .map(|request| request.status)
            .collect();
        assert_eq!(statuses, [None, Some(200)]);
        assert_eq!(endpoint.request("GET", &target, &[], b"").unwrap().body, bytes);
    }
}

#[test]
fn the_bytes_before_a_reset_arrive() {
    let (registry, digest, bytes) = seeded(Options::default());
    registry.fault(Fault::new("GET", "/blobs/", Action::Reset { after: Some(10) }));
    let mut stream = TcpStream::connect(registry.host()).unwrap();
    write!(stream, "GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut got = Vec::new();
    let error = stream.read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(got.ends_with(&bytes[..10]), "{}", String::from_utf8_lossy(&got));
}

#[test]
fn a_trickle_takes_its_time_and_ends_with_the_registry() {
    let (registry, digest, bytes) = seeded(Options::default());
    let target = format!("/v2/a/blobs/{digest}");
    let trickle = |pause| Action::Trickle { piece: 500, pause };
    registry.fault(Fault::new("GET", "/blobs/", trickle(Duration::from_millis(20))));
    registry.fault(Fault::new("GET", "/blobs/", trickle(Duration::from_secs(3600))).nth(2));
    let begin = Instant::now();
    assert_eq!(ask(&registry, "GET", &target, b"").body, bytes);
    assert!(
        begin.elapsed() >= Duration::from_millis(20),
        "the pause between the two pieces"
    );
    let mut stream = TcpStream::connect(registry.host()).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    drop(registry);
}

#[test]
fn a_lost_session_is_unknown() {
    let registry = ScriptedRegistry::start();
    registry.fault(Fault::new("PATCH", "/uploads/", Action::LoseSession).nth(2));
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    let session = location(&ask(&registry, "PATCH", &session, b"hello "));
    let answer = ask(&registry, "PATCH", &session, b"world");
    assert_eq!(answer.status, 404);
    assert!(String::from_utf8_lossy(&answer.body).contains("BLOB_UPLOAD_UNKNOWN"));
    assert_eq!(registry.open_sessions(), 0);
}

#[test]
fn another_status_changes_nothing_else() {
    let registry = ScriptedRegistry::start();
    registry.fault(Fault::new("*", "/uploads/", Action::Status(204)).after(1));
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    let answer = ask(&registry, "PATCH", &session, b"hello ");
    assert_eq!((answer.status, answer.head.header("range")), (204, Some("0-5")));
    let digest = Digest::of(b"hello world");
    let target = format!("{}&digest={digest}", location(&answer));
    assert_eq!(ask(&registry, "PUT", &target, b"world").status, 204);
    assert!(registry.blob("a", &digest).is_some());
}

#[test]
fn a_body_that_is_too_large_is_refused_unread() {
    let registry = ScriptedRegistry::with(Options {
        max_body: Some(10),
        ..Options::default()
    });
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    let mut stream = TcpStream::connect(registry.host()).unwrap();
    write!(stream, "PATCH {session} HTTP/1.1\r\nContent-Length: 11\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("text/html"),
        "{answer}"
    );
    assert_eq!(ask(&registry, "PATCH", &session, b"0123456789").status, 202);
}
