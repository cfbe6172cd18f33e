//! An end in order when the user asks for one: what runs is ended, and gigabytes of memory are given back.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::told::{Result, Told};

/// The status of a program that a signal of the terminal ended.
pub const INTERRUPTED: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on, the first signal asks for an end and the second ends at once.
pub fn on_signal() -> Result<()> {
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED.into());
        }
        eprintln!("stopping; once more to stop at once, which leaves files and registries");
    })
    .told("Ctrl-C")
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
