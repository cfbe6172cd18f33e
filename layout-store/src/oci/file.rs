//! Reading and changing `index.json`, and what else makes a folder an OCI layout.

use std::io;
use std::sync::Arc;

use transload_reference::{MAX_IMAGE_LIST_SIZE, ManifestError};

use super::contents::Contents;
use super::index::Index;
use super::{INDEX, MARK, MARK_TEXT, Oci, json};
use crate::file_cache::read_once_whole;
use crate::folders::{Kind, kind, read_up_to, state_of};
use crate::{Error, durable};

/// How often a change is begun anew where another program writes at the same time.
const MOST_TRIES: u32 = 20;

impl Oci {
    /// Makes the folder an OCI layout.
    pub(super) fn mark(&self) -> Result<(), Error> {
        let root = self.directory.root();
        let mark = root.join(MARK);
        if kind(&mark)? == Kind::Nothing {
            self.directory.replace(&mark, MARK_TEXT.as_bytes(), &MARK)?;
            durable::sync(root)?;
        }
        Ok(())
    }

    pub(super) fn has_blobs(&self) -> Result<bool, Error> {
        for (folder, _) in self.directory.blob_names.folders(self.directory.root()) {
            if kind(&folder)? == Kind::Folder {
                let mut entries = folder.read_dir().map_err(Error::io("reading", &folder))?;
                if entries.next().is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    pub(super) fn empty(&self) -> Result<Contents, Error> {
        let index = Index::new().map_err(|error| json(&self.path(), error))?;
        Ok(Contents::new(index, &self.names))
    }

    pub(super) fn contents(&self) -> Result<Arc<Contents>, Error> {
        self.contents.read(&self.path(), || self.read())
    }

    /// Reads `index.json`, which other programs rewrite in place. An empty folder has none.
    fn read(&self) -> Result<Contents, Error> {
        let path = self.path();
        let is_marked = kind(&self.directory.root().join(MARK))? != Kind::Nothing;
        if kind(&path)? == Kind::Nothing && !is_marked {
            return self.empty();
        }
        let index = read_once_whole(&path, || match read_up_to(&path, MAX_IMAGE_LIST_SIZE) {
            Ok(Some(bytes)) => Index::parse(&bytes, &path),
            Ok(None) if kind(&path)? == Kind::Folder => Err(Error::damaged(&path, "it is a folder")),
            Ok(None) => Err(Error::damaged(&path, "it is missing")),
            Err(Error::Manifest {
                source: ManifestError::TooLarge { size },
                ..
            }) => {
                let reason = format!("it has {size} bytes; at most {MAX_IMAGE_LIST_SIZE} are read");
                Err(Error::damaged(&path, reason))
            }
            Err(error) => Err(error),
        })?;
        Ok(Contents::new(index, &self.names))
    }

    /// Changes `index.json`, as it is now, by a function that returns whether it changed anything. The result is durable.
    pub(super) fn change(&self, change: impl Fn(&mut Contents) -> Result<bool, Error>) -> Result<(), Error> {
        let path = self.path();
        let _lock = self.directory.lock_tags()?;
        for _ in 0..MOST_TRIES {
            let before = state_of(&path);
            let mut contents = self.read()?;
            if !change(&mut contents)? {
                return Ok(());
            }
            let bytes = contents.to_bytes(&path)?;
            // Other programs know nothing of the lock.
            if state_of(&path) != before {
                continue;
            }
            self.mark()?;
            self.directory.replace(&path, &bytes, &INDEX)?;
            durable::sync(self.directory.root())?;
            self.contents.wrote(&path, contents);
            return Ok(());
        }
        Err(Error::io("writing", &path)(io::ErrorKind::ResourceBusy.into()))
    }
}
