//! An image whose layer is too large to be kept, and a registry for it: the layer is made up as it is read, and checked and
//! forgotten as it is written.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use transload_reference::{Algorithm, Descriptor, Hasher, MediaType, Verifier};

use crate::http::{Head, read_body, read_head};
use crate::image::{Family, Image, ImageBuilder, noise};

/// The layer is this many bytes of noise, again and again.
const PIECE: usize = 1024 * 1024;

/// An image of which only the small parts are in memory.
#[derive(Debug)]
pub struct VastImage {
    /// The image, without the layer's content.
    pub image: Image,
    /// The layer.
    pub layer: Descriptor,
    piece: Vec<u8>,
}

impl VastImage {
    /// An image with one layer of so many MiB, all of which is hashed here.
    pub fn new(mebibytes: u32) -> VastImage {
        let piece = noise(1, PIECE);
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for _ in 0..mebibytes {
            hasher.update(&piece);
        }
        let size = u64::from(mebibytes) * PIECE as u64;
        let media_type = MediaType::new("application/vnd.oci.image.layer.v1.tar");
        let layer = Descriptor::new(media_type, hasher.finish(), size);
        let image = ImageBuilder::new(Family::Oci)
            .described_layer(layer.clone(), b"")
            .build();
        VastImage { image, layer, piece }
    }

    /// Writes the layer's bytes from `first` to before `end`.
    fn write_layer(&self, out: &mut impl Write, first: u64, end: u64) -> io::Result<()> {
        let mut at = first;
        while at < end {
            let piece = &self.piece[(at % PIECE as u64) as usize..];
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let piece = &piece[..piece.len().min(left)];
            out.write_all(piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

/// A registry of plain HTTP on the loopback that has one vast image, or takes it. It is ended when this is dropped.
#[derive(Debug)]
pub struct VastRegistry {
    address: SocketAddr,
    state: Arc<State>,
    listener: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

#[derive(Debug)]
struct State {
    content: Arc<VastImage>,
    /// Whether it has the image's blobs: the configuration, then the layer.
    blobs: [AtomicBool; 2],
    is_tagged: AtomicBool,
    layers_sent: AtomicUsize,
    stopped: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl VastRegistry {
    /// A registry that has the image, in whatever repository and under whatever tag it is asked for.
    pub fn with(content: &Arc<VastImage>) -> VastRegistry {
        VastRegistry::start(content, true)
    }

    /// A registry that has nothing, and takes this image alone.
    pub fn awaiting(content: &Arc<VastImage>) -> VastRegistry {
        VastRegistry::start(content, false)
    }

    fn start(content: &Arc<VastImage>, is_there: bool) -> VastRegistry {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::new(State {
            content: Arc::clone(content),
            blobs: [is_there, is_there].map(AtomicBool::new),
            is_tagged: AtomicBool::new(is_there),
            layers_sent: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let listener = thread::spawn(move || {
            let mut threads: Vec<JoinHandle<()>> = Vec::new();
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    break;
                }
                // A thread that has ended keeps its stack until it is joined or forgotten.
                threads.retain(|thread| !thread.is_finished());
                shared.lock().extend(stream.try_clone());
                let state = Arc::clone(&shared);
                // A connection that breaks is the client's failure, which the test sees there.
                threads.push(thread::spawn(move || drop(state.serve(&stream))));
            }
            threads
        });
        VastRegistry {
            address,
            state,
            listener: Some(listener),
        }
    }

    /// Host and port.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Whether it has every part of the image, and a tag for it.
    pub fn has_image(&self) -> bool {
        self.state.has_blobs() && self.state.is_tagged.load(Ordering::SeqCst)
    }

    /// How often the layer was sent to its last byte.
    pub fn layers_sent(&self) -> usize {
        self.state.layers_sent.load(Ordering::SeqCst)
    }
}

impl Drop for VastRegistry {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // The listener waits for a connection: this one shows it that it has to end.
        TcpStream::connect(self.address).ok();
        let threads = self.listener.take().and_then(|listener| listener.join().ok());
        for stream in self.state.lock().drain(..) {
            // One that its peer has closed already can't be shut down.
            stream.shutdown(Shutdown::Both).ok();
        }
        for thread in threads.unwrap_or_default() {
            thread.join().ok();
        }
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_blobs(&self) -> bool {
        self.blobs.iter().all(|is_there| is_there.load(Ordering::SeqCst))
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(PIECE, stream);
        while let Some(head) = read_head(&mut reader)? {
            self.answer(&head, &mut reader, &mut &*stream)?;
        }
        Ok(())
    }

    fn answer(
        &self,
        head: &Head,
        reader: &mut BufReader<&TcpStream>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut words = head.first_line.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.rsplitn(3, '/').collect();
        match (method, parts.as_slice()) {
            ("GET" | "HEAD", [_, "manifests", _]) if self.is_tagged.load(Ordering::SeqCst) => {
                self.send_manifest(method, out)
            }
            ("GET" | "HEAD", [digest, "blobs", _]) => self.send_blob(method, digest, head, out),
            ("POST", ["", "uploads", _]) => reply(out, 202, &[("Location", &format!("{path}one"))]),
            ("PUT", ["one", "uploads", _]) => self.take_blob(query, head, reader, out),
            ("PUT", [_, "manifests", _]) => {
                let is_right = read_body(reader, head)? == self.content.image.root.bytes && self.has_blobs();
                self.is_tagged.fetch_or(is_right, Ordering::SeqCst);
                reply(out, if is_right { 201 } else { 400 }, &[])
            }
            _ => {
                read_body(reader, head)?;
                reply(out, 404, &[])
            }
        }
    }

    fn send_manifest(&self, method: &str, out: &mut impl Write) -> io::Result<()> {
        let root = &self.content.image.root;
        let length = root.bytes.len().to_string();
        let headers = [
            ("Content-Type", root.media_type.as_str()),
            ("Docker-Content-Digest", root.digest.as_str()),
            ("Content-Length", length.as_str()),
        ];
        reply(out, 200, &headers)?;
        match method {
            "GET" => out.write_all(&root.bytes),
            _ => Ok(()),
        }
    }

    /// The blob's number and descriptor.
    fn blob(&self, digest: &str) -> Option<(usize, &Descriptor)> {
        let all = [&self.content.image.blobs[0].0, &self.content.layer];
        all.into_iter()
            .enumerate()
            .find(|(_, blob)| blob.digest.as_str() == digest)
    }

    fn send_blob(&self, method: &str, digest: &str, head: &Head, out: &mut impl Write) -> io::Result<()> {
        let found = self.blob(digest);
        let Some((number, blob)) = found.filter(|(number, _)| self.blobs[*number].load(Ordering::SeqCst))
        else {
            return reply(out, 404, &[]);
        };
        let range = head
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="));
        let (first, last) = range.and_then(|range| range.split_once('-')).unwrap_or_default();
        let (first, end) = (
            first.parse().unwrap_or(0).min(blob.size),
            last.parse()
                .map_or(blob.size, |last: u64| (last + 1).min(blob.size)),
        );
        let length = end.saturating_sub(first).to_string();
        let range_sent = format!("bytes {first}-{}/{}", end.saturating_sub(1), blob.size);
        let headers = [
            ("Content-Length", length.as_str()),
            ("Content-Range", range_sent.as_str()),
        ];
        match range {
            Some(_) => reply(out, 206, &headers)?,
            None => reply(out, 200, &headers[..1])?,
        }
        match (method, number) {
            ("HEAD", _) => Ok(()),
            (_, 0) => {
                let config = &self.content.image.blobs[0].1;
                out.write_all(config.get(first as usize..end as usize).unwrap_or_default())
            }
            _ => {
                self.content.write_layer(out, first, end)?;
                self.layers_sent
                    .fetch_add(usize::from(end == blob.size), Ordering::SeqCst);
                Ok(())
            }
        }
    }

    fn take_blob(
        &self,
        query: &str,
        head: &Head,
        reader: &mut BufReader<&TcpStream>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let digest = query
            .split('&')
            .find_map(|part| part.strip_prefix("digest="))
            .unwrap_or_default();
        let Some((number, blob)) = self.blob(&digest.replace("%3A", ":")) else {
            read_body(reader, head)?;
            return reply(out, 400, &[]);
        };
        let length = head
            .header("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        let mut verifier = Verifier::of(blob);
        let mut buffer = vec![0; PIECE];
        let mut body = reader.take(length);
        let mut is_right = true;
        loop {
            match body.read(&mut buffer)? {
                0 => break,
                size => is_right &= verifier.update(&buffer[..size]).is_ok(),
            }
        }
        let is_right = is_right && verifier.finish().is_ok();
        self.blobs[number].fetch_or(is_right, Ordering::SeqCst);
        reply(out, if is_right { 201 } else { 400 }, &[])
    }
}

/// Writes the head of an answer; one without a length has no body.
fn reply(out: &mut impl Write, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Vast\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| *name == "Content-Length") {
        text.push_str("Content-Length: 0\r\n");
    }
    text.push_str("\r\n");
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Endpoint;

    #[test]
    fn only_the_image_itself_is_taken() {
        let content = Arc::new(VastImage::new(2));
        let registry = VastRegistry::awaiting(&content);
        let endpoint = Endpoint::plain(&registry.host());
        let status = |method: &str, target: &str, body: &[u8]| {
            endpoint.request(method, target, &[], body).unwrap().status
        };
        let mut layer = Vec::new();
        content.write_layer(&mut layer, 0, content.layer.size).unwrap();
        let upload = |digest: &str| format!("/v2/a/blobs/uploads/one?digest={digest}");
        let (config, config_bytes) = &content.image.blobs[0];
        let manifest = &content.image.root.bytes;

        layer[PIECE + 7] ^= 1;
        assert_eq!(status("PUT", &upload(content.layer.digest.as_str()), &layer), 400);
        layer[PIECE + 7] ^= 1;
        assert_eq!(
            status("PUT", &upload(content.layer.digest.as_str()), &layer[1..]),
            400
        );
        assert_eq!(status("PUT", &upload(content.layer.digest.as_str()), &layer), 201);
        assert_eq!(status("PUT", "/v2/a/manifests/v1", manifest), 400);
        assert_eq!(status("GET", "/v2/a/manifests/v1", b""), 404);
        assert_eq!(status("PUT", &upload(config.digest.as_str()), config_bytes), 201);
        assert!(!registry.has_image());
        assert_eq!(status("PUT", "/v2/a/manifests/v1", manifest), 201);
        assert!(registry.has_image());
    }

    #[test]
    fn a_part_of_the_layer_is_the_same_as_in_the_whole() {
        let content = Arc::new(VastImage::new(2));
        let registry = VastRegistry::with(&content);
        let endpoint = Endpoint::plain(&registry.host());
        let target = format!("/v2/a/blobs/{}", content.layer.digest);
        let whole = endpoint.request("GET", &target, &[], b"").unwrap().body;
        let mut verifier = Verifier::of(&content.layer);
        verifier.update(&whole).unwrap();
        verifier.finish().unwrap();
        let range = format!("bytes={}-{}", PIECE - 3, PIECE + 9);
        let part = endpoint
            .request("GET", &target, &[("Range", &range)], b"")
            .unwrap();
        assert_eq!(
            (part.status, &part.body[..]),
            (206, &whole[PIECE - 3..PIECE + 10])
        );
        assert_eq!(registry.layers_sent(), 1);
    }
}
