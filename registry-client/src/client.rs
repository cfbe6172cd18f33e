//! The client, and what it is built from.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use transload_reference::{Descriptor, Digest, Identifier, RawManifest, Registry, Repository};

use crate::blobs::BlobReader;
use crate::cancel::Cancel;
use crate::config::{HostRule, Rules};
use crate::core::{Certificates, Core, NoticeFn, Timeouts, lock};
use crate::credentials::{CredentialSource, NoCredentials};
use crate::error::Error;
use crate::examine::Fact;
use crate::expected::{Expected, Need};
use crate::journal::{NoJournal, UploadJournal};
use crate::manifests::Lookup;
use crate::notice::Notice;
use crate::operation::{Operation, Place};
use crate::proxy::Proxies;
use crate::rate::Rate;
use crate::retry::RetryPolicy;
use crate::tls;
use crate::token_store::Tokens;
use crate::transport::{ConnectionPool, Limits};
use crate::url::Scheme;

/// A client for any number of registries. Clones share connections, tokens and what was learnt of the registries; all methods
/// block, and may be called from many threads at once.
#[derive(Debug, Clone)]
pub struct Client {
    core: Arc<Core>,
}

/// Settings of a [`Client`] to be.
pub struct ClientBuilder {
    hosts: Vec<HostRule>,
    skip_tls_verify: bool,
    plain_http: Option<bool>,
    credentials: Arc<dyn CredentialSource>,
    jobs: usize,
    rate: Option<u64>,
    retry: RetryPolicy,
    timeouts: Timeouts,
    cancel: Arc<AtomicBool>,
    on_notice: Option<Arc<NoticeFn>>,
    user_agent: String,
    proxies_from_env: bool,
    journal: Arc<dyn UploadJournal>,
    other: Option<Client>,
}

impl ClientBuilder {
    /// What is known of hosts: credentials, CAs, client certificates, plain HTTP. Of several rules that match, the longest wins.
    pub fn hosts(mut self, hosts: Vec<HostRule>) -> Self {
        self.hosts = hosts;
        self
    }

    /// Whether certificates go unchecked on hosts that no rule names (false unless set): whoever is in between can read passwords then.
    pub fn skip_tls_verify(mut self, skip: bool) -> Self {
        self.skip_tls_verify = skip;
        self
    }

    /// Whether plain HTTP is spoken with hosts whose rule doesn't say. `None`, which holds unless set: as [`HostRule::plain_http`] says.
    pub fn plain_http(mut self, plain: Option<bool>) -> Self {
        self.plain_http = plain;
        self
    }

    /// Who knows the credentials that no rule gives (nobody unless set). An `Arc` of a source is one, too.
    pub fn credentials(mut self, credentials: impl CredentialSource + 'static) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// How many requests run at once against one registry, at most; fewer run until it shows that more pay. As many workers may use the client without opening new
    /// connections all the time (8 unless set).
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// How many bytes all connections together carry in a second at most, in both directions (no limit unless set). So few that
    /// connections would crawl are shared by fewer of them.
    pub fn limit_rate(mut self, bytes_per_second: Option<u64>) -> Self {
        self.rate = bytes_per_second;
        self
    }

    /// How often and when requests are tried again ([`RetryPolicy::default`] unless set).
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// How long is waited for what ([`Timeouts::default`] unless set).
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// A flag that stops everything within a fraction of a second once it is set: requests end with [`Error::is_cancelled`]. A name
    /// lookup, and a reader of yours that gives the bytes to push, are waited for.
    pub fn cancel(mut self, cancel: Arc<AtomicBool>) -> Self {
        self.cancel = cancel;
        self
    }

    /// Who is told of retries, resumed transfers and slow-downs (nobody unless set). It is called by the thread concerned, which waits
    /// for it.
    pub fn on_notice(mut self, on_notice: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Some(Arc::new(on_notice));
        self
    }

    /// The `User-Agent` header (`transload/<version>` unless set).
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Whether HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are heeded (true unless set).
    pub fn proxies_from_env(mut self, heed: bool) -> Self {
        self.proxies_from_env = heed;
        self
    }

    /// Who keeps upload sessions for a later process (nobody unless set).
    pub fn upload_journal(mut self, journal: Arc<dyn UploadJournal>) -> Self {
        self.journal = journal;
        self
    }

    /// Shares with another client what doesn't depend on who asks (nothing unless set): how many requests each registry is asked at once,
    /// the pauses that it asked for, which hosts were given up, the limit of [`limit_rate`](ClientBuilder::limit_rate), and a thread. Credentials, tokens,
    /// connections and whatever else was learnt of a registry stay each client's own.
    pub fn alongside(mut self, other: &Client) -> Self {
        self.other = Some(other.clone());
        self
    }

    /// The client. Every file that a rule names is read and checked now; nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a rule names no host, a certificate or key can't be used, or a proxy's URL can't be.
    pub fn build(self) -> Result<Client, Error> {
        let rules = Rules::read(self.hosts).map_err(Error::config)?;
        let certificates = rules.iter().map(|rule| read_certificates(&rule.settings));
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(Error::config)?;
        let proxies = if self.proxies_from_env {
            Proxies::read(|name| std::env::var(name).ok()).map_err(Error::config)?
        } else {
            Proxies::default()
        };
        if self.user_agent.parse::<ureq::http::HeaderValue>().is_err() {
            return Err(Error::config(
                "the user agent holds characters that no header can carry",
            ));
        }
        let other = self.other.as_ref().map(|other| &other.core);
        let rate = match other {
            Some(other) => other.rate.clone(),
            None => self.rate.map(|rate| Arc::new(Rate::new(rate))),
        };
        let limits = Limits {
            cancel: Arc::clone(&self.cancel),
            rate: rate.clone(),
        };
        // A worker may hold one connection to read from and one to write to.
        let most_idle = self.jobs.saturating_mul(2).max(8);
        let core = Core {
            shared: other.map_or_else(Arc::default, |other| Arc::clone(&other.shared)),
            rules,
            certificates,
            skip_tls_verify: self.skip_tls_verify,
            plain_http: self.plain_http,
            credentials: self.credentials,
            proxies,
            retry: self.retry,
            timeouts: self.timeouts,
            cancel: Cancel(self.cancel),
            on_notice: self.on_notice,
            user_agent: self.user_agent,
            jobs: self.jobs,
            rate,
            connections: Arc::new(ConnectionPool::new(limits, most_idle)),
            schemes: HashMap::new().into(),
            logins: HashMap::new().into(),
            known_credentials: HashMap::new().into(),
            tokens: Tokens::default(),
            expected: Expected::default(),
            token_requests: Mutex::default(),
            journal: self.journal,
            sessions: HashMap::new().into(),
        };
        let core = Arc::new(core);
        core.shared.shut_when_cancelled(&core);
        Ok(Client { core })
    }
}

fn read_certificates(rule: &HostRule) -> Result<Certificates, String> {
    let name = |message: String| format!("{}: {message}", rule.repo);
    let roots = rule
        .ca_file
        .as_deref()
        .map_or_else(|| Ok(Vec::new()), tls::read_ca)
        .map_err(name)?;
    let client = match (&rule.cert_file, &rule.key_file) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some(Arc::new(tls::read_client(cert, key).map_err(name)?)),
        (Some(_), None) => return Err(name("cert_file needs a key_file".to_owned())),
        (None, Some(_)) => return Err(name("key_file needs a cert_file".to_owned())),
    };
    Ok(Certificates { roots, client })
}

impl Client {
    /// Settings to build a client from.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            hosts: Vec::new(),
            skip_tls_verify: false,
            plain_http: None,
            credentials: Arc::new(NoCredentials),
            jobs: 8,
            rate: None,
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            cancel: Arc::default(),
            on_notice: None,
            user_agent: concat!("transload/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxies_from_env: true,
            journal: Arc::new(NoJournal),
            other: None,
        }
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
