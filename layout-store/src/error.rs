//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use transload_reference::{ManifestError, VerifyError, printable};

use crate::kubekey::LAYOUT;
use crate::oci::INDEX;

/// How many characters of what is wrong with a file are shown: parsers quote what they don't expect, however long it is.
const LONGEST_REASON: usize = 300;

/// A path for people: names in a store from elsewhere may hold what a terminal would obey.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), usize::MAX).into_owned()
}

/// What went wrong, with the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The filesystem refused.
    #[error("{operation} {}: {source}", shown(path))]
    Io {
        /// What was tried, such as "writing".
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The folder isn't a store.
    #[error("{} isn't an image directory: {looks_like}", shown(path))]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// What it looks like instead.
        looks_like: &'static str,
    },
    /// A file of the store that isn't what it should be.
    #[error("{} is damaged: {reason}", shown(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In what way.
        reason: String,
    },
    /// A manifest that can't be used.
    #[error("{}: {source}", shown(path))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: ManifestError,
    },
    /// Bytes that aren't those that were announced.
    #[error("the bytes that came aren't the blob's: {source}")]
    WrongContent {
        /// In what way.
        #[source]
        source: VerifyError,
    },
    /// A wait for somebody else's lock, or a removal, was stopped.
    #[error("stopped at {}", shown(path))]
    Stopped {
        /// What was waited for, or worked at.
        path: PathBuf,
    },
    /// A tag map that would be larger than one that is read back.
    #[error(
        "{} would have {size} bytes for {tags} tags, more than are read back",
        shown(path)
    )]
    TooManyTags {
        /// The file.
        path: PathBuf,
        /// How many tags it would have.
        tags: usize,
        /// Its size in bytes.
        size: u64,
    },
    /// The filesystem allows no colon in file names.
    #[error("{}: its filesystem{} allows no colon in file names, which an image directory needs", shown(path), in_brackets(filesystem.as_deref()))]
    NoColons {
        /// The directory.
        path: PathBuf,
        /// What the kernel calls the filesystem, where that is known.
        filesystem: Option<String>,
    },
    /// A name whose place in the folder is taken by something else.
    #[error("{name} has no place in the directory: {} is {taken_by}", shown(path))]
    Collision {
        /// The name.
        name: String,
        /// Its place.
        path: PathBuf,
        /// What is there.
        taken_by: &'static str,
    },
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io {
            operation,
            path,
            source,
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
        Error::Damaged {
            path: path.to_owned(),
            reason: printable(&reason.into(), LONGEST_REASON).into_owned(),
        }
    }

    /// What is wrong, without the path.
    pub fn reason(&self) -> String {
        match self {
            Error::Io { source, .. } => source.to_string(),
            Error::Damaged { reason, .. } => reason.clone(),
            Error::Manifest { source, .. } => source.to_string(),
            other => other.to_string(),
        }
    }

    /// What to do about it, where that can be told.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Error::Io { source, .. } => return io_hint(source).map(str::to_owned),
            Error::NotAStore { .. } => {
                "an image directory has a folder blobs and folders <registry>/<repository>/manifests, or is an OCI image layout; a new one is made where there is no folder, or an empty one"
            }
            Error::Manifest {
                source: ManifestError::Schema1 { .. },
                ..
            } => {
                "pull and push the image with a current docker, podman or skopeo, then pull it into the directory again"
            }
            Error::Damaged { path, .. } if path.ends_with(LAYOUT) => {
                "keep this file: it may be the only record of the tags. `transload verify DIR --repair` rebuilds it from the files of its tags, if \
                 there are any, and keeps the old one as layout~"
            }
            Error::Damaged { path, .. } if path.ends_with(INDEX) => {
                "keep this file: it is the only list of the images. Correct it, or copy the directory from its source again"
            }
            Error::Damaged { .. } | Error::Manifest { .. } => {
                "move that file away and pull its image into the directory again"
            }
            Error::WrongContent { .. } => {
                "the source may be damaged, or something on the way changes the bytes"
            }
            Error::Stopped { .. } => return None,
            Error::NoColons { .. } => {
                "choose a directory on ext4, xfs or btrfs (not exFAT, FAT or NTFS), or write an OCI image layout (oci:DIR), which any filesystem takes"
            }
            Error::TooManyTags { .. } => "put some of the repository's tags into another directory",
            Error::Collision { .. } => "put this image into a directory of its own",
        };
        Some(text.to_owned())
    }

    /// Whether the same call may succeed later without anyone changing something.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::WrongContent { source } => source.is_retryable(),
            Error::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::StaleNetworkFileHandle
            ),
            _ => false,
        }
    }

    /// Whether it was stopped by the flag of its [`OpenOptions`](crate::OpenOptions).
    pub fn is_stopped(&self) -> bool {
        matches!(self, Error::Stopped { .. })
    }

    /// Whether it is the bytes that came that are wrong, and not the store.
    pub fn is_wrong_content(&self) -> bool {
        matches!(self, Error::WrongContent { .. })
    }
}

/// A filesystem's name as it stands in a message.
fn in_brackets(filesystem: Option<&str>) -> String {
    filesystem.map_or_else(String::new, |name| {
        format!(" ({})", printable(name, LONGEST_REASON))
    })
}

fn io_hint(error: &io::Error) -> Option<&'static str> {
    if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
        return Some(
            "the disk or its connection fails: look into the system's log (dmesg), and use another disk",
        );
    }
    Some(match error.kind() {
        io::ErrorKind::NotFound => {
            "check the path: if it was there at the beginning, it was removed or unmounted since"
        }
        io::ErrorKind::PermissionDenied => {
            "this user has no permission there: check owner and permissions (ls -ld), or choose another directory"
        }
        io::ErrorKind::StorageFull => {
            "the disk is full: make room and run the same command again; it continues where it stopped"
        }
        io::ErrorKind::QuotaExceeded => {
            "the quota is used up: make room and run the same command again; it continues where it stopped"
        }
        io::ErrorKind::ReadOnlyFilesystem => "the filesystem is mounted read-only",
        io::ErrorKind::FileTooLarge => {
            "files can't be that large here: raise the limit (ulimit -f shows it), or choose a filesystem that takes larger files"
        }
        _ => return None,
    })
}
