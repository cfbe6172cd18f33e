//! Arguments of `serve`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{VolumesArgs, examples};

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = examples::short(EXAMPLES), after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct ServeArgs {
    /// Directories and archives; the first that has an image serves it
    #[arg(value_name = "PLACE", required = true)]
    pub places: Vec<String>,

    /// Where a bundle's volumes are, and who has to have signed it.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Address to listen on; 0.0.0.0:5000 is every address
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000")]
    pub listen: String,

    /// Accept pushes into the directory; a missing one is created
    #[arg(long)]
    pub writable: bool,

    /// Registry in the names of pushed images
    ///
    /// With --as hub.local, a push of team/app:v1 becomes hub.local/team/app:v1. Default: the host that the client asked.
    #[arg(long = "as", value_name = "REGISTRY", hide_short_help = true)]
    pub own_name: Option<String>,

    /// Admit only the users of this file (htpasswd -nB)
    #[arg(long, value_name = "FILE", help_heading = ACCESS)]
    pub htpasswd: Option<PathBuf>,

    /// Use TLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = ACCESS)]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = ACCESS)]
    pub tls_key: Option<PathBuf>,

    /// Admit only clients with a certificate of these CAs (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", hide_short_help = true, help_heading = ACCESS)]
    pub client_ca: Option<PathBuf>,

    /// Allow plain HTTP for other machines
    #[arg(long, conflicts_with = "tls_cert", help_heading = ACCESS)]
    pub plain_http: bool,

    /// Print PROGRAM's configuration for this server, and exit
    #[arg(long, value_enum, value_name = "PROGRAM", help_heading = NODES)]
    pub print_config: Option<ConfigOf>,

    /// URL by which nodes reach the server [default: --listen's]
    #[arg(long, value_name = "URL", requires = "print_config", help_heading = NODES)]
    pub server: Option<String>,

    /// Write the configuration below this directory
    #[arg(short, long, value_name = "DIR", requires = "print_config", help_heading = NODES)]
    pub out: Option<PathBuf>,
}

const ACCESS: &str = "Access";
const NODES: &str = "Node configuration";

/// A program whose configuration can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigOf {
    /// certs.d/_default/hosts.toml, for /etc/containerd
    Containerd,
    /// daemon.json, for /etc/docker
    Docker,
    /// registries.conf, for /etc/containers
    Podman,
    /// registries.conf, for /etc/containers
    Crio,
    /// registries.yaml, for /etc/rancher/k3s
    K3s,
    /// config.yaml of KubeKey 4
    Kubekey,
}

const NOTES: &str = "\
    SIGHUP reloads the certificate, the key and the users. Ctrl-C and SIGTERM stop the server once running requests are done, after ten \
    seconds at the latest; a second one stops it at once.";

const EXAMPLES: &str = "\
Examples:
  transload serve ./images
  transload serve ./images --listen 0.0.0.0:5000 --plain-http
  transload serve ./images --listen 0.0.0.0:443 --tls-cert server.pem --tls-key key.pem
  transload serve ./images --writable --as hub.local --htpasswd users
  transload serve ./images --print-config containerd --server http://10.0.0.5:5000
  transload serve ./images --print-config podman --server http://10.0.0.5:5000 --out ./node

Exit status:
  0 stopped by a signal, 1 it failed, 2 usage error";
