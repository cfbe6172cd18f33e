//! Panics in one image's work, injected into its source, its destination and whoever is told of it.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::sync::{Condvar, Mutex, mpsc};
use std::thread;

use transload_reference::Reference;
use transload_test_support::image::{Family, Image, ImageBuilder};

use super::*;
use crate::blobs::Scope as BlobScope;
use crate::ends::DestinationState;
use crate::job::{ImageName, Location};
use crate::place::{Offers, Presence, Sink, Source};
use crate::prepare::Mapping;

const IMAGES: usize = 3;

/// A place that images come from and go to. The first time that something is called, it panics.
struct World {
    images: HashMap<String, Image>,
    trap: Mutex<Option<&'static str>>,
    /// How many images are planned.
    planned: Mutex<usize>,
    grew: Condvar,
}

impl World {
    fn call(&self, name: &str) {
        let is_trap = self.trap.lock().unwrap().take_if(|trap| *trap == name).is_some();
        if is_trap {
            // By then the other images wait for what this one brings.
            if matches!(name, "open_blob" | "bring_blob" | "started") {
                let planned = self.planned.lock().unwrap();
                drop(
                    self.grew
                        .wait_while(planned, |planned| *planned < IMAGES)
                        .unwrap(),
                );
            }
            panic!("on purpose");
        }
    }

    fn image(&self, repository: &Repository) -> &Image {
        &self.images[repository.path()]
    }
}

impl Source for World {
    fn describe(&self) -> String {
        "here".to_owned()
    }

    fn resolve(&self, image: &Reference) -> Result<Digest, Fault> {
        self.call("resolve");
        Ok(self.image(image.repository()).root.digest.clone())
    }

    fn root(&self, image: &Reference) -> Result<RawManifest, Fault> {
        self.call("root");
        let root = &self.image(image.repository()).root;
        Ok(RawManifest::parse(root.bytes.clone(), Some(root.media_type.as_str())).unwrap())
    }

    fn manifest(&self, _: &Repository, _: &Descriptor) -> Result<RawManifest, Fault> {
        unreachable!("the images are no indexes")
    }

    fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        self.call("open_blob");
        let mut blobs = self.image(repository).blobs.iter();
        let (_, bytes) = blobs.find(|(found, _)| found.digest == blob.digest).unwrap();
        Ok(Box::new(Cursor::new(bytes[offset as usize..].to_vec())))
    }

    fn find_manifest(&self, _: &Repository, _: &Digest) -> Result<Option<RawManifest>, Fault> {
        Ok(None)
    }

    fn has_blob(&self, _: &Repository, _: &Descriptor) -> Result<bool, Fault> {
        Ok(true)
    }

    fn offers(&self) -> Offers<'_> {
        static ELSEWHERE: std::sync::OnceLock<Registry> = std::sync::OnceLock::new();
        Offers {
            mount_from: Some(ELSEWHERE.get_or_init(|| "elsewhere.example".parse().unwrap())),
            is_remote: true,
            ..Offers::default()
        }
    }
}

impl Sink for Arc<World> {
    fn scope(&self, _: &Repository) -> BlobScope {
        None
    }

    fn published(&self, _: &Reference) -> Result<Option<Digest>, Fault> {
        self.call("published");
        Ok(None)
    }

    fn presence(&self, _: &Repository, _: &[RawManifest], _: &[Descriptor]) -> Result<Presence, Fault> {
        Ok(Presence::Unknown)
    }

    fn manifest(&self, _: &Repository, _: &Digest) -> Result<Option<RawManifest>, Fault> {
        Ok(None)
    }

    fn has_blob(&self, _: &Repository, _: &Descriptor) -> Result<bool, Fault> {
        Ok(false)
    }

    fn free_space(&self) -> Option<u64> {
        self.call("free_space");
        None
    }

    fn bytes_to_write(&self, _: &dyn Source, blob: &Descriptor) -> u64 {
        self.call("bytes_to_write");
        blob.size
    }

    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        self.call("bring_blob");
        let mut bytes = Vec::new();
        request.open(0)?.read_to_end(&mut bytes).unwrap();
        (request.started)(0);
        (request.progress)(bytes.len() as u64);
        Ok(How::Moved)
    }

    fn sync_blobs(&self) -> Result<(), Fault> {
        self.call("sync_blobs");
        Ok(())
    }

    fn put_manifest(&self, _: &Repository, _: &RawManifest) -> Result<(), Fault> {
        Ok(())
    }

    fn publish(&self, _: &Reference, _: &RawManifest) -> Result<Published, Fault> {
        self.call("publish");
        Ok(Published::Untagged)
    }

    fn write_tags(&self, _: &Repository, _: &[(Tag, Digest)]) -> Result<(), Fault> {
        self.call("write_tags");
        Ok(())
    }
}

struct Watcher(Arc<World>);

impl Observer for Watcher {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::ImagePlanned { .. } => {
                *self.0.planned.lock().unwrap() += 1;
                self.0.grew.notify_all();
                self.0.call("planned");
            }
            Event::BlobStarted { .. } => self.0.call("started"),
            Event::BlobFinished { .. } => self.0.call("finished"),
            _ => {}
        }
    }
}

/// Moves images that have all blobs in common, with a panic in the first call of this name. The faults of those that failed.
fn run(trap: &'static str) -> Vec<String> {
    let name = |number| format!("team/{number}");
    // The blobs are the same; the manifests aren't.
    let image = |number: usize| {
        ImageBuilder::new(Family::Oci)
            .annotation("number", &number.to_string())
            .blob_layer("application/vnd.oci.image.layer.v1.tar", b"one")
            .blob_layer("application/vnd.oci.image.layer.v1.tar", b"two")
            .build()
    };
    let world = Arc::new(World {
        images: (0..IMAGES).map(|number| (name(number), image(number))).collect(),
        trap: Mutex::new(Some(trap)),
        planned: Mutex::default(),
        grew: Condvar::new(),
    });
    let state = Arc::new(DestinationState::new(
        Arc::new(Arc::clone(&world)),
        Arc::default(),
    ));
    let image_tasks = (0..IMAGES).map(|number| {
        let from: Reference = format!("here.example/{}:v1", name(number)).parse().unwrap();
        let mapping = Mapping {
            name: ImageName::from(from.clone()),
            to: Target::in_registry(format!("there.example/team/all:{number}").parse().unwrap()),
            from: Target::in_registry(from),
        };
        ImageTask::new(mapping, Arc::clone(&world) as Arc<dyn Source>, Arc::clone(&state))
    });
    let job = Job::new("test", Location::directory("unused".as_ref()).into());
    let (pool, cancel) = (Pool::new(4).unwrap(), AtomicBool::new(false));
    let (client, watcher) = (Client::builder().build().unwrap(), Watcher(Arc::clone(&world)));
    let executor = Executor::new(&job, image_tasks.collect(), client, &pool, &watcher, &cancel);
    executor.run();
    let image_tasks = executor.into_tasks();
    let outcomes: Vec<_> = image_tasks
        .into_iter()
        .map(|image_task| image_task.into_outcome(false))
        .collect();
    assert!(world.trap.lock().unwrap().is_none(), "{trap} wasn't called");
    let failed = outcomes.iter().filter_map(|outcome| match &outcome.status {
        Status::Failed(fault) => Some(fault.to_string()),
        Status::Copied => None,
        other => panic!("{other:?}"),
    });
    failed.collect()
}

#[test]
fn a_panic_fails_its_image_and_no_other_waits_for_what_that_would_have_brought() {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for trap in [
            "root",
            "published",
            "bytes_to_write",
            "planned",
            "free_space",
            "bring_blob",
            "open_blob",
            "started",
            "finished",
            "sync_blobs",
            "publish",
            "write_tags",
        ] {
            tell.send((trap, run(trap))).unwrap();
        }
    });
    let mut traps = 0;
    while let Ok((trap, failed)) = told.recv_timeout(Duration::from_secs(60)) {
        let [fault, others @ ..] = failed.as_slice() else {
            panic!("{trap}: nothing failed")
        };
        // Tags that are written together fail together.
        let may_share = trap == "write_tags" && others.iter().all(|other| other == fault);
        assert!(others.is_empty() || may_share, "{trap}: {failed:?}");
        assert!(
            fault.contains("internal error at ") && fault.ends_with(": on purpose"),
            "{trap}: {fault}"
        );
        traps += 1;
    }
    assert_eq!(traps, 12, "one hangs");
}
