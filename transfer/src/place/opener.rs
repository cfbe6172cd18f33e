//! Opening places on disks.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use transload_archive::{Archive, Error};
use transload_layout_store::{self as layout_store, Format, Store};
use transload_reference::Reference;

use super::{LocalPlace, Straight};
use crate::lock::lock;

/// Opens what is on disks. What is read stays open to the end of the run: nobody removes from a directory what was listed, and an archive
/// isn't gone through again.
#[derive(Debug, Clone)]
pub(crate) struct Opener {
    cancel: Arc<AtomicBool>,
    archives: Arc<Mutex<HashMap<PathBuf, Opened>>>,
    directories: Arc<Mutex<HashMap<Directory, Arc<Store>>>>,
    straight: Arc<Mutex<Option<Straight>>>,
}

/// A directory's path, and how it is opened.
type Directory = (PathBuf, Option<Format>, Option<Reference>);

/// An archive, with the state of its file when it was opened; none of standard input.
type Opened = (Option<State>, Arc<Archive>);

/// What tells a file from the one that was at its path before: device, inode, size, and time of its last change in seconds and
/// nanoseconds. Its bytes are hashed in any case.
type State = (u64, u64, u64, i64, i64);

impl Opener {
    /// Waits, and what takes long, end once `cancel` is set.
    pub fn new(cancel: &Arc<AtomicBool>) -> Opener {
        Opener {
            cancel: Arc::clone(cancel),
            archives: Arc::default(),
            directories: Arc::default(),
            straight: Arc::default(),
        }
    }

    /// Sets where the large blobs of a pipe go as they come.
    pub fn send_straight(&self, straight: Straight) {
        *lock(&self.straight) = Some(straight);
    }

    /// Whether the work is to end.
    pub fn is_stopped(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// How a directory, of this format or of any, is opened.
    pub fn directories(&self, place: &LocalPlace, format: Option<Format>) -> layout_store::OpenOptions {
        let options = layout_store::OpenOptions::default().cancel_flag(Arc::clone(&self.cancel));
        let options = format
            .into_iter()
            .fold(options, layout_store::OpenOptions::format);
        let name = place.name().cloned();
        name.into_iter().fold(options, layout_store::OpenOptions::name)
    }

    /// Opens a directory, of this format or of any, to read from it. It is opened once, and held to the end of the run.
    pub fn directory(
        &self,
        place: &LocalPlace,
        format: Option<Format>,
    ) -> Result<Arc<Store>, layout_store::Error> {
        let key = (place.path().to_owned(), format, place.name().cloned());
        let mut directories = lock(&self.directories);
        if let Some(store) = directories.get(&key) {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(self.directories(place, format).open(place.path())?);
        directories.insert(key, Arc::clone(&store));
        Ok(store)
    }

    /// Opens an archive, or the one that standard input gives where the path is `-`.
    pub fn archive(&self, path: &Path) -> Result<Arc<Archive>, Error> {
        let state = fs::metadata(path).ok().map(|file| {
            (
                file.dev(),
                file.ino(),
                file.size(),
                file.mtime(),
                file.mtime_nsec(),
            )
        });
        let mut archives = lock(&self.archives);
        if let Some((known, archive)) = archives.get(path)
            && *known == state
        {
            return Ok(Arc::clone(archive));
        }
        let options = transload_archive::OpenOptions::default().cancel_flag(Arc::clone(&self.cancel));
        let archive = Arc::new(match path == Path::new(super::archive::PIPE) {
            true => {
                let mut straight = lock(&self.straight);
                let pipe = std::io::stdin().lock();
                match &mut *straight {
                    Some(straight) => options.from_reader_with(pipe, straight)?,
                    None => options.from_reader(pipe)?,
                }
            }
            false => options.open(path)?,
        });
        archives.insert(path.to_owned(), (state, Arc::clone(&archive)));
        Ok(archive)
    }

    /// How bundles are written.
    pub fn bundles(&self) -> transload_archive::bundle::BundleOptions {
        transload_archive::bundle::BundleOptions::default().cancel_flag(Arc::clone(&self.cancel))
    }

    /// How archives are written.
    pub fn archives(&self) -> transload_archive::CreateOptions {
        transload_archive::CreateOptions::default().cancel_flag(Arc::clone(&self.cancel))
    }
}
