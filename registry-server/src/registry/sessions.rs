//! Upload sessions: each is a file in the directory, so that a restart loses none, and one request at a time writes it.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use transload_layout_store::Error as StoreError;
use transload_layout_store::uploads::{Upload, UploadId};
use transload_reference::{Descriptor, Digest};

use super::writing::WriteOptions;
use crate::content::{ContentError, DirectoryContent};
use crate::lock::{lock, wait_for};
use crate::problem::{Code, Problem};

/// How long a request waits for another one of the same session: a client that lost its connection comes back before the server notices.
const PATIENCE: Duration = Duration::from_secs(10);

/// All sessions of a directory.
#[derive(Debug)]
pub(super) struct Sessions {
    directory: Arc<DirectoryContent>,
    options: WriteOptions,
    known: Mutex<HashMap<UploadId, Arc<Session>>>,
    /// The bytes of all unfinished uploads.
    bytes: AtomicU64,
}

#[derive(Debug)]
struct Session {
    id: UploadId,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    slot: Slot,
    position: u64,
    /// When its last bytes came.
    touched: Instant,
}

#[derive(Debug)]
enum Slot {
    /// An earlier server left it.
    OnDisk,
    Open(Box<Upload>),
    /// A request writes it.
    Taken,
    Gone,
}

impl Sessions {
    /// Takes up the sessions that an earlier server left.
    pub fn new(directory: Arc<DirectoryContent>, options: WriteOptions) -> Result<Sessions, ContentError> {
        let mut known = HashMap::new();
        let mut bytes = 0;
        for upload in directory.with(transload_layout_store::Store::uploads)? {
            let age = upload.modified.elapsed().unwrap_or_default();
            let touched = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
            bytes += upload.size;
            let session = Session::new(upload.id.clone(), Slot::OnDisk, upload.size, touched);
            known.insert(upload.id, session);
        }
        Ok(Sessions {
            directory,
            options,
            known: Mutex::new(known),
            bytes: AtomicU64::new(bytes),
        })
    }

    /// Begins a session.
    pub fn begin(&self) -> Result<Taken<'_>, Problem> {
        if lock(&self.known).len() >= self.options.uploads {
            self.expire();
        }
        if lock(&self.known).len() >= self.options.uploads {
            let message = format!(
                "{} uploads are unfinished, which is the most",
                self.options.uploads
            );
            return Err(Problem::new(Code::TooManyRequests, message).with_header("Retry-After", "60"));
        }
        let upload = self
            .directory
            .write(transload_layout_store::Store::begin_upload)?;
        let session = Session::new(upload.id().clone(), Slot::Taken, 0, Instant::now());
        lock(&self.known).insert(upload.id().clone(), Arc::clone(&session));
        Ok(Taken {
            sessions: self,
            session,
            upload: Some(upload),
        })
    }

    /// Takes a session for one request.
    pub fn take(&self, id: &str) -> Result<Taken<'_>, Problem> {
        let session = self.find(id)?;
        let deadline = Instant::now() + PATIENCE;
        let mut state = lock(&session.state);
        loop {
            match std::mem::replace(&mut state.slot, Slot::Taken) {
                Slot::Open(upload) => {
                    drop(state);
                    return Ok(self.taken(session, *upload));
                }
                Slot::OnDisk => {
                    drop(state);
                    return self.reopen(session);
                }
                Slot::Gone => {
                    state.slot = Slot::Gone;
                    return Err(unknown());
                }
                Slot::Taken => {
                    let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                        let message = "another request writes this upload";
                        return Err(Problem::new(Code::BlobUploadInvalid, message).with_status(409));
                    };
                    state = wait_for(&session.changed, state, left);
                }
            }
        }
    }

    /// Returns how many bytes a session has, whoever writes it.
    pub fn position(&self, id: &str) -> Result<u64, Problem> {
        Ok(lock(&self.find(id)?.state).position)
    }

    /// Removes the sessions whose last bytes came too long ago. Returns how long to wait before the next look, if there is to be one.
    pub fn expire(&self) -> Option<Duration> {
        let (mut expired, mut next) = (Vec::new(), None::<Duration>);
        for session in lock(&self.known).values() {
            let state = lock(&session.state);
            let left = self.options.expiry.saturating_sub(state.touched.elapsed());
            if !left.is_zero() {
                next = Some(next.map_or(left, |next| next.min(left)));
            } else if matches!(state.slot, Slot::Open(_) | Slot::OnDisk) {
                expired.push(session.id.clone());
            }
        }
        for id in expired {
            log::info!("the upload {id} expired: no request continued it");
            if let Err(problem) = self.take(id.as_str()).and_then(Taken::cancel) {
                log::warn!("the upload {id} couldn't be removed: {problem:?}");
            }
        }
        next
    }

    fn find(&self, id: &str) -> Result<Arc<Session>, Problem> {
        let id: UploadId = id.parse().map_err(|_| unknown())?;
        lock(&self.known).get(&id).cloned().ok_or_else(unknown)
    }

    /// Opens what an earlier server left.
    fn reopen(&self, session: Arc<Session>) -> Result<Taken<'_>, Problem> {
        match self.directory.write(|store| store.resume_upload(&session.id)) {
            Ok(Some(upload)) => {
                let (old, new) = (lock(&session.state).position, upload.position());
                self.bytes.fetch_add(new, Ordering::Relaxed);
                self.bytes.fetch_sub(old, Ordering::Relaxed);
                Ok(self.taken(session, upload))
            }
            Ok(None) => {
                self.forget(&session);
                Err(unknown())
            }
            Err(error) => {
                session.put(Slot::OnDisk);
                Err(error.into())
            }
        }
    }

    fn taken(&self, session: Arc<Session>, upload: Upload) -> Taken<'_> {
        Taken {
            sessions: self,
            session,
            upload: Some(upload),
        }
    }

    fn forget(&self, session: &Session) {
        let position = lock(&session.state).position;
        self.bytes.fetch_sub(position, Ordering::Relaxed);
        session.put(Slot::Gone);
        lock(&self.known).remove(&session.id);
    }
}

impl Session {
    fn new(id: UploadId, slot: Slot, position: u64, touched: Instant) -> Arc<Session> {
        Arc::new(Session {
            id,
            state: Mutex::new(State {
                slot,
                position,
                touched,
            }),
            changed: Condvar::new(),
        })
    }

    fn put(&self, slot: Slot) {
        lock(&self.state).slot = slot;
        self.changed.notify_all();
    }
}

/// A session that one request has. Dropped, it is there for the next.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    sessions: &'a Sessions,
    session: Arc<Session>,
    upload: Option<Upload>,
}

impl Taken<'_> {
    /// What it is called.
    pub fn id(&self) -> &UploadId {
        &self.session.id
    }

    /// How many bytes are there.
    pub fn position(&self) -> u64 {
        self.upload.as_ref().map_or(0, Upload::position)
    }

    /// Takes the next bytes, and keeps others from removing images for a while.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let sessions = self.sessions;
        let length = bytes.len() as u64;
        let before = sessions.bytes.fetch_add(length, Ordering::Relaxed);
        let refused = || sessions.bytes.fetch_sub(length, Ordering::Relaxed);
        if before.saturating_add(length) > sessions.options.upload_bytes {
            refused();
            let message = "unfinished uploads have as many bytes as they may";
            return Err(Problem::new(Code::TooManyRequests, message).with_header("Retry-After", "60"));
        }
        let upload = self.upload.as_mut().ok_or_else(unknown)?;
        if let Err(error) = sessions.directory.write(|_| upload.write(bytes)) {
            refused();
            return Err(error.into());
        }
        let mut state = lock(&self.session.state);
        state.position = upload.position();
        state.touched = Instant::now();
        Ok(())
    }

    /// Gives the bytes their name, if they have this digest. The session is over in any case.
    pub fn commit(mut self, digest: &Digest) -> Result<Descriptor, Problem> {
        let upload = self.upload.take().ok_or_else(unknown)?;
        let committed = self.sessions.directory.write(|_| upload.commit(digest));
        committed.map_err(|error| match error {
            ContentError::Store(error) if error.is_wrong_content() => {
                Problem::new(Code::DigestInvalid, error.to_string())
            }
            // Somebody pruned the directory after nothing had come for a while.
            ContentError::Store(StoreError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                unknown()
            }
            other => other.into(),
        })
    }

    /// Removes it.
    pub fn cancel(mut self) -> Result<(), Problem> {
        let upload = self.upload.take().ok_or_else(unknown)?;
        Ok(self.sessions.directory.write(|_| upload.cancel())?)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        match self.upload.take() {
            Some(upload) => self.session.put(Slot::Open(Box::new(upload))),
            None => self.sessions.forget(&self.session),
        }
    }
}

fn unknown() -> Problem {
    Problem::new(
        Code::BlobUploadUnknown,
        "there is no such upload: begin a new one",
    )
}
