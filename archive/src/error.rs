//! What can go wrong with an archive.

use std::io;
use std::path::{Path, PathBuf};

use transload_reference::{Digest, ManifestError, Reference, VerifyError, printable};

/// How many characters of a reason are shown: it may quote the archive.
pub(crate) const LONGEST_REASON: usize = 300;

/// How many characters of an entry's name are shown.
pub(crate) const LONGEST_NAME: usize = 120;

/// How many missing blobs a message names.
const MOST_NAMED: usize = 3;

/// What went wrong, with the archive's path.
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
    /// The file is no archive of images.
    #[error("{} isn't an archive of images: it is {found}", shown(path))]
    NotAnArchive {
        /// The file.
        path: PathBuf,
        /// What it is instead, such as "a zip file".
        found: String,
    },
    /// An archive as a whole that isn't what it should be.
    #[error("{} can't be used: {reason}", shown(path))]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// In what way.
        reason: String,
    },
    /// An entry that isn't what it should be, or that no archive of images has.
    #[error("{} can't be used: its entry \"{entry}\" {reason}", shown(path))]
    Entry {
        /// The archive.
        path: PathBuf,
        /// The entry's name, fit for a terminal.
        entry: String,
        /// In what way.
        reason: String,
    },
    /// A compressed archive that unpacks to far more than its size, or to more than is allowed.
    #[error(
        "{} can't be used: it unpacks to more than {unpacked} bytes, of which {packed} packed bytes were read",
        shown(path)
    )]
    TooLarge {
        /// The archive.
        path: PathBuf,
        /// How many bytes were unpacked.
        unpacked: u64,
        /// How many bytes those were before.
        packed: u64,
    },
    /// A manifest that can't be used.
    #[error("{}: {entry}: {source}", shown(path))]
    Manifest {
        /// The archive.
        path: PathBuf,
        /// The entry's name.
        entry: String,
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
    /// A blob's bytes couldn't be read where they come from.
    #[error("reading blob {digest}: {source}")]
    Source {
        /// The blob.
        digest: Digest,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A blob couldn't be written where it was taken to as it passed.
    #[error("{source}")]
    Taker {
        /// Why not.
        source: io::Error,
    },
    /// Two images of one plan have the same name.
    #[error("{reference} is planned twice")]
    Twice {
        /// The name.
        reference: Box<Reference>,
    },
    /// The manifests of a plan say different sizes of one blob.
    #[error("{digest} has {first} bytes by one manifest and {second} by another")]
    SizesDiffer {
        /// The blob.
        digest: Digest,
        /// A size in bytes.
        first: u64,
        /// Another one.
        second: u64,
    },
    /// The images of a plan are too many for one `index.json`.
    #[error("the archive's {entry} would have {size} bytes: write the images into several archives")]
    PlanTooLarge {
        /// The entry.
        entry: &'static str,
        /// Its size in bytes.
        size: u64,
    },
    /// A blob that the plan hasn't got.
    #[error("{digest} with {size} bytes isn't part of the archive")]
    NotPlanned {
        /// The blob.
        digest: Digest,
        /// The size that was announced, in bytes.
        size: u64,
    },
    /// Somebody else writes the same archive.
    #[error("{} is being written by another process", shown(path))]
    Locked {
        /// The partial file.
        path: PathBuf,
    },
    /// Blobs that nobody brought.
    #[error("{} isn't whole: {} missing", shown(path), named(missing))]
    Incomplete {
        /// The archive.
        path: PathBuf,
        /// What it lacks.
        missing: Vec<Digest>,
    },
    /// The command for a bundle's volume failed.
    #[error("the command for {volume} ended with {status}")]
    VolumeCommand {
        /// The volume's name.
        volume: String,
        /// How the command ended.
        status: String,
    },
    /// The work was stopped by the flag of its [`OpenOptions`](crate::OpenOptions).
    #[error("stopped at {}", shown(path))]
    Stopped {
        /// The archive.
        path: PathBuf,
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

    pub(crate) fn entry(path: &Path, entry: &str, reason: impl Into<String>) -> Error {
        Error::Entry {
            path: path.to_owned(),
            entry: printable(entry, LONGEST_NAME).into_owned(),
            reason: printable(&reason.into(), LONGEST_REASON).into_owned(),
        }
    }

    /// Returns what to do about it, where that can be told.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Error::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => "the disk is full: make room, or choose another folder",
                io::ErrorKind::QuotaExceeded => "the quota is used up: make room, or choose another folder",
                io::ErrorKind::NotFound => "check the path",
                io::ErrorKind::PermissionDenied => "check owner and permissions (ls -l)",
                io::ErrorKind::ReadOnlyFilesystem => "the filesystem is mounted read-only",
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                    "compare the file with its checksum, and fetch or save it again"
                }
                io::ErrorKind::FileTooLarge => {
                    "files can't be that large here (FAT ends at 4 GiB): choose another filesystem, or raise the limit (ulimit -f shows it)"
                }
                _ => return None,
            },
            Error::NotAnArchive { .. } => {
                "an archive of images is a tar, plain or with gzip or zstd, as `docker save`, `podman save`, `ctr images export` and `skopeo copy` write it"
            }
            Error::Damaged { .. } | Error::Entry { .. } | Error::Manifest { .. } => {
                "compare the file with its checksum, and fetch or save it again"
            }
            Error::TooLarge { .. } => {
                "unpack it by hand and give the plain tar, if it comes from somebody you trust"
            }
            Error::WrongContent { .. } => {
                "the source may be damaged, or something on the way changes the bytes"
            }
            Error::Locked { .. } => "wait until it ends, or write to another file",
            Error::VolumeCommand { .. } => "run the same command again: it continues with this volume",
            Error::Incomplete { .. } => "run it again: it continues where it stopped",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Whether the same call may succeed later without anyone changing something.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::WrongContent { source } => source.is_retryable(),
            Error::Io { source, .. } | Error::Source { source, .. } => matches!(
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

    /// Whether it is the bytes that came that are wrong, and not the archive.
    pub fn is_wrong_content(&self) -> bool {
        matches!(self, Error::WrongContent { .. })
    }
}

/// A path as a terminal may show it.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), usize::MAX).into_owned()
}

fn named(missing: &[Digest]) -> String {
    let mut names: Vec<&str> = missing.iter().take(MOST_NAMED).map(Digest::as_str).collect();
    let more = missing.len().saturating_sub(MOST_NAMED);
    let rest = format!("and {more} more");
    if more > 0 {
        names.push(&rest);
    }
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}
