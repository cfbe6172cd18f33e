//! Checking a bundle: every byte of every volume, read once from its beginning to its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use transload_reference::{Algorithm, Digest, Hasher, Manifest, Reference, Verifier};

use super::document::volume_name;
use super::read::read_bounded;
use super::sums::{self, SUMS};
use super::volume::{Content, END, Entry};
use super::{Bundle, BundleError, DOCUMENT};
use crate::error::shown;

/// How many bytes are read at a time.
const CHUNK: usize = 256 << 10;
/// How many such pieces are read before they are hashed.
const CHUNKS_AHEAD: usize = 8;

/// Something wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flaw {
    /// The file.
    pub path: PathBuf,
    /// Where in it; none where it is the file as a whole.
    pub spot: Option<Spot>,
    /// What is wrong, to be said after the place.
    pub reason: String,
    /// The images that need it, sorted.
    pub images: Vec<Reference>,
}

/// A place in a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spot {
    /// Where it begins.
    pub offset: u64,
    /// The blob or manifest that is there; none where it is the frame around them.
    pub digest: Option<Digest>,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown(&self.path))?;
        match &self.spot {
            Some(Spot {
                offset,
                digest: Some(digest),
            }) => write!(f, ", offset {offset}: {digest} {}", self.reason),
            Some(Spot { offset, .. }) => write!(f, ", offset {offset}: {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

impl Bundle {
    /// Reads all files and compares them with the sums, the frames of the volumes with the list, and each blob with its digest. Returns what
    /// is wrong. `told` is told how many more bytes were read. Ends early once `cancel` is set.
    ///
    /// # Errors
    /// Where the sums can't be read.
    pub fn check(&self, cancel: &AtomicBool, told: &(dyn Fn(u64) + Sync)) -> Result<Vec<Flaw>, BundleError> {
        let path = self.folder.join(SUMS);
        let mut sums = match &self.signed {
            Some(signed) => signed.clone(),
            None => {
                let text = read_bounded(&path, sums::MOST_BYTES)?;
                sums::parse(&text).map_err(|reason| BundleError::damaged(&path, reason))?
            }
        };
        let mut flaws = Vec::new();
        let flaw = |path: &Path, reason: &str| Flaw {
            path: path.to_owned(),
            spot: None,
            reason: reason.to_owned(),
            images: Vec::new(),
        };
        match sums.remove(DOCUMENT) {
            Some(sum) if sum == self.id => {}
            Some(_) => flaws.push(flaw(&self.folder.join(DOCUMENT), "doesn't match SHA256SUMS")),
            None => flaws.push(flaw(&path, "lacks BUNDLE.json")),
        }
        let users = self.users();
        let mut state = State::default();
        for (number, (volume, entries)) in (1..).zip(self.volumes.iter().zip(&self.entries)) {
            let name = volume_name(number);
            let sum = sums.remove(&name);
            if sum.is_none() {
                flaws.push(flaw(&path, &format!("lacks {name}")));
            }
            let file = match &volume.file {
                Ok(file) => file,
                Err(reason) => {
                    let digests = entries.iter().filter_map(digest_of);
                    let images: BTreeSet<&String> =
                        digests.flat_map(|digest| users.get(digest)).flatten().collect();
                    flaws.push(Flaw {
                        images: names(images.into_iter()),
                        ..flaw(&volume.path, &format!("can't be checked: {reason}"))
                    });
                    state.cut = None;
                    continue;
                }
            };
            let before = flaws.len();
            // A volume's sum and its blobs' digests take as long as each other.
            let (looked, got) = thread::scope(|scope| {
                let (summed, chunks) = mpsc::sync_channel::<Vec<u8>>(CHUNKS_AHEAD);
                let sum = scope.spawn(move || {
                    let mut hasher = Hasher::new(Algorithm::Sha256);
                    chunks.iter().for_each(|chunk| hasher.update(&chunk));
                    hasher.finish()
                });
                let mut look = Look {
                    file,
                    path: &volume.path,
                    users: &users,
                    flaws: &mut flaws,
                    told,
                    cancel,
                    position: 0,
                    summed,
                };
                let looked = look.volume(entries, &mut state);
                drop(look);
                (looked, sum.join())
            });
            let got = got.unwrap_or_else(|panic| resume_unwind(panic));
            match looked {
                Err(error) => flaws.push(flaw(&volume.path, &format!("can't be read: {error}"))),
                Ok(()) if cancel.load(Ordering::Relaxed) => return Ok(flaws),
                // What is wrong is told more closely by its spot.
                Ok(()) if sum.is_some_and(|sum| sum != got) && flaws.len() == before => {
                    flaws.push(flaw(
                        &volume.path,
                        "doesn't match SHA256SUMS, but matches BUNDLE.json",
                    ));
                }
                Ok(()) => {}
            }
        }
        for (name, sum) in sums {
            let path = self.folder.join(&name);
            let reason = match read_bounded(&path, sums::MOST_BYTES) {
                Ok(text) if Digest::of(&text) == sum => continue,
                Ok(_) => "doesn't match SHA256SUMS".to_owned(),
                Err(_) => "isn't there".to_owned(),
            };
            flaws.push(flaw(&path, &reason));
        }
        Ok(flaws)
    }

    /// The bytes that [`Bundle::check`] reads.
    pub fn bytes_to_check(&self) -> u64 {
        let volumes = self.volumes.iter().zip(&self.document.volumes);
        volumes
            .filter(|(volume, _)| volume.file.is_ok())
            .map(|(_, record)| record.size)
            .sum()
    }

    /// The images that need each manifest, blob and difference, as far as the manifests can be read.
    pub fn users(&self) -> HashMap<Digest, BTreeSet<String>> {
        let mut users: HashMap<Digest, BTreeSet<String>> = HashMap::new();
        for image in self.images() {
            let name = image.reference.to_string();
            let mut queue = vec![image.digest.clone()];
            let mut seen = BTreeSet::new();
            while let Some(digest) = queue.pop() {
                users.entry(digest.clone()).or_default().insert(name.clone());
                let Some(manifest) = self
                    .manifest(&digest)
                    .ok()
                    .flatten()
                    .filter(|_| seen.insert(digest))
                else {
                    continue;
                };
                if let Manifest::Index(index) = manifest.view() {
                    queue.extend(index.manifests.iter().map(|child| child.digest.clone()));
                }
                for blob in manifest.view().blobs() {
                    users.entry(blob.digest.clone()).or_default().insert(name.clone());
                }
            }
        }
        for (layer, difference) in self.differences() {
            if let Some(own) = users.get(layer).cloned() {
                users.entry(difference.clone()).or_default().extend(own);
            }
        }
        users
    }
}

fn digest_of(entry: &Entry) -> Option<&Digest> {
    match &entry.content {
        Content::Part { digest, .. } => Some(digest),
        Content::Known(_) => None,
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Reference> {
    names.filter_map(|name| name.parse().ok()).collect()
}

/// What goes on from one volume to the next: a blob that is cut, and the path and offset of its first part.
#[derive(Default)]
struct State {
    cut: Option<(Digest, Verifier)>,
    /// Where each cut blob's parts are.
    parts: BTreeMap<Digest, Vec<(PathBuf, u64)>>,
}

/// A look at one volume.
struct Look<'a> {
    file: &'a File,
    path: &'a Path,
    users: &'a HashMap<Digest, BTreeSet<String>>,
    flaws: &'a mut Vec<Flaw>,
    told: &'a (dyn Fn(u64) + Sync),
    cancel: &'a AtomicBool,
    position: u64,
    /// Takes all bytes, for the volume's sum.
    summed: SyncSender<Vec<u8>>,
}

impl Look<'_> {
    fn volume(&mut self, entries: &[Entry], state: &mut State) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        for entry in entries {
            self.compare(&entry.header(), "the header of an entry is wrong")?;
            match &entry.content {
                Content::Known(bytes) => self.compare(bytes, "a document is wrong")?,
                Content::Part { digest, from, whole } => {
                    let known = state
                        .cut
                        .take()
                        .filter(|(cut, verifier)| cut == digest && verifier.seen() == *from);
                    let mut verifier = known.map(|(_, verifier)| verifier);
                    if *from == 0 {
                        verifier = Some(Verifier::new(digest, *whole));
                    }
                    let mut left = entry.size;
                    while left > 0 {
                        let most = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
                        self.read(&mut chunk[..most])?;
                        if self.cancel.load(Ordering::Relaxed) {
                            return Ok(());
                        }
                        if let Some(verifier) = &mut verifier {
                            verifier.update(&chunk[..most]).map_err(io::Error::other)?;
                        }
                        left -= most as u64;
                    }
                    self.judge(entry, digest, verifier, state);
                }
            }
            self.compare(&vec![0; entry.padding()], "the padding after an entry isn't zero")?;
        }
        self.compare(&[0; END as usize], "the tar's end marker is wrong")
    }

    /// Tells whether a thing is right, once all of its parts were read.
    fn judge(&mut self, entry: &Entry, digest: &Digest, verifier: Option<Verifier>, state: &mut State) {
        let parts = state.parts.entry(digest.clone()).or_default();
        parts.push((self.path.to_owned(), entry.start));
        // Without its first parts, nothing is known of a blob; the volume's sum speaks for the others.
        let Some(verifier) = verifier else {
            return;
        };
        let Content::Part { whole, .. } = entry.content else {
            return;
        };
        if verifier.seen() < whole {
            state.cut = Some((digest.clone(), verifier));
            return;
        }
        if let Err(error) = verifier.finish() {
            let elsewhere: Vec<String> = parts
                .iter()
                .filter(|(path, _)| path != self.path)
                .map(|(path, offset)| format!("{}, offset {offset}", path.display()))
                .collect();
            let mut reason = format!("is damaged: {error}");
            if !elsewhere.is_empty() {
                reason.push_str(&format!(" (it begins in {})", elsewhere.join("; ")));
            }
            let offset = entry.start;
            self.note(offset, Some(digest), reason);
        }
    }

    fn note(&mut self, offset: u64, digest: Option<&Digest>, reason: String) {
        let images = digest
            .and_then(|digest| self.users.get(digest))
            .into_iter()
            .flatten();
        self.flaws.push(Flaw {
            path: self.path.to_owned(),
            spot: Some(Spot {
                offset,
                digest: digest.cloned(),
            }),
            reason,
            images: names(images),
        });
    }

    /// Compares the next bytes with what they should be, and names the first that differs.
    fn compare(&mut self, expected: &[u8], reason: &str) -> io::Result<()> {
        let begin = self.position;
        let mut found = vec![0; expected.len()];
        self.read(&mut found)?;
        let differs = found
            .iter()
            .zip(expected)
            .position(|(found, expected)| found != expected);
        if let Some(at) = differs {
            self.note(begin + at as u64, None, reason.to_owned());
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, self.position)?;
        self.position += buffer.len() as u64;
        // It goes on until this ends.
        let _ = self.summed.send(buffer.to_vec());
        (self.told)(buffer.len() as u64);
        Ok(())
    }
}
