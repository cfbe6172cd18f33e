//! An answer with a status that means failure.

use std::fmt;
use std::time::Duration;

/// A status that means failure, with what the answer's body said.
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
    /// The pulls of this period are used up (Docker Hub): the length of the period, if it was told.
    pub quota: Option<Quota>,
    /// The request was sent with a user's credentials, or with a token that was given for them.
    pub was_authorized: bool,
    /// The answer came from where the registry had sent us: a storage, say, whose signed address may have run out.
    pub is_elsewhere: bool,
    /// The token server gave a token that doesn't allow what was asked.
    pub lacks_right: bool,
    /// The request was sent as a robot account of Harbor's.
    pub by_robot: bool,
}

/// A pull quota that is used up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// How many pulls the period allows, if it was told.
    pub limit: Option<u64>,
    /// The period, if it was told.
    pub window: Option<Duration>,
}

impl Refusal {
    /// Whether it says that something isn't there that a manifest names.
    pub(crate) fn is_blob_unknown(&self) -> bool {
        let code = self.code.as_deref();
        matches!(self.status, 400..500)
            && matches!(
                code,
                Some("MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN" | "MANIFEST_UNKNOWN")
            )
    }

    /// Whether the same request may be answered otherwise later.
    pub fn is_retryable(&self) -> bool {
        // The registry signs a new address for the next try.
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
