//! Bundles that images are written to: laid out once all images are planned.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transload_archive::Error;
use transload_archive::bundle::{
    BundleError, BundleOptions, BundlePlan, BundleWriter, SumsSigner, VolumeSize, Wanted,
};
use transload_layout_store::disk;
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository};

use crate::bundle::BundleSigner;
use crate::event::How;
use crate::fault::{Fault, Side};
use crate::job::Bundling;
use crate::place::archive::{NOT_LAID_OUT, bring, with_referrers};
use crate::place::{Bring, PlannedImage, Published, Sink, SinkOptions, Source};

/// A folder of volumes.
pub(super) struct BundleSink {
    path: PathBuf,
    options: BundleOptions,
    wanted: Arc<Wanted>,
    limit: Option<VolumeSize>,
    /// Whether volumes are carried off while others are written.
    are_carried_off: bool,
    laid: Mutex<Option<Laid>>,
}

/// What was laid out.
enum Laid {
    /// The same bundle is there.
    There,
    Writer(Arc<BundleWriter>),
}

fn destination(error: BundleError) -> Fault {
    Fault::bundle(Side::Destination, error)
}

impl BundleSink {
    pub fn new(path: &Path, options: &SinkOptions) -> BundleSink {
        let Bundling {
            limit,
            command,
            signer,
            ..
        } = options.bundling.clone();
        let signer = signer.map(|signer| Arc::new(BundleSigner(signer)) as Arc<dyn SumsSigner>);
        BundleSink {
            path: path.to_owned(),
            wanted: Arc::clone(&options.wanted),
            limit,
            are_carried_off: command.is_some(),
            options: options.opener.bundles().volume_command(command).signer(signer),
            laid: Mutex::default(),
        }
    }

    fn laid(&self) -> MutexGuard<'_, Option<Laid>> {
        self.laid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_there(&self) -> bool {
        matches!(*self.laid(), Some(Laid::There))
    }

    fn writer(&self) -> Option<Arc<BundleWriter>> {
        match &*self.laid() {
            Some(Laid::Writer(writer)) => Some(Arc::clone(writer)),
            Some(Laid::There) | None => None,
        }
    }

    fn is_carried(&self, digest: &Digest) -> bool {
        match self.writer() {
            Some(writer) => writer.carries(digest),
            None => self.wanted.takes_blob(digest),
        }
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
        let plan = BundlePlan::new(with_referrers(images), &self.wanted, self.limit).map_err(destination)?;
        let warnings = plan.warnings().iter().map(ToString::to_string).collect();
        let laid = match self.options.is_at(&self.path, &plan).map_err(destination)? {
            true => Laid::There,
            false => {
                let writer = self.options.create(&self.path, plan);
                Laid::Writer(Arc::new(writer.map_err(destination)?))
            }
        };
        *self.laid() = Some(laid);
        Ok(warnings)
    }

    fn waits(&self, blob: &Descriptor) -> Option<usize> {
        self.writer()?.waits(blob)
    }

    fn finish(&self) -> Result<bool, Fault> {
        match self.writer() {
            Some(writer) => writer.finish().map(|()| true).map_err(destination),
            None if self.is_there() => {
                let signed = self.options.sign_existing(&self.path);
                signed.map(|()| false).map_err(destination)
            }
            None => Ok(false),
        }
    }

    fn published(&self, _: &Reference) -> Result<Option<Digest>, Fault> {
        Ok(None)
    }

    /// Whether the other side is said to have it.
    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        Ok(!self.is_carried(&blob.digest))
    }

    /// What is free, with what an earlier run left here, which this one goes on with.
    fn free_space(&self) -> Option<u64> {
        let folder = self.path.ancestors().find(|folder| folder.exists())?;
        let free = disk::free_space(folder).ok().flatten()?;
        let kept = self.writer().map_or(0, |writer| writer.kept());
        Some(free.saturating_add(kept))
    }

    fn bytes_to_write(&self, _: &dyn Source, blob: &Descriptor) -> u64 {
        match self.is_there() || self.are_carried_off || !self.is_carried(&blob.digest) {
            true => 0,
            false => blob.size,
        }
    }

    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        if self.is_there() || !self.is_carried(&request.blob.digest) {
            return Ok(How::Present);
        }
        let Some(writer) = self.writer() else {
            return Err(Fault::refused(Some(Side::Destination), NOT_LAID_OUT));
        };
        let failed = |error: Error| destination(error.into());
        bring(request, || writer.write_blob(request.blob), failed)
    }

    fn put_manifest(&self, _: &Repository, _: &RawManifest) -> Result<(), Fault> {
        // It was laid out.
        Ok(())
    }

    fn publish(&self, _: &Reference, _: &RawManifest) -> Result<Published, Fault> {
        Ok(Published::Whole)
    }
}
