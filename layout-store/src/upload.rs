//! Blobs whose digests are known only once all of their bytes are there, as a registry is sent them.
//!
//! Each is a file in `.transload/uploads/`, locked by whoever writes it, and named by a random text.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use transload_reference::{Algorithm, Descriptor, Digest, Hasher, MediaType, VerifyError};

use crate::blob::read_all;
use crate::directory::Directory;
use crate::folders::{self, Kind, OWN, kind};
use crate::lease::{self, Share};
use crate::{Error, Store, durable};

/// How many characters an upload's name has.
const NAME: usize = 32;

/// What an upload is called in its store: letters and digits, never a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(String);

impl UploadId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that is no upload's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it isn't an upload's name")]
pub struct NoUploadId;

impl FromStr for UploadId {
    type Err = NoUploadId;

    fn from_str(text: &str) -> Result<UploadId, NoUploadId> {
        let is_one = text.len() == NAME && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_one.then(|| UploadId(text.to_owned())).ok_or(NoUploadId)
    }
}

/// An upload that a store has on its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredUpload {
    /// What it is called.
    pub id: UploadId,
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// When its last bytes came.
    pub modified: SystemTime,
}

impl Store {
    /// Begins to write a blob of which nothing is known yet.
    ///
    /// # Errors
    /// Where the folder can't be written.
    pub fn begin_upload(&self) -> Result<Upload, Error> {
        let folder = uploads(self.root());
        self.directory.make_folder(&folder, &"the folder of uploads")?;
        let made = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(NAME)
            .tempfile_in(&folder)
            .and_then(|file| Ok(file.keep()?));
        let (file, path) = made.map_err(Error::io("making an upload in", &folder))?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let upload = Upload {
            file,
            path,
            id: UploadId(name),
            position: 0,
            hasher: Some(Hasher::new(Algorithm::Sha256)),
            directory: Arc::clone(&self.directory),
        };
        upload.lock()?;
        Ok(upload)
    }

    /// Goes on with an upload that [`Store::begin_upload`] began, in this process or an earlier one; none where it isn't there.
    ///
    /// # Errors
    /// Where it can't be opened, or somebody else has it open ([`io::ErrorKind::WouldBlock`]).
    pub fn resume_upload(&self, id: &UploadId) -> Result<Option<Upload>, Error> {
        let folder = uploads(self.root());
        let path = folder.join(id.as_str());
        if !folders::is_plain(self.root(), &folder)? || !matches!(kind(&path)?, Kind::File(_)) {
            return Ok(None);
        }
        let opened = File::options().read(true).write(true).open(&path);
        let mut file = opened.map_err(Error::io("opening", &path))?;
        let position = file.seek(SeekFrom::End(0)).map_err(Error::io("reading", &path))?;
        let upload = Upload {
            file,
            path,
            id: id.clone(),
            position,
            hasher: (position == 0).then(|| Hasher::new(Algorithm::Sha256)),
            directory: Arc::clone(&self.directory),
        };
        upload.lock()?;
        Ok(Some(upload))
    }

    /// Returns the uploads that are on the disk, those that are written now among them.
    ///
    /// # Errors
    /// Where their folder can't be read.
    pub fn uploads(&self) -> Result<Vec<StoredUpload>, Error> {
        let folder = uploads(self.root());
        if kind(&folder)? == Kind::Nothing {
            return Ok(Vec::new());
        }
        folders::check_plain(self.root(), &folder)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(Error::io("reading", &folder))? {
            let path = entry.map_err(Error::io("reading", &folder))?.path();
            let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            // One that is gone meanwhile isn't there.
            if let (Some(id), Ok(metadata)) = (id, path.symlink_metadata())
                && metadata.is_file()
            {
                found.push(StoredUpload {
                    id,
                    size: metadata.len(),
                    modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                    path,
                });
            }
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }
}

/// The folder of all uploads.
fn uploads(root: &Path) -> PathBuf {
    root.join(OWN).join("uploads")
}

/// Takes the bytes of a blob whose digest isn't known yet. Dropped, it keeps them for [`Store::resume_upload`].
#[derive(Debug)]
pub struct Upload {
    file: File,
    path: PathBuf,
    id: UploadId,
    position: u64,
    /// Has seen all bytes; none where some came before this handle.
    hasher: Option<Hasher>,
    directory: Arc<Directory>,
}

impl Upload {
    /// What it is called.
    pub fn id(&self) -> &UploadId {
        &self.id
    }

    /// How many bytes are there: the next byte to write is the one at this offset.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Where they can't be written: none of them counts then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Err(error) = self.file.write_all(bytes) {
            // What a full disk took of them would be hashed with what comes next.
            let _ = self.file.set_len(self.position);
            let _ = self.file.seek(SeekFrom::Start(self.position));
            return Err(Error::io("writing", &self.path)(error));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Verifies that the bytes have this digest, makes them durable and gives them their name. Where the blob is there already, it stays.
    /// In either case, and where the bytes are others, the upload is gone.
    ///
    /// # Errors
    /// [`Error::WrongContent`] where they have another digest; else where the filesystem refuses.
    pub fn commit(mut self, digest: &Digest) -> Result<Descriptor, Error> {
        let result = self.verify(digest).and_then(|()| self.publish(digest));
        if result.is_err() {
            folders::remove(&self.path)?;
        }
        result
    }

    /// Removes it with its bytes.
    ///
    /// # Errors
    /// Where the filesystem refuses.
    pub fn cancel(self) -> Result<(), Error> {
        folders::remove(&self.path)
    }

    fn lock(&self) -> Result<(), Error> {
        match lease::try_lock(&self.file, &self.path, Share::Alone, &self.directory.cautions)? {
            true => Ok(()),
            false => Err(Error::io("locking", &self.path)(io::ErrorKind::WouldBlock.into())),
        }
    }

    fn verify(&mut self, digest: &Digest) -> Result<(), Error> {
        let hasher = match self.hasher.take() {
            Some(hasher) if digest.algorithm() == Algorithm::Sha256 => hasher,
            _ => {
                self.file
                    .seek(SeekFrom::Start(0))
                    .map_err(Error::io("reading", &self.path))?;
                let mut hasher = Hasher::new(digest.algorithm());
                read_all(&mut self.file, &self.path, |bytes| {
                    hasher.update(bytes);
                    self.directory.check_stop()
                })?;
                hasher
            }
        };
        let got = hasher.finish();
        if got == *digest {
            return Ok(());
        }
        let expected = digest.clone();
        Err(Error::WrongContent {
            source: VerifyError::Mismatch { expected, got },
        })
    }

    fn publish(&self, digest: &Digest) -> Result<Descriptor, Error> {
        let names = self.directory.blob_names;
        let root = self.directory.root();
        let folder = names.folder(root, digest.algorithm());
        self.directory.make_folder(&folder, &"the folder of blobs")?;
        let target = names.blob(root, digest);
        if kind(&target)? == Kind::File(self.position) {
            folders::remove(&self.path)?;
        } else {
            folders::open_to_readers(&self.file).map_err(Error::io("opening to readers", &self.path))?;
            durable::flush(&self.file, &self.directory.cautions)
                .map_err(Error::io("making durable", &self.path))?;
            fs::rename(&self.path, &target).map_err(Error::io("naming", &target))?;
        }
        self.directory.names.note();
        let media_type = MediaType::new("application/octet-stream");
        Ok(Descriptor::new(media_type, digest.clone(), self.position))
    }
}
