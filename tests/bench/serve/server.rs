//! The servers that are measured.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use transload_test_support::real::RealRegistry;
use transload_test_support::zot::Zot;

use super::Content;
use crate::told::{Result, Told};

/// A server beside docker-registry.
pub enum Kind {
    Transload(PathBuf),
    Zot(PathBuf),
}

impl Kind {
    /// transload, and zot if it is on `PATH`.
    pub fn all(transload: &Path) -> impl Iterator<Item = Kind> {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut on_path = env::split_paths(&path).map(|folder| folder.join("zot"));
        let zot = on_path.find(|file| file.is_file());
        [Kind::Transload(transload.to_owned())]
            .into_iter()
            .chain(zot.map(Kind::Zot))
    }

    /// Starts one with the certificate that is beside an authority's, and waits until it listens.
    pub fn start(&self, content: &Content, ca_file: Option<&Path>) -> Result<Server> {
        let certificate = ca_file.map(|file| {
            (
                file.with_file_name("server.pem"),
                file.with_file_name("server-key.pem"),
            )
        });
        match self {
            Kind::Transload(program) => start_transload(program, &content.images, certificate),
            Kind::Zot(program) => {
                let files = certificate
                    .as_ref()
                    .map(|(certificate, key)| (certificate.as_path(), key.as_path()));
                let zot = Zot::over(program, Some(&content.layouts), files);
                Ok(Server {
                    host: zot.host().to_owned(),
                    process: Process::Zot(zot),
                })
            }
        }
    }
}

/// A server that listens. It ends when this is dropped.
pub struct Server {
    host: String,
    process: Process,
}

enum Process {
    Transload(Child),
    Registry(Box<RealRegistry>),
    Zot(Zot),
}

impl Server {
    /// docker-registry.
    pub fn of(registry: RealRegistry) -> Server {
        Server {
            host: registry.host().to_owned(),
            process: Process::Registry(Box::new(registry)),
        }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn name(&self) -> &str {
        match &self.process {
            Process::Registry(_) => "docker-registry",
            Process::Transload(_) => "transload",
            Process::Zot(_) => "zot",
        }
    }

    pub fn id(&self) -> u32 {
        match &self.process {
            Process::Registry(registry) => registry.id(),
            Process::Transload(child) => child.id(),
            Process::Zot(zot) => zot.id(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Process::Transload(child) = &mut self.process {
            // Both fail only where it has already ended.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn start_transload(program: &Path, images: &Path, certificate: Option<(PathBuf, PathBuf)>) -> Result<Server> {
    let mut command = Command::new(program);
    command.arg("serve").arg(images).args(["--listen", "127.0.0.1:0"]);
    if let Some((certificate, key)) = certificate {
        command
            .arg("--tls-cert")
            .arg(certificate)
            .arg("--tls-key")
            .arg(key);
    }
    let mut child = command.stderr(Stdio::piped()).spawn().told(program.display())?;
    let mut line = String::new();
    if let Some(told) = child.stderr.take() {
        BufReader::new(told)
            .read_line(&mut line)
            .told(program.display())?;
    }
    let host = line.split_once("://").and_then(|(_, rest)| rest.split_once(','));
    let host = host.map(|(host, _)| host.to_owned());
    let server = |host| Server {
        host,
        process: Process::Transload(child),
    };
    host.map(server).ok_or_else(|| format!("transload serve: {line}"))
}
