//! Faults of a scripted registry.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The treatment of a request that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The request is read whole and answered with this; nothing else is done.
    Answer(Reply),
    /// This is answered before the request's body is read, and the connection is closed.
    Early(Reply),
    /// The request is read and answered with these bytes, head and all, as no proper server would; then the connection is closed.
    Raw(Raw),
    /// The request is read and the connection closed without an answer; nothing is done.
    Close,
    /// The connection is reset: without an answer, or after that many bytes of the answer's body.
    Reset {
        /// How many bytes; `None`: not even the answer's head is sent.
        after: Option<usize>,
    },
    /// The upload session that the path names is forgotten before the request is obeyed.
    LoseSession,
    /// The request is obeyed, and the connection closed without an answer.
    LoseAnswer,
    /// That many bytes of the request's body are read, then the connection is closed. An upload session keeps them.
    CutUpload {
        /// How many bytes.
        after: usize,
    },
    /// The request is obeyed as if its body ended behind that many bytes.
    KeepPart {
        /// How many bytes.
        after: usize,
    },
    /// That many bytes of the request's body are read, and the rest when the registry is told to release.
    StallUpload {
        /// How many bytes.
        after: usize,
    },
    /// That many bytes of the answer's body are sent, then the connection is closed.
    Truncate {
        /// How many bytes.
        after: usize,
    },
    /// The bits of this byte of the answer's body are flipped.
    Corrupt {
        /// Which byte; one beyond the end is the last.
        at: usize,
    },
    /// That many bytes of the answer's body are sent, and the rest when the registry is told to release.
    Stall {
        /// How many bytes.
        after: usize,
    },
    /// The answer's body is sent in pieces of this size, with a pause after each.
    Trickle {
        /// The size of a piece, in bytes.
        piece: usize,
        /// The pause; it ends early when the registry does.
        pause: Duration,
    },
    /// The request is read, and obeyed when the registry is told to release.
    Hold,
    /// The request is read, and answered so when the registry is told to release.
    AnswerLate(Reply),
    /// The request is obeyed, and the answer has these headers in place of its own of the same names.
    Headers(Vec<(String, String)>),
    /// The request is obeyed, and the answer's status is this.
    Status(u16),
    /// The request is obeyed, and the answer lacks the header of this name.
    NoHeader(String),
}

/// An answer that is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers beside `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer of this status without headers and body.
    pub fn status(status: u16) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Reply {
        self.body = body.into();
        self
    }

    /// Sets the body to an error as registries word it, such as `TOOMANYREQUESTS`.
    pub fn error(self, code: &str, message: &str) -> Reply {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        self.header("Content-Type", "application/json")
            .body(body.to_string())
    }
}

/// The bytes of an answer: a beginning, and bytes that are repeated until the client closes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw {
    start: Vec<u8>,
    forever: Vec<u8>,
    pause: Duration,
}

impl Raw {
    /// An answer that begins so.
    pub fn new(start: impl Into<Vec<u8>>) -> Raw {
        Raw {
            start: start.into(),
            ..Raw::default()
        }
    }

    /// Sets the bytes to repeat after the beginning.
    pub fn forever(mut self, bytes: impl Into<Vec<u8>>) -> Raw {
        self.forever = bytes.into();
        self
    }

    /// A pause before each time; it ends early when the registry does.
    pub fn pause(mut self, pause: Duration) -> Raw {
        self.pause = pause;
        self
    }

    pub(super) fn parts(&self) -> (&[u8], &[u8], Duration) {
        (&self.start, &self.forever, self.pause)
    }
}

/// A rule: an action for the requests of a method and path, by their count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    method: String,
    path: String,
    first: usize,
    last: usize,
    action: Action,
}

impl Fault {
    /// For the first request of this method (`*` is any) whose path with query contains this text.
    pub fn new(method: &str, path: &str, action: Action) -> Fault {
        Fault {
            method: method.to_owned(),
            path: path.to_owned(),
            first: 1,
            last: 1,
            action,
        }
    }

    /// For the nth such request alone, counted from 1.
    pub fn nth(mut self, nth: usize) -> Fault {
        (self.first, self.last) = (nth, nth);
        self
    }

    /// For the first so many such requests.
    pub fn first(mut self, count: usize) -> Fault {
        (self.first, self.last) = (1, count);
        self
    }

    /// For every such request after the first so many.
    pub fn after(mut self, count: usize) -> Fault {
        (self.first, self.last) = (count.saturating_add(1), usize::MAX);
        self
    }

    /// For every such request.
    pub fn every(mut self) -> Fault {
        (self.first, self.last) = (1, usize::MAX);
        self
    }
}

/// The rules of one registry, with how often each was looked at.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<(Fault, usize)>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.lock().push((fault, 0));
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The action of the first rule that is for this request. Every rule of its method and path counts it.
    pub(super) fn action(&self, method: &str, target: &str) -> Option<Action> {
        let mut chosen = None;
        for (fault, count) in self.lock().iter_mut() {
            if (fault.method != "*" && fault.method != method) || !target.contains(&fault.path) {
                continue;
            }
            *count += 1;
            if chosen.is_none() && (fault.first..=fault.last).contains(count) {
                chosen = Some(fault.action.clone());
            }
        }
        chosen
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Fault, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The gate at which stalled requests wait.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    releases: u64,
    open_for_good: bool,
}

impl Gate {
    /// Lets the requests on that wait now.
    pub(super) fn release(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).releases += 1;
        self.changed.notify_all();
    }

    /// Lets everyone on, now and later.
    pub(super) fn open(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open_for_good = true;
        self.changed.notify_all();
    }

    /// What [`Gate::wait`] wants. Taken before others are told of the wait, so that no release is missed.
    pub(super) fn ticket(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).releases
    }

    /// Waits this long, or until the gate is opened for good.
    pub(super) fn pause(&self, length: Duration) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _waited = self
            .changed
            .wait_timeout_while(state, length, |state| !state.open_for_good)
            .unwrap_or_else(PoisonError::into_inner);
    }

    pub(super) fn wait(&self, ticket: u64) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _released = self
            .changed
            .wait_while(state, |state| state.releases == ticket && !state.open_for_good)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_count_the_requests_that_they_match() {
        let faults = Faults::default();
        faults.add(Fault::new("GET", "/blobs/", Action::Close).nth(2));
        faults.add(Fault::new("*", "/blobs/", Action::Hold).first(2));
        let seen: Vec<Option<Action>> = ["GET", "PUT", "GET", "GET"]
            .iter()
            .map(|method| faults.action(method, "/v2/a/blobs/x"))
            .collect();
        let expected = [Some(Action::Hold), Some(Action::Hold), Some(Action::Close), None];
        assert_eq!(seen, expected);
        assert_eq!(faults.action("GET", "/v2/a/manifests/x"), None);
    }
}
