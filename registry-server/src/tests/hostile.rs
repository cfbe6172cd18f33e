//! Clients that don't behave: each is answered or cut, and none delays others.

use super::*;

/// Returns the status that a client gets for some bytes, and checks that the connection ends.
fn status_of(server: &Running, bytes: &[u8]) -> u16 {
    let mut client = server.connect();
    client.send(bytes);
    let answer = client.answer();
    assert!(answer.closes(), "{answer:?}");
    assert_eq!(client.rest(), b"");
    answer.status
}

#[test]
fn requests_that_smuggle_another_are_refused_and_the_connection_closed() {
    let server = Running::with(patient());
    let smuggled = "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 50\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\n folded\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
        "X: a\nTransfer-Encoding: chunked\r\n",
    ] {
        let request = format!("POST /unread HTTP/1.1\r\nHost: a\r\n{headers}\r\n{smuggled}");
        assert_eq!(status_of(&server, request.as_bytes()), 400, "{headers:?}");
    }
    let chunks = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n";
    assert_eq!(status_of(&server, format!("{chunks}{smuggled}").as_bytes()), 400);
}

#[test]
fn heads_without_end_and_bytes_that_are_no_http_are_answered_at_once() {
    let server = Running::with(patient());
    let mut head = b"GET /hello HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    head.resize(20_000, b'x');
    assert_eq!(status_of(&server, &head), 431);
    assert_eq!(status_of(&server, &[b'G'; 20_000]), 414);
    assert_eq!(status_of(&server, &[0x16, 3, 1, 2, 0]), 400, "a TLS hello");
}

#[test]
fn a_head_that_comes_too_slowly_is_cut() {
    let options = Options {
        head_deadline: SHORT,
        ..patient()
    };
    let server = Running::with(options);
    assert_eq!(status_of(&server, b"GET /hello HTTP/1.1\r\nHost:"), 408);
    assert_eq!(
        server.connect().rest(),
        b"",
        "nothing was asked, so nothing is answered"
    );
}

#[test]
fn a_body_that_comes_too_slowly_is_cut() {
    let options = Options {
        body_deadline: SHORT,
        ..patient()
    };
    let server = Running::with(options);
    for framing in ["Content-Length: 9", "Transfer-Encoding: chunked"] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n5\r\nhe");
        assert_eq!(status_of(&server, request.as_bytes()), 408);
    }
}

#[test]
fn a_connection_that_rests_too_long_is_closed() {
    let options = Options {
        idle_deadline: SHORT,
        ..patient()
    };
    let server = Running::with(options);
    let mut client = server.connect();
    assert_eq!(client.get("/hello").status, 200);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_client_that_reads_nothing_is_cut_and_others_are_served() {
    let options = Options {
        body_deadline: SHORT,
        ..patient()
    };
    let server = Running::with(options);
    let mut client = server.connect();
    client.send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
    // The connection's end is what tells of the cut; reading it would free the server.
    while server.metric("transload_connections_broken_total") == 0 {
        std::thread::yield_now();
    }
    assert!((client.rest().len() as u64) < FILE_LENGTH);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing() {
    let server = Running::with(patient());
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    drop(client);
    while server.metric("transload_connections_broken_total") == 0 {
        std::thread::yield_now();
    }
    while server.metric("transload_connections_open") > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn too_many_connections_that_work_are_answered_with_503() {
    let options = Options {
        connections: 1,
        queue_deadline: SHORT,
        ..patient()
    };
    let server = Running::with(options);
    let mut busy = server.connect();
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    server.arrived.recv().unwrap();
    let mut refused = server.connect();
    refused.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = refused.answer();
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("Retry-After: 1\r\n") && answer.closes());
    server.release.send(()).unwrap();
    assert_eq!(busy.answer().text(), "waited");
    assert_eq!(
        server.metric("transload_connections_refused_total"),
        1,
        "the one that rests makes room"
    );
}

#[test]
fn one_address_is_refused_more_than_its_share() {
    let options = Options {
        connections_per_address: 1,
        ..patient()
    };
    let server = Running::with(options);
    let mut busy = server.connect();
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    server.arrived.recv().unwrap();
    let answer = server.connect().answer();
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("from this address"));
    server.release.send(()).unwrap();
    assert_eq!(busy.answer().status, 200);
}

#[test]
fn thousands_of_connections_that_say_nothing_keep_nobody_out() {
    let options = Options {
        connections: 50,
        ..patient()
    };
    let server = Running::with(options);
    let mut silent = Vec::new();
    for number in 0..1000 {
        silent.push(TcpStream::connect(server.address).unwrap());
        if number % 100 == 0 {
            assert_eq!(server.connect().get("/hello").status, 200);
        }
    }
    assert!(server.metric("transload_connections_open") <= 50);
    assert_eq!(server.metric("transload_connections_refused_total"), 0);
}
