//! Layers that travel as differences: rebuilt from what a destination has.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use transload_archive::bundle::{Bundle, Difference};
use transload_archive::difference::{self, DifferenceError};
use transload_reference::{Descriptor, Digest, Verifier, VerifyingReader};

use crate::fault::{Fault, Side};
use crate::place::{OpenBase, Opener, is_damage, read_fault, temporary_fault, temporary_file};

/// What to do about a layer that can't be rebuilt.
const HINT: &str = "write down what is missing (--missing want.tli), and make a second bundle with --only want.tli, which has it whole";

/// The bases of a bundle's layers, as far as destinations have them.
pub(super) struct Bases {
    opener: Opener,
    found: Mutex<HashMap<Digest, Vec<OpenBase>>>,
    /// Held while a layer is rebuilt: each takes some 1.5 times its tar in memory.
    turn: Mutex<()>,
}

/// Why a layer wasn't rebuilt.
enum Failure {
    /// Another base may do.
    Base(String),
    /// Nothing else helps.
    Other(Fault),
}

impl Bases {
    /// None yet. Work ends once that of `opener` does.
    pub fn new(opener: Opener) -> Bases {
        Bases {
            opener,
            found: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// Takes note of a layer's base.
    pub fn add(&self, layer: &Digest, open: OpenBase) {
        self.lock().entry(layer.clone()).or_default().push(open);
    }

    /// Whether a layer can be rebuilt, as far as is known.
    pub fn has(&self, layer: &Digest) -> bool {
        self.lock().contains_key(layer)
    }

    /// Rebuilds a layer in a file without a name, and returns it from an offset on.
    pub fn rebuild(
        &self,
        bundle: &Bundle,
        layer: &Descriptor,
        difference: &Difference,
        offset: u64,
    ) -> Result<File, Fault> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reasons = Vec::new();
        while let Some(open) = self.last(&layer.digest) {
            if self.opener.is_stopped() {
                return Err(Fault::interrupted());
            }
            match rebuilt(bundle, layer, difference, &open) {
                Ok(mut file) => {
                    let sought = file.seek(SeekFrom::Start(offset));
                    return sought.map(|_| file).map_err(|error| temporary_fault(&error));
                }
                Err(Failure::Other(fault)) => return Err(fault),
                Err(Failure::Base(reason)) => {
                    reasons.push(reason);
                    self.drop_last(&layer.digest);
                }
            }
        }
        let message = format!(
            "the layer {} travels as a difference to {}, and can't be rebuilt: {}",
            layer.digest,
            difference.base,
            reasons.join("; ")
        );
        Err(Fault::refused(Some(Side::Source), message).with_hint(HINT))
    }

    fn last(&self, layer: &Digest) -> Option<OpenBase> {
        self.lock().get(layer)?.last().cloned()
    }

    /// Forgets a base that doesn't do.
    fn drop_last(&self, layer: &Digest) {
        let mut found = self.lock();
        if let Some(open) = found.get_mut(layer) {
            open.pop();
            if open.is_empty() {
                found.remove(layer);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Vec<OpenBase>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rebuilds a layer from this base.
fn rebuilt(
    bundle: &Bundle,
    layer: &Descriptor,
    difference: &Difference,
    open: &OpenBase,
) -> Result<File, Failure> {
    let other = |message: String| Failure::Other(Fault::refused(Some(Side::Source), message));
    if difference.size != layer.size {
        return Err(other(format!(
            "the bundle says that {} has {} bytes, and its image {}",
            layer.digest, difference.size, layer.size
        )));
    }
    let change = match bundle.open_blob(&difference.digest, 0) {
        Some(kept) => read(&difference.blob(), kept)?,
        None => return Err(other(format!("the bundle lacks {}", difference.digest))),
    };
    let old = open().map_err(Failure::Other)?;
    let old = old.ok_or_else(|| Failure::Base("that isn't there any more".to_owned()))?;
    let mut old = VerifyingReader::new(old, Verifier::of(&difference.base_blob()));
    let mut new = Verifying {
        file: BufWriter::new(temporary_file().map_err(Failure::Other)?),
        verifier: Verifier::of(layer),
        is_wrong: false,
    };
    if let Err(error) = difference::apply(&mut old, &change, layer.size, &mut new) {
        return Err(match error {
            DifferenceError::Read(error) => unread(error),
            DifferenceError::Write(error) if !new.is_wrong => Failure::Other(temporary_fault(&error)),
            // Damage may have shown before all of it was read.
            error => match io::copy(&mut old, &mut io::sink()) {
                Ok(_) => Failure::Base(error.to_string()),
                Err(error) => unread(error),
            },
        });
    }
    let verdict = new.verifier.finish();
    verdict.map_err(|error| Failure::Base(format!("it comes out wrong: {error}")))?;
    let file = new.file.into_inner();
    file.map_err(|error| Failure::Other(temporary_fault(error.error())))
}

/// Why the base can't be read.
fn unread(error: io::Error) -> Failure {
    match is_damage(&error) {
        true => Failure::Base(format!("that is damaged there: {error}")),
        false => Failure::Other(read_fault(error).on(Side::Destination)),
    }
}

/// Reads all of a difference into memory.
fn read(blob: &Descriptor, bytes: impl Read) -> Result<Vec<u8>, Failure> {
    let refused = |what: String| {
        let message = format!("the difference {} {what}", blob.digest);
        let fault = Fault::refused(Some(Side::Source), message);
        Failure::Other(fault.with_hint("`transload verify` of the bundle names what is damaged"))
    };
    if blob.size > difference::MOST_PLAIN {
        return Err(refused(format!("has {} bytes", blob.size)));
    }
    let mut all = Vec::new();
    let mut bytes = VerifyingReader::new(bytes, Verifier::of(blob));
    match bytes.read_to_end(&mut all) {
        Ok(_) => Ok(all),
        Err(error) if is_damage(&error) => Err(refused(format!("is damaged: {error}"))),
        Err(error) => Err(Failure::Other(read_fault(error))),
    }
}

/// Writes what is verified on the way.
struct Verifying {
    file: BufWriter<File>,
    verifier: Verifier,
    is_wrong: bool,
}

impl Write for Verifying {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.verifier.update(bytes) {
            self.is_wrong = true;
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        self.file.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
