//! Layers that travel as differences: rebuilt from what a destination has.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use transload_archive::bundle::Difference;
use transload_archive::difference::{self, DifferenceError};
use transload_reference::{Descriptor, Digest, Verifier, VerifyingReader};

use crate::fault::{Fault, Side};
use crate::lock::lock;
use crate::place::temporary::free_bytes;
use crate::place::{
    CHUNK, FRESH_STARTS, FilePart, OpenBase, Opener, Stoppable, is_damage, read_fault, temporary_fault,
    temporary_file,
};

/// What to do about a layer that can't be rebuilt.
pub(super) const HINT: &str = "write down what is missing (--missing want.tli), and make a second bundle with --only want.tli, which has it whole";

/// How many bytes of old and rebuilt layers are kept.
const MOST_KEPT: u64 = 2 * difference::MOST_PLAIN;

/// The bases of a bundle's layers, as far as destinations have them.
pub(super) struct Bases {
    opener: Opener,
    found: Mutex<HashMap<Digest, Vec<OpenBase>>>,
    /// Held while a layer is rebuilt: each takes some 1.5 times its tar in memory.
    kept: Mutex<Kept>,
}

/// Old and rebuilt layers in files without names, that used last behind the others: another layer, destination or try may need them.
#[derive(Default)]
struct Kept(Vec<(Digest, Arc<File>, u64)>);

/// Why a base wasn't copied.
enum Failure {
    /// It is of no use.
    Unusable(String),
    /// Another try may go better.
    Unread(Fault),
    /// Another base wouldn't do, either.
    Own(Fault),
}

impl Bases {
    /// None yet. Work ends once that of `opener` does.
    pub fn new(opener: Opener) -> Bases {
        Bases {
            opener,
            found: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Takes note of a layer's base.
    pub fn add(&self, layer: &Digest, open: OpenBase) {
        self.found().entry(layer.clone()).or_default().push(open);
    }

    /// Whether a layer can be rebuilt, as far as is known.
    pub fn has(&self, layer: &Digest) -> bool {
        self.found().contains_key(layer)
    }

    /// Rebuilds a layer in a file without a name, unless that was done before, and returns it from an offset on. `change` is the difference.
    pub fn rebuild(
        &self,
        layer: &Descriptor,
        difference: &Difference,
        change: Option<impl Read>,
        offset: u64,
    ) -> Result<FilePart, Fault> {
        if difference.size != layer.size || layer.size > difference::MOST_PLAIN {
            let message = format!(
                "the bundle says that {} has {} bytes, and its image {}; at most {} are rebuilt",
                layer.digest,
                difference.size,
                layer.size,
                difference::MOST_PLAIN
            );
            return Err(Fault::refused(Some(Side::Source), message));
        }
        let mut kept = lock(&self.kept);
        let file = match kept.find(&layer.digest) {
            Some(file) => file,
            None => {
                let change = self.read(difference, change)?;
                let base = difference.base_blob();
                let old = match kept.find(&base.digest) {
                    Some(old) => old,
                    None => {
                        let old = Arc::new(self.fetch(&layer.digest, &base)?);
                        kept.add(&base, &old, MOST_KEPT.min(free_bytes()));
                        old
                    }
                };
                let old = FilePart::new(old, 0, base.size);
                let new = Arc::new(self.rebuild_from(old, &base, &change, layer)?);
                kept.add(layer, &new, MOST_KEPT.min(free_bytes()));
                new
            }
        };
        Ok(FilePart::new(file, offset, layer.size))
    }

    /// Reads all of a difference into memory.
    fn read(&self, difference: &Difference, change: Option<impl Read>) -> Result<Vec<u8>, Fault> {
        let blob = difference.blob();
        let refused = |what: String| {
            let message = format!("the difference {} {what}", blob.digest);
            let fault = Fault::refused(Some(Side::Source), message);
            fault.with_hint("`transload verify` of the bundle names what is damaged")
        };
        if blob.size > difference::MOST_PLAIN {
            return Err(refused(format!("has {} bytes", blob.size)));
        }
        let bytes = change.ok_or_else(|| refused("isn't there".to_owned()))?;
        let mut bytes = VerifyingReader::new(self.stoppable(bytes), Verifier::of(&blob));
        let mut all = Vec::new();
        match bytes.read_to_end(&mut all) {
            Ok(_) => {}
            Err(error) if is_damage(&error) => return Err(refused(format!("is damaged: {error}"))),
            Err(error) => return Err(read_fault(error)),
        }
        difference::check(&all).map_err(|error| refused(format!("can't be used: {error}")))?;
        Ok(all)
    }

    /// Copies a layer's base from the first destination that gives it whole.
    fn fetch(&self, layer: &Digest, base: &Descriptor) -> Result<File, Fault> {
        let mut reasons = Vec::new();
        let mut unread = None;
        let mut at = 0;
        // Nobody else takes one away meanwhile.
        while let Some(open) = self.base(layer, at) {
            match self.copy(&open, base) {
                Ok(file) => return Ok(file),
                Err(Failure::Own(fault)) => return Err(fault),
                Err(_) if self.opener.is_stopped() => return Err(Fault::interrupted()),
                Err(Failure::Unread(fault)) => {
                    unread = Some(fault);
                    at += 1;
                }
                Err(Failure::Unusable(reason)) => {
                    reasons.push(reason);
                    self.drop_base(layer, at);
                }
            }
        }
        if reasons.is_empty() {
            reasons.push("that is damaged, or isn't there any more".to_owned());
        }
        Err(unread.unwrap_or_else(|| not_rebuilt(layer, base, &reasons.join("; "))))
    }

    /// Copies a base, and checks it. It may have been damaged on the way.
    fn copy(&self, open: &OpenBase, base: &Descriptor) -> Result<File, Failure> {
        let mut fresh_starts = 0;
        loop {
            let file = temporary_file().map_err(Failure::Own)?;
            let bytes = open().map_err(Failure::Unread)?;
            let bytes = bytes.ok_or_else(|| Failure::Unusable("that isn't there any more".to_owned()))?;
            match copied(self.stoppable(bytes), base, &file) {
                Err(Failure::Unusable(_)) if fresh_starts < FRESH_STARTS => fresh_starts += 1,
                done => return done.map(|()| file),
            }
        }
    }

    /// Rebuilds a layer from its base, which is as it should be.
    fn rebuild_from(
        &self,
        old: FilePart,
        base: &Descriptor,
        change: &[u8],
        layer: &Descriptor,
    ) -> Result<File, Fault> {
        let mut new = Verifying {
            file: BufWriter::new(temporary_file()?),
            verifier: Verifier::of(layer),
            opener: &self.opener,
        };
        // Nothing else makes that layer of this difference.
        let wrong = |error: &dyn std::fmt::Display| {
            self.found().remove(&layer.digest);
            not_rebuilt(&layer.digest, base, &format!("it comes out wrong: {error}"))
        };
        match difference::apply(&mut self.stoppable(old), change, layer.size, &mut new) {
            Ok(()) => {}
            Err(DifferenceError::Read(error) | DifferenceError::Write(error)) => {
                return Err(match error.downcast::<Fault>() {
                    Ok(fault) => fault,
                    Err(error) => temporary_fault(&error),
                });
            }
            Err(error) => return Err(wrong(&error)),
        }
        new.verifier.finish().map_err(|error| wrong(&error))?;
        let file = new.file.into_inner();
        file.map_err(|error| temporary_fault(error.error()))
    }

    fn stoppable<R: Read>(&self, bytes: R) -> impl Read {
        Stoppable {
            bytes,
            is_stopped: || self.opener.is_stopped(),
        }
    }

    fn base(&self, layer: &Digest, at: usize) -> Option<OpenBase> {
        self.found().get(layer)?.get(at).cloned()
    }

    /// Forgets a base that doesn't do.
    fn drop_base(&self, layer: &Digest, at: usize) {
        let mut found = self.found();
        if let Some(bases) = found.get_mut(layer) {
            bases.remove(at);
            if bases.is_empty() {
                found.remove(layer);
            }
        }
    }

    fn found(&self) -> MutexGuard<'_, HashMap<Digest, Vec<OpenBase>>> {
        lock(&self.found)
    }
}

impl Kept {
    fn find(&mut self, digest: &Digest) -> Option<Arc<File>> {
        let at = self.0.iter().position(|(known, ..)| known == digest)?;
        self.0[at..].rotate_left(1);
        self.0.last().map(|(_, file, _)| Arc::clone(file))
    }

    /// Keeps a blob's file, in place of others if there are more bytes than `most`.
    fn add(&mut self, blob: &Descriptor, file: &Arc<File>, most: u64) {
        self.0.push((blob.digest.clone(), Arc::clone(file), blob.size));
        while self.0.iter().map(|(.., size)| size).sum::<u64>() > most {
            self.0.remove(0);
        }
    }
}

/// Copies a base to a file, and checks it on the way.
fn copied(bytes: impl Read, base: &Descriptor, mut file: &File) -> Result<(), Failure> {
    let mut bytes = VerifyingReader::new(bytes, Verifier::of(base));
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match bytes.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_damage(&error) => {
                return Err(Failure::Unusable(format!("that is damaged there: {error}")));
            }
            Err(error) => return Err(Failure::Unread(read_fault(error).on(Side::Destination))),
        };
        let written = file.write_all(&buffer[..count]);
        written.map_err(|error| Failure::Own(temporary_fault(&error)))?;
    }
}

/// The fault of a layer that can't be rebuilt.
fn not_rebuilt(layer: &Digest, base: &Descriptor, reason: &str) -> Fault {
    let message = format!(
        "the layer {layer} travels as a difference to {}, and can't be rebuilt: {reason}",
        base.digest
    );
    Fault::refused(Some(Side::Source), message).with_hint(HINT)
}

/// Writes what is verified on the way, unless the work is to end.
struct Verifying<'a> {
    file: BufWriter<File>,
    verifier: Verifier,
    opener: &'a Opener,
}

impl Write for Verifying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.opener.is_stopped() {
            return Err(io::Error::other(Fault::interrupted()));
        }
        self.verifier.update(bytes).map_err(io::Error::other)?;
        self.file.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
