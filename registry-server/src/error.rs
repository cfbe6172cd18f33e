//! Errors of a server.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why a server can't start, go on, or read its files again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing can listen at the address.
    #[error("listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file with a certificate, a key or users can't be used.
    #[error("{what} {}: {message}", path.display())]
    File {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause, without secrets.
        message: String,
    },
    /// The system accepts no more connections.
    #[error("accept connections: {0}")]
    Accept(#[source] io::Error),
}

impl Error {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Listen { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => {
                    Some("another program listens there: end it, or use another port")
                }
                io::ErrorKind::AddrNotAvailable => {
                    Some("this machine doesn't have that address: 0.0.0.0 means all of its addresses")
                }
                io::ErrorKind::PermissionDenied => Some("ports below 1024 need root: use a higher one"),
                _ => None,
            },
            Self::File { .. } | Self::Accept(_) => None,
        }
    }

    pub(crate) fn of_file(what: &'static str, path: &Path, message: impl ToString) -> Self {
        Self::File {
            what,
            path: path.to_owned(),
            message: message.to_string(),
        }
    }
}
