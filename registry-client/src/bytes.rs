//! A blob's bytes on their way to a registry.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use crate::transport;

type Watch<'r> = dyn FnMut(u64) -> io::Result<()> + Send + 'r;

/// The bytes of a blob, for [`Client::push_blob`](crate::Client::push_blob): those that a reader gives, or those of a file.
///
/// A file's bytes needn't pass through the program where the connection is one without TLS: Linux sends them by itself.
///
/// ```
/// use transload_registry_client::BlobBytes;
///
/// let of_memory = BlobBytes::reader(&b"a layer"[..]);
/// let of_file = |path: &str| std::fs::File::open(path).map(BlobBytes::file);
/// # drop(of_memory);
/// # let _ = of_file("layer.tar.gz");
/// ```
pub struct BlobBytes<'r> {
    reader: Box<dyn Read + Send + 'r>,
    file: Option<Arc<File>>,
    watch: Option<Box<Watch<'r>>>,
}

impl fmt::Debug for BlobBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobBytes")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl<'r> BlobBytes<'r> {
    /// The bytes that a reader gives.
    pub fn reader(reader: impl Read + Send + 'r) -> BlobBytes<'r> {
        BlobBytes {
            reader: Box::new(reader),
            file: None,
            watch: None,
        }
    }

    /// The bytes of a file, from where it stands on.
    pub fn file(file: File) -> BlobBytes<'r> {
        let file = Arc::new(file);
        BlobBytes {
            reader: Box::new(Arc::clone(&file)),
            file: Some(file),
            watch: None,
        }
    }

    /// Calls `watch` with the number of bytes each time some are taken to be sent. An error of its own ends the upload.
    pub fn watched(mut self, watch: impl FnMut(u64) -> io::Result<()> + Send + 'r) -> BlobBytes<'r> {
        self.watch = Some(Box::new(watch));
        self
    }

    /// The file that a connection may send by itself.
    pub(crate) fn lendable(&self) -> Option<Arc<File>> {
        self.file.clone()
    }
}

impl Read for BlobBytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Bytes that the connection takes from the file itself are counted and left there.
        let count = match self.file.is_some() && transport::is_taken() {
            true => buffer.len(),
            false => self.reader.read(buffer)?,
        };
        if let Some(watch) = &mut self.watch {
            watch(count as u64)?;
        }
        Ok(count)
    }
}
