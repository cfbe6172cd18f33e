//! The settings of a client.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

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

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
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
