//! Hosts where nothing listens: few tries if they have never answered, and all tries if they have.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use transload_reference::Repository;
use transload_registry_client::{Client, ErrorKind, Network, RetryPolicy};

const ATTEMPTS: u32 = 6;

fn client() -> Client {
    let waits = Duration::from_millis(1);
    Client::builder()
        .plain_http(Some(true))
        .proxies_from_env(false)
        .retry(RetryPolicy::attempts(ATTEMPTS).waits(waits, waits))
        .build()
        .expect("settings that can be used")
}

fn repository(address: SocketAddr) -> Repository {
    format!("{address}/team/app")
        .parse()
        .expect("the name of a repository")
}

#[track_caller]
fn assert_refused(client: &Client, repository: &Repository, attempts: u32) {
    let error = client.tags(repository).expect_err("nobody listens");
    let is_refused = matches!(
        error.kind(),
        ErrorKind::Network {
            network: Network::Refused,
            ..
        }
    );
    assert!(is_refused, "{error}");
    assert_eq!(error.attempts(), attempts, "{error}");
}

#[test]
fn unknown_hosts_get_few_tries_and_known_ones_all() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
    let address = listener.local_addr().expect("a bound listener has an address");
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            line.clear();
        }
        let body = r#"{"name":"team/app","tags":["v1"]}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .expect("a reader");
    });
    let known = client();
    assert_eq!(known.tags(&repository(address)).expect("an answer"), ["v1"]);
    answering.join().expect("no panic");
    // The listener is gone.
    assert_refused(&known, &repository(address), ATTEMPTS);
    assert_refused(&client(), &repository(address), 3);
}
