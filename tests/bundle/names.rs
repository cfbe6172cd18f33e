//! A name server that knows one name.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The port of name servers, which resolv.conf can't change.
const PORT: u16 = 53;

/// A running name server. It ends when this is dropped.
#[derive(Debug)]
pub struct NameServer {
    address: Ipv4Addr,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Starts one on an address of the loopback that is this process's own: for this name it gives 127.0.0.1, for others that there
    /// is none.
    ///
    /// # Panics
    /// Where the port can't be bound: it takes root.
    pub fn start(name: &'static str) -> NameServer {
        let id = std::process::id().to_be_bytes();
        let addresses = (1..20).map(|number| Ipv4Addr::new(127, 53 + number, id[2], id[3]));
        let (address, socket) = addresses
            .filter_map(|address| Some((address, UdpSocket::bind((address, PORT)).ok()?)))
            .next()
            .expect("a free address of the loopback");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a socket has a timeout");
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let thread = {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            thread::spawn(move || serve(&socket, name, &stop, &answered))
        };
        NameServer {
            address,
            stop,
            answered,
            thread: Some(thread),
        }
    }

    /// Its address, for resolv.conf.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// How often it gave the address.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn serve(socket: &UdpSocket, name: &str, stop: &AtomicBool, answered: &AtomicUsize) {
    let mut buffer = [0; 512];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        if let Some(answer) = answer(&buffer[..length], name, answered) {
            send(socket, &answer, from);
        }
    }
}

fn send(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    socket.send_to(answer, to).expect("the loopback takes an answer");
}

/// The answer to a question (RFC 1035), if it is one.
fn answer(query: &[u8], name: &str, answered: &AtomicUsize) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const ADDRESS: u8 = 1;
    let mut asked = Vec::new();
    let mut at = HEADER;
    while let length @ 1.. = usize::from(*query.get(at)?) {
        asked.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).into_owned());
        at += 1 + length;
    }
    let question = query.get(HEADER..at + 5)?;
    let kind = *query.get(at + 2)?;
    let is_known = asked.join(".") == name;
    let has_address = is_known && kind == ADDRESS;
    let mut answer = query[..2].to_vec();
    // An answer, recursion done; no error, or that there is no such name.
    answer.extend([0x81, if is_known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
    answer.extend(question);
    if has_address {
        answered.fetch_add(1, Ordering::Relaxed);
        // The name of the question, an address, of the Internet, for a second, four bytes.
        answer.extend([0xc0, 12, 0, ADDRESS, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
