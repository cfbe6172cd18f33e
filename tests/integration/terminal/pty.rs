//! A terminal with a program in it.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use transload_test_support::Transload;
use vt100::Parser;

/// How long a screen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const SCROLLBACK: usize = 1000;

/// What a terminal does with its lines when it becomes narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It breaks them anew, as most do.
    Breaks,
    /// It cuts them off.
    Cuts,
}

/// A running program, and what its user sees.
pub struct Terminal {
    kind: Kind,
    master: OwnedFd,
    shared: Arc<Shared>,
    child: Child,
    reader: Option<JoinHandle<()>>,
    _program: Transload,
}

struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

struct Seen {
    parser: Parser,
    raw: Vec<u8>,
    /// Every screen, one after each piece of output.
    screens: Vec<String>,
    ended: bool,
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn parser(columns: u16, rows: u16) -> Parser {
    let number = |number| NonZeroU16::new(number).expect("a terminal has a size");
    Parser::new(number(rows), number(columns), SCROLLBACK)
}

impl Terminal {
    /// Starts the program in a terminal of this size.
    pub fn start(program: Transload, columns: u16, rows: u16) -> Terminal {
        Terminal::of_kind(Kind::Breaks, program, columns, rows)
    }

    pub fn of_kind(kind: Kind, program: Transload, columns: u16, rows: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).expect("a pseudo-terminal of this user");
        unlockpt(&master).expect("a pseudo-terminal that opens");
        tcsetwinsize(&master, size(columns, rows)).expect("a terminal with a size");
        let name = ptsname(&master, Vec::new()).expect("a pseudo-terminal has a name");
        let slave = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty())
            .expect("the other end of the pseudo-terminal");
        let stream = || Stdio::from(slave.try_clone().expect("another handle of the terminal"));
        let child = program
            .command()
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .unwrap_or_else(|error| panic!("{} doesn't start: {error}", program.program().display()));
        drop(slave);
        let shared = Arc::new(Shared {
            seen: Mutex::new(Seen {
                parser: parser(columns, rows),
                raw: Vec::new(),
                screens: Vec::new(),
                ended: false,
            }),
            changed: Condvar::new(),
        });
        let mut output = File::from(master.try_clone().expect("another handle of the terminal"));
        let writer = Arc::clone(&shared);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Reading fails once nobody holds the other end any more.
            while let Some(count) = output.read(&mut buffer).ok().filter(|&count| count > 0) {
                writer.take(&buffer[..count]);
            }
            writer.lock().ended = true;
            writer.changed.notify_all();
        });
        Terminal {
            kind,
            master,
            shared,
            child,
            reader: Some(reader),
            _program: program,
        }
    }

    /// Waits until the predicate holds of the screen; gives that.
    #[track_caller]
    pub fn wait_for(&self, predicate: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.shared.lock();
        loop {
            let screen = shown(&seen.parser);
            if predicate(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !seen.ended && !left.is_zero(),
                "this isn't what was waited for:\n{screen}"
            );
            let waited = self.shared.changed.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives the terminal another size, as a user does who pulls at its window's edge: not within a drawing, which is shown at once.
    pub fn resize(&self, columns: u16, rows: u16) {
        let is_drawn = |seen: &mut Seen| is_within_drawing(&seen.raw);
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), PATIENCE, is_drawn);
        let mut seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        let mut resized = parser(columns, rows);
        match self.kind {
            // Its rows are written anew, and the cursor goes back to the beginning of its own.
            Kind::Breaks => {
                let above = all_rows(&mut seen.parser);
                let below = rows_below(&seen.parser);
                let text = [above.as_slice(), below.as_slice()].concat();
                resized.process(text.join("\r\n").as_bytes());
                let rows_of = |row: &String| row.chars().count().max(1).div_ceil(columns.into());
                let rows: usize = text[above.len() - 1..].iter().map(rows_of).sum();
                if rows > 1 {
                    resized.process(format!("\x1b[{}A", rows - 1).as_bytes());
                }
                resized.process(b"\r");
                seen.parser = resized;
            }
            Kind::Cuts => {
                let number = |number| NonZeroU16::new(number).expect("a terminal has a size");
                seen.parser.set_size(number(rows), number(columns));
            }
        }
        tcsetwinsize(&self.master, size(columns, rows)).expect("a terminal with a size");
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .expect("a kill program");
        assert!(status.success(), "kill -s {name}: {status}");
    }

    /// Waits for the program's end: its exit status, and all that stands in the terminal, what has scrolled away included.
    pub fn finish(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                None => panic!("it doesn't end:\n{}", shown(&self.shared.lock().parser)),
            }
        };
        self.join();
        let rows = all_rows(&mut self.shared.lock().parser);
        (status.code(), rows.join("\n"))
    }

    /// All bytes so far.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().raw).into_owned()
    }

    /// Every screen so far, one after each piece of output: some were seen half drawn.
    pub fn screens(&self) -> Vec<String> {
        self.shared.lock().screens.clone()
    }

    /// Waits until nothing more comes.
    pub fn wait_for_end(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self
            .child
            .try_wait()
            .expect("a child can be waited for")
            .is_none()
        {
            assert!(
                Instant::now() < deadline,
                "it doesn't end:\n{}",
                shown(&self.shared.lock().parser)
            );
            thread::sleep(Duration::from_millis(5));
        }
        self.join();
    }

    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader that ends in order");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only where it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
        self.join();
    }
}

impl Shared {
    fn take(&self, bytes: &[u8]) {
        let mut seen = self.lock();
        seen.parser.process(bytes);
        seen.raw.extend_from_slice(bytes);
        let screen = shown(&seen.parser);
        seen.screens.push(screen);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a drawing has begun (DEC's mode 2026) and not ended.
fn is_within_drawing(raw: &[u8]) -> bool {
    let last = raw.windows(8).rfind(|bytes| bytes.starts_with(b"\x1b[?2026"));
    last.is_some_and(|bytes| bytes.ends_with(b"h"))
}

/// The screen without empty rows at its end.
fn shown(parser: &Parser) -> String {
    let screen = parser.screen();
    let columns = screen.size().1.get();
    let rows: Vec<String> = screen
        .rows(0, columns)
        .map(|row| row.trim_end().to_owned())
        .collect();
    rows.join("\n").trim_end().to_owned()
}

/// The rows below the cursor's, without empty ones at the end.
fn rows_below(parser: &Parser) -> Vec<String> {
    let cursor = usize::from(parser.screen().cursor_position().0);
    let rows = shown(parser);
    rows.lines().skip(cursor + 1).map(str::to_owned).collect()
}

/// All rows down to the cursor's, those that have scrolled away first.
fn all_rows(parser: &mut Parser) -> Vec<String> {
    let (rows, columns) = parser.screen().size();
    let cursor = usize::from(parser.screen().cursor_position().0);
    let visible: Vec<String> = parser.screen().rows(0, columns.get()).take(cursor + 1).collect();
    let mut gone = Vec::new();
    let mut back = parser.screen().scrollback_len();
    while back > 0 {
        parser.screen_mut().set_scrollback(back);
        let page = usize::from(rows.get()).min(back);
        gone.extend(parser.screen().rows(0, columns.get()).take(page));
        back -= page;
    }
    parser.screen_mut().set_scrollback(0);
    gone.extend(visible);
    gone.iter().map(|row| row.trim_end().to_owned()).collect()
}
