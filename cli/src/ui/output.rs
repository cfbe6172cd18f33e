//! The program's standard output and standard error: everything that is written to them goes through here.
//!
//! A message that standard error doesn't take is lost, and changes nothing else. A result that standard output doesn't take fails the
//! command, unless its reader closed the pipe: `transload list images | head` is no error.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

use console::Term;

use super::format::fit;
use super::paint::Painter;
use crate::app::FAILED;

const USUAL_WIDTH: usize = 80;

/// Writes a message to standard error, in one piece. On a terminal, its lines are broken at the terminal's width.
pub fn err(text: impl Display) {
    let _ = err_bytes(fit_to(err_width(), text.to_string()).as_bytes());
}

/// Returns a text with its lines broken at the width of standard output, if that is a terminal.
pub fn fitted(text: String) -> String {
    fit_to(out_width(), text)
}

fn fit_to(width: Option<usize>, text: String) -> String {
    match width {
        Some(width) => fit(&text, width),
        None => text,
    }
}

/// Writes a message and the end of its line to standard error, in one piece.
pub fn err_line(text: impl Display) {
    err(format_args!("{text}\n"));
}

/// Writes lines of the log to standard error, as [`err`] writes messages, for a caller that has its own use for the error.
pub(super) fn err_log(lines: &[u8]) -> io::Result<()> {
    err_bytes(fit_to(err_width(), String::from_utf8_lossy(lines).into_owned()).as_bytes())
}

/// Writes bytes to standard error, for a caller that has its own use for the error.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(super) fn err_bytes(bytes: &[u8]) -> io::Result<()> {
    io::stderr().write_all(bytes)
}

/// Whether standard error is a terminal that somebody may be looking at.
pub fn err_is_terminal() -> bool {
    err_can_draw() && !is_ci()
}

/// Whether standard error is a terminal, whoever looks at it.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(super) fn err_can_draw() -> bool {
    io::stderr().is_terminal()
}

/// Whether standard output is a terminal that somebody may be looking at.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(super) fn out_is_terminal() -> bool {
    io::stdout().is_terminal() && !is_ci()
}

/// Whether a build server runs this: some give programs a terminal that nobody looks at.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !["", "0", "false"].contains(&value.to_ascii_lowercase().as_str()))
}

/// How wide text on standard error may be; `None` where it is no terminal, and lines may be of any length.
pub fn err_width() -> Option<usize> {
    err_is_terminal().then(|| width(&Term::stderr()))
}

/// How wide a line of standard output may be; `None` where it is no terminal.
pub(super) fn out_width() -> Option<usize> {
    out_is_terminal().then(|| width(&Term::stdout()))
}

/// The width of a terminal, or the usual one where it tells none, as a serial line.
fn width(term: &Term) -> usize {
    term.size_checked()
        .map_or(USUAL_WIDTH, |(_, columns)| usize::from(columns).max(1))
}

/// Writes a line to standard output that nothing depends on, such as an outcome that the report has as well.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn out_line(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = out
        .write_all(format!("{text}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// Writes a result to standard output, whole.
///
/// # Errors
/// Where standard output doesn't take it. That its reader closed the pipe is no error.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn out(bytes: &[u8]) -> io::Result<()> {
    finished(io::stdout().lock().write_all(bytes))
}

/// Writes a result to standard output, and returns the command's exit status: the given one, or [`FAILED`] where it couldn't be written.
pub fn result(bytes: impl AsRef<[u8]>, status: u8) -> u8 {
    status_of(out(bytes.as_ref()), status)
}

/// Writes what clap has to say, help or an error, and returns the exit status.
pub(crate) fn clap_message(message: &clap::Error) -> u8 {
    let status = u8::try_from(message.exit_code()).unwrap_or(FAILED);
    if message.use_stderr() {
        let text = message.render();
        match Painter::of_err() {
            Painter(true) => err(text.ansi()),
            Painter(false) => err(text),
        }
        return status;
    }
    status_of(finished(message.print()), status)
}

fn status_of(written: io::Result<()>, status: u8) -> u8 {
    match written {
        Ok(()) => status,
        Err(error) => {
            err_line(format_args!("error: standard output can't be written: {error}"));
            FAILED
        }
    }
}

/// Makes sure that what was written has arrived.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn finished(written: io::Result<()>) -> io::Result<()> {
    let done = written.and_then(|()| io::stdout().flush()).and_then(|()| sync());
    match done {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Has a file's bytes written through: a network filesystem tells only then, or when the file is closed, that it is full.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn sync() -> io::Result<()> {
    let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    match file.sync_data() {
        // A filesystem that can't do that has nothing to tell.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}
