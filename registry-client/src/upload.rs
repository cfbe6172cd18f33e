//! Pushing blobs ([distribution specification, "Pushing a blob"]).
//!
//! A session is opened by POST; one PUT carries all bytes and closes it. Where something refuses so large a request (413), the
//! bytes go in chunks. Where a connection is cut, the session is asked how far it got, and the rest follows from there: bytes
//! are never sent again blindly, which would append them twice.
//!
//! [distribution specification, "Pushing a blob"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs

use std::io::{self, Read};
use std::time::Duration;

use transload_reference::{Descriptor, Digest, Repository};

use crate::answer::Answer;
use crate::core::{Core, lock};
use crate::error::{Error, ErrorKind};
use crate::notice::NoticeKind;
use crate::request::{Call, ExactReader, Payload, check_target};
use crate::scope::Scopes;
use crate::url::{Scheme, Url};

/// Sizes of chunks that are tried one after the other where each is refused as too large, in bytes.
const CHUNKS: [u64; 4] = [64 << 20, 16 << 20, 4 << 20, 512 << 10];

/// A try that stored this many bytes did its duty: the tries are counted anew.
const PROGRESS: u64 = 1 << 20;

/// Gives a blob's bytes from an offset.
pub(crate) type Opener<'o, 'r> = dyn FnMut(u64) -> io::Result<Box<dyn Read + Send + 'r>> + 'o;

struct Session {
    location: Url,
    /// How many bytes the registry has.
    offset: u64,
    /// The registry's smallest chunk, but for the last.
    least_chunk: u64,
}

/// What a step of an upload came to.
enum Step {
    Done,
    /// The registry has bytes up to the session's offset, and there are more to come.
    More,
    TooLarge(Error),
    /// It knows nothing of the session any more, or of its state.
    Lost(Error),
    /// The authorization ran out.
    Unauthorized(Error),
    Failed(Error),
}

impl Core {
    pub fn mount_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, Error> {
        if repository.registry() != from.registry() {
            return Ok(false);
        }
        let operation = format!("mounting the blob {digest}");
        let scopes = Scopes::push(repository).and(from, &["pull"]);
        let mut call = Call::new(self, operation, repository, "POST", "/blobs/uploads/")?.scopes(scopes);
        call.url = call
            .url
            .with_query("mount", digest.as_str())
            .with_query("from", from.path());
        let answer = match self.run(&mut call, None) {
            Ok(answer) => answer,
            // A user who may not read the other repository can still upload.
            Err(error) if error.is_denied() => return Ok(false),
            Err(error) => return Err(error),
        };
        match answer.status {
            201 => {
                answer.drain();
                Ok(true)
            }
            202 => {
                // The session that was opened instead serves the upload that follows.
                if let Ok(session) = self.session(&call, &answer) {
                    lock(&self.sessions).insert((repository.clone(), digest.clone()), session.location);
                }
                answer.drain();
                Ok(false)
            }
            _ => {
                answer.drain();
                Ok(false)
            }
        }
    }

    pub fn push_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &mut Opener<'_, '_>,
    ) -> Result<(), Error> {
        Upload {
            core: self,
            repository,
            blob,
            chunk: None,
            sizes_tried: 0,
        }
        .run(open)
    }

    /// The session that an answer opened or moved.
    fn session(&self, call: &Call<'_>, answer: &Answer) -> Result<Session, Error> {
        let location = answer.header("location").ok_or_else(|| {
            call.protocol("the registry opened an upload and didn't say where (no Location)")
        })?;
        Ok(Session {
            location: session_url(&answer.url, location).map_err(|message| call.protocol(message))?,
            offset: 0,
            least_chunk: answer
                .header("oci-chunk-min-length")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
        })
    }
}

/// Where an upload session is that an answer from `base` opened or moved, if one may send a blob there.
pub(crate) fn session_url(base: &Url, location: &str) -> Result<Url, String> {
    let found = base
        .join(location)
        .map_err(|error| format!("the upload's Location can't be used: {error}"))?;
    // Registries behind a proxy that ends TLS often name themselves with the wrong scheme.
    let is_same_host = found.host().host() == base.host().host();
    let is_same_port =
        found.host().port().is_none_or(|port| port == 80) || found.host().port() == base.host().port();
    let found =
        if base.scheme() == Scheme::Https && found.scheme() == Scheme::Http && is_same_host && is_same_port {
            found.at(Scheme::Https, base.host().clone())
        } else {
            found
        };
    check_target(base, &found)?;
    Ok(found)
}

struct Upload<'a> {
    core: &'a Core,
    repository: &'a Repository,
    blob: &'a Descriptor,
    /// The size of chunks, where one body is refused.
    chunk: Option<u64>,
    sizes_tried: usize,
}

impl Upload<'_> {
    fn call(&self, method: &'static str, path: &str) -> Result<Call<'_>, Error> {
        let operation = format!("uploading the blob {}", self.blob.digest);
        let call = Call::new(self.core, operation, self.repository, method, path)?;
        Ok(call.scopes(Scopes::push(self.repository)))
    }

    fn call_at(&self, method: &'static str, url: &Url) -> Result<Call<'_>, Error> {
        let mut call = self.call(method, "/blobs/uploads/")?;
        call.url = url.clone();
        Ok(call)
    }

    fn run(mut self, open: &mut Opener<'_, '_>) -> Result<(), Error> {
        let core = self.core;
        let left_over = lock(&core.sessions).remove(&(self.repository.clone(), self.blob.digest.clone()));
        let mut session = left_over.map(|location| Session {
            location,
            offset: 0,
            least_chunk: 0,
        });
        let mut failures = 0;
        let mut renewals = 0;
        loop {
            let mut current = match session.take() {
                Some(session) => session,
                None => match self.start()? {
                    Some(session) => session,
                    None => return Ok(()),
                },
            };
            let before = current.offset;
            let step = self.send(&mut current, open);
            if current.offset.saturating_sub(before) >= PROGRESS {
                failures = 0;
                renewals = 0;
            }
            let (error, is_session_good) = match step {
                Step::Done => return Ok(()),
                Step::More => {
                    session = Some(current);
                    continue;
                }
                Step::TooLarge(error) => {
                    self.shrink(error, &current)?;
                    self.cancel(&current);
                    continue;
                }
                Step::Unauthorized(error) => {
                    renewals += 1;
                    if renewals > 2 {
                        return Err(error);
                    }
                    session = self.ask(&current);
                    continue;
                }
                Step::Lost(error) => (error, false),
                Step::Failed(error) => (error, true),
            };
            failures += 1;
            // A source that gave up has tried long enough by itself.
            let is_sources = matches!(error.kind(), ErrorKind::Source(_));
            let may_retry = !is_sources && (error.is_retryable() || !is_session_good);
            if error.is_cancelled() || !may_retry || failures >= core.retry.attempts {
                return Err(error.after(failures));
            }
            let resumed = if is_session_good {
                before.max(current.offset)
            } else {
                0
            };
            core.back_off(&error, NoticeKind::Resume { offset: resumed }, failures)?;
            // The last answer may have been lost after the blob was stored.
            if let Ok(Some(size)) = core.has_blob(self.repository, &self.blob.digest)
                && size == self.blob.size
            {
                return Ok(());
            }
            session = match is_session_good.then(|| self.ask(&current)).flatten() {
                // "None" and "one byte" look alike; nothing is lost with either.
                Some(empty) if empty.offset == 0 => {
                    self.cancel(&empty);
                    None
                }
                other => other,
            };
        }
    }

    /// Opens a session. `None`: the registry said that it has the blob.
    fn start(&self) -> Result<Option<Session>, Error> {
        let mut call = self.call("POST", "/blobs/uploads/")?;
        let answer = self.core.run(&mut call, None)?;
        match answer.status {
            200 | 202 | 204 => {
                let session = self.core.session(&call, &answer);
                answer.drain();
                session.map(Some)
            }
            201 => {
                answer.drain();
                Ok(None)
            }
            _ => Err(answer.into_error(&call.place)),
        }
    }

    /// Asks a session how far it got. `None`: it is lost, and a new one is due.
    fn ask(&self, session: &Session) -> Option<Session> {
        let mut call = self.call_at("GET", &session.location).ok()?;
        let answer = self.core.run(&mut call, None).ok()?;
        let moved = self.moved(&answer, session);
        let is_known = matches!(answer.status, 200 | 202 | 204);
        let offset = match answer.header("range") {
            None => Some(0),
            Some(range) => stored_bytes(range),
        };
        answer.drain();
        let offset = offset.filter(|offset| *offset <= self.blob.size)?;
        is_known.then_some(Session {
            location: moved,
            offset,
            least_chunk: session.least_chunk,
        })
    }

    /// The newest Location: where an answer has none, the old one holds.
    fn moved(&self, answer: &Answer, session: &Session) -> Url {
        let location = answer
            .header("location")
            .and_then(|location| session_url(&answer.url, location).ok());
        location.unwrap_or_else(|| session.location.clone())
    }

    /// A session that isn't wanted any more. Registries forget it by themselves in time.
    fn cancel(&self, session: &Session) {
        if let Ok(mut call) = self.call_at("DELETE", &session.location)
            && let Ok(answer) = self.core.once(&mut call, &mut Payload::None)
        {
            answer.drain();
        }
    }

    /// Goes to the next smaller size of chunks.
    fn shrink(&mut self, error: Error, session: &Session) -> Result<(), Error> {
        let smaller = CHUNKS.iter().position(|size| {
            *size < self.chunk.unwrap_or(u64::MAX) && *size < self.blob.size && *size >= session.least_chunk
        });
        let Some(at) = smaller.filter(|_| self.sizes_tried < CHUNKS.len()) else {
            return Err(error);
        };
        self.sizes_tried += 1;
        self.chunk = Some(CHUNKS[at]);
        let cause = format!(
            "so large a request is refused; going on in chunks of {} KiB",
            CHUNKS[at] >> 10
        );
        let place = &error.inner().place;
        self.core
            .notify(NoticeKind::Fallback, place, 1, Duration::ZERO, cause);
        Ok(())
    }

    /// Sends the bytes from the session's offset on: all of them, or a chunk after the other.
    fn send(&self, session: &mut Session, open: &mut Opener<'_, '_>) -> Step {
        let rest = self.blob.size - session.offset;
        let Some(chunk) = self.chunk.filter(|_| rest > 0) else {
            return self.send_rest(session, open, rest);
        };
        let mut bytes = match open(session.offset) {
            Ok(bytes) => bytes,
            Err(error) => return self.source_failed(error),
        };
        let chunk = chunk.max(session.least_chunk).max(1);
        while session.offset < self.blob.size {
            let length = chunk.min(self.blob.size - session.offset);
            match self.send_chunk(session, &mut bytes, length) {
                Step::More => {}
                other => return other,
            }
        }
        self.send_rest(session, open, 0)
    }

    fn source_failed(&self, error: io::Error) -> Step {
        match self.call("PUT", "/blobs/uploads/") {
            Ok(call) => Step::Failed(Error::new(&call.place, ErrorKind::Source(error))),
            Err(error) => Step::Failed(error),
        }
    }

    fn send_rest(&self, session: &mut Session, open: &mut Opener<'_, '_>, rest: u64) -> Step {
        let url = session.location.with_query("digest", self.blob.digest.as_str());
        let mut call = match self.call_at("PUT", &url) {
            Ok(call) => call.header("content-type", "application/octet-stream"),
            Err(error) => return Step::Failed(error),
        };
        call.answers_late = true;
        if session.offset > 0 && rest > 0 {
            call = call.header(
                "content-range",
                format!("{}-{}", session.offset, self.blob.size - 1),
            );
        }
        let result = if rest == 0 && session.offset > 0 {
            self.core.once(&mut call, &mut Payload::Bytes(&[]))
        } else {
            match open(session.offset) {
                Ok(bytes) => {
                    let mut reader = ExactReader::new(bytes, rest);
                    self.core.once(&mut call, &mut Payload::Stream(&mut reader))
                }
                Err(error) => return self.source_failed(error),
            }
        };
        match result {
            Ok(answer) if matches!(answer.status, 200 | 201 | 204) => {
                answer.drain();
                session.offset = self.blob.size;
                Step::Done
            }
            // Some registries take the last byte and check the whole afterwards.
            Ok(answer) if answer.status == 202 && rest > 0 => {
                session.location = self.moved(&answer, session);
                session.offset = self.blob.size;
                answer.drain();
                Step::More
            }
            other => self.judge(&call, other),
        }
    }

    fn send_chunk(&self, session: &mut Session, bytes: &mut (dyn Read + Send), length: u64) -> Step {
        let last = session.offset + length - 1;
        let mut call = match self.call_at("PATCH", &session.location) {
            Ok(call) => call
                .header("content-type", "application/octet-stream")
                .header("content-range", format!("{}-{last}", session.offset)),
            Err(error) => return Step::Failed(error),
        };
        let mut reader = ExactReader::new(Box::new(bytes), length);
        match self.core.once(&mut call, &mut Payload::Stream(&mut reader)) {
            Ok(answer) if matches!(answer.status, 200 | 201 | 202 | 204) => {
                session.location = self.moved(&answer, session);
                let stored = answer.header("range").and_then(stored_bytes).unwrap_or(last + 1);
                answer.drain();
                session.offset = stored;
                if stored == last + 1 {
                    Step::More
                } else {
                    let message = format!(
                        "the registry stored {stored} bytes of {} that were sent",
                        last + 1
                    );
                    Step::Lost(call.protocol(message))
                }
            }
            other => self.judge(&call, other),
        }
    }

    fn judge(&self, call: &Call<'_>, result: Result<Answer, Error>) -> Step {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return Step::Failed(error),
        };
        let status = answer.status;
        let error = answer.into_error(&call.place);
        let code = error.code().unwrap_or_default();
        match status {
            401 => Step::Unauthorized(error),
            413 => Step::TooLarge(error),
            404 | 416 => Step::Lost(error),
            _ if matches!(
                code,
                "BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID" | "RANGE_INVALID"
            ) =>
            {
                Step::Lost(error)
            }
            _ => Step::Failed(error),
        }
    }
}

/// How many bytes `0-99` (or `bytes=0-99`) says that a session has. The form for none is `0-0`, or no header: a session with one
/// byte can't be told from one with none.
fn stored_bytes(range: &str) -> Option<u64> {
    let range = range.trim();
    let range = range
        .strip_prefix("bytes")
        .map_or(range, |rest| rest.trim_start_matches(['=', ' ']));
    let (first, last) = range.split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    match (first.trim(), last) {
        ("0", 0) => Some(0),
        ("0", last) => last.checked_add(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_range_tells_how_many_bytes_it_has() {
        let table = [
            ("0-99", Some(100)),
            ("bytes=0-99", Some(100)),
            ("bytes 0-99", Some(100)),
            ("0-0", Some(0)),
            ("5-99", None),
            ("0--1", None),
            ("0-18446744073709551615", None),
            ("", None),
        ];
        for (range, expected) in table {
            assert_eq!(stored_bytes(range), expected, "{range}");
        }
    }
}
