//! Blobs: reading and writing.

use std::error;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_reference::{Descriptor, Digest, Verifier};

use crate::caution::Cautions;
use crate::durable::Names;
use crate::folders::{self, Kind, kind};
use crate::lease::Share;
use crate::{Error, Store, Verdict, colons, durable, lease};

/// How many bytes of a partial blob are hashed at a time.
pub(crate) const CHUNK: usize = 256 * 1024;

impl Store {
    /// Returns whether the blob is there: a file of the right size. Its bytes were hashed before they got their name, if this crate
    /// wrote them; [`Store::check_blob`] hashes them again.
    ///
    /// # Errors
    /// Where that can't be told, or something else than a file is there.
    pub fn has_blob(&self, blob: &Descriptor) -> Result<bool, Error> {
        let path = self.blob_path(&blob.digest);
        self.check_folder_of(&path)?;
        match kind(&path)? {
            Kind::Nothing => Ok(false),
            Kind::File(size) => {
                // Another process may have given it its name a moment ago.
                self.directory.names.note();
                Ok(size == blob.size)
            }
            Kind::Folder | Kind::Other => Err(Error::damaged(&path, "it isn't a regular file")),
        }
    }

    /// Returns whether the blob is there with the right bytes, which it hashes.
    ///
    /// # Errors
    /// As [`Store::has_blob`], and where the flag of the store's [`OpenOptions`](crate::OpenOptions) is set.
    pub fn check_blob(&self, blob: &Descriptor) -> Result<bool, Error> {
        if !self.has_blob(blob)? {
            return Ok(false);
        }
        match self.verify_blob(blob, |_| self.directory.check_stop().is_ok()) {
            Verdict::Whole => Ok(true),
            Verdict::Flawed(_) => Ok(false),
            Verdict::Stopped => Err(Error::Stopped {
                path: self.blob_path(&blob.digest),
            }),
        }
    }

    /// Opens a blob for reading; none if it isn't there. The bytes aren't verified: a
    /// [`VerifyingReader`](transload_reference::VerifyingReader) does that while they are read.
    ///
    /// ```
    /// use std::io::Read;
    /// use transload_layout_store::Store;
    /// use transload_layout_store::reference::{Descriptor, Verifier, VerifyingReader};
    ///
    /// fn config(store: &Store, config: &Descriptor) -> Result<String, Box<dyn std::error::Error>> {
    ///     let file = store.open_blob(&config.digest)?.ok_or("it isn't there")?;
    ///     let mut text = String::new();
    ///     VerifyingReader::new(file, Verifier::of(config)).read_to_string(&mut text)?;
    ///     Ok(text)
    /// }
    /// ```
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<File>, Error> {
        let path = self.blob_path(digest);
        self.check_folder_of(&path)?;
        match kind(&path)? {
            Kind::Nothing => Ok(None),
            // Opening a pipe would wait for a writer for ever.
            Kind::Folder | Kind::Other => Err(Error::damaged(&path, "it isn't a regular file")),
            Kind::File(_) => File::open(&path).map(Some).map_err(Error::io("opening", &path)),
        }
    }

    /// Refuses a folder of blobs that isn't the store's.
    fn check_folder_of(&self, blob: &Path) -> Result<(), Error> {
        folders::check_plain(self.root(), blob.parent().unwrap_or(blob))
    }

    /// Where a blob is or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.directory.blob_names.blob(self.root(), digest)
    }

    /// Begins to write a blob, or to go on behind what an earlier try left ([`BlobWriter::position`]); none where the blob is there. Where another thread or process writes the same blob, this waits until it ends.
    ///
    /// # Errors
    /// Where the folder can't be written.
    pub fn write_blob(&self, blob: &Descriptor) -> Result<Option<BlobWriter>, Error> {
        if self.has_blob(blob)? {
            return Ok(None);
        }
        let names = self.directory.blob_names;
        let path = names.partial(self.root(), &blob.digest);
        let partials = names.partials(self.root());
        self.directory
            .make_folder(&partials, &"the folder of partial blobs")?;
        self.make_folder_of(blob)?;
        loop {
            let file = self.open_locked(&path)?;
            let metadata = file.metadata().map_err(Error::io("looking at", &path))?;
            let is_named_so = is_at(&metadata, &path);
            if self.has_blob(blob)? {
                // Whoever held the lock was done with it. A partial file that nobody needs is only in the way.
                if is_named_so {
                    folders::remove(&path)?;
                }
                return Ok(None);
            }
            // Whoever held the lock may have given the file its name, or removed it, and it was lost since.
            if !is_named_so {
                continue;
            }
            // A second name may be in somebody's copy of this folder, or outside of it: what it names isn't ours to write to.
            if metadata.nlink() > 1 {
                folders::remove(&path)?;
            } else {
                return BlobWriter::resume(file, metadata.len(), path, blob.clone(), self).map(Some);
            }
        }
    }

    /// How many bytes of a blob are still to be written: none where it is there, fewer than its size where an earlier try left some.
    ///
    /// # Errors
    /// Where the filesystem doesn't tell.
    pub fn bytes_to_write(&self, blob: &Descriptor) -> Result<u64, Error> {
        if self.has_blob(blob)? {
            return Ok(0);
        }
        Ok(
            match kind(&self.directory.blob_names.partial(self.root(), &blob.digest))? {
                Kind::File(kept) => blob
                    .size
                    .saturating_sub(kept.saturating_add(self.part_bytes(blob))),
                _ => blob.size,
            },
        )
    }

    /// Makes the names of all blobs durable that were committed or found by this handle so far. What was written was made
    /// durable before it got its name. To be called before a manifest that names them is written.
    ///
    /// # Errors
    /// Where the filesystem refuses.
    pub fn sync_blobs(&self) -> Result<(), Error> {
        self.directory.sync_blobs()
    }

    /// Makes the folder that a blob goes into.
    pub(crate) fn make_folder_of(&self, blob: &Descriptor) -> Result<(), Error> {
        let folder = self
            .directory
            .blob_names
            .folder(self.root(), blob.digest.algorithm());
        self.directory.make_folder(&folder, &"the folder of blobs")
    }

    fn open_locked(&self, path: &Path) -> Result<File, Error> {
        let file = lease::open(path).map_err(|error| colons::explain(error, path))?;
        self.directory
            .lock(&file, path, Share::Alone, "another process writes this blob")?;
        Ok(file)
    }
}

/// Whether the file is the one that has this name now.
pub(crate) fn is_at(file: &Metadata, path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|named| (named.dev(), named.ino()) == (file.dev(), file.ino()))
}

/// Takes a blob's bytes. Dropped without [`BlobWriter::commit`], it keeps them for the next try.
#[derive(Debug)]
pub struct BlobWriter {
    pub(crate) file: File,
    pub(crate) partial: PathBuf,
    target: PathBuf,
    pub(crate) blob: Descriptor,
    pub(crate) verifier: Verifier,
    pub(crate) position: u64,
    /// The store's, so that a writer needn't borrow the store.
    names: Arc<Names>,
    cautions: Arc<Cautions>,
}

impl BlobWriter {
    /// Goes on with a partial file that holds `kept` bytes.
    fn resume(
        mut file: File,
        kept: u64,
        partial: PathBuf,
        blob: Descriptor,
        store: &Store,
    ) -> Result<Self, Error> {
        let mut verifier = Verifier::of(&blob);
        let offset = if (1..=blob.size).contains(&kept) {
            hash(&mut file, &mut verifier, &partial, |_| {
                store.directory.check_stop().is_ok()
            })?
        } else {
            0
        };
        let target = store.blob_path(&blob.digest);
        let mut writer = BlobWriter {
            file,
            partial,
            target,
            verifier,
            position: offset,
            blob,
            names: Arc::clone(&store.directory.names),
            cautions: Arc::clone(&store.directory.cautions),
        };
        if kept > writer.blob.size {
            writer.restart()?;
        }
        Ok(writer)
    }

    /// How many bytes are there, at first those of an earlier try: the next byte to write is the one at this offset.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Where they are more than announced, or can't be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.verifier
            .update(bytes)
            .map_err(|source| Error::WrongContent { source })?;
        self.file
            .write_all(bytes)
            .map_err(Error::io("writing", &self.partial))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Takes all that a reader gives, through a buffer, and tells how many bytes those were.
    ///
    /// # Errors
    /// The reader's own, as they are; else as [`BlobWriter::write`], within an [`io::Error`] that `downcast` gives back.
    pub fn write_from(&mut self, mut bytes: impl Read) -> io::Result<u64> {
        let mut chunk = vec![0; CHUNK];
        let mut total = 0;
        loop {
            match bytes.read(&mut chunk) {
                Ok(0) => return Ok(total),
                Ok(count) => {
                    self.write(&chunk[..count]).map_err(io::Error::other)?;
                    total += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Forgets all bytes, those of an earlier try too.
    ///
    /// # Errors
    /// Where the filesystem refuses.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.file
            .set_len(0)
            .map_err(Error::io("emptying", &self.partial))?;
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(Error::io("emptying", &self.partial))?;
        self.verifier = Verifier::of(&self.blob);
        self.position = 0;
        self.forget_parts()
    }

    /// Verifies the bytes, makes them durable and gives them their name.
    ///
    /// # Errors
    /// Where they aren't the blob's (then the writer comes back, for a [`BlobWriter::restart`]), or the filesystem refuses.
    pub fn commit(mut self) -> Result<(), CommitError> {
        let verifier = std::mem::replace(&mut self.verifier, Verifier::of(&self.blob));
        if let Err(source) = verifier.finish() {
            return Err(CommitError {
                error: Error::WrongContent { source },
                writer: Some(Box::new(self)),
            });
        }
        self.publish()
            .map_err(|error| CommitError { error, writer: None })
    }

    fn publish(&self) -> Result<(), Error> {
        folders::open_to_readers(&self.file).map_err(Error::io("opening to readers", &self.partial))?;
        if let Err(error) = durable::flush(&self.file, &self.cautions) {
            // The system may have given up these bytes, and would call them durable the next time all the same.
            let _ = self.file.set_len(0);
            return Err(Error::io("making durable", &self.partial)(error));
        }
        fs::rename(&self.partial, &self.target).map_err(Error::io("naming", &self.target))?;
        self.names.note();
        // There are none, but for those of a try that another one overtook.
        self.forget_parts()
    }
}

/// Why a blob got no name. It becomes an [`Error`] where the writer isn't of interest.
#[derive(Debug)]
#[non_exhaustive]
pub struct CommitError {
    /// What went wrong.
    pub error: Error,
    /// The writer, where the bytes weren't the blob's: [`BlobWriter::restart`] begins anew.
    pub writer: Option<Box<BlobWriter>>,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl error::Error for CommitError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.error.source()
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Error {
        error.error
    }
}

/// Hashes a file's bytes up to its end, and returns how many there were. `watch` is told how many were read since it was last told,
/// and stops it by `false`.
pub(crate) fn hash(
    file: &mut File,
    verifier: &mut Verifier,
    path: &Path,
    mut watch: impl FnMut(u64) -> bool,
) -> Result<u64, Error> {
    read_all(file, path, |bytes| {
        verifier
            .update(bytes)
            .map_err(|source| Error::WrongContent { source })?;
        if !watch(bytes.len() as u64) {
            return Err(Error::Stopped {
                path: path.to_owned(),
            });
        }
        Ok(())
    })
}

/// Reads a file up to its end, and returns how many bytes there were.
pub(crate) fn read_all(
    file: &mut File,
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                take(&chunk[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("reading", path)(error)),
        }
    }
}
