//! Panics, which are bugs of this program: each ends the piece of work that it happened in, and nothing else.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

/// What to do about a panic.
pub const HINT: &str =
    "this is a bug in transload: please report it with this message, and with what you asked it to do";

thread_local! {
    /// Whether the present thread is inside [`caught`], which tells of a panic itself.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// Where the present thread panicked last.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A piece of work panicked.
#[derive(Debug, thiserror::Error)]
#[error("internal error at {place}{}{}", if .message.is_empty() { "" } else { ": " }, .message)]
pub struct Panicked {
    place: String,
    /// Empty where it was put together from values, which may be secret.
    message: &'static str,
}

/// Replaces the message that Rust writes of a panic by one that `write` writes. Inside [`caught`] nothing is written: the thread may hold the
/// terminal's lock.
pub fn install_hook(write: impl Fn(fmt::Arguments<'_>) + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |info| {
        let place = place(info);
        if IS_CAUGHT.try_with(Cell::get).unwrap_or(false) {
            PLACE.set(Some(place));
        } else {
            let message = literal(info.payload());
            write(format_args!(
                "error: {}\n  hint: {HINT}",
                Panicked { place, message }
            ));
        }
    }));
}

/// Does a piece of work.
///
/// # Errors
/// Where it panicked. Locks that it held are free, and what they guard is as it left it.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let before = IS_CAUGHT.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(before);
    done.map_err(|payload| match payload.downcast::<Panicked>() {
        Ok(panicked) => *panicked,
        Err(payload) => Panicked {
            place: PLACE.take().unwrap_or_else(|| "an unknown place".to_owned()),
            message: literal(payload.as_ref()),
        },
    })
}

/// Goes on with a panic of another thread on this one.
pub(crate) fn resume(panicked: Panicked) -> ! {
    panic::resume_unwind(Box::new(panicked))
}

fn place(info: &PanicHookInfo<'_>) -> String {
    info.location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string)
}

/// The message of a panic, if it stands in the source as it is.
fn literal(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_place_and_without_values() {
        let panicked = caught(|| panic!("on purpose")).unwrap_err();
        assert!(panicked.to_string().ends_with(": on purpose"), "{panicked}");
        let secret = "hunter2";
        let panicked = caught(|| panic!("{secret}")).unwrap_err();
        assert!(!panicked.to_string().contains(secret), "{panicked}");
        let again = caught(|| resume(caught(|| panic!("below")).unwrap_err())).unwrap_err();
        assert!(again.to_string().ends_with(": below"), "{again}");
        assert_eq!(caught(|| 1).unwrap(), 1);
    }
}
