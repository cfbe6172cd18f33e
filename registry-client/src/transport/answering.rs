//! Answers that come before the end of an upload.
//!
//! A registry may refuse an upload after its first bytes (401, 413) and close. The client then fails to write, and without
//! help would never look at the answer. Below TLS, a failed write is noted and later writes are dropped, so that TLS goes on to
//! read; above TLS, the note turns into an [`EarlyAnswer`] with what had arrived.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, Transport, time::Duration as Span,
};
use ureq::{Error, Timeout};

use super::OVERHEAD;

/// How long the answer to a broken upload is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The largest head and body that are kept of an early answer, in bytes.
const MAX_EARLY_ANSWER: usize = 64 * 1024;

/// The bytes of an answer that came before the request was all sent.
pub(crate) struct EarlyAnswer(pub Vec<u8>);

impl fmt::Debug for EarlyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EarlyAnswer({} bytes)", self.0.len())
    }
}

impl fmt::Display for EarlyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server answered before the end of the request")
    }
}

impl std::error::Error for EarlyAnswer {}

thread_local! {
    /// Set by a connection below TLS for the one above it: both run on the thread that sends.
    pub(super) static WRITE_FAILED: Cell<Option<Error>> = const { Cell::new(None) };

    /// When this thread sent something last.
    static SENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// When this thread sent something last, over a connection that was made then.
pub(crate) fn last_sent() -> Option<Instant> {
    SENT.get()
}

#[derive(Debug)]
pub(super) struct AnswerConnector;

impl<In: Transport> Connector<In> for AnswerConnector {
    type Out = Answering;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Answering>, Error> {
        Ok(chained.map(|inner| Answering { inner: inner.boxed() }))
    }
}

/// The connection above TLS.
#[derive(Debug)]
pub(super) struct Answering {
    inner: Box<dyn Transport>,
}

impl Answering {
    /// Reads what the server had to say, if it said something before the write failed.
    fn answer(&mut self, failure: Error) -> Error {
        let deadline = Instant::now() + ANSWER_WAIT;
        let mut answer = Vec::new();
        while answer.len() < MAX_EARLY_ANSWER && !is_whole(&answer) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let timeout = NextTimeout {
                after: Span::Exact(left),
                reason: Timeout::RecvResponse,
                per_read: None,
                per_write: None,
            };
            let progress = self.inner.await_input(timeout);
            let input = self.inner.buffers().input();
            let length = input.len();
            answer.extend_from_slice(input);
            self.inner.buffers().input_consume(length);
            if length == 0 || !matches!(progress, Ok(true)) {
                break;
            }
        }
        if answer.starts_with(b"HTTP/1.") {
            Error::Other(Box::new(EarlyAnswer(answer)))
        } else {
            failure
        }
    }
}

/// Whether the head and, if it says how long it is, the body are there.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() - end - 4 >= length)
}

impl Transport for Answering {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        WRITE_FAILED.set(None);
        let sent = self.inner.transmit_output(amount, timeout);
        SENT.set(Some(Instant::now()));
        match WRITE_FAILED.take() {
            Some(failure) => Err(self.answer(failure)),
            None => sent,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let before = self.inner.buffers().input().len();
        let has_come = self.inner.await_input(timeout)?;
        let after = self.inner.buffers().input().len();
        OVERHEAD.with_borrow_mut(|overhead| overhead.note(after.saturating_sub(before)))?;
        Ok(has_come)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// An early answer taken apart: status, headers (names lowercase), the body's beginning.
pub(crate) struct EarlyParts {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl EarlyAnswer {
    pub fn parts(&self) -> Option<EarlyParts> {
        let end = self.0.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.0[..end]);
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        });
        (status >= 200).then(|| EarlyParts {
            status,
            headers: headers.collect(),
            body: self.0[end + 4..].to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// A connection that takes everything and says nothing.
    #[derive(Debug)]
    struct Sink(LazyBuffers);

    impl Transport for Sink {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.0
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            Ok(false)
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    #[test]
    fn what_is_sent_is_known_from_when_a_connection_takes_it() {
        let timeout = NextTimeout {
            after: Span::NotHappening,
            reason: Timeout::PerWrite,
            per_read: None,
            per_write: None,
        };
        let inner = Sink(LazyBuffers::new(16, 16)).boxed();
        let mut connection = Answering { inner };
        assert_eq!(last_sent(), None, "it is made, and no more");
        let before = Instant::now();
        connection.transmit_output(0, timeout).unwrap();
        let sent = last_sent().unwrap();
        assert!((before..=Instant::now()).contains(&sent));
        connection.await_input(timeout).unwrap();
        assert_eq!(last_sent(), Some(sent), "to wait for an answer is not to send");
    }

    #[test]
    fn an_early_answer_is_taken_apart() {
        let bytes = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}";
        assert!(is_whole(bytes) && !is_whole(&bytes[..bytes.len() - 1]));
        let parts = EarlyAnswer(bytes.to_vec()).parts().unwrap();
        assert_eq!((parts.status, parts.body.as_slice()), (413, b"{}".as_slice()));
        assert_eq!(parts.headers[1], ("x-a".to_owned(), "b".to_owned()));
        for broken in [
            "",
            "HTTP/1.1 413",
            "HTTP/1.1 x y\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert!(EarlyAnswer(broken.into()).parts().is_none(), "{broken}");
        }
    }
}
