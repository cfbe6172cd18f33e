//! Errors of requests.

use std::fmt;
use std::io;

use transload_reference::{
    Algorithm, Identifier, ManifestError, Registry, Repository, VerifyError, printable,
};

use crate::hint;
use crate::network::Network;
use crate::operation::{Operation, Place};
use crate::origin::Purpose;
use crate::reason::{self, Extent, Reason, project_of};
use crate::refusal::Refusal;
use crate::throttle::Began;

/// The longest message to show, in characters.
const LONGEST_MESSAGE: usize = 1000;

/// A failed request. Its text names the repository, the operation, the cause and the URL. [`Error::hint`] says what to do; `{:#}` appends
/// it as a second line.
///
/// It holds no secret: URLs are shown without user names and query values.
pub struct Error(Box<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub place: Place,
    pub url: Option<String>,
    /// The URL's host.
    pub host: Option<Registry>,
    /// Whether the request was a POST, PUT or PATCH.
    pub is_write: bool,
    /// When the failed request began.
    pub began: Option<Began>,
    pub attempts: u32,
    /// Whether no further try is due: the tries are used up, or the host was given up.
    pub is_final: bool,
    /// Whether the host had never answered: it may not exist.
    pub is_unknown_host: bool,
    /// The purpose of the URL, if it isn't the registry's own.
    pub named_for: Option<Purpose>,
    /// A cause that the kind doesn't tell.
    pub cause: Option<Cause>,
    pub kind: ErrorKind,
}

/// A cause that has a hint of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The registry sends us from HTTPS to plain HTTP.
    LeavesHttps,
    /// A token is larger than a request can carry.
    TokenTooLarge,
    /// The manifest's digest isn't SHA-256, which is all that the registry may know.
    OtherAlgorithm,
}

/// The kind of an [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The registry, or something in front of it, refused the request.
    Status(Refusal),
    /// No answer came.
    Network {
        /// The kind of failure.
        network: Network,
        /// The cause, without secrets.
        message: String,
    },
    /// The token server refused to give a token.
    Token(Refusal),
    /// An answer that breaks the protocol, such as an upload without a Location.
    Protocol(String),
    /// A blob's size, in bytes, isn't its descriptor's.
    Size {
        /// The descriptor's size.
        expected: u64,
        /// The registry's size.
        got: u64,
    },
    /// An unusable manifest, or another than the requested one.
    Manifest(ManifestError),
    /// A blob whose bytes don't match its descriptor.
    Content(VerifyError),
    /// Unusable settings, certificates or credential files.
    Config(String),
    /// The bytes to push couldn't be read.
    Source(io::Error),
    /// Cancelled by the client's flag.
    Cancelled,
}

impl Error {
    pub(crate) fn new(place: &Place, kind: ErrorKind) -> Error {
        Error(Box::new(Inner {
            place: place.clone(),
            url: None,
            host: None,
            is_write: false,
            began: None,
            attempts: 1,
            is_final: false,
            is_unknown_host: false,
            named_for: None,
            cause: None,
            kind,
        }))
    }

    pub(crate) fn config(message: impl Into<String>) -> Error {
        let place = Place::nowhere(Operation::PrepareClient);
        Error::new(&place, ErrorKind::Config(message.into()))
    }

    pub(crate) fn at(mut self, url: &crate::url::Url) -> Error {
        self.0.url = Some(url.to_string());
        self.0.host = Some(url.host().clone());
        self
    }

    /// Sets whether the request writes.
    pub(crate) fn writing(mut self, is_write: bool) -> Error {
        self.0.is_write = is_write;
        self
    }

    /// Sets when the request began.
    pub(crate) fn of_request(mut self, began: Began) -> Error {
        self.0.began = Some(began);
        self
    }

    /// Sets the purpose for which the registry named another origin.
    pub(crate) fn named_for(mut self, purpose: Option<Purpose>) -> Error {
        self.0.named_for = purpose;
        self
    }

    /// Sets the cause.
    pub(crate) fn because(mut self, cause: impl Into<Option<Cause>>) -> Error {
        self.0.cause = cause.into();
        self
    }

    /// Returns a copy, for another request that fails for the same reason. Causes that can't be cloned become text.
    pub(crate) fn copy(&self) -> Error {
        let kind = match &self.0.kind {
            ErrorKind::Status(refusal) => ErrorKind::Status(refusal.clone()),
            ErrorKind::Token(refusal) => ErrorKind::Token(refusal.clone()),
            ErrorKind::Network { network, message } => ErrorKind::Network {
                network: *network,
                message: message.clone(),
            },
            ErrorKind::Config(message) => ErrorKind::Config(message.clone()),
            ErrorKind::Cancelled => ErrorKind::Cancelled,
            other => ErrorKind::Protocol(other.to_string()),
        };
        Error(Box::new(Inner {
            place: self.0.place.clone(),
            url: self.0.url.clone(),
            host: self.0.host.clone(),
            kind,
            ..*self.0
        }))
    }

    /// Returns a copy that is about the registry, whichever repository met it first.
    fn of_everybody(&self, operation: Operation) -> Error {
        let mut error = self.copy();
        error.0.place.operation = operation;
        error.0.place.repository = None;
        error
    }

    /// Returns a copy for all requests with the refused credentials.
    pub(crate) fn of_login(&self, blame: &str) -> Error {
        self.of_everybody(Operation::LogInRefused(blame.to_owned()))
            .after(1)
    }

    /// Marks a token server's refusal as lack of a right, since the credentials were accepted before.
    pub(crate) fn of_known_user(mut self) -> Error {
        if let ErrorKind::Token(refusal) = &mut self.0.kind
            && matches!(refusal.status, 401 | 403)
        {
            refusal.lacks_right = true;
        }
        self
    }

    /// Returns a copy for all requests to a host that is given up.
    pub(crate) fn of_host(&self) -> Error {
        let (host, registry) = (&self.0.host, &self.0.place.registry);
        let operation = Operation::GivenUp {
            host: host.clone().filter(|_| host != registry),
            is_write: self.0.is_write,
        };
        self.of_everybody(operation).after(1).into_final()
    }

    /// Returns a copy for another request that waited for this one's result.
    pub(crate) fn of_place(&self, place: &Place) -> Error {
        let mut error = self.copy();
        // A refused password and a host that was given up concern every request.
        if !error.0.is_final && !error.refuses_credentials() {
            error.0.place = place.clone();
        }
        error
    }

    /// Whether the credentials are wrong, rather than their user lacking a right.
    pub(crate) fn refuses_credentials(&self) -> bool {
        let is_about_right = self
            .refusal()
            .is_some_and(|refusal| reason::lacks_right(refusal) || reason::lacks_project(refusal));
        let is_tokens = matches!(self.0.kind, ErrorKind::Token(_));
        match self.status() {
            Some(401) => !is_about_right,
            Some(403) => is_tokens && !is_about_right && self.code() != Some("DENIED"),
            // RFC 6749, section 5.2.
            Some(400) => is_tokens && self.code() == Some("invalid_grant"),
            _ => false,
        }
    }

    /// Returns why the registry refused, if its answer tells.
    pub fn reason(&self) -> Option<Reason> {
        reason::of(self)
    }

    /// Returns what else the registry refuses for the same reason; `None` if it refused one image alone.
    pub fn extent(&self) -> Option<Extent> {
        reason::extent(self)
    }

    /// Returns a copy for every image that the refusal ends: it names the project or the registry, not the image that met it first.
    pub fn of_extent(&self, extent: Extent) -> Error {
        let project = self.repository().and_then(|repository| {
            let project = project_of(repository)?;
            Repository::new(repository.registry().clone(), project).ok()
        });
        let mut error = self.of_everybody(Operation::Push).after(1);
        if extent == Extent::Project {
            error.0.place.repository = project;
        }
        error
    }

    /// Whether images were being written.
    pub(crate) fn is_push(&self) -> bool {
        self.0.place.operation.is_push()
    }

    /// Drops the repository: the error is about the registry.
    pub(crate) fn of_registry(mut self) -> Error {
        self.0.place.repository = None;
        self
    }

    /// Marks the host as one that has never answered.
    pub(crate) fn of_unknown_host(mut self) -> Error {
        self.0.is_unknown_host = true;
        self
    }

    /// Blames a failure to connect on the proxy that the connection goes through.
    pub(crate) fn through(mut self, proxy: &str) -> Error {
        use Network::{ConnectTimeout, Dns, NoSuchHost, Proxy, ProxyLogin, Refused, Unreachable};
        if let ErrorKind::Network { network, message } = &mut self.0.kind
            && matches!(
                network,
                Proxy | ProxyLogin | NoSuchHost | Dns | Refused | Unreachable | ConnectTimeout
            )
        {
            if *network != ProxyLogin {
                *network = Proxy;
            }
            *message = format!("the proxy {proxy}: {message}");
        }
        self
    }

    pub(crate) fn after(mut self, attempts: u32) -> Error {
        self.0.attempts = attempts;
        self
    }

    /// Marks the error as final: no further try is due.
    pub(crate) fn into_final(mut self) -> Error {
        self.0.is_final = true;
        self
    }

    /// Whether no further try is due.
    pub(crate) fn is_final(&self) -> bool {
        self.0.is_final
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Returns the kind of failure.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns what was being done, as in "reading the manifest 3.19".
    pub fn operation(&self) -> String {
        self.0.place.operation.to_string()
    }

    /// Returns the cause alone, without the repository, the operation and the URL: the same for all requests that fail alike.
    pub fn brief(&self) -> String {
        let place = &self.0.place;
        match (&place.operation, &place.registry) {
            (Operation::LogInRefused(blame), _) => blame.clone(),
            (_, Some(registry)) => format!("{registry}: {}", self.0.kind),
            (operation, None) => format!("{operation}: {}", self.0.kind),
        }
    }

    /// Returns the registry, if the error is about one.
    pub fn registry(&self) -> Option<&Registry> {
        self.0.place.registry.as_ref()
    }

    /// Returns the repository, if the error is about one.
    pub fn repository(&self) -> Option<&Repository> {
        self.0.place.repository.as_ref()
    }

    /// Returns the URL that failed, without user name and query values.
    pub fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }

    /// Returns the answer's HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// Returns the registry's error code, such as `MANIFEST_UNKNOWN`
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes)).
    pub fn code(&self) -> Option<&str> {
        self.refusal()?.code.as_deref()
    }

    /// Returns the registry's message.
    pub fn message(&self) -> Option<&str> {
        self.refusal()?.message.as_deref()
    }

    /// Returns the number of tries.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match &self.0.kind {
            ErrorKind::Status(refusal) | ErrorKind::Token(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the registry doesn't have it (404).
    pub fn is_not_found(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Status(refusal) if refusal.status == 404)
    }

    /// Whether the registry refused a manifest because a blob or manifest that it names is missing.
    pub fn is_blob_unknown(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Status(refusal) if refusal.is_blob_unknown())
            && matches!(self.0.place.operation, Operation::WriteManifest(_))
    }

    /// Whether the registry refused a manifest for its digest, which is right and of a kind that every registry knows: docker-registry does that
    /// while it writes a file that it reads, as after a request that was cut.
    pub(crate) fn is_of_right_digest(&self) -> bool {
        let is_known = match &self.0.place.operation {
            Operation::WriteManifest(Identifier::Digest(digest)) => digest.algorithm() == Algorithm::Sha256,
            Operation::WriteManifest(Identifier::Tag(_)) => true,
            _ => false,
        };
        is_known && matches!(&self.0.kind, ErrorKind::Status(refusal) if refusal.is_digest_invalid())
    }

    /// Whether the user may not do it (401 or 403, from the registry or its token server).
    pub fn is_denied(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// Whether the request was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Cancelled)
    }

    /// Whether a later try may succeed. The client has used up its own tries.
    pub fn is_retryable(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Status(refusal) | ErrorKind::Token(refusal) => refusal.is_retryable(),
            // A name that was looked up in vain, twice, needs another spelling or another DNS server.
            ErrorKind::Network { network, .. } if self.0.is_final && self.0.is_unknown_host => {
                network.is_retryable() && *network != Network::NoSuchHost
            }
            ErrorKind::Network { network, .. } => network.is_retryable(),
            ErrorKind::Manifest(error) => error.is_retryable(),
            ErrorKind::Content(error) => error.is_retryable(),
            ErrorKind::Source(error) => match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
                Some(error) => error.is_retryable(),
                None => matches!(
                    error.kind(),
                    io::ErrorKind::TimedOut | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
                ),
            },
            ErrorKind::Cancelled => true,
            ErrorKind::Protocol(_) | ErrorKind::Size { .. } | ErrorKind::Config(_) => false,
        }
    }

    /// Whether it counts as a passing failure of the host, rather than of this machine.
    pub(crate) fn is_of_host(&self) -> bool {
        matches!(&self.0.kind, ErrorKind::Network { network, .. }
            if network.is_retryable() && *network != Network::NoFiles)
    }

    /// Returns what to do about it, if something can be done.
    pub fn hint(&self) -> Option<String> {
        hint::of(self)
    }

    pub(crate) fn into_io(self) -> io::Error {
        let kind = match &self.0.kind {
            ErrorKind::Network {
                network: Network::Stalled | Network::ConnectTimeout,
                ..
            } => io::ErrorKind::TimedOut,
            ErrorKind::Size { .. } => io::ErrorKind::InvalidData,
            ErrorKind::Status(refusal) if refusal.status == 404 => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.0.place;
        match (&place.repository, &place.registry) {
            (Some(repository), _) => write!(f, "{repository}: ")?,
            (None, Some(registry)) => write!(f, "{registry}: ")?,
            (None, None) => {}
        }
        write!(f, "{}: {}", place.operation, self.0.kind)?;
        if let Some(url) = &self.0.url {
            write!(f, " ({url})")?;
        }
        if self.0.attempts > 1 {
            write!(f, ", tried {} times", self.0.attempts)?;
        }
        match self.hint() {
            Some(hint) if f.alternate() => write!(f, "\nhint: {hint}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Status(refusal) => write!(f, "the registry answered {refusal}"),
            ErrorKind::Token(refusal) => write!(f, "the token server answered {refusal}"),
            // These may quote a server.
            ErrorKind::Network { message, .. } | ErrorKind::Protocol(message) => {
                f.write_str(&printable(message, LONGEST_MESSAGE))
            }
            ErrorKind::Config(message) => f.write_str(message),
            ErrorKind::Size { expected, got } => {
                write!(f, "the registry has {got} bytes where {expected} are expected")
            }
            ErrorKind::Manifest(error) => error.fmt(f),
            ErrorKind::Content(error) => error.fmt(f),
            ErrorKind::Source(error) => write!(f, "the bytes to push can't be read: {error}"),
            ErrorKind::Cancelled => f.write_str("interrupted"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// For your own readers and openers: a client recognizes its error in the `io::Error` that it gets back.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        error.into_io()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Manifest(error) => Some(error),
            ErrorKind::Content(error) => Some(error),
            ErrorKind::Source(error) => Some(error),
            _ => None,
        }
    }
}
