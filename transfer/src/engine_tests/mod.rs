//! The engine against places in memory: what arrives, in which order, and what becomes of failures.

mod copies;
mod destinations;
mod failures;
mod files;
mod panics;
mod partial;
mod random;
mod referrers;
mod sharing;
mod stops;
mod trust;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use transload_reference::Reference;
use transload_registry_client::Client;
use transload_test_support::image::Image;

use crate::ends::DestinationState;
use crate::executor::Executor;
use crate::image_task::ImageTask;
use crate::job::{ImageName, Job, Location, Target};
use crate::memory::{Call, Kind, Memory};
use crate::outcome::{ImageOutcome, Status};
use crate::place::{SharedSource, Source};
use crate::pool::Pool;
use crate::prepare::Mapping;
use crate::{Event, Observer};

/// Images on their way from one place in memory to another.
pub(crate) struct Engine {
    pub from: Memory,
    pub to: Memory,
    /// Further destinations, by their names.
    pub others: Vec<(String, Memory)>,
    pub job: Job,
    pub workers: usize,
    images: Vec<(Reference, Reference, Image)>,
    pub observer: Box<dyn Observer>,
    pub cancel: Arc<AtomicBool>,
}

impl Engine {
    /// Nothing yet, on its way to a place of this kind.
    pub fn to(kind: Kind) -> Engine {
        let cancel = Arc::new(AtomicBool::new(false));
        Engine {
            from: Memory::new(Kind::Registry, "from.example", &cancel),
            to: Memory::new(kind, "to.example", &cancel),
            others: Vec::new(),
            job: Job::new("test", Location::directory("unused".as_ref()).into()),
            workers: 4,
            images: Vec::new(),
            observer: Box::new(Nobody),
            cancel,
        }
    }

    /// Adds an image, in the repository and tag of this name.
    pub fn add(&mut self, name: &str, image: &Image) {
        let [from, to] = ["from.example", "to.example"].map(|host| format!("{host}/{name}").parse().unwrap());
        self.from.add(&from, image);
        self.images.push((from, to, image.clone()));
    }

    /// Adds what belongs to an image, in the repository and tag of this name, at the source alone. It isn't asked for by itself.
    pub fn attach(&mut self, name: &str, referrer: &Image) {
        let from = match name.contains(':') {
            true => format!("from.example/{name}"),
            false => format!("from.example/{name}@{}", referrer.digest()),
        };
        self.from.add(&from.parse().unwrap(), referrer);
    }

    /// Returns the kind of the destination.
    pub fn to_kind(&self) -> Kind {
        self.to.kind()
    }

    /// Returns an image's reference at the destination.
    pub fn target(&self, name: &str) -> Reference {
        format!("to.example/{name}").parse().unwrap()
    }

    /// Returns the place that a call is made to.
    pub fn place(&self, call: Call) -> &Memory {
        match call {
            Call::Resolve
            | Call::Root
            | Call::Manifest
            | Call::OpenBlob
            | Call::Referrers
            | Call::FindTag => &self.from,
            _ => &self.to,
        }
    }

    /// Moves all images, and tells what became of each.
    pub fn outcomes(&self) -> Vec<ImageOutcome> {
        let own = ("to.example", &self.to);
        let others = self.others.iter().map(|(name, other)| (name.as_str(), other));
        let state = |place: &Memory| Arc::new(DestinationState::new(Arc::new(place.clone()), Arc::default()));
        let ends: Vec<_> = std::iter::once(own)
            .chain(others)
            .map(|(name, place)| (name, state(place)))
            .collect();
        let mut source = Arc::new(self.from.clone()) as Arc<dyn Source>;
        if ends.len() > 1 {
            source = Arc::new(SharedSource::new(source, ends.len()));
        }
        let ways = self
            .images
            .iter()
            .flat_map(|image| ends.iter().map(move |end| (image, end)));
        let image_tasks = ways.map(|((from, to, _), (name, state))| {
            let to: Reference = to.to_string().replacen("to.example", name, 1).parse().unwrap();
            let mapping = Mapping {
                name: ImageName::from(from.clone()),
                label: format!("{from} to {name}"),
                from: Target::in_registry(from.clone()),
                to: Target::in_registry(to),
            };
            ImageTask::new(mapping, Arc::clone(&source), Arc::clone(state))
        });
        let pool = Pool::new(self.workers).unwrap();
        // One for all tests: it reads the system's certificates.
        static CLIENT: OnceLock<Client> = OnceLock::new();
        let client = CLIENT.get_or_init(|| Client::builder().build().unwrap()).clone();
        let executor = Executor::new(
            &self.job,
            image_tasks.collect(),
            client,
            &pool,
            self.observer.as_ref(),
            &self.cancel,
        );
        executor.run();
        let is_stopped = self.cancel.load(Ordering::Relaxed);
        let image_tasks = executor.into_tasks().into_iter();
        let outcomes = image_tasks
            .map(|image_task| image_task.into_outcome(is_stopped))
            .collect();
        assert_eq!(self.to.broken(), [""; 0]);
        outcomes
    }

    /// Moves all images, and tells what became of each in a word, with the fault behind it.
    pub fn run(&self) -> Vec<String> {
        let outcomes = self.outcomes().into_iter();
        outcomes.map(|outcome| told(&outcome)).collect()
    }

    /// Returns what the destination lacks of the images.
    pub fn lacks(&self) -> Vec<String> {
        let images = self.images.iter();
        images
            .flat_map(|(_, to, image)| self.to.lacks(to, image))
            .collect()
    }

    /// Moves all images again without trouble: they are all there afterwards, whatever happened before.
    #[track_caller]
    pub fn assert_a_rerun_completes(&self) {
        self.from.calm();
        self.to.calm();
        self.cancel.store(false, Ordering::Relaxed);
        for told in self.run() {
            assert!(told == "copied" || told == "there", "{told}");
        }
        assert_eq!(self.lacks(), [""; 0]);
    }
}

fn told(outcome: &ImageOutcome) -> String {
    match &outcome.status {
        Status::Copied => "copied".to_owned(),
        Status::AlreadyThere => "there".to_owned(),
        Status::Skipped(reason) => format!("skipped: {reason}"),
        Status::Failed(fault) if fault.is_interrupted() => "interrupted".to_owned(),
        Status::Failed(fault) => format!("failed: {fault}"),
        Status::Interrupted => "interrupted".to_owned(),
    }
}

struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: &Event<'_>) {}
}
