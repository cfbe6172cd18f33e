//! What can go wrong with a bundle.

use std::io;
use std::path::{Path, PathBuf};

use transload_reference::printable;

use super::sign::{SIGNATURE, Unsigned};
use crate::Error;
use crate::error::{LONGEST_REASON, shown};

/// What went wrong, with the bundle's path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
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
    /// The folder is no bundle, or one that can't be used.
    #[error("{} can't be used: {reason}", shown(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In what way.
        reason: String,
    },
    /// The bundle is of a version that this program doesn't know.
    #[error(
        "{} is a bundle of version {version}; this transload reads versions 1 and 2",
        shown(path)
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The bundle has no signature.
    #[error("{} isn't signed: it has no {}", shown(path), SIGNATURE)]
    NotSigned {
        /// The folder.
        path: PathBuf,
    },
    /// The bundle's signature doesn't count.
    #[error("{} isn't trusted: {source}", shown(path))]
    Untrusted {
        /// The signature's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Unsigned,
    },
    /// The bundle's list isn't the one that was signed.
    #[error("{} isn't the one that was signed", shown(path))]
    Changed {
        /// The list.
        path: PathBuf,
    },
    /// The bundle can't be signed.
    #[error("signing {}: {source}", shown(path))]
    Unsigned {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Unsigned,
    },
    /// The bundle is damaged, and isn't signed.
    #[error("only a whole bundle is signed: {flaw}")]
    Flawed {
        /// The first thing that is wrong.
        flaw: String,
    },
    /// The bundle lacks something, and can't be served.
    #[error("{} is incomplete, and can't be served", shown(path))]
    Unserved {
        /// The folder.
        path: PathBuf,
    },
    /// Something else is where a bundle is to be written.
    #[error("{} {reason}", shown(path))]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What is there.
        reason: &'static str,
    },
    /// The plan can't be written in volumes of this size.
    #[error("a volume of {limit} bytes has no room for {what}")]
    VolumeTooSmall {
        /// What has no room.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The images can't be in one bundle, or another process writes it.
    #[error(transparent)]
    Archive(#[from] Error),
}

impl BundleError {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BundleError {
        let path = path.to_owned();
        move |source| BundleError::Io {
            operation,
            path,
            source,
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl AsRef<str>) -> BundleError {
        BundleError::Damaged {
            path: path.to_owned(),
            reason: printable(reason.as_ref(), LONGEST_REASON).into_owned(),
        }
    }

    /// Returns what to do about it, where that can be told.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            BundleError::Io { source, .. } | BundleError::Archive(Error::Io { source, .. }) => {
                match source.kind() {
                    io::ErrorKind::StorageFull => {
                        "the disk is full: make room and run the same command again, which continues where it stopped, or carry volumes off \
                         as they are done (--volume-command)"
                    }
                    io::ErrorKind::FileTooLarge => {
                        "this filesystem takes no file of that size: --volume-size fat32 fits FAT32"
                    }
                    io::ErrorKind::NotFound => "check the path",
                    io::ErrorKind::PermissionDenied => "check owner and permissions (ls -l)",
                    io::ErrorKind::ReadOnlyFilesystem => "the filesystem is mounted read-only",
                    _ => return None,
                }
            }
            BundleError::NotSigned { .. } => {
                "sign it where bundles are written: run the same command there with --sign KEY"
            }
            BundleError::Untrusted { source, .. } | BundleError::Unsigned { source, .. } => {
                return source.hint.clone();
            }
            BundleError::Flawed { .. } => {
                "if volumes were carried off, bring them back; otherwise write the bundle again"
            }
            BundleError::Damaged { .. } | BundleError::Changed { .. } => {
                "copy the file again from where the bundle was made"
            }
            BundleError::Version { .. } => "read it with the transload that wrote it, or a newer one",
            BundleError::Occupied { .. } => "remove it, or give another folder: a bundle is never added to",
            BundleError::Unserved { .. } => {
                "--volumes names folders with the missing parts; or import it into a directory that has the rest (`transload \
                 copy --src bundle:DIR --dest ./images`), and serve that"
            }
            BundleError::VolumeTooSmall { .. } => "give a larger --volume-size",
            BundleError::Archive(error) => return error.hint(),
        };
        Some(text.to_owned())
    }

    /// Whether another try may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, BundleError::Archive(error) if error.is_retryable())
    }
}
