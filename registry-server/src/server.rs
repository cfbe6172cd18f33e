//! A server: an address, its connections and its files.

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::access::Access;
use crate::front::Front;
use crate::http::{self, Caps, Connections, Counters, Http, Limits, Pace, Service};
use crate::tls::{Tls, TlsFiles};
use crate::{Error, Registry};

/// How to serve. [`Options::default`] suits nodes that pull images over a local network.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The most open connections. Each has a thread.
    pub connections: usize,
    /// The most of them that one address (in IPv6: one network of 64 bits) may have.
    pub connections_per_address: usize,
    /// How long a new connection may wait for a free place before it is refused.
    pub queue_deadline: Duration,
    /// How long to wait for the whole head of a request.
    pub head_deadline: Duration,
    /// How long a connection may rest between two requests.
    pub idle_deadline: Duration,
    /// How long to wait for the next 32 KiB of a body, in either direction.
    pub body_deadline: Duration,
    /// What to speak TLS with. Plain HTTP if not set.
    pub tls: Option<TlsFiles>,
    /// An htpasswd file with bcrypt. If set, each request needs one of its users, except those for `/healthz`.
    pub htpasswd: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            queue_deadline: Duration::from_secs(2),
            head_deadline: Duration::from_secs(10),
            idle_deadline: Duration::from_secs(60),
            body_deadline: Duration::from_secs(30),
            tls: None,
            htpasswd: None,
        }
    }
}

/// The least of a body that must come or go in [`Options::body_deadline`], in bytes.
const LEAST_OF_BODY: u64 = 32 * 1024;

/// A server that listens and doesn't answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    wake: PipeReader,
    handle: Handle,
}

/// Ends a server, or makes it read its files again, from any thread.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connections: Arc<Connections>,
    wake: PipeWriter,
    tls: Option<Tls>,
    access: Option<Arc<Access>>,
}

impl Server {
    /// Listens at an address and reads the files. Port 0 takes a free one.
    ///
    /// # Errors
    /// Where nothing can listen there, or a file can't be used.
    pub fn bind(address: SocketAddr, options: Options) -> Result<Self, Error> {
        let tls = options.tls.map(Tls::read).transpose()?;
        let access = options.htpasswd.map(Access::read).transpose()?.map(Arc::new);
        let fail = |source| Error::Listen { address, source };
        let listener = http::bind(address).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let (reader, writer) = pipe().map_err(fail)?;
        let connections = Arc::new(Connections::new(Caps {
            all: options.connections,
            per_address: options.connections_per_address,
            wait: options.queue_deadline,
        }));
        Ok(Self {
            listener,
            address,
            limits: Limits {
                head: options.head_deadline,
                idle: options.idle_deadline,
                pace: Pace {
                    time: options.body_deadline,
                    bytes: LEAST_OF_BODY,
                },
            },
            wake: reader,
            handle: Handle(Arc::new(Shared {
                connections,
                wake: writer,
                tls,
                access,
            })),
        })
    }

    /// Returns the address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a handle to end the server with.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Answers requests with a registry until [`Handle::stop`]. Returns how many requests had to be cut then.
    ///
    /// # Errors
    /// Where the system accepts no more connections.
    pub fn serve(self, registry: Registry) -> Result<usize, Error> {
        self.answer_with(registry)
    }

    /// Answers requests until [`Handle::stop`]. Returns how many requests had to be cut then.
    ///
    /// # Errors
    /// Where the system accepts no more connections.
    pub(crate) fn answer_with(self, registry: impl Service + 'static) -> Result<usize, Error> {
        let shared = self.handle.0;
        let counters = Arc::new(Counters::default());
        let front = Front {
            access: shared.access.clone(),
            counters: Arc::clone(&counters),
            connections: Arc::clone(&shared.connections),
            registry,
        };
        let http = Arc::new(Http {
            service: Box::new(front),
            limits: self.limits,
            counters,
            connections: Arc::clone(&shared.connections),
        });
        let config = || shared.tls.as_ref().map(Tls::config);
        let accepted = http::accept(&http, &self.listener, &self.wake, config);
        drop(self.listener);
        if accepted.is_err() {
            shared.connections.stop(Duration::ZERO);
        }
        let cut = shared.connections.finish();
        accepted.map_err(Error::Accept).map(|()| cut)
    }
}

impl Handle {
    /// Ends the server. It accepts no more connections; requests on their way are finished, those that take longer than `grace` are
    /// cut. A second call can make that sooner.
    pub fn stop(&self, grace: Duration) {
        self.0.connections.stop(grace);
        // The pipe is never full: each byte ends the server, which reads none.
        let _ = (&self.0.wake).write(&[0]);
    }

    /// Reads the certificates, the key and the users again, for new connections and requests. A file that can't be used changes
    /// nothing.
    ///
    /// # Errors
    /// Where a file can't be used.
    pub fn reload(&self) -> Result<(), Error> {
        self.0.tls.as_ref().map_or(Ok(()), Tls::reload)?;
        self.0.access.as_ref().map_or(Ok(()), |access| access.reload())
    }
}
