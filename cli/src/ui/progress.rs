//! Progress on stderr: bars on a terminal, a line now and then elsewhere, JSON for programs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use transload_transfer::maintenance;
use transload_transfer::{Event, ImageOutcome, Observer, Status, Summary};

use super::bars::{self, Size};
use super::causes::{cause, name};
use super::model::Model;
use super::paint::Painter;
use super::results::outcome_line;
use super::screen::Screen;
use super::{format, json_lines, output};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, lines elsewhere.
    Auto,
    /// Bars; lines where there is no terminal to draw them on.
    Bar,
    /// Lines.
    Plain,
    /// A JSON object a line, for programs.
    Json,
    /// Nothing.
    None,
}

/// Shows progress. It ends with [`Progress::finish`].
pub struct Progress {
    shared: Arc<Shared>,
    stop: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

struct Shared {
    model: Mutex<Model>,
    form: Form,
    /// The most lines that a terminal shows of the run.
    most_lines: usize,
    /// Warnings that a quiet run tells where something failed.
    held: Mutex<Vec<String>>,
    /// The first image that each cause failed.
    causes: Mutex<HashMap<String, String>>,
    /// Whether outcomes are told.
    talks: bool,
    /// Whether outcomes go to stderr, since something else has stdout.
    gives_way: AtomicBool,
}

/// The form that progress is shown in.
enum Form {
    Bars(Screen),
    Lines,
    Json,
    Nothing,
}

impl Form {
    fn of(mode: ProgressMode, quiet: bool) -> Form {
        match (quiet, mode) {
            (true, _) | (_, ProgressMode::None) => Form::Nothing,
            (_, ProgressMode::Json) => Form::Json,
            (_, ProgressMode::Plain) => Form::Lines,
            (_, ProgressMode::Auto) if !output::err_is_terminal() => Form::Lines,
            (_, ProgressMode::Auto | ProgressMode::Bar) => {
                Screen::of_stderr().map_or(Form::Lines, Form::Bars)
            }
        }
    }

    /// How often it is shown how far the run is.
    fn pace(&self) -> Option<Duration> {
        match self {
            Form::Bars(_) => Some(Duration::from_millis(120)),
            Form::Lines => Some(Duration::from_secs(5)),
            Form::Json => Some(Duration::from_secs(1)),
            Form::Nothing => None,
        }
    }
}

impl Progress {
    /// Begins to show progress, on a terminal in at most so many lines. With `quiet`, only summaries are shown, and warnings where
    /// something failed.
    pub fn new(mode: ProgressMode, most_lines: usize, quiet: bool) -> Progress {
        let form = Form::of(mode, quiet);
        let pace = form.pace();
        let shared = Arc::new(Shared {
            model: Mutex::new(Model::new(Instant::now())),
            form,
            most_lines,
            held: Mutex::default(),
            causes: Mutex::default(),
            talks: !quiet,
            gives_way: AtomicBool::new(false),
        });
        let stop = pace.and_then(|pace| {
            let (stop, stopped) = mpsc::channel();
            let ticking = Arc::clone(&shared);
            let ticks = move || {
                while stopped.recv_timeout(pace) == Err(RecvTimeoutError::Timeout) {
                    ticking.tick();
                }
            };
            // Where the system gives no thread, nobody sees how far it is, and that is all.
            let thread = thread::Builder::new().name("progress".to_owned()).spawn(ticks);
            Some((stop, thread.ok()?))
        });
        Progress {
            shared,
            stop: Mutex::new(stop),
        }
    }

    /// Sends outcomes to stderr from now on: something else has stdout.
    pub fn give_way(&self) {
        self.shared.gives_way.store(true, Ordering::Relaxed);
    }

    /// Shows how far a look at a store is.
    pub fn look(&self, look: maintenance::Look) {
        let now = Instant::now();
        let mut model = self.shared.model();
        match look {
            maintenance::Look::Total { images, bytes } => {
                *model = Model::of_bytes(format!("{} checked", format::count(images, "image")), bytes, now);
            }
            maintenance::Look::Mending { things, bytes } => {
                *model = Model::of_bytes(format!("{} repaired", format::count(things, "part")), bytes, now);
            }
            maintenance::Look::Read(bytes) => model.settle(bytes, now),
        }
    }

    /// Writes lines to stderr without tearing the bars.
    pub fn print(&self, text: &str) {
        self.shared.tell("message", text);
    }

    /// Tells the end of a run to programs. Whether it did: people are told in other words.
    pub fn tell_end(&self, summary: &Summary) -> bool {
        let is_json = matches!(self.shared.form, Form::Json);
        if is_json {
            self.shared.write(&json_lines::end(summary));
        }
        is_json
    }

    /// Returns the causes of requests that were tried again, with their numbers, the most frequent first.
    pub fn retry_causes(&self) -> Vec<(String, usize)> {
        let model = self.shared.model();
        let causes = model.retry_causes().into_iter();
        causes.map(|(cause, number)| (cause.to_owned(), number)).collect()
    }

    /// Keeps a warning back that a quiet run tells where something fails; tells it where the run isn't quiet.
    pub fn warn(&self, text: &str) {
        if self.shared.talks {
            self.shared.write(&format!("warning: {text}"));
        } else {
            self.shared.held().push(format!("warning: {text}"));
        }
    }

    /// Tells the warnings that were kept back.
    pub fn tell_held(&self) {
        for warning in self.shared.held().drain(..) {
            output::err_line(warning);
        }
    }

    /// Shows a wait for another process, if a terminal shows progress: in one line that changes. Whether it does.
    pub(super) fn wait_began(&self, text: &str) -> bool {
        let is_shown = self.draws();
        if is_shown {
            let thread = thread::current().id();
            self.shared
                .model()
                .wait_began(thread, text.to_owned(), Instant::now());
        }
        is_shown
    }

    /// Takes a wait away that is over. Whether it was shown.
    pub(super) fn wait_ended(&self) -> bool {
        let is_shown = self.draws();
        if is_shown {
            self.shared
                .model()
                .wait_ended(thread::current().id(), Instant::now());
        }
        is_shown
    }

    /// Whether a terminal shows progress in lines that change.
    pub fn draws(&self) -> bool {
        matches!(self.shared.form, Form::Bars(_))
    }

    /// Takes the bars away while something is done.
    pub fn without_bars(&self, act: impl FnOnce()) {
        match &self.shared.form {
            Form::Bars(screen) => screen.without(act),
            _ => act(),
        }
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
        if let Form::Bars(screen) = &self.shared.form {
            screen.finish();
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        let shared = &self.shared;
        let now = Instant::now();
        shared.model().update(event, now);
        if let Event::Trouble { notice, .. } = event {
            // What is logged stands above the bars by itself.
            log::info!("{notice}");
        }
        if let (Form::Json, Some(line)) = (&shared.form, json_lines::event(event)) {
            shared.write(&line);
        }
        let is_json = matches!(shared.form, Form::Json);
        match event {
            Event::ImageFinished { outcome } if shared.talks => {
                log_outcome(outcome);
                shared.tell_outcome(outcome);
            }
            Event::JobSkipped { job, reason, .. } if !is_json && shared.talks => {
                shared.write(&format!("skipped {job}: {reason}"));
            }
            Event::Warning { text } if !is_json => self.warn(text),
            Event::JobStarted { job, images } if shared.form.pace().is_some() && !is_json => {
                shared.write(&format!("{job}: {}", format::count(*images, "image")));
            }
            Event::LayersCompared { compared, layers } if !is_json && shared.talks => shared.write(&format!(
                "making differences: {compared} of {}",
                format::count(*layers, "layer")
            )),
            Event::DifferencesMade { layers: 0, .. } if !is_json && shared.talks => {
                shared.write("no layer travels as a difference");
            }
            Event::DifferencesMade {
                layers,
                bytes,
                whole_bytes,
            } if !is_json && shared.talks => shared.write(&format!(
                "{} as differences: {} in place of {}",
                format::count(*layers, "layer"),
                format::bytes(*bytes),
                format::bytes(*whole_bytes)
            )),
            Event::Notice { text } => log::info!("{text}"),
            _ => {}
        }
    }
}

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let now = Instant::now();
        self.model().look(now);
        match &self.form {
            Form::Bars(screen) => screen.draw(|size| self.bars(size)),
            Form::Lines => {
                let line = self.model().line(now);
                self.write(&line);
            }
            Form::Json => {
                let line = json_lines::progress(&self.model(), now);
                self.write(&line);
            }
            Form::Nothing => {}
        }
    }

    fn bars(&self, size: Size) -> Vec<String> {
        let look = bars::Look {
            size,
            most: self.most_lines,
            painter: Painter::of_err(),
        };
        bars::lines(&self.model(), look, Instant::now())
    }

    /// Has something written where the bars don't tear it.
    fn above(&self, write: impl FnOnce()) {
        match &self.form {
            Form::Bars(screen) => screen.above(write, |size| self.bars(size)),
            _ => write(),
        }
    }

    /// Writes whole lines to stderr.
    fn write(&self, lines: &str) {
        self.above(|| {
            output::err_line(lines);
        });
    }

    /// Writes a text for people, which programs get as one of these kinds.
    fn tell(&self, kind: &str, text: &str) {
        match self.form {
            Form::Json => self.write(&json_lines::text(kind, text)),
            _ => self.write(text),
        }
    }

    fn tell_outcome(&self, outcome: &ImageOutcome) {
        let alike = self.failed_alike(outcome);
        if !self.gives_way.load(Ordering::Relaxed) {
            if let Some(line) =
                outcome_line(outcome, alike.as_deref(), output::out_width(), Painter::of_out())
            {
                self.above(|| output::out_line(line));
            }
        } else if !matches!(self.form, Form::Json)
            && let Some(line) =
                outcome_line(outcome, alike.as_deref(), output::err_width(), Painter::of_err())
        {
            self.write(&line);
        }
    }

    /// Returns the image that failed first for the cause that this one failed for, if there is one.
    fn failed_alike(&self, outcome: &ImageOutcome) -> Option<String> {
        let Status::Failed(fault) = &outcome.status else {
            return None;
        };
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        match causes.entry(cause(outcome, fault)) {
            Entry::Occupied(first) => Some(first.get().clone()),
            Entry::Vacant(none) => {
                none.insert(name(outcome).to_owned());
                None
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs what the line about an image leaves out.
fn log_outcome(outcome: &ImageOutcome) {
    match (&outcome.status, &outcome.source_digest, &outcome.digest) {
        (Status::Failed(fault), ..) => log::info!("{}: {fault}", outcome.source),
        (_, Some(before), Some(after)) if before != after => log::info!(
            "{}: its index was filtered to these platforms: {before} became {after}",
            outcome.destination
        ),
        (_, _, Some(digest)) => log::info!("{}: {digest}", outcome.destination),
        _ => {}
    }
}

struct LogTarget(Arc<Shared>);

impl Write for LogTarget {
    /// A logger gives whole lines.
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        if let Form::Json = self.0.form {
            self.0.tell("log", &String::from_utf8_lossy(buffer));
            return Ok(buffer.len());
        }
        let mut written = Ok(buffer.len());
        self.0
            .above(|| written = output::err_log(buffer).map(|()| buffer.len()));
        written
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
