//! Connections, from the socket up: [`socket`], TLS where it is spoken, and [`answering`]. What a thread waits for is bounded here.

mod answering;
mod socket;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::LocalKey;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, Transport,
};
use ureq::{Agent, Error, Timeout};

use self::answering::AnswerConnector;
pub(crate) use self::answering::{EarlyAnswer, last_sent};
use self::socket::{Limits, SocketConnector};
use crate::rate::Rate;
use crate::resolve::Remembering;
use crate::secure::{TlsConnector, TlsSettings};
use crate::throttle::Throttle;

/// How many bytes may come without one for whoever reads: heads, sizes of chunks, trailers. A server could send those for ever.
const MAX_OVERHEAD: usize = 1024 * 1024;

/// The user wants to stop.
#[derive(Debug)]
pub(crate) struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Cancelled {}

/// An agent whose connections heed `cancel`, and keep to `rate` where there is one.
pub(crate) fn agent(
    config: ureq::config::Config,
    tls: TlsSettings,
    cancel: Arc<AtomicBool>,
    rate: Option<Arc<Rate>>,
) -> Agent {
    let has_proxy = config.proxy().is_some();
    let connector =
        ().chain(TunnelConnector(ConnectProxyConnector::default()))
            .chain(SocketConnector(Limits { cancel, rate }))
            .chain(TlsConnector::new(tls, has_proxy))
            .chain(AnswerConnector);
    Agent::with_parts(config, connector, Remembering::default())
}

/// Asks a proxy for a tunnel.
#[derive(Debug)]
struct TunnelConnector(ConnectProxyConnector);

impl<In: Transport> Connector<In> for TunnelConnector {
    type Out = <ConnectProxyConnector as Connector<In>>::Out;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        connecting(details.timeout, || self.0.connect(details, chained))
    }
}

/// Does a step of connecting, all of which has to be over in time. ureq and rustls bound each read alone, so that a server that sends a byte
/// now and then could hold them for ever.
pub(crate) fn connecting<T>(
    timeout: NextTimeout,
    connect: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    // ureq has a time that never comes, which no clock can be set to.
    const A_DAY: Duration = Duration::from_secs(24 * 3600);
    bounded(Some((*timeout.after).min(A_DAY)), connect).map_err(|error| match error {
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Error::Timeout(Timeout::Connect),
        error => error,
    })
}

/// Runs something with this in a slot of the thread: what it gave, and what was in the slot then. The slot has again what it had before,
/// even where that panics: nothing of one request reaches another.
fn within<S: Default + 'static, T>(
    slot: &'static LocalKey<RefCell<S>>,
    value: S,
    run: impl FnOnce() -> T,
) -> (T, S) {
    struct Restore<S: Default + 'static>(&'static LocalKey<RefCell<S>>, S);
    impl<S: Default> Drop for Restore<S> {
        fn drop(&mut self) {
            self.0.set(mem::take(&mut self.1));
        }
    }
    let _restore = Restore(slot, slot.replace(value));
    let result = run();
    (result, slot.take())
}

thread_local! {
    /// What this thread waits for: set around each wait for an answer's head or for a byte of its body.
    static OVERHEAD: RefCell<Overhead> = const { RefCell::new(Overhead(None)) };
}

/// How many bytes may still come, and until when, before something has to come of them.
#[derive(Default)]
struct Overhead(Option<(usize, Option<Instant>)>);

impl Overhead {
    fn note(&mut self, came: usize) -> Result<(), Error> {
        let Some((left, deadline)) = self.0 else {
            return Ok(());
        };
        let refuse = |kind, message: &str| Err(Error::Io(io::Error::new(kind, message)));
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return refuse(
                io::ErrorKind::TimedOut,
                "nothing of the answer's body came for too long",
            );
        }
        match left.checked_sub(came) {
            Some(left) => {
                self.0 = Some((left, deadline));
                Ok(())
            }
            None => refuse(
                io::ErrorKind::InvalidData,
                "the server sends on and on, and nothing of it is the answer",
            ),
        }
    }
}

thread_local! {
    /// Told where this thread begins to connect.
    static THROTTLE: RefCell<Option<Arc<Throttle>>> = const { RefCell::new(None) };
}

/// Runs a request to a host whose throttle is told where a connection is begun for it.
pub(crate) fn reaching<T>(throttle: Option<&Arc<Throttle>>, run: impl FnOnce() -> T) -> T {
    within(&THROTTLE, throttle.cloned(), run).0
}

fn tell_of_reach() {
    THROTTLE.with_borrow(|throttle| throttle.iter().for_each(|throttle| throttle.reaches()));
}

/// Waits for an answer's head, or for a byte of its body: for at most that long, where a limit is given, and while not too much
/// comes that is neither.
pub(crate) fn bounded<T>(longest: Option<Duration>, wait: impl FnOnce() -> T) -> T {
    let deadline = longest.map(|longest| Instant::now() + longest);
    // One wait may be within another: an upload's bytes are read from an answer.
    within(&OVERHEAD, Overhead(Some((MAX_OVERHEAD, deadline))), wait).0
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use ureq::Proxy;
    use ureq::http::Request;

    use super::*;

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
    fn who_drips_while_a_connection_is_made_is_given_up_in_time() {
        const TIMEOUT: Duration = Duration::from_millis(300);
        let proxy = dripping(b"HTTP/1.1 200 Connection established\r\nX-A: ");
        // The head of a record of 16 KiB of the handshake.
        let server = dripping(&[22, 3, 3, 0x40, 0]);
        for (case, proxy, url) in [
            ("a proxy", Some(proxy), "https://192.0.2.1/".to_owned()),
            ("a server of TLS", None, format!("https://{server}/")),
        ] {
            let proxy = proxy.map(|address| Proxy::new(&format!("http://{address}")).unwrap());
            let config = Agent::config_builder()
                .proxy(proxy)
                .timeout_connect(Some(TIMEOUT))
                .build();
            let agent = agent(config, TlsSettings::default(), Arc::default(), None);
            let began = Instant::now();
            let request = Request::get(url).body(()).unwrap();
            let error = bounded(None, || agent.run(request)).unwrap_err();
            assert!(
                matches!(error, Error::Timeout(Timeout::Connect)),
                "{case}: {error}"
            );
            assert!(began.elapsed() < 20 * TIMEOUT, "{case}: {:?}", began.elapsed());
        }
    }
}
