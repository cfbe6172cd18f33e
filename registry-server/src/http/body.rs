//! Bodies of requests.

use std::fmt;
use std::io::{self, Read, Write};

use super::chunked;
use super::head::{Framing, Refusal};
use super::input::{Input, invalid};

/// How much of an unread body is read and discarded so that the connection can stay, in bytes.
const MOST_DISCARDED: u64 = 64 * 1024;

/// The body of a request, as a reader. Each read has a deadline, and fails if the body isn't well-formed or ends early.
pub(crate) struct Body<'a> {
    reader: &'a mut dyn Read,
    length: Option<u64>,
}

impl<'a> Body<'a> {
    /// Wraps what reads the body. `length` is its length in bytes if the client told.
    pub fn new(reader: &'a mut dyn Read, length: Option<u64>) -> Self {
        Self { reader, length }
    }

    /// Returns the length in bytes that the client told: none for a chunked body.
    pub fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a body of {:?} bytes", self.length)
    }
}

/// What of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// So many bytes.
    Bytes(u64),
    /// So many bytes of a chunk, then other chunks.
    InChunk(u64),
    /// A chunk's line.
    Chunk,
}

/// Reads a request's body from its connection.
#[derive(Debug)]
pub(crate) struct Incoming<'a, S> {
    stream: &'a mut S,
    input: &'a mut Input,
    left: Left,
    /// Whether the client waits for a word before it sends the body.
    is_awaited: bool,
    /// Bytes of the body that were read.
    pub received: u64,
    /// How reading failed. No read succeeds after it.
    failure: Option<io::ErrorKind>,
}

impl<'a, S: Read + Write> Incoming<'a, S> {
    pub fn new(stream: &'a mut S, input: &'a mut Input, framing: Framing, is_awaited: bool) -> Self {
        let left = match framing {
            Framing::Length(length) => Left::Bytes(length),
            Framing::Chunked => Left::Chunk,
        };
        Self {
            stream,
            input,
            left,
            is_awaited,
            received: 0,
            failure: None,
        }
    }

    /// Returns how the body broke, as an answer if it makes sense to send one.
    pub fn failure(&self) -> Option<Result<Refusal, io::ErrorKind>> {
        self.failure.map(|kind| match kind {
            io::ErrorKind::TimedOut => Ok(Refusal(408, "the body came too slowly")),
            io::ErrorKind::InvalidData => Ok(Refusal(400, "the body isn't well-formed")),
            other => Err(other),
        })
    }

    /// Returns how many bytes of the body weren't read, if they are so few that they can be discarded for the next request.
    pub fn rest(&self) -> Option<u64> {
        match self.left {
            Left::Bytes(0) => Some(0),
            Left::Bytes(left) => (left <= MOST_DISCARDED && !self.is_awaited).then_some(left),
            Left::InChunk(_) | Left::Chunk => None,
        }
    }

    fn read_some(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.left == Left::Chunk {
            self.next_chunk()?;
        }
        let (Left::Bytes(left) | Left::InChunk(left)) = &mut self.left else {
            return Ok(0);
        };
        if *left == 0 || target.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(target.len());
        let read = self.input.read(self.stream, &mut target[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *left -= read as u64;
        if self.left == Left::InChunk(0) {
            if !self.input.line(self.stream)?.is_empty() {
                return Err(invalid("a chunk is longer than it tells"));
            }
            self.left = Left::Chunk;
        }
        self.received += read as u64;
        Ok(read)
    }

    /// Reads a chunk's line, and after the last chunk the trailers.
    fn next_chunk(&mut self) -> io::Result<()> {
        let line = self.input.line(self.stream)?;
        let size = chunked::size(&line).ok_or_else(|| invalid("a chunk's size is invalid"))?;
        if size > 0 {
            self.left = Left::InChunk(size);
            return Ok(());
        }
        let mut trailers = 0;
        loop {
            let line = self.input.line(self.stream)?;
            if line.is_empty() {
                self.left = Left::Bytes(0);
                return Ok(());
            }
            trailers += line.len();
            if !chunked::is_trailer(&line) || trailers > chunked::LONGEST_TRAILERS {
                return Err(invalid("the trailers aren't well-formed"));
            }
        }
    }
}

impl<S: Read + Write> Read for Incoming<'_, S> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if let Some(kind) = self.failure {
            return Err(kind.into());
        }
        if self.is_awaited && self.left != Left::Bytes(0) {
            self.is_awaited = false;
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            self.stream.flush()?;
        }
        let read = self.read_some(target);
        if let Err(error) = &read {
            self.failure = Some(error.kind());
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// A client whose bytes come in pieces.
    #[derive(Debug)]
    struct Client {
        sends: Cursor<Vec<u8>>,
        piece: usize,
        got: Vec<u8>,
    }

    impl Client {
        fn sending(bytes: &[u8], piece: usize) -> Self {
            Self {
                sends: Cursor::new(bytes.to_vec()),
                piece,
                got: Vec::new(),
            }
        }
    }

    impl Read for Client {
        fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
            let most = target.len().min(self.piece);
            self.sends.read(&mut target[..most])
        }
    }

    impl Write for Client {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.got.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Reads a body. Returns it, and what came after it.
    fn read(framing: Framing, bytes: &[u8], piece: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let mut client = Client::sending(bytes, piece);
        let mut input = Input::default();
        let mut body = Vec::new();
        Incoming::new(&mut client, &mut input, framing, false).read_to_end(&mut body)?;
        let mut rest = Vec::new();
        let mut buffer = [0; 100];
        loop {
            let read = input.read(&mut client, &mut buffer)?;
            if read == 0 {
                return Ok((body, rest));
            }
            rest.extend_from_slice(&buffer[..read]);
        }
    }

    #[test]
    fn a_body_ends_where_its_length_says_and_the_next_request_follows() {
        for piece in 1..12 {
            let (body, rest) = read(Framing::Length(5), b"helloGET /", piece).unwrap();
            assert_eq!((&body[..], &rest[..]), (&b"hello"[..], &b"GET /"[..]));
            let chunks = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX: a\r\n\r\nGET /";
            let (body, rest) = read(Framing::Chunked, chunks, piece).unwrap();
            assert_eq!((&body[..], &rest[..]), (&b"hello world"[..], &b"GET /"[..]));
        }
    }

    #[test]
    fn bodies_that_are_short_or_malformed_fail_and_stay_failed() {
        for (kind, framing, bytes) in [
            (io::ErrorKind::UnexpectedEof, Framing::Length(5), &b"hell"[..]),
            (io::ErrorKind::UnexpectedEof, Framing::Chunked, b""),
            (io::ErrorKind::UnexpectedEof, Framing::Chunked, b"5\r\nhel"),
            (io::ErrorKind::UnexpectedEof, Framing::Chunked, b"5\r\nhello"),
            (io::ErrorKind::UnexpectedEof, Framing::Chunked, b"5\r\nhello\r\n"),
            (io::ErrorKind::UnexpectedEof, Framing::Chunked, b"0\r\n"),
            (
                io::ErrorKind::InvalidData,
                Framing::Chunked,
                b"5\r\nhello!\r\n0\r\n\r\n",
            ),
            (
                io::ErrorKind::InvalidData,
                Framing::Chunked,
                b"-5\r\nhello\r\n0\r\n\r\n",
            ),
            (
                io::ErrorKind::InvalidData,
                Framing::Chunked,
                b"5\nhello\n0\r\n\r\n",
            ),
            (io::ErrorKind::InvalidData, Framing::Chunked, b"\r\n"),
            (
                io::ErrorKind::InvalidData,
                Framing::Chunked,
                b"0\r\nno trailer\r\n\r\n",
            ),
            (io::ErrorKind::InvalidData, Framing::Chunked, &[b'1'; 300]),
        ] {
            let mut client = Client::sending(bytes, 3);
            let mut input = Input::default();
            let mut body = Incoming::new(&mut client, &mut input, framing, false);
            let error = body.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), kind, "{:?}", String::from_utf8_lossy(bytes));
            assert_eq!(body.read(&mut [0; 9]).unwrap_err().kind(), kind);
            assert_eq!(
                body.failure().unwrap().is_ok(),
                kind == io::ErrorKind::InvalidData
            );
        }
        let many = format!("0\r\n{}\r\n", "X: a\r\n".repeat(2000));
        let error = read(Framing::Chunked, many.as_bytes(), 1000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "trailers without end");
    }

    #[test]
    fn a_client_that_waits_is_told_to_continue_once_the_body_is_wanted() {
        let mut client = Client::sending(b"hello", 5);
        let mut input = Input::default();
        let unread = Incoming::new(&mut client, &mut input, Framing::Length(5), true);
        assert_eq!(unread.rest(), None, "it may never come");
        assert!(client.got.is_empty());
        let mut body = Incoming::new(&mut client, &mut input, Framing::Length(5), true);
        assert_eq!(io::read_to_string(&mut body).unwrap(), "hello");
        assert_eq!(client.got, b"HTTP/1.1 100 Continue\r\n\r\n");
        let mut none = Incoming::new(&mut client, &mut input, Framing::Length(0), true);
        assert_eq!(none.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(
            client.got, b"HTTP/1.1 100 Continue\r\n\r\n",
            "there is no body to wait for"
        );
    }

    #[test]
    fn only_a_short_rest_can_be_discarded() {
        let mut client = Client::sending(b"hello", 4);
        let mut input = Input::default();
        let mut body = Incoming::new(&mut client, &mut input, Framing::Length(5), false);
        body.read_exact(&mut [0; 2]).unwrap();
        assert_eq!(body.rest(), Some(3));
        let long = Incoming::new(
            &mut client,
            &mut input,
            Framing::Length(MOST_DISCARDED + 1),
            false,
        );
        assert_eq!(long.rest(), None);
        let chunks = Incoming::new(&mut client, &mut input, Framing::Chunked, false);
        assert_eq!(chunks.rest(), None);
    }

    proptest! {
        #[test]
        fn chunked_bodies_are_read_whole_however_they_come(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..600), 0..6),
            piece in 1_usize..700,
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\nnext");
            let (body, rest) = read(Framing::Chunked, &bytes, piece).unwrap();
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(rest, b"next");
        }
    }
}
