//! The pool of a client's connections.
//!
//! Each is a ureq agent with at most one connection, which serves one request at a time. So the request's bounds are the connection's: ureq's
//! own pool doesn't tell a transport which request it serves.

use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use transload_reference::Registry;
use ureq::config::Config;
use ureq::unversioned::transport::{ConnectProxyConnector, ConnectionDetails, Connector, Transport};
use ureq::{Agent, AsSendBody, Body, Error, http};

use super::answering::AnswerConnector;
use super::socket::{Limits, SocketConnector, Sockets};
use super::wait::WaitLimit;
use crate::core::lock;
use crate::resolve::CachingResolver;
use crate::secure::{TlsConnector, TlsContext};
use crate::throttle::Throttle;
use crate::tls::Identity;
use crate::url::Scheme;

/// The host of a connection, and how TLS is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub host: Registry,
    pub scheme: Scheme,
    pub identity: Identity,
}

/// A connection to one host. It opens with the first request, and again after a close.
pub(crate) struct Connection {
    target: Target,
    agent: Agent,
    wait: Arc<WaitLimit>,
}

impl Connection {
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Sends a request and returns its response once the head has arrived.
    pub fn run(&self, request: http::Request<impl AsSendBody>) -> Result<http::Response<Body>, Error> {
        self.wait.bound(None, || self.agent.run(request))
    }

    pub fn wait(&self) -> &WaitLimit {
        &self.wait
    }
}

pub(crate) struct ConnectionPool {
    limits: Limits,
    /// The largest number of idle connections: each is an open file.
    most_idle: usize,
    /// The idle connections, least recently used first.
    idle: Mutex<VecDeque<Arc<Connection>>>,
    sockets: Arc<Sockets>,
    resolver: CachingResolver,
    contexts: Mutex<HashMap<Identity, Arc<TlsContext>>>,
    proxy_context: Arc<TlsContext>,
}

impl ConnectionPool {
    pub fn new(limits: Limits, most_idle: usize) -> ConnectionPool {
        ConnectionPool {
            limits,
            most_idle,
            idle: Mutex::default(),
            sockets: Arc::default(),
            resolver: CachingResolver::default(),
            contexts: Mutex::default(),
            proxy_context: Arc::default(),
        }
    }

    /// Returns the most recently used idle connection to a target.
    pub fn idle(self: &Arc<Self>, target: &Target) -> Option<Lease> {
        let mut idle = lock(&self.idle);
        let at = idle.iter().rposition(|connection| connection.target == *target)?;
        idle.remove(at).map(|connection| self.lease(connection))
    }

    /// Returns a new connection. It tells `throttle` the round-trip time.
    pub fn open(
        self: &Arc<Self>,
        target: Target,
        config: Config,
        context: Arc<TlsContext>,
        throttle: Arc<Throttle>,
    ) -> Lease {
        let wait = Arc::<WaitLimit>::default();
        let has_proxy = config.proxy().is_some();
        let tunnel = TunnelConnector {
            inner: ConnectProxyConnector::default(),
            wait: Arc::clone(&wait),
        };
        let socket = SocketConnector {
            limits: self.limits.clone(),
            wait: Arc::clone(&wait),
            sockets: Arc::clone(&self.sockets),
            throttle,
        };
        let tls = TlsConnector {
            target: context,
            proxy: has_proxy.then(|| Arc::clone(&self.proxy_context)),
        };
        let answers = AnswerConnector {
            has_proxy,
            wait: Arc::clone(&wait),
        };
        let connector = ().chain(tunnel).chain(socket).chain(tls).chain(answers);
        let agent = Agent::with_parts(config, connector, self.resolver.clone());
        self.lease(Arc::new(Connection { target, agent, wait }))
    }

    /// Returns the TLS context of an identity, and makes it once.
    pub fn context(&self, identity: &Identity, make: impl FnOnce() -> TlsContext) -> Arc<TlsContext> {
        let mut contexts = lock(&self.contexts);
        Arc::clone(contexts.entry(*identity).or_insert_with(|| Arc::new(make())))
    }

    /// Closes idle connections.
    pub fn close_idle(&self) {
        let idle = std::mem::take(&mut *lock(&self.idle));
        drop(idle);
    }

    /// Whether the client is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.limits.cancel.load(Ordering::Relaxed)
    }

    /// Ends every connection, also those in use.
    pub fn shut(&self) {
        self.close_idle();
        self.sockets.shut();
    }

    fn lease(self: &Arc<Self>, connection: Arc<Connection>) -> Lease {
        Lease {
            connection,
            pool: Arc::clone(self),
        }
    }

    fn give_back(&self, connection: Arc<Connection>) {
        let mut idle = lock(&self.idle);
        idle.push_back(connection);
        let oldest = (idle.len() > self.most_idle).then(|| idle.pop_front());
        drop(idle);
        // Closed without the lock.
        drop(oldest);
    }
}

/// The use of a connection for one request, its answer's body included. Dropping it returns the connection.
pub(crate) struct Lease {
    connection: Arc<Connection>,
    pool: Arc<ConnectionPool>,
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.give_back(Arc::clone(&self.connection));
    }
}

/// Opens tunnels through proxies.
#[derive(Debug)]
struct TunnelConnector {
    inner: ConnectProxyConnector,
    wait: Arc<WaitLimit>,
}

impl<In: Transport> Connector<In> for TunnelConnector {
    type Out = <ConnectProxyConnector as Connector<In>>::Out;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        self.wait
            .connecting(details.timeout, || self.inner.connect(details, chained))
    }
}
