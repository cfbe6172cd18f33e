//! Signals, taken by a thread of their own.

use std::io;
use std::thread;

use signal_hook::iterator::Signals;

/// Calls `act` with each of these signals that comes, one after another, in place of what the system would do.
pub(crate) fn on_signals(signals: &[i32], mut act: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
    let mut coming = Signals::new(signals)?;
    let thread = thread::Builder::new().name("signals".to_owned());
    thread
        .spawn(move || coming.forever().for_each(&mut act))
        .map(drop)
}
