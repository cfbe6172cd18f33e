//! An end in order when the user asks for one: what runs is ended, and gigabytes of memory are given back.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::told::{Result, Told};

/// The status of a program that a signal of the terminal ended.
pub const INTERRUPTED: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on, the first signal asks for an end and the second ends at once.
pub fn on_signal() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).told("Ctrl-C")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if ASKED.swap(true, Ordering::Relaxed) {
                process::exit(INTERRUPTED.into());
            }
            eprintln!("stopping; once more to stop at once, which leaves files and registries");
        }
    });
    Ok(())
}

/// Whether an end was asked for.
pub fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// An error where an end was asked for. For what takes long.
pub fn check() -> Result<()> {
    match is_asked() {
        true => Err("stopped".to_owned()),
        false => Ok(()),
    }
}
