//! A remote source that several destinations read, while it is read once.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository, Tag, VerifyError};

use super::spool::{Spool, SpoolReader};
use super::{Offers, Source};
use crate::fault::Fault;
use crate::lock::lock;
use crate::outcome::Count;

/// A source whose answers are kept until each of the destinations has had them, and whose blobs go through a [`Spool`].
pub(crate) struct SharedSource {
    source: Arc<dyn Source>,
    spool: OnceLock<Option<Spool>>,
    read: Arc<Tally>,
    resolved: Answers<Reference, Digest>,
    roots: Answers<Reference, RawManifest>,
    manifests: Answers<(Repository, Digest), RawManifest>,
    found: Answers<(Repository, Digest), Option<RawManifest>>,
    referrers: Answers<(Repository, Digest), Vec<Descriptor>>,
    tags: Answers<(Repository, Tag), Option<Digest>>,
}

impl SharedSource {
    /// Shares a source among so many destinations.
    pub fn new(source: Arc<dyn Source>, destinations: usize) -> SharedSource {
        SharedSource {
            source,
            spool: OnceLock::new(),
            read: Arc::default(),
            resolved: Answers::new(destinations),
            roots: Answers::new(destinations),
            manifests: Answers::new(destinations),
            found: Answers::new(destinations),
            referrers: Answers::new(destinations),
            tags: Answers::new(destinations),
        }
    }

    fn spool(&self) -> Option<&Spool> {
        let spool = self.spool.get_or_init(|| {
            let made = Spool::new();
            let told = |error: &io::Error| {
                log::warn!("no temporary file, so each destination reads the source: {error} (TMPDIR names its folder)");
            };
            made.inspect_err(told).ok()
        });
        spool.as_ref()
    }
}

impl Source for SharedSource {
    fn describe(&self) -> String {
        self.source.describe()
    }

    fn resolve(&self, image: &Reference) -> Result<Digest, Fault> {
        self.resolved.get(image.clone(), || self.source.resolve(image))
    }

    fn root(&self, image: &Reference) -> Result<RawManifest, Fault> {
        self.roots.get(image.clone(), || self.source.root(image))
    }

    fn manifest(&self, repository: &Repository, part: &Descriptor) -> Result<RawManifest, Fault> {
        let key = (repository.clone(), part.digest.clone());
        self.manifests.get(key, || self.source.manifest(repository, part))
    }

    fn find_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        let key = (repository.clone(), digest.clone());
        self.found
            .get(key, || self.source.find_manifest(repository, digest))
    }

    fn left_out(&self, repository: &Repository, index: &Digest) -> BTreeSet<Digest> {
        self.source.left_out(repository, index)
    }

    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, Fault> {
        let key = (repository.clone(), subject.clone());
        self.referrers
            .get(key, || self.source.referrers(repository, subject))
    }

    fn find_tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Fault> {
        let key = (repository.clone(), tag.clone());
        self.tags.get(key, || self.source.find_tag(repository, tag))
    }

    fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        // Who goes on far behind what is there, with an upload of an earlier run, would fetch all before it first.
        let spooled = self.spool().and_then(|spool| spool.blob(blob));
        let Some(spooled) = spooled.filter(|spooled| spooled.has(offset)) else {
            let body = self.source.open_blob(repository, blob, offset)?;
            return Ok(self.read.counted(body, offset));
        };
        let (source, repository, blob) = (Arc::clone(&self.source), repository.clone(), blob.clone());
        let read = Arc::clone(&self.read);
        let open = move |offset| match source.open_blob(&repository, &blob, offset) {
            Ok(body) => Ok(read.counted(body, offset)),
            Err(fault) => Err(io::Error::other(fault)),
        };
        Ok(Box::new(SpoolReader::new(spooled, offset, Box::new(open))))
    }

    fn free_permits(&self) -> usize {
        self.source.free_permits()
    }

    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        self.source.has_blob(repository, blob)
    }

    fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Fault> {
        self.source.tags(repository)
    }

    fn offers(&self) -> Offers<'_> {
        self.source.offers()
    }

    fn damaged(&self, blob: &Descriptor, error: &VerifyError) -> Option<Fault> {
        self.source.damaged(blob, error)
    }

    fn read(&self) -> Option<Count> {
        Some(Count {
            blobs: self.read.blobs.load(Ordering::Relaxed),
            bytes: self.read.bytes.load(Ordering::Relaxed),
        })
    }
}

/// What was read of a source's blobs.
#[derive(Default)]
struct Tally {
    blobs: AtomicUsize,
    bytes: AtomicU64,
}

impl Tally {
    /// Counts a blob that is read from an offset on.
    fn counted(self: &Arc<Self>, body: Box<dyn Read + Send>, offset: u64) -> Box<dyn Read + Send> {
        if offset == 0 {
            self.blobs.fetch_add(1, Ordering::Relaxed);
        }
        let tally = Arc::clone(self);
        Box::new(Counted { body, tally })
    }
}

struct Counted {
    body: Box<dyn Read + Send>,
    tally: Arc<Tally>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(buffer)?;
        self.tally.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Answers of a source, each kept until so many have had it.
struct Answers<K, V> {
    takers: usize,
    kept: Mutex<HashMap<K, Arc<Mutex<Answer<V>>>>>,
}

struct Answer<V> {
    value: Option<V>,
    taken: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Answers<K, V> {
    fn new(takers: usize) -> Self {
        Answers {
            takers,
            kept: Mutex::default(),
        }
    }

    /// The answer that is kept, or else the one that the source gives now. Whoever asks meanwhile waits for it; failures aren't kept.
    fn get(&self, key: K, ask: impl FnOnce() -> Result<V, Fault>) -> Result<V, Fault> {
        let answer = {
            let mut kept = lock(&self.kept);
            let unknown = || {
                Arc::new(Mutex::new(Answer {
                    value: None,
                    taken: 0,
                }))
            };
            Arc::clone(kept.entry(key.clone()).or_insert_with(unknown))
        };
        let mut answer = lock(&answer);
        let value = match &answer.value {
            Some(value) => value.clone(),
            None => ask()?,
        };
        answer.value.get_or_insert_with(|| value.clone());
        answer.taken += 1;
        if answer.taken >= self.takers {
            let mut kept = lock(&self.kept);
            kept.remove(&key);
        }
        Ok(value)
    }
}
