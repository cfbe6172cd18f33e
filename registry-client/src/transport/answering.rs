//! Answers that arrive before the end of an upload.
//!
//! A registry may refuse an upload after its first bytes (401, 413) and close the connection. The next write fails then, although the
//! answer is there to be read. This layer stands above TLS and turns such a failure into an [`EarlyAnswer`].

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport, time::Duration as Span,
};
use ureq::{Error, Timeout};

use super::socket::is_cut;
use super::wait::WaitLimit;

/// How long to wait for the answer to a broken upload.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The largest head and body to keep of an early answer, in bytes.
const MAX_EARLY_ANSWER: usize = 64 * 1024;

/// An answer that arrived before the end of the request: its head, and the beginning of its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EarlyAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl fmt::Display for EarlyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server answered before the end of the request")
    }
}

impl std::error::Error for EarlyAnswer {}

#[derive(Debug)]
pub(super) struct AnswerConnector {
    pub has_proxy: bool,
    pub wait: Arc<WaitLimit>,
}

impl<In: Transport> Connector<In> for AnswerConnector {
    type Out = Either<In, Answering>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        // ureq connects to a proxy with the agent's settings less the proxy. That connection carries a tunnel, not answers.
        let is_to_proxy = self.has_proxy && details.config.proxy().is_none();
        Ok(chained.map(|inner| match is_to_proxy {
            true => Either::A(inner),
            false => Either::B(Answering {
                inner: inner.boxed(),
                wait: Arc::clone(&self.wait),
            }),
        }))
    }
}

/// A connection above TLS.
#[derive(Debug)]
pub(super) struct Answering {
    inner: Box<dyn Transport>,
    wait: Arc<WaitLimit>,
}

impl Answering {
    /// Returns the answer that arrived before the write failed, or the write's failure.
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
        match EarlyAnswer::parse(&answer) {
            Some(early) => Error::Other(Box::new(early)),
            None => failure,
        }
    }
}

/// Whether the head and, with a Content-Length, the body are complete.
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
        match self.inner.transmit_output(amount, timeout) {
            Err(failure) if is_cut(&failure) => Err(self.answer(failure)),
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let before = self.inner.buffers().input().len();
        let has_come = self.inner.await_input(timeout)?;
        let after = self.inner.buffers().input().len();
        self.wait.count(after.saturating_sub(before))?;
        Ok(has_come)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl EarlyAnswer {
    /// Parses a head and what follows it. `None` if the head is incomplete, or of a provisional answer (1xx).
    fn parse(answer: &[u8]) -> Option<EarlyAnswer> {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(answer.strip_prefix(b"HTTP/1.").and(answer.get(..end))?);
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name: HeaderName = name.trim().parse().ok()?;
            Some((name, value.trim().parse::<HeaderValue>().ok()?))
        });
        (status >= 200).then(|| EarlyAnswer {
            status,
            headers: headers.collect(),
            body: answer[end + 4..].to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// A connection whose other end has sent these bytes and closed it.
    #[derive(Debug)]
    struct Closed {
        buffers: LazyBuffers,
        sent: &'static [u8],
    }

    impl Transport for Closed {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
            Err(Error::Io(io::ErrorKind::BrokenPipe.into()))
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            let sent = std::mem::take(&mut self.sent);
            self.buffers.input_append_buf()[..sent.len()].copy_from_slice(sent);
            self.buffers.input_appended(sent.len());
            Ok(!sent.is_empty())
        }

        fn is_open(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn a_failed_write_becomes_the_answer_that_came_before_it() {
        for (sent, status) in [
            ("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n", Some(413)),
            ("HTTP/1.1 401 No\r\n\r\n", Some(401)),
            ("", None),
        ] {
            let inner = Closed {
                buffers: LazyBuffers::new(1024, 1024),
                sent: sent.as_bytes(),
            };
            let mut connection = Answering {
                inner: inner.boxed(),
                wait: Arc::default(),
            };
            let told = match connection
                .transmit_output(10, NextTimeout::default())
                .unwrap_err()
            {
                Error::Other(other) => Some(other.downcast::<EarlyAnswer>().unwrap().status),
                Error::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
                other => panic!("{other}"),
            };
            assert_eq!(told, status, "{sent}");
        }
    }

    #[test]
    fn an_early_answer_is_parsed() {
        let bytes = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}";
        assert!(is_whole(bytes) && !is_whole(&bytes[..bytes.len() - 1]));
        let early = EarlyAnswer::parse(bytes).unwrap();
        assert_eq!((early.status, early.body.as_slice()), (413, b"{}".as_slice()));
        assert_eq!(early.headers["x-a"], "b");
        for broken in [
            "",
            "HTTP/1.1 413",
            "HTTP/1.1 x y\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "noise 413 x\r\n\r\n",
        ] {
            assert_eq!(EarlyAnswer::parse(broken.as_bytes()), None, "{broken}");
        }
    }
}
