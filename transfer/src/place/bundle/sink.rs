//! Bundles that images are written to: laid out once all images are planned.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use transload_archive::bundle::{
    BundleError, BundleOptions, BundlePlan, BundleWriter, Difference, SumsSigner, VolumeSize,
};
use transload_archive::{BlobWrite, CommitError, Error};
use transload_layout_store::disk;
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository};

use crate::bundle::{BundleChoice, BundleSigner, Differences};
use crate::event::{How, Observer};
use crate::fault::{Fault, Side};
use crate::job::Bundling;
use crate::lock::lock;
use crate::place::archive::{NOT_LAID_OUT, bring, with_referrers};
use crate::place::{Bring, Opener, PlannedImage, Published, Sink, SinkOptions, Source, read_fault};

/// A folder of volumes.
pub(super) struct BundleSink {
    path: PathBuf,
    options: BundleOptions,
    opener: Opener,
    choice: Arc<BundleChoice>,
    limit: Option<VolumeSize>,
    /// Whether volumes are carried off while others are written.
    are_carried_off: bool,
    laid: Mutex<Option<Laid>>,
}

/// What was laid out.
enum Laid {
    /// The same bundle is there.
    There,
    Writer(Arc<BundleWriter>, Arc<Differences>),
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
            opener: options.opener.clone(),
            choice: Arc::clone(&options.choice),
            limit,
            are_carried_off: command.is_some(),
            options: options.opener.bundles().volume_command(command).signer(signer),
            laid: Mutex::default(),
        }
    }

    fn is_there(&self) -> bool {
        matches!(*lock(&self.laid), Some(Laid::There))
    }

    fn writer(&self) -> Option<(Arc<BundleWriter>, Arc<Differences>)> {
        match &*lock(&self.laid) {
            Some(Laid::Writer(writer, differences)) => Some((Arc::clone(writer), Arc::clone(differences))),
            Some(Laid::There) | None => None,
        }
    }

    /// What a blob travels as, and who writes it.
    fn written_as(&self, blob: &Descriptor) -> Option<(Arc<BundleWriter>, Descriptor)> {
        let (writer, differences) = self.writer()?;
        let difference = differences.of(&blob.digest).map(Difference::blob);
        Some((writer, difference.unwrap_or_else(|| blob.clone())))
    }

    fn is_carried(&self, digest: &Digest) -> bool {
        match self.writer() {
            Some((writer, differences)) => writer.carries(digest) || differences.of(digest).is_some(),
            None => self.choice.wanted.takes_blob(digest),
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

    fn lay_out(&self, images: &[PlannedImage<'_>], observer: &dyn Observer) -> Result<Vec<String>, Fault> {
        let is_stopped = || self.opener.is_stopped();
        let differences = Differences::make(images, &self.choice, observer, &is_stopped)?;
        let wanted = self.choice.wanted.clone();
        let wanted = wanted.with_differences(differences.by_layer().clone());
        let plan = BundlePlan::new(with_referrers(images), &wanted, self.limit).map_err(destination)?;
        let warnings = plan.warnings().iter().map(ToString::to_string);
        let warnings = warnings.chain(differences.warnings.iter().cloned()).collect();
        let laid = match self.options.is_at(&self.path, &plan).map_err(destination)? {
            true => Laid::There,
            false => {
                let writer = self.options.create(&self.path, plan);
                Laid::Writer(Arc::new(writer.map_err(destination)?), Arc::new(differences))
            }
        };
        *lock(&self.laid) = Some(laid);
        Ok(warnings)
    }

    fn turn(&self, blob: &Descriptor) -> usize {
        let place = self.written_as(blob).map(|(writer, blob)| writer.turn(&blob));
        place.unwrap_or_default()
    }

    fn waits(&self, blob: &Descriptor) -> bool {
        self.written_as(blob)
            .is_some_and(|(writer, blob)| writer.waits(&blob))
    }

    fn finish(&self) -> Result<bool, Fault> {
        match self.writer() {
            Some((writer, _)) => writer.finish().map(|()| true).map_err(destination),
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
        let kept = self.writer().map_or(0, |(writer, _)| writer.kept());
        Some(free.saturating_add(kept))
    }

    fn bytes_to_write(&self, _: &dyn Source, blob: &Descriptor) -> u64 {
        if self.is_there() || self.are_carried_off || !self.is_carried(&blob.digest) {
            return 0;
        }
        self.moved_bytes(blob)
    }

    fn moved_bytes(&self, blob: &Descriptor) -> u64 {
        self.written_as(blob).map_or(blob.size, |(_, blob)| blob.size)
    }

    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        if self.is_there() || !self.is_carried(&request.blob.digest) {
            return Ok(How::Present);
        }
        let Some((writer, differences)) = self.writer() else {
            return Err(Fault::refused(Some(Side::Destination), NOT_LAID_OUT));
        };
        if let Some(difference) = differences.of(&request.blob.digest) {
            (request.started)(0);
            return bring_difference(&writer, &differences, difference);
        }
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

/// Brings what a layer travels as to its place. What an earlier run left of it may be wrong.
fn bring_difference(
    writer: &BundleWriter,
    differences: &Differences,
    difference: &Difference,
) -> Result<How, Fault> {
    let failed = |error: Error| destination(error.into());
    let BlobWrite::Writer(mut place) = writer.write_blob(&difference.blob()).map_err(failed)? else {
        return Ok(How::Present);
    };
    loop {
        let is_resumed = place.position() > 0;
        let written = place.write_from(differences.open(difference, place.position()));
        written.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => failed(error),
            Err(error) => read_fault(error),
        })?;
        match place.commit() {
            Ok(()) => return Ok(How::Moved),
            Err(CommitError {
                writer: Some(again), ..
            }) if is_resumed => place = again,
            Err(refused) => return Err(failed(refused.error)),
        }
    }
}
