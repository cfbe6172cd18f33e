//! Errors in the protocol's form ([distribution specification, "Error Codes"]).
//!
//! [distribution specification, "Error Codes"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes

use std::io;

use serde_json::json;

use transload_layout_store::Error as StoreError;
use transload_reference::printable;

use crate::content::ContentError;
use crate::http::{Payload, Response};

/// How many characters of a message are sent.
const LONGEST: usize = 1000;

/// The protocol's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    TagInvalid,
    TooManyRequests,
    Unsupported,
    Unavailable,
    Unknown,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Code::BlobUnknown => "BLOB_UNKNOWN",
            Code::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Code::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Code::DigestInvalid => "DIGEST_INVALID",
            Code::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Code::ManifestInvalid => "MANIFEST_INVALID",
            Code::ManifestUnknown => "MANIFEST_UNKNOWN",
            Code::NameInvalid => "NAME_INVALID",
            Code::NameUnknown => "NAME_UNKNOWN",
            Code::SizeInvalid => "SIZE_INVALID",
            Code::TagInvalid => "TAG_INVALID",
            Code::TooManyRequests => "TOOMANYREQUESTS",
            Code::Unsupported => "UNSUPPORTED",
            Code::Unavailable => "UNAVAILABLE",
            Code::Unknown => "UNKNOWN",
        }
    }

    fn status(self) -> u16 {
        match self {
            Code::BlobUploadInvalid
            | Code::DigestInvalid
            | Code::ManifestInvalid
            | Code::NameInvalid
            | Code::TagInvalid => 400,
            Code::BlobUnknown
            | Code::BlobUploadUnknown
            | Code::ManifestBlobUnknown
            | Code::ManifestUnknown
            | Code::NameUnknown => 404,
            Code::Unsupported => 405,
            Code::SizeInvalid => 413,
            Code::TooManyRequests => 429,
            Code::Unknown => 500,
            Code::Unavailable => 503,
        }
    }
}

/// A request that isn't answered as it wished.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    status: u16,
    message: String,
    headers: Vec<(&'static str, String)>,
}

impl Problem {
    /// A problem with the status that its code has.
    pub fn new(code: Code, message: impl Into<String>) -> Problem {
        Problem {
            code,
            status: code.status(),
            message: message.into(),
            headers: Vec::new(),
        }
    }

    /// Nothing is at this path.
    pub fn not_found() -> Problem {
        Problem::new(Code::Unknown, "there is nothing at this path").with_status(404)
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Problem {
        self.status = status;
        self
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Problem {
        self.headers.push((name, value.into()));
        self
    }

    /// Whether it has this code.
    pub fn is(&self, code: Code) -> bool {
        self.code == code
    }

    /// The status.
    #[cfg(test)]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let message = printable(&self.message, LONGEST);
        let errors = json!({"errors": [{"code": self.code.as_str(), "message": message}]});
        let mut headers = self.headers;
        headers.push(("Content-Type", "application/json".to_owned()));
        Response {
            status: self.status,
            headers,
            body: Payload::Bytes(errors.to_string().into_bytes()),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// A client is told what concerns it; paths on this machine are for the log.
impl From<ContentError> for Problem {
    fn from(error: ContentError) -> Problem {
        match &error {
            ContentError::Busy(_) => {
                log::info!("{error}");
                let message = "images are being removed from the directory: try again in a moment";
                return Problem::new(Code::Unavailable, message).with_header("Retry-After", "2");
            }
            ContentError::InUse(_) => {
                log::info!("{error}");
                let message = "other programs use the directory, so that nothing can be deleted now: try again in a moment";
                return Problem::new(Code::Unavailable, message).with_header("Retry-After", "10");
            }
            ContentError::Store(StoreError::Io { source, .. }) if is_full(source) => {
                log::error!("{error}");
                let message = "the server's disk is full";
                return Problem::new(Code::Unavailable, message).with_status(507);
            }
            ContentError::Store(StoreError::Collision { .. } | StoreError::TooManyTags { .. }) => {
                log::warn!("{error}");
                let message = "the name has no place in the directory: its server's log tells why";
                return Problem::new(Code::NameInvalid, message);
            }
            _ => log::error!("{error}"),
        }
        let message = match error {
            ContentError::Store(error) => error.reason(),
            _ => "the archive can't be read".to_owned(),
        };
        Problem::new(
            Code::Unknown,
            format!("the server can't read or write its images: {message}"),
        )
    }
}
