//! Looking for rot: whether files hold what their names say.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use transload_reference::{Descriptor, Digest, Verifier};

use crate::blob::CHUNK;
use crate::folders::{self, Kind, kind};
use crate::{Error, Store, part};

/// What became of a look at a blob.
#[derive(Debug)]
pub enum Verdict {
    /// It is there, byte for byte.
    Whole,
    /// It isn't.
    Flawed(Flaw),
    /// The look was ended before that could be told.
    Stopped,
}

/// What is wrong with a blob or manifest. Displayed, it goes on after the thing's name: `is missing`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// There is no such file.
    #[error("is missing")]
    Missing,
    /// The file has another size.
    #[error("has {found} bytes where {expected} are expected")]
    WrongSize {
        /// The bytes that it should have.
        expected: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// The file has the size, but other bytes.
    #[error("holds other bytes than its name says")]
    Corrupt,
    /// The file can't be read, or is no file.
    #[error("can't be read: {}", .0.reason())]
    Unreadable(#[source] Error),
    /// A tag map of which a part, or all, makes no sense.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// A tag's file that holds another manifest than the one that `layout` lets the tag stand for.
    #[error("holds another manifest than `layout` says, and old readers take the file's")]
    Disagrees,
}

/// A file among the blobs, finished or partial.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobFile {
    /// Where it is.
    pub path: PathBuf,
    /// The digest that its name is; none for what isn't the format's.
    pub digest: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
}

impl Store {
    /// Reads a blob to its end. `watch` is told how many bytes were read since it was last told, and ends the reading by `false`.
    pub fn verify_blob(&self, blob: &Descriptor, watch: impl FnMut(u64) -> bool) -> Verdict {
        let mut asked_for = Some(blob);
        let mut verdict = Verdict::Stopped;
        self.verify_blobs(|_| asked_for.take(), watch, |_, found, _| verdict = found);
        verdict
    }

    /// Reads blobs to their ends, two at a time: hashed together, they take less time than one after the other.
    ///
    /// `next` gives a blob to read. It is told whether another one is being read already, and asked again while there is one, each time some bytes of
    /// that were read. `watch` is told how many bytes were read since it was last told, and ends all reading by `false`. `done` is
    /// told what became of each blob, and how many bytes of it were read.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use transload_layout_store::{Store, Verdict};
    /// use transload_reference::{Descriptor, Digest, MediaType};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let store = Store::create(folder.path())?;
    /// let blobs = [b"one", b"two"].map(|bytes| Descriptor::new(MediaType::new("layer"), Digest::of(bytes), 3));
    /// let (mut waiting, mut missing) = (blobs.iter(), 0);
    /// store.verify_blobs(
    ///     |_| waiting.next(),
    ///     |_| true,
    ///     |_, verdict, _| missing += usize::from(matches!(verdict, Verdict::Flawed(_))),
    /// );
    /// assert_eq!(missing, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify_blobs<'b>(
        &self,
        mut next: impl FnMut(bool) -> Option<&'b Descriptor>,
        mut watch: impl FnMut(u64) -> bool,
        mut done: impl FnMut(&'b Descriptor, Verdict, u64),
    ) {
        let mut readings = Vec::with_capacity(2);
        loop {
            while readings.len() < 2
                && let Some(blob) = next(!readings.is_empty())
            {
                match Reading::of(self, blob) {
                    Ok(reading) => readings.push(reading),
                    Err(flaw) => done(blob, Verdict::Flawed(flaw), 0),
                }
            }
            if readings.is_empty() {
                return;
            }
            let mut at = 0;
            while let Some(reading) = readings.get_mut(at) {
                match reading.read() {
                    Ok(true) => at += 1,
                    ended => {
                        let reading = readings.swap_remove(at);
                        let (blob, count) = (reading.blob, reading.verifier.seen());
                        done(blob, reading.verdict(ended), count);
                    }
                }
            }
            if !watch(hash(&mut readings)) {
                for reading in readings {
                    done(reading.blob, Verdict::Stopped, reading.verifier.seen());
                }
                return;
            }
        }
    }

    /// Everything in the folder of blobs, sorted by path.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn blob_files(&self) -> Result<Vec<BlobFile>, Error> {
        files_in(self.root(), &self.root().join(folders::BLOBS))
    }

    /// What interrupted transfers and repairs left, sorted by path. Some may be of those that run now.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn partial_files(&self) -> Result<Vec<BlobFile>, Error> {
        let mut files = files_in(self.root(), &folders::partials(self.root()))?;
        for file in &mut files {
            let name = file.path.file_name().and_then(|name| name.to_str());
            file.digest = name.and_then(part::digest_of_partial);
        }
        files.extend(files_in(self.root(), &folders::set_aside(self.root()))?);
        files.retain(|file| file.digest.is_some());
        Ok(files)
    }
}

/// A blob that is being read.
struct Reading<'b> {
    blob: &'b Descriptor,
    path: PathBuf,
    file: File,
    verifier: Verifier,
    chunk: Vec<u8>,
    /// How many bytes of the chunk were read and aren't hashed yet.
    count: usize,
    /// There are more bytes than there were when it was begun.
    has_grown: bool,
}

impl<'b> Reading<'b> {
    /// Opens a blob that has the right size.
    fn of(store: &Store, blob: &'b Descriptor) -> Result<Reading<'b>, Flaw> {
        let opened = store.open_blob(&blob.digest).map_err(Flaw::Unreadable)?;
        let file = opened.ok_or(Flaw::Missing)?;
        let path = store.blob_path(&blob.digest);
        let found = file.metadata().map_err(|error| unreadable(error, &path))?.len();
        if found != blob.size {
            return Err(Flaw::WrongSize {
                expected: blob.size,
                found,
            });
        }
        Ok(Reading {
            blob,
            path,
            file,
            verifier: Verifier::of(blob),
            chunk: vec![0; CHUNK],
            count: 0,
            has_grown: false,
        })
    }

    /// Reads the next chunk; false at the end.
    fn read(&mut self) -> Result<bool, Flaw> {
        if self.has_grown {
            return Err(Flaw::Corrupt);
        }
        loop {
            match self.file.read(&mut self.chunk) {
                Ok(count) => {
                    self.count = count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error, &self.path)),
            }
        }
    }

    fn verdict(self, ended: Result<bool, Flaw>) -> Verdict {
        match ended.and_then(|_| self.verifier.finish().map_err(|_| Flaw::Corrupt)) {
            Ok(()) => Verdict::Whole,
            Err(flaw) => Verdict::Flawed(flaw),
        }
    }
}

/// Hashes what was read; how many bytes that were.
fn hash(readings: &mut [Reading<'_>]) -> u64 {
    match readings {
        [] => {}
        [one, other, ..] => {
            let (bytes, others) = (&one.chunk[..one.count], &other.chunk[..other.count]);
            let verdicts = one.verifier.update_both(bytes, &mut other.verifier, others);
            (one.has_grown, other.has_grown) = (verdicts.0.is_err(), verdicts.1.is_err());
        }
        [one] => one.has_grown = one.verifier.update(&one.chunk[..one.count]).is_err(),
    }
    readings.iter().map(|reading| reading.count as u64).sum()
}

fn unreadable(error: io::Error, path: &Path) -> Flaw {
    Flaw::Unreadable(Error::io("reading", path)(error))
}

fn files_in(root: &Path, folder: &Path) -> Result<Vec<BlobFile>, Error> {
    if kind(folder)? == Kind::Nothing {
        return Ok(Vec::new());
    }
    check_plain(root, folder)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let entry = entry.map_err(Error::io("reading", folder))?;
        let path = entry.path();
        let size = match kind(&path)? {
            Kind::File(size) => size,
            // It was renamed or removed since.
            Kind::Nothing => continue,
            Kind::Folder | Kind::Other => 0,
        };
        let digest = entry.file_name().to_str().and_then(|name| name.parse().ok());
        files.push(BlobFile { path, digest, size });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// What a symbolic link leads to isn't the store's, to be listed or removed.
pub(crate) fn check_plain(root: &Path, folder: &Path) -> Result<(), Error> {
    if folders::is_plain(root, folder)? {
        Ok(())
    } else {
        Err(Error::damaged(folder, "it is no folder of the store's own"))
    }
}
