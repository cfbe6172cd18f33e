//! Fetching again what is wrong with a store, and only that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use transload_layout_store::{Error, Flaw, Store};
use transload_policy::{Keep, filter_index};
use transload_reference::{Descriptor, Digest, MediaType, RawManifest, Reference, Repository};
use transload_registry_client::Client;

use super::verify::{Checkup, Finding, Health, Look, Thing};
use crate::job::{Endpoint, ImageName};
use crate::place::{Bring, DirectorySink, Expected, RegistrySource, Sink, Source};
use crate::{Event, Fault, How, Observer, Side};

/// What became of a repair.
#[derive(Debug)]
pub struct Report {
    /// How the store is now.
    pub health: Health,
    /// What was wrong and is whole again.
    pub mended: Vec<Finding>,
    /// Why things that are still wrong couldn't be mended.
    faults: HashMap<String, Fault>,
}

impl Report {
    /// Of a store of which nothing was mended.
    pub fn of(health: Health) -> Report {
        Report {
            health,
            mended: Vec::new(),
            faults: HashMap::new(),
        }
    }

    /// Why a finding couldn't be mended, where that was tried.
    pub fn fault(&self, finding: &Finding) -> Option<&Fault> {
        self.faults.get(&finding.thing.key(&finding.path))
    }
}

/// Mends what was found, and looks again: behind a manifest that is back, more may be wrong. Each thing is tried once.
///
/// # Errors
/// As [`Checkup::look`].
pub fn repair(checkup: &mut Checkup<'_>, mender: &Mender<'_>, health: Health) -> Result<Report, Error> {
    let mut report = Report::of(health);
    let mut tried = HashSet::new();
    let mut mended = Vec::new();
    while !report.health.stopped {
        let findings = std::mem::take(&mut report.health.findings);
        let (mut round, others): (Vec<_>, Vec<_>) = findings
            .into_iter()
            .partition(|finding| !tried.contains(&finding.thing.key(&finding.path)));
        if round.is_empty() {
            report.health.findings = others;
            break;
        }
        // What a tag map tells leads to manifests.
        if let Some(first) = round.iter().map(|finding| stage(&finding.thing)).min() {
            round.retain(|finding| stage(&finding.thing) == first);
        }
        let results = mender.mend(&round);
        for (finding, result) in round.into_iter().zip(results) {
            let key = finding.thing.key(&finding.path);
            match result {
                Ok(()) => mended.push(finding),
                Err(fault) => {
                    report.faults.insert(key.clone(), fault);
                }
            }
            tried.insert(key);
        }
        let renewed = std::mem::take(&mut report.health.old_tag_files).into_iter();
        let renewed: Vec<_> = renewed.filter(|file| file.failure.is_none()).collect();
        report.health = checkup.look()?;
        report.health.old_tag_files.extend(renewed);
    }
    let still: HashSet<String> = report
        .health
        .findings
        .iter()
        .map(|finding| finding.thing.key(&finding.path))
        .collect();
    mended.retain(|finding| !still.contains(&finding.thing.key(&finding.path)));
    report.mended = mended;
    Ok(report)
}

fn stage(thing: &Thing) -> u8 {
    match thing {
        Thing::Folder | Thing::TagMap(_) => 0,
        Thing::Manifest(..) | Thing::Blob(_) => 1,
    }
}

/// Mends things of a store, with what registries have.
pub struct Mender<'a> {
    /// The store.
    pub store: &'a Arc<Store>,
    /// Where things come from: each image's own registry where there is none.
    pub from: Option<&'a Endpoint>,
    /// The client of all registries.
    pub client: &'a Client,
    /// The threads that fetch.
    pub pool: &'a rayon::ThreadPool,
    /// Told how much is to be mended.
    pub told: &'a (dyn Fn(Look) + Sync),
    /// Told of the blobs that come.
    pub observer: &'a dyn Observer,
    /// Set once the user wants to stop.
    pub cancel: &'a AtomicBool,
}

impl Mender<'_> {
    fn mend(&self, findings: &[Finding]) -> Vec<Result<(), Fault>> {
        let sizes = findings.iter().map(|finding| match &finding.thing {
            Thing::Blob(blob) => blob.size,
            _ => 0,
        });
        (self.told)(Look::Mending {
            things: findings.len(),
            bytes: sizes.sum(),
        });
        self.pool.install(|| {
            findings
                .par_iter()
                .map(|finding| {
                    if self.cancel.load(Ordering::Relaxed) {
                        return Err(Fault::interrupted());
                    }
                    self.mend_one(finding)
                })
                .collect()
        })
    }

    fn mend_one(&self, finding: &Finding) -> Result<(), Fault> {
        match &finding.thing {
            Thing::Folder => {
                let hint = "check owner and permissions, and the disk that it is on";
                Err(Fault::refused(None, "no registry can help with that").with_hint(hint))
            }
            Thing::TagMap(repository) => self.store.repair().mend_tags(repository).map_err(no_tags),
            Thing::Manifest(repository, digest) => self.manifest(repository, digest, &finding.images),
            Thing::Blob(blob) => self.blob(blob, finding),
        }
    }

    fn manifest(&self, repository: &Repository, digest: &Digest, images: &[Reference]) -> Result<(), Fault> {
        // Its kind and size are what it comes with.
        let part = Descriptor::new(MediaType::new(""), digest.clone(), 0);
        let fetched = self.ask(images, |source, there| source.manifest(there.repository(), &part));
        let manifest = match fetched {
            Err(fault) if !fault.is_retryable() && !fault.is_interrupted() => {
                self.cut_again(repository, digest, images).ok_or(fault)?
            }
            other => other?,
        };
        self.store
            .repair()
            .mend_manifest(repository, &manifest)
            .map_err(at_store)
    }

    /// An index that was cut down to some platforms, which no registry has: made again from the one that its tag stands for.
    fn cut_again(
        &self,
        repository: &Repository,
        digest: &Digest,
        images: &[Reference],
    ) -> Option<RawManifest> {
        let tagged: Vec<Reference> = images
            .iter()
            .filter(|image| image.tag().is_some())
            .cloned()
            .collect();
        tagged.iter().find_map(|image| {
            let whole = self
                .ask(std::slice::from_ref(image), |source, there| source.root(there))
                .ok()?;
            let children = whole.view().children().iter();
            let here: Vec<bool> = children
                .map(|child| matches!(self.store.manifest(repository, &child.digest), Ok(Some(_))))
                .collect();
            let cut = filter_index(&whole, |at| if here[at] { Keep::Yes } else { Keep::No }).ok()?;
            (cut.digest() == digest).then_some(cut)
        })
    }

    fn blob(&self, blob: &Descriptor, finding: &Finding) -> Result<(), Fault> {
        // One of another size doesn't count as there: its place is taken once a whole one has come.
        let aside = match finding.flaw {
            Flaw::Missing | Flaw::WrongSize { .. } => None,
            _ => Some(self.store.repair().set_aside(&blob.digest).map_err(at_store)?),
        };
        let image = finding.images.first().map(Reference::to_string);
        let image = image.unwrap_or_default();
        let brought = self.ask(&finding.images, |source, there| {
            self.bring(blob, &image, source, there.repository())
        });
        match brought {
            Ok(how) => {
                let image = image.as_str();
                self.observer.event(&Event::BlobFinished { image, blob, how });
            }
            Err(fault) => {
                let digest = &blob.digest;
                self.observer.event(&Event::BlobFailed {
                    image: &image,
                    digest,
                });
                return Err(fault);
            }
        }
        aside.map_or(Ok(()), |aside| aside.discard().map_err(at_store))
    }

    fn bring(
        &self,
        blob: &Descriptor,
        image: &str,
        source: &Arc<dyn Source>,
        there: &Repository,
    ) -> Result<How, Fault> {
        let destination = DirectorySink::new(Arc::clone(self.store));
        let how = destination.bring_blob(&Bring {
            repository: there,
            blob,
            mount_from: None,
            expected: Expected::Missing,
            source,
            source_repository: there,
            started: &|offset| {
                self.observer.event(&Event::BlobStarted { image, blob, offset });
            },
            progress: &|position| {
                let digest = &blob.digest;
                self.observer.event(&Event::BlobProgress {
                    image,
                    digest,
                    position,
                });
            },
            cancel: self.cancel,
            // Every worker has things of its own to mend.
            workers: None,
        })?;
        destination.sync_blobs().map(|()| how)
    }

    /// What the first registry gives that has it. The images tell which: each repository is asked once.
    fn ask<T>(
        &self,
        images: &[Reference],
        fetch: impl Fn(&Arc<dyn Source>, &Reference) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut asked: HashSet<Repository> = HashSet::new();
        let mut first = None;
        for image in images {
            let there = self.at_registry(image)?;
            if !asked.insert(there.repository().clone()) {
                continue;
            }
            let registry = there.repository().registry().clone();
            let source: Arc<dyn Source> = Arc::new(RegistrySource::new(self.client.clone(), registry));
            match fetch(&source, &there) {
                Err(fault) if !fault.is_interrupted() => first = first.or(Some(fault)),
                other => return other,
            }
        }
        let none = || Fault::refused(None, "its image isn't known");
        Err(first.unwrap_or_else(none))
    }

    /// What an image is called where things are fetched.
    fn at_registry(&self, image: &Reference) -> Result<Reference, Fault> {
        let Some(from) = self.from else {
            return Ok(image.clone());
        };
        let name = ImageName::from(image.clone());
        match from.locate(&name).and_then(|place| place.target(&name)) {
            Ok(target) if target.registry().is_some() => Ok(target.reference().clone()),
            Ok(target) => {
                let message = format!("{} isn't a registry", target.place());
                Err(Fault::refused(Some(Side::Source), message))
            }
            Err(error) => Err(Fault::refused(Some(Side::Source), error.to_string())),
        }
    }
}

/// What the store itself refuses; the path is told beside it.
fn at_store(error: Error) -> Fault {
    match error {
        Error::Stopped { .. } => Fault::interrupted(),
        Error::Damaged { reason, .. } => Fault::refused(None, reason),
        other => Fault::refused(None, other.to_string()).maybe_hint(other.hint()),
    }
}

fn no_tags(error: Error) -> Fault {
    match error {
        Error::Damaged { .. } => Fault::refused(None, "no file beside it records its tags")
            .with_hint(
                "pull the repository's images into another directory: keep this file, the only record of its tags",
            ),
        other => at_store(other),
    }
}
