//! Files that go to a socket without passing through the program.
//!
//! Linux sends a file's bytes by itself (`sendfile`): for a push, that is two copies of two. ureq asks its body for
//! bytes and hands what it was given to the connection, with nothing in between where the length is known. So the body tells
//! how many bytes there are and gives none, and the connection sends as many of the file.
//!
//! A file is offered to the thread's request. Only a socket without TLS takes the offer, and only once it has sent the
//! request's whole head; until then, and with every other connection, the body gives its bytes as any other does. It keeps the file until it
//! waits for the answer.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::net::TcpStream;
use std::sync::Arc;

use super::socket::is_timeout;
use super::within;

/// What the request that a thread runs has to send.
#[derive(Default)]
enum Loan {
    #[default]
    Nothing,
    Offered(Arc<File>),
    Taken,
    /// The file couldn't be read, or was too short.
    Failed(io::Error),
}

thread_local! {
    static LOAN: RefCell<Loan> = const { RefCell::new(Loan::Nothing) };
}

/// Runs a request whose body is a file from where that stands on. The file's own failure comes along, as the request's says nothing of it.
pub(crate) fn lending<T>(file: Option<&Arc<File>>, run: impl FnOnce() -> T) -> (T, Option<io::Error>) {
    // Elsewhere, the standard library's copy is slower than ours.
    let offered = match file {
        Some(file) if cfg!(target_os = "linux") => Loan::Offered(Arc::clone(file)),
        _ => Loan::Nothing,
    };
    // Whoever watches a request may make others meanwhile.
    match within(&LOAN, offered, run) {
        (result, Loan::Failed(error)) => (result, Some(error)),
        (result, Loan::Nothing | Loan::Offered(_) | Loan::Taken) => (result, None),
    }
}

/// Whether the connection sends the file by itself.
pub(crate) fn is_taken() -> bool {
    LOAN.with_borrow(|loan| matches!(loan, Loan::Taken))
}

/// Takes what is offered where this is the whole head of a request that has a body.
pub(super) fn take(head: &[u8]) -> Option<Arc<File>> {
    let is_upload = head.starts_with(b"PUT ") || head.starts_with(b"PATCH ");
    if !is_upload || !head.ends_with(b"\r\n\r\n") {
        return None;
    }
    LOAN.with_borrow_mut(|loan| match mem::replace(loan, Loan::Taken) {
        Loan::Offered(file) => Some(file),
        other => {
            *loan = other;
            None
        }
    })
}

/// Sends the next bytes of a file that was taken.
pub(super) fn send(file: &File, stream: &TcpStream, amount: usize) -> io::Result<()> {
    copy(file, stream, amount).map_err(|failure| match failure {
        Failure::Stream(error) => error,
        Failure::File(error) => {
            LOAN.set(Loan::Failed(error));
            io::Error::other("the bytes to send can't be read")
        }
    })
}

enum Failure {
    File(io::Error),
    Stream(io::Error),
}

fn copy(mut file: &File, mut stream: &TcpStream, amount: usize) -> Result<(), Failure> {
    let mut left = amount;
    while left > 0 {
        match sendfile(stream, file, left) {
            Ok(0) => {
                let message = format!("the bytes end {left} before the announced end");
                return Err(Failure::File(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    message,
                )));
            }
            Ok(sent) => left -= sent,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => return Err(Failure::Stream(error)),
            // Not every filesystem's files can be sent so.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                let mut piece = vec![0; left];
                file.read_exact(&mut piece).map_err(Failure::File)?;
                return stream.write_all(&piece).map_err(Failure::Stream);
            }
            // Either end may have failed.
            Err(error) => {
                return Err(match file.read(&mut [0]) {
                    Err(error) => Failure::File(error),
                    Ok(_) => Failure::Stream(error),
                });
            }
        }
    }
    Ok(())
}

/// Has the system send bytes of a file, from where it stands on: how many it took.
#[cfg(target_os = "linux")]
fn sendfile(stream: &TcpStream, file: &File, most: usize) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(stream, file, None, most)?)
}

/// Other systems aren't asked.
#[cfg(not(target_os = "linux"))]
fn sendfile(_: &TcpStream, _: &File, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};
    use std::net::{Shutdown, TcpListener};
    use std::thread;

    use super::*;

    const HEAD: &[u8] = b"PUT /v2/ HTTP/1.1\r\nContent-Length: 5\r\n\r\n";

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        Arc::new(file)
    }

    #[test]
    fn a_file_goes_out_after_the_head_and_from_where_it_stands() {
        let (client, mut server) = pair();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        let file = file(&bytes);
        (&*file).seek(SeekFrom::Start(1000)).unwrap();
        let receiver = thread::spawn(move || {
            let mut got = Vec::new();
            server.read_to_end(&mut got).unwrap();
            got
        });
        let ((), failure) = lending(Some(&file), || {
            assert!(!is_taken(), "not before the head");
            let file = take(HEAD).unwrap();
            assert!(is_taken() && take(HEAD).is_none());
            // What another request does meanwhile changes nothing.
            lending(None, || assert!(!is_taken()));
            assert!(is_taken());
            send(&file, &client, 70_000).unwrap();
            send(&file, &client, 2_929_000).unwrap();
        });
        assert!(failure.is_none() && !is_taken());
        client.shutdown(Shutdown::Write).unwrap();
        assert!(receiver.join().unwrap() == bytes[1000..]);
    }

    #[test]
    fn only_a_whole_head_of_an_upload_takes_the_file() {
        let file = file(b"12345");
        for other in [
            &b"GET /v2/ HTTP/1.1\r\n\r\n"[..],
            b"POST /v2/ HTTP/1.1\r\n\r\n",
            b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            &HEAD[..HEAD.len() - 1],
            b"\x16\x03\x01",
            b"",
        ] {
            let (taken, _) = lending(Some(&file), || take(other).is_some() || is_taken());
            assert!(!taken, "{other:?}");
        }
        assert!(take(HEAD).is_none() && !is_taken(), "nothing was offered");
    }

    #[test]
    fn a_file_that_is_too_short_is_to_blame_itself() {
        let (client, _server) = pair();
        let (sent, failure) = lending(Some(&file(b"12345")), || send(&take(HEAD).unwrap(), &client, 7));
        assert!(sent.is_err());
        let failure = failure.unwrap();
        assert_eq!(failure.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(failure.to_string(), "the bytes end 2 before the announced end");
    }

    #[test]
    fn a_connection_that_was_cut_is_not_the_files_fault() {
        let (client, server) = pair();
        drop(server);
        let (sent, failure) = lending(Some(&file(&[7; 1 << 20])), || {
            let file = take(HEAD).unwrap();
            (0..16).try_for_each(|_| send(&file, &client, 1 << 16))
        });
        assert!(failure.is_none());
        let kind = sent.unwrap_err().kind();
        let is_cut = matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
        assert!(is_cut, "{kind:?}");
    }
}
