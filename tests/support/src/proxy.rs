//! A proxy that makes names of the wide world lead to servers on the loopback.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::http::read_head;

/// A running proxy for HTTPS (`CONNECT`). It lets through to its routes, and to nothing else. It ends when this is dropped.
///
/// ```
/// use transload_test_support::ScriptedRegistry;
/// use transload_test_support::proxy::Proxy;
///
/// let registry = ScriptedRegistry::start();
/// let proxy = Proxy::start(&[("registry.example.com", registry.host())]);
/// assert!(proxy.url().starts_with("http://127.0.0.1:"));
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy that leads each name, whatever the port, to the server behind it, an address and port of the loopback.
    ///
    /// # Panics
    /// Where no port is free.
    pub fn start(routes: &[(&str, &str)]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let stopped = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stopped);
        let routes: Arc<[(String, String)]> = routes
            .iter()
            .map(|(name, server)| ((*name).to_owned(), (*server).to_owned()))
            .collect();
        let accepting = thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_stopped.load(Ordering::Relaxed) {
                    break;
                }
                let routes = Arc::clone(&routes);
                // A client or a server that goes away in the middle is its own test's concern.
                thread::spawn(move || serve(client, &routes).ok());
            }
        });
        Proxy {
            address,
            stopped,
            accepting: Some(accepting),
        }
    }

    /// What `HTTPS_PROXY` is to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // The accepting thread wakes up by one more connection.
        TcpStream::connect(self.address).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

fn serve(mut client: TcpStream, routes: &[(String, String)]) -> io::Result<()> {
    // The client sends nothing more before it is answered: nothing is left behind in the reader.
    let Some(head) = read_head(&mut BufReader::new(&client))? else {
        return Ok(());
    };
    let mut words = head.first_line.split(' ');
    let target = match (words.next(), words.next()) {
        (Some("CONNECT"), Some(target)) => target,
        _ => return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"),
    };
    let name = target.rsplit_once(':').map_or(target, |(name, _)| name);
    let Some((_, server)) = routes.iter().find(|(route, _)| route == name) else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    };
    let server = TcpStream::connect(server)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let back = (server.try_clone()?, client.try_clone()?);
    let upwards = thread::spawn(move || relay(client, server));
    relay(back.0, back.1);
    upwards.join().ok();
    Ok(())
}

/// Passes bytes on until one side ends; then the other is told.
fn relay(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 64 * 1024];
    while let Some(count) = from.read(&mut buffer).ok().filter(|&count| count > 0) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
    from.shutdown(Shutdown::Read).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScriptedRegistry;

    fn ask(proxy: &Proxy, request: &str) -> String {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 64];
        let count = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    }

    #[test]
    fn a_name_leads_to_its_server_and_no_other_name_anywhere() {
        let registry = ScriptedRegistry::start();
        let proxy = Proxy::start(&[("registry.example.com", registry.host())]);
        let cases = [
            (
                "CONNECT registry.example.com:443 HTTP/1.1\r\n\r\n",
                "HTTP/1.1 200 ",
            ),
            ("CONNECT other.example.com:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 403 "),
            (
                "GET http://registry.example.com/v2/ HTTP/1.1\r\n\r\n",
                "HTTP/1.1 405 ",
            ),
        ];
        for (request, answer) in cases {
            let got = ask(&proxy, request);
            assert!(got.starts_with(answer), "{request}{got}");
        }
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream
            .write_all(b"CONNECT registry.example.com:443 HTTP/1.1\r\n\r\n")
            .unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        read_head(&mut reader).unwrap();
        stream
            .write_all(b"GET /v2/ HTTP/1.1\r\nHost: registry.example.com\r\nConnection: close\r\n\r\n")
            .unwrap();
        let head = read_head(&mut reader).unwrap().unwrap();
        assert!(head.first_line.starts_with("HTTP/1.1 200"), "{}", head.first_line);
    }
}
