//! Writing an archive to a file: blobs in any order and from many threads, each at its own place.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use transload_reference::{Descriptor, Digest};

use crate::plan::{Content, framed};
use crate::{BlobWriter, Error, Plan};

/// What stands behind the archive's name until it is whole.
const PARTIAL: &str = ".partial";

/// How an archive is written.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    cancel: Arc<AtomicBool>,
}

impl CreateOptions {
    /// Sets the flag that ends the hashing of what an earlier run left.
    #[must_use]
    pub fn cancel_flag(mut self, cancel: Arc<AtomicBool>) -> CreateOptions {
        self.cancel = cancel;
        self
    }

    /// See [`Writer::create`].
    ///
    /// # Errors
    /// Where the file can't be written, or somebody else writes it.
    pub fn create(&self, path: impl AsRef<Path>, plan: Plan) -> Result<Writer, Error> {
        let path = path.as_ref();
        check_target(path)?;
        let mut name: OsString = path.as_os_str().to_owned();
        name.push(PARTIAL);
        let partial = PathBuf::from(name);
        let file = open_locked(&partial)?;
        begin(&file, &plan).map_err(Error::io("writing", &partial))?;
        let states = plan.entries().iter().map(|_| State::Missing).collect();
        let room = Room {
            path: path.to_owned(),
            partial,
            file,
            plan,
            states: Mutex::new(states),
            changed: Condvar::new(),
            cancel: Arc::clone(&self.cancel),
        };
        Ok(Writer(Arc::new(room)))
    }
}

/// Writes an archive beside its name, and gives it the name once it is whole. Many threads may write blobs at once.
///
/// Dropped before [`Writer::finish`], it leaves what it has for the next run.
#[derive(Debug)]
pub struct Writer(Arc<Room>);

/// What writing a blob begins with.
#[derive(Debug)]
pub enum BlobWrite {
    /// Nothing: the blob is there.
    Present,
    /// A writer, which may have some of the bytes already.
    Writer(Box<BlobWriter>),
}

/// The archive that is being written.
#[derive(Debug)]
pub(crate) struct Room {
    path: PathBuf,
    pub partial: PathBuf,
    pub file: File,
    pub plan: Plan,
    states: Mutex<Vec<State>>,
    changed: Condvar,
    cancel: Arc<AtomicBool>,
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Missing,
    Busy,
    Present,
}

impl Writer {
    /// Begins to write the archive of a plan, or goes on where an earlier run of the same plan was ended. The file is `<path>.partial`
    /// until it is whole.
    ///
    /// # Errors
    /// Where the file can't be written, or somebody else writes it.
    pub fn create(path: impl AsRef<Path>, plan: Plan) -> Result<Writer, Error> {
        CreateOptions::default().create(path, plan)
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// How many bytes the partial file has on its disk: those that an earlier run left need no more room.
    pub fn kept(&self) -> u64 {
        let metadata = self.0.file.metadata();
        metadata.map_or(0, |file| file.blocks().saturating_mul(512))
    }

    /// Begins to write a blob of the plan, or to go on behind what an earlier run left ([`BlobWriter::position`]). What is there is
    /// hashed before it counts. Where another writer of the same blob is open, this waits until that is gone.
    ///
    /// Filesystems without holes, such as exFAT, fill what lies before a blob: there, write blobs in about the plan's order.
    ///
    /// # Errors
    /// Where the plan has no such blob, or the file can't be read.
    pub fn write_blob(&self, blob: &Descriptor) -> Result<BlobWrite, Error> {
        let at = self.0.plan.find(blob)?;
        if matches!(self.0.plan.entries()[at].content, Content::Known(_)) || !self.0.claim(at) {
            return Ok(BlobWrite::Present);
        }
        // From here on, the writer gives the place back when it is dropped.
        BlobWriter::resume(Arc::clone(&self.0), at, blob.clone())
    }

    /// Completes the archive: makes it durable and gives it its name.
    ///
    /// # Errors
    /// [`Error::Incomplete`] where blobs are missing, which a next run may bring; else where the filesystem refuses.
    pub fn finish(self) -> Result<(), Error> {
        let room = &*self.0;
        let missing = room.missing();
        if !missing.is_empty() {
            return Err(Error::Incomplete {
                path: room.path.clone(),
                missing,
            });
        }
        room.complete().map_err(Error::io("writing", &room.partial))?;
        if let Err(error) = flush(&room.file) {
            // The system may have given up some bytes, and would call them durable the next time all the same.
            let _ = room.file.set_len(0);
            return Err(Error::io("making durable", &room.partial)(error));
        }
        fs::rename(&room.partial, &room.path).map_err(Error::io("naming", &room.path))?;
        let folder = room.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let flushed = File::open(folder).and_then(|folder| flush(&folder));
        flushed.map_err(Error::io("making durable", folder))
    }
}

impl Room {
    /// Claims a blob's place, once nobody else writes there. False where the blob is there.
    fn claim(&self, at: usize) -> bool {
        let mut states = self.lock();
        while states[at] == State::Busy {
            states = self.changed.wait(states).unwrap_or_else(PoisonError::into_inner);
        }
        let is_missing = states[at] == State::Missing;
        if is_missing {
            states[at] = State::Busy;
        }
        is_missing
    }

    /// Gives a claimed place back.
    pub fn settle(&self, at: usize, state: State) {
        self.lock()[at] = state;
        self.changed.notify_all();
    }

    pub fn check_stop(&self) -> Result<(), Error> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::Stopped {
                path: self.partial.clone(),
            });
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self) -> Vec<Digest> {
        let states = self.lock();
        let missing = self
            .plan
            .entries()
            .iter()
            .zip(states.iter())
            .filter_map(|(entry, state)| match &entry.content {
                Content::Blob(blob) if *state != State::Present => Some(blob.digest.clone()),
                _ => None,
            });
        missing.collect()
    }

    /// Writes all that isn't a blob.
    fn complete(&self) -> io::Result<()> {
        for entry in self.plan.entries() {
            if let Content::Known(known) = &entry.content {
                self.file.write_all_at(&framed(entry, known), entry.offset)?;
            }
        }
        let blobs_end = self
            .plan
            .entries()
            .last()
            .map_or(0, |last| last.start() + last.size() + last.padding() as u64);
        let end = vec![0; (self.plan.size() - blobs_end) as usize];
        self.file.write_all_at(&end, blobs_end)?;
        self.file.set_len(self.plan.size())
    }
}

/// Keeps what a run of the same plan left, and nothing else.
fn begin(file: &File, plan: &Plan) -> io::Result<()> {
    let beginning = plan.beginning();
    let mut there = vec![0; beginning.len()];
    match file.read_exact_at(&mut there, 0) {
        Ok(()) if there == beginning => return Ok(()),
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(error),
    }
    file.set_len(0)?;
    file.write_all_at(&beginning, 0)
}

/// Refuses to replace what is no file, such as a device.
fn check_target(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => Err(Error::io("writing", path)(not_a_file())),
        _ => Ok(()),
    }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no file")
}

/// Opens the partial file, alone. Whoever finished it may have given it its name meanwhile: then there is a new one.
pub(crate) fn open_locked(partial: &Path) -> Result<File, Error> {
    loop {
        if fs::symlink_metadata(partial).is_ok_and(|there| !there.is_file()) {
            return Err(Error::io("writing", partial)(not_a_file()));
        }
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(partial);
        let file = file.map_err(Error::io("opening", partial))?;
        match file.try_lock() {
            // Without locks, other processes can't be kept away.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: partial.to_owned(),
                });
            }
        }
        let opened = file.metadata().map_err(Error::io("opening", partial))?;
        let is_named_so = fs::symlink_metadata(partial)
            .is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino()));
        if !is_named_so {
            continue;
        }
        if opened.nlink() == 1 {
            return Ok(file);
        }
        // A second name isn't ours to write to.
        fs::remove_file(partial).map_err(Error::io("removing", partial))?;
    }
}

/// Makes a file or folder durable, where the filesystem can.
pub(crate) fn flush(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}
