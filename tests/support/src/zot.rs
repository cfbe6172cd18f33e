//! zot, a registry with the referrers API.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::go;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running zot. It ends, and its files are removed, when this is dropped.
#[derive(Debug)]
pub struct Zot {
    host: String,
    child: Child,
    dir: TempDir,
}

impl Zot {
    /// The program without extensions: the one on `PATH`, else the one that Go builds. `None` where there is neither, which is said.
    pub fn program() -> Option<PathBuf> {
        go::program(
            "zot",
            "-tags containers_image_openpgp zotregistry.dev/zot/v2/cmd/zot@v2.1.20",
        )
    }

    /// Starts an empty one that speaks plain HTTP.
    ///
    /// # Panics
    /// Where it doesn't come up.
    pub fn start(program: &Path) -> Zot {
        Zot::over(program, None, None)
    }

    /// Starts one on a free port of the loopback, over a folder of OCI layouts (one of its own if there is none), with the files of a
    /// certificate and its key for TLS.
    ///
    /// # Panics
    /// Where it doesn't come up.
    pub fn over(program: &Path, layouts: Option<&Path>, certificate: Option<(&Path, &Path)>) -> Zot {
        let dir = TempDir::new().expect("a temporary folder for zot");
        let own = dir.path().join("layouts");
        let mut config = json!({
            "distSpecVersion": "1.1.1",
            "storage": {"rootDirectory": layouts.unwrap_or(&own), "dedupe": false, "gc": false},
            "http": {"address": "127.0.0.1", "port": "0"},
            "log": {"level": "info", "output": dir.path().join("log")},
        });
        if let Some((certificate, key)) = certificate {
            config["http"]["tls"] = json!({"cert": certificate, "key": key});
        }
        let file = dir.path().join("config.json");
        fs::write(&file, config.to_string()).expect("a writable temporary folder");
        let child = Command::new(program)
            .arg("serve")
            .arg(file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a program");
        let mut zot = Zot {
            host: String::new(),
            child,
            dir,
        };
        zot.host = zot.wait();
        zot
    }

    /// Waits until it says on which port it listens.
    fn wait(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            let lines = log
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut ports = lines.filter_map(|line| line["port"].as_u64());
            if let Some(port) = ports.next() {
                return format!("127.0.0.1:{port}");
            }
            assert!(Instant::now() < deadline, "zot doesn't listen:\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Zot {
    fn drop(&mut self) {
        // Both fail only where it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
