//! What was served, in numbers.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters, from the start on.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Answers by status, from 100 on.
    answers: [AtomicU64; 500],
    pub bytes_sent: AtomicU64,
    pub bytes_received: AtomicU64,
    pub accepted: AtomicU64,
    /// Connections turned away because there were too many.
    pub turned_away: AtomicU64,
    /// Connections that broke, or were cut, during an exchange.
    pub broken: AtomicU64,
    pub failed_handshakes: AtomicU64,
    pub panics: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            answers: [const { AtomicU64::new(0) }; 500],
            bytes_sent: AtomicU64::default(),
            bytes_received: AtomicU64::default(),
            accepted: AtomicU64::default(),
            turned_away: AtomicU64::default(),
            broken: AtomicU64::default(),
            failed_handshakes: AtomicU64::default(),
            panics: AtomicU64::default(),
        }
    }
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    /// Counts an answer.
    pub fn answered(&self, status: u16) {
        if let Some(counter) = self.answers.get(usize::from(status).wrapping_sub(100)) {
            count(counter);
        }
    }

    /// Returns all of it in Prometheus' text format.
    pub fn text(&self, open: usize) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "# HELP transload_requests_total Answered requests.\n# TYPE transload_requests_total counter"
        );
        for (status, counter) in (100..).zip(&self.answers) {
            let answers = counter.load(Relaxed);
            if answers > 0 {
                let _ = writeln!(text, "transload_requests_total{{code=\"{status}\"}} {answers}");
            }
        }
        for (name, help, counter) in [
            ("sent_bytes", "Bytes sent in bodies.", &self.bytes_sent),
            (
                "received_bytes",
                "Bytes received in bodies.",
                &self.bytes_received,
            ),
            ("connections", "Accepted connections.", &self.accepted),
            (
                "connections_refused",
                "Connections refused because there were too many.",
                &self.turned_away,
            ),
            (
                "connections_broken",
                "Connections that broke or were cut during a request.",
                &self.broken,
            ),
            ("tls_errors", "Failed TLS handshakes.", &self.failed_handshakes),
            (
                "panics",
                "Requests that ended by a fault of the server.",
                &self.panics,
            ),
        ] {
            let value = counter.load(Relaxed);
            let _ = writeln!(
                text,
                "# HELP transload_{name}_total {help}\n# TYPE transload_{name}_total counter\ntransload_{name}_total {value}"
            );
        }
        let _ = writeln!(
            text,
            "# HELP transload_connections_open Open connections.\n# TYPE transload_connections_open gauge\n\
             transload_connections_open {open}"
        );
        text
    }
}
