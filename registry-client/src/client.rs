//! The client, and what it is built from.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use transload_reference::{Descriptor, Digest, Identifier, RawManifest, Registry, Repository};

use crate::blob_reader::BlobReader;
use crate::builder::ClientBuilder;
use crate::core::{Core, lock};
use crate::error::Error;
use crate::examine::Fact;
use crate::expected::Need;
use crate::manifests::Lookup;
use crate::operation::{Operation, Place};
use crate::url::Scheme;

/// A client for any number of registries. Clones share connections, tokens and what was learnt of the registries; all methods
/// block, and may be called from many threads at once.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) core: Arc<Core>,
}

impl Client {
    /// Settings to build a client from.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Media type, digest and size (bytes) of the manifest that a tag or digest stands for now: by HEAD, and where that doesn't
    /// tell by fetching and hashing ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests)).
    ///
    /// # Errors
    /// [`Error::is_not_found`] where there is none.
    pub fn resolve(&self, repository: &Repository, identifier: &Identifier) -> Result<Descriptor, Error> {
        self.core.resolve(repository, identifier)
    }

    /// A manifest or index
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests)). By digest it is
    /// verified; by tag its digest is computed from its bytes. At most
    /// [`MAX_MANIFEST_SIZE`](transload_reference::MAX_MANIFEST_SIZE) bytes are read.
    ///
    /// # Errors
    /// [`Error::is_not_found`] where there is none; see [`transload_reference::ManifestError`] for what can't be used.
    pub fn manifest(&self, repository: &Repository, identifier: &Identifier) -> Result<RawManifest, Error> {
        self.core.manifest(repository, identifier)
    }

    /// As [`Client::resolve`], for a repository that is pushed to.
    ///
    /// # Errors
    /// Where the registry gives no usable answer.
    pub fn find_manifest(&self, repository: &Repository, identifier: &Identifier) -> Result<Lookup, Error> {
        self.core.find_manifest(repository, identifier)
    }

    /// The size in bytes of a blob, if a repository that is pushed to has it.
    ///
    /// # Errors
    /// Where the registry gives no usable answer.
    pub fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<u64>, Error> {
        self.core.has_blob(repository, digest)
    }

    /// The bytes of a blob from `offset` (in bytes) to its end
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs)). The reader goes on by
    /// itself where a connection is cut. It doesn't verify the digest, which takes all bytes from the first on: wrap it in a
    /// [`VerifyingReader`](transload_reference::VerifyingReader), or use [`Client::read_blob`] for a small blob.
    ///
    /// ```no_run
    /// use transload_reference::{Descriptor, Repository, Verifier, VerifyingReader};
    /// use transload_registry_client::Client;
    ///
    /// fn save(client: &Client, repository: &Repository, layer: &Descriptor) -> std::io::Result<u64> {
    ///     let blob = client.open_blob(repository, layer, 0)?;
    ///     let mut file = std::fs::File::create("layer.tar.gz")?;
    ///     std::io::copy(&mut VerifyingReader::new(blob, Verifier::of(layer)), &mut file)
    /// }
    /// ```
    ///
    /// # Errors
    /// Where the blob isn't there ([`Error::is_not_found`]) or has another size.
    pub fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<BlobReader, Error> {
        BlobReader::open(&self.core, repository, blob, offset..blob.size)
    }

    /// As [`Client::open_blob`], for a part of the blob (in bytes), so that several connections can bring one blob. `None` where the
    /// registry serves no parts: nothing is fetched then.
    ///
    /// # Errors
    /// Where the blob isn't there, has another size, or has no such part.
    pub fn open_blob_part(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        range: Range<u64>,
    ) -> Result<Option<BlobReader>, Error> {
        BlobReader::open_part(&self.core, repository, blob, range)
    }

    /// Says which repositories will be pulled from or pushed to, in the order of their turns. Where a registry wants tokens, one is asked for then that
    /// serves many of them, for as long as its token server takes that. A repository should stand beside the one that it lends blobs to.
    pub fn expect(&self, needs: impl IntoIterator<Item = (Repository, Need)>) {
        for (repository, need) in needs {
            self.core.expected.add(&repository, need);
        }
    }

    /// How many requests were sent to each token server since the last call, by its URL without a query.
    pub fn take_token_requests(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut lock(&self.core.token_requests))
    }

    /// Whether a blob of one repository could be mounted into another: both are of one registry, and are reached in one way.
    pub fn can_mount(&self, from: &Repository, to: &Repository) -> bool {
        self.core.can_mount(from, to)
    }

    /// How many requests a registry is asked at once now, at most: the number begins modest, grows while that gets more done, and falls
    /// where the registry can't cope.
    pub fn permits(&self, registry: &Registry) -> usize {
        self.core.throttle(registry).limit()
    }

    /// How many of its [`permits`](Client::permits) are free.
    pub fn free_permits(&self, registry: &Registry) -> usize {
        self.core.throttle(registry).free()
    }

    /// Asks the registry to take a blob from another of its repositories
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository)).
    /// False: it didn't, or `from` is of another registry, and the bytes must be pushed.
    ///
    /// # Errors
    /// Where the registry gives no usable answer.
    pub fn mount_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, Error> {
        self.core.mount_blob(repository, digest, from)
    }

    /// Pushes a blob ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs)). `open` gives
    /// the bytes from an offset (in bytes) to the end; it is called again where a transfer has to go on or to begin anew. It isn't called
    /// where the registry turns out to have the blob. From a file:
    ///
    /// ```no_run
    /// use std::fs::File;
    /// use std::io::{Seek, SeekFrom};
    /// use transload_reference::{Descriptor, Repository};
    /// use transload_registry_client::{Client, Error};
    ///
    /// fn push(client: &Client, repository: &Repository, layer: &Descriptor) -> Result<(), Error> {
    ///     client.push_blob(repository, layer, &mut |offset| {
    ///         let mut file = File::open("layer.tar.gz")?;
    ///         file.seek(SeekFrom::Start(offset))?;
    ///         Ok(Box::new(file))
    ///     })
    /// }
    /// ```
    ///
    /// The session is kept for a retry, or a later process, where reading fails. An error of the kind [`io::ErrorKind::InvalidData`], as a
    /// [`VerifyingReader`](transload_reference::VerifyingReader) gives it, says that the bytes aren't the blob's, and cancels it.
    ///
    /// # Errors
    /// Where the registry refuses it, the bytes can't be read, or the tries are used up.
    pub fn push_blob<'r>(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &mut dyn FnMut(u64) -> io::Result<Box<dyn Read + Send + 'r>>,
    ) -> Result<(), Error> {
        self.core.push_blob(repository, blob, open)
    }

    /// Opens the upload of a blob, with which [`Client::push_blob`] begins: a refusal shows before anything is sent. An upload that turns out
    /// not to be needed is cancelled by [`Client::has_blob`] and [`Client::mount_blob`], once they find or bring the blob.
    ///
    /// # Errors
    /// Where the registry refuses it.
    pub fn open_upload(&self, repository: &Repository, blob: &Descriptor) -> Result<(), Error> {
        self.core.open_upload(repository, blob)
    }

    /// Pushes a manifest, byte for byte, under a tag or its digest
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests)). What it names must be
    /// there already. At most 4 MiB are sent, since registries take no more.
    ///
    /// # Errors
    /// Where the registry refuses it.
    pub fn push_manifest(
        &self,
        repository: &Repository,
        identifier: &Identifier,
        manifest: &RawManifest,
    ) -> Result<(), Error> {
        self.core.push_manifest(repository, identifier, manifest)
    }

    /// What refers to a manifest: signatures, attestations and the like, all or of one artifact type
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers)). A registry without
    /// the API for it is asked for the fallback tag.
    ///
    /// # Errors
    /// Where the registry gives no usable answer; that there are none is no error.
    pub fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        self.core.referrers(repository, digest, artifact_type)
    }

    /// All tags of a repository
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags)), in the registry's order and as it writes them: what is to become a name or a path has to be parsed as
    /// a [`Tag`](transload_reference::Tag) first.
    ///
    /// # Errors
    /// [`Error::is_not_found`] where there is no such repository.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        self.core.tags(repository)
    }

    /// Whether a registry answers at all, and takes the credentials.
    ///
    /// # Errors
    /// Where it doesn't.
    pub fn ping(&self, registry: &Registry) -> Result<(), Error> {
        self.core.ping(registry)
    }

    /// Whether credentials for a repository are at hand, and the user's name where they have one.
    ///
    /// # Errors
    /// Where a file or helper that should give them fails.
    pub fn username(&self, repository: &Repository) -> Result<Option<String>, Error> {
        let place = Place::at(
            Operation::FindCredentials,
            repository.registry(),
            Some(repository),
        );
        let found = self.core.credential(&place)?;
        Ok(found.map(|found| found.username().unwrap_or("<token>").to_owned()))
    }

    /// Whether two repositories are reached by the same rule and as the same user, so that what is refused for one is refused for the other.
    pub fn is_same_user(&self, one: &Repository, other: &Repository) -> bool {
        let credential = |repository: &Repository| {
            let place = Place::at(
                Operation::FindCredentials,
                repository.registry(),
                Some(repository),
            );
            self.core.credential(&place).ok().flatten()
        };
        self.core.rules.of(one) == self.core.rules.of(other) && credential(one) == credential(other)
    }

    /// Whether a repository's registry asks nobody who one is, so that no user can lack a right there. No rule gives credentials for it, and it
    /// has answered without asking, or is spoken to in plain HTTP, which rarely asks.
    pub fn is_open(&self, repository: &Repository) -> bool {
        let Ok(reach) = self.core.reach(repository.registry(), Some(repository)) else {
            return false;
        };
        let rule = self.core.rules.get(reach.rule);
        let asks = self.core.login(&reach).asks();
        rule.is_none_or(|rule| rule.credential.is_none()) && !asks.unwrap_or(reach.scheme == Scheme::Https)
    }

    /// Whether a registry takes the credentials: false where it answers without having asked for any.
    ///
    /// # Errors
    /// [`Error::is_denied`] where it refuses them; else where it gives no usable answer.
    pub fn log_in(&self, registry: &Registry) -> Result<bool, Error> {
        self.core.ping(registry)?;
        let reach = self.core.reach(registry, None)?;
        Ok(lock(&self.core.login(&reach).scheme).is_some())
    }

    /// Finds out, step by step, what a registry answers, and what of it is as it should be; with a repository, whether it may be read and,
    /// where `push` is set, written to: an upload is begun and cancelled for that. Where a step fails that the next ones need, they are
    /// left out.
    pub fn examine(&self, registry: &Registry, repository: Option<&Repository>, push: bool) -> Vec<Fact> {
        crate::examine::examine(&self.core, registry, repository, push)
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Lets requests go to hosts again that were given up, because nothing succeeded there for too long. Until then every request to
    /// such a host fails at once with the same error, for this client and those [`alongside`](ClientBuilder::alongside) it.
    pub fn take_back_hosts(&self) {
        self.core.shared.take_back_hosts();
    }

    /// Closes the connections that nobody uses. New requests open new ones.
    pub fn close_idle(&self) {
        self.core.connections.close_idle();
    }
}
