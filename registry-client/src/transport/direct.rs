//! Bodies that go from the socket to their reader without a stop.
//!
//! ureq reads into a buffer of its own and copies from there. For a blob that is one copy of two, and a tenth of what a pull costs. It has
//! no other way to give a body, so it is told of the last byte of one alone: the head that it sees says `Content-Length: 1`. All bytes
//! before are read from the socket by whoever wants them, and the last one by ureq, which knows by that where the answer ends and the
//! connection can be used again. A body that isn't read to its last byte costs the connection, as any other.
//!
//! That is done with long bodies of a known length, over connections without TLS, for requests that asked for it; with all else,
//! and wherever a head is anything but plain, nothing is changed.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use ureq::unversioned::transport::Buffers;
use ureq::{Error, Timeout};

use super::socket::{Limits, receive};
use super::{low_water, within};

/// Shorter bodies aren't worth it, in bytes.
const LEAST: u64 = 32 * 1024;

/// From where on a body is taken in pieces, and how far from its end no more, in bytes. By then the connection's window has grown, so that
/// what waits for its reader doesn't hold back the sender.
const FLOWING: u64 = 256 * 1024;

/// How many bytes of it wake the reader. Over a slow link they come in packets, and to be woken for each costs more than to take them.
const PIECE: usize = 64 * 1024;

/// A body's way from the socket to its reader: all bytes but the last.
pub(crate) struct DirectBody {
    stream: Arc<TcpStream>,
    limits: Limits,
    /// How long the next byte may be waited for.
    idle: Duration,
    /// What came along with the head.
    early: io::Cursor<Vec<u8>>,
    /// How many bytes are still to come from the stream.
    left: u64,
    /// Of the whole body.
    length: u64,
    /// How many bytes wake the reader, as the stream knows it.
    wakes_at: usize,
}

impl fmt::Debug for DirectBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectBody")
            .field("length", &self.length)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// What the request that a thread runs wants.
#[derive(Default)]
enum Wish {
    #[default]
    Nothing,
    /// The body itself, of which each byte may be waited for so long.
    Direct(Duration),
    Fulfilled(DirectBody),
}

thread_local! {
    static WISH: RefCell<Wish> = const { RefCell::new(Wish::Nothing) };
}

/// Runs a request without a body of its own, and gives along the way to its answer's, where there is one beside the answer's own. Each byte
/// may be waited for as long as `idle`.
pub(crate) fn diverted<T>(idle: Duration, run: impl FnOnce() -> T) -> (T, Option<DirectBody>) {
    match within(&WISH, Wish::Direct(idle), run) {
        (result, Wish::Fulfilled(body)) => (result, Some(body)),
        (result, Wish::Nothing | Wish::Direct(_)) => (result, None),
    }
}

/// Whether what goes out is a request whose body is wanted directly.
pub(super) fn is_wanted_of(output: &[u8]) -> bool {
    WISH.with_borrow(|wish| matches!(wish, Wish::Direct(_))) && output.starts_with(b"GET ")
}

/// Parts a body from its head, which is in the buffers as far as it has come. True: the head isn't whole yet.
pub(super) fn divert(buffers: &mut dyn Buffers, stream: &Arc<TcpStream>, limits: &Limits) -> bool {
    let input = buffers.input();
    let Some(end) = end_of_head(input) else {
        return !input.is_empty();
    };
    let (head, early) = input.split_at(end);
    let Some((head, length)) = with_one_byte(head).filter(|(_, length)| *length >= LEAST) else {
        return false;
    };
    // The last byte stays with ureq.
    let Some(left) = (length - 1).checked_sub(early.len() as u64) else {
        return false;
    };
    let (early, all) = (io::Cursor::new(early.to_vec()), input.len());
    let is_taken = WISH.with_borrow_mut(|wish| {
        let Wish::Direct(idle) = *wish else {
            return false;
        };
        *wish = Wish::Fulfilled(DirectBody {
            stream: Arc::clone(stream),
            limits: limits.clone(),
            idle,
            early,
            left,
            length,
            wakes_at: 1,
        });
        true
    });
    if is_taken {
        // A head that says less is shorter, and fits where the longer one was.
        buffers.input_consume(all);
        buffers.input_append_buf()[..head.len()].copy_from_slice(&head);
        buffers.input_appended(head.len());
    }
    false
}

/// Where the head ends that the bytes begin with.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    // ureq takes line feeds alone, too: what it takes for the end of a head has to be one here.
    (1..bytes.len()).find_map(|at| match bytes[at] {
        b'\n' if bytes[at - 1] == b'\n' => Some(at + 1),
        b'\n' if at >= 2 && bytes[at - 2..at] == *b"\n\r" => Some(at + 1),
        _ => None,
    })
}

/// The head of a good answer with a body of a known length, as that of one with a single byte; and the true length.
fn with_one_byte(head: &[u8]) -> Option<(Vec<u8>, u64)> {
    let lines = std::str::from_utf8(head).ok()?.strip_suffix("\r\n\r\n")?;
    let (status, _) = lines.split_once("\r\n")?;
    if !(status.starts_with("HTTP/1.1 200") || status.starts_with("HTTP/1.1 206")) {
        return None;
    }
    let mut length = None;
    let mut changed = String::with_capacity(head.len());
    for line in lines.split("\r\n") {
        let name = line.split_once(':').map_or("", |(name, _)| name);
        let is_odd =
            line.contains(['\r', '\n']) || name.contains([' ', '\t']) || line.starts_with([' ', '\t']);
        if is_odd || name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
        if name.eq_ignore_ascii_case("content-length") {
            let digits = line[name.len() + 1..].trim_matches([' ', '\t']);
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let said = digits.parse().ok().filter(|_| is_number && length.is_none())?;
            length = Some(said);
            changed.push_str("Content-Length: 1");
        } else {
            changed.push_str(line);
        }
        changed.push_str("\r\n");
    }
    changed.push_str("\r\n");
    Some((changed.into_bytes(), length?))
}

impl DirectBody {
    /// Of the whole body, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Lets the reader sleep while pieces come, and be woken by each byte where the body begins and ends. A reader may have taken nearly a
    /// piece before it waits for a whole one, so that two have to be left.
    fn set_wake(&mut self) {
        let is_flowing = self.length - self.left > FLOWING && self.left > FLOWING;
        let wakes_at = if is_flowing { PIECE } else { 1 };
        if wakes_at != self.wakes_at {
            low_water::set(&self.stream, wakes_at);
            self.wakes_at = wakes_at;
        }
    }
}

impl Read for DirectBody {
    /// Gives nothing once only the last byte is left.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.early.read(buffer)?;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if count > 0 || most == 0 {
            return Ok(count);
        }
        self.set_wake();
        let came = receive(
            &self.stream,
            &mut buffer[..most],
            &self.limits,
            self.idle,
            Timeout::PerRead,
        );
        match came.map_err(Error::into_io)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "Peer disconnected")),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use rustix::io::ioctl_fionread;
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    const LONG: &str = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 40000\r\nC: d\r\n\r\n";

    /// What becomes of bytes that came, where a direct body is wished for: what ureq sees, and the bytes that the reader has already.
    fn parted(came: &[u8]) -> (Vec<u8>, Option<Vec<u8>>, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let limits = Limits {
            cancel: Arc::new(AtomicBool::new(false)),
            rate: None,
        };
        let mut buffers = LazyBuffers::new(64 * 1024, 1024);
        buffers.input_append_buf()[..came.len()].copy_from_slice(came);
        buffers.input_appended(came.len());
        let run = || divert(&mut buffers, &stream, &limits);
        let (is_awaited, body) = diverted(Duration::ZERO, run);
        let early = body.map(|body| body.early.into_inner());
        (buffers.input().to_vec(), early, is_awaited)
    }

    #[test]
    fn a_long_body_is_parted_from_its_head_but_for_its_last_byte() {
        let seen = LONG.replace("40000", "1").into_bytes();
        for early in [&b""[..], b"some", &[7; 39_999]] {
            let came = [LONG.as_bytes(), early].concat();
            assert_eq!(parted(&came), (seen.clone(), Some(early.to_vec()), false));
        }
        let part = LONG.replace("200 OK", "206 Partial Content");
        assert!(parted(part.as_bytes()).1.is_some());
    }

    #[test]
    fn every_other_answer_is_left_as_it_is() {
        let with = |from: &str, to: &str| LONG.replace(from, to);
        let whole = format!("{LONG}{}", "x".repeat(40_000));
        let table = [
            with("40000", "32767"),
            with("40000", "4e4"),
            with("40000", "-40000"),
            with("40000", "40000, 40000"),
            with("40000", ""),
            with("40000", "99999999999999999999"),
            with("Content-Length: 40000", "Transfer-Encoding: chunked"),
            with("C: d", "Content-Length: 40000"),
            with("C: d", "transfer-encoding: chunked"),
            with("C: d", " folded"),
            with("C: d", "Transfer-Encoding : chunked"),
            with("C: d", "C: d\nTransfer-Encoding: chunked"),
            with("C: d", "C: \r d"),
            with("\r\n", "\n"),
            with("\r\n\r\n", "\r\n\n"),
            with("200", "404"),
            with("200", "100"),
            with("HTTP/1.1", "HTTP/1.0"),
            with("HTTP/1.1 200 OK\r\n", ""),
            // All of it is here already.
            whole,
        ];
        for head in table {
            let shown = &head[..head.len().min(100)];
            assert_eq!(
                parted(head.as_bytes()),
                (head.clone().into_bytes(), None, false),
                "{shown:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_left_as_it_is_or_parted_well(
            pieces in vec(prop_oneof![
                Just("HTTP/1.1 200 OK\r\n".to_owned()),
                Just("Content-Length: 1234567\r\n".to_owned()),
                Just("\r\n".to_owned()),
                Just("\n".to_owned()),
                "[ -~]{0,12}\r\n",
                "\\PC{0,5}",
            ], 0..12)
        ) {
            let came = pieces.concat().into_bytes();
            let (seen, early, _) = parted(&came);
            match early {
                None => prop_assert_eq!(seen, came),
                Some(early) => {
                    let seen = String::from_utf8(seen).unwrap();
                    prop_assert!(seen.ends_with("\r\n\r\n") && seen.matches("Content-Length: 1\r\n").count() == 1);
                    prop_assert!(came.ends_with(&early));
                    let again = seen.replace("Content-Length: 1\r\n", "Content-Length: 1234567\r\n");
                    prop_assert_eq!([again.as_bytes(), &early].concat(), came);
                }
            }
        }
    }

    #[test]
    fn a_head_is_waited_for_until_it_is_whole() {
        for end in 1..LONG.len() {
            let came = &LONG.as_bytes()[..end];
            assert_eq!(parted(came), (came.to_vec(), None, true), "{end}");
        }
        assert!(!parted(b"").2, "the connection was closed");
    }

    #[test]
    fn without_a_wish_nothing_is_parted() {
        assert!(!is_wanted_of(b"GET / HTTP/1.1\r\n"));
        let (wanted, body) = diverted(Duration::ZERO, || {
            (
                is_wanted_of(b"GET / HTTP/1.1\r\n"),
                is_wanted_of(b"CONNECT a:1 HTTP/1.1\r\n"),
            )
        });
        assert_eq!((wanted, body.is_none()), ((true, false), true));
        let panicked = thread::spawn(|| {
            let caught = std::panic::catch_unwind(|| diverted(Duration::ZERO, || panic!("as a test does")));
            (caught.is_err(), is_wanted_of(b"GET / HTTP/1.1\r\n"))
        });
        assert_eq!(panicked.join().unwrap(), (true, false));
    }

    /// A body of so many bytes, of which some came along with the head and the last ones are still to come; and the server's end of its
    /// connection.
    fn awaited(length: u64, early: &[u8], left: u64) -> (DirectBody, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (server, _) = listener.accept().unwrap();
        let body = DirectBody {
            stream,
            limits: Limits {
                cancel: Arc::new(AtomicBool::new(false)),
                rate: None,
            },
            idle: Duration::from_secs(60),
            early: io::Cursor::new(early.to_vec()),
            left,
            length,
            wakes_at: 1,
        };
        (body, server)
    }

    #[test]
    fn the_last_byte_is_never_taken() {
        let (mut body, mut server) = awaited(8, b"abc", 4);
        server.write_all(b"defgZ").unwrap();
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.as_slice(), body.length()), (b"abcdefg".as_slice(), 8));
        let mut last = [0; 8];
        assert_eq!((&*body.stream).read(&mut last).unwrap(), 1);
        assert_eq!(last[0], b'Z');
    }

    #[test]
    fn a_body_that_flows_wakes_its_reader_for_pieces_and_near_its_end_for_each_byte() {
        const PACKET: usize = 4 * 1024;
        let (pieces, rest) = (16 * PIECE as u64, FLOWING);
        let (mut body, mut server) = awaited(2 * FLOWING + pieces + rest, b"", pieces + rest - 1);
        let length = pieces + rest;
        let stream = Arc::clone(&body.stream);
        let sending = thread::spawn(move || {
            server.set_nodelay(true).unwrap();
            for _ in 0..length / PACKET as u64 {
                server.write_all(&[7; PACKET]).unwrap();
                // A reader that is woken has the time to take it.
                let is_taken = || ioctl_fionread(&stream).unwrap() == 0;
                (0..500)
                    .take_while(|_| !is_taken())
                    .for_each(|_| thread::yield_now());
            }
            server
        });
        let (mut buffer, mut reads) = (vec![0; 4 * PIECE], 0);
        while body.left > FLOWING {
            assert!(body.read(&mut buffer).unwrap() > 0);
            reads += 1;
        }
        // The system wakes a reader whose window is full for less.
        assert!(
            reads <= 24,
            "{reads} reads for 16 pieces in {} packets",
            pieces / PACKET as u64
        );
        while body.left > 0 {
            assert!(body.read(&mut buffer).unwrap() > 0);
        }
        // Whoever has the connection next is woken by the byte that was left.
        assert_eq!(
            (body.wakes_at, (&*body.stream).read(&mut buffer).unwrap()),
            (1, 1)
        );
        drop(sending.join().unwrap());
    }

    #[test]
    fn what_came_of_a_piece_is_given_when_no_more_comes() {
        let (mut body, mut server) = awaited(8 * FLOWING, b"", 4 * FLOWING);
        let pause = Duration::from_millis(10);
        body.stream.set_read_timeout(Some(pause)).unwrap();
        let mut buffer = [0; PIECE];
        server.write_all(b"some").unwrap();
        assert_eq!(body.read(&mut buffer).unwrap(), 4, "the server pauses");
        server.write_all(b"more").unwrap();
        drop(server);
        assert_eq!(body.read(&mut buffer).unwrap(), 4, "the server is gone");
        let ended = body.read(&mut buffer).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
    }
}
