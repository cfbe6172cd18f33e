//! Lines at the end of a terminal that are drawn again and again, and other text above them.
//!
//! Between drawings, the cursor stands at the beginning of the first line. A terminal that breaks lines anew when it becomes narrower
//! keeps the cursor at its line, so nobody counts the rows that the lines take by now. tmux tells its programs of a new size late: a
//! drawing for the old one is cut at the margin, not broken.
//!
//! Each row is erased and written in place: a terminal that keeps what is erased (tmux keeps a cleared screen) has nothing to keep, and
//! forgets that it broke a line there. A terminal that knows DEC's mode 2026 shows each drawing at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, truncate_str};

use super::bars::Size;
use super::output;

/// For a terminal that tells no size, as a serial line.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// Begins and ends a piece of output that is shown at once.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// Has what is too long for a row cut, or broken.
const CUT: &str = "\x1b[?7l";
const BREAK: &str = "\x1b[?7h";

/// Erases the row, and the rest of the screen. tmux keeps a screen that is erased from its first character on.
const ERASE_ROW: &str = "\x1b[2K";
const ERASE_BELOW: &str = "\x1b[J";

/// The last lines of stderr's terminal.
pub(super) struct Screen {
    term: Term,
    drawn: Mutex<Drawn>,
}

/// What stands there, from the cursor's row on.
#[derive(Debug, Default)]
struct Drawn {
    lines: Vec<String>,
    size: Option<Size>,
    /// Whether nothing is drawn any more.
    is_over: bool,
}

impl Screen {
    /// Returns the terminal that stderr is, if the cursor can move on it.
    pub fn of_stderr() -> Option<Screen> {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        (output::err_can_draw() && !is_dumb).then(|| Screen {
            term: Term::stderr(),
            drawn: Mutex::default(),
        })
    }

    /// Returns how large the terminal is now.
    fn size(&self) -> Size {
        self.term.size_checked().map_or(USUAL, |(rows, columns)| Size {
            columns: usize::from(columns),
            rows: usize::from(rows),
        })
    }

    /// Draws lines in place of those that stand there.
    pub fn draw(&self, lines: impl FnOnce(Size) -> Vec<String>) {
        let mut drawn = self.lock();
        let size = self.size();
        let lines = fitting(lines(size), size);
        if drawn.is_over || lines == drawn.lines && drawn.size == Some(size) {
            return;
        }
        write(&[BEGIN, &drawing(&lines), END]);
        drawn.lines = lines;
        drawn.size = Some(size);
    }

    /// Takes the lines away while something else is done, and draws them again below what it wrote.
    pub fn above(&self, act: impl FnOnce(), lines: impl FnOnce(Size) -> Vec<String>) {
        let mut drawn = self.lock();
        if drawn.is_over {
            return act();
        }
        write(&[BEGIN, &drawing(&[])]);
        act();
        let size = self.size();
        drawn.lines = fitting(lines(size), size);
        drawn.size = Some(size);
        write(&[&drawing(&drawn.lines), END]);
    }

    /// Takes the lines away while something is done. The next drawing shows them again.
    pub fn without(&self, act: impl FnOnce()) {
        let mut drawn = self.lock();
        drawn.take_away();
        act();
    }

    /// Takes the lines away for good.
    pub fn finish(&self) {
        let mut drawn = self.lock();
        drawn.take_away();
        drawn.is_over = true;
    }

    fn lock(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawn {
    fn take_away(&mut self) {
        if !self.lines.is_empty() {
            write(&[BEGIN, &drawing(&[]), END]);
            self.lines.clear();
        }
    }
}

/// Cuts lines so that none breaks. Wide characters count for two.
fn fitting(lines: Vec<String>, size: Size) -> Vec<String> {
    let width = size.columns.saturating_sub(1);
    let cut = |line: &String| truncate_str(line, width, "").into_owned();
    lines.iter().map(cut).collect()
}

/// Writes a drawing to the terminal; one that it doesn't take is lost.
fn write(parts: &[&str]) {
    let _ = output::err_bytes(parts.concat().as_bytes());
}

/// Returns what writes lines over those at the cursor, which ends where it began.
fn drawing(lines: &[String]) -> String {
    let lines = match lines {
        // Erased from its second character on.
        [] => " ".to_owned(),
        lines => lines.join(&format!("\r\n{ERASE_ROW}")),
    };
    let up = match lines.matches('\n').count() {
        0 => String::new(),
        rows => format!("\x1b[{rows}A"),
    };
    format!("\r{CUT}{ERASE_ROW}{lines}{ERASE_BELOW}{BREAK}\r{up}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_overwritten_one_by_one_and_the_cursor_ends_where_it_began() {
        let cases: [(&[&str], &str); 3] = [
            (&[], "\r\x1b[?7l\x1b[2K \x1b[J\x1b[?7h\r"),
            (&["a"], "\r\x1b[?7l\x1b[2Ka\x1b[J\x1b[?7h\r"),
            (
                &["a", "b", "c"],
                "\r\x1b[?7l\x1b[2Ka\r\n\x1b[2Kb\r\n\x1b[2Kc\x1b[J\x1b[?7h\r\x1b[2A",
            ),
        ];
        for (lines, expected) in cases {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(drawing(&lines), expected, "{lines:?}");
        }
    }
}
