//! Pushing blobs ([distribution specification, "Pushing a blob"]).
//!
//! POST opens a session; one PUT sends all bytes and closes it. If so large a request is refused (413), the bytes go in chunks. After a cut,
//! the session is asked for its offset, and the rest follows: bytes that are sent again would be appended twice. distribution loses a
//! session whose request was cut; the bytes then go in chunks, which are whole requests.
//!
//! [distribution specification, "Pushing a blob"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs

mod send;

use std::io;
use std::time::Duration;

use transload_reference::{Descriptor, Repository};

use crate::answer::Answer;
use crate::core::{Core, lock};
use crate::error::{Error, ErrorKind};
use crate::journal::UploadEntry;
use crate::notice::NoticeKind;
use crate::operation::Operation;
use crate::origin::Reach;
use crate::payload::BlobBytes;
use crate::request::Call;
use crate::scope::Scopes;
use crate::session::{Session, stored_bytes};
use crate::tries::Tries;
use crate::upload::send::Step;
use crate::url::Url;

/// Sizes of chunks to try in turn while they are refused as too large, in bytes.
const CHUNKS: [u64; 4] = [64 << 20, 16 << 20, 4 << 20, 512 << 10];

/// After this many stored bytes, the tries are counted anew.
const PROGRESS: u64 = 64 << 10;

/// The sessions of blobs of this size, in bytes, are kept for a later process.
const JOURNALLED: u64 = 4 << 20;

/// Opens a blob's bytes at an offset.
pub(crate) type Opener<'o, 'r> = dyn FnMut(u64) -> io::Result<BlobBytes<'r>> + 'o;

/// The failures since the last progress.
#[derive(Default)]
struct Failures {
    tries: Tries,
    renewals: u32,
    /// Not reset by progress: each costs the whole blob.
    damages: u32,
}

impl Failures {
    fn progress(&mut self, best: &mut u64, offset: u64) {
        if offset >= *best + PROGRESS {
            *best = offset;
            self.tries.progress();
            self.renewals = 0;
        }
    }
}

impl Core {
    pub fn push_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &mut Opener<'_, '_>,
    ) -> Result<(), Error> {
        Upload::new(self, repository, blob)?.run(open)
    }

    pub fn open_upload(&self, repository: &Repository, blob: &Descriptor) -> Result<(), Error> {
        if let Some(session) = Upload::new(self, repository, blob)?.start()? {
            let key = (repository.clone(), blob.digest.clone());
            lock(&self.sessions).insert(key, session);
        }
        Ok(())
    }
}

/// Whether the source's bytes aren't the blob's, so that the session is useless.
fn is_wrong(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Source(cause) if cause.kind() == io::ErrorKind::InvalidData)
}

struct Upload<'a> {
    core: &'a Core,
    reach: Reach,
    repository: &'a Repository,
    blob: &'a Descriptor,
    /// The size of chunks, if a single request is refused or cut.
    chunk: Option<u64>,
    /// Whether each chunk gets a connection of its own, since longer-lived ones are cut.
    is_narrow: bool,
    /// Whether to believe a chunk's `Range` rather than its status, after an upload that believed the status was refused.
    trusts_ranges: bool,
    /// The journal's entry of the session.
    entry: Option<Box<dyn UploadEntry>>,
}

impl<'a> Upload<'a> {
    fn new(core: &'a Core, repository: &'a Repository, blob: &'a Descriptor) -> Result<Upload<'a>, Error> {
        Ok(Upload {
            core,
            reach: core.reach(repository.registry(), Some(repository))?,
            repository,
            blob,
            chunk: None,
            is_narrow: false,
            trusts_ranges: false,
            entry: None,
        })
    }

    fn operation(&self) -> Operation {
        Operation::UploadBlob(self.blob.digest.clone())
    }

    fn call(&self, method: &'static str, path: &str) -> Result<Call, Error> {
        let call = Call::new(self.core, self.operation(), self.repository, method, path)?;
        Ok(call.scopes(Scopes::push(self.repository)))
    }

    fn call_at(&self, method: &'static str, url: &Url) -> Result<Call, Error> {
        Call::at_session(self.core, self.operation(), self.repository, method, url)
    }

    fn run(mut self, open: &mut Opener<'_, '_>) -> Result<(), Error> {
        let core = self.core;
        let mut session = self.first_session();
        let mut count = Failures::default();
        // The largest known offset: only more than that is progress.
        let mut best = session.as_ref().map_or(0, |session| session.offset);
        loop {
            let mut current = match session.take() {
                Some(session) => session,
                None => match self.start()? {
                    Some(session) => session,
                    None => break,
                },
            };
            self.keep(&current);
            let before = current.offset;
            let step = self.send(&mut current, open);
            count.progress(&mut best, current.offset);
            if let Step::Lost(error) | Step::Damaged(error) | Step::Failed(error) = &step
                && self.is_due_to_ranges(error, &current)
            {
                self.trusts_ranges = true;
                self.tell_of_fallback(
                    error,
                    "its chunks may be stored in part; beginning anew".to_owned(),
                );
                self.cancel(&current);
                continue;
            }
            let (error, is_session_good) = match step {
                Step::Done => break,
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
                    count.renewals += 1;
                    if count.renewals > 2 {
                        return Err(error);
                    }
                    // A refused request stores nothing.
                    session = match current.is_doubtful {
                        true => Some(current),
                        false => self.ask(&current),
                    };
                    continue;
                }
                Step::Damaged(error) => {
                    count.damages += 1;
                    if count.damages > 2 {
                        return Err(error);
                    }
                    (error, false)
                }
                Step::Lost(error) => (error, false),
                Step::Failed(error) => (error, true),
            };
            if is_wrong(&error) {
                self.cancel(&current);
                self.entry.iter_mut().for_each(|entry| entry.forget());
                return Err(error);
            }
            // The source has used up its own tries.
            let is_sources = matches!(error.kind(), ErrorKind::Source(_));
            let may_retry = !is_sources && (error.is_retryable() || !is_session_good);
            if !may_retry {
                return Err(count.tries.end(error));
            }
            let resumed = if is_session_good {
                before.max(current.offset)
            } else {
                0
            };
            let error = core.again(&mut count.tries, error, NoticeKind::Resume { offset: resumed })?;
            // The blob may be stored, and only the answer lost.
            if let Ok(Some(size)) = core.has_blob(self.repository, &self.blob.digest)
                && size == self.blob.size
            {
                break;
            }
            let known = match current.is_doubtful {
                false => is_session_good.then(|| self.ask(&current)).flatten(),
                // Its ranges are wrong. A refused request stores nothing.
                true => (is_session_good && error.status().is_some()).then(|| current.clone()),
            };
            session = match known {
                // `0-0` means none or one byte; neither is a loss.
                Some(empty) if empty.offset == 0 => {
                    self.cancel(&empty);
                    None
                }
                None if is_session_good => {
                    self.narrow(&error, &current);
                    None
                }
                other => other,
            };
            let offset = session.as_ref().map_or(0, |session| session.offset);
            count.progress(&mut best, offset);
        }
        if let Some(entry) = &mut self.entry {
            entry.forget();
        }
        Ok(())
    }

    /// Returns an open session to begin with: of an earlier process, of a refused mount, or one that was opened ahead.
    fn first_session(&mut self) -> Option<Session> {
        let ahead = {
            let key = (self.repository.clone(), self.blob.digest.clone());
            lock(&self.core.sessions).remove(&key)
        };
        match self.earlier_session() {
            Some(earlier) => {
                ahead.iter().for_each(|session| self.cancel(session));
                Some(earlier)
            }
            None => ahead,
        }
    }

    /// Returns the session of an earlier process, if the registry still has bytes of it.
    fn earlier_session(&mut self) -> Option<Session> {
        if self.blob.size < JOURNALLED {
            return None;
        }
        self.entry = self.core.journal.claim(self.repository, &self.blob.digest);
        let entry = self.entry.as_mut()?;
        let saved = entry.location()?;
        // The saved URL is checked like an answer's.
        let call = self.call("GET", "/blobs/uploads/").ok()?;
        let located = self.core.session_url(&self.reach, &call.url, &saved).ok();
        let session = located.and_then(|location| self.ask(&Session::empty(location)));
        match session {
            Some(session) if session.offset > 0 => {
                let cause = "an earlier run began this upload";
                let kind = NoticeKind::Resume {
                    offset: session.offset,
                };
                self.core.notify(kind, &call.place, 1, Duration::ZERO, cause);
                Some(session)
            }
            other => {
                other.iter().for_each(|empty| self.cancel(empty));
                drop(call);
                self.entry.iter_mut().for_each(|entry| entry.forget());
                None
            }
        }
    }

    /// Keeps a session for a later process, if it can be asked for its offset.
    fn keep(&mut self, session: &Session) {
        if let Some(entry) = &mut self.entry
            && self.reach.is_own(&session.location)
        {
            entry.save(&session.location.expose());
        }
    }

    /// Opens a session. `None` if the registry says that it has the blob.
    fn start(&self) -> Result<Option<Session>, Error> {
        let mut call = self.call("POST", "/blobs/uploads/")?;
        let answer = self.core.run(&mut call, None)?;
        match answer.status {
            200 | 202 | 204 if !answer.is_page() => {
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

    /// Asks a session for its offset. `None` if it is lost or at another origin.
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
            is_doubtful: false,
        })
    }

    /// Returns the session's URL after an answer, which may have moved it.
    fn moved(&self, answer: &Answer, session: &Session) -> Url {
        let location = answer
            .header("location")
            .and_then(|location| self.core.session_url(&self.reach, &answer.url, location).ok());
        location.unwrap_or_else(|| session.location.clone())
    }

    /// Cancels a session that is no longer needed.
    fn cancel(&self, session: &Session) {
        self.core.cancel_session(self.repository, &session.location);
    }

    /// Returns the next smaller size of chunks.
    fn smaller(&self, session: &Session) -> Option<u64> {
        let most = self.chunk.unwrap_or(u64::MAX).min(self.blob.size);
        CHUNKS
            .into_iter()
            .find(|size| *size < most && *size >= session.least_chunk)
    }

    /// Whether the registry refused an upload whose chunks were answered with other ranges than sent. At most once in an upload.
    fn is_due_to_ranges(&self, error: &Error, session: &Session) -> bool {
        let is_refusal = matches!(error.status(), Some(400 | 404 | 409 | 416 | 422));
        session.is_doubtful && !self.trusts_ranges && is_refusal
    }

    /// Takes the next smaller size of chunks, after a body was refused.
    fn shrink(&mut self, error: Error, session: &Session) -> Result<(), Error> {
        let Some(size) = self.smaller(session) else {
            return Err(error);
        };
        self.chunk = Some(size);
        self.tell_of_chunks(&error, "so large a request is refused");
        Ok(())
    }

    /// Takes smaller chunks after a cut that lost the session, since the registry keeps only whole requests. Each gets a connection of its own.
    fn narrow(&mut self, error: &Error, session: &Session) {
        let was_cut = matches!(error.kind(), ErrorKind::Network { .. });
        if let (true, Some(size)) = (was_cut, self.smaller(session)) {
            self.chunk = Some(size);
            self.is_narrow = true;
            self.tell_of_chunks(error, "the registry forgets an upload that is cut");
        }
    }

    fn tell_of_chunks(&self, error: &Error, why: &str) {
        let size = self.chunk.unwrap_or_default() >> 10;
        self.tell_of_fallback(error, format!("{why}; going on in chunks of {size} KiB"));
    }

    fn tell_of_fallback(&self, error: &Error, cause: String) {
        let place = &error.inner().place;
        self.core
            .notify(NoticeKind::Fallback, place, 1, Duration::ZERO, cause);
    }
}
