//! Progress on stderr: bars on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::model::Model;
use super::{format, outcome_line};
use crate::care::Look;
use crate::transfer::{Event, Observer};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, lines elsewhere.
    Auto,
    /// Bars; lines where there is no terminal to draw them on.
    Bar,
    /// Lines.
    Plain,
    /// Nothing.
    None,
}

const REDRAW: Duration = Duration::from_millis(120);
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How many blobs on their way get a line of their own.
const ACTIVE_LINES: usize = 6;

/// Shows progress. It ends with [`Progress::finish`].
pub struct Progress {
    shared: Arc<Shared>,
    stop: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

struct Shared {
    model: Mutex<Model>,
    screen: Option<Screen>,
    /// Whether outcomes are told.
    talks: bool,
    /// Whether progress is shown.
    shows: bool,
}

/// One bar for all bytes, and below it a line for each blob on its way.
struct Screen(ProgressBar);

impl Progress {
    /// Begins to show progress. With `quiet`, only warnings and summaries are shown.
    pub fn new(mode: ProgressMode, quiet: bool) -> Progress {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let can_draw = std::io::stderr().is_terminal() && !is_dumb;
        let bars = can_draw && !quiet && matches!(mode, ProgressMode::Auto | ProgressMode::Bar);
        let lines = !bars && !quiet && mode != ProgressMode::None;
        let screen = bars.then(Screen::new);
        let shared = Arc::new(Shared {
            model: Mutex::default(),
            screen,
            talks: !quiet,
            shows: bars || lines,
        });
        let stop = (bars || lines).then(|| {
            let (stop, stopped) = mpsc::channel();
            let ticking = Arc::clone(&shared);
            let thread = std::thread::spawn(move || {
                let every = if ticking.screen.is_some() {
                    REDRAW
                } else {
                    LINE_EVERY
                };
                let mut last = (Instant::now(), 0);
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    match &ticking.screen {
                        Some(screen) => screen.draw(&ticking.model()),
                        None => last = ticking.print_line(last),
                    }
                }
            });
            (stop, thread)
        });
        Progress {
            shared,
            stop: Mutex::new(stop),
        }
    }

    /// Shows how far a look at a store is.
    pub fn look(&self, look: Look) {
        let mut model = self.shared.model();
        match look {
            Look::Total { images, bytes } => {
                *model = Model::of_bytes(format!("{} checked", format::count(images, "image")), bytes);
            }
            Look::Mending { things, bytes } => {
                *model = Model::of_bytes(format!("{} mended", format::count(things, "thing")), bytes);
            }
            Look::Read(bytes) => model.settle(bytes),
        }
    }

    /// Writes lines to stderr without tearing the bars.
    pub fn print(&self, text: &str) {
        self.shared.above(|| {
            // What can't be told to a closed stderr can't be told anywhere.
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }

    /// Where a logger writes, so that its lines stand above the bars.
    pub fn log_target(&self) -> Box<dyn Write + Send> {
        Box::new(LogTarget(Arc::clone(&self.shared)))
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = stop {
            drop(stop);
            // A thread that draws ends by itself; that it panicked would have been seen.
            let _ = thread.join();
        }
        if let Some(screen) = &self.shared.screen {
            screen.0.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        self.shared.model().update(event);
        match event {
            Event::ImageFinished { outcome } if self.shared.talks => self.shared.above(|| {
                let _ = writeln!(std::io::stdout(), "{}", outcome_line(outcome));
            }),
            Event::JobStarted { job, images } if self.shared.shows => {
                self.print(&format!("{job}: {}", format::count(*images, "image")));
            }
            Event::Notice { text } => self.shared.above(|| log::info!("{text}")),
            Event::Warning { text } => self.print(&format!("warning: {text}")),
            _ => {}
        }
    }
}

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn above(&self, write: impl FnOnce()) {
        match &self.screen {
            Some(screen) => screen.0.suspend(write),
            None => write(),
        }
    }

    fn print_line(&self, (at, position): (Instant, u64)) -> (Instant, u64) {
        let (now, text, current) = {
            let model = self.model();
            let (now, current) = (Instant::now(), model.position());
            let seconds = (now - at).as_secs_f64().max(0.001);
            let text = model.line((current.saturating_sub(position) as f64 / seconds) as u64);
            (now, text, current)
        };
        let _ = writeln!(std::io::stderr(), "{text}");
        (now, current)
    }
}

impl Screen {
    fn new() -> Screen {
        let template =
            "{bar:24} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left  {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(style);
        Screen(bar)
    }

    fn draw(&self, model: &Model) {
        self.0.set_length(model.wanted);
        self.0.set_position(model.position());
        let mut text = model.images_text();
        for blob in model.active().into_iter().take(ACTIVE_LINES) {
            text.push_str("\n  ");
            text.push_str(&blob.line());
        }
        self.0.set_message(text);
    }
}

struct LogTarget(Arc<Shared>);

impl Write for LogTarget {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let mut written = Ok(buffer.len());
        self.0
            .above(|| written = std::io::stderr().write_all(buffer).map(|()| buffer.len()));
        written
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
