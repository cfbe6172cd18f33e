//! Directories of images.

pub(crate) mod fill;
mod share;
mod sink;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use transload_layout_store::{Error as StoreError, Format, Listing, Store, StoredImage};
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository, Tag, VerifyError};

pub(super) use share::takes_no_room;
pub(crate) use sink::DirectorySink;

use super::tagged::missing_image;
use super::{
    Kind, LocalPlace, Offers, Opener, Refusal, Scheme, Sink, SinkOptions, Source, ToBe, by_tag_alone,
};
use crate::fault::{Fault, Side};
use crate::lock::lock;
use crate::suggest::Names;

/// Directories in the format of the OCI image layout.
pub(super) const OCI: &dyn Kind = &OciLayout;

#[derive(Debug)]
struct OciLayout;

impl Kind for OciLayout {
    fn scheme(&self) -> &Scheme {
        &Scheme {
            prefix: "oci:",
            name: "a directory in the OCI image layout",
            form: "oci:DIR[:NAME]",
            example: "oci:/mnt/usb/images",
            about: "a directory in the OCI image layout, on any disk (FAT and exFAT, too)",
            takes_name: true,
        }
    }

    fn links(&self) -> bool {
        true
    }

    fn source(&self, place: &LocalPlace, opener: &Opener) -> Result<Arc<dyn Source>, Fault> {
        source(place, opener, Some(Format::Oci))
    }

    fn sink(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        sink(place, options, Some(Format::Oci))
    }

    fn look(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        look(place, options, Some(Format::Oci))
    }

    fn check_source(&self, place: &LocalPlace, opener: &Opener) -> Result<(), Refusal> {
        check_source(place, opener, Some(Format::Oci))
    }

    fn check_sink(&self, place: &LocalPlace, opener: &Opener) -> Result<(), Refusal> {
        check_sink(place, opener, Some(Format::Oci))
    }
}

/// Opens a directory, of this format or of any, to read images from it.
pub(super) fn source(
    place: &LocalPlace,
    opener: &Opener,
    format: Option<Format>,
) -> Result<Arc<dyn Source>, Fault> {
    let store = opener.directory(place, format);
    let store = store.map_err(at_source)?;
    Ok(Arc::new(DirectorySource::new(store)))
}

/// Opens a directory to write images to it.
pub(super) fn sink(
    place: &LocalPlace,
    options: &SinkOptions,
    format: Option<Format>,
) -> Result<Arc<dyn Sink>, Fault> {
    let store = options.opener.directories(place, format).create(place.path());
    let store = store.map_err(at_destination)?;
    Ok(Arc::new(DirectorySink::new(Arc::new(store)).with(options)))
}

/// Opens a directory to see what would be written to it.
pub(super) fn look(
    place: &LocalPlace,
    options: &SinkOptions,
    format: Option<Format>,
) -> Result<Arc<dyn Sink>, Fault> {
    let path = place.path();
    if path.symlink_metadata().is_err() {
        return Ok(Arc::new(ToBe::folder(path.to_owned(), options.link)));
    }
    let store = options.opener.directories(place, format).open(path);
    let store = store.map_err(at_destination)?;
    Ok(Arc::new(DirectorySink::new(Arc::new(store)).with(options)))
}

/// Checks that a directory holds images.
pub(super) fn check_source(
    place: &LocalPlace,
    opener: &Opener,
    format: Option<Format>,
) -> Result<(), Refusal> {
    let path = place.path();
    if let Ok(false) = path.try_exists() {
        let message = format!("there is no directory {}", path.display());
        return Err(Refusal::wrong(message, where_else(path)));
    }
    let opened = opener.directories(place, format).open(path);
    opened.map(|_| ()).map_err(refusal)
}

/// Checks that images can be written to a directory, which is made where it isn't there.
pub(super) fn check_sink(place: &LocalPlace, opener: &Opener, format: Option<Format>) -> Result<(), Refusal> {
    let (path, options) = (place.path(), opener.directories(place, format));
    if path.symlink_metadata().is_ok() {
        options.open(path).map_err(refusal)?;
    } else {
        check_folders_above(path)?;
    }
    options.check_names(path).map_err(|error| Refusal {
        failed: true,
        ..refusal(error)
    })
}

/// Checks that nothing but folders is on the way to a path where nothing is.
pub(super) fn check_folders_above(path: &Path) -> Result<(), Refusal> {
    match path.ancestors().skip(1).find(|path| path.exists()) {
        Some(file) if !file.is_dir() => {
            let message = format!("{} can't be made: {} is a file", path.display(), file.display());
            Err(Refusal::wrong(message, None))
        }
        _ => Ok(()),
    }
}

fn at_source(error: StoreError) -> Fault {
    Fault::store(Side::Source, error)
}

fn at_destination(error: StoreError) -> Fault {
    Fault::store(Side::Destination, error)
}

fn refusal(error: StoreError) -> Refusal {
    Refusal::wrong(&error, error.hint())
}

/// Where a directory may be that a path doesn't lead to.
pub(super) fn where_else(path: &Path) -> Option<String> {
    // local://var/lib/images lacks a slash.
    let from_root = Path::new("/").join(path);
    if path.is_relative() && from_root.is_dir() {
        let path = from_root.display();
        return Some(format!(
            "there is one at {path}: with local://, that is local://{path}"
        ));
    }
    let here = std::env::current_dir().ok().filter(|_| path.is_relative())?;
    Some(format!("the current directory is {}", here.display()))
}

/// A directory that images are read from.
pub struct DirectorySource {
    store: Arc<Store>,
    /// The names that it has, read once an image is missing: a walk through the whole directory.
    names: OnceLock<Names>,
    /// What refers to the manifests of each repository that was asked for, or of all together: a walk through them.
    referrers: Mutex<HashMap<Option<Repository>, Arc<AllReferrers>>>,
}

/// Referrers by their subject.
type AllReferrers = BTreeMap<Digest, Vec<Descriptor>>;

impl DirectorySource {
    /// The directory.
    pub fn new(store: Arc<Store>) -> Self {
        DirectorySource {
            store,
            names: OnceLock::new(),
            referrers: Mutex::default(),
        }
    }

    fn missing_image(&self, image: &Reference) -> Fault {
        let names = self.names.get_or_init(|| {
            let images = self.store.images().into_iter().flatten();
            Names::new(images.map(|image| image.reference))
        });
        missing_image(self.store.root().display(), "directory", image, names)
    }

    fn read(&self, repository: &Repository, digest: &Digest) -> Result<RawManifest, Fault> {
        self.find_manifest(repository, digest)?.ok_or_else(|| {
            let message = format!(
                "{} lacks the manifest {digest} of {repository}",
                self.store.root().display()
            );
            Fault::refused(Some(Side::Source), message).with_hint("pull the image into the directory again")
        })
    }

    /// A blob's file, from an offset on.
    fn stored(&self, blob: &Descriptor, offset: u64) -> Result<File, Fault> {
        let file = self.store.open_blob(&blob.digest).map_err(at_source)?;
        let Some(mut file) = file else {
            let message = format!("{} is missing", self.store.blob_path(&blob.digest).display());
            return Err(Fault::refused(Some(Side::Source), message)
                .with_hint("pull the image into the directory again"));
        };
        check_size(&self.store, &file, blob)?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| {
            let path = self.store.blob_path(&blob.digest);
            at_source(reading(&path)(error))
        })?;
        Ok(file)
    }
}

impl Source for DirectorySource {
    fn describe(&self) -> String {
        self.store.root().display().to_string()
    }

    fn resolve(&self, image: &Reference) -> Result<Digest, Fault> {
        let found = self
            .store
            .resolve(image.repository(), &image.identifier())
            .map_err(at_source)?;
        if let Some(digest) = found {
            return Ok(digest);
        }
        let place = LocalPlace::directory(self.store.root());
        let found = by_tag_alone(&place, image, || self.images())?;
        found
            .map(|found| found.digest)
            .ok_or_else(|| self.missing_image(image))
    }

    fn root(&self, image: &Reference) -> Result<RawManifest, Fault> {
        self.read(image.repository(), &self.resolve(image)?)
    }

    fn manifest(&self, repository: &Repository, part: &Descriptor) -> Result<RawManifest, Fault> {
        self.read(repository, &part.digest)
    }

    fn find_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        let found = self.store.manifest(repository, digest);
        found.map_err(at_source)
    }

    fn left_out(&self, repository: &Repository, index: &Digest) -> BTreeSet<Digest> {
        let mut left_out = self.store.left_out(repository, index);
        // What was added later is there.
        left_out.retain(|digest| !matches!(self.store.manifest(repository, digest), Ok(Some(_))));
        left_out
    }

    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, Fault> {
        // The lock is held meanwhile: others need the same answer.
        let mut known = lock(&self.referrers);
        let scope = (!self.store.shares_manifests(repository)).then(|| repository.clone());
        let all = match known.get(&scope) {
            Some(all) => Arc::clone(all),
            None => {
                let all = self.store.all_referrers(repository);
                let all = Arc::new(all.map_err(at_source)?);
                known.insert(scope, Arc::clone(&all));
                all
            }
        };
        Ok(all.get(subject).cloned().unwrap_or_default())
    }

    fn find_tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Fault> {
        let found = self.store.resolve(repository, &tag.clone().into());
        found.map_err(at_source)
    }

    fn open_blob(
        &self,
        _: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        Ok(Box::new(StoredBlob {
            file: self.stored(blob, offset)?,
            path: self.store.blob_path(&blob.digest),
        }))
    }

    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        let found = self.store.has_blob(blob);
        found.map_err(at_source)
    }

    fn listing(&self) -> Result<Listing, Fault> {
        let listing = self.store.listing();
        listing.map_err(at_source)
    }

    fn images(&self) -> Result<Vec<StoredImage>, Fault> {
        let images = self.store.images();
        let images = images.map_err(at_source)?;
        Ok(images.collect())
    }

    fn offers(&self) -> Offers<'_> {
        Offers {
            link_from: Some(&self.store),
            ..Offers::default()
        }
    }

    fn damaged(&self, blob: &Descriptor, error: &VerifyError) -> Option<Fault> {
        let reason = match error {
            VerifyError::Mismatch { got, .. } => format!("its digest is {got}"),
            other => other.to_string(),
        };
        let path = self.store.blob_path(&blob.digest);
        let fault = at_source(StoreError::Damaged { path, reason });
        Some(fault.with_hint(format!(
            "`transload verify --repair {}` fetches it again where its registry can be reached",
            self.store.root().display()
        )))
    }
}

/// A blob's file of a store, whose errors say which file it is.
struct StoredBlob {
    file: File,
    path: PathBuf,
}

impl Read for StoredBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(reading(&self.path)(error)),
        })
    }
}

fn reading(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io {
        operation: "reading",
        path: path.to_owned(),
        source,
    }
}

fn check_size(store: &Store, file: &File, blob: &Descriptor) -> Result<(), Fault> {
    let path = store.blob_path(&blob.digest);
    let length = file
        .metadata()
        .map_err(|error| at_source(reading(&path)(error)))?
        .len();
    if length == blob.size {
        return Ok(());
    }
    let message = format!(
        "{} has {length} bytes where {} are expected",
        path.display(),
        blob.size
    );
    Err(Fault::refused(Some(Side::Source), message).with_hint("remove that file and pull the image again"))
}
