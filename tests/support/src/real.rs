//! The distribution registry (Debian package `docker-registry`), started for one test.

mod narrow;
pub mod skopeo;
mod token;

use std::env;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use transload_reference::MediaType;

use crate::http::{Endpoint, Response};
use crate::image::{Document, Image};
use crate::tls::Authority;
use token::TokenServer;

pub use crate::tls::Tls;
pub use narrow::Narrow;
pub use token::TokenRequest;

/// The user whom registries with authentication know.
pub const USER: &str = "tester";
/// The user's password. It has a colon, which only the user's name may not have.
pub const PASSWORD: &str = "correct:horse";
/// The line of [`USER`] and [`PASSWORD`] in a htpasswd file (bcrypt).
const HTPASSWD: &str = "tester:$2b$05$abcdefghijklmnopqrstuuto9TfiXPqFaPFSnWZR02c4ScFTB3OSG\n";

/// Whom a registry serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    Off,
    /// [`USER`], with Basic authentication.
    Htpasswd,
    /// Who has a token. The endpoint gives everybody one to pull, and [`USER`] one to push.
    Token {
        /// How long the registry honours a token, in whole seconds; under 60 the clients don't expect its end.
        lifetime: Duration,
    },
}

/// What a registry is to be.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The program: Debian's `docker-registry`, or `registry` of a later release.
    pub program: &'a str,
    /// A folder of the caller's for its content, which it leaves behind. Another one may serve the same folder.
    pub storage: Option<&'a Path>,
    /// A network that it is in; the machine's own if there is none.
    pub network: Option<&'a Narrow>,
    /// How it is reached.
    pub tls: Tls,
    /// Whom it serves.
    pub auth: Auth,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup {
            program: "docker-registry",
            storage: None,
            network: None,
            tls: Tls::Off,
            auth: Auth::Off,
        }
    }
}

/// A running registry with nothing in it. It is ended, and its files are removed, when this is dropped.
#[derive(Debug)]
pub struct RealRegistry {
    host: String,
    child: Child,
    auth: Auth,
    authority: Option<Authority>,
    tokens: Option<TokenServer>,
    id: String,
    dir: TempDir,
}

impl RealRegistry {
    /// A registry of plain HTTP for everybody.
    ///
    /// # Panics
    /// As [`RealRegistry::start`].
    pub fn plain() -> RealRegistry {
        RealRegistry::start(Tls::Off, Auth::Off)
    }

    /// Starts a registry on a free port of the loopback and waits until it answers.
    ///
    /// # Panics
    /// Where the program isn't installed or doesn't come up.
    pub fn start(tls: Tls, auth: Auth) -> RealRegistry {
        RealRegistry::with(&Setup {
            tls,
            auth,
            ..Setup::default()
        })
    }

    /// Starts a registry over content that is there.
    pub fn over(storage: &Path, tls: Tls) -> RealRegistry {
        RealRegistry::with(&Setup {
            storage: Some(storage),
            tls,
            ..Setup::default()
        })
    }

    /// Starts a registry of this kind and waits until it answers.
    ///
    /// # Panics
    /// As [`RealRegistry::start`].
    pub fn with(setup: &Setup<'_>) -> RealRegistry {
        let mut tokens = match setup.auth {
            Auth::Token { lifetime } => Some(TokenServer::start(lifetime)),
            _ => None,
        };
        for _ in 0..10 {
            let mut registry = RealRegistry::launch(setup, tokens.take());
            if registry.comes_up() {
                return registry;
            }
            // Its port was taken by another program between the choice and the start.
            tokens = registry.tokens.take();
        }
        panic!("{} found no free port in ten tries", setup.program);
    }

    fn launch(setup: &Setup<'_>, tokens: Option<TokenServer>) -> RealRegistry {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = TempDir::new().expect("a temporary folder for the registry");
        let &Setup {
            program,
            storage,
            network,
            tls,
            auth,
        } = setup;
        let host = match network {
            // All of its ports are free.
            Some(network) => format!("{}:5000", network.address()),
            None => free_address(),
        };
        let authority = (tls != Tls::Off).then(|| Authority::create(&dir.path().join("certs"), tls));
        let mut config = configuration(
            &host,
            &id,
            dir.path(),
            tls,
            authority.as_ref(),
            auth,
            tokens.as_ref(),
        );
        if let Some(storage) = storage {
            config["storage"]["filesystem"]["rootdirectory"] = json!(storage);
        }
        let config_file = dir.path().join("config.yml");
        // JSON is YAML.
        fs::write(&config_file, config.to_string()).expect("a writable temporary folder");
        let log = File::create(dir.path().join("log")).expect("a writable temporary folder");
        let log_too = log.try_clone().expect("a file can be shared");
        let command = network.map(|network| network.command(program));
        let child = command
            .unwrap_or_else(|| Command::new(program))
            .arg("serve")
            .arg(&config_file)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .unwrap_or_else(|error| panic!("no {program} (Debian package docker-registry): {error}"));
        RealRegistry {
            host,
            child,
            auth,
            authority,
            tokens,
            id,
            dir,
        }
    }

    /// Whether the registry answers; not, where its port is taken.
    fn comes_up(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(answer) = self.endpoint(None).request("GET", "/v2/", &[], b"") {
                return answer.head.header("x-instance") == Some(&self.id);
            }
            let ended = self.child.try_wait().expect("a child can be waited for");
            let log = self.log();
            if ended.is_some() && log.contains("address already in use") {
                return false;
            }
            assert!(ended.is_none(), "docker-registry ended:\n{log}");
            assert!(
                Instant::now() < deadline,
                "docker-registry doesn't answer:\n{log}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Host and port, such as `127.0.0.1:40123`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The authority's certificate, in PEM.
    ///
    /// # Panics
    /// Where the registry has no TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.authority().file("ca.crt")
    }

    /// The client's certificate, in PEM.
    ///
    /// # Panics
    /// Where the registry has no TLS.
    pub fn cert_file(&self) -> PathBuf {
        self.authority().file("client.cert")
    }

    /// The key of the client's certificate, in PEM.
    ///
    /// # Panics
    /// Where the registry has no TLS.
    pub fn key_file(&self) -> PathBuf {
        self.authority().file("client.key")
    }

    fn authority(&self) -> &Authority {
        self.authority.as_ref().expect("a registry with TLS")
    }

    /// How skopeo reaches it.
    pub fn access(&self) -> skopeo::Access {
        skopeo::Access {
            insecure: self.authority.is_none(),
            cert_dir: self
                .authority
                .as_ref()
                .map(|authority| authority.dir().to_owned()),
            credentials: (self.auth != Auth::Off).then(|| (USER.to_owned(), PASSWORD.to_owned())),
        }
    }

    /// Pushes an image, whatever the registry asks for.
    ///
    /// # Panics
    /// Where the registry refuses any part of it.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) {
        crate::push::push(&self.endpoint(Some(repository)), repository, tag, image);
    }

    /// The manifest under a tag or digest, as the registry gives it; `None` where it has none.
    ///
    /// # Panics
    /// Where the registry doesn't answer.
    pub fn manifest(&self, repository: &str, identifier: &str) -> Option<Document> {
        let accept = [
            MediaType::OCI_INDEX,
            MediaType::OCI_MANIFEST,
            MediaType::DOCKER_LIST,
            MediaType::DOCKER_MANIFEST,
        ]
        .map(|media_type| media_type.to_string())
        .join(", ");
        let target = format!("/v2/{repository}/manifests/{identifier}");
        let answer = self.get(repository, &target, &[("Accept", &accept)])?;
        let media_type = MediaType::new(answer.head.header("content-type").unwrap_or_default());
        Some(Document::new(answer.body, media_type))
    }

    /// A blob's content; `None` where the repository doesn't have it.
    ///
    /// # Panics
    /// Where the registry doesn't answer.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        let target = format!("/v2/{repository}/blobs/{digest}");
        Some(self.get(repository, &target, &[])?.body)
    }

    /// Whether a repository has an image's root under the tag or digest, and every part of the image.
    ///
    /// # Panics
    /// Where the registry doesn't answer.
    pub fn has_image(&self, repository: &str, identifier: &str, image: &Image) -> bool {
        self.manifest(repository, identifier).as_ref() == Some(&image.root)
            && image.manifests.iter().all(|document| {
                self.manifest(repository, document.digest.as_str()).as_ref() == Some(document)
            })
            && image.blobs.iter().all(|(descriptor, bytes)| {
                self.blob(repository, descriptor.digest.as_str()).as_ref() == Some(bytes)
            })
    }

    fn get(&self, repository: &str, target: &str, headers: &[(&str, &str)]) -> Option<Response> {
        let answer = self
            .endpoint(Some(repository))
            .request("GET", target, headers, b"")
            .unwrap_or_else(|error| panic!("GET {target}: {error}"));
        match answer.status {
            200 => Some(answer),
            404 => None,
            other => panic!("GET {target}: {other} {}", String::from_utf8_lossy(&answer.body)),
        }
    }

    /// What the token endpoint was asked for, in order. Empty where there is none.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.tokens
            .as_ref()
            .map(TokenServer::requests)
            .unwrap_or_default()
    }

    /// What the registry wrote of itself.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn endpoint(&self, repository: Option<&str>) -> Endpoint {
        let authorization = match (self.auth, repository) {
            (Auth::Off, _) | (_, None) => None,
            (Auth::Htpasswd, _) => {
                let pair = format!("{USER}:{PASSWORD}");
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                Some(format!("Basic {encoded}"))
            }
            (Auth::Token { .. }, Some(repository)) => {
                let tokens = self.tokens.as_ref();
                tokens.map(|tokens| format!("Bearer {}", tokens.issue(repository)))
            }
        };
        Endpoint {
            host: self.host.clone(),
            tls: self.authority.as_ref().map(Authority::client),
            authorization,
        }
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        // Both fail only where it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An address of the loopback where nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
    let address = listener.local_addr().expect("a bound listener has an address");
    address.to_string()
}

fn configuration(
    host: &str,
    id: &str,
    dir: &Path,
    tls: Tls,
    authority: Option<&Authority>,
    auth: Auth,
    tokens: Option<&TokenServer>,
) -> Value {
    let mut config = json!({
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {
            "filesystem": {"rootdirectory": dir.join("storage")},
            "delete": {"enabled": true},
        },
        "http": {"addr": host, "secret": "shared by one process", "headers": {"X-Instance": [id]}},
        // Without this every manifest with a foreign layer is refused.
        "validation": {"manifests": {"urls": {"allow": ["^https?://"]}}},
    });
    if let Some(authority) = authority {
        config["http"]["tls"] = json!({
            "certificate": authority.file("server.pem"),
            "key": authority.file("server-key.pem"),
        });
        if tls == Tls::Mutual {
            config["http"]["tls"]["clientcas"] = json!([authority.file("ca.crt")]);
        }
    }
    if auth == Auth::Htpasswd {
        let path = dir.join("htpasswd");
        fs::write(&path, HTPASSWD).expect("a writable temporary folder");
        config["auth"] = json!({"htpasswd": {"realm": "transload test", "path": path}});
    }
    if let Some(tokens) = tokens {
        let path = dir.join("token-root.pem");
        fs::write(&path, tokens.certificate_pem()).expect("a writable temporary folder");
        config["auth"] = json!({"token": {
            "realm": tokens.realm(),
            "service": token::SERVICE,
            "issuer": token::ISSUER,
            "rootcertbundle": path,
        }});
    }
    config
}
