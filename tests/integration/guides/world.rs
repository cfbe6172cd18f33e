//! The world that the guides are set in, on the loopback: the registries of the web, a Harbor with an authority of its own, two machines.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use transload_test_support::image::{Family, Image, ImageBuilder, IndexBuilder, noise};
use transload_test_support::proxy::Proxy;
use transload_test_support::real::{Auth, PASSWORD, Tls, USER};
use transload_test_support::{RealRegistry, Transload};

use super::page::{is_shown, steps};

/// The names of the web's registries that lead to the source, with the images that it has for them.
pub const IMAGES: [&str; 9] = [
    "registry.k8s.io/kube-apiserver:v1.34.1",
    "registry.k8s.io/kube-controller-manager:v1.34.1",
    "registry.k8s.io/kube-scheduler:v1.34.1",
    "registry.k8s.io/kube-proxy:v1.34.1",
    "registry.k8s.io/coredns/coredns:v1.12.1",
    "registry.k8s.io/etcd:3.6.4-0",
    "registry.k8s.io/pause:3.10",
    "docker.io/calico/node:v3.30.3",
    "quay.io/prometheus/node-exporter:v1.9.1",
];

/// The registries of the web, whose names lead to one.
pub const WEB: &[&str] = &[
    "registry.k8s.io",
    "registry-1.docker.io",
    "quay.io",
    "mirror.example.com",
];
pub const HARBOR: &str = "harbor.example.com";

/// The list of the cookbook's reader.
pub const LIST: [&str; 3] = [
    "registry.k8s.io/kube-apiserver:v1.34.1",
    "registry.k8s.io/pause:3.10",
    "docker.io/calico/node:v3.30.3",
];

/// What leads where. Everything is ended and removed when this is dropped.
pub struct World<H = RealRegistry> {
    pub harbor: H,
    /// The registries of the web, in one.
    source: RealRegistry,
    proxy: Proxy,
    program: Transload,
    /// What every machine trusts, whatever is done there; without it, only those before the wall trust the web's authority.
    trusted: Option<PathBuf>,
    dir: TempDir,
}

/// An image of these platforms; those of Kubernetes itself have their lowest layer in common.
pub fn image(name: &str, number: u64, platforms: &[&str], size: usize) -> Image {
    let base = if name.contains("/kube-") { 0 } else { 1000 * number };
    let index = IndexBuilder::new(Family::Oci);
    let image = platforms.iter().zip(1..).fold(index, |index, (platform, at)| {
        let child = ImageBuilder::new(Family::Oci)
            .platform(platform)
            .noise_layer(base + at, 100_000)
            .noise_layer(100_000 + 1000 * number + at, size);
        index.image(&child.build())
    });
    image.build()
}

/// The next release of the image with this number, which has a file more in its own layers.
fn patched(number: u64, platforms: &[&str], size: usize) -> Image {
    let index = IndexBuilder::new(Family::Oci);
    let image = platforms.iter().zip(1..).fold(index, |index, (platform, at)| {
        let own = noise(100_000 + 1000 * number + at, size);
        let child = ImageBuilder::new(Family::Oci)
            .platform(platform)
            .noise_layer(at, 100_000)
            .layer(&[("noise", &own), ("patch", b"1.34.2")]);
        index.image(&child.build())
    });
    image.build()
}

impl World {
    /// With every image at its registry, an empty Harbor, and what an administrator was given for it: its authority's certificate and
    /// a password.
    pub fn new() -> World {
        let harbor = RealRegistry::start(Tls::Named(&[HARBOR]), Auth::Htpasswd);
        let (host, ca_file) = (harbor.host().to_owned(), harbor.ca_file());
        World::with(harbor, &host, ca_file)
    }
}

impl<H> World<H> {
    /// The same with this Harbor, which is at this host and has this authority.
    pub fn with(harbor: H, host: &str, ca_file: PathBuf) -> World<H> {
        let source = RealRegistry::start(Tls::Named(WEB), Auth::Off);
        let platforms = ["linux/amd64", "linux/arm64", "linux/s390x"];
        for (name, number) in IMAGES.iter().zip(1..) {
            let (_, rest) = name.split_once('/').expect("a registry");
            let (repository, tag) = rest.split_once(':').expect("a tag");
            source.push(
                repository,
                tag,
                &image(name, number, &platforms, 60_000 * number as usize),
            );
        }
        source.push("kube-apiserver", "v1.34.2", &patched(1, &platforms, 60_000));
        let mut routes: Vec<(&str, &str)> = WEB.iter().map(|name| (*name, source.host())).collect();
        routes.push((HARBOR, host));
        let proxy = Proxy::start(&routes);
        let dir = tempfile::tempdir().expect("a temporary folder");
        for folder in ["here", "usb", "srv"] {
            fs::create_dir(dir.path().join(folder)).expect("a writable folder");
        }
        fs::copy(ca_file, dir.path().join("here/harbor-ca.pem")).expect("a certificate");
        fs::write(dir.path().join("here/password.txt"), format!("{PASSWORD}\n")).expect("a writable folder");
        World {
            harbor,
            source,
            proxy,
            program: Transload::new(),
            trusted: None,
            dir,
        }
    }

    /// The world of the cookbook's reader: all authorities are trusted, somebody has logged in, there is a list of images, there are
    /// passwords in files, and a mirror.
    pub fn at_home(self) -> World<H> {
        let mut world = self;
        let here = world.here();
        let read = |path: PathBuf| fs::read_to_string(path).expect("a certificate");
        let both = read(world.source.ca_file()) + &read(here.join("harbor-ca.pem"));
        let trusted = world.dir.path().join("authorities.pem");
        for (path, text) in [
            (trusted.clone(), both.as_str()),
            (here.join("images.txt"), &LIST.join("\n")),
            (here.join("mirror-password.txt"), PASSWORD),
            (here.join("team-password.txt"), PASSWORD),
        ] {
            fs::write(path, text).expect("a writable folder");
        }
        world.trusted = Some(trusted);
        let pause = image("pause", 7, &["linux/amd64", "linux/arm64"], 60_000);
        world.source.push("k8s/pause", "3.10", &pause);
        let (status, text) =
            world.run("transload login harbor.example.com -u admin --password-stdin < password.txt");
        assert_eq!(status, 0, "{text}");
        world
    }

    /// Where commands are run.
    pub fn here(&self) -> PathBuf {
        self.dir.path().join("here")
    }

    /// Runs the commands of a page of `docs`, of which there are more than `least`, and compares what they print with what the page shows.
    #[track_caller]
    pub fn follow(&self, page: &str, least: usize) {
        let steps = steps(page);
        assert!(steps.len() > least, "{} blocks", steps.len());
        let mut wrong = String::new();
        for step in steps {
            let (status, text) = self.run(&step.script);
            let shown = step.shown.unwrap_or_else(|| "…\n".to_owned());
            if status != step.status || !is_shown(&shown, &text) {
                let _ = writeln!(
                    wrong,
                    "--- docs/{page}:{}\n{}--- has to give exit status {} and\n{shown}--- and gives exit status {status} and\n{text}",
                    step.line, step.script, step.status
                );
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    /// Runs a block of commands: exit status, and all that it says.
    pub fn run(&self, script: &str) -> (i32, String) {
        let program = self.program.program();
        let path = std::env::var("PATH").unwrap_or_default();
        let folder = program.parent().expect("a program is in a folder");
        // Both authorities of the tests have the same name: behind the wall, that of the web isn't known.
        let is_behind_the_wall = script.contains("harbor");
        let of_the_web = (!is_behind_the_wall).then(|| self.source.ca_file());
        let authorities = self
            .trusted
            .clone()
            .or(of_the_web)
            .map(|file| ("SSL_CERT_FILE", file));
        let output = Command::new("bash")
            .args(["-o", "pipefail", "-ec"])
            .arg(format!("exec 2>&1\n{}", self.here_for(script)))
            .current_dir(self.here())
            .env_clear()
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("HOME", self.program.home())
            .env("HTTPS_PROXY", self.proxy.url())
            .env("NO_COLOR", "1")
            .env("HARBOR_PASSWORD", PASSWORD)
            .envs(authorities)
            .output()
            .expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), self.page_for(&text))
    }

    /// Names of the guides and what they are here.
    fn names(&self) -> [(&'static str, String); 9] {
        let folder = |name: &str| self.dir.path().join(name).display().to_string();
        [
            ("/mnt/usb", folder("usb")),
            ("/srv", folder("srv")),
            ("/etc/containerd", folder("containerd")),
            ("admin", USER.to_owned()),
            ("robot$mirror", USER.to_owned()),
            ("robot$team", USER.to_owned()),
            ("robot$ci", USER.to_owned()),
            ("one secret", PASSWORD.to_owned()),
            ("another secret", PASSWORD.to_owned()),
        ]
    }

    fn here_for(&self, text: &str) -> String {
        let names = self.names();
        names
            .iter()
            .fold(text.to_owned(), |text, (name, own)| text.replace(name, own))
    }

    fn page_for(&self, text: &str) -> String {
        let home = self.program.home().display().to_string();
        let text = text.replace(&home, "/root").replace(&self.proxy.url(), "PROXY");
        let names = self.names();
        names
            .iter()
            .fold(text, |text, (name, own)| text.replace(own.as_str(), name))
    }
}
