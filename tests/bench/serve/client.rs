//! A client that takes as little time as it can, so that the server's time is what is measured.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::net::{RecvFlags, recv};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::floor::read_head;
use crate::micro::CHUNK;
use crate::told::{Result, Told};

/// What servers are asked to answer with.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";

/// A client of servers whose certificates one authority signed, or of plain HTTP.
pub struct Client {
    tls: Option<Arc<ClientConfig>>,
}

enum Connection {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    pub fn new(ca_file: Option<&Path>) -> Result<Client> {
        let Some(file) = ca_file else {
            return Ok(Client { tls: None });
        };
        let authority = CertificateDer::from_pem_file(file).told(file.display())?;
        let mut roots = RootCertStore::empty();
        roots.add(authority).told(file.display())?;
        // What Go's clients ask for first, as containerd, Docker and podman are.
        let mut provider = default_provider();
        let first = CipherSuite::TLS13_AES_128_GCM_SHA256;
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != first);
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .told("TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Client {
            tls: Some(Arc::new(config)),
        })
    }

    /// Fetches every target to nowhere, over so many connections.
    pub fn fetch(&self, host: &str, targets: &[String], clients: usize) -> io::Result<()> {
        let next = AtomicUsize::new(0);
        let work = || -> io::Result<()> {
            let mut connection = self.connect(host)?;
            let mut buffer = vec![0; CHUNK];
            while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: {ACCEPT}\r\n\r\n");
                connection.write_all(request.as_bytes())?;
                let mut left = read_head(&mut connection, &mut buffer)?;
                while left > 0 {
                    let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    match connection.discard(&mut buffer[..most])? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        count => left -= count as u64,
                    }
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, io::Result<()>>| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().try_for_each(join)
        })
    }

    fn connect(&self, host: &str) -> io::Result<Connection> {
        let socket = TcpStream::connect(host)?;
        socket.set_nodelay(true)?;
        let Some(config) = &self.tls else {
            return Ok(Connection::Plain(socket));
        };
        let name = ServerName::from(socket.peer_addr()?.ip());
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Connection::Tls(Box::new(StreamOwned::new(connection, socket))))
    }
}

impl Connection {
    /// Receives at most as many bytes as a buffer has, and forgets them. Of plain ones the system makes no copy (tcp(7), `MSG_TRUNC`).
    fn discard(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Connection::Plain(socket) => Ok(recv(socket, buffer, RecvFlags::TRUNC)?.1),
            Connection::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Connection::Plain(socket) => socket.read(buffer),
            Connection::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Connection::Plain(socket) => socket.write(bytes),
            Connection::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Connection::Plain(socket) => socket.flush(),
            Connection::Tls(stream) => stream.flush(),
        }
    }
}
