//! The link itself, in front of servers that answer or take everything.

use std::collections::HashSet;
use std::io::Read;
use std::sync::mpsc::{self, Receiver};

use super::*;

/// A server that answers every connection with `size` bytes once it was sent one.
fn server(size: usize) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let host = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut byte = [0];
            if socket.read_exact(&mut byte).is_err() {
                continue;
            }
            socket.write_all(&vec![byte[0]; size]).ok();
        }
    });
    host
}

fn ask(link: &Link) -> io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(link.host())?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    socket.write_all(&[7])?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).map(|_| answer)
}

#[test]
fn a_fair_link_passes_everything() {
    let link = Link::start(&server(100_000), LinkConditions::default());
    assert_eq!(ask(&link).unwrap(), [7; 100_000]);
    assert_eq!(
        (link.connections(), link.strikes(), link.bytes_from_server()),
        (1, 0, 100_000)
    );
}

#[test]
fn a_round_trip_and_a_rate_take_their_time() {
    let conditions = LinkConditions {
        delay: Duration::from_millis(50),
        rate: Some(400_000),
        ..LinkConditions::default()
    };
    let link = Link::start(&server(100_000), conditions);
    let started = Instant::now();
    assert_eq!(ask(&link).unwrap().len(), 100_000);
    let taken = started.elapsed();
    // 200 ms of way, half of it to connect, and 250 ms of bytes.
    assert!(taken >= Duration::from_millis(450), "{taken:?}");
}

#[test]
fn a_cut_ends_the_connection_after_so_many_bytes() {
    let link = Link::start(
        &server(100_000),
        LinkConditions {
            cut_after: Some(30_000),
            ..LinkConditions::default()
        },
    );
    let answer = ask(&link);
    assert!(
        answer.as_ref().map_or(true, |answer| answer.len() == 30_000),
        "{answer:?}"
    );
    assert_eq!(link.strikes(), 1);
    link.set(LinkConditions::default());
    assert_eq!(ask(&link).unwrap().len(), 100_000, "the next one is whole");
}

#[test]
fn a_stall_leaves_the_client_waiting() {
    let link = Link::start(
        &server(1_000_000),
        LinkConditions {
            stall_after: Some(1000),
            ..LinkConditions::default()
        },
    );
    let mut socket = TcpStream::connect(link.host()).unwrap();
    socket.write_all(&[7]).unwrap();
    let mut answer = [0; 1000];
    socket.read_exact(&mut answer).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = socket.read(&mut answer).unwrap_err();
    assert!(
        matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        "{error}"
    );
}

#[test]
fn refused_connections_give_no_byte() {
    let link = Link::start(
        &server(10),
        LinkConditions {
            refuse_every: Some(2),
            ..LinkConditions::default()
        },
    );
    assert_eq!(ask(&link).unwrap().len(), 10);
    assert_eq!(ask(&link).unwrap_or_default().len(), 0);
    assert_eq!(ask(&link).unwrap().len(), 10);
}

/// A server that takes one connection after the other and says how many bytes it was sent; and those bytes.
fn sink() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut bytes = Vec::new();
            socket.read_to_end(&mut bytes).ok();
            if send.send(bytes).is_err() {
                return;
            }
        }
    });
    (host, receive)
}

/// Sends so many sevens and says that this was all.
fn send(link: &Link, size: usize) {
    let mut socket = TcpStream::connect(link.host()).unwrap();
    // The link may end it before.
    socket.write_all(&vec![7; size]).ok();
    socket.shutdown(Shutdown::Write).ok();
    socket.read_to_end(&mut Vec::new()).ok();
}

#[test]
fn bytes_to_the_server_are_cut_and_counted() {
    let (host, arrived) = sink();
    let conditions = LinkConditions {
        cut_upload_after: Some(30_000),
        strikes: Some(1),
        ..LinkConditions::default()
    };
    let link = Link::start(&host, conditions);
    send(&link, 100_000);
    assert_eq!(arrived.recv().unwrap().len(), 30_000);
    send(&link, 100_000);
    assert_eq!(arrived.recv().unwrap().len(), 100_000, "one strike was allowed");
    assert_eq!((link.strikes(), link.bytes_to_server()), (1, 130_000));
}

#[test]
fn a_stalled_upload_is_not_taken_from_the_client() {
    let (host, _arrived) = sink();
    let conditions = LinkConditions {
        stall_upload_after: Some(1000),
        ..LinkConditions::default()
    };
    let link = Link::start(&host, conditions);
    let mut socket = TcpStream::connect(link.host()).unwrap();
    socket
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let error = socket.write_all(&vec![7; 64 << 20]).unwrap_err();
    assert!(
        matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        "{error}"
    );
    assert_eq!(link.bytes_to_server(), 1000);
}

#[test]
fn one_bit_is_flipped_in_either_direction() {
    let conditions = LinkConditions {
        corrupt_after: Some(40_000),
        corrupt_upload_after: Some(50_000),
        ..LinkConditions::default()
    };
    let different = |bytes: &[u8]| -> Vec<(usize, u8)> {
        let pairs = bytes.iter().copied().enumerate();
        pairs.filter(|(_, byte)| *byte != 7).collect()
    };
    let link = Link::start(&server(100_000), conditions);
    assert_eq!(different(&ask(&link).unwrap()), [(40_000, 6)]);
    let (host, arrived) = sink();
    send(&Link::start(&host, conditions), 100_000);
    assert_eq!(different(&arrived.recv().unwrap()), [(50_000, 6)]);
}

#[test]
fn a_seed_decides_where_each_connection_is_cut() {
    let ends = |seed| {
        let conditions = LinkConditions {
            cut_after: Some(30_000),
            seed: Some(seed),
            ..LinkConditions::default()
        };
        [1, 2, 3].map(|connection| conditions.way(connection, true).end.unwrap())
    };
    assert_eq!(ends(1), ends(1));
    assert_ne!(ends(1), ends(2));
    assert!(
        ends(3).iter().all(|end| (15_000..=30_000).contains(end)),
        "{:?}",
        ends(3)
    );
}

#[test]
fn a_closed_link_refuses_until_it_is_open_again() {
    let link = Link::start_at(
        Ipv4Addr::new(127, 0, 0, 2),
        &server(10),
        LinkConditions::default(),
    );
    assert_eq!(ask(&link).unwrap().len(), 10);
    link.close();
    assert_eq!(ask(&link).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    link.open();
    assert_eq!(ask(&link).unwrap().len(), 10);
}

#[test]
fn a_slow_start_delays_the_first_byte() {
    let conditions = LinkConditions {
        slow_start: Duration::from_millis(200),
        ..LinkConditions::default()
    };
    let link = Link::start(&server(10), conditions);
    let started = Instant::now();
    assert_eq!(ask(&link).unwrap().len(), 10);
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[test]
fn lumps_are_lost_as_often_as_they_should_and_in_either_way() {
    let conditions = LinkConditions {
        lose_one_in: Some(200),
        ..LinkConditions::default()
    };
    let losses = |lumps: Range<u64>| -> Vec<Loss> {
        let bytes = |lump: u64| lump * LOST..(lump + 1) * LOST;
        lumps
            .filter_map(|lump| conditions.loss(1, true, bytes(lump)))
            .collect()
    };
    let all = losses(0..100_000);
    let cuts = all.iter().filter(|loss| **loss == Loss::Cuts).count();
    assert!((400..600).contains(&all.len()), "{}", all.len());
    assert!((150..350).contains(&cuts), "{cuts}");
    assert_eq!(
        conditions.loss(1, true, 1..LOST - 1),
        None,
        "no lump ends within it"
    );
}

#[test]
fn a_lost_lump_ends_its_connection_or_arrives_later() {
    let ask = |seed| {
        let conditions = LinkConditions {
            lose_one_in: Some(1),
            strikes: Some(1),
            seed: Some(seed),
            ..LinkConditions::default()
        };
        let link = Link::start(&server(LOST as usize), conditions);
        let started = Instant::now();
        let whole = ask(&link).is_ok_and(|answer| answer.len() as u64 == LOST);
        assert_eq!(link.strikes(), 1);
        (whole, started.elapsed() >= Duration::from_secs(1))
    };
    let ends: HashSet<(bool, bool)> = (0..6).map(ask).collect();
    assert_eq!(ends, HashSet::from([(true, true), (false, false)]));
}
