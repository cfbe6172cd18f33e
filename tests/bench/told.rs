//! Errors as sentences: whoever reads them is the one who ran the program.

use std::fmt::Display;

/// A value, or what went wrong.
pub type Result<T> = std::result::Result<T, String>;

/// Says what an error was about.
pub trait Told<T> {
    /// The same with `what: ` before the error.
    fn told(self, what: impl Display) -> Result<T>;
}

impl<T, E: Display> Told<T> for std::result::Result<T, E> {
    fn told(self, what: impl Display) -> Result<T> {
        self.map_err(|error| format!("{what}: {error}"))
    }
}
