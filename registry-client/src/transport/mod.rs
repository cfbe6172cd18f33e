//! Connections, in layers: [`socket`], TLS ([`crate::secure`]) and [`answering`]. Each serves one request at a time ([`pool`]), so that its
//! layers and the thread that waits share the bounds of the wait ([`wait`]).

mod answering;
mod pool;
mod socket;
mod wait;

use std::fmt;

pub(crate) use self::answering::EarlyAnswer;
pub(crate) use self::pool::{ConnectionPool, Lease, Target};
pub(crate) use self::socket::{Limits, is_cut};

/// The client was cancelled.
#[derive(Debug)]
pub(crate) struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Cancelled {}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use ureq::http::Request;
    use ureq::{Agent, Error, Proxy, Timeout};

    use super::*;
    use crate::secure::TlsContext;
    use crate::throttle::Throttle;
    use crate::tls::Identity;
    use crate::url::Scheme;

    fn pool(most_idle: usize) -> Arc<ConnectionPool> {
        let limits = Limits {
            cancel: Arc::default(),
            rate: None,
        };
        Arc::new(ConnectionPool::new(limits, most_idle))
    }

    fn target(host: &str) -> Target {
        Target {
            host: host.parse().unwrap(),
            scheme: Scheme::Https,
            identity: Identity::default(),
        }
    }

    fn open(pool: &Arc<ConnectionPool>, host: &str, config: ureq::config::Config) -> Lease {
        let context = Arc::<TlsContext>::default();
        pool.open(target(host), config, context, Throttle::new(8))
    }

    #[test]
    fn as_many_connections_wait_as_may_and_the_last_used_serves_next() {
        let pool = pool(2);
        let config = || Agent::config_builder().build();
        assert!(pool.idle(&target("a.local")).is_none());
        let leases = ["a.local", "b.local", "a.local"].map(|host| open(&pool, host, config()));
        let last: *const Agent = leases[2].agent();
        drop(leases);
        let found = pool.idle(&target("a.local")).unwrap();
        assert!(std::ptr::eq(found.agent(), last), "the first is closed");
        assert!(pool.idle(&target("a.local")).is_none(), "it serves one request");
        assert!(pool.idle(&target("b.local")).is_some());
        drop(found);
        pool.close_idle();
        assert!(pool.idle(&target("a.local")).is_none());
    }

    /// A server that sends these bytes, and then one now and then for ever.
    fn dripping(start: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        // It ends with the test's process.
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut sent = stream.write_all(start);
                while sent.is_ok() {
                    thread::sleep(Duration::from_millis(20));
                    sent = stream.write_all(b"a");
                }
            }
        });
        address
    }

    #[test]
    fn a_server_that_drips_while_a_connection_is_made_is_given_up_in_time() {
        const TIMEOUT: Duration = Duration::from_millis(300);
        let proxy = dripping(b"HTTP/1.1 200 Connection established\r\nX-A: ");
        // The head of a record of 16 KiB of the handshake.
        let server = dripping(&[22, 3, 3, 0x40, 0]);
        for (case, proxy, host) in [
            ("a proxy", Some(proxy), "192.0.2.1"),
            ("a server of TLS", None, server.as_str()),
        ] {
            let proxy = proxy.map(|address| Proxy::new(&format!("http://{address}")).unwrap());
            let config = Agent::config_builder()
                .proxy(proxy)
                .timeout_connect(Some(TIMEOUT))
                .build();
            let connection = open(&pool(1), host, config);
            let began = Instant::now();
            let request = Request::get(format!("https://{host}/")).body(()).unwrap();
            let error = connection.run(request).unwrap_err();
            assert!(
                matches!(error, Error::Timeout(Timeout::Connect)),
                "{case}: {error}"
            );
            assert!(began.elapsed() < 20 * TIMEOUT, "{case}: {:?}", began.elapsed());
        }
    }
}
