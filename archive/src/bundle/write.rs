//! Writing a bundle: what an earlier run left is looked through, then blobs come in any order, and volumes are whole one after another.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use transload_reference::{Descriptor, Digest};

use super::document::{Carried, Part, volume_name};
use super::sign::{SIGNATURE, SumsSigner, sign, sign_later};
use super::sums::{self, SUMS};
use super::volume::entry_name;
use super::volumes::Volumes;
use super::{BundleError, BundlePlan, DOCUMENT, script};
use crate::room::{Located, Room, Span, State};
use crate::writer::{PARTIAL, flush, flush_folder, open_locked, with_partial};
use crate::{BlobWrite, Error};

/// How a bundle is written.
#[derive(Debug, Clone, Default)]
pub struct BundleOptions {
    cancel: Arc<AtomicBool>,
    command: Option<String>,
    signer: Option<Arc<dyn SumsSigner>>,
}

impl BundleOptions {
    /// Sets the flag that ends the writing.
    #[must_use]
    pub fn cancel_flag(mut self, cancel: Arc<AtomicBool>) -> BundleOptions {
        self.cancel = cancel;
        self
    }

    /// Sets a command for the shell that is run for each volume once it is whole, with its path as `$1` and in `TRANSLOAD_VOLUME`. It may
    /// take the volume away before the next one is begun.
    #[must_use]
    pub fn volume_command(mut self, command: Option<String>) -> BundleOptions {
        self.command = command;
        self
    }

    /// Sets who signs the bundle, once all of it is durable. A bundle that is there already is checked byte for byte first.
    #[must_use]
    pub fn signer(mut self, signer: Option<Arc<dyn SumsSigner>>) -> BundleOptions {
        self.signer = signer;
        self
    }

    /// Whether the bundle of a plan is in a folder already.
    ///
    /// # Errors
    /// Where something else is there, or it can't be read.
    pub fn is_at(&self, folder: impl AsRef<Path>, plan: &BundlePlan) -> Result<bool, BundleError> {
        let folder = folder.as_ref();
        let occupied = |reason| {
            Err(BundleError::Occupied {
                path: folder.to_owned(),
                reason,
            })
        };
        match fs::read(folder.join(DOCUMENT)) {
            Ok(text) if text == plan.text.as_bytes() => {
                let is_there = |(number, size): (u32, u64)| {
                    let file = fs::metadata(folder.join(volume_name(number)));
                    file.is_ok_and(|file| file.len() == size)
                };
                let has_volumes = self.command.is_some() || (1..).zip(plan.volumes()).all(is_there);
                Ok(has_volumes && folder.join(SUMS).exists())
            }
            Ok(_) => occupied("holds another bundle"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let own = [&volume_name(1), SUMS, script::IMPORT_NAME, script::README_NAME];
                let is_begun = folder.join(partial(DOCUMENT)).exists();
                match !is_begun && own.iter().any(|name| folder.join(name).exists()) {
                    true => occupied("holds parts of a bundle, but no bundle"),
                    false => Ok(false),
                }
            }
            Err(error) => Err(BundleError::io("reading", &folder.join(DOCUMENT))(error)),
        }
    }

    /// Begins to write a bundle into a folder, which is made, or goes on where an earlier run of the same plan was ended.
    ///
    /// # Errors
    /// Where something else is in the folder, or it can't be written to.
    pub fn create(&self, folder: impl AsRef<Path>, plan: BundlePlan) -> Result<BundleWriter, BundleError> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(BundleError::io("making", folder))?;
        self.is_at(folder, &plan)?;
        let state = open_locked(&folder.join(partial(DOCUMENT)))?;
        let mut sums = self.begin(folder, &state, &plan)?;
        sums.retain(|name, _| {
            let file = fs::metadata(folder.join(name));
            let is_there = |size| file.is_ok_and(|file| file.len() == size);
            // What isn't a volume's sum is about one.
            self.command.is_some() || plan.size_of(name).is_none_or(is_there)
        });
        let blobs = plan.located().map(|(blob, parts)| located(blob, parts, &sums));
        let blobs = blobs.collect();
        let cancel = Arc::clone(&self.cancel);
        let volumes = Arc::new(Volumes::new(folder, plan, sums, self.command.clone()));
        let room = Room::new(Arc::<Volumes>::clone(&volumes), blobs, cancel);
        volumes.complete(&room, false);
        Ok(BundleWriter {
            room,
            volumes,
            signer: self.signer.clone(),
            _state: state,
        })
    }

    /// Signs a bundle that is in a folder already, once every byte of it is checked. Without a signer, or where its signature is there,
    /// nothing is done.
    ///
    /// # Errors
    /// Where it is damaged, or can't be signed.
    pub fn sign_existing(&self, folder: impl AsRef<Path>) -> Result<(), BundleError> {
        match &self.signer {
            Some(signer) => sign_later(folder.as_ref(), signer.as_ref(), &self.cancel),
            None => Ok(()),
        }
    }

    /// Returns the sums of the volumes that an earlier run of the same plan completed. What one of another plan left is removed.
    fn begin(
        &self,
        folder: &Path,
        mut state: &File,
        plan: &BundlePlan,
    ) -> Result<BTreeMap<String, Digest>, BundleError> {
        let path = folder.join(partial(DOCUMENT));
        let is_whole = fs::read(folder.join(DOCUMENT)).is_ok_and(|text| text == plan.text.as_bytes());
        let mut there = Vec::new();
        state
            .read_to_end(&mut there)
            .map_err(BundleError::io("reading", &path))?;
        if there != plan.text.as_bytes() {
            if !is_whole {
                for number in 1..=super::document::MOST_VOLUMES as u32 {
                    let volume = folder.join(volume_name(number));
                    let beside = with_partial(&volume);
                    if !volume.exists() && !beside.exists() {
                        break;
                    }
                    remove(&volume)?;
                    remove(&beside)?;
                }
                remove(&folder.join(partial(SUMS)))?;
            }
            let written = state.set_len(0).and_then(|()| {
                use std::os::unix::fs::FileExt;
                state.write_all_at(plan.text.as_bytes(), 0)
            });
            written
                .and_then(|()| flush(state))
                .map_err(BundleError::io("writing", &path))?;
        }
        let kept = if is_whole { SUMS.to_owned() } else { partial(SUMS) };
        // A line that was cut says nothing; its volume is read again.
        let text = fs::read(folder.join(kept)).unwrap_or_default();
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let mut sums = sums::parse(&text[..whole]).unwrap_or_default();
        sums.retain(|name, _| name.starts_with("vol-"));
        Ok(sums)
    }
}

/// A blob with its parts, and whether they are in volumes that are whole.
fn located(blob: &Arc<Descriptor>, parts: &Carried, whole: &BTreeMap<String, Digest>) -> (Located, State) {
    let spans = parts.parts.iter().enumerate().map(|(at, part)| Span {
        file: part.volume as usize - 1,
        name: entry_name(parts, at),
        start: part.offset,
        size: part.size,
    });
    let is_there = |part: &Part| whole.contains_key(&volume_name(part.volume));
    let state = match parts.parts.iter().take_while(|part| is_there(part)).count() {
        count if count == parts.parts.len() => State::Present,
        count => State::Missing(count),
    };
    let located = Located {
        blob: Arc::clone(blob),
        spans: spans.collect(),
    };
    (located, state)
}

/// Writes a bundle. Many threads may write blobs at once.
///
/// A volume is whole once its blobs and those of all volumes before it are there. Dropped before [`BundleWriter::finish`], it leaves what it
/// has for the next run.
#[derive(Debug)]
pub struct BundleWriter {
    room: Arc<Room>,
    volumes: Arc<Volumes>,
    signer: Option<Arc<dyn SumsSigner>>,
    /// Locked as long as it is open.
    _state: File,
}

impl BundleWriter {
    /// Whether a blob is carried.
    pub fn carries(&self, digest: &Digest) -> bool {
        self.volumes.plan.carries(digest)
    }

    /// Where among the blobs one is; 0 where the plan has no such blob. Written in about this order, volumes are hashed while others come.
    pub fn turn(&self, blob: &Descriptor) -> usize {
        self.room.find(blob).unwrap_or_default()
    }

    /// Whether a blob has to wait, since its volume is too far ahead. That changes when another blob is there.
    pub fn waits(&self, blob: &Descriptor) -> bool {
        self.volumes.waits(&self.room, blob)
    }

    /// Begins to write a blob of the plan, or to go on behind what an earlier run left. The writer may run the command for a volume that is
    /// whole with it.
    ///
    /// # Errors
    /// Where the plan has no such blob, or a file can't be read.
    pub fn write_blob(&self, blob: &Descriptor) -> Result<BlobWrite, Error> {
        self.room.write_blob(blob)
    }

    /// How many bytes an earlier run left on the disk: they need no more room.
    pub fn kept(&self) -> u64 {
        self.volumes.kept
    }

    /// Completes the bundle.
    ///
    /// # Errors
    /// Where a volume couldn't be completed, its command failed, or blobs are missing, which a next run may bring.
    pub fn finish(&self) -> Result<(), BundleError> {
        self.volumes.complete(&self.room, true);
        let volumes = &*self.volumes;
        if let Some(error) = volumes.failure() {
            return Err(error.into());
        }
        let missing = self.room.missing();
        if !missing.is_empty() {
            let path = volumes.folder.clone();
            return Err(Error::Incomplete { path, missing }.into());
        }
        let text = seal(&volumes.folder, &volumes.plan, volumes.sums())?;
        match &self.signer {
            Some(signer) => sign(&volumes.folder, text.as_bytes(), signer.as_ref()),
            None => Ok(()),
        }
    }
}

/// Writes what belongs to volumes that are all whole; the list gets its name last. Returns the text of the sums.
fn seal(folder: &Path, plan: &BundlePlan, mut sums: BTreeMap<String, Digest>) -> Result<String, BundleError> {
    sums.insert(DOCUMENT.to_owned(), plan.id());
    for (name, text) in script::files(plan.has_differences()) {
        put(&folder.join(name), text.as_bytes())?;
        sums.insert(name.to_owned(), Digest::of(text.as_bytes()));
    }
    let text = sums::to_text(&sums);
    if fs::read(folder.join(SUMS)).is_ok_and(|there| there != text.as_bytes()) {
        remove(&folder.join(SIGNATURE))?;
    }
    put(&folder.join(SUMS), text.as_bytes())?;
    let document = folder.join(DOCUMENT);
    let named = fs::rename(folder.join(partial(DOCUMENT)), &document);
    named.map_err(BundleError::io("naming", &document))?;
    remove(&folder.join(partial(SUMS)))?;
    flush_folder(folder)?;
    Ok(text)
}

/// What a file is called until it is whole.
pub(crate) fn partial(name: &str) -> String {
    format!("{name}{PARTIAL}")
}

/// Writes a small file, whole or not at all.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let beside = with_partial(path);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        flush(&file)
    });
    written.map_err(BundleError::io("writing", &beside))?;
    fs::rename(&beside, path).map_err(BundleError::io("naming", path))
}

fn remove(path: &Path) -> Result<(), BundleError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BundleError::io("removing", path)(error))
        }
        _ => Ok(()),
    }
}
