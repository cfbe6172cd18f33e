//! A scripted registry in memory, with faults.
//!
//! ```
//! use transload_test_support::image::{Family, samples};
//! use transload_test_support::scripted::{Action, Fault, Reply, ScriptedRegistry};
//!
//! let registry = ScriptedRegistry::start();
//! registry.put_image("team/app", "v1", &samples::multi_platform(Family::Oci, 1));
//! // The second fetch of a blob ends after 10 bytes.
//! registry.fault(Fault::new("GET", "/blobs/", Action::Truncate { after: 10 }).nth(2));
//! // The first three requests for manifests are too many.
//! let busy = Reply::status(429).header("Retry-After", "0");
//! registry.fault(Fault::new("*", "/manifests/", Action::Answer(busy)).first(3));
//! assert_eq!(registry.log().count("GET", "/blobs/"), 0);
//! ```

mod api;
mod auth;
mod fault;
mod harbor;
mod harbor_projects;
mod harbor_tokens;
mod log;
mod options;
mod referrers;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod upload;
mod wire;

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;
use tempfile::TempDir;
use transload_reference::Digest;

use crate::image::{Document, Image};
use crate::real::{PASSWORD, USER, skopeo};
use crate::tls::Authority;
use auth::Tokens;
use fault::{Faults, Gate};
use store::Store;

pub use crate::tls::Tls;
pub use auth::REFRESH_TOKEN;
pub use fault::{Action, Fault, Raw, Reply};
pub use harbor::{Harbor, Project};
pub use harbor_projects::{HarborProjects, HarborUser};
pub use harbor_tokens::HarborTokens;
pub use log::{Listener, Log, Request};
pub use options::{Authentication, Locations, Options, Referrers, TokenAnswers, TokenField};

/// A running scripted registry on the loopback. It is ended when this is dropped.
#[derive(Debug)]
pub struct ScriptedRegistry {
    state: Arc<State>,
    listeners: Vec<(SocketAddr, JoinHandle<Vec<JoinHandle<()>>>)>,
    certificates: Option<(Authority, TempDir)>,
}

/// The state that a registry's threads share.
#[derive(Debug)]
struct State {
    host: String,
    content_host: Option<String>,
    options: Options,
    tls: Option<Arc<ServerConfig>>,
    store: Mutex<Store>,
    tokens: Tokens,
    projects: harbor_projects::Projects,
    faults: Faults,
    gate: Gate,
    log: Log,
    stopped: AtomicBool,
    connections: Mutex<HashMap<u64, TcpStream>>,
    next_connection: AtomicU64,
}

impl State {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// An address of this registry, in the form that the options ask for.
    fn location(&self, target: &str) -> String {
        match self.options.locations {
            Locations::Absolute => format!("{}://{}{target}", self.scheme(), self.host),
            Locations::Relative => target.to_owned(),
            Locations::WithoutScheme => format!("//{}{target}", self.host),
        }
    }

    /// An address of an upload session.
    fn upload_location(&self, target: &str) -> String {
        match &self.content_host {
            Some(host) if self.options.uploads_elsewhere => format!("{}://{host}{target}", self.scheme()),
            _ => self.location(target),
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(&self, stream: &TcpStream) -> u64 {
        let id = self.next_connection.fetch_add(1, Ordering::SeqCst);
        if let Ok(stream) = stream.try_clone() {
            self.connections().insert(id, stream);
        }
        id
    }

    fn disconnected(&self, id: u64) {
        self.connections().remove(&id);
    }
}

impl ScriptedRegistry {
    /// An empty registry that does everything right.
    ///
    /// # Panics
    /// If the loopback has no free port.
    pub fn start() -> ScriptedRegistry {
        ScriptedRegistry::with(Options::default())
    }

    /// An empty registry of this kind.
    ///
    /// # Panics
    /// If the loopback has no free port.
    pub fn with(options: Options) -> ScriptedRegistry {
        let bind = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
            let address = listener.local_addr().expect("a bound listener has an address");
            (address, listener)
        };
        let (address, listener) = bind();
        let content = (options.redirect_blobs || options.uploads_elsewhere).then(bind);
        let certificates = (options.tls != Tls::Off).then(|| {
            let dir = TempDir::new().expect("a temporary folder for certificates");
            (Authority::create(dir.path(), options.tls), dir)
        });
        let state = Arc::new(State {
            host: address.to_string(),
            content_host: content.as_ref().map(|(address, _)| address.to_string()),
            tls: certificates
                .as_ref()
                .map(|(authority, _)| authority.server(options.tls == Tls::Mutual)),
            projects: harbor_projects::Projects::default(),
            tokens: Tokens::new(options.tokens, options.harbor_tokens.clone()),
            options,
            store: Mutex::default(),
            faults: Faults::default(),
            gate: Gate::default(),
            log: Log::default(),
            stopped: AtomicBool::new(false),
            connections: Mutex::default(),
            next_connection: AtomicU64::new(0),
        });
        let mut listeners = vec![(
            address,
            server::listen(listener, Listener::Registry, Arc::clone(&state)),
        )];
        if let Some((address, listener)) = content {
            let thread = server::listen(listener, Listener::Content, Arc::clone(&state));
            listeners.push((address, thread));
        }
        ScriptedRegistry {
            state,
            listeners,
            certificates,
        }
    }

    /// Host and port, such as `127.0.0.1:40123`.
    pub fn host(&self) -> &str {
        &self.state.host
    }

    /// Returns host and port of the second listener, if the options ask for one.
    pub fn content_host(&self) -> Option<&str> {
        self.state.content_host.as_deref()
    }

    /// The authority's certificate, in PEM.
    ///
    /// # Panics
    /// If the registry has no TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.authority().file("ca.crt")
    }

    /// The client's certificate, in PEM.
    ///
    /// # Panics
    /// If the registry has no TLS.
    pub fn cert_file(&self) -> PathBuf {
        self.authority().file("client.cert")
    }

    /// The key of the client's certificate, in PEM.
    ///
    /// # Panics
    /// If the registry has no TLS.
    pub fn key_file(&self) -> PathBuf {
        self.authority().file("client.key")
    }

    fn authority(&self) -> &Authority {
        let certificates = self.certificates.as_ref();
        certificates
            .map(|(authority, _)| authority)
            .expect("a registry with TLS")
    }

    /// Returns how skopeo reaches it, with the user's credentials if they are needed.
    pub fn access(&self) -> skopeo::Access {
        let known = self.state.options.authentication != Authentication::Off;
        skopeo::Access {
            insecure: self.certificates.is_none(),
            cert_dir: self
                .certificates
                .as_ref()
                .map(|(authority, _)| authority.dir().to_owned()),
            credentials: known.then(|| (USER.to_owned(), PASSWORD.to_owned())),
        }
    }

    /// Adds a rule. The first one that matches a request decides.
    pub fn fault(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Forgets every rule.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Lets every request on that is stalled now. Wait for its [`Request::stalled`] first.
    pub fn release(&self) {
        self.state.gate.release();
    }

    /// Makes every token given so far worthless, as their end would.
    pub fn revoke_tokens(&self) {
        self.state.tokens.revoke();
    }

    /// How many logins failed at a token endpoint like Harbor's, those of locked users included.
    pub fn failed_logins(&self) -> usize {
        self.state.tokens.logins.failed()
    }

    /// Refuses so many logins more at a token endpoint like Harbor's, as it does while somebody else's wrong password has locked the name.
    pub fn lock_out(&self, logins: usize) {
        self.state.tokens.logins.lock_out(logins);
    }

    /// Closes every connection that is open now.
    pub fn disconnect(&self) {
        for stream in self.state.connections().values() {
            // One that its peer has closed already can't be shut down.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Returns the log of requests.
    pub fn log(&self) -> &Log {
        &self.state.log
    }

    /// Waits until so many requests have stalled.
    ///
    /// # Panics
    /// Where they don't in a minute.
    #[track_caller]
    pub fn wait_until_stalled(&self, number: usize) {
        let are_stalled =
            |requests: &[Request]| requests.iter().filter(|request| request.stalled).count() >= number;
        let is_so = self.log().wait_for(are_stalled, Duration::from_secs(60));
        assert!(is_so, "fewer than {number} requests stall");
    }

    /// Puts an image in, with all its parts.
    pub fn put_image(&self, repository: &str, tag: &str, image: &Image) {
        let mut store = self.state.store();
        for (descriptor, bytes) in &image.blobs {
            store.put_blob(repository, descriptor.digest.clone(), bytes.as_slice().into());
        }
        for document in &image.manifests {
            let tag = (document.digest == image.root.digest).then_some(tag);
            store.put_manifest(repository, tag, document.clone());
        }
    }

    /// Puts a manifest in, unchecked; its digest may be a lie.
    pub fn put_manifest(&self, repository: &str, tag: Option<&str>, document: &Document) {
        self.state.store().put_manifest(repository, tag, document.clone());
    }

    /// Puts a blob in, unchecked; its digest may be a lie.
    pub fn put_blob(&self, repository: &str, digest: &Digest, bytes: &[u8]) {
        self.state
            .store()
            .put_blob(repository, digest.clone(), bytes.into());
    }

    /// Creates a project, if it is a Harbor.
    pub fn create_project(&self, name: &str, is_public: bool) {
        self.state.projects.all().insert(name.to_owned(), is_public);
    }

    /// The projects that there are by now, sorted, and whether each is public.
    pub fn projects(&self) -> Vec<(String, bool)> {
        let all = self.state.projects.all();
        all.iter().map(|(name, public)| (name.clone(), *public)).collect()
    }

    /// Forgets a tag, or a manifest by its digest; whether there was one.
    pub fn remove_manifest(&self, repository: &str, identifier: &str) -> bool {
        self.state.store().remove_manifest(repository, identifier)
    }

    /// Forgets a blob; whether there was one.
    pub fn remove_blob(&self, repository: &str, digest: &Digest) -> bool {
        self.state.store().remove_blob(repository, digest)
    }

    /// The manifest under a tag or digest.
    pub fn manifest(&self, repository: &str, identifier: &str) -> Option<Document> {
        self.state.store().manifest(repository, identifier).cloned()
    }

    /// A blob's content.
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Arc<[u8]>> {
        self.state.store().blob(repository, digest)
    }

    /// Every blob with the repository that holds it, sorted.
    pub fn blobs(&self) -> Vec<(String, Digest)> {
        let store = self.state.store();
        let mut blobs: Vec<(String, Digest)> = store
            .all_blobs()
            .map(|(repository, digest)| (repository.to_owned(), digest.clone()))
            .collect();
        blobs.sort_by(|a, b| (&a.0, a.1.as_str()).cmp(&(&b.0, b.1.as_str())));
        blobs
    }

    /// Returns the tags of a repository, sorted; none if there is no such repository.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        self.state.store().tags(repository).unwrap_or_default()
    }

    /// Whether a repository has an image's root under the tag, and every part of the image.
    pub fn has_image(&self, repository: &str, tag: &str, image: &Image) -> bool {
        let store = self.state.store();
        let held = |document: &Document, identifier: &str| {
            store
                .manifest(repository, identifier)
                .is_some_and(|held| held.bytes == document.bytes && held.media_type == document.media_type)
        };
        held(&image.root, tag)
            && image
                .manifests
                .iter()
                .all(|document| held(document, document.digest.as_str()))
            && image.blobs.iter().all(|(descriptor, bytes)| {
                store
                    .blob(repository, &descriptor.digest)
                    .is_some_and(|held| *held == **bytes)
            })
    }

    /// How many upload sessions were begun and neither finished nor cancelled.
    pub fn open_sessions(&self) -> usize {
        self.state.store().open_sessions()
    }
}

impl Drop for ScriptedRegistry {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.state.gate.open();
        let mut connections = Vec::new();
        for (address, thread) in self.listeners.drain(..) {
            // The listener waits for a connection: this one shows it that it has to end.
            TcpStream::connect(address).ok();
            connections.extend(thread.join().unwrap_or_default());
        }
        self.disconnect();
        for connection in connections {
            connection.join().ok();
        }
    }
}
