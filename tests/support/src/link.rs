//! A link between a client and a server: slow, narrow, or one that breaks.

mod line;
mod pump;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use line::Line;
use pump::Bell;

/// How many bytes are lost at once.
const LOST: u64 = 64 * 1024;

/// What a link does to what passes. The default is a link that does nothing.
///
/// Numbers of bytes are counted on each connection by itself and in each direction by itself, heads of messages included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkConditions {
    /// How long a byte is on its way, in each direction. Half of the round trip. A connection takes a whole round trip to be
    /// made: the first byte on it arrives that much later.
    pub delay: Duration,
    /// How many bytes a second pass on one connection, in each direction.
    pub rate: Option<u64>,
    /// How long the first byte from the server is held back, on each connection.
    pub slow_start: Duration,
    /// A connection ends, for both sides, once this many bytes have come from the server.
    pub cut_after: Option<u64>,
    /// The same for bytes that go to the server.
    pub cut_upload_after: Option<u64>,
    /// Nothing passes from the server any more once this many bytes have; the connection stays.
    pub stall_after: Option<u64>,
    /// Nothing passes to the server any more once this many bytes have, and nothing more is taken; the connection stays.
    pub stall_upload_after: Option<u64>,
    /// The byte from the server that follows so many others arrives with a bit flipped.
    pub corrupt_after: Option<u64>,
    /// The same for a byte that goes to the server.
    pub corrupt_upload_after: Option<u64>,
    /// Every so manieth connection is closed as soon as it is made: 2 closes each second one.
    pub refuse_every: Option<u64>,
    /// Of so many lumps of 64 KiB, one is lost in the mean: half of the time the connection ends, for both sides; half of the time nothing
    /// passes for a second, as when TCP waits before it sends again.
    pub lose_one_in: Option<u64>,
    /// How often the link strikes (cuts, stalls, damages, closes) in all; it is fair from then on. `None`: always.
    pub strikes: Option<u64>,
    /// Lets every number of bytes above be another one on each connection: between half of it and all of it, as this seed decides.
    pub seed: Option<u64>,
}

impl LinkConditions {
    /// What happens to the bytes of one direction of a connection.
    fn way(&self, connection: u64, from_server: bool) -> Way {
        let (cut, stall, corrupt) = match from_server {
            true => (self.cut_after, self.stall_after, self.corrupt_after),
            false => (
                self.cut_upload_after,
                self.stall_upload_after,
                self.corrupt_upload_after,
            ),
        };
        let vary = |limit: u64| match self.seed {
            Some(seed) => limit - mixed(seed ^ (connection << 1 | u64::from(from_server))) % (limit / 2 + 1),
            None => limit,
        };
        Way {
            end: cut.or(stall).map(vary),
            stalls: cut.is_none(),
            corrupt: corrupt.map(vary),
        }
    }
}

/// One direction of one connection.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// How many bytes pass before the connection is cut or stalls.
    end: Option<u64>,
    /// Whether it stalls.
    stalls: bool,
    /// The byte that is damaged.
    corrupt: Option<u64>,
}

/// What becomes of a lump that the link loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Cuts,
    Waits,
}

impl LinkConditions {
    /// Whether one of the lumps that end within these bytes of a direction of a connection is lost.
    fn loss(&self, connection: u64, from_server: bool, bytes: Range<u64>) -> Option<Loss> {
        let one_in = self.lose_one_in?;
        let way = self.seed.unwrap_or(0) ^ (connection << 1 | u64::from(from_server));
        let lumps = bytes.start / LOST..bytes.end / LOST;
        let lost = lumps
            .map(|lump| mixed(mixed(way) ^ lump))
            .find(|chance| chance % one_in == 0)?;
        Some(match (lost / one_in) % 2 {
            0 => Loss::Cuts,
            _ => Loss::Waits,
        })
    }
}

/// A number that looks as if it had nothing to do with the seed (SplitMix64).
fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A running link. It ends, with its connections, when this is dropped.
///
/// ```
/// use std::time::Duration;
/// use transload_test_support::link::{Link, LinkConditions};
/// use transload_test_support::{ScriptedRegistry, push_plain};
/// use transload_test_support::image::{Family, samples};
///
/// let registry = ScriptedRegistry::start();
/// let conditions = LinkConditions { delay: Duration::from_millis(1), ..LinkConditions::default() };
/// let link = Link::start(registry.host(), conditions);
/// push_plain(link.host(), "team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
/// assert!(link.connections() > 0);
/// ```
#[derive(Debug)]
pub struct Link {
    host: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    pump: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    conditions: Mutex<LinkConditions>,
    /// Nobody is accepted any more.
    closed: AtomicBool,
    /// The link is no more.
    ends: AtomicBool,
    connections: AtomicU64,
    strikes: AtomicU64,
    from_server: AtomicU64,
    to_server: AtomicU64,
    /// Both sockets of each open connection, so that they can be closed.
    open: Mutex<HashMap<u64, [Arc<TcpStream>; 2]>>,
    /// Lines that are to be moved from now on.
    fresh: Mutex<Vec<Line>>,
    /// What the thread that moves the lines waits for.
    bell: Bell,
    /// A byte here wakes it.
    waker: UnixStream,
}

impl Link {
    /// A link to a server on the loopback, `host` and port.
    ///
    /// # Panics
    /// Where `to` is no address, or no port is free.
    pub fn start(to: &str, conditions: LinkConditions) -> Link {
        Link::start_at(Ipv4Addr::LOCALHOST, to, conditions)
    }

    /// A link whose near end is at this address. One that is to be closed for a while should be where nobody else looks for a free
    /// port, such as 127.0.0.2.
    ///
    /// # Panics
    /// As [`Link::start`].
    pub fn start_at(address: Ipv4Addr, to: &str, conditions: LinkConditions) -> Link {
        let listener = TcpListener::bind((address, 0)).expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (waker, woken) = UnixStream::pair().expect("two sockets");
        for socket in [&waker, &woken] {
            socket
                .set_nonblocking(true)
                .expect("a socket can be told not to wait");
        }
        let shared = Arc::new(Shared {
            to: to.parse().expect("the server's address and port"),
            conditions: Mutex::new(conditions),
            closed: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            strikes: AtomicU64::new(0),
            from_server: AtomicU64::new(0),
            to_server: AtomicU64::new(0),
            open: Mutex::default(),
            fresh: Mutex::default(),
            bell: Bell::new(&woken).expect("the system tells of sockets"),
            waker,
        });
        let moving = Arc::clone(&shared);
        let pump = thread::spawn(move || pump::run(&moving, woken));
        let accepting = shared.accepting(listener);
        Link {
            host: address.to_string(),
            address,
            shared,
            accepting: Mutex::new(Some(accepting)),
            pump: Some(pump),
        }
    }

    /// The link's near end: host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Changes the conditions, for connections that are open too.
    pub fn set(&self, conditions: LinkConditions) {
        *lock(&self.shared.conditions) = conditions;
        self.shared.wake();
    }

    /// Closes the near end: new connections are refused by the system, and those that are open are cut.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // The accepting thread wakes up by one more connection.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = lock(&self.accepting).take() {
            accepting.join().ok();
        }
        for (_, sockets) in lock(&self.shared.open).drain() {
            close(&sockets);
        }
        self.shared.wake();
    }

    /// Opens the near end again where it was.
    ///
    /// # Panics
    /// Where somebody else has taken its place.
    pub fn open(&self) {
        // A program that another thread begins has the old listener, too, until it runs: the port is free a moment later.
        let deadline = Instant::now() + Duration::from_secs(10);
        let listener = loop {
            match TcpListener::bind(self.address) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(5));
                }
                bound => break bound.expect("the port that the link had"),
            }
        };
        self.shared.closed.store(false, Ordering::Relaxed);
        *lock(&self.accepting) = Some(self.shared.accepting(listener));
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many connections were cut, stalled, damaged or closed at once so far.
    pub fn strikes(&self) -> u64 {
        self.shared.strikes.load(Ordering::Relaxed)
    }

    /// How many bytes of the server's were given to clients so far.
    pub fn bytes_from_server(&self) -> u64 {
        self.shared.from_server.load(Ordering::Relaxed)
    }

    /// How many bytes were given to the server so far.
    pub fn bytes_to_server(&self) -> u64 {
        self.shared.to_server.load(Ordering::Relaxed)
    }

    /// Waits until so many bytes were given to the server; whether they were in time.
    pub fn wait_for_bytes_to_server(&self, bytes: u64, timeout: Duration) -> bool {
        wait_until(timeout, || self.bytes_to_server() >= bytes)
    }

    /// Waits until so many connections were made; whether they were in time.
    pub fn wait_for_connections(&self, count: u64, timeout: Duration) -> bool {
        wait_until(timeout, || self.connections() >= count)
    }
}

fn wait_until(timeout: Duration, is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    while !is_so() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.close();
        if let Some(pump) = self.pump.take() {
            pump.join().ok();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close(sockets: &[Arc<TcpStream>; 2]) {
    for socket in sockets {
        // It may be closed already.
        socket.shutdown(Shutdown::Both).ok();
    }
}

impl Shared {
    fn accepting(self: &Arc<Self>, listener: TcpListener) -> JoinHandle<()> {
        let shared = Arc::clone(self);
        thread::spawn(move || shared.accept(&listener))
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((near, _)) = listener.accept() {
            if self.closed.load(Ordering::Relaxed) {
                return;
            }
            let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
            let refuse_every = lock(&self.conditions).refuse_every;
            if refuse_every.is_some_and(|every| number.is_multiple_of(every)) && self.strikes_now() {
                continue;
            }
            if let Err(error) = self.connect(number, near) {
                // The server is gone; the client sees its connection closed.
                eprintln!("link to {}: {error}", self.to);
            }
        }
    }

    /// Whether the link may strike now; counts it.
    fn strikes_now(&self) -> bool {
        let most = lock(&self.conditions).strikes.unwrap_or(u64::MAX);
        let count = |done: u64| (done < most).then_some(done + 1);
        self.strikes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count)
            .is_ok()
    }

    fn connect(self: &Arc<Self>, number: u64, near: TcpStream) -> io::Result<()> {
        let far = TcpStream::connect(self.to)?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        for socket in [&near, &far] {
            socket.set_nonblocking(true)?;
        }
        // The client's socket is connected at once; over a real link it would have waited for a round trip.
        let ready = Instant::now() + 2 * lock(&self.conditions).delay;
        self.bell.watch(number, [&near, &far])?;
        let [near, far] = [near, far].map(Arc::new);
        let lines = [([&near, &far], false), ([&far, &near], true)]
            .map(|(sockets, is_from_server)| Line::new(number, ready, sockets, is_from_server));
        lock(&self.open).insert(number, [near, far]);
        lock(&self.fresh).extend(lines);
        self.wake();
        Ok(())
    }

    fn wake(&self) {
        // Where it has no room, it is awake anyway.
        (&self.waker).write_all(&[0]).ok();
    }

    fn end(&self, number: u64) {
        if let Some(sockets) = lock(&self.open).remove(&number) {
            close(&sockets);
        }
    }
}
