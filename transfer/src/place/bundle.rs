//! Bundles: what one side lacks, in volumes.

mod rebuild;
mod sink;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use transload_archive::bundle::{Bundle, DOCUMENT, Difference, Held, Holdings, Place};
use transload_layout_store::{Listing, StoredImage};
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository, Tag, VerifyError};

use super::archive::ArchivedBlob;
use super::directory::{check_folders_above, where_else};
use super::source::{Absent, OpenBase};
use super::tagged::TaggedImages;
use super::{Kind, LocalPlace, Offers, Opener, Refusal, Scheme, Sink, SinkOptions, Source, ToBe};
use crate::fault::{Fault, Side};
use rebuild::Bases;
use sink::BundleSink;

/// Bundles.
pub(super) const BUNDLE: &dyn Kind = &BundleKind;

#[derive(Debug)]
struct BundleKind;

impl Kind for BundleKind {
    fn scheme(&self) -> &Scheme {
        &Scheme {
            prefix: "bundle:",
            name: "a bundle",
            form: "bundle:DIR",
            example: "bundle:/mnt/usb/2026-12",
            about: "a folder of tar volumes with what the other side lacks (--base), to carry across an air gap",
            takes_name: false,
        }
    }

    fn source(&self, place: &LocalPlace, opener: &Opener) -> Result<Arc<dyn Source>, Fault> {
        source(place, opener)
    }

    fn sink(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        Ok(Arc::new(BundleSink::new(place.path(), options)))
    }

    fn look(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        let base = Arc::clone(&options.choice);
        Ok(Arc::new(
            ToBe::folder(place.path().to_owned(), false).beyond(base),
        ))
    }

    fn check_source(&self, place: &LocalPlace, _: &Opener) -> Result<(), Refusal> {
        check_source(place)
    }

    fn check_sink(&self, place: &LocalPlace, _: &Opener) -> Result<(), Refusal> {
        let path = place.path();
        match path.metadata() {
            Ok(there) if !there.is_dir() => {
                let message = format!("{} is a file, and a bundle is a folder", path.display());
                Err(Refusal::wrong(message, None))
            }
            Ok(_) => Ok(()),
            Err(_) => check_folders_above(path),
        }
    }
}

/// Opens a bundle to read images from it.
pub(super) fn source(place: &LocalPlace, opener: &Opener) -> Result<Arc<dyn Source>, Fault> {
    let (bundle, _) = place
        .open_bundle()
        .map_err(|error| Fault::bundle(Side::Source, error))?;
    Ok(Arc::new(BundleSource::new(place, bundle, opener)))
}

/// Checks that a bundle is there and can be read.
pub(super) fn check_source(place: &LocalPlace) -> Result<(), Refusal> {
    if let Ok(false) = place.path().try_exists() {
        let message = format!("there is no directory {}", place.path().display());
        return Err(Refusal::wrong(message, where_else(place.path())));
    }
    if !place.path().join(DOCUMENT).exists() {
        let message = format!(
            "{} has no {DOCUMENT}, so it isn't a bundle",
            place.path().display()
        );
        let hint = "name the folder with BUNDLE.json; --volumes adds folders with more of its volumes";
        return Err(Refusal::wrong(message, Some(hint.to_owned())));
    }
    place
        .open_bundle()
        .map(|_| ())
        .map_err(|error| Refusal::wrong(&error, error.hint()))
}

/// Whether a folder is a bundle's.
pub(super) fn is_one(place: &LocalPlace) -> bool {
    place.path().join(DOCUMENT).is_file()
}

/// A bundle that images are read from.
struct BundleSource {
    place: LocalPlace,
    bundle: Bundle,
    images: TaggedImages,
    /// Whether something that its images need isn't there.
    is_partial: bool,
    bases: Bases,
}

impl BundleSource {
    fn new(place: &LocalPlace, bundle: Bundle, opener: &Opener) -> BundleSource {
        let images = bundle.images().iter();
        let images = images.map(|image| StoredImage::new(image.reference.clone(), image.digest.clone()));
        BundleSource {
            place: place.clone(),
            images: TaggedImages::new(place, "bundle", images.collect()),
            is_partial: !bundle.is_complete(),
            bases: Bases::new(opener.clone()),
            bundle,
        }
    }

    /// Why a manifest or blob isn't here.
    fn lacks(&self, what: &str, digest: &Digest) -> Fault {
        let reason = match self.bundle.find(digest) {
            Some(Place::Lost { volumes, .. }) => volumes.join(", "),
            Some(Place::Required { .. }) => "left out, since the other side had it".to_owned(),
            Some(Place::Difference(difference)) => as_difference(&difference),
            _ => "the bundle doesn't list it".to_owned(),
        };
        let message = format!("{} lacks the {what} {digest}: {reason}", self.place);
        let fault = Fault::refused(Some(Side::Source), message);
        match self.bundle.find(digest) {
            Some(Place::Lost { .. }) => fault.with_hint(VOLUMES_HINT),
            Some(Place::Difference(_)) => fault.with_hint(rebuild::HINT),
            _ => fault,
        }
    }

    fn find(&self, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        let found = self.bundle.manifest(digest);
        found.map_err(|error| Fault::bundle(Side::Source, error))
    }
}

/// What is said of a layer that isn't here as a whole.
fn as_difference(difference: &Difference) -> String {
    format!("it travels as a difference to {}", difference.base)
}

/// What to do about a volume that isn't there.
const VOLUMES_HINT: &str = "name the folders with the missing volumes, as in --volumes /mnt/a,/mnt/b";

impl Source for BundleSource {
    fn describe(&self) -> String {
        self.place.to_string()
    }

    fn resolve(&self, image: &Reference) -> Result<Digest, Fault> {
        let has = |digest: &Digest| Ok(self.bundle.find(digest).is_some());
        self.images.resolve(image, has)
    }

    fn root(&self, image: &Reference) -> Result<RawManifest, Fault> {
        let digest = self.resolve(image)?;
        self.find(&digest)?.ok_or_else(|| self.lacks("manifest", &digest))
    }

    fn manifest(&self, _: &Repository, part: &Descriptor) -> Result<RawManifest, Fault> {
        self.find(&part.digest)?
            .ok_or_else(|| self.lacks("manifest", &part.digest))
    }

    fn find_manifest(&self, _: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        self.find(digest)
    }

    /// What a bundle doesn't list of an index was left out when the bundle was made.
    fn left_out(&self, _: &Repository, index: &Digest) -> BTreeSet<Digest> {
        let index = self.bundle.manifest(index).ok().flatten();
        let children = index.iter().flat_map(|index| index.view().children());
        let unlisted = children.filter(|child| self.bundle.find(&child.digest).is_none());
        unlisted.map(|child| child.digest.clone()).collect()
    }

    fn referrers(&self, _: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, Fault> {
        Ok(self.bundle.referrers(subject))
    }

    fn find_tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Fault> {
        Ok(self.images.find(repository, tag).cloned())
    }

    fn open_blob(
        &self,
        _: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        if let Some(Place::Difference(difference)) = self.bundle.find(&blob.digest)
            && self.bases.has(&blob.digest)
        {
            let change = self.bundle.open_blob(&difference.digest, 0);
            return Ok(Box::new(self.bases.rebuild(blob, &difference, change, offset)?));
        }
        let found = self.bundle.open_blob(&blob.digest, offset);
        let bytes = found.ok_or_else(|| self.lacks("blob", &blob.digest))?;
        Ok(Box::new(ArchivedBlob {
            bytes,
            path: self.place.path().to_owned(),
        }))
    }

    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        let found = self.bundle.find(&blob.digest);
        Ok(matches!(found, Some(Place::Here { size }) if size == blob.size))
    }

    fn bundle(&self) -> Option<&Digest> {
        Some(self.bundle.id())
    }

    fn is_partial(&self) -> bool {
        self.is_partial
    }

    fn absent(&self, blob: &Descriptor) -> Option<Absent> {
        match self.bundle.find(&blob.digest) {
            Some(Place::Here { .. }) => None,
            Some(Place::Lost { volumes, .. }) => Some(Absent {
                reason: volumes.join(", "),
                repository: None,
                base: None,
            }),
            Some(Place::Difference(_)) if self.bases.has(&blob.digest) => None,
            Some(Place::Difference(difference)) => Some(Absent {
                reason: as_difference(&difference),
                base: Some(difference.base_blob()),
                repository: difference.base_repository,
            }),
            Some(Place::Required { repository, .. }) => Some(Absent {
                reason: "left out, since the other side had it".to_owned(),
                repository,
                base: None,
            }),
            _ => Some(Absent {
                reason: "the bundle doesn't list it".to_owned(),
                repository: None,
                base: None,
            }),
        }
    }

    fn found_base(&self, blob: &Digest, open: OpenBase) {
        self.bases.add(blob, open);
    }

    fn lost(&self) -> Holdings {
        let all = self.bundle.holdings();
        let mut lost = Holdings::default();
        let is_lost = |digest: &Digest| matches!(self.bundle.find(digest), Some(Place::Lost { .. }));
        for (digest, held) in all.blobs.into_iter().filter(|(digest, _)| is_lost(digest)) {
            lost.add_blob(&digest, Held::new(held.size, None));
        }
        lost.manifests = all.manifests;
        lost.manifests.retain(|digest, _| is_lost(digest));
        lost
    }

    fn listing(&self) -> Result<Listing, Fault> {
        Ok(self.images.listing())
    }

    fn offers(&self) -> Offers<'_> {
        Offers::default()
    }

    fn damaged(&self, blob: &Descriptor, error: &VerifyError) -> Option<Fault> {
        let message = format!("{}: the blob {} is damaged: {error}", self.place, blob.digest);
        let fault = Fault::refused(Some(Side::Source), message);
        Some(fault.with_hint(format!(
            "`transload verify bundle:{}` names what is damaged",
            self.place
        )))
    }
}
