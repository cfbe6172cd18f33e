//! The layers of a Docker archive, which has no digests of them: they are hashed where they are.

use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use transload_reference::{Algorithm, Descriptor, Hasher, MediaType};

use crate::blob::Bytes;
use crate::entries::{BLOCK, Extent};
use crate::read_at::ReadAt;
use crate::{Archive, BlobReader, Error, OpenOptions, names, zstd};

/// How many bytes are hashed at a time.
const CHUNK: usize = 256 * 1024;
/// How many layers are hashed at once at most.
const MOST_THREADS: usize = 8;

/// A layer as it is in the archive.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub extent: Extent,
    pub descriptor: Descriptor,
}

/// Layers by where they are: several names may lead to one.
#[derive(Debug)]
pub(crate) struct Layers(HashMap<Extent, Layer>);

impl Layers {
    /// Hashes each layer once, several at once.
    pub fn hash<'a>(
        archive: &Archive,
        names: impl Iterator<Item = &'a String>,
        options: &OpenOptions,
    ) -> Result<Layers, Error> {
        let mut extents = Vec::new();
        for name in names {
            extents.push(extent(archive, name)?);
        }
        extents.sort_by_key(|extent| (extent.offset, extent.size));
        extents.dedup();
        let next = AtomicUsize::new(0);
        let hashed = Mutex::new(Vec::new());
        let work = || {
            while let Some(extent) = extents.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = hash(archive, *extent, options);
                let failed = result.is_err();
                hashed.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                if failed {
                    next.store(extents.len(), Ordering::Relaxed);
                }
            }
        };
        let threads = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST_THREADS);
        thread::scope(|scope| {
            for _ in 1..threads.min(extents.len()) {
                scope.spawn(work);
            }
            work();
        });
        let hashed = hashed.into_inner().unwrap_or_else(PoisonError::into_inner);
        hashed
            .into_iter()
            .map(|layer| layer.map(|layer| (layer.extent, layer)))
            .collect::<Result<_, _>>()
            .map(Layers)
    }

    /// Returns the layer that an entry leads to, one of those that were hashed.
    pub fn of(&self, archive: &Archive, name: &str) -> Result<&Layer, Error> {
        let layer = self.0.get(&extent(archive, name)?);
        layer.ok_or_else(|| missing(archive, name))
    }
}

fn extent(archive: &Archive, name: &str) -> Result<Extent, Error> {
    let found = archive.find(&clean(archive, name)?)?;
    found.ok_or_else(|| missing(archive, name))
}

/// An entry's name without `.` and empty components.
pub(crate) fn clean(archive: &Archive, entry: &str) -> Result<String, Error> {
    names::clean(entry).map_err(|reason| Error::entry(&archive.path, entry, reason))
}

/// The error of an entry that is named and isn't there.
pub(crate) fn missing(archive: &Archive, entry: &str) -> Error {
    Error::entry(
        &archive.path,
        entry,
        "is missing, and the archive's list names it",
    )
}

fn hash(archive: &Archive, extent: Extent, options: &OpenOptions) -> Result<Layer, Error> {
    if let Some(taken) = archive.taken.get(&extent) {
        // Whoever took it verified it. Its beginning was kept.
        let mut start = [0; BLOCK as usize];
        let read = archive.tar.fill_at(&mut start, extent.offset);
        read.map_err(Error::io("reading", &archive.path))?;
        return Ok(Layer {
            extent,
            descriptor: Descriptor::new(layer_type(&start), taken.digest.clone(), extent.size),
        });
    }
    let mut reader = BlobReader::new(Bytes::Tar(Arc::clone(&archive.tar)), extent);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut media_type = MediaType::OCI_LAYER;
    let mut chunk = vec![0; CHUNK];
    let mut is_first = true;
    loop {
        options.check_stop(&archive.path)?;
        let count = reader
            .read(&mut chunk)
            .map_err(Error::io("reading", &archive.path))?;
        if count == 0 {
            break;
        }
        if std::mem::take(&mut is_first) {
            media_type = layer_type(&chunk[..count]);
        }
        hasher.update(&chunk[..count]);
    }
    Ok(Layer {
        extent,
        descriptor: Descriptor::new(media_type, hasher.finish(), extent.size),
    })
}

/// The media type of a layer that begins so.
fn layer_type(start: &[u8]) -> MediaType {
    if start.starts_with(b"\x1f\x8b") {
        MediaType::OCI_LAYER_GZIP
    } else if zstd::begins(start) {
        MediaType::OCI_LAYER_ZSTD
    } else {
        MediaType::OCI_LAYER
    }
}
