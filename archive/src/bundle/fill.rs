//! Filling volumes: every byte in its order, hashed as it passes. Bytes that are there are compared, and written from where they differ.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use transload_reference::{Algorithm, Descriptor, Digest, Hasher, Verifier, VerifyError};

use super::volume::{Content, END, Entry};
use super::write::{OpenBlob, check_stop, with_partial};
use super::{BundleError, BundlePlan};
use crate::writer::flush;

/// How many bytes are copied at a time.
const CHUNK: usize = 256 * 1024;
/// How often a blob whose bytes turned out wrong is read again from its beginning.
const FRESH_STARTS: u32 = 2;

/// Fills the volumes of a plan in their order.
pub(super) struct Fill<'a> {
    plan: &'a BundlePlan,
    open: OpenBlob<'a>,
    told: &'a mut dyn FnMut(&Descriptor, u64),
    cancel: &'a AtomicBool,
    /// A blob that goes on in the next volume, as far as it was hashed.
    cut: Option<(Digest, Verifier)>,
    suspect: Option<u32>,
}

/// A volume that is being written.
struct VolumeFile {
    file: File,
    path: PathBuf,
    position: u64,
    /// How many bytes an earlier run left.
    there: u64,
    hasher: Hasher,
}

impl VolumeFile {
    fn open(path: &Path) -> Result<VolumeFile, BundleError> {
        let beside = with_partial(path);
        // A volume that is whole and has no sum yet is read again.
        if !beside.exists() && path.exists() {
            fs::rename(path, &beside).map_err(BundleError::io("naming", &beside))?;
        }
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&beside);
        let file = opened.map_err(BundleError::io("opening", &beside))?;
        let there = file.metadata().map_err(BundleError::io("reading", &beside))?.len();
        Ok(VolumeFile {
            file,
            path: beside,
            position: 0,
            there,
            hasher: Hasher::new(Algorithm::Sha256),
        })
    }

    /// How many of the next bytes are there.
    fn kept(&self) -> u64 {
        self.there.saturating_sub(self.position)
    }

    /// Takes the next bytes, whose content is known: those that are there and equal stay.
    fn put(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        if self.kept() >= bytes.len() as u64 {
            let mut found = vec![0; bytes.len()];
            let read = self.file.read_exact_at(&mut found, self.position);
            read.map_err(BundleError::io("reading", &self.path))?;
            if found == bytes {
                self.pass(bytes);
                return Ok(());
            }
        }
        self.write(bytes)
    }

    /// Writes the next bytes; what was behind them is gone.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        if self.there > self.position {
            let cut = self.file.set_len(self.position);
            cut.map_err(BundleError::io("writing", &self.path))?;
        }
        self.there = self.position;
        let written = self.file.write_all_at(bytes, self.position);
        written.map_err(BundleError::io("writing", &self.path))?;
        self.pass(bytes);
        Ok(())
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
        self.there = self.there.max(self.position);
    }

    /// Reads some of the next bytes that are there.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BundleError> {
        let most = usize::try_from(self.kept()).map_or(buffer.len(), |kept| kept.min(buffer.len()));
        let read = self.file.read_at(&mut buffer[..most], self.position);
        let count = read.map_err(BundleError::io("reading", &self.path))?;
        self.pass(&buffer[..count]);
        Ok(count)
    }

    /// Forgets all bytes from a position on, at which the digest was that of the hasher.
    fn rewind(&mut self, (position, hasher): &(u64, Hasher)) -> Result<(), BundleError> {
        self.position = *position;
        self.there = *position;
        self.hasher = hasher.clone();
        let cut = self.file.set_len(*position);
        cut.map_err(BundleError::io("writing", &self.path))
    }

    fn finish(mut self, path: &Path) -> Result<Digest, BundleError> {
        if self.there > self.position {
            let cut = self.file.set_len(self.position);
            cut.map_err(BundleError::io("writing", &self.path))?;
        }
        let flushed = self.file.flush().and_then(|()| flush(&self.file));
        if let Err(error) = flushed {
            // The system may have given up some bytes, and would call them durable the next time all the same.
            let _ = self.file.set_len(0);
            return Err(BundleError::io("making durable", &self.path)(error));
        }
        fs::rename(&self.path, path).map_err(BundleError::io("naming", path))?;
        Ok(self.hasher.finish())
    }
}

impl<'a> Fill<'a> {
    pub fn new(
        plan: &'a BundlePlan,
        open: OpenBlob<'a>,
        told: &'a mut dyn FnMut(&Descriptor, u64),
        cancel: &'a AtomicBool,
    ) -> Fill<'a> {
        Fill {
            plan,
            open,
            told,
            cancel,
            cut: None,
            suspect: None,
        }
    }

    /// The first volume that has bytes of a blob which turned out wrong.
    pub fn first_suspect(&self) -> Option<u32> {
        self.suspect
    }

    /// Writes a volume, and returns its digest.
    pub fn volume(&mut self, path: &Path, entries: &[Entry]) -> Result<Digest, BundleError> {
        let mut volume = VolumeFile::open(path)?;
        for entry in entries {
            volume.put(&entry.header())?;
            match &entry.content {
                Content::Known(bytes) => volume.put(bytes)?,
                Content::Part { digest, from, .. } => match (self.plan.known.get(digest), self.plan.blob(digest)) {
                    (Some(bytes), _) => {
                        let start = usize::try_from(*from).unwrap_or(usize::MAX).min(bytes.len());
                        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
                        volume.put(&bytes[start..start.saturating_add(size).min(bytes.len())])?;
                    }
                    (None, Some(blob)) => self.part(&mut volume, blob, *from, entry.size)?,
                    // A plan names nothing else.
                    (None, None) => {}
                },
            }
            volume.put(&vec![0; entry.padding()])?;
        }
        volume.put(&[0; END as usize])?;
        volume.finish(path)
    }

    /// Writes the bytes of a blob from an offset on, so many of them.
    fn part(&mut self, volume: &mut VolumeFile, blob: &Descriptor, from: u64, size: u64) -> Result<(), BundleError> {
        let verifier = match self.cut.take() {
            Some((digest, verifier)) if digest == blob.digest && verifier.seen() == from => verifier,
            _ => self.hash_source(blob, from)?,
        };
        let begun = (volume.position, volume.hasher.clone());
        let mut fresh_starts = 0;
        loop {
            let mut verifier = verifier.clone();
            let had_some = volume.kept() > 0;
            self.pass_part(volume, blob, &mut verifier, from.saturating_add(size))?;
            if verifier.seen() < blob.size {
                self.cut = Some((blob.digest.clone(), verifier));
                return Ok(());
            }
            let Err(source) = verifier.finish() else {
                return Ok(());
            };
            // What an earlier run left may be wrong, or what came.
            volume.rewind(&begun)?;
            if size < blob.size || (!had_some && fresh_starts == FRESH_STARTS) {
                return Err(self.wrong(blob, source));
            }
            fresh_starts += u32::from(!had_some);
        }
    }

    /// Passes a blob's bytes up to an offset: those that are there, then those of its source.
    fn pass_part(
        &mut self,
        volume: &mut VolumeFile,
        blob: &Descriptor,
        verifier: &mut Verifier,
        end: u64,
    ) -> Result<(), BundleError> {
        let mut chunk = vec![0; CHUNK];
        // Of a blob that is cut, no digest tells whether this part is right: it is compared with its source below.
        let is_whole = verifier.seen() == 0 && end == blob.size;
        while is_whole && verifier.seen() < end && volume.kept() > 0 {
            check_stop(self.cancel)?;
            let most = usize::try_from(end - verifier.seen()).map_or(CHUNK, |left| left.min(CHUNK));
            let count = volume.read(&mut chunk[..most])?;
            if count == 0 {
                break;
            }
            let taken = verifier.update(&chunk[..count]);
            taken.map_err(|source| BundleError::WrongContent { source })?;
            (self.told)(blob, verifier.seen());
        }
        if verifier.seen() == end {
            return Ok(());
        }
        let failed = |source| BundleError::Source {
            digest: blob.digest.clone(),
            source,
        };
        let mut bytes = (self.open)(blob, verifier.seen()).map_err(failed)?;
        (self.told)(blob, verifier.seen());
        while verifier.seen() < end {
            check_stop(self.cancel)?;
            let most = usize::try_from(end - verifier.seen()).map_or(CHUNK, |left| left.min(CHUNK));
            match bytes.read(&mut chunk[..most]) {
                Ok(0) => {
                    let short = VerifyError::TooShort {
                        digest: blob.digest.clone(),
                        expected: blob.size,
                        got: verifier.seen(),
                    };
                    return Err(self.wrong(blob, short));
                }
                Ok(count) => {
                    let taken = verifier.update(&chunk[..count]);
                    taken.map_err(|source| BundleError::WrongContent { source })?;
                    volume.put(&chunk[..count])?;
                    (self.told)(blob, verifier.seen());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failed(source)),
            }
        }
        Ok(())
    }

    /// Hashes the first bytes of a blob at its source: they are in volumes that an earlier run completed.
    fn hash_source(&mut self, blob: &Descriptor, to: u64) -> Result<Verifier, BundleError> {
        let mut verifier = Verifier::of(blob);
        if to == 0 {
            return Ok(verifier);
        }
        let failed = |source| BundleError::Source {
            digest: blob.digest.clone(),
            source,
        };
        let mut bytes = (self.open)(blob, 0).map_err(failed)?.take(to);
        let mut chunk = vec![0; CHUNK];
        loop {
            check_stop(self.cancel)?;
            match bytes.read(&mut chunk) {
                Ok(0) if verifier.seen() == to => return Ok(verifier),
                Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    let taken = verifier.update(&chunk[..count]);
                    taken.map_err(|source| BundleError::WrongContent { source })?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failed(source)),
            }
        }
    }

    /// The error of a blob that isn't what it should be, all of whose volumes are suspect.
    fn wrong(&mut self, blob: &Descriptor, source: VerifyError) -> BundleError {
        let things = self.plan.document.carried.iter();
        let first = things.filter(|thing| thing.digest == blob.digest).flat_map(|thing| &thing.parts);
        self.suspect = first.map(|part| part.volume).min();
        BundleError::WrongContent { source }
    }
}
