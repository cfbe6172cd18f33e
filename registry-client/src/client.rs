//! The client.

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

/// A client for any number of registries. Clones share connections, tokens and everything learnt about the registries. All methods block,
/// and may be called from many threads.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) core: Arc<Core>,
}

impl Client {
    /// Returns the settings to build a client from.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Returns media type, digest and size (in bytes) of the manifest with a tag or digest: by HEAD, or by fetching it if that doesn't tell
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests)).
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is none.
    pub fn resolve(&self, repository: &Repository, identifier: &Identifier) -> Result<Descriptor, Error> {
        self.core.resolve(repository, identifier)
    }

    /// Fetches a manifest or index
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests)). One fetched by
    /// digest is verified. Reads at most [`MAX_MANIFEST_SIZE`](transload_reference::MAX_MANIFEST_SIZE) bytes.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is none; [`transload_reference::ManifestError`] lists the unusable ones.
    pub fn manifest(&self, repository: &Repository, identifier: &Identifier) -> Result<RawManifest, Error> {
        self.core.manifest(repository, identifier)
    }

    /// Looks a manifest up, as [`Client::resolve`] does, with the rights of a push.
    ///
    /// # Errors
    /// If the registry gives no usable answer.
    pub fn find_manifest(&self, repository: &Repository, identifier: &Identifier) -> Result<Lookup, Error> {
        self.core.find_manifest(repository, identifier)
    }

    /// Returns a blob's size in bytes if the repository has it. Asks with the rights of a push.
    ///
    /// # Errors
    /// If the registry gives no usable answer.
    pub fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<u64>, Error> {
        self.core.has_blob(repository, digest)
    }

    /// Opens a blob from `offset` (in bytes) to its end
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs)). The reader
    /// resumes by itself after a cut. It doesn't verify the digest: wrap it in a
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
    /// If the blob is missing ([`Error::is_not_found`]) or has another size.
    pub fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<BlobReader, Error> {
        BlobReader::open(&self.core, repository, blob, offset..blob.size)
    }

    /// Opens a range of a blob (in bytes), so that several connections can fetch one blob. Returns `None` if the registry serves no ranges.
    ///
    /// # Errors
    /// If the blob is missing, has another size, or has no such range.
    pub fn open_blob_part(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        range: Range<u64>,
    ) -> Result<Option<BlobReader>, Error> {
        BlobReader::open_part(&self.core, repository, blob, range)
    }

    /// Announces which repositories will be pulled from or pushed to, in order. The client then asks for tokens that serve many of them, as
    /// far as the token server allows it. Put a repository beside those that mount blobs from it.
    pub fn expect(&self, needs: impl IntoIterator<Item = (Repository, Need)>) {
        for (repository, need) in needs {
            self.core.expected.add(&repository, need);
        }
    }

    /// Returns the number of requests to each token server since the last call, by its URL without a query.
    pub fn take_token_requests(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut lock(&self.core.token_requests))
    }

    /// Returns whether a blob may be mounted from one repository into another: they share a registry and a rule.
    pub fn can_mount(&self, from: &Repository, to: &Repository) -> bool {
        self.core.can_mount(from, to)
    }

    /// Returns the present limit of concurrent requests to a registry. It starts by the round-trip time, grows while requests succeed, and is
    /// halved when the registry is overloaded.
    pub fn permits(&self, registry: &Registry) -> usize {
        self.core.throttle(registry).limit()
    }

    /// Returns how many of the [`permits`](Client::permits) are free.
    pub fn free_permits(&self, registry: &Registry) -> usize {
        self.core.throttle(registry).free()
    }

    /// Mounts a blob from another repository of the registry
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository)).
    /// Returns false if the registry doesn't do it, or `from` is of another registry: push the bytes then.
    ///
    /// # Errors
    /// If the registry gives no usable answer.
    pub fn mount_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, Error> {
        self.core.mount_blob(repository, digest, from)
    }

    /// Pushes a blob ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs)). `open`
    /// returns the bytes from an offset (in bytes) to the end. It is called again to resume or restart a transfer, and not at all if the
    /// registry has the blob. From a file:
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
    /// If reading fails, the session is kept for a retry or a later process. An error of the kind [`io::ErrorKind::InvalidData`], as from a
    /// [`VerifyingReader`](transload_reference::VerifyingReader), means wrong bytes and cancels the session.
    ///
    /// # Errors
    /// If the registry refuses it, the bytes can't be read, or the tries are used up.
    pub fn push_blob<'r>(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &mut dyn FnMut(u64) -> io::Result<Box<dyn Read + Send + 'r>>,
    ) -> Result<(), Error> {
        self.core.push_blob(repository, blob, open)
    }

    /// Opens an upload session for a later [`Client::push_blob`], so that a refusal shows before anything is sent. [`Client::has_blob`] and
    /// [`Client::mount_blob`] cancel it if they find or mount the blob.
    ///
    /// # Errors
    /// If the registry refuses it.
    pub fn open_upload(&self, repository: &Repository, blob: &Descriptor) -> Result<(), Error> {
        self.core.open_upload(repository, blob)
    }

    /// Pushes a manifest, byte for byte, under a tag or its digest
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests)). Push what it
    /// names first. Registries take at most 4 MiB.
    ///
    /// # Errors
    /// If the registry refuses it.
    pub fn push_manifest(
        &self,
        repository: &Repository,
        identifier: &Identifier,
        manifest: &RawManifest,
    ) -> Result<(), Error> {
        self.core.push_manifest(repository, identifier, manifest)
    }

    /// Lists the referrers of a manifest, such as signatures: all, or those of one artifact type
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers)). Falls back to the
    /// referrers tag on a registry without the API.
    ///
    /// # Errors
    /// If the registry gives no usable answer.
    pub fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        self.core.referrers(repository, digest, artifact_type)
    }

    /// Lists referrers of a manifest at a registry without the referrers API: adds them to the index under the
    /// [referrers tag](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema), and reads it again after
    /// writing, so that concurrent writers lose nothing. Does nothing at a registry with the API. Push the referrers' manifests first.
    ///
    /// # Errors
    /// If the registry gives no usable answer, or other writers replace the index again and again.
    pub fn add_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrers: &[Descriptor],
    ) -> Result<(), Error> {
        self.core.add_referrers(repository, subject, referrers)
    }

    /// Lists all tags of a repository
    /// ([specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags)), in the registry's order. They are
    /// unchecked: parse one as a [`Tag`](transload_reference::Tag) before using it as a name or a path.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is no such repository.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        self.core.tags(repository)
    }

    /// Lists all repositories of a registry, in its order, if it tells them
    /// ([Docker's registry API](https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/api.md#listing-repositories)). They are
    /// unchecked: make a [`Repository`] of one before using it as a name or a path.
    ///
    /// # Errors
    /// If the registry doesn't list its repositories, or not to this user.
    pub fn catalog(&self, registry: &Registry) -> Result<Vec<String>, Error> {
        self.core.catalog(registry)
    }

    /// Checks that a registry answers and accepts the credentials.
    ///
    /// # Errors
    /// If it doesn't.
    pub fn ping(&self, registry: &Registry) -> Result<(), Error> {
        self.core.ping(registry)
    }

    /// Returns the user name of a repository's credentials, `<token>` if they have none, and `None` without credentials.
    ///
    /// # Errors
    /// If a credential file or helper fails.
    pub fn username(&self, repository: &Repository) -> Result<Option<String>, Error> {
        let place = Place::at(
            Operation::FindCredentials,
            repository.registry(),
            Some(repository),
        );
        let found = self.core.credential(&place)?;
        Ok(found.map(|found| found.username().unwrap_or("<token>").to_owned()))
    }

    /// Returns whether two repositories share a rule and a user, so that what is refused for one is refused for the other.
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

    /// Returns whether a repository's registry seems to ask for no login, so that no user can lack a right. No rule gives credentials for it,
    /// and it has answered without a challenge, or speaks plain HTTP.
    pub fn is_open(&self, repository: &Repository) -> bool {
        let Ok(reach) = self.core.reach(repository.registry(), Some(repository)) else {
            return false;
        };
        let rule = self.core.rules.get(reach.rule);
        let asks = self.core.login(&reach).asks();
        rule.is_none_or(|rule| rule.credential.is_none()) && !asks.unwrap_or(reach.scheme == Scheme::Https)
    }

    /// Logs in to a registry. Returns false if it answers without asking for credentials.
    ///
    /// # Errors
    /// [`Error::is_denied`] if it refuses the credentials; others if it gives no usable answer.
    pub fn log_in(&self, registry: &Registry) -> Result<bool, Error> {
        self.core.ping(registry)?;
        let reach = self.core.reach(registry, None)?;
        Ok(lock(&self.core.login(&reach).scheme).is_some())
    }

    /// Examines a registry step by step. With a repository, it also checks whether that may be read and, if `push` is set, written to, by an
    /// upload that is cancelled. Steps whose precondition failed are left out.
    pub fn examine(&self, registry: &Registry, repository: Option<&Repository>, push: bool) -> Vec<Fact> {
        crate::examine::examine(&self.core, registry, repository, push)
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Allows requests to hosts again that were given up because nothing succeeded there. Until then, every request to such a host fails at
    /// once, for this client and those [`alongside`](ClientBuilder::alongside) it.
    pub fn readmit_hosts(&self) {
        self.core.shared.readmit_hosts();
    }
}
