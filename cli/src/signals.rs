//! Signals, taken by a thread of their own.

use std::io;
use std::thread;

use signal_hook::consts::{SIGSTOP, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// Calls `act` with each of these signals that comes, one after another, in place of what the system would do.
pub(crate) fn on_signals(signals: &[i32], mut act: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
    let mut coming = Signals::new(signals)?;
    let thread = thread::Builder::new().name("signals".to_owned());
    thread
        .spawn(move || coming.forever().for_each(&mut act))
        .map(drop)
}

/// Calls `act` when Ctrl-Z is pressed, with what suspends the process.
pub(crate) fn on_suspension(act: impl Fn(fn()) + Send + 'static) {
    let suspend = || {
        if let Err(error) = low_level::raise(SIGSTOP) {
            log::debug!("Ctrl-Z can't suspend the process: {error}");
        }
    };
    if let Err(error) = on_signals(&[SIGTSTP], move |_| act(suspend)) {
        log::debug!("Ctrl-Z suspends the process at once: {error}");
    }
}
