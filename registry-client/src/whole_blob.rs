//! Reads and copies whole blobs, with [`Client::open_blob`] and [`Client::push_blob`].

use std::io::Read;

use transload_reference::{Descriptor, Repository, Verifier};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::network::Network;
use crate::operation::{Operation, Place};

impl Client {
    /// Reads and verifies a small blob, such as an image's config, of at most `most` bytes. Fetches damaged bytes a second time.
    ///
    /// ```no_run
    /// use transload_registry_client::Client;
    /// use transload_registry_client::reference::{Manifest, Reference};
    ///
    /// let client = Client::builder().build()?;
    /// let image: Reference = "localhost:5000/team/app:1.0".parse()?;
    /// let manifest = client.manifest(image.repository(), &image.identifier())?;
    /// if let Manifest::Image(parts) = manifest.view() {
    ///     let config = client.read_blob(image.repository(), &parts.config, 1 << 20)?;
    ///     println!("{}", String::from_utf8_lossy(&config));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the blob is missing or larger than `most` bytes; [`ErrorKind::Content`] if it doesn't match the descriptor.
    pub fn read_blob(&self, repository: &Repository, blob: &Descriptor, most: u64) -> Result<Vec<u8>, Error> {
        let operation = Operation::ReadBlob(blob.digest.clone());
        let place = Place::at(operation, repository.registry(), Some(repository));
        if blob.size > most {
            let message = format!("it has {} bytes; at most {most} are read", blob.size);
            return Err(Error::new(&place, ErrorKind::Protocol(message)));
        }
        let mut attempts = 1;
        loop {
            let mut bytes = Vec::new();
            let mut reader = self.open_blob(repository, blob, 0)?;
            if let Err(error) = reader.read_to_end(&mut bytes) {
                return Err(error.downcast().unwrap_or_else(|error| {
                    let (network, message) = (Network::Other, error.to_string());
                    Error::new(&place, ErrorKind::Network { network, message })
                }));
            }
            let mut verifier = Verifier::of(blob);
            match verifier.update(&bytes).and_then(|()| verifier.finish()) {
                Ok(()) => return Ok(bytes),
                Err(_) if attempts == 1 => attempts += 1,
                Err(error) => return Err(Error::new(&place, ErrorKind::Content(error)).after(attempts)),
            }
        }
    }

    /// Copies a blob to another repository: not at all if it is there, by [`Client::mount_blob`] within a registry, else as a stream that
    /// resumes after cuts on either side. The destination verifies it.
    ///
    /// Returns whether its bytes went through this machine.
    ///
    /// A layer that is [`is_foreign`](Descriptor::is_foreign) exists at its own URLs alone. Registries accept its manifest without it.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] with the source's own error; others if the destination refuses the blob, or the tries are used up.
    pub fn copy_blob(&self, from: &Repository, blob: &Descriptor, to: &Repository) -> Result<bool, Error> {
        if self.has_blob(to, &blob.digest)? == Some(blob.size) || self.mount_blob(to, &blob.digest, from)? {
            return Ok(false);
        }
        self.push_blob(to, blob, &mut |offset| {
            Ok(Box::new(self.open_blob(from, blob, offset)?))
        })?;
        Ok(true)
    }
}
