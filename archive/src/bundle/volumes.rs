//! The volumes of a bundle that is written: they are filled within a window, and whole one after another.
//!
//! A volume's sum is that of its bytes in their order, so it is taken behind the blobs: as far as all entries are there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use transload_reference::{Algorithm, Descriptor, Digest, Hasher};

use super::BundlePlan;
use super::document::volume_name;
use super::sums::{self, SUMS};
use super::volume::{Content, END, Entry};
use super::write::partial;
use crate::Error;
use crate::room::{FileSet, Room, Span};
use crate::writer::{name_whole, with_partial};

/// How many bytes are hashed at a time.
const CHUNK: usize = 256 * 1024;
/// How many volumes are written at once.
const WINDOW: usize = 16;
/// The same if volumes are carried off: while one is, the next is written.
const WINDOW_CARRIED: usize = 2;
/// How far ahead a blob may be on a filesystem that fills what lies before it, such as FAT.
const MOST_FILLED: u64 = 256 << 20;
/// How many bytes are left out to see whether a filesystem fills them.
const PROBE: u64 = 1 << 20;

/// What stands behind a volume's name where the digest is noted that the blob which goes on in the next volume has so far. The next run tells
/// by it whether the volume has the same bytes, even if it was carried off.
const CUT: &str = ".cut";

/// The volumes of a bundle that is written.
#[derive(Debug)]
pub(super) struct Volumes {
    pub folder: PathBuf,
    pub plan: BundlePlan,
    /// How many bytes of the volumes an earlier run left on the disk.
    pub kept: u64,
    command: Option<String>,
    files: Mutex<BTreeMap<usize, Arc<File>>>,
    /// The sums of the volumes that are whole, by their names, and of blobs that are cut.
    sums: Mutex<BTreeMap<String, Digest>>,
    front: Mutex<Front>,
    /// The volume and the offset up to which all is there.
    reached: Mutex<(usize, u64)>,
    /// Set where more is there since the front was looked at.
    has_more: AtomicBool,
    /// Whether the filesystem leaves out what wasn't written.
    has_holes: OnceLock<bool>,
    /// Set once a volume couldn't be completed.
    has_failed: AtomicBool,
    failure: Mutex<Option<Error>>,
}

/// Up to where all is there, and hashed.
#[derive(Debug)]
struct Front {
    volume: usize,
    entry: usize,
    position: u64,
    hasher: Hasher,
}

impl Front {
    fn of(volume: usize) -> Front {
        Front {
            volume,
            entry: 0,
            position: 0,
            hasher: Hasher::new(Algorithm::Sha256),
        }
    }
}

impl Volumes {
    /// The volumes of a plan; those that have a sum are whole.
    pub fn new(
        folder: &Path,
        plan: BundlePlan,
        sums: BTreeMap<String, Digest>,
        command: Option<String>,
    ) -> Volumes {
        let names = (1..).take(plan.volumes.len()).map(volume_name);
        let files = names.flat_map(|name| [folder.join(partial(&name)), folder.join(name)]);
        let kept = files.filter_map(|path| Some(fs::metadata(path).ok()?.blocks().saturating_mul(512)));
        Volumes {
            folder: folder.to_owned(),
            kept: kept.sum(),
            plan,
            command,
            files: Mutex::default(),
            sums: Mutex::new(sums),
            front: Mutex::new(Front::of(0)),
            reached: Mutex::default(),
            has_more: AtomicBool::default(),
            has_holes: OnceLock::new(),
            has_failed: AtomicBool::default(),
            failure: Mutex::default(),
        }
    }

    /// Whether a blob is too far ahead to be written now.
    pub fn waits(&self, room: &Room, blob: &Descriptor) -> bool {
        let Ok(at) = room.find(blob) else {
            return false;
        };
        if self.has_failed.load(Ordering::SeqCst) {
            return true;
        }
        let spans = &room.blob(at).spans;
        let Some(first) = spans.iter().find(|span| !self.is_whole(span.file)) else {
            return false;
        };
        let (volume, position) = *lock(&self.reached);
        let window = if self.command.is_some() {
            WINDOW_CARRIED
        } else {
            WINDOW
        };
        let is_next = (first.file, first.offset()) == (volume, position);
        let filled = first.offset()
            - if first.file == volume {
                position.min(first.offset())
            } else {
                0
            };
        first.file >= volume + window
            // Its volumes are carried off as soon as its parts are there.
            || (self.command.is_some() && spans.len() > 1 && !is_next)
            || (filled > MOST_FILLED && !self.has_holes.get().unwrap_or(&true))
    }

    /// Completes the volumes all of whose bytes are there. Somebody else who does so sees to it, unless this `waits`.
    pub fn complete(&self, room: &Room, waits: bool) {
        self.has_more.store(true, Ordering::SeqCst);
        while self.has_more.load(Ordering::SeqCst) && !self.has_failed.load(Ordering::SeqCst) {
            let mut front = match self.front.try_lock() {
                Ok(front) => front,
                Err(TryLockError::WouldBlock) if !waits => return,
                Err(TryLockError::WouldBlock) => lock(&self.front),
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            };
            self.has_more.store(false, Ordering::SeqCst);
            if let Err(error) = self.advance(&mut front, room) {
                *lock(&self.failure) = Some(error);
                self.has_failed.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Takes why a volume couldn't be completed.
    pub fn failure(&self) -> Option<Error> {
        lock(&self.failure).take()
    }

    /// The sums of the volumes.
    pub fn sums(&self) -> BTreeMap<String, Digest> {
        let mut sums = lock(&self.sums).clone();
        sums.retain(|name, _| !name.ends_with(CUT));
        sums
    }

    fn is_whole(&self, volume: usize) -> bool {
        lock(&self.sums).contains_key(&volume_name(volume as u32 + 1))
    }

    fn whole_path(&self, volume: usize) -> PathBuf {
        self.folder.join(volume_name(volume as u32 + 1))
    }

    fn advance(&self, front: &mut Front, room: &Room) -> Result<(), Error> {
        while let Some(entries) = self.plan.volumes.get(front.volume) {
            let Some(file) = self.open(front.volume)? else {
                *front = Front::of(front.volume + 1);
                continue;
            };
            while let Some(entry) = entries.get(front.entry) {
                *lock(&self.reached) = (front.volume, front.position);
                if !self.is_there(room, front.volume, entry) {
                    return Ok(());
                }
                let end = entry.start + entry.size + entry.padding() as u64;
                self.hash(front, &file, end, room)?;
                front.entry += 1;
            }
            self.end_volume(front, &file)?;
            *front = Front::of(front.volume + 1);
        }
        Ok(())
    }

    fn is_there(&self, room: &Room, volume: usize, entry: &Entry) -> bool {
        match &entry.content {
            Content::Known(_) => true,
            Content::Part { digest, .. } => room.has_part(digest, volume, entry.start),
        }
    }

    fn hash(&self, front: &mut Front, file: &File, end: u64, room: &Room) -> Result<(), Error> {
        let path = self.path(front.volume);
        let mut chunk = vec![0; CHUNK];
        while front.position < end {
            room.check_stop(&path)?;
            let most = usize::try_from(end - front.position).map_or(CHUNK, |left| left.min(CHUNK));
            let read = file.read_exact_at(&mut chunk[..most], front.position);
            read.map_err(Error::io("reading", &path))?;
            front.hasher.update(&chunk[..most]);
            front.position += most as u64;
        }
        Ok(())
    }

    /// Gives a volume its end and its name, has the command take it, and notes its sum.
    fn end_volume(&self, front: &mut Front, file: &File) -> Result<(), Error> {
        let (path, whole) = (self.path(front.volume), self.whole_path(front.volume));
        let end = [0; END as usize];
        let ended = file
            .write_all_at(&end, front.position)
            .and_then(|()| file.set_len(front.position + END));
        ended.map_err(Error::io("writing", &path))?;
        front.hasher.update(&end);
        name_whole(file, &path, &whole)?;
        let name = volume_name(front.volume as u32 + 1);
        self.call(&name, &whole)?;
        lock(&self.sums).insert(name, front.hasher.clone().finish());
        lock(&self.files).remove(&front.volume);
        self.note(&lock(&self.sums))
    }

    fn call(&self, name: &str, path: &Path) -> Result<(), Error> {
        let Some(command) = &self.command else {
            return Ok(());
        };
        let status = Command::new("sh")
            .args(["-c", command, "sh"])
            .arg(path)
            .env("TRANSLOAD_VOLUME", path)
            .status()
            .map_err(Error::io("running the command for", path))?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::VolumeCommand {
                volume: name.to_owned(),
                status: status.to_string(),
            }),
        }
    }

    /// Notes the sums of the volumes so far.
    fn note(&self, sums: &BTreeMap<String, Digest>) -> Result<(), Error> {
        let path = self.folder.join(partial(SUMS));
        let written = fs::write(&path, sums::to_text(sums));
        written.map_err(Error::io("writing", &path))
    }

    /// Writes what is known of a volume.
    fn begin(&self, volume: usize, file: &File) -> io::Result<()> {
        for entry in &self.plan.volumes[volume] {
            let Some(content) = self.plan.known(entry) else {
                continue;
            };
            let mut bytes = entry.header();
            let offset = entry.start - bytes.len() as u64;
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len() + entry.padding(), 0);
            file.write_all_at(&bytes, offset)?;
        }
        Ok(())
    }

    /// Finds out whether what isn't written takes room.
    fn probe(&self, volume: usize, file: &File) -> io::Result<()> {
        let before = file.metadata()?;
        let is_small = before.len() + PROBE >= self.plan.document.volumes[volume].size;
        if is_small || self.has_holes.get().is_some() {
            return Ok(());
        }
        file.write_all_at(&[0], before.len() + PROBE)?;
        let blocks = file.metadata()?.blocks().saturating_sub(before.blocks());
        let _ = self.has_holes.set(blocks.saturating_mul(512) < PROBE);
        Ok(())
    }
}

impl FileSet for Volumes {
    fn path(&self, file: usize) -> PathBuf {
        with_partial(&self.whole_path(file))
    }

    fn open(&self, volume: usize) -> Result<Option<Arc<File>>, Error> {
        let mut files = lock(&self.files);
        if self.is_whole(volume) {
            return Ok(None);
        }
        if let Some(file) = files.get(&volume) {
            return Ok(Some(Arc::clone(file)));
        }
        let (path, whole) = (self.path(volume), self.whole_path(volume));
        // A volume that is whole and has no sum yet is looked through again.
        if !path.exists() && whole.exists() {
            fs::rename(&whole, &path).map_err(Error::io("naming", &path))?;
        }
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(Error::io("opening", &path))?;
        let begun = self.begin(volume, &file).and_then(|()| self.probe(volume, &file));
        begun.map_err(Error::io("writing", &path))?;
        let file = Arc::new(file);
        files.insert(volume, Arc::clone(&file));
        Ok(Some(file))
    }

    fn open_whole(&self, volume: usize) -> Option<File> {
        File::open(self.whole_path(volume)).ok()
    }

    fn has_more(&self, room: &Room, waits: bool) -> Result<(), Error> {
        self.complete(room, waits);
        match waits && self.has_failed.load(Ordering::SeqCst) {
            true => Err(self.failure().unwrap_or(Error::Stopped {
                path: self.folder.clone(),
            })),
            false => Ok(()),
        }
    }

    fn part_ends(&self, part: &Span, so_far: &Digest) -> Result<(), Error> {
        let is_whole = self.is_whole(part.file);
        let mut sums = lock(&self.sums);
        let volume = volume_name(part.file as u32 + 1);
        let name = format!("{volume}{CUT}");
        match sums.get(&name) {
            Some(noted) if is_whole && noted != so_far => {
                self.has_failed.store(true, Ordering::SeqCst);
                sums.retain(|name, _| *name < volume);
                self.note(&sums)?;
                let reason = "differs from its source: run the same command again to write the volume anew";
                Err(Error::entry(&self.whole_path(part.file), &part.name, reason))
            }
            Some(_) if is_whole => Ok(()),
            _ => {
                sums.insert(name, so_far.clone());
                Ok(())
            }
        }
    }

    /// What was hashed of its first parts counts no more.
    fn begins_anew(&self) {
        let mut front = lock(&self.front);
        *front = Front::of(front.volume);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
