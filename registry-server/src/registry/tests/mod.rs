//! The API over its service, without sockets.

mod deleting;
mod hostile;
mod page;
mod pushing;
mod reading;

use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use transload_layout_store::{Format, OpenOptions, Store};
use transload_reference::{RawManifest, Reference};
use transload_test_support::image::{Document, Image};

use crate::content::DirectoryContent;
use crate::http::{Body, Headers, Method, Payload, Request, Service};
use crate::{Content, Registry, WriteOptions};

const FORMATS: [Format; 2] = [Format::KubeKey, Format::Oci];

/// An answer as a client gets it.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of its first error.
    fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// What is sent beside method and target.
#[derive(Default)]
struct Sent<'a> {
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    /// Whether the body is chunked, so that its length isn't known.
    is_chunked: bool,
    /// Whether the connection is lost after the body.
    is_broken: bool,
}

fn send(registry: &Registry, method: Method, target: &str, sent: &Sent<'_>) -> Answer {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    let (mut whole, mut broken) = (sent.body, sent.body.chain(Broken));
    let reader: &mut dyn Read = if sent.is_broken { &mut broken } else { &mut whole };
    let length = (!sent.is_chunked).then_some(sent.body.len() as u64);
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let mut headers = vec![("Host".to_owned(), "node1:5000".to_owned())];
    let given = sent.headers.iter();
    headers.retain(|_| !given.clone().any(|(name, _)| *name == "Host"));
    headers.extend(given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.map(str::to_owned),
        headers: Headers(headers),
        peer: ([127, 0, 0, 1], 1).into(),
        user: None,
        body: Body::new(reader, length),
    };
    let response = registry.answer(&mut request);
    let body = match response.body {
        Payload::Empty => Vec::new(),
        Payload::Bytes(bytes) => bytes,
        Payload::File { file, offset, length } => {
            let mut bytes = vec![0; usize::try_from(length).unwrap()];
            std::os::unix::fs::FileExt::read_exact_at(&*file, &mut bytes, offset).unwrap();
            bytes
        }
        Payload::Reader { mut reader, .. } => {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes
        }
    };
    let headers = response.headers.into_iter();
    Answer {
        status: response.status,
        headers: Headers(headers.map(|(name, value)| (name.to_owned(), value)).collect()),
        body,
    }
}

fn get(registry: &Registry, target: &str) -> Answer {
    send(registry, Method::Get, target, &Sent::default())
}

fn get_with(registry: &Registry, target: &str, headers: &[(&str, &str)]) -> Answer {
    let sent = Sent {
        headers,
        ..Sent::default()
    };
    send(registry, Method::Get, target, &sent)
}

fn bare(registry: &Registry, method: Method, target: &str) -> Answer {
    send(registry, method, target, &Sent::default())
}

fn with_body(registry: &Registry, method: Method, target: &str, body: &[u8]) -> Answer {
    let sent = Sent {
        body,
        ..Sent::default()
    };
    send(registry, method, target, &sent)
}

/// Writes images into a directory.
fn fill(path: &Path, format: Format, images: &[(&str, &Image)]) {
    let store = OpenOptions::default().format(format).create(path).unwrap();
    for (name, image) in images {
        store_image(&store, name, image);
    }
}

fn store_image(store: &Store, name: &str, image: &Image) {
    let reference: Reference = name.parse().unwrap();
    for (descriptor, bytes) in &image.blobs {
        if let Some(mut writer) = store.write_blob(descriptor).unwrap() {
            writer.write(bytes).unwrap();
            writer.commit().unwrap();
        }
    }
    store.sync_blobs().unwrap();
    for document in &image.manifests {
        let manifest =
            RawManifest::parse(document.bytes.clone(), Some(document.media_type.as_str())).unwrap();
        store.put_manifest(reference.repository(), &manifest).unwrap();
    }
    match reference.tag() {
        Some(tag) => store.tag(reference.repository(), tag, image.digest()).unwrap(),
        None => store.keep(reference.repository(), image.digest()).unwrap(),
    }
}

/// A registry over a directory with images.
fn serving(format: Format, images: &[(&str, &Image)]) -> (TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), format, images);
    let content = DirectoryContent::open(folder.path(), OpenOptions::default()).unwrap();
    let contents: Vec<Box<dyn Content>> = vec![Box::new(content)];
    (folder, Registry::new(contents))
}

/// A registry over a directory that takes pushes.
fn taking(format: Format, options: WriteOptions) -> (TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = taking_at(folder.path(), format, options);
    (folder, registry)
}

fn taking_at(path: &Path, format: Format, options: WriteOptions) -> Registry {
    let content = DirectoryContent::create(path, OpenOptions::default().format(format)).unwrap();
    Registry::writable(content, options).unwrap()
}

/// Pushes an image with monolithic uploads, its manifests by digest and the root by its tag.
fn push(registry: &Registry, name: &str, tag: &str, image: &Image) {
    for (descriptor, bytes) in &image.blobs {
        let target = format!("/v2/{name}/blobs/uploads/?digest={}", descriptor.digest);
        let answer = with_body(registry, Method::Post, &target, bytes);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    for document in &image.manifests {
        let is_root = document.digest == image.root.digest;
        let reference = if is_root { tag } else { document.digest.as_str() };
        let answer = put(registry, &format!("/v2/{name}/manifests/{reference}"), document);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("Docker-Content-Digest"), document.digest.as_str());
    }
}

fn put(registry: &Registry, target: &str, document: &Document) -> Answer {
    let sent = Sent {
        headers: &[("Content-Type", document.media_type.as_str())],
        body: &document.bytes,
        ..Sent::default()
    };
    send(registry, Method::Put, target, &sent)
}
