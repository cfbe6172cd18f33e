//! The log of a scripted registry's requests.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::http::find;

/// Which of a scripted registry's two listeners was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// The registry itself, with its token endpoint.
    Registry,
    /// The server that blobs are redirected to.
    Content,
}

/// One request, from the moment that its header was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The query without its question mark, as sent; empty if there is none.
    pub query: String,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// How many bytes of body were read, so far.
    pub body_bytes: u64,
    /// The listener that received it.
    pub listener: Listener,
    /// The connection's number: equal for requests on one connection.
    pub connection: u64,
    /// The answer's status; `None` until there is one, or if the connection is closed without.
    pub status: Option<u16>,
    /// Whether it waits for the registry to be told to release, or did.
    pub stalled: bool,
    /// Whether the request has been dealt with.
    pub finished: bool,
    /// When its header was read.
    pub began: Instant,
    /// How many requests were being dealt with then, this one included.
    pub in_flight: usize,
}

impl Request {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Whether the method is this and the path contains this.
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path.contains(path)
    }
}

/// The requests of a scripted registry, in the order of their arrival.
#[derive(Debug, Default)]
pub struct Log {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    requests: Vec<Request>,
    /// How many requests were forgotten: the number of the first one that isn't.
    forgotten: usize,
    in_flight: usize,
    most_in_flight: usize,
}

impl Inner {
    fn request(&mut self, number: usize) -> Option<&mut Request> {
        self.requests.get_mut(number.checked_sub(self.forgotten)?)
    }
}

impl Log {
    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// How many requests have this method and a path that contains this.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let inner = self.lock();
        inner
            .requests
            .iter()
            .filter(|request| request.is(method, path))
            .count()
    }

    /// The most requests that were being dealt with at one moment.
    pub fn most_in_flight(&self) -> usize {
        self.lock().most_in_flight
    }

    /// Forgets all requests, so that a second run can be looked at alone.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.forgotten += inner.requests.len();
        inner.requests.clear();
        inner.most_in_flight = inner.in_flight;
    }

    /// Waits until the predicate holds of the requests so far; whether it did in time.
    pub fn wait_for(&self, predicate: impl Fn(&[Request]) -> bool, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut inner = self.lock();
        while !predicate(&inner.requests) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (inner, _) = self
                .changed
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Adds a request; gives its number.
    pub(super) fn begin(&self, mut request: Request) -> usize {
        let mut inner = self.lock();
        inner.in_flight += 1;
        request.in_flight = inner.in_flight;
        inner.requests.push(request);
        inner.most_in_flight = inner.most_in_flight.max(inner.in_flight);
        self.changed.notify_all();
        inner.forgotten + inner.requests.len() - 1
    }

    pub(super) fn update(&self, number: usize, change: impl FnOnce(&mut Request)) {
        if let Some(request) = self.lock().request(number) {
            change(request);
        }
        self.changed.notify_all();
    }

    pub(super) fn finish(&self, number: usize) {
        let mut inner = self.lock();
        inner.in_flight -= 1;
        if let Some(request) = inner.request(number) {
            request.finished = true;
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
