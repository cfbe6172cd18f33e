//! An answer with a status that means failure.

use std::fmt;
use std::time::Duration;

/// A status that means failure, with the code and message of the answer's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The registry's error code, such as `MANIFEST_UNKNOWN`.
    pub code: Option<String>,
    /// The registry's message.
    pub message: Option<String>,
    /// Whether the body was a web page, as proxies and login forms send them.
    pub is_html: bool,
    /// The proxy that a web page came through, and the variable that names it.
    pub proxy: Option<String>,
    /// How long the registry asked to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// The pull quota, if it is used up (Docker Hub).
    pub quota: Option<Quota>,
    /// Whether the request was sent with credentials, or a token for them.
    pub was_authorized: bool,
    /// Whether the answer came from another origin that the registry named, such as a storage with signed URLs that expire.
    pub is_elsewhere: bool,
    /// Whether the token server gave a token without the requested access.
    pub lacks_right: bool,
    /// Whether the request was sent as a robot account of Harbor.
    pub by_robot: bool,
}

/// A pull quota that is used up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// The pulls that a period allows, if the registry tells.
    pub limit: Option<u64>,
    /// The period, if the registry tells.
    pub window: Option<Duration>,
}

impl Refusal {
    /// Whether a blob or manifest that a manifest names is missing.
    pub(crate) fn is_blob_unknown(&self) -> bool {
        let code = self.code.as_deref();
        matches!(self.status, 400..500)
            && matches!(
                code,
                Some("MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN" | "MANIFEST_UNKNOWN")
            )
    }

    /// Whether the registry says that content has another digest.
    pub(crate) fn is_digest_invalid(&self) -> bool {
        self.status == 400 && self.code.as_deref() == Some("DIGEST_INVALID")
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        // The registry signs a new URL for the next try.
        let may_have_run_out = self.is_elsewhere && matches!(self.status, 400 | 401 | 403 | 404 | 410);
        self.quota.is_none() && (is_passing(self.status) || may_have_run_out)
    }
}

/// Whether a status says that the same request may succeed later.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Ok(status) = ureq::http::StatusCode::from_u16(self.status)
            && let Some(reason) = status.canonical_reason()
        {
            write!(f, " {reason}")?;
        }
        if let Some(code) = &self.code {
            write!(f, ": {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if self.is_html {
            f.write_str(": the answer is a web page")?;
        }
        if let Some(proxy) = &self.proxy {
            write!(f, ", through the proxy {proxy}")?;
        }
        Ok(())
    }
}
