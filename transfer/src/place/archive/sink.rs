//! Archives that images are written to.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use transload_archive::{BlobWrite, BlobWriter, Error, Plan, PlannedImage as Planned, Warning, Writer};
use transload_layout_store::{Error as StoreError, disk};
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository};

use crate::event::{How, Observer};
use crate::fault::{Fault, Side};
use crate::lock::lock;
use crate::outcome::Link;
use crate::place::sink::{StreamFailure, wrong_content};
use crate::place::source::FRESH_STARTS;
use crate::place::{Bring, CHUNK, Opener, PlannedImage, Published, Sink, SinkOptions, Source, read_fault};
use crate::plan::Attached;

/// One file, which has its name once all of it is there.
pub(super) struct ArchiveSink {
    path: PathBuf,
    opener: Opener,
    check_existing: bool,
    file: Mutex<Option<Laid>>,
}

/// What was laid out.
enum Laid {
    /// The same archive is there, as far as its beginning and its size tell.
    There,
    Writer(Arc<Writer>),
}

fn destination(error: Error) -> Fault {
    Fault::archive(Side::Destination, error)
}

impl ArchiveSink {
    pub fn new(path: &Path, options: &SinkOptions) -> ArchiveSink {
        ArchiveSink {
            path: path.to_owned(),
            opener: options.opener.clone(),
            check_existing: options.check_existing,
            file: Mutex::default(),
        }
    }

    fn folder(&self) -> &Path {
        let folder = self.path.parent();
        folder
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }
}

/// Plans an archive of these images.
pub(super) fn plan(images: &[PlannedImage<'_>]) -> Result<Plan, Fault> {
    Plan::new(with_referrers(images)).map_err(destination)
}

/// These images with their referrers: without a name, those under cosign's tags by their tags.
pub(crate) fn with_referrers(images: &[PlannedImage<'_>]) -> Vec<Planned> {
    let mut planned = Vec::new();
    let mut tagged: HashSet<Reference> = images.iter().map(|image| image.reference.clone()).collect();
    for image in images {
        let mut manifests = image.children.to_vec();
        for Attached { manifest, link } in image.referrers {
            let Some(Link::Tag(tag)) = link else {
                manifests.push(manifest.clone());
                continue;
            };
            let repository = image.reference.repository().clone();
            let name = Reference::new(repository, Some(tag.clone()), None);
            // Images of one digest share what belongs to them.
            if tagged.insert(name.clone()) {
                planned.push(Planned::new(name, manifest.clone(), Vec::new()));
            }
        }
        let reference = image.reference.clone();
        planned.push(Planned::new(reference, image.root.clone(), manifests));
    }
    planned
}

/// What programs that load the archive can't do with it, once for all images that it is alike for.
pub(super) fn warnings(plan: &Plan) -> Vec<String> {
    let mut alike: BTreeMap<&str, Vec<&Reference>> = BTreeMap::new();
    let mut told = Vec::new();
    for warning in plan.warnings() {
        match (warning.image(), what(warning)) {
            (Some(image), Some(what)) => alike.entry(what).or_default().push(image),
            _ => told.push(warning.to_string()),
        }
    }
    told.extend(alike.into_iter().map(|(what, images)| match images.as_slice() {
        [image] => format!("{image}: {what}"),
        images => format!("{} and {} more: {what}", images[0], images.len() - 1),
    }));
    told
}

/// What a warning says that is alike for several images.
fn what(warning: &Warning) -> Option<&'static str> {
    Some(match warning {
        Warning::DockerTakesOne { .. } => {
            "docker load takes one of the platforms, and so does podman load of an archive with several images (--platform leaves out others)"
        }
        Warning::NotForDocker { .. } => "docker load skips what Docker on Linux can't run",
        Warning::NamelessInDocker { .. } => {
            "docker load and podman load give no name to images without a tag"
        }
        Warning::ZstdLayers { .. } => "docker load reads layers with zstd from Docker 23 on",
        Warning::Sparse { .. } => "older containerd refuses an index that names manifests which aren't there",
        _ => return None,
    })
}

impl Sink for ArchiveSink {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn is_one_file(&self) -> bool {
        true
    }

    fn turn(&self, blob: &Descriptor) -> usize {
        match &*lock(&self.file) {
            Some(Laid::Writer(writer)) => writer.turn(blob),
            Some(Laid::There) | None => 0,
        }
    }

    fn lay_out(&self, images: &[PlannedImage<'_>], _: &dyn Observer) -> Result<Vec<String>, Fault> {
        let plan = plan(images)?;
        let warnings = warnings(&plan);
        let laid = match plan.is_at(&self.path).map_err(destination)? {
            Some(true) if !self.check_existing => Laid::There,
            Some(false) => {
                let path = self.path.display();
                let message = format!("{path} is there, and holds something else");
                let hint = format!(
                    "remove it, or give another name: an archive is never added to (`transload list {path}` shows it)"
                );
                return Err(Fault::refused(Some(Side::Destination), message).with_hint(hint));
            }
            _ => {
                let folder = self.folder();
                let made = fs::create_dir_all(folder).map_err(|source| Error::Io {
                    operation: "making",
                    path: folder.to_owned(),
                    source,
                });
                made.map_err(destination)?;
                let writer = self.opener.archives().create(&self.path, plan);
                Laid::Writer(Arc::new(writer.map_err(destination)?))
            }
        };
        *lock(&self.file) = Some(laid);
        Ok(warnings)
    }

    fn finish(&self) -> Result<bool, Fault> {
        match lock(&self.file).take() {
            Some(Laid::Writer(writer)) => writer.finish().map(|()| true).map_err(destination),
            Some(Laid::There) | None => Ok(false),
        }
    }

    fn published(&self, _: &Reference) -> Result<Option<Digest>, Fault> {
        Ok(None)
    }

    fn has_blob(&self, _: &Repository, _: &Descriptor) -> Result<bool, Fault> {
        Ok(false)
    }

    /// What is free, with what an earlier run left here, which this one goes on with.
    fn free_space(&self) -> Option<u64> {
        let free = disk::free_space(self.folder()).ok().flatten()?;
        let kept = match &*lock(&self.file) {
            Some(Laid::Writer(writer)) => writer.kept(),
            _ => 0,
        };
        Some(free.saturating_add(kept))
    }

    fn bytes_to_write(&self, _: &dyn Source, blob: &Descriptor) -> u64 {
        match &*lock(&self.file) {
            Some(Laid::There) => 0,
            _ => blob.size,
        }
    }

    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        let writer = match &*lock(&self.file) {
            Some(Laid::Writer(writer)) => Arc::clone(writer),
            Some(Laid::There) => return Ok(How::Present),
            None => return Err(Fault::refused(Some(Side::Destination), NOT_LAID_OUT)),
        };
        bring(request, || writer.write_blob(request.blob), destination)
    }

    fn put_manifest(&self, _: &Repository, _: &RawManifest) -> Result<(), Fault> {
        // It was laid out.
        Ok(())
    }

    fn publish(&self, _: &Reference, _: &RawManifest) -> Result<Published, Fault> {
        Ok(Published::Whole)
    }
}

/// What is said where a blob comes too soon.
pub(crate) const NOT_LAID_OUT: &str = "nothing is laid out yet";

/// Brings a blob to its place in a file. `failed` makes a fault of what can't be written.
pub(crate) fn bring(
    request: &Bring<'_>,
    begin: impl FnOnce() -> Result<BlobWrite, Error>,
    failed: fn(Error) -> Fault,
) -> Result<How, Fault> {
    let BlobWrite::Writer(mut writer) = begin().map_err(failed)? else {
        return Ok(How::Present);
    };
    let mut fresh_starts = 0;
    loop {
        let from_elsewhere = writer.position() > 0;
        let filled = match fill(request, &mut writer) {
            Ok(()) => writer.commit().map_err(|refused| (refused.error, refused.writer)),
            Err(Filled::Refused(error)) => Err((error, Some(writer))),
            Err(Filled::Unread(fault)) => return Err(fault),
        };
        let (error, kept) = match filled {
            Ok(()) => return Ok(How::Moved),
            Err(refused) => refused,
        };
        let Error::WrongContent { source } = error else {
            return Err(failed(error));
        };
        let wrong = wrong_content(request, from_elsewhere, StoreError::WrongContent { source });
        writer = match (wrong, kept) {
            (StreamFailure::WrongBytes(_), Some(kept)) if fresh_starts < FRESH_STARTS => kept,
            (StreamFailure::WrongBytes(fault) | StreamFailure::Other(fault), _) => return Err(fault),
        };
        fresh_starts += 1;
        writer.restart().map_err(failed)?;
    }
}

/// Why a blob's place wasn't filled.
enum Filled {
    Refused(Error),
    Unread(Fault),
}

/// Fills a blob's place from where the writer is.
fn fill(request: &Bring<'_>, writer: &mut BlobWriter) -> Result<(), Filled> {
    let mut bytes = request.open(writer.position()).map_err(Filled::Unread)?;
    (request.started)(writer.position());
    let mut chunk = vec![0; CHUNK];
    loop {
        request.check_cancel().map_err(Filled::Unread)?;
        let count = match bytes.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Filled::Unread(read_fault(error))),
        };
        writer.write(&chunk[..count]).map_err(Filled::Refused)?;
        (request.progress)(writer.position());
    }
}
