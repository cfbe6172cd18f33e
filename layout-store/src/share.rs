//! Blobs of another store without moving their bytes: reflinks, and hard links where they are asked for.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use transload_reference::{Descriptor, Verifier};

use crate::blob::{self, BlobWriter};
use crate::disk::{filesystem, nearest};
use crate::folders::{self, TEMPORARY};
use crate::{Error, Store, durable};

/// Write permission for anyone but a file's owner. A POSIX ACL shows in the group's bits.
const OTHERS_MAY_WRITE: u32 = 0o022;

impl Store {
    /// Hashes a blob of another store and gives it a name here, as a hard link: the two stores have one file then, and whoever
    /// writes to it changes both. Returns whether that was done. It isn't done for a file that belongs to another user, that others
    /// may write, that changes meanwhile, that doesn't match the digest in its name, or that is on another filesystem: copy such a blob.
    ///
    /// `watch` is told how many bytes were hashed since it was last told, and stops it by `false`.
    ///
    /// # Errors
    /// Where this store can't be written, or `watch` stopped it.
    pub fn link_blob(
        &self,
        from: &Store,
        blob: &Descriptor,
        watch: impl FnMut(u64) -> bool,
    ) -> Result<bool, Error> {
        let path = from.blob_path(&blob.digest);
        let Some((mut file, before)) = from.linkable(blob) else {
            return Ok(false);
        };
        let mut verifier = Verifier::of(blob);
        match blob::hash(&mut file, &mut verifier, &path, watch) {
            Ok(_) => {}
            Err(stopped @ Error::Stopped { .. }) => return Err(stopped),
            Err(_) => return Ok(false),
        }
        // Whoever wrote the file may not have made it durable.
        if verifier.finish().is_err()
            || durable::flush(&file, &self.directory.cautions).is_err()
            || !is_unchanged(&file, &before, true)
        {
            return Ok(false);
        }
        self.make_folder_of(blob)?;
        let target = self.blob_path(&blob.digest);
        let linked = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .make_in(self.directory.own_folder()?, |temporary| {
                fs::hard_link(&path, temporary)
            });
        let Ok(linked) = linked else {
            return Ok(false);
        };
        // The name may have come to stand for another file since it was opened. Making a link sets the time of change.
        if !blob::is_at(&before, linked.path()) || !is_unchanged(&file, &before, false) {
            return Ok(false);
        }
        // To rename one of a file's names to another does nothing.
        if !folders::is_same_file(linked.path(), &target)? {
            linked
                .persist(&target)
                .map_err(|error| Error::io("naming", &target)(error.error))?;
        }
        self.directory.names.note();
        Ok(true)
    }

    /// Returns whether [`Store::link_blob`] could link this blob into a store in `folder`, which needn't be there yet, if its bytes
    /// are right.
    pub fn could_link_into(&self, folder: &Path, blob: &Descriptor) -> bool {
        self.linkable(blob)
            .is_some_and(|(_, file)| filesystem(folder) == Some(file.dev()))
    }

    /// Returns whether [`BlobWriter::reflink`] could take this blob in a store in `folder`, which needn't be there yet: the
    /// filesystem is tried with a file without a name.
    pub fn could_reflink_into(&self, folder: &Path, blob: &Descriptor) -> bool {
        let Ok(Some(file)) = self.open_blob(&blob.digest) else {
            return false;
        };
        let (Some(above), Ok(metadata)) = (nearest(folder), file.metadata()) else {
            return false;
        };
        filesystem(&above) == Some(metadata.dev())
            && tempfile::tempfile_in(above).is_ok_and(|nameless| reflink(&nameless, &file))
    }

    /// A blob's file, if it is of the right size and fit to be linked.
    fn linkable(&self, blob: &Descriptor) -> Option<(File, Metadata)> {
        let file = self.open_blob(&blob.digest).ok()??;
        let metadata = file.metadata().ok()?;
        let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
        let is_fit = metadata.is_file()
            && metadata.len() == blob.size
            && is_own
            && metadata.mode() & OTHERS_MAY_WRITE == 0;
        is_fit.then_some((file, metadata))
    }
}

impl BlobWriter {
    /// Takes a whole file's bytes by sharing its blocks, where the filesystem can, and hashes them as they lie here. Returns false,
    /// and has taken none, where it can't or where this writer has some bytes already.
    ///
    /// `watch` is told how many bytes were hashed since it was last told, and stops it by `false`.
    ///
    /// # Errors
    /// Where the bytes aren't the blob's, can't be read, or `watch` stopped it.
    pub fn reflink(&mut self, from: &File, watch: impl FnMut(u64) -> bool) -> Result<bool, Error> {
        if self.position > 0 || !reflink(&self.file, from) {
            return Ok(false);
        }
        self.position = blob::hash(&mut self.file, &mut self.verifier, &self.partial, watch)?;
        Ok(true)
    }
}

/// Lets an empty file share all blocks of another one. Returns whether the filesystem did it.
#[cfg(target_os = "linux")]
fn reflink(to: &File, from: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

/// Nothing is known of it on this system.
#[cfg(not(target_os = "linux"))]
fn reflink(_: &File, _: &File) -> bool {
    false
}

/// Whether nobody wrote to a file since, as far as its size and times tell.
fn is_unchanged(file: &File, before: &Metadata, to_its_names: bool) -> bool {
    file.metadata().is_ok_and(|now| {
        let written = |metadata: &Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        let changed = |metadata: &Metadata| (metadata.ctime(), metadata.ctime_nsec());
        written(&now) == written(before) && (!to_its_names || changed(&now) == changed(before))
    })
}
