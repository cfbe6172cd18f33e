//! The configuration of programs that take their images from a server.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tinytemplate::{TinyTemplate, format_unescaped};

use crate::args::ConfigOf;

/// A server as nodes see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    /// Its URL, without a slash at the end.
    pub url: String,
    /// The URL's host and port.
    pub host: String,
    pub is_encrypted: bool,
    pub is_writable: bool,
    /// The registries whose images it has.
    pub registries: BTreeSet<String>,
}

/// A file for a node: its path below the program's folder, and its text.
pub(super) type NodeFile = (PathBuf, String);

/// The folder in which containerd looks for registries.
const CERTS_D: &str = "certs.d";

/// Makes a program's file.
pub(super) fn file(of: ConfigOf, seen: &Seen) -> Result<NodeFile, tinytemplate::error::Error> {
    let (path, template) = match of {
        ConfigOf::Containerd => (
            "certs.d/_default/hosts.toml",
            include_str!("templates/hosts.toml"),
        ),
        ConfigOf::Docker => ("daemon.json", include_str!("templates/daemon.json")),
        ConfigOf::Podman | ConfigOf::Crio => ("registries.conf", include_str!("templates/registries.conf")),
        ConfigOf::K3s => ("registries.yaml", include_str!("templates/registries.yaml")),
        ConfigOf::Kubekey => ("config.yaml", include_str!("templates/kubekey.yaml")),
    };
    let mut engine = TinyTemplate::new();
    engine.set_default_formatter(&format_unescaped);
    engine.add_template(path, template)?;
    let text = engine.render(path, seen)?;
    Ok((path.into(), text.trim_end().to_owned() + "\n"))
}

/// Returns containerd's folders of registries that say nothing of where their images are: containerd would look no further.
pub(super) fn shadows(out: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(out.join(CERTS_D)) else {
        return Vec::new();
    };
    let is_empty =
        |entry: &fs::DirEntry| fs::read_dir(entry.path()).is_ok_and(|mut held| held.next().is_none());
    let empty = entries.flatten().filter(is_empty);
    let mut files: Vec<PathBuf> = empty
        .map(|entry| Path::new(CERTS_D).join(entry.file_name()).join("hosts.toml"))
        .collect();
    files.sort();
    files
}
