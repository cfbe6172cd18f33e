//! Real clients over loopback: this workspace's own, skopeo, and the conformance suite of the distribution specification.

mod conformance;
mod own;
mod skopeo;

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use transload_layout_store::{Format, OpenOptions};
use transload_registry_server::{DirectoryContent, Error, Handle, Options, Registry, Server, WriteOptions};

/// A server that ends with the test.
struct Served {
    address: String,
    handle: Handle,
    thread: Option<JoinHandle<Result<usize, Error>>>,
}

impl Served {
    /// Serves a registry on a free port of the loopback.
    fn new(registry: Registry) -> Served {
        let server = Server::bind(([127, 0, 0, 1], 0).into(), Options::default()).unwrap();
        Served {
            address: server.address().to_string(),
            handle: server.handle(),
            thread: Some(std::thread::spawn(|| server.serve(registry))),
        }
    }

    /// Serves a directory that takes pushes.
    fn writable(path: &Path, format: Format) -> Served {
        let options = OpenOptions::default().format(format);
        let content = DirectoryContent::create(path, options).unwrap();
        Served::new(Registry::writable(content, WriteOptions::default()).unwrap())
    }

    /// Serves a directory as it lies there.
    fn of(path: &Path) -> Served {
        let content = DirectoryContent::open(path, OpenOptions::default()).unwrap();
        Served::new(Registry::new(vec![Box::new(content)]))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(ended, Some(Ok(Ok(_)))),
            "{ended:?}"
        );
    }
}
