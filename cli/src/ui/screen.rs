//! Lines at the end of a terminal that are drawn again and again, and other text above them.
//!
//! Each line is overwritten in place and its rest is erased: a terminal that keeps what is erased (tmux keeps a cleared screen) has
//! nothing to keep. A terminal that knows DEC's mode 2026 shows each drawing at once.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, measure_text_width, truncate_str};

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

/// The last lines of stderr's terminal.
pub(super) struct Screen {
    term: Term,
    drawn: Mutex<Drawn>,
}

/// What stands there. The cursor is at the beginning of the line below.
#[derive(Debug, Default)]
struct Drawn {
    lines: Vec<String>,
    columns: usize,
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
        if drawn.is_over || lines == drawn.lines && size.columns == drawn.columns {
            return;
        }
        let rows = rows(&drawn, size.columns);
        draw(format_args!("{BEGIN}{}{END}", overwrite(rows, &lines)));
        drawn.lines = lines;
        drawn.columns = size.columns;
    }

    /// Takes the lines away while something else is written, and draws them again below it.
    pub fn above(&self, write: impl FnOnce(), lines: impl FnOnce(Size) -> Vec<String>) {
        let mut drawn = self.lock();
        if drawn.is_over {
            return write();
        }
        let size = self.size();
        let rows = rows(&drawn, size.columns);
        draw(format_args!("{BEGIN}{}", overwrite(rows, &[])));
        write();
        drawn.lines = fitting(lines(size), size);
        drawn.columns = size.columns;
        draw(format_args!("{}{END}", overwrite(0, &drawn.lines)));
    }

    /// Takes the lines away for good.
    pub fn finish(&self) {
        let mut drawn = self.lock();
        let rows = rows(&drawn, self.size().columns);
        if rows > 0 {
            draw(format_args!("{BEGIN}{}{END}", overwrite(rows, &[])));
        }
        *drawn = Drawn {
            is_over: true,
            ..Drawn::default()
        };
    }

    fn lock(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts lines so that none breaks. Wide characters count for two.
fn fitting(lines: Vec<String>, size: Size) -> Vec<String> {
    let width = size.columns.saturating_sub(1);
    let cut = |line: &String| truncate_str(line, width, "").into_owned();
    lines.iter().map(cut).collect()
}

/// Returns how many rows the lines take by now: most terminals break lines anew when they become narrower.
fn rows(drawn: &Drawn, columns: usize) -> usize {
    let rows_of = |line: &String| measure_text_width(line).max(1).div_ceil(columns.max(1));
    drawn.lines.iter().map(rows_of).sum()
}

/// Writes a drawing to the terminal; one that it doesn't take is lost.
fn draw(drawing: fmt::Arguments<'_>) {
    let _ = output::err_bytes(drawing.to_string().as_bytes());
}

/// Writes lines over this many rows above the cursor, which ends below the last line.
fn overwrite(rows: usize, lines: &[String]) -> String {
    let up = |rows: usize| match rows {
        0 => String::new(),
        rows => format!("\r\x1b[{rows}A"),
    };
    let mut text = up(rows);
    for line in lines {
        text.push_str(line);
        text.push_str("\x1b[K\n");
    }
    let left_over = rows.saturating_sub(lines.len());
    text.push_str(&"\x1b[2K\n".repeat(left_over));
    text.push_str(&up(left_over));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_take_more_rows_in_a_terminal_that_became_narrower() {
        let long = "x".repeat(79);
        let painted = format!("\x1b[32m{long}\x1b[0m");
        let cases: [(&[&str], usize, usize); 6] = [
            (&[], 80, 0),
            (&["", "short"], 80, 2),
            (&[&long, &long], 80, 2),
            (&[&long, &long], 40, 4),
            (&[&painted, "short"], 30, 4),
            (&["a"], 0, 1),
        ];
        for (lines, columns, expected) in cases {
            let drawn = Drawn {
                lines: lines.iter().map(|line| (*line).to_owned()).collect(),
                ..Drawn::default()
            };
            assert_eq!(rows(&drawn, columns), expected, "{lines:?} at {columns}");
        }
    }

    #[test]
    fn rows_are_overwritten_one_by_one_and_the_screen_is_never_cleared() {
        let lines = |lines: &[&str]| -> Vec<String> { lines.iter().map(|line| (*line).to_owned()).collect() };
        let cases = [
            (0, lines(&["a"]), "a\x1b[K\n"),
            (1, lines(&["a"]), "\r\x1b[1Aa\x1b[K\n"),
            (3, lines(&["a"]), "\r\x1b[3Aa\x1b[K\n\x1b[2K\n\x1b[2K\n\r\x1b[2A"),
            (2, lines(&[]), "\r\x1b[2A\x1b[2K\n\x1b[2K\n\r\x1b[2A"),
            (0, lines(&[]), ""),
        ];
        for (rows, lines, expected) in cases {
            assert_eq!(overwrite(rows, &lines), expected, "{lines:?} over {rows}");
        }
    }
}
