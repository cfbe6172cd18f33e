//! How far a run is, by the events that were told of it.

mod moving;
#[cfg(test)]
mod tests;
mod time_left;
mod trouble;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use transload_reference::Digest;
use transload_registry_client::Notice;
use transload_transfer::{Event, How, ImageOutcome, Status};

use super::causes::cause;
use super::format;
use super::speed::Speed;
use moving::Moving;
pub(super) use moving::MovingImage;
use time_left::TimeLeft;
pub(super) use trouble::{Trouble, is_retry};

/// How many kinds of trouble are shown at once.
const MOST_TROUBLES: usize = 2;

/// How far a run is.
///
/// Numbers that people see never go back: bytes of a try that failed stay counted until another has brought as many.
#[derive(Debug)]
pub(super) struct Model {
    /// What is done, where no images move.
    what: Option<String>,
    /// How many images each task has; none where that isn't known yet.
    tasks: Vec<Option<usize>>,
    /// The task whose turn it is.
    task: Task,
    /// Of tasks that are over: images, those of them that failed, and those of which it is known what they need.
    before: Images,
    /// Bytes of all blobs that are known to be needed.
    wanted: u64,
    settled: u64,
    /// The most bytes that were there at once.
    reached: u64,
    /// The most of the bar that was filled, from 0 to 1.
    filled: f64,
    active: HashMap<(String, Digest), Active>,
    begun: usize,
    moving: Moving,
    speed: Speed,
    time_left: TimeLeft,
    troubles: VecDeque<Trouble>,
    /// How many requests were tried again, by their causes.
    retries: BTreeMap<String, usize>,
    /// What is waited for, by the thread that waits: the text, and since when.
    waits: HashMap<ThreadId, (String, Instant)>,
    /// Why the last image failed that did.
    last_failure: Option<String>,
}

/// The images of the task whose turn it is.
#[derive(Debug, Default)]
struct Task {
    /// Of which it is known what they need, or which are over.
    known: HashSet<String>,
    /// Those that are over, and whether they failed.
    over: HashMap<String, bool>,
    /// How many of those failed.
    failed: usize,
    /// Bytes that were planned for an image and aren't there yet.
    outstanding: HashMap<String, u64>,
}

/// How many images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Images {
    pub total: usize,
    pub known: usize,
    pub done: usize,
    pub failed: usize,
}

/// A blob on its way.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub image: String,
    pub digest: Digest,
    pub size: u64,
    pub position: u64,
    /// In the order of beginning.
    pub number: usize,
}

impl Model {
    pub fn new(now: Instant) -> Model {
        Model {
            what: None,
            tasks: Vec::new(),
            task: Task::default(),
            before: Images::default(),
            wanted: 0,
            settled: 0,
            reached: 0,
            filled: 0.0,
            active: HashMap::new(),
            begun: 0,
            moving: Moving::default(),
            speed: Speed::new(now),
            time_left: TimeLeft::default(),
            troubles: VecDeque::new(),
            retries: BTreeMap::new(),
            waits: HashMap::new(),
            last_failure: None,
        }
    }

    /// Of so many bytes that don't move: they are read, or mended.
    pub fn of_bytes(what: String, wanted: u64, now: Instant) -> Model {
        Model {
            what: Some(what),
            wanted,
            ..Model::new(now)
        }
    }

    /// Takes note of more bytes that are done.
    pub fn settle(&mut self, bytes: u64, now: Instant) {
        self.settled = self.settled.saturating_add(bytes);
        self.speed.moved(bytes, now);
        self.rise();
    }

    /// Takes note of how things stand at a moment.
    pub fn look(&mut self, now: Instant) {
        self.speed.look(now);
        self.troubles.retain(|trouble| trouble.is_fresh(now));
        let left = self.rest().filter(|_| self.stalled(now).is_none());
        self.time_left.look(left, self.speed.steady_rate(now), now);
    }

    /// Takes note that this thread waits for another process.
    pub fn wait_began(&mut self, thread: ThreadId, text: String, now: Instant) {
        self.waits.insert(thread, (text, now));
    }

    /// Takes note that this thread goes on.
    pub fn wait_ended(&mut self, thread: ThreadId, now: Instant) {
        self.waits.remove(&thread);
        self.speed.sign_of_life(now);
    }

    /// Takes an event in.
    pub fn update(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::RunStarted { tasks } => {
                self.tasks = tasks
                    .iter()
                    .map(|task| task.routes.as_ref().map(Vec::len))
                    .collect();
            }
            Event::TaskReached { number, routes } => self.reach(*number, routes.len()),
            Event::ImagePlanned {
                image,
                new_bytes,
                parts,
                ..
            } => {
                self.task.known.insert((*image).to_owned());
                self.moving.planned(image, *new_bytes, parts);
                // Of another try, what was planned before and isn't there is planned again.
                let before = self.task.outstanding.insert((*image).to_owned(), *new_bytes);
                self.wanted = self.wanted.saturating_sub(before.unwrap_or(0));
                self.wanted = self.wanted.saturating_add(*new_bytes);
            }
            Event::BlobStarted { image, blob, offset } => {
                let active = Active {
                    image: (*image).to_owned(),
                    digest: blob.digest.clone(),
                    size: blob.size,
                    position: *offset,
                    number: self.begun,
                };
                self.begun += 1;
                self.moving.begun(image, self.begun, now);
                let key = ((*image).to_owned(), blob.digest.clone());
                let number = self.active.get(&key).map_or(active.number, |old| old.number);
                self.active.insert(key, Active { number, ..active });
            }
            Event::BlobProgress {
                image,
                digest,
                position,
            } => {
                let key = ((*image).to_owned(), (*digest).clone());
                if let Some(active) = self.active.get_mut(&key) {
                    // Several connections may bring one blob, and what they tell may cross.
                    let position = (*position).min(active.size).max(active.position);
                    self.speed.moved(position - active.position, now);
                    active.position = position;
                }
            }
            Event::BlobFinished { image, blob, how } => {
                let key = ((*image).to_owned(), blob.digest.clone());
                let was_at = self.active.remove(&key).map(|active| active.position);
                if let (How::Moved, Some(position)) = (how, was_at) {
                    self.speed.moved(blob.size.saturating_sub(position), now);
                }
                self.settled = self.settled.saturating_add(blob.size);
                self.moving.settled(image, blob.size);
                self.take_from(image, blob.size);
            }
            Event::BlobFailed { image, digest } => {
                self.active.remove(&((*image).to_owned(), (*digest).clone()));
            }
            Event::ImageFinished { outcome } => self.end(outcome),
            Event::LayersCompared { .. } | Event::DifferencesMade { .. } => {}
            Event::Trouble { image, notice } => return self.note(*image, notice, now),
            _ => return,
        }
        if !matches!(event, Event::BlobProgress { .. }) {
            self.speed.sign_of_life(now);
        }
        self.rise();
    }

    fn note(&mut self, image: Option<&str>, notice: &Notice, now: Instant) {
        let trouble = Trouble::of(image, notice, now);
        if trouble.is_retry {
            *self.retries.entry(notice.cause.clone()).or_default() += 1;
        }
        let is_same = |other: &Trouble| other.at == trouble.at && other.is_retry == trouble.is_retry;
        self.troubles.retain(|other| !is_same(other));
        self.troubles.push_back(trouble);
        while self.troubles.len() > MOST_TROUBLES {
            self.troubles.pop_front();
        }
    }

    fn reach(&mut self, number: usize, images: usize) {
        let now = self.images();
        self.before = Images { total: 0, ..now };
        self.task = Task::default();
        self.moving = Moving::default();
        if self.tasks.len() <= number {
            self.tasks.resize(number + 1, None);
        }
        self.tasks[number] = Some(images);
    }

    /// A blob of an image is there. One that was planned for another image, which failed, counts for this one from now on.
    fn take_from(&mut self, image: &str, size: u64) {
        if self.what.is_some() {
            return;
        }
        let outstanding = self.task.outstanding.entry(image.to_owned()).or_default();
        let more = size.saturating_sub(*outstanding);
        *outstanding = outstanding.saturating_sub(size);
        self.wanted = self.wanted.saturating_add(more);
    }

    fn end(&mut self, outcome: &ImageOutcome) {
        let failed = match &outcome.status {
            Status::Failed(fault) => {
                self.last_failure = Some(cause(outcome, fault));
                true
            }
            _ => false,
        };
        self.moving.ended(&outcome.label);
        self.task.known.insert(outcome.label.clone());
        let before = self.task.over.insert(outcome.label.clone(), failed);
        self.task.failed += usize::from(failed);
        self.task.failed -= usize::from(before == Some(true));
        // What a failed image still lacks isn't waited for.
        let left = self.task.outstanding.remove(&outcome.label).unwrap_or(0);
        self.wanted = self.wanted.saturating_sub(left);
    }

    /// Bytes that are there now, those on their way included.
    fn position(&self) -> u64 {
        let active: u64 = self.active.values().map(|active| active.position).sum();
        self.settled.saturating_add(active).min(self.wanted)
    }

    fn rise(&mut self) {
        self.reached = self.reached.max(self.position());
        let wanted = self.wanted_in_all();
        if wanted > 0.0 {
            self.filled = self.filled.max((self.reached as f64 / wanted).min(1.0));
        }
    }

    /// Bytes that are where they should be, those on their way included.
    pub fn bytes(&self) -> u64 {
        self.reached
    }

    /// Bytes that are known to be needed, and whether they are all.
    pub fn total(&self) -> (u64, bool) {
        let images = self.images();
        let all = images.known >= images.total && self.tasks.iter().all(Option::is_some);
        (self.wanted.max(self.reached), all)
    }

    /// What will be needed in all, as far as can be guessed from the images that are known.
    fn wanted_in_all(&self) -> f64 {
        let images = self.images();
        let wanted = self.wanted.max(self.reached) as f64;
        if images.known == 0 || images.known >= images.total {
            wanted
        } else {
            wanted * images.total as f64 / images.known as f64
        }
    }

    /// How much of the whole is done, from 0 to 1. It never falls.
    pub fn filled(&self) -> f64 {
        self.filled
    }

    /// Bytes a second of late; none where that can't be told yet.
    pub fn rate(&self, now: Instant) -> Option<u64> {
        self.speed.rate(now).map(|rate| rate as u64)
    }

    /// For how long nothing has got on, where that is longer than usual and something is left to do.
    pub fn stalled(&self, now: Instant) -> Option<Duration> {
        let (images, (wanted, _)) = (self.images(), self.total());
        let is_over = if self.what.is_some() {
            self.reached >= wanted
        } else {
            images.done >= images.total
        };
        self.speed.stalled(now).filter(|_| !is_over)
    }

    /// How many bytes are still to come, once all that is needed is known.
    fn rest(&self) -> Option<u64> {
        let (wanted, is_all) = self.total();
        (is_all || self.what.is_some()).then(|| wanted.saturating_sub(self.reached))
    }

    /// How long the rest will take, as of the last [`Model::look`]; none until all that is needed is known, and at what speed it comes.
    pub fn left(&self) -> Option<Duration> {
        self.time_left.shown()
    }

    /// How many images there are, and how far they are.
    pub fn images(&self) -> Images {
        let (task, before) = (&self.task, &self.before);
        Images {
            total: self.tasks.iter().flatten().sum(),
            known: before.known + task.known.len(),
            done: before.done + task.over.len(),
            failed: before.failed + task.failed,
        }
    }

    /// How many requests were tried again.
    pub fn retries(&self) -> usize {
        self.retries.values().sum()
    }

    /// The causes for which requests were tried again, the most frequent first.
    pub fn retry_causes(&self) -> Vec<(&str, usize)> {
        let mut causes: Vec<(&str, usize)> = self
            .retries
            .iter()
            .map(|(cause, number)| (cause.as_str(), *number))
            .collect();
        causes.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        causes
    }

    /// What is waited for the longest, since when, and how many waits there are; none where nothing is.
    pub fn wait(&self) -> Option<(&str, Instant, usize)> {
        let (text, since) = self.waits.values().min_by_key(|(_, since)| *since)?;
        Some((text, *since, self.waits.len()))
    }

    /// Why the last image failed that did.
    pub fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    /// The images on their way, the slowest first.
    pub fn moving(&self, now: Instant) -> Vec<MovingImage<'_>> {
        self.moving.images(self.active.values(), now)
    }

    /// What goes wrong at present, the oldest first.
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.iter()
    }

    /// The blobs on their way, the oldest first.
    pub fn active(&self) -> Vec<&Active> {
        let mut active: Vec<&Active> = self.active.values().collect();
        active.sort_by_key(|active| active.number);
        active
    }

    /// `12/40 images, 1 failed`; what is done where no images move.
    pub fn images_text(&self) -> String {
        if let Some(what) = &self.what {
            return what.clone();
        }
        let Images {
            total, done, failed, ..
        } = self.images();
        let failed = if failed > 0 {
            format!(", {failed} failed")
        } else {
            String::new()
        };
        format!("{done}/{}{failed}", format::count(total, "image"))
    }

    /// All of it in one line.
    pub fn line(&self, now: Instant) -> String {
        let mut parts = Vec::new();
        let (wanted, is_all) = self.total();
        if wanted > 0 {
            let so_far = if is_all { "" } else { " known so far" };
            parts.push(format!(
                "{} of {}{so_far}",
                format::bytes(self.bytes()),
                format::bytes(wanted)
            ));
        }
        match (self.stalled(now), self.rate(now).filter(|_| wanted > 0)) {
            (Some(since), _) => parts.push(format!("stalled for {}", format::clock(since))),
            (None, Some(rate)) => parts.push(format!("{}/s", format::bytes(rate))),
            (None, None) => {}
        }
        if let Some(left) = self.left() {
            parts.push(format!("{} left", format::clock(left)));
        }
        parts.push(self.images_text());
        if wanted == 0 && self.what.is_none() {
            parts.push(format!("{} looked at", self.images().known));
        }
        if self.retries() > 0 {
            parts.push(format::count_of(self.retries(), "retry", "retries"));
        }
        let mut line = parts.join(", ");
        if let (Some(cause), 1..) = (&self.last_failure, self.images().failed) {
            line.push_str(&format!("; failed: {cause}"));
        }
        let retry = self.troubles.iter().rev().find(|trouble| trouble.is_retry);
        if let Some(trouble) = retry.or(self.troubles.back()) {
            line.push_str(&format!("; {}", trouble.text(now)));
        }
        line
    }
}
