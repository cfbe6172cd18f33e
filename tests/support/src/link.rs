//! A link between a client and a server: slow, narrow, or one that breaks.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The most bytes that are taken from a socket at once.
const CHUNK: usize = 64 * 1024;

/// How many chunks may be on their way in one direction: a window, beyond which the sender waits.
const WINDOW: usize = 64;

/// Buffers that were passed on and can be filled again, kept for each direction of a connection.
const SPARE: usize = 8;

/// What a link does to what passes. The default is a link that does nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// How long a byte is on its way, in each direction. Half of the round trip. A connection takes a whole round trip to be
    /// made: the first byte on it arrives that much later.
    pub delay: Duration,
    /// How many bytes a second pass on one connection, in each direction.
    pub rate: Option<u64>,
    /// A connection ends, for both sides, once this many bytes have come from the server.
    pub cut_after: Option<u64>,
    /// Nothing passes from the server any more once this many bytes have; the connection stays.
    pub stall_after: Option<u64>,
    /// Every so manieth connection is closed as soon as it is made: 2 closes each second one.
    pub refuse_every: Option<u64>,
}

/// A running link. It ends, with its connections, when this is dropped.
///
/// ```
/// use std::time::Duration;
/// use transload_test_support::link::{Link, Weather};
/// use transload_test_support::{ScriptedRegistry, push_plain};
/// use transload_test_support::image::{Family, samples};
///
/// let registry = ScriptedRegistry::start();
/// let weather = Weather { delay: Duration::from_millis(1), ..Weather::default() };
/// let link = Link::start(registry.host(), weather);
/// push_plain(link.host(), "team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
/// assert!(link.connections() > 0);
/// ```
#[derive(Debug)]
pub struct Link {
    host: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    weather: Mutex<Weather>,
    ends: AtomicBool,
    connections: AtomicU64,
    cuts: AtomicU64,
    from_client: AtomicU64,
    from_server: AtomicU64,
    /// Both sockets of each open connection, so that they can be closed.
    open: Mutex<HashMap<u64, [TcpStream; 2]>>,
}

impl Link {
    /// A link to a server on the loopback, `host` and port.
    ///
    /// # Panics
    /// Where `to` is no address, or no port is free.
    pub fn start(to: &str, weather: Weather) -> Link {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            to: to.parse().expect("the server's address and port"),
            weather: Mutex::new(weather),
            ends: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            from_client: AtomicU64::new(0),
            from_server: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Link {
            host: address.to_string(),
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    /// The link's near end: host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Changes the weather, for connections that are open too.
    pub fn set(&self, weather: Weather) {
        *lock(&self.shared.weather) = weather;
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many connections were cut, stalled or refused so far.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// How many bytes have come from clients so far.
    pub fn bytes_from_client(&self) -> u64 {
        self.shared.from_client.load(Ordering::Relaxed)
    }

    /// How many bytes have come from the server so far.
    pub fn bytes_from_server(&self) -> u64 {
        self.shared.from_server.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        // The accepting thread wakes up by one more connection.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
        for sockets in lock(&self.shared.open).values() {
            close(sockets);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close(sockets: &[TcpStream; 2]) {
    for socket in sockets {
        // It may be closed already.
        socket.shutdown(Shutdown::Both).ok();
    }
}

/// One direction of a connection, as its taking side sees it.
struct Taking {
    number: u64,
    /// When the connection is made, as far as the clients can tell.
    ready: Instant,
    is_from_server: bool,
    spare: Receiver<Vec<u8>>,
}

/// Bytes on their way: the first `count` of a buffer. They arrive at a time, or end the connection.
struct Passing {
    buffer: Vec<u8>,
    count: usize,
    arrives: Instant,
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((near, _)) = listener.accept() {
            if self.ends.load(Ordering::Relaxed) {
                return;
            }
            let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
            let refuses = lock(&self.weather)
                .refuse_every
                .is_some_and(|every| number.is_multiple_of(every));
            if refuses {
                self.cuts.fetch_add(1, Ordering::Relaxed);
            } else if let Err(error) = self.connect(number, near) {
                // The server is gone; the client sees its connection closed.
                eprintln!("link to {}: {error}", self.to);
            }
        }
    }

    fn connect(self: &Arc<Self>, number: u64, near: TcpStream) -> io::Result<()> {
        let far = TcpStream::connect(self.to)?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        lock(&self.open).insert(number, [near.try_clone()?, far.try_clone()?]);
        // The client's socket is connected at once; over a real link it would have waited for a round trip.
        let ready = Instant::now() + 2 * lock(&self.weather).delay;
        for (from, to, is_from_server) in [(near.try_clone()?, far.try_clone()?, false), (far, near, true)] {
            let (send, receive) = mpsc::sync_channel(WINDOW);
            let (give_back, spare) = mpsc::sync_channel(SPARE);
            let taking = Taking {
                number,
                ready,
                is_from_server,
                spare,
            };
            let shared = Arc::clone(self);
            thread::spawn(move || shared.take(taking, from, &send));
            let shared = Arc::clone(self);
            thread::spawn(move || shared.give(number, to, &receive, &give_back, is_from_server));
        }
        Ok(())
    }

    /// Takes bytes from one side as they come.
    fn take(&self, taking: Taking, mut from: TcpStream, passing: &SyncSender<Passing>) {
        let counter = if taking.is_from_server {
            &self.from_server
        } else {
            &self.from_client
        };
        loop {
            let mut buffer = taking.spare.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
            let count = match from.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            };
            counter.fetch_add(count as u64, Ordering::Relaxed);
            let arrives = taking.ready.max(Instant::now()) + lock(&self.weather).delay;
            if passing
                .send(Passing {
                    buffer,
                    count,
                    arrives,
                })
                .is_err()
            {
                self.end(taking.number);
                return;
            }
        }
    }

    /// Gives them to the other when they have arrived.
    fn give(
        &self,
        number: u64,
        mut to: TcpStream,
        passing: &Receiver<Passing>,
        give_back: &SyncSender<Vec<u8>>,
        is_from_server: bool,
    ) {
        let mut given = 0;
        // When the line is free again after what it carried last.
        let mut free = Instant::now();
        for Passing {
            buffer,
            count,
            arrives,
        } in passing
        {
            let weather = *lock(&self.weather);
            free = free.max(arrives);
            thread::sleep(free.saturating_duration_since(Instant::now()));
            if let Some(rate) = weather.rate {
                free += Duration::from_secs_f64(count as f64 / rate as f64);
            }
            let limit = if is_from_server {
                weather.cut_after.or(weather.stall_after)
            } else {
                None
            };
            let room = limit.map_or(count, |limit| {
                usize::try_from(limit.saturating_sub(given))
                    .unwrap_or(usize::MAX)
                    .min(count)
            });
            if to.write_all(&buffer[..room]).is_err() {
                return self.end(number);
            }
            given += room as u64;
            if room < count {
                self.cuts.fetch_add(1, Ordering::Relaxed);
                if weather.cut_after.is_some() {
                    return self.end(number);
                }
                // What comes after is taken and forgotten, so that only the client waits.
                return passing.iter().for_each(drop);
            }
            // Nobody takes it back once the other side has said all.
            give_back.try_send(buffer).ok();
        }
        // One side said all; the other may still speak.
        to.shutdown(Shutdown::Write).ok();
    }

    fn end(&self, number: u64) {
        if let Some(sockets) = lock(&self.open).remove(&number) {
            close(&sockets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every connection with `size` bytes once it was sent one.
    fn server(size: usize) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                let mut byte = [0];
                if socket.read_exact(&mut byte).is_err() {
                    continue;
                }
                socket.write_all(&vec![byte[0]; size]).ok();
            }
        });
        host
    }

    fn ask(link: &Link) -> io::Result<Vec<u8>> {
        let mut socket = TcpStream::connect(link.host())?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.write_all(&[7])?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).map(|_| answer)
    }

    #[test]
    fn a_fair_link_passes_everything() {
        let link = Link::start(&server(100_000), Weather::default());
        assert_eq!(ask(&link).unwrap(), [7; 100_000]);
        assert_eq!((link.connections(), link.cuts()), (1, 0));
        assert_eq!((link.bytes_from_client(), link.bytes_from_server()), (1, 100_000));
    }

    #[test]
    fn a_round_trip_and_a_rate_take_their_time() {
        let weather = Weather {
            delay: Duration::from_millis(50),
            rate: Some(400_000),
            ..Weather::default()
        };
        let link = Link::start(&server(100_000), weather);
        let started = Instant::now();
        assert_eq!(ask(&link).unwrap().len(), 100_000);
        let taken = started.elapsed();
        // 200 ms of way, half of it to connect, and 250 ms of bytes, the last chunk's aside (up to 164 ms).
        assert!(taken >= Duration::from_millis(280), "{taken:?}");
    }

    #[test]
    fn a_cut_ends_the_connection_after_so_many_bytes() {
        let link = Link::start(
            &server(100_000),
            Weather {
                cut_after: Some(30_000),
                ..Weather::default()
            },
        );
        let answer = ask(&link);
        assert!(
            answer.as_ref().map_or(true, |answer| answer.len() == 30_000),
            "{answer:?}"
        );
        assert_eq!(link.cuts(), 1);
        link.set(Weather::default());
        assert_eq!(ask(&link).unwrap().len(), 100_000, "the next one is whole");
    }

    #[test]
    fn a_stall_leaves_the_client_waiting() {
        let link = Link::start(
            &server(1_000_000),
            Weather {
                stall_after: Some(1000),
                ..Weather::default()
            },
        );
        let mut socket = TcpStream::connect(link.host()).unwrap();
        socket.write_all(&[7]).unwrap();
        let mut answer = [0; 1000];
        socket.read_exact(&mut answer).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let error = socket.read(&mut answer).unwrap_err();
        assert!(
            matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            "{error}"
        );
    }

    #[test]
    fn refused_connections_give_no_byte() {
        let link = Link::start(
            &server(10),
            Weather {
                refuse_every: Some(2),
                ..Weather::default()
            },
        );
        assert_eq!(ask(&link).unwrap().len(), 10);
        assert_eq!(ask(&link).unwrap_or_default().len(), 0);
        assert_eq!(ask(&link).unwrap().len(), 10);
    }
}
