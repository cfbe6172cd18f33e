//! Lines at the end of a terminal that are drawn again and again, and other text above them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, measure_text_width, truncate_str};

use super::bars::Size;
use super::output;

/// Where there is no size to be had, as on a serial line.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

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
    /// The terminal that stderr is, if it is one on which the cursor can move.
    pub fn of_stderr() -> Option<Screen> {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        (output::err_is_terminal() && !is_dumb).then(|| Screen {
            term: Term::stderr(),
            drawn: Mutex::default(),
        })
    }

    /// How large the terminal is now.
    pub fn size(&self) -> Size {
        self.term.size_checked().map_or(USUAL, |(rows, columns)| Size {
            columns: usize::from(columns),
            rows: usize::from(rows),
        })
    }

    /// Draws lines in place of those that stand there.
    pub fn draw(&self, lines: impl FnOnce(Size) -> Vec<String>) {
        self.draw_over(&mut self.lock(), lines);
    }

    /// Takes the lines away while something else is written, and draws them again below it.
    pub fn above(&self, write: impl FnOnce(), lines: impl FnOnce(Size) -> Vec<String>) {
        let mut drawn = self.lock();
        self.send(&erase(&drawn, self.size().columns));
        drawn.lines.clear();
        write();
        self.draw_over(&mut drawn, lines);
    }

    /// Takes the lines away for good.
    pub fn finish(&self) {
        let mut drawn = self.lock();
        self.send(&erase(&drawn, self.size().columns));
        *drawn = Drawn {
            is_over: true,
            ..Drawn::default()
        };
    }

    fn draw_over(&self, drawn: &mut Drawn, lines: impl FnOnce(Size) -> Vec<String>) {
        if drawn.is_over {
            return;
        }
        let size = self.size();
        let lines: Vec<String> = lines(size)
            .iter()
            // Wide characters count for two; none may make a line break.
            .map(|line| truncate_str(line, size.columns.saturating_sub(1), "").into_owned())
            .collect();
        if lines == drawn.lines && size.columns == drawn.columns {
            return;
        }
        let mut text = erase(drawn, size.columns);
        for line in &lines {
            text.push_str(line);
            text.push('\n');
        }
        self.send(&text);
        drawn.lines = lines;
        drawn.columns = size.columns;
    }

    fn send(&self, text: &str) {
        output::err(text);
    }

    fn lock(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What takes the lines away: the cursor goes up to the first of them, and all from there on is erased.
///
/// Most terminals break their lines anew when they become narrower, so that a line may take several rows by now.
fn erase(drawn: &Drawn, columns: usize) -> String {
    let columns = columns.max(1);
    let rows: usize = drawn
        .lines
        .iter()
        .map(|line| measure_text_width(line).max(1).div_ceil(columns))
        .sum();
    match rows {
        0 => String::new(),
        rows => format!("\r\x1b[{rows}A\x1b[J"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_are_erased_as_the_lines_take_in_a_terminal_that_became_narrower() {
        let drawn = |lines: &[&str]| Drawn {
            lines: lines.iter().map(|line| line.to_string()).collect(),
            ..Drawn::default()
        };
        let long = "x".repeat(79);
        let painted = format!("\x1b[32m{long}\x1b[0m");
        let cases = [
            (drawn(&[]), 80, ""),
            (drawn(&["", "short"]), 80, "\r\x1b[2A\x1b[J"),
            (drawn(&[&long, &long]), 80, "\r\x1b[2A\x1b[J"),
            (drawn(&[&long, &long]), 40, "\r\x1b[4A\x1b[J"),
            (drawn(&[&painted, "short"]), 30, "\r\x1b[4A\x1b[J"),
            (drawn(&["a"]), 0, "\r\x1b[1A\x1b[J"),
        ];
        for (drawn, columns, expected) in cases {
            assert_eq!(erase(&drawn, columns), expected, "{drawn:?} at {columns}");
        }
    }
}
