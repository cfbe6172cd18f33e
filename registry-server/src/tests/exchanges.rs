//! Requests of clients that behave.

use super::*;

#[test]
fn one_connection_serves_request_after_request() {
    let server = Running::with(patient());
    let mut client = server.connect();
    for _ in 0..3 {
        let hello = client.get("/hello");
        assert_eq!((hello.status, hello.closes()), (200, false));
        assert!(hello.head.contains("X-Path: /hello\r\n"));
        assert_eq!(hello.text(), "hello");
        assert_eq!(client.get("/empty").body, b"");
        assert_eq!(client.get("/nothing").status, 404);
        assert_eq!(client.get("/reader").body, [b'r'; 200_000]);
    }
    assert_eq!(
        server.metric("transload_connections_open"),
        2,
        "it and the one that asks"
    );
    assert_eq!(server.metric("transload_requests_total{code=\"404\"}"), 3);
}

#[test]
fn files_are_sent_from_their_offset_on() {
    let server = Running::with(patient());
    let mut client = server.connect();
    let file = client.get("/file");
    assert!(file.body == pattern()[1..], "they differ");
    assert_eq!(client.get("/hello").text(), "hello");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Running::with(patient());
    let mut client = server.connect();
    client.send(
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n\
         POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none\
         POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nt\r\n2\r\nwo\r\n0\r\n\r\n\
         POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree\
         \r\nHEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n\
         GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    for expected in ["hello", "one", "two", "no"] {
        assert_eq!(client.answer().text(), expected);
    }
    let (status, head) = client.head();
    assert_eq!(status, 200);
    assert!(head.contains("Content-Length: 5\r\n"), "{head}");
    let last = client.answer();
    assert!(last.closes());
    assert_eq!(last.text(), "hello");
    assert_eq!(client.rest(), b"");
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    let server = Running::with(patient());
    let mut client = server.connect();
    client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let hello = client.answer();
    assert!(hello.head.contains("Connection: keep-alive\r\n"));
    client.send("GET /hello HTTP/1.0\r\n\r\n");
    assert!(client.answer().closes());
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_client_that_expects_to_continue_is_told_to_if_the_body_is_read() {
    let server = Running::with(patient());
    let mut client = server.connect();
    let head = "Host: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    client.send(format!("POST /echo HTTP/1.1\r\n{head}"));
    assert_eq!(client.head().0, 100);
    client.send("body");
    assert_eq!(client.answer().text(), "body");
    client.send(format!("POST /unread HTTP/1.1\r\n{head}"));
    let refused = client.answer();
    assert_eq!(refused.status, 403);
    assert!(refused.closes(), "the body may come or not");
}

#[test]
fn an_answer_that_comes_before_the_body_is_read_reaches_the_client() {
    let server = Running::with(patient());
    let mut client = server.connect();
    client.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    client.send(vec![b'x'; 500_000]);
    let refused = client.answer();
    assert_eq!(refused.status, 403);
    assert!(refused.closes());
}

#[test]
fn a_service_that_panics_ends_its_request_alone() {
    let server = Running::with(patient());
    let mut client = server.connect();
    let fault = client.get("/panic");
    assert_eq!((fault.status, fault.closes()), (500, true));
    assert_eq!(server.connect().get("/hello").status, 200);
    assert_eq!(server.metric("transload_panics_total"), 1);
}

#[test]
fn a_body_that_ends_early_cuts_the_connection() {
    let server = Running::with(patient());
    for (path, expected) in [("/short", 0), ("/beyond", 10)] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let rest = client.rest();
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        let body = end.map_or(0, |end| rest.len() - end - 4);
        assert_eq!(body, expected, "{path}");
    }
    assert_eq!(server.metric("transload_connections_broken_total"), 2);
}

#[test]
fn health_and_metrics_are_told_to_readers() {
    let server = Running::with(patient());
    assert_eq!(server.connect().get("/healthz").text(), "ok\n");
    let mut client = server.connect();
    client.send("POST /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 404);
    client.get("/hello");
    let metrics = client.get("/metrics").text();
    for line in metrics.lines() {
        let is_sample =
            line.split(' ').count() == 2 && line.split(' ').nth(1).unwrap().parse::<u64>().is_ok();
        assert!(line.starts_with("# ") || is_sample, "{line}");
    }
    assert!(
        metrics.contains("transload_requests_total{code=\"200\"} 2\n"),
        "{metrics}"
    );
    assert!(metrics.contains("transload_connections_open"));
}
