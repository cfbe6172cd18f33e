//! The settings of a client.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Once};

use crate::cancel::Cancel;
use crate::client::Client;
use crate::config::{HostRule, Rules};
use crate::core::{Certificates, Core, NoticeFn, Timeouts};
use crate::credentials::{CredentialSource, NoCredentials};
use crate::error::Error;
use crate::expected::Expected;
use crate::journal::{NoJournal, UploadJournal};
use crate::notice::Notice;
use crate::proxy::Proxies;
use crate::rate::Rate;
use crate::retry::RetryPolicy;
use crate::tls;
use crate::token_store::Tokens;
use crate::transport::{ConnectionPool, Limits};

/// Builds a [`Client`]. Create one with [`Client::builder`].
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
    pub(crate) fn new() -> ClientBuilder {
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

    /// Sets the rules for hosts: credentials, CAs, client certificates, plain HTTP. The longest rule that matches wins.
    pub fn hosts(mut self, hosts: Vec<HostRule>) -> Self {
        self.hosts = hosts;
        self
    }

    /// Skips certificate verification on hosts without a rule (default: false). Anybody on the way can read passwords then.
    pub fn skip_tls_verify(mut self, skip: bool) -> Self {
        self.skip_tls_verify = skip;
        self
    }

    /// Speaks plain HTTP with hosts whose rule doesn't say. `None`, the default: as [`HostRule::plain_http`] describes.
    pub fn plain_http(mut self, plain: Option<bool>) -> Self {
        self.plain_http = plain;
        self
    }

    /// Sets the source of credentials that no rule has (default: none). An `Arc` of a source works, too.
    pub fn credentials(mut self, credentials: impl CredentialSource + 'static) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// Sets the largest number of concurrent requests to one registry, and of connections that are kept open for them (default: 8). Fewer run
    /// at first: see [`Client::permits`].
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// Limits the bytes a second of all connections together, in both directions (default: no limit). A low limit allows fewer connections,
    /// so that none of them looks stalled.
    pub fn limit_rate(mut self, bytes_per_second: Option<u64>) -> Self {
        self.rate = bytes_per_second;
        self
    }

    /// Sets how often and when requests are retried (default: [`RetryPolicy::default`]).
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the timeouts (default: [`Timeouts::default`]).
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets a flag that cancels all requests within a fraction of a second: they end with [`Error::is_cancelled`]. Name lookups, and your
    /// readers of bytes to push, aren't interrupted.
    pub fn cancel(mut self, cancel: Arc<AtomicBool>) -> Self {
        self.cancel = cancel;
        self
    }

    /// Sets the function that is told of retries, resumed transfers and slow-downs (default: none). It blocks the thread that calls it.
    pub fn on_notice(mut self, on_notice: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Some(Arc::new(on_notice));
        self
    }

    /// Sets the `User-Agent` header (default: `transload/<version>`).
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Takes proxies from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY (default: true).
    pub fn proxies_from_env(mut self, heed: bool) -> Self {
        self.proxies_from_env = heed;
        self
    }

    /// Sets the journal that keeps upload sessions for a later process (default: none).
    pub fn upload_journal(mut self, journal: Arc<dyn UploadJournal>) -> Self {
        self.journal = journal;
        self
    }

    /// Shares with another client everything that doesn't depend on the user: the limit of requests to each registry, its pauses, the hosts
    /// that were given up, the limit of [`limit_rate`](ClientBuilder::limit_rate), and a thread. Credentials, tokens and connections aren't
    /// shared.
    pub fn alongside(mut self, other: &Client) -> Self {
        self.other = Some(other.clone());
        self
    }

    /// Builds the client. Reads and checks every file that a rule names; sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a rule names no host, or a certificate, a key or a proxy's URL is unusable.
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
        // A worker may read from one connection and write to another.
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
            has_connected: Once::new(),
            schemes: HashMap::new().into(),
            logins: HashMap::new().into(),
            referrers_api: HashMap::new().into(),
            known_credentials: HashMap::new().into(),
            tokens: Tokens::default(),
            expected: Expected::default(),
            token_requests: Mutex::default(),
            journal: self.journal,
            sessions: HashMap::new().into(),
        };
        Ok(Client { core: Arc::new(core) })
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
