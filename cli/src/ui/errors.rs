//! What is wrong with what was asked for.

use std::fmt::{Display, Write as _};

/// What is said after errors that were found before anything moved.
pub const NOTHING_MOVED: &str = "\nNothing was moved.\n";

/// What is said after errors that were found before anything was removed.
pub const NOTHING_REMOVED: &str = "\nNothing was removed.\n";

/// What is said after errors that were found before credentials were stored.
pub const NOTHING_STORED: &str = "\nNothing was stored.\n";

/// Errors, each behind `error:`, with empty lines between them. `more` is how many there are besides.
pub fn errors(errors: &[impl Display], more: usize) -> String {
    let mut text = String::new();
    for (at, error) in errors.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "error: {error}");
    }
    if more > 0 {
        let _ = writeln!(text, "\nand {more} more errors");
    }
    text
}
