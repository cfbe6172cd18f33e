//! The open connections: how many there may be, which of them rests, and how they end.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::lock::{lock, wait_for};

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    pub all: usize,
    pub per_address: usize,
    /// How long a new connection waits for another to end.
    pub wait: Duration,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    TooMany,
    TooManyFromAddress,
    Stopping,
}

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    caps: Caps,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<u64, Open>,
    by_address: HashMap<IpAddr, usize>,
    /// The number of the next connection.
    next: u64,
    /// Threads that have a connection, or had one.
    threads: usize,
    /// Once the server stops, when connections that still work are cut.
    stop: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    address: IpAddr,
    socket: Arc<TcpStream>,
    /// Since when it waits for the client's next request.
    rests_since: Option<Instant>,
}

impl State {
    fn remove(&mut self, number: u64) -> Option<Open> {
        let open = self.open.remove(&number)?;
        if let Some(count) = self.by_address.get_mut(&open.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&open.address);
            }
        }
        Some(open)
    }

    /// Closes the connection that has rested longest. Returns whether there was one.
    fn evict(&mut self, of: Option<IpAddr>) -> bool {
        let of_address = |open: &Open| of.is_none_or(|address| open.address == address);
        let resting = self.open.iter().filter(|(_, open)| of_address(open));
        let resting = resting.filter_map(|(number, open)| Some((open.rests_since?, *number)));
        let Some((_, number)) = resting.min() else {
            return false;
        };
        if let Some(open) = self.remove(number) {
            let _ = open.socket.shutdown(Shutdown::Both);
        }
        true
    }
}

impl Connections {
    pub fn new(caps: Caps) -> Self {
        Self {
            caps,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Takes a connection in. Where there are too many, the one that has rested longest makes room; where none rests, the new one waits.
    pub fn admit(self: &Arc<Self>, socket: &Arc<TcpStream>, ip: IpAddr) -> Result<Connection, Refused> {
        let address = counted_as(ip);
        let mut state = lock(&self.state);
        let of_address = state.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.caps.per_address && !state.evict(Some(address)) {
            return Err(Refused::TooManyFromAddress);
        }
        let until = Instant::now() + self.caps.wait;
        while state.stop.is_none() && state.open.len() >= self.caps.all && !state.evict(None) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refused::TooMany);
            }
            state = wait_for(&self.changed, state, left);
        }
        if state.stop.is_some() {
            return Err(Refused::Stopping);
        }
        let number = state.next;
        state.next += 1;
        state.threads += 1;
        *state.by_address.entry(address).or_default() += 1;
        let open = Open {
            address,
            socket: Arc::clone(socket),
            rests_since: Some(Instant::now()),
        };
        state.open.insert(number, open);
        Ok(Connection {
            all: Arc::clone(self),
            number,
        })
    }

    /// Returns how many connections are open.
    pub fn count(&self) -> usize {
        lock(&self.state).open.len()
    }

    /// Closes the connection that has rested longest, as the process can't open another file.
    pub fn make_room(&self) {
        lock(&self.state).evict(None);
    }

    pub fn is_stopping(&self) -> bool {
        lock(&self.state).stop.is_some()
    }

    /// Lets no more connections in. Those that rest end now, the others after their request, and at the latest after `grace`. A later
    /// call can make that sooner.
    pub fn stop(&self, grace: Duration) {
        let mut state = lock(&self.state);
        let cut = Instant::now() + grace;
        state.stop = Some(state.stop.map_or(cut, |before| before.min(cut)));
        for open in state.open.values().filter(|open| open.rests_since.is_some()) {
            // What came already is still read.
            let _ = open.socket.shutdown(Shutdown::Read);
        }
        self.changed.notify_all();
    }

    /// Waits until all connections ended after [`Self::stop`]. Returns how many had to be cut.
    pub fn finish(&self) -> usize {
        let mut state = lock(&self.state);
        while let Some(cut) = state.stop.filter(|_| !state.open.is_empty()) {
            let left = cut.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = wait_for(&self.changed, state, left);
        }
        let cut = state.open.len();
        for open in state.open.values() {
            let _ = open.socket.shutdown(Shutdown::Both);
        }
        // A thread that waits for a disk isn't waited for.
        let waited = self
            .changed
            .wait_timeout_while(state, Duration::from_secs(1), |state| state.threads > 0);
        drop(waited);
        cut
    }
}

/// Returns the address under which a client is counted: a network of 64 bits is one client's in IPv6.
fn counted_as(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip => ip,
    }
}

/// An admitted connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    all: Arc<Connections>,
    number: u64,
}

impl Connection {
    /// Tells that the client's next request is waited for. Returns whether it may be: not if the server stops.
    pub fn rest(&self) -> bool {
        let mut state = lock(&self.all.state);
        let may = state.stop.is_none();
        if let Some(open) = state.open.get_mut(&self.number) {
            open.rests_since = Some(Instant::now());
        }
        drop(state);
        self.all.changed.notify_one();
        may
    }

    /// Tells that a request is answered now. Returns whether the connection is still there: it may have made room for another.
    pub fn work(&self) -> bool {
        let mut state = lock(&self.all.state);
        let open = state.open.get_mut(&self.number);
        open.map(|open| open.rests_since = None).is_some()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = lock(&self.all.state);
        state.remove(self.number);
        state.threads -= 1;
        drop(state);
        self.all.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn connections(all: usize, per_address: usize) -> Arc<Connections> {
        Arc::new(Connections::new(Caps {
            all,
            per_address,
            wait: Duration::ZERO,
        }))
    }

    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(listener.accept().unwrap().0), client)
    }

    fn is_closed(mut client: &TcpStream) -> bool {
        client.set_nonblocking(true).unwrap();
        matches!(client.read(&mut [0]), Ok(0))
    }

    #[test]
    fn the_connection_that_rested_longest_makes_room() {
        let connections = connections(2, 2);
        let (busy, busy_client) = pair();
        let (resting, resting_client) = pair();
        let busy = connections.admit(&busy, FIRST).unwrap();
        assert!(busy.work());
        let resting = connections.admit(&resting, SECOND).unwrap();
        let third = connections.admit(&pair().0, FIRST).unwrap();
        assert!(is_closed(&resting_client) && !is_closed(&busy_client));
        assert!(!resting.work(), "it is gone");
        assert!(third.work());
        assert_eq!(
            connections.admit(&pair().0, SECOND).unwrap_err(),
            Refused::TooMany
        );
        drop(third);
        assert_eq!(connections.count(), 1);
        assert!(connections.admit(&pair().0, SECOND).is_ok());
    }

    #[test]
    fn one_address_takes_no_more_than_its_share() {
        let connections = connections(10, 1);
        let first = connections.admit(&pair().0, FIRST).unwrap();
        let again = connections.admit(&pair().0, FIRST).unwrap();
        assert!(!first.work(), "its own connection made room");
        assert!(again.work());
        assert_eq!(
            connections.admit(&pair().0, FIRST).unwrap_err(),
            Refused::TooManyFromAddress
        );
        let other = connections.admit(&pair().0, SECOND).unwrap();
        assert!(other.work());
        drop((first, again));
        assert!(connections.admit(&pair().0, FIRST).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(counted_as(ip("2001:db8::1")), counted_as(ip("2001:db8::2:3")));
        assert_ne!(counted_as(ip("2001:db8::1")), counted_as(ip("2001:db8:0:1::1")));
        assert_eq!(counted_as(ip("::ffff:10.0.0.1")), FIRST);
    }

    #[test]
    fn a_new_connection_waits_for_another_to_end() {
        let connections = Arc::new(Connections::new(Caps {
            all: 1,
            per_address: 9,
            wait: Duration::from_secs(60),
        }));
        let first = connections.admit(&pair().0, FIRST).unwrap();
        assert!(first.work());
        std::thread::scope(|scope| {
            let second = scope.spawn(|| connections.admit(&pair().0, FIRST).is_ok());
            drop(first);
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn a_stop_ends_what_rests_and_waits_for_what_works() {
        let connections = connections(9, 9);
        let (resting, _client) = pair();
        let rests = connections.admit(&resting, FIRST).unwrap();
        let works = connections.admit(&pair().0, FIRST).unwrap();
        assert!(works.work());
        connections.stop(Duration::from_secs(60));
        assert_eq!((&*resting).read(&mut [0]).unwrap(), 0, "it reads the end");
        assert!(!rests.rest());
        drop(rests);
        assert_eq!(
            connections.admit(&pair().0, FIRST).unwrap_err(),
            Refused::Stopping
        );
        std::thread::scope(|scope| {
            let finished = scope.spawn(|| connections.finish());
            drop(works);
            assert_eq!(finished.join().unwrap(), 0);
        });
    }

    #[test]
    fn what_works_for_too_long_is_cut_and_a_second_stop_can_shorten_it() {
        let connections = connections(9, 9);
        let (socket, client) = pair();
        let works = connections.admit(&socket, FIRST).unwrap();
        assert!(works.work());
        connections.stop(Duration::from_secs(3600));
        std::thread::scope(|scope| {
            let finished = scope.spawn(|| connections.finish());
            connections.stop(Duration::ZERO);
            client.set_nonblocking(false).unwrap();
            assert_eq!((&client).read(&mut [0]).unwrap(), 0, "it was cut");
            drop(works);
            assert_eq!(finished.join().unwrap(), 1);
        });
    }
}
