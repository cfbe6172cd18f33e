//! What went wrong, on which side.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use transload_policy::PlatformPattern;
use transload_reference::printable;

use crate::panics::{self, Panicked};

/// How many characters of a fault are shown.
const LONGEST: usize = 4000;

/// The side of a transfer that something happened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where images come from.
    Source,
    /// Where they go.
    Destination,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Side::Source => "source",
            Side::Destination => "destination",
        })
    }
}

/// Why an image, or a part of it, didn't move. Clones share their cause: one lost blob fails every image that needs it.
#[derive(Debug, Clone)]
pub struct Fault {
    side: Option<Side>,
    cause: Arc<dyn Error + Send + Sync>,
    hint: Option<String>,
    retryable: bool,
    interrupted: bool,
    missing: Arc<[PlatformPattern]>,
}

impl Fault {
    /// An error of a registry.
    pub(crate) fn registry(side: Side, error: transload_registry_client::Error) -> Fault {
        Fault {
            side: Some(side),
            hint: error.hint(),
            retryable: error.is_retryable(),
            interrupted: error.is_cancelled(),
            cause: Arc::new(error),
            missing: Arc::default(),
        }
    }

    /// An error of a store.
    pub(crate) fn store(side: Side, error: transload_layout_store::Error) -> Fault {
        Fault {
            side: Some(side),
            hint: error.hint(),
            retryable: error.is_retryable(),
            interrupted: error.is_stopped(),
            cause: Arc::new(error),
            missing: Arc::default(),
        }
    }

    /// An error of a directory that is looked at, and that nothing comes from or goes to.
    pub fn of_directory(error: transload_layout_store::Error) -> Fault {
        Fault {
            side: None,
            ..Fault::store(Side::Source, error)
        }
    }

    /// An error of an archive, or of the destination that its blobs went to as they came.
    pub(crate) fn archive(side: Side, error: transload_archive::Error) -> Fault {
        if let transload_archive::Error::Taker { source } = &error
            && let Some(fault) = source.get_ref().and_then(|fault| fault.downcast_ref::<Fault>())
        {
            return fault.clone();
        }
        Fault {
            side: Some(side),
            hint: error.hint(),
            retryable: error.is_retryable(),
            interrupted: error.is_stopped(),
            cause: Arc::new(error),
            missing: Arc::default(),
        }
    }

    /// An error of a bundle.
    pub(crate) fn bundle(side: Side, error: transload_archive::bundle::BundleError) -> Fault {
        use transload_archive::bundle::BundleError;
        Fault {
            side: Some(side),
            hint: error.hint(),
            retryable: error.is_retryable(),
            interrupted: matches!(&error, BundleError::Archive(error) if error.is_stopped()),
            cause: Arc::new(error),
            missing: Arc::default(),
        }
    }

    /// Content or a request that no further try makes better.
    pub fn refused(side: Option<Side>, message: impl Into<String>) -> Fault {
        Fault {
            side,
            cause: Arc::new(Message(message.into())),
            hint: None,
            retryable: false,
            interrupted: false,
            missing: Arc::default(),
        }
    }

    /// An error with a cause of its own.
    pub(crate) fn caused(side: Side, error: impl Error + Send + Sync + 'static, retryable: bool) -> Fault {
        Fault {
            side: Some(side),
            cause: Arc::new(error),
            hint: None,
            retryable,
            interrupted: false,
            missing: Arc::default(),
        }
    }

    /// A bug of this program.
    pub(crate) fn internal(panicked: Panicked) -> Fault {
        Fault {
            side: None,
            cause: Arc::new(panicked),
            hint: Some(panics::HINT.to_owned()),
            retryable: false,
            interrupted: false,
            missing: Arc::default(),
        }
    }

    /// Does a piece of an image's work; a panic in it is a fault of the image.
    pub(crate) fn isolate<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        panics::caught(work).unwrap_or_else(|panicked| Err(Fault::internal(panicked)))
    }

    /// The user's wish to stop.
    pub(crate) fn interrupted() -> Fault {
        Fault {
            side: None,
            cause: Arc::new(Message("interrupted".to_owned())),
            hint: None,
            retryable: true,
            interrupted: true,
            missing: Arc::default(),
        }
    }

    /// Returns the fault with what to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the fault with what to do about it, where that is known.
    pub fn maybe_hint(self, hint: Option<impl Into<String>>) -> Fault {
        match hint {
            Some(hint) => self.with_hint(hint),
            None => self,
        }
    }

    /// Returns the fault as one of this side.
    pub(crate) fn on(self, side: Side) -> Fault {
        Fault {
            side: Some(side),
            ..self
        }
    }

    /// The image lacks these platforms.
    pub(crate) fn lacking(mut self, missing: &[PlatformPattern]) -> Fault {
        self.missing = missing.into();
        self
    }

    /// The platforms that were asked for and that the image lacks, where that is what is wrong.
    pub fn missing_platforms(&self) -> &[PlatformPattern] {
        &self.missing
    }

    /// The side that it happened on, where there is one.
    pub fn side(&self) -> Option<Side> {
        self.side
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether another try may go better.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// Whether a registry refused a manifest because it lacks a blob or manifest that it names.
    pub(crate) fn is_for_lack_of_parts(&self) -> bool {
        let error = self.cause.downcast_ref::<transload_registry_client::Error>();
        error.is_some_and(transload_registry_client::Error::is_blob_unknown)
    }

    /// Whether a directory's or an archive's own files are damaged, so that what it holds isn't known.
    pub fn is_damage(&self) -> bool {
        use transload_layout_store::Error;
        let error = self.cause.downcast_ref::<Error>();
        error.is_some_and(|error| matches!(error, Error::Damaged { .. } | Error::Manifest { .. }))
    }

    /// Whether the user stopped it.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }
}

impl fmt::Display for Fault {
    /// The side, then the text. Whatever registries and files had to say in it, it is one line that a terminal can show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(side) = self.side {
            write!(f, "{side}: ")?;
        }
        f.write_str(&self.text())
    }
}

impl Error for Fault {}

impl Fault {
    /// What went wrong, without the side: the cause and its own causes, each said once.
    pub fn text(&self) -> String {
        let mut said = self.cause.to_string();
        let mut next = self.cause.source();
        while let Some(error) = next {
            let text = error.to_string();
            if !said.contains(&text) {
                said.push_str(": ");
                said.push_str(&text);
            }
            next = error.source();
        }
        printable(&said, LONGEST).into_owned()
    }

    /// What went wrong, without what only this image has to do with it, such as its repository, the operation and the URL: the same for
    /// images that fail alike, as far as the error tells.
    pub fn brief(&self) -> String {
        match self.cause.downcast_ref::<transload_registry_client::Error>() {
            Some(error) => printable(&error.brief(), LONGEST).into_owned(),
            None => self.text(),
        }
    }

    /// What was being done, and at which URL, where a registry failed.
    pub fn request(&self) -> Option<String> {
        let error = self.cause.downcast_ref::<transload_registry_client::Error>()?;
        let url = error.url()?;
        let operation = error.operation();
        // What follows a colon is a part of the cause.
        let operation = operation.split(": ").next().unwrap_or_default();
        Some(printable(&format!("{operation} ({url})"), LONGEST).into_owned())
    }

    /// The error, then its cause, then the cause's cause, each as it says it of itself.
    pub fn chain(&self) -> Vec<String> {
        let first: &(dyn Error + 'static) = self.cause.as_ref();
        std::iter::successors(Some(first), |&error| error.source())
            .map(|error| printable(&error.to_string(), LONGEST).into_owned())
            .collect()
    }
}

#[derive(Debug)]
struct Message(String);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Message {}
