//! What a child writes, as it comes.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a child that has ended may keep its pipe open through a child of its own.
const GRACE: Duration = Duration::from_secs(5);

/// A pipe that a thread reads to its end.
#[derive(Debug)]
pub(crate) struct Capture {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    text: Mutex<Text>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    ended: bool,
}

/// What a look at the output came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// What was looked for.
    Yes(String),
    /// Not yet.
    NotYet,
    /// It never will be: nothing more comes.
    Never,
}

impl Text {
    fn show(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Capture {
    pub(crate) fn of(mut pipe: impl Read + Send + 'static) -> Capture {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            // What came before an error is still worth showing.
            while let Some(part) = pipe.read(&mut buffer).ok().filter(|&size| size > 0) {
                writer.lock().bytes.extend_from_slice(&buffer[..part]);
                writer.changed.notify_all();
            }
            writer.lock().ended = true;
            writer.changed.notify_all();
        });
        Capture { shared }
    }

    /// Everything, once the pipe has ended; what has come of it, where a child's own child holds the pipe open.
    pub(crate) fn finish(&self) -> String {
        let text = self.shared.lock();
        let (text, _) = self
            .shared
            .changed
            .wait_timeout_while(text, GRACE, |text| !text.ended)
            .unwrap_or_else(PoisonError::into_inner);
        text.show()
    }

    /// Looks for something in what has been written, and waits for more of it for at most that long.
    pub(crate) fn look(&self, predicate: &impl Fn(&str) -> bool, patience: Duration) -> Seen {
        let text = self.shared.lock();
        let length = text.bytes.len();
        let holds = |text: &Text| {
            let text = text.show();
            predicate(&text).then_some(Seen::Yes(text))
        };
        if let Some(seen) = holds(&text) {
            return seen;
        }
        let (text, _) = self
            .shared
            .changed
            .wait_timeout_while(text, patience, |text| text.bytes.len() == length && !text.ended)
            .unwrap_or_else(PoisonError::into_inner);
        match holds(&text) {
            Some(seen) => seen,
            None if text.ended => Seen::Never,
            None => Seen::NotYet,
        }
    }
}
