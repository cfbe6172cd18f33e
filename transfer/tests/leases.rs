//! A directory that a run lists stays as it is to the end of the run: whoever wants to remove images waits.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use transload_layout_store::{OpenOptions, Store};
use transload_test_support::image::{Family, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_transfer::job::{Job, Location};
use transload_transfer::{Event, Observer, Options, Summary, run};

const IMAGES: u64 = 3;

/// A folder with a directory `images`.
fn scene() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..IMAGES {
        let image = samples::single(Family::Oci, "linux/amd64", number);
        let (to, name) = (folder.path().join("images"), format!("app{number}"));
        kubekey::write(&to, "hub.local", &name, "v1", &image, Generation::Third);
    }
    folder
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(name.split_once(':').map_or(name, |(_, name)| name))
}

fn location(folder: &Path, name: &str) -> Location {
    let scheme = name.split_once(':').map_or("local", |(scheme, _)| scheme);
    let path = path(folder, name);
    let text = match scheme {
        "local" => format!("local://{}", path.display()),
        _ => format!("{scheme}:{}", path.display()),
    };
    Location::parse(&text).unwrap()
}

/// A job for all that one place holds.
fn job(folder: &Path, from: &str, to: &str) -> Job {
    Job {
        source: Some(location(folder, from).into()),
        ..Job::new(&format!("{from} to {to}"), location(folder, to).into())
    }
}

fn arrived(summary: &Summary) -> usize {
    assert!(summary.is_success(), "{summary:?}");
    summary.jobs.iter().map(|job| job.images.len()).sum()
}

/// Looks whether images can be removed from a directory, each time that it is told of something.
struct Looks {
    directory: PathBuf,
    free: Mutex<Vec<String>>,
}

impl Observer for Looks {
    fn event(&self, event: &Event<'_>) {
        let opened = OpenOptions::default().try_open_exclusively(&self.directory);
        if opened.unwrap().is_some() {
            self.free.lock().unwrap().push(format!("{event:?}"));
        }
    }
}

#[test]
fn nobody_removes_what_was_listed_until_the_run_is_over() {
    for to in ["copy", "oci:layout", "oci-archive:images.tar", "bundle:bundle"] {
        let folder = scene();
        let looks = Arc::new(Looks {
            directory: folder.path().join("images"),
            free: Mutex::default(),
        });
        // The second task's source is listed before the first begins, and read after it.
        let jobs = [
            job(folder.path(), "images", to),
            job(folder.path(), "images", "again"),
        ];
        let observer: Arc<dyn Observer> = Arc::clone(&looks) as _;
        let summary = run(&jobs, &Options::default(), &observer).unwrap();
        assert_eq!(arrived(&summary), 2 * IMAGES as usize, "{to}");
        assert_eq!(*looks.free.lock().unwrap(), [""; 0], "{to}");
        let opened = OpenOptions::default().try_open_exclusively(&looks.directory);
        assert!(opened.unwrap().is_some(), "{to}: the run is over");
    }
}

/// Wants to remove images from directories as soon as the run begins.
struct Prunes {
    directories: Vec<PathBuf>,
    waiting: Mutex<Vec<JoinHandle<()>>>,
}

impl Observer for Prunes {
    fn event(&self, event: &Event<'_>) {
        if !matches!(event, Event::RunStarted { .. }) {
            return;
        }
        let directories = self.directories.iter().cloned();
        let wait =
            |directory: PathBuf| thread::spawn(move || drop(Store::open_exclusively(directory).unwrap()));
        self.waiting.lock().unwrap().extend(directories.map(wait));
    }
}

#[test]
fn tasks_that_fill_each_others_directories_are_done_whoever_waits_to_remove_images() {
    let folder = scene();
    Store::create(folder.path().join("between")).unwrap();
    let prunes = Arc::new(Prunes {
        directories: ["images", "between"]
            .map(|name| folder.path().join(name))
            .to_vec(),
        waiting: Mutex::default(),
    });
    let jobs = [
        job(folder.path(), "images", "between"),
        job(folder.path(), "between", "oci:last"),
        job(folder.path(), "oci:last", "images"),
    ];
    let observer: Arc<dyn Observer> = Arc::clone(&prunes) as _;
    let summary = run(&jobs, &Options::default(), &observer).unwrap();
    assert_eq!(arrived(&summary), 3 * IMAGES as usize);
    for waiting in prunes.waiting.lock().unwrap().drain(..) {
        waiting.join().unwrap();
    }
}
