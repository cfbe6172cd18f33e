//! A place in memory, for tests of the engine: it takes and gives images, fails where a test wants it to, and notes broken promises.

mod sink;
mod source;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use transload_reference::{Descriptor, Digest, RawManifest, Reference, Registry, Repository, Tag};
use transload_test_support::image::{Document, Image};

use crate::blobs::Scope;
use crate::fault::{Fault, Side};
use crate::place::Sink;

/// A call of a source or sink that a test can interfere with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Resolve,
    Root,
    Manifest,
    OpenBlob,
    Referrers,
    FindTag,
    AddReferrers,
    Published,
    Presence,
    BringBlob,
    SyncBlobs,
    PutManifest,
    Publish,
    WriteTags,
    FreeSpace,
    BytesToWrite,
    LayOut,
    Finish,
}

/// What happens in a call instead of what should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It fails, and no further try makes it better.
    Refuse,
    /// It fails, and another try may go better.
    Fail,
    Panic,
    /// The run is stopped, and the call goes on.
    Cancel,
    /// It hangs until the run is stopped.
    Stall,
    /// A blob's bytes end early.
    Cut,
    /// A blob's first byte is another one.
    Damage,
    /// A blob has more bytes than announced.
    Lengthen,
}

/// Whether blobs are kept once, as in a directory, or once for each repository, as in a registry that mounts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Store,
    Registry,
    /// Blobs are kept once, and nothing is there before all of it is.
    File,
}

/// A place in memory. Clones share it.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Shared>);

struct Shared {
    kind: Kind,
    name: Registry,
    contents: Mutex<Contents>,
    troubles: Mutex<Vec<Due>>,
    calls: Mutex<HashMap<Call, usize>>,
    changed: Condvar,
    cancel: Arc<AtomicBool>,
}

/// Trouble to come.
struct Due {
    call: Call,
    /// The image or blob, by a part of its name or digest; any where there is none.
    subject: Option<String>,
    trouble: Trouble,
    times: usize,
}

impl Due {
    fn is_for(&self, call: Call, subject: &str) -> bool {
        let is_about = |about: &String| subject.contains(about);
        self.call == call && self.times > 0 && self.subject.as_ref().is_none_or(is_about)
    }
}

#[derive(Default)]
struct Contents {
    manifests: HashMap<(Repository, Digest), RawManifest>,
    tags: BTreeMap<(Repository, Tag), Digest>,
    blobs: HashMap<(Scope, Digest), Vec<u8>>,
    unsettled: HashSet<(Scope, Digest)>,
    /// The images that a file is laid out for, with their manifests.
    laid_out: Option<BTreeMap<String, HashSet<Digest>>>,
    is_finished: bool,
    /// Bytes that came over the wire, by blob.
    moved: HashMap<Digest, usize>,
    /// The same blobs in the order in which they came.
    came: Vec<Digest>,
    free: Option<u64>,
    broken: Vec<String>,
    /// Whether a manifest comes after its subject, as Harbor wants it.
    needs_subjects: bool,
    /// Blobs that it lacks as a source, with the repository that is said to have them.
    left_out: HashMap<Digest, String>,
    /// Referrers that were added, by their subject.
    referrers: BTreeMap<Digest, BTreeSet<Digest>>,
}

impl Memory {
    /// An empty place; `cancel` is the flag that stops the run.
    pub fn new(kind: Kind, name: &str, cancel: &Arc<AtomicBool>) -> Memory {
        Memory(Arc::new(Shared {
            kind,
            name: name.parse().unwrap(),
            contents: Mutex::default(),
            troubles: Mutex::default(),
            calls: Mutex::default(),
            changed: Condvar::new(),
            cancel: Arc::clone(cancel),
        }))
    }

    /// Puts an image there.
    pub fn add(&self, reference: &Reference, image: &Image) {
        let repository = reference.repository();
        let mut contents = self.contents();
        for document in &image.manifests {
            let manifest = parsed(document);
            contents
                .manifests
                .insert((repository.clone(), document.digest.clone()), manifest);
        }
        for (blob, bytes) in &image.blobs {
            let key = (self.scope(repository), blob.digest.clone());
            contents.blobs.insert(key, bytes.clone());
        }
        if let Some(tag) = reference.tag() {
            let key = (repository.clone(), tag.clone());
            contents.tags.insert(key, image.digest().clone());
        }
    }

    /// Lets the next `times` such calls end in trouble; of one image or blob alone, by a part of its name or digest.
    pub fn trouble(&self, call: Call, subject: Option<&str>, trouble: Trouble, times: usize) {
        self.0.troubles.lock().unwrap().push(Due {
            call,
            subject: subject.map(str::to_owned),
            trouble,
            times,
        });
    }

    /// Returns how many of the troubles didn't happen.
    pub fn troubles_left(&self) -> usize {
        self.0.troubles.lock().unwrap().iter().map(|due| due.times).sum()
    }

    /// Lets no more trouble happen.
    pub fn calm(&self) {
        self.0.troubles.lock().unwrap().clear();
    }

    /// Returns how often a call was made.
    pub fn count(&self, call: Call) -> usize {
        self.0.calls.lock().unwrap().get(&call).copied().unwrap_or(0)
    }

    /// Waits until a call was made so often.
    pub fn wait_for(&self, call: Call, times: usize) {
        let calls = self.0.calls.lock().unwrap();
        let few = |calls: &mut HashMap<Call, usize>| calls.get(&call).copied().unwrap_or(0) < times;
        let (_calls, waited) = self
            .0
            .changed
            .wait_timeout_while(calls, Duration::from_secs(30), few)
            .unwrap();
        assert!(!waited.timed_out(), "{call:?} wasn't called {times} times");
    }

    /// Forgets how often calls were made, and what moved.
    pub fn reset_counts(&self) {
        self.0.calls.lock().unwrap().clear();
        self.contents().moved.clear();
    }

    /// Lets so many bytes be free.
    pub fn set_free(&self, bytes: u64) {
        self.contents().free = Some(bytes);
    }

    /// Lets a manifest that comes before its subject break a promise.
    pub fn need_subjects(&self) {
        self.contents().needs_subjects = true;
    }

    /// Returns what kind of place it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Lists a manifest as the referrer of another one, whatever it says itself.
    pub fn list_referrer(&self, subject: &Digest, referrer: &Digest) {
        let mut contents = self.contents();
        let known = contents.referrers.entry(subject.clone()).or_default();
        known.insert(referrer.clone());
    }

    /// Lets a blob be lacking as a source, as a bundle lacks what this repository of the destination has.
    pub fn leave_out(&self, repository: &Repository, digest: &Digest, lender: &str) {
        self.lose_blob(repository, digest);
        let mut contents = self.contents();
        contents.left_out.insert(digest.clone(), lender.to_owned());
    }

    /// Takes a blob away, as a registry may lose one.
    pub fn lose_blob(&self, repository: &Repository, digest: &Digest) {
        let key = (self.scope(repository), digest.clone());
        assert!(self.contents().blobs.remove(&key).is_some());
    }

    /// Returns how many bytes of a blob came over the wire.
    pub fn moved(&self, digest: &Digest) -> usize {
        self.contents().moved.get(digest).copied().unwrap_or(0)
    }

    /// Returns the blobs that came over the wire, in their order.
    pub fn came(&self) -> Vec<Digest> {
        self.contents().came.clone()
    }

    /// Returns what a reference stands for.
    pub fn digest(&self, reference: &Reference) -> Option<Digest> {
        let contents = self.contents();
        match reference.tag() {
            Some(tag) => contents
                .tags
                .get(&(reference.repository().clone(), tag.clone()))
                .cloned(),
            None => reference.digest().cloned(),
        }
    }

    /// Returns what an image lacks here, or how its manifests differ.
    pub fn lacks(&self, reference: &Reference, image: &Image) -> Vec<String> {
        let mut lacks = Vec::new();
        if self.digest(reference).as_ref() != Some(image.digest()) {
            lacks.push(format!("{reference} stands for {:?}", self.digest(reference)));
        }
        let repository = reference.repository();
        let contents = self.contents();
        for document in &image.manifests {
            let found = contents
                .manifests
                .get(&(repository.clone(), document.digest.clone()));
            if found.is_none_or(|found| found.bytes() != document.bytes) {
                lacks.push(format!("the manifest {}", document.digest));
            }
        }
        for (blob, bytes) in &image.blobs {
            let found = contents.blobs.get(&(self.scope(repository), blob.digest.clone()));
            if found != Some(bytes) {
                lacks.push(format!("the blob {}", blob.digest));
            }
        }
        lacks
    }

    /// Returns the names of the images that it is laid out for, if it is.
    pub fn laid_out(&self) -> Option<Vec<String>> {
        let contents = self.contents();
        let laid_out = contents.laid_out.as_ref();
        laid_out.map(|images| images.keys().cloned().collect())
    }

    /// Returns whether it is finished.
    pub fn is_finished(&self) -> bool {
        self.contents().is_finished
    }

    /// Returns the promises that were broken: parts written after what names them, wrong bytes, blobs that weren't made durable.
    pub fn broken(&self) -> Vec<String> {
        self.contents().broken.clone()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.contents.lock().unwrap()
    }

    /// Counts a call and meets the trouble that waits for it. Returns the trouble that its bytes meet.
    fn call(&self, call: Call, subject: &str) -> Result<Option<Trouble>, Fault> {
        *self.0.calls.lock().unwrap().entry(call).or_default() += 1;
        self.0.changed.notify_all();
        let trouble = {
            let mut troubles = self.0.troubles.lock().unwrap();
            troubles
                .iter_mut()
                .find(|due| due.is_for(call, subject))
                .map(|due| {
                    due.times -= 1;
                    due.trouble
                })
        };
        let side = match call {
            Call::Resolve
            | Call::Root
            | Call::Manifest
            | Call::OpenBlob
            | Call::Referrers
            | Call::FindTag => Side::Source,
            _ => Side::Destination,
        };
        match trouble {
            Some(Trouble::Refuse) => Err(Fault::refused(Some(side), "refused on purpose")),
            Some(Trouble::Fail) => Err(Fault::caused(side, io::Error::other("failed on purpose"), true)),
            Some(Trouble::Panic) => panic!("on purpose"),
            Some(Trouble::Cancel) => {
                self.0.cancel.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Some(Trouble::Stall) => {
                while !self.0.cancel.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                Err(Fault::interrupted())
            }
            other => Ok(other),
        }
    }

    fn stored(&self, repository: &Repository, digest: &Digest) -> Result<RawManifest, Fault> {
        let found = self
            .contents()
            .manifests
            .get(&(repository.clone(), digest.clone()))
            .cloned();
        found.ok_or_else(|| Fault::refused(Some(Side::Source), format!("{digest} isn't there")))
    }

    /// Notes what a manifest names that isn't there, or isn't durable. An index may be written without children on purpose.
    fn check_parts(&self, contents: &mut Contents, repository: &Repository, manifest: &RawManifest) {
        if self.0.kind == Kind::File {
            let mut planned = contents.laid_out.iter().flat_map(BTreeMap::values);
            if !planned.any(|manifests| manifests.contains(manifest.digest())) {
                contents
                    .broken
                    .push(format!("{} isn't in the layout", manifest.digest()));
            }
        }
        let view = manifest.view();
        let mut missing = Vec::new();
        if let Some(subject) = view.subject().filter(|_| contents.needs_subjects) {
            let key = (repository.clone(), subject.digest.clone());
            if !contents.manifests.contains_key(&key) {
                missing.push(format!("its subject {}", subject.digest));
            }
        }
        let has = |digest: &Digest| {
            contents
                .manifests
                .contains_key(&(repository.clone(), digest.clone()))
        };
        if !view.children().is_empty() && !view.children().iter().any(|child| has(&child.digest)) {
            missing.push("all of its children".to_owned());
        }
        for blob in view.blobs().filter(|blob| !blob.media_type.is_foreign_layer()) {
            let key = (self.scope(repository), blob.digest.clone());
            if !contents.blobs.contains_key(&key) {
                missing.push(format!("the blob {}", blob.digest));
            } else if self.0.kind == Kind::Store && contents.unsettled.contains(&key) {
                missing.push(format!("durable bytes of {}", blob.digest));
            }
        }
        let told = missing
            .into_iter()
            .map(|what| format!("{} was written before {what}", manifest.digest()));
        contents.broken.extend(told);
    }

    fn keep_blob(&self, repository: &Repository, blob: &Descriptor, bytes: Vec<u8>) {
        let key = (self.scope(repository), blob.digest.clone());
        let mut contents = self.contents();
        if self.0.kind == Kind::File && contents.laid_out.is_none() {
            contents
                .broken
                .push(format!("{} came before the layout", blob.digest));
        }
        if contents.blobs.insert(key.clone(), bytes).is_some() {
            contents.broken.push(format!("{} was written twice", blob.digest));
        }
        contents.unsettled.insert(key);
    }
}

fn parsed(document: &Document) -> RawManifest {
    RawManifest::parse(document.bytes.clone(), Some(document.media_type.as_str())).unwrap()
}
