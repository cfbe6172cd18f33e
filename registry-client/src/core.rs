//! The state that all requests of a client share.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use transload_reference::{Digest, Registry, Repository};
use ureq::Agent;

use crate::answer::Answer;
use crate::auth::Scheme as AuthScheme;
use crate::cancel::Cancel;
use crate::config::{Credential, Rules};
use crate::credentials::{CredentialOrigin, CredentialSource};
use crate::error::{Error, ErrorKind};
use crate::expected::Expected;
use crate::journal::UploadJournal;
use crate::login::Login;
use crate::network::Network;
use crate::notice::{Notice, NoticeKind};
use crate::operation::{Operation, Place};
use crate::origin::Reach;
use crate::proxy::Proxies;
use crate::rate::Rate;
use crate::retry::RetryPolicy;
use crate::secure::{ClientIdentity, TlsContext, TlsSettings};
use crate::session::Session;
use crate::shared::Shared;
use crate::throttle::Throttle;
use crate::tls::Identity;
use crate::token_store::Tokens;
use crate::transport::{ConnectionPool, Lease, Target};
use crate::url::{Scheme, Url};

/// The size of each connection's two buffers, in bytes.
const INPUT_BUFFER: usize = 64 * 1024;
pub(crate) const OUTPUT_BUFFER: usize = 64 * 1024;

/// How long to wait for a loopback registry to answer TLS.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client's timeouts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// To connect, TLS and a proxy's tunnel included.
    pub connect: Duration,
    /// For the next byte, in either direction. It ends a stalled transfer, not a slow one.
    pub idle: Duration,
    /// For an answer's head, and for a whole document, such as a manifest, a token or a page of a list.
    pub document: Duration,
    /// For the answer to an upload's last byte, at most: registries check and store the whole blob first. A small blob gets little more than
    /// `idle`.
    pub upload_answer: Duration,
}

/// The least speed at which an upload leaves this machine's buffers and is checked by the registry, in bytes a second.
const CHECKING_RATE: u64 = 512 << 10;

impl Timeouts {
    /// Returns how long the answer may take to a request for which the registry checks this many bytes.
    pub(crate) fn answer(&self, checked_bytes: u64) -> Duration {
        let checking = Duration::from_secs(checked_bytes / CHECKING_RATE);
        self.idle.max(self.upload_answer.min(self.idle + checking))
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            document: Duration::from_secs(180),
            upload_answer: Duration::from_secs(600),
        }
    }
}

/// The certificates and keys of a rule, read when the client was built.
#[derive(Default)]
pub(crate) struct Certificates {
    pub roots: Vec<CertificateDer<'static>>,
    pub client: Option<Arc<ClientIdentity>>,
}

/// The scheme that a probe found.
type Probed = Arc<Mutex<Option<Scheme>>>;

pub(crate) type NoticeFn = dyn Fn(&Notice) + Send + Sync;

pub(crate) struct Core {
    pub rules: Rules,
    pub certificates: Vec<Certificates>,
    pub skip_tls_verify: bool,
    pub plain_http: Option<bool>,
    pub credentials: Arc<dyn CredentialSource>,
    pub proxies: Proxies,
    pub retry: RetryPolicy,
    pub timeouts: Timeouts,
    pub cancel: Cancel,
    pub on_notice: Option<Arc<NoticeFn>>,
    pub user_agent: String,
    pub jobs: usize,
    pub rate: Option<Arc<Rate>>,
    pub shared: Arc<Shared>,
    pub connections: Arc<ConnectionPool>,
    pub has_connected: Once,
    /// The probed schemes of loopback registries, by rule.
    pub schemes: Mutex<HashMap<(Registry, Option<usize>), Probed>>,
    pub logins: Mutex<HashMap<Reach, Arc<Login>>>,
    /// Whether each registry has the referrers API.
    pub referrers_api: Mutex<HashMap<Reach, bool>>,
    pub known_credentials: Mutex<HashMap<Repository, Option<(Credential, CredentialOrigin)>>>,
    pub tokens: Tokens,
    /// The repositories that were announced.
    pub expected: Expected,
    /// The number of requests to each token server, by its URL.
    pub token_requests: Mutex<BTreeMap<String, u64>>,
    pub journal: Arc<dyn UploadJournal>,
    /// Open upload sessions of blobs whose push hasn't begun: left by a refused mount, or opened ahead.
    pub sessions: Mutex<HashMap<(Repository, Digest), Session>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("rules", &self.rules)
            .field("retry", &self.retry)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Returns a registry's throttle, whatever the rule.
    pub fn throttle(&self, registry: &Registry) -> Arc<Throttle> {
        let worthwhile = self.rate.as_ref().map_or(usize::MAX, |rate| rate.connections());
        self.shared.throttle(registry, self.jobs.min(worthwhile))
    }

    /// Returns what is known about logging in to a registry.
    pub fn login(&self, reach: &Reach) -> Arc<Login> {
        Arc::clone(lock(&self.logins).entry(reach.clone()).or_default())
    }

    /// Returns the index of the rule for a registry or a repository in it.
    pub fn rule(&self, registry: &Registry, repository: Option<&Repository>) -> Option<usize> {
        match repository {
            Some(repository) => self.rules.of(repository),
            None => self.rules.find(registry, ""),
        }
    }

    /// Returns how a registry, or a repository in it, is reached. May probe a loopback registry.
    pub fn reach(&self, registry: &Registry, repository: Option<&Repository>) -> Result<Reach, Error> {
        let rule = self.rule(registry, repository);
        Ok(Reach {
            registry: registry.clone(),
            rule,
            scheme: self.scheme(registry, rule)?,
        })
    }

    /// Returns the URL of a path of the API.
    pub fn url(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
        path: &str,
    ) -> Result<Url, Error> {
        self.reach(registry, repository)?.url(path)
    }

    /// Returns the scheme that the settings ask for: plain HTTP, HTTPS, or none.
    fn asked_plain_http(&self, rule: Option<usize>) -> Option<bool> {
        let rule = self.rules.get(rule).and_then(|rule| rule.plain_http);
        rule.or(self.plain_http)
    }

    /// Returns whether plain HTTP is spoken although no setting asks for it: no credentials go over it.
    pub fn is_plain_unasked(&self, reach: &Reach) -> bool {
        reach.scheme == Scheme::Http && self.asked_plain_http(reach.rule) != Some(true)
    }

    fn scheme(&self, registry: &Registry, rule: Option<usize>) -> Result<Scheme, Error> {
        let is_guarded = self.rules.get(rule).is_some_and(|rule| {
            rule.credential.is_some() || rule.ca_file.is_some() || rule.cert_file.is_some()
        });
        match self.asked_plain_http(rule) {
            Some(true) => return Ok(Scheme::Http),
            Some(false) => return Ok(Scheme::Https),
            None if is_guarded || !registry.is_loopback() => return Ok(Scheme::Https),
            None => {}
        }
        let known = Arc::clone(lock(&self.schemes).entry((registry.clone(), rule)).or_default());
        // Held during the probe: the other workers need the same answer.
        let mut known = lock(&known);
        if known.is_none() {
            *known = self.probe(registry, rule)?;
        }
        Ok(known.unwrap_or(Scheme::Https))
    }

    /// Returns the scheme that a loopback registry speaks. `None` if its answer shows neither.
    fn probe(&self, registry: &Registry, rule: Option<usize>) -> Result<Option<Scheme>, Error> {
        let place = Place::at(Operation::ProbeScheme, registry, None);
        let reach = Reach {
            registry: registry.clone(),
            rule,
            scheme: Scheme::Https,
        };
        let url = reach.url("/v2/")?;
        let connection = self.connection(&url, self.own_identity(rule));
        let request = ureq::http::Request::get(url.expose())
            .body(())
            .map_err(|_| Error::config(format!("{registry} gives no URL")))?;
        let request = connection
            .agent()
            .configure_request(request)
            .timeout_connect(Some(PROBE_TIMEOUT))
            .timeout_per_read(Some(PROBE_TIMEOUT))
            .timeout_recv_response(Some(PROBE_TIMEOUT))
            .build();
        match connection.run(request) {
            Ok(answer) => {
                let answer = self.answer(answer, connection, &url, "GET");
                self.learn_from_probe(&reach, answer);
                Ok(Some(Scheme::Https))
            }
            Err(error) => {
                let error = crate::failure::from_ureq(error, &place);
                match error.kind() {
                    ErrorKind::Cancelled => Err(error),
                    ErrorKind::Network { network, .. } => Ok(match network {
                        Network::NotTls => Some(Scheme::Http),
                        Network::UnknownIssuer
                        | Network::CertificateName
                        | Network::CertificateTime
                        | Network::Certificate
                        | Network::ClientCertificate => Some(Scheme::Https),
                        _ => None,
                    }),
                    _ => Ok(None),
                }
            }
        }
    }

    fn learn_from_probe(&self, reach: &Reach, answer: Answer) {
        if let Some(scheme) = AuthScheme::of(&answer) {
            let login = self.login(reach);
            *lock(&login.scheme) = Some(scheme);
            login.end_first_contact();
        }
        answer.drain();
    }

    /// Returns how TLS is spoken to the registry itself.
    pub fn own_identity(&self, rule: Option<usize>) -> Identity {
        let settings = self.rules.get(rule);
        let certificates = |at: &usize| self.certificates.get(*at);
        Identity {
            insecure: settings.map_or(self.skip_tls_verify, |settings| {
                settings.insecure.unwrap_or(false)
            }),
            roots_of: rule.filter(|at| certificates(at).is_some_and(|found| !found.roots.is_empty())),
            client_of: rule.filter(|at| certificates(at).is_some_and(|found| found.client.is_some())),
        }
    }

    /// Returns how TLS is spoken to another origin that the registry names. The registry's authorities are trusted there, and no client
    /// certificate is shown. `insecure` holds for the registry's host, whatever the port.
    pub fn foreign_identity(&self, reach: &Reach, url: &Url) -> Identity {
        let own = self.own_identity(reach.rule);
        let is_same_host = url.host().host() == reach.registry.host();
        Identity {
            insecure: if is_same_host {
                own.insecure
            } else {
                self.skip_tls_verify
            },
            client_of: None,
            ..own
        }
    }

    /// Returns a connection to a URL's host, idle or new.
    pub fn connection(&self, url: &Url, identity: Identity) -> Lease {
        let identity = match url.scheme() {
            Scheme::Https => identity,
            Scheme::Http => Identity::default(),
        };
        let target = Target {
            host: url.host().clone(),
            scheme: url.scheme(),
            identity,
        };
        if let Some(connection) = self.connections.idle(&target) {
            return connection;
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding("identity")
            .user_agent(self.user_agent.as_str())
            .proxy(self.proxies.choose(url).cloned())
            .timeout_connect(Some(self.timeouts.connect))
            .timeout_resolve(Some(self.timeouts.connect))
            .timeout_per_read(Some(self.timeouts.idle))
            .timeout_recv_response(Some(self.timeouts.document))
            .timeout_per_write(Some(self.timeouts.idle))
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            // A partial head that fills the buffer would look like a cut connection.
            .max_response_header_size(INPUT_BUFFER / 2)
            .input_buffer_size(INPUT_BUFFER)
            .output_buffer_size(OUTPUT_BUFFER)
            .build();
        let context = self.connections.context(&identity, || {
            let certificates = |at: Option<usize>| at.and_then(|at| self.certificates.get(at));
            let given = certificates(identity.roots_of).map(|found| found.roots.clone());
            TlsContext::new(TlsSettings {
                insecure: identity.insecure,
                given: given.unwrap_or_default(),
                client: certificates(identity.client_of).and_then(|found| found.client.clone()),
            })
        });
        let throttle = self.throttle(url.host());
        // A client that only checks settings needs no thread.
        self.has_connected
            .call_once(|| self.shared.shut_when_cancelled(&self.connections));
        self.connections.open(target, config, context, throttle)
    }

    /// Returns the credentials for a repository, or for a registry.
    pub fn credential(&self, place: &Place) -> Result<Option<Credential>, Error> {
        Ok(self.find_credential(place)?.map(|(credential, _)| credential))
    }

    /// Returns the credentials for a repository, or for a registry, with their origin: the rule's own, else what the source has.
    pub fn find_credential(&self, place: &Place) -> Result<Option<(Credential, CredentialOrigin)>, Error> {
        let Some(registry) = &place.registry else {
            return Ok(None);
        };
        let rule = self.rules.get(self.rule(registry, place.repository.as_ref()));
        if let Some(own) = rule.and_then(|rule| Some((rule.credential.clone()?, rule.origin()))) {
            return Ok(Some(own));
        }
        let ask = |path: &str| {
            let answer = self.credentials.find(registry, path);
            answer.map_err(|error| Error::new(place, ErrorKind::Config(error.to_string())))
        };
        let Some(repository) = &place.repository else {
            return ask("");
        };
        if let Some(known) = lock(&self.known_credentials).get(repository) {
            return Ok(known.clone());
        }
        let found = ask(repository.path())?;
        lock(&self.known_credentials).insert(repository.clone(), found.clone());
        Ok(found)
    }

    /// Forgets a repository's credentials, so that their source is asked again.
    pub fn forget_credential(&self, place: &Place) {
        if let Some(repository) = &place.repository {
            lock(&self.known_credentials).remove(repository);
        }
    }

    pub fn notify(
        &self,
        kind: NoticeKind,
        place: &Place,
        attempt: u32,
        wait: Duration,
        cause: impl fmt::Display,
    ) {
        let notice = Notice {
            kind,
            operation: place.operation.to_string(),
            registry: place.registry.clone(),
            repository: place.repository.clone(),
            attempt,
            wait,
            cause: cause.to_string(),
        };
        match &self.on_notice {
            Some(on_notice) => on_notice(&notice),
            None => log::info!("{notice}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_an_upload_may_take_longer_the_larger_it_is() {
        let mut timeouts = Timeouts::default();
        let table = [(0, 60), (1 << 20, 62), (50 << 20, 160), (1 << 40, 600)];
        for (bytes, seconds) in table {
            assert_eq!(timeouts.answer(bytes), Duration::from_secs(seconds), "{bytes}");
        }
        timeouts.idle = Duration::from_secs(1000);
        assert_eq!(timeouts.answer(1 << 40), timeouts.idle);
    }
}
