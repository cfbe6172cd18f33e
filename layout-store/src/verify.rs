//! Looking for rot: whether files hold what their names say.

use std::fmt::Debug;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use transload_reference::{Descriptor, Digest, Verifier};

use crate::blob::CHUNK;
use crate::folders::{self, Kind, kind};
use crate::{Error, Store, part};

/// What became of a look at a blob.
#[derive(Debug)]
#[non_exhaustive]
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
    #[error("doesn't match the digest in its name")]
    Corrupt,
    /// The file can't be read, or is no file.
    #[error("can't be read: {}", .0.reason())]
    Unreadable(#[source] Error),
    /// A tag map of which a part, or all, makes no sense.
    #[error("is damaged: {0}")]
    Damaged(String),
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
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use transload_layout_store::{Flaw, Store, Verdict};
    /// use transload_reference::{Descriptor, Digest, MediaType};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let store = Store::create(folder.path())?;
    /// let layer = Descriptor::new(MediaType::new("layer"), Digest::of(b"one"), 3);
    /// assert!(matches!(store.verify_blob(&layer, |_| true), Verdict::Flawed(Flaw::Missing)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify_blob(&self, blob: &Descriptor, mut watch: impl FnMut(u64) -> bool) -> Verdict {
        match self.hash_blob(blob, &mut watch) {
            Ok(true) => Verdict::Whole,
            Ok(false) => Verdict::Stopped,
            Err(flaw) => Verdict::Flawed(flaw),
        }
    }

    /// Returns false where `watch` ended the reading.
    fn hash_blob(&self, blob: &Descriptor, watch: &mut dyn FnMut(u64) -> bool) -> Result<bool, Flaw> {
        let path = self.blob_path(&blob.digest);
        let unreadable = |error| Flaw::Unreadable(Error::io("reading", &path)(error));
        let opened = self.open_blob(&blob.digest).map_err(Flaw::Unreadable)?;
        let mut file = opened.ok_or(Flaw::Missing)?;
        let found = file.metadata().map_err(unreadable)?.len();
        if found != blob.size {
            return Err(Flaw::WrongSize {
                expected: blob.size,
                found,
            });
        }
        let mut verifier = Verifier::of(blob);
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => {
                    verifier.update(&chunk[..count]).map_err(|_| Flaw::Corrupt)?;
                    if !watch(count as u64) {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        verifier.finish().map_err(|_| Flaw::Corrupt)?;
        Ok(true)
    }

    /// Everything in the folder of blobs, sorted by path.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn blob_files(&self) -> Result<impl ExactSizeIterator<Item = BlobFile> + Debug + use<>, Error> {
        let mut files = Vec::new();
        for (folder, prefix) in self.directory.blob_names.folders(self.root()) {
            let digest = |name: &str| format!("{prefix}{name}").parse().ok();
            files.extend(files_in(self.root(), &folder, digest)?);
        }
        Ok(files.into_iter())
    }

    /// What interrupted transfers and repairs left, sorted by path. Some may be of those that run now.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn partial_files(&self) -> Result<impl ExactSizeIterator<Item = BlobFile> + Debug + use<>, Error> {
        let names = self.directory.blob_names;
        let mut files = files_in(self.root(), &names.partials(self.root()), |name| {
            part::digest_of_partial(name, names)
        })?;
        let aside = folders::set_aside(self.root());
        files.extend(files_in(self.root(), &aside, |name| names.digest_of_own(name))?);
        files.retain(|file| file.digest.is_some());
        files.extend(self.uploads()?.into_iter().map(|upload| BlobFile {
            path: upload.path,
            digest: None,
            size: upload.size,
        }));
        Ok(files.into_iter())
    }
}

fn files_in(
    root: &Path,
    folder: &Path,
    digest: impl Fn(&str) -> Option<Digest>,
) -> Result<Vec<BlobFile>, Error> {
    if kind(folder)? == Kind::Nothing {
        return Ok(Vec::new());
    }
    folders::check_plain(root, folder)?;
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
        let digest = entry.file_name().to_str().and_then(&digest);
        files.push(BlobFile { path, digest, size });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}
