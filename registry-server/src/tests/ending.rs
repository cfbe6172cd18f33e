//! What happens to requests when a server is stopped.

use super::*;

#[test]
fn a_request_on_its_way_is_finished_and_nothing_follows() {
    let server = Running::with(patient());
    let mut resting = server.connect();
    assert_eq!(resting.get("/hello").status, 200);
    let mut working = server.connect();
    working.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    server.arrived.recv().unwrap();
    server.handle.stop(LONG);
    assert_eq!(resting.rest(), b"", "it is closed at once");
    server.release.send(()).unwrap();
    let answer = working.answer();
    assert!(answer.closes());
    assert_eq!(answer.text(), "waited");
    let address = server.address;
    assert_eq!(server.join(), 0);
    assert!(
        TcpStream::connect(address).is_err(),
        "nothing listens there any more"
    );
}

#[test]
fn a_body_on_its_way_is_sent_to_its_end() {
    let server = Running::with(patient());
    let mut client = server.connect();
    client.send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
    let (status, _) = client.head();
    server.handle.stop(LONG);
    assert_eq!(status, 200);
    let mut body = vec![0; FILE_LENGTH as usize - 1];
    client.stream.read_exact(&mut body).unwrap();
    drop(client);
    assert_eq!(server.join(), 0);
}

#[test]
fn a_body_that_takes_longer_than_the_grace_is_cut() {
    let server = Running::with(patient());
    let mut client = server.connect();
    client.send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    server.handle.stop(SHORT);
    assert_eq!(server.join(), 1);
    assert!((client.rest().len() as u64) < FILE_LENGTH - 1);
}

#[test]
fn an_upload_that_nobody_ends_is_cut_by_a_second_stop() {
    let server = Running::with(patient());
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().0, 100);
    server.handle.stop(LONG);
    server.handle.stop(Duration::ZERO);
    assert_eq!(server.join(), 1);
    assert_eq!(client.rest(), b"");
}
