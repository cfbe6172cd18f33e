//! Writing a bundle: one volume after another, from their first byte to their last.
//!
//! What a killed run left is read and compared before it counts, so that a bundle doesn't depend on how often its writing was ended.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transload_reference::{Descriptor, Digest};

use super::document::volume_name;
use super::fill::Fill;
use super::sign::{SIGNATURE, SumsSigner, sign, sign_later};
use super::sums::{self, SUMS};
use super::{BundleError, BundlePlan, DOCUMENT, script};
use crate::writer::{flush, open_locked};

/// What stands behind a file's name until it is whole.
pub(crate) const PARTIAL: &str = ".partial";

/// Opens a blob from an offset on.
pub(super) type OpenBlob<'a> = &'a mut dyn FnMut(&Descriptor, u64) -> io::Result<Box<dyn Read + Send>>;

/// A volume that is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Volume {
    /// Its number, from 1.
    pub number: u32,
    /// How many there are.
    pub count: usize,
    /// Its size in bytes.
    pub size: u64,
}

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
                    true => occupied("holds files that a bundle has, and no bundle"),
                    false => Ok(false),
                }
            }
            Err(error) => Err(BundleError::io("reading", &folder.join(DOCUMENT))(error)),
        }
    }

    /// Writes a bundle into a folder, which is made, or goes on where an earlier run was ended. `open` gives the blobs' bytes, which are
    /// verified; `told` is told of each volume that is begun. Returns false where all of it was there.
    ///
    /// # Errors
    /// Where something else is in the folder, a file can't be written, a blob can't be read or is wrong, or the command fails.
    pub fn write(
        &self,
        folder: impl AsRef<Path>,
        plan: &BundlePlan,
        open: OpenBlob<'_>,
        told: &mut dyn FnMut(Volume),
    ) -> Result<bool, BundleError> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(BundleError::io("making", folder))?;
        if self.is_at(folder, plan)? {
            if let Some(signer) = &self.signer {
                sign_later(folder, signer.as_ref(), &self.cancel)?;
            }
            return Ok(false);
        }
        let state_path = folder.join(partial(DOCUMENT));
        let state = open_locked(&state_path)?;
        let mut sums = self.begin(folder, &state, plan)?;
        let mut fill = Fill::new(plan, open, &self.cancel);
        for (number, entries) in (1..).zip(&plan.volumes) {
            let name = volume_name(number);
            let path = folder.join(&name);
            let size = plan.document.volumes[number as usize - 1].size;
            let is_there = fs::metadata(&path).is_ok_and(|file| file.len() == size);
            if sums.contains_key(&name) && (is_there || self.command.is_some()) {
                continue;
            }
            told(Volume {
                number,
                count: plan.volumes.len(),
                size,
            });
            let written = fill.volume(&path, entries);
            let digest = written.inspect_err(|_| {
                // A blob that turned out wrong may have begun in an earlier volume.
                if let Some(first) = fill.first_suspect() {
                    sums.retain(|name, _| *name < volume_name(first));
                    let _ = note(folder, &sums);
                }
            })?;
            self.call(&name, &path)?;
            sums.insert(name, digest);
            note(folder, &sums)?;
        }
        sums.insert(DOCUMENT.to_owned(), plan.id());
        for (name, text) in [
            (script::README_NAME, script::README),
            (script::IMPORT_NAME, script::IMPORT),
        ] {
            put(&folder.join(name), text.as_bytes())?;
            sums.insert(name.to_owned(), Digest::of(text.as_bytes()));
        }
        let text = sums::to_text(&sums);
        if fs::read(folder.join(SUMS)).is_ok_and(|there| there != text.as_bytes()) {
            remove(&folder.join(SIGNATURE))?;
        }
        put(&folder.join(SUMS), text.as_bytes())?;
        let document = folder.join(DOCUMENT);
        fs::rename(&state_path, &document).map_err(BundleError::io("naming", &document))?;
        remove(&folder.join(partial(SUMS)))?;
        let flushed = File::open(folder).and_then(|folder| flush(&folder));
        flushed.map_err(BundleError::io("making durable", folder))?;
        if let Some(signer) = &self.signer {
            sign(folder, text.as_bytes(), signer.as_ref())?;
        }
        Ok(true)
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

    fn call(&self, name: &str, path: &Path) -> Result<(), BundleError> {
        let Some(command) = &self.command else {
            return Ok(());
        };
        let status = Command::new("sh")
            .args(["-c", command, "sh"])
            .arg(path)
            .env("TRANSLOAD_VOLUME", path)
            .status()
            .map_err(BundleError::io("running the command for", path))?;
        match status.success() {
            true => Ok(()),
            false => Err(BundleError::Command {
                volume: name.to_owned(),
                status: status.to_string(),
            }),
        }
    }
}

/// What a file is called until it is whole.
pub(crate) fn partial(name: &str) -> String {
    format!("{name}{PARTIAL}")
}

pub(super) fn with_partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PARTIAL);
    name.into()
}

/// Notes the sums of the volumes so far.
fn note(folder: &Path, sums: &BTreeMap<String, Digest>) -> Result<(), BundleError> {
    let path = folder.join(partial(SUMS));
    let written = fs::write(&path, sums::to_text(sums));
    written.map_err(BundleError::io("writing", &path))
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

pub(super) fn check_stop(cancel: &AtomicBool) -> Result<(), BundleError> {
    match cancel.load(Ordering::Relaxed) {
        true => Err(BundleError::Stopped),
        false => Ok(()),
    }
}
