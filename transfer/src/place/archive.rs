//! Archives of images: files, and standard input.

mod names;
mod sink;
mod stream;

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_archive::{Archive, Error, Layout};
use transload_layout_store::Listing;
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository, Tag, VerifyError};

use super::directory::check_folders_above;
use super::tagged::TaggedImages;
use super::{Kind, LocalPlace, Offers, Opener, Refusal, Scheme, Sink, SinkOptions, Source, ToBe};
use crate::fault::{Fault, Side};
use sink::ArchiveSink;

pub(super) use sink::{NOT_LAID_OUT, bring, with_referrers};
pub(crate) use stream::{PIPE, STREAM};

/// Archives as OCI layouts are packed.
pub(super) const OCI_ARCHIVE: &dyn Kind = &ArchiveKind {
    scheme: Scheme {
        prefix: "oci-archive:",
        name: "an OCI archive",
        form: "oci-archive:FILE[:NAME]",
        example: "oci-archive:images.tar",
        about: "one file, for docker, podman, ctr and skopeo alike; .tar.gz and .tar.zst are read, too",
        takes_name: true,
    },
    layout: Layout::Oci,
};

/// Archives as `docker save` writes them.
pub(super) const DOCKER_ARCHIVE: &dyn Kind = &ArchiveKind {
    scheme: Scheme {
        prefix: "docker-archive:",
        name: "a Docker archive",
        form: "docker-archive:FILE[:NAME]",
        example: "docker-archive:images.tar",
        about: "the same; files of docker save are read, too, and their images get new digests",
        takes_name: true,
    },
    layout: Layout::Docker,
};

/// Archives whose form is said. What is written is both at once.
#[derive(Debug)]
struct ArchiveKind {
    scheme: Scheme,
    layout: Layout,
}

impl Kind for ArchiveKind {
    fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    fn source(&self, place: &LocalPlace, opener: &Opener) -> Result<Arc<dyn Source>, Fault> {
        source(place, opener, Some(self.layout))
    }

    fn sink(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        sink(place, options)
    }

    fn look(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        look(place, options)
    }

    fn check_source(&self, place: &LocalPlace, opener: &Opener) -> Result<(), Refusal> {
        check_source(place, opener, Some(self.layout))
    }

    fn check_sink(&self, place: &LocalPlace, _: &Opener) -> Result<(), Refusal> {
        check_sink(place)
    }
}

fn at_source(error: Error) -> Fault {
    Fault::archive(Side::Source, error)
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Taker { .. } => Refusal::failed(&at_source(error)),
        _ => Refusal::wrong(&error, error.hint()),
    }
}

/// Opens an archive to read images from it.
pub(super) fn source(
    place: &LocalPlace,
    opener: &Opener,
    layout: Option<Layout>,
) -> Result<Arc<dyn Source>, Fault> {
    let archive = opener.archive(place.path()).map_err(at_source)?;
    check_form(place.path(), &archive, layout).map_err(Refusal::into_fault)?;
    Ok(Arc::new(ArchiveSource::new(place, archive)?))
}

/// Opens an archive to write images to it. Nothing is there before it is [laid out](Sink::lay_out).
pub(super) fn sink(place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
    Ok(Arc::new(ArchiveSink::new(place.path(), options)))
}

/// Tells what would be written to an archive: everything.
pub(super) fn look(place: &LocalPlace, _: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
    Ok(Arc::new(ToBe::folder(place.path().to_owned(), false)))
}

/// Checks that a file is an archive of images, in this form where one is said.
pub(super) fn check_source(
    place: &LocalPlace,
    opener: &Opener,
    layout: Option<Layout>,
) -> Result<(), Refusal> {
    let path = place.path();
    if let Ok(false) = path.try_exists() {
        let here = std::env::current_dir().ok().filter(|_| path.is_relative());
        let hint = here.map(|here| format!("the current directory is {}", here.display()));
        return Err(Refusal::wrong(
            format!("there is no file {}", path.display()),
            hint,
        ));
    }
    let archive = opener.archive(path).map_err(refusal)?;
    check_form(path, &archive, layout)
}

fn check_form(path: &Path, archive: &Archive, layout: Option<Layout>) -> Result<(), Refusal> {
    let Some(layout) = layout.filter(|layout| !archive.fits(*layout)) else {
        return Ok(());
    };
    let wanted = match layout {
        Layout::Docker => "a Docker archive",
        _ => "an OCI archive",
    };
    let path = path.display();
    let message = format!("{path} is {}, and {} is wanted", archive.form(), wanted);
    Err(Refusal::wrong(
        message,
        Some(format!("give {path} alone: its form is recognised")),
    ))
}

/// Checks that an archive can be written to a path.
pub(super) fn check_sink(place: &LocalPlace) -> Result<(), Refusal> {
    let path = place.path();
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let packed = [".gz", ".tgz", ".zst", ".xz", ".bz2"];
    if packed.iter().any(|ending| name.ends_with(ending)) {
        let message = format!(
            "{} would be compressed, and archives are written as plain tars",
            path.display()
        );
        let hint = "layers are compressed already: give a name that ends in .tar, and pack the file afterwards if it must be";
        return Err(Refusal::wrong(message, Some(hint.to_owned())));
    }
    match path.metadata() {
        Ok(there) if there.is_dir() => {
            let message = format!("{} is a directory, and an archive is one file", path.display());
            Err(Refusal::wrong(message, None))
        }
        Ok(there) if there.is_file() => Ok(()),
        Ok(_) => {
            let message = format!("{} isn't a regular file", path.display());
            let hint = "write `-` for standard output";
            Err(Refusal::wrong(message, Some(hint.to_owned())))
        }
        Err(_) => check_folders_above(path),
    }
}

/// An archive that images are read from.
pub(super) struct ArchiveSource {
    path: PathBuf,
    archive: Arc<Archive>,
    images: TaggedImages,
    /// What each root was made from that the archive doesn't have.
    made_from: HashMap<Digest, Digest>,
}

impl ArchiveSource {
    fn new(place: &LocalPlace, archive: Arc<Archive>) -> Result<ArchiveSource, Fault> {
        let images = names::named(place, archive.images())?;
        let made = archive.images().iter();
        let made_from = made
            .filter_map(|image| Some((image.root.digest.clone(), image.made_from.clone()?)))
            .collect();
        Ok(ArchiveSource {
            path: place.path().to_owned(),
            archive,
            images: TaggedImages::new(place, "archive", images),
            made_from,
        })
    }

    fn lacks(&self, what: &str, digest: &Digest) -> Fault {
        let message = format!("{} lacks the {what} {digest}", self.path.display());
        Fault::refused(Some(Side::Source), message).with_hint("save the image again")
    }
}

impl Source for ArchiveSource {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn resolve(&self, image: &Reference) -> Result<Digest, Fault> {
        let has = |digest: &Digest| Ok(self.archive.manifest(digest).map_err(at_source)?.is_some());
        self.images.resolve(image, has)
    }

    fn root(&self, image: &Reference) -> Result<RawManifest, Fault> {
        let digest = self.resolve(image)?;
        let found = self.archive.manifest(&digest).map_err(at_source)?;
        found.ok_or_else(|| self.lacks("manifest", &digest))
    }

    fn manifest(&self, _: &Repository, part: &Descriptor) -> Result<RawManifest, Fault> {
        let found = self.archive.manifest(&part.digest).map_err(at_source)?;
        found.ok_or_else(|| self.lacks("manifest", &part.digest))
    }

    fn find_manifest(&self, _: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        self.archive.manifest(digest).map_err(at_source)
    }

    /// What an archive lacks of an index, whoever wrote it left out: an archive doesn't lose entries.
    fn left_out(&self, _: &Repository, index: &Digest) -> BTreeSet<Digest> {
        let index = self.archive.manifest(index).ok().flatten();
        let children = index.iter().flat_map(|index| index.view().children());
        children
            .map(|child| child.digest.clone())
            .filter(|digest| matches!(self.archive.blob_size(digest), Ok(None)))
            .collect()
    }

    fn made_from(&self, root: &Digest) -> Option<Digest> {
        self.made_from.get(root).cloned()
    }

    fn went_straight(&self, digest: &Digest) -> bool {
        self.archive.is_taken(digest)
    }

    fn referrers(&self, _: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, Fault> {
        Ok(self.archive.referrers(subject))
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
        let found = self
            .archive
            .open_blob(&blob.digest, offset..)
            .map_err(at_source)?;
        let bytes = found.ok_or_else(|| self.lacks("blob", &blob.digest))?;
        let size = bytes.size().saturating_add(offset);
        if size != blob.size && offset <= blob.size {
            let message = format!(
                "{} has {size} bytes for the blob {} where {} are expected",
                self.path.display(),
                blob.digest,
                blob.size
            );
            return Err(Fault::refused(Some(Side::Source), message).with_hint("save the image again"));
        }
        Ok(Box::new(ArchivedBlob {
            bytes,
            path: self.path.clone(),
        }))
    }

    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        Ok(self.archive.blob_size(&blob.digest).map_err(at_source)? == Some(blob.size))
    }

    fn listing(&self) -> Result<Listing, Fault> {
        Ok(self.images.listing())
    }

    fn offers(&self) -> Offers<'_> {
        Offers::default()
    }

    fn damaged(&self, blob: &Descriptor, error: &VerifyError) -> Option<Fault> {
        let reason = match error {
            VerifyError::Mismatch { got, .. } => format!("is damaged: its digest is {got}"),
            other => format!("is damaged: {other}"),
        };
        Some(at_source(Error::Entry {
            path: self.path.clone(),
            entry: blob.digest.to_string(),
            reason,
        }))
    }
}

/// A blob of an archive or a bundle, whose errors say which one it is.
pub(super) struct ArchivedBlob<R> {
    pub bytes: R,
    pub path: PathBuf,
}

impl<R: Read> Read for ArchivedBlob<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer).map_err(|source| match source.kind() {
            io::ErrorKind::Interrupted => source,
            _ => io::Error::other(Error::Io {
                operation: "reading",
                path: self.path.clone(),
                source,
            }),
        })
    }
}
