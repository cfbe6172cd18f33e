//! Bundles that images are written to: laid out once all images are planned, and written from the first byte to the last.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transload_archive::bundle::{BundleError, BundleOptions, BundlePlan, SumsSigner};
use transload_layout_store::disk;
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository};

use crate::bundle::BundleSigner;
use crate::bytes::Bytes;
use crate::event::How;
use crate::fault::{Fault, Side};
use crate::job::Bundling;
use crate::place::archive::with_referrers;
use crate::place::{Bring, PlannedImage, Published, Sink, SinkOptions, Source, read_fault};

/// A folder of volumes.
pub(super) struct BundleSink {
    path: PathBuf,
    options: BundleOptions,
    bundling: Bundling,
    state: Mutex<State>,
}

/// What is known so far.
#[derive(Default)]
struct State {
    plan: Option<BundlePlan>,
    /// Whether the same bundle is there.
    is_there: bool,
    /// Where each blob comes from.
    origins: HashMap<Digest, (Arc<dyn Source>, Repository)>,
}

fn destination(error: BundleError) -> Fault {
    Fault::bundle(Side::Destination, error)
}

impl BundleSink {
    pub fn new(path: &Path, options: &SinkOptions) -> BundleSink {
        let bundling = options.bundling.clone();
        let signer = bundling.signer.clone();
        let signer = signer.map(|signer| Arc::new(BundleSigner(signer)) as Arc<dyn SumsSigner>);
        let writing = options.opener.bundles().volume_command(bundling.command.clone());
        BundleSink {
            path: path.to_owned(),
            options: writing.signer(signer),
            bundling,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_carried(&self, digest: &Digest) -> bool {
        self.bundling.wanted.takes_blob(digest)
    }
}

impl Sink for BundleSink {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn is_one_file(&self) -> bool {
        true
    }

    fn lay_out(&self, images: &[PlannedImage<'_>]) -> Result<Vec<String>, Fault> {
        let bundling = &self.bundling;
        let plan =
            BundlePlan::new(with_referrers(images), &bundling.wanted, bundling.limit).map_err(destination)?;
        let is_there = self.options.is_at(&self.path, &plan).map_err(destination)?;
        let warnings = plan.warnings().iter().map(ToString::to_string).collect();
        let mut state = self.state();
        state.is_there = is_there;
        state.plan = Some(plan);
        Ok(warnings)
    }

    /// Writes it: nothing of a bundle is written before, since a volume is written in its order.
    fn finish(&self, told: &dyn Fn(&str)) -> Result<bool, Fault> {
        let State { plan, origins, .. } = std::mem::take(&mut *self.state());
        let Some(plan) = plan else {
            return Ok(false);
        };
        let mut open = |blob: &Descriptor, offset: u64| {
            let (source, repository) = origins.get(&blob.digest).ok_or(std::io::ErrorKind::NotFound)?;
            let bytes = source.open_blob(repository, blob, offset);
            bytes.map_err(std::io::Error::other) as std::io::Result<Box<dyn Read + Send>>
        };
        let written = self.options.write(&self.path, &plan, &mut open, &mut |volume| {
            let (number, count) = (volume.number, volume.count);
            told(&format!(
                "writing volume {number} of {count} ({})",
                Bytes(volume.size)
            ));
        });
        written.map_err(|error| match error {
            BundleError::Source { source, .. } => match source.downcast::<Fault>() {
                Ok(fault) => fault,
                Err(source) => read_fault(source),
            },
            BundleError::WrongContent { .. } => Fault::bundle(Side::Source, error),
            error => destination(error),
        })
    }

    fn published(&self, _: &Reference) -> Result<Option<Digest>, Fault> {
        Ok(None)
    }

    /// Whether the other side is said to have it.
    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        Ok(!self.is_carried(&blob.digest))
    }

    fn free_space(&self) -> Option<u64> {
        let folder = self.path.ancestors().find(|folder| folder.exists())?;
        disk::free_space(folder).ok().flatten()
    }

    /// Nothing where volumes are carried off while others are written.
    fn bytes_to_write(&self, _: &dyn Source, blob: &Descriptor) -> u64 {
        match self.state().is_there || self.bundling.command.is_some() || !self.is_carried(&blob.digest) {
            true => 0,
            false => blob.size,
        }
    }

    /// Notes where the blob comes from: it is written in its turn.
    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        let mut state = self.state();
        if state.is_there || !self.is_carried(&request.blob.digest) {
            return Ok(How::Present);
        }
        let from = (Arc::clone(request.source), request.source_repository.clone());
        state.origins.insert(request.blob.digest.clone(), from);
        Ok(How::Moved)
    }

    fn put_manifest(&self, _: &Repository, _: &RawManifest) -> Result<(), Fault> {
        // It was laid out.
        Ok(())
    }

    fn publish(&self, _: &Reference, _: &RawManifest) -> Result<Published, Fault> {
        Ok(Published::Whole)
    }
}
