//! Writing an archive to a file: blobs in any order and from many threads, each at its own place.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use transload_reference::Descriptor;

use crate::plan::{Content, Entry, framed};
use crate::room::{FileSet, Located, Room, Span, State};
use crate::{BlobWriter, Error, Plan};

/// What stands behind the archive's name until it is whole.
pub(crate) const PARTIAL: &str = ".partial";

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
        let partial = with_partial(path);
        let file = open_locked(&partial)?;
        begin(&file, &plan).map_err(Error::io("writing", &partial))?;
        let file = Arc::new(file);
        let blobs = plan.entries().iter().filter_map(located);
        let blobs = blobs.map(|blob| (blob, State::Missing(0))).collect();
        let one = OneFile {
            partial: partial.clone(),
            file: Arc::clone(&file),
        };
        Ok(Writer {
            path: path.to_owned(),
            room: Room::new(Arc::new(one), blobs, Arc::clone(&self.cancel)),
            partial,
            file,
            plan,
        })
    }
}

/// Where a file is until it is whole.
pub(crate) fn with_partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PARTIAL);
    name.into()
}

/// A blob of a plan with its place.
fn located(entry: &Entry) -> Option<Located> {
    let Content::Blob(blob) = &entry.content else {
        return None;
    };
    let span = Span {
        file: 0,
        name: entry.name.clone(),
        start: entry.start(),
        size: blob.size,
    };
    Some(Located {
        blob: Arc::clone(blob),
        spans: vec![span],
    })
}

/// The one file of an archive.
#[derive(Debug)]
struct OneFile {
    partial: PathBuf,
    file: Arc<File>,
}

impl FileSet for OneFile {
    fn path(&self, _: usize) -> PathBuf {
        self.partial.clone()
    }

    fn open(&self, _: usize) -> Result<Option<Arc<File>>, Error> {
        Ok(Some(Arc::clone(&self.file)))
    }
}

/// Writes an archive beside its name, and gives it the name once it is whole. Many threads may write blobs at once.
///
/// Dropped before [`Writer::finish`], it leaves what it has for the next run.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    file: Arc<File>,
    plan: Plan,
    room: Arc<Room>,
}

/// What writing a blob begins with.
#[derive(Debug)]
pub enum BlobWrite {
    /// Nothing: the blob is there.
    Present,
    /// A writer, which may have some of the bytes already.
    Writer(Box<BlobWriter>),
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
        &self.plan
    }

    /// How many bytes the partial file has on its disk: those that an earlier run left need no more room.
    pub fn kept(&self) -> u64 {
        let metadata = self.file.metadata();
        metadata.map_or(0, |file| file.blocks().saturating_mul(512))
    }

    /// Where among the entries a blob is; 0 where the plan has no such blob.
    pub fn turn(&self, blob: &Descriptor) -> usize {
        self.plan.find(blob).unwrap_or_default()
    }

    /// Begins to write a blob of the plan, or to go on behind what an earlier run left ([`BlobWriter::position`]). What is there is
    /// hashed before it counts. Where another writer of the same blob is open, this waits until that is gone.
    ///
    /// Filesystems without holes, such as exFAT, fill what lies before a blob: write blobs in about the order of their [turns](Writer::turn).
    ///
    /// # Errors
    /// Where the plan has no such blob, or the file can't be read.
    pub fn write_blob(&self, blob: &Descriptor) -> Result<BlobWrite, Error> {
        let at = self.plan.find(blob)?;
        match &self.plan.entries()[at].content {
            Content::Known(_) => Ok(BlobWrite::Present),
            Content::Blob(blob) => self.room.write_blob(blob),
        }
    }

    /// Completes the archive: makes it durable and gives it its name.
    ///
    /// # Errors
    /// [`Error::Incomplete`] where blobs are missing, which a next run may bring; else where the filesystem refuses.
    pub fn finish(&self) -> Result<(), Error> {
        let missing = self.room.missing();
        if !missing.is_empty() {
            return Err(Error::Incomplete {
                path: self.path.clone(),
                missing,
            });
        }
        self.complete().map_err(Error::io("writing", &self.partial))?;
        name_whole(&self.file, &self.partial, &self.path)?;
        // It isn't written any more; where there are no locks, nobody waits for this one.
        let _ = self.file.unlock();
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        flush_folder(folder.unwrap_or(Path::new(".")))
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
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "something there isn't a regular file",
    )
}

/// Locks a file, unless another process keeps it locked. A program that is just being started has the files of its parent for a moment, and
/// their locks with them.
fn is_locked_elsewhere(file: &File) -> bool {
    const TRIES: u32 = 20;
    const WAIT: Duration = Duration::from_millis(10);
    for _ in 0..TRIES {
        match file.try_lock() {
            // Without locks, other processes can't be kept away.
            Ok(()) | Err(TryLockError::Error(_)) => return false,
            Err(TryLockError::WouldBlock) => thread::sleep(WAIT),
        }
    }
    true
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
        if is_locked_elsewhere(&file) {
            return Err(Error::Locked {
                path: partial.to_owned(),
            });
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

/// Makes a file durable that is whole, and gives it its name.
pub(crate) fn name_whole(file: &File, partial: &Path, path: &Path) -> Result<(), Error> {
    if let Err(error) = flush(file) {
        // The system may have given up some bytes, and would call them durable the next time all the same.
        let _ = file.set_len(0);
        return Err(Error::io("making durable", partial)(error));
    }
    fs::rename(partial, path).map_err(Error::io("naming", path))
}

/// Makes the names in a folder durable.
pub(crate) fn flush_folder(folder: &Path) -> Result<(), Error> {
    let flushed = File::open(folder).and_then(|folder| flush(&folder));
    flushed.map_err(Error::io("making durable", folder))
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
