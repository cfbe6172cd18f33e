//! Arguments of `serve`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// The directories and archives; the first that has an image serves it
    #[arg(value_name = "PLACE", required = true)]
    pub places: Vec<String>,

    /// Where to listen; 0.0.0.0:5000 is every address of this machine
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000")]
    pub listen: String,

    /// Take pushes, too, into the directory, which is made if it isn't there
    #[arg(long)]
    pub writable: bool,

    /// The registry of names that come without one, in place of the host that clients ask
    #[arg(long = "as", value_name = "REGISTRY")]
    pub own_name: Option<String>,

    /// Let in the users of this file alone (bcrypt, as `htpasswd -nB USER` writes it)
    #[arg(long, value_name = "FILE", help_heading = ACCESS)]
    pub htpasswd: Option<PathBuf>,

    /// Speak TLS with this certificate (PEM), followed by those that lead to its authority
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = ACCESS)]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = ACCESS)]
    pub tls_key: Option<PathBuf>,

    /// Let in clients with a certificate of these authorities (PEM) alone
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = ACCESS)]
    pub client_ca: Option<PathBuf>,

    /// Speak plain HTTP to other machines
    #[arg(long, conflicts_with = "tls_cert", help_heading = ACCESS)]
    pub plain_http: bool,

    /// Serve nothing; print what makes this program take images from here
    #[arg(long, value_enum, value_name = "PROGRAM", help_heading = NODES)]
    pub print_config: Option<ConfigOf>,

    /// The server as nodes reach it, such as http://10.0.0.5:5000; the address of --listen if not given
    #[arg(long, value_name = "URL", requires = "print_config", help_heading = NODES)]
    pub server: Option<String>,

    /// Write the files into this folder, such as /etc/containerd, in place of stdout
    #[arg(short, long, value_name = "DIR", requires = "print_config", help_heading = NODES)]
    pub out: Option<PathBuf>,
}

const ACCESS: &str = "Access";
const NODES: &str = "Configuration of nodes";

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

const EXAMPLES: &str = "\
SIGHUP has the certificate, the key and the users read again. Ctrl-C and SIGTERM end it once the requests on their way are done, after ten
seconds at the latest; a second one ends it at once.

Examples:
  transload serve ./images
  transload serve ./images --listen 0.0.0.0:5000 --plain-http
  transload serve /mnt/usb/images.tar ./images --listen 0.0.0.0:443 --tls-cert server.pem --tls-key server-key.pem
  transload serve ./images --writable --as hub.local --htpasswd users
  transload serve ./images --print-config containerd --server http://10.0.0.5:5000
  transload serve ./images --print-config podman --server http://10.0.0.5:5000 --out ./node

Exit status:
  0 ended as asked, 1 it couldn't go on, 2 wrong usage";
