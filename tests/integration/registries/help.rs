//! Registries of every shape, ways through them, and what is true of images that arrived.

use std::ffi::OsStr;
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use transload_reference::Reference;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::real::{Auth, PASSWORD, RealRegistry, Tls, USER};
use transload_test_support::{Output, Transload};

/// What a registry asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    tls: Tls,
    auth: Auth,
}

/// Plain HTTP for everybody.
pub const PLAIN: Shape = shape(Tls::Off, Auth::Off);
/// HTTPS with a certificate of a private authority.
pub const PRIVATE_CA: Shape = shape(Tls::Server, Auth::Off);
/// HTTPS for clients with a certificate.
pub const CLIENT_CERTIFICATE: Shape = shape(Tls::Mutual, Auth::Off);
/// Plain HTTP for a user with a password.
pub const PASSWORDS: Shape = shape(Tls::Off, Auth::Htpasswd);
/// Plain HTTP for who has a token, which it honours for five minutes.
pub const TOKENS: Shape = shape(Tls::Off, tokens(Duration::from_secs(300)));

/// A shape of one's own.
pub const fn shape(tls: Tls, auth: Auth) -> Shape {
    Shape { tls, auth }
}

/// Tokens that are honoured for so long.
pub const fn tokens(lifetime: Duration) -> Auth {
    Auth::Token { lifetime }
}

/// A running registry whose shape is known.
pub struct Site {
    registry: RealRegistry,
    shape: Shape,
}

impl Deref for Site {
    type Target = RealRegistry;

    fn deref(&self) -> &RealRegistry {
        &self.registry
    }
}

impl Site {
    /// Starts a registry of this shape.
    pub fn start(shape: Shape) -> Site {
        Site {
            registry: RealRegistry::start(shape.tls, shape.auth),
            shape,
        }
    }

    /// Starts one that has the image of each family.
    pub fn with_images(shape: Shape, repository: &str) -> Site {
        let site = Site::start(shape);
        for (tag, image) in images() {
            site.push(repository, tag, &image);
        }
        site
    }

    /// The entry of `auths` with everything that a client needs.
    pub fn entry(&self) -> Value {
        let mut entry = self.identity();
        match self.shape.tls {
            Tls::Off => entry["plain_http"] = json!(true),
            Tls::Server | Tls::Named(_) | Tls::Mutual => entry["ca_file"] = json!(self.ca_file()),
        }
        entry
    }

    /// The part of the entry that says who one is.
    fn identity(&self) -> Value {
        let mut entry = json!({"repo": self.host()});
        if self.shape.auth != Auth::Off {
            entry["username"] = json!(USER);
            entry["password"] = json!(PASSWORD);
        }
        if self.shape.tls == Tls::Mutual {
            entry["cert_file"] = json!(self.cert_file());
            entry["key_file"] = json!(self.key_file());
        }
        entry
    }

    /// The same as options of a command that has to do with no other registry. What no option is for goes into this file.
    pub fn options(&self, auths: &Path) -> Vec<String> {
        let mut options = match self.shape.tls {
            Tls::Off => vec!["--plain-http".to_owned()],
            Tls::Server | Tls::Named(_) | Tls::Mutual => vec!["--ca-file".to_owned(), text(self.ca_file())],
        };
        let identity = self.identity();
        if identity != json!({"repo": self.host()}) {
            fs::write(auths, json!([identity]).to_string()).expect("a writable temporary folder");
            // A warning of others' eyes would be part of what is said.
            fs::set_permissions(auths, fs::Permissions::from_mode(0o600)).expect("a file of this user");
            options.extend(["--auths".to_owned(), text(auths)]);
        }
        options
    }

    /// The images' references in this registry.
    pub fn references(&self, repository: &str) -> Vec<String> {
        images()
            .iter()
            .map(|(tag, _)| format!("{}/{repository}:{tag}", self.host()))
            .collect()
    }

    /// The requests with this method that the registry has answered: their targets and statuses, in order.
    pub fn answered(&self, method: &str) -> Vec<(String, u16)> {
        answered(&self.log(), method)
    }

    /// How many requests the registry has answered that write something.
    pub fn writes(&self) -> usize {
        ["POST", "PATCH", "PUT", "DELETE"]
            .iter()
            .map(|method| self.answered(method).len())
            .sum()
    }
}

/// The lines of a registry's log that say what it answered: `… "PUT /v2/… HTTP/1.1" 201 …`.
fn answered(log: &str, method: &str) -> Vec<(String, u16)> {
    let parse = |line: &str| {
        let (_, rest) = line.split_once(&format!("] \"{method} "))?;
        let (target, rest) = rest.split_once(" HTTP/1.1\" ")?;
        let (status, _) = rest.split_once(' ')?;
        Some((target.to_owned(), status.parse().ok()?))
    };
    log.lines().filter_map(parse).collect()
}

/// One image of several platforms in each family of media types, by the tag that the tests give it.
pub fn images() -> [(&'static str, Image); 2] {
    [
        ("docker", samples::multi_platform(Family::Docker, 1)),
        ("oci", samples::multi_platform(Family::Oci, 2)),
    ]
}

/// A folder that is removed with everything in it at the end of the test.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A path as text.
pub fn text(path: impl AsRef<Path>) -> String {
    let path: PathBuf = path.as_ref().into();
    path.into_os_string()
        .into_string()
        .expect("temporary folders have plain names")
}

/// The program with these arguments, run to its end.
pub fn transload<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Output {
    Transload::new().args(args).run()
}

/// The program with a task file of one task, which has this under `image`.
pub fn task(image: &Value) -> Transload {
    let tasks = json!([{"name": "move images", "image": image}]);
    Transload::new().args(["run", "-"]).stdin(tasks.to_string())
}

/// What the program wrote to its standard error, without the times that summaries have: `pull: 1 image: 1 copied`.
pub fn told(output: &Output) -> String {
    let without_time = |line: &str| match line.split_once(" in ") {
        Some((front, rest)) if front.ends_with(" image") || front.ends_with(" images") => {
            let (_, result) = rest.split_once(": ").unwrap_or_default();
            format!("{front}: {result}\n")
        }
        _ => format!("{line}\n"),
    };
    // What other platforms cost is of no matter here.
    let lines = output
        .stderr
        .lines()
        .filter(|line| !line.contains("% of the bytes ("));
    lines.map(without_time).collect()
}

/// A number of bytes in blobs, as summaries tell it.
pub fn amount(blobs: &[u64]) -> String {
    let bytes: u64 = blobs.iter().sum();
    let things = if blobs.len() == 1 { "blob" } else { "blobs" };
    match bytes {
        0..1024 => format!("{bytes} B in {} {things}", blobs.len()),
        _ => format!("{:.2} KiB in {} {things}", bytes as f64 / 1024.0, blobs.len()),
    }
}

/// The sizes of an image's blobs.
pub fn sizes(image: &Image) -> Vec<u64> {
    image.blobs.iter().map(|(blob, _)| blob.size).collect()
}

/// Checks that a run failed by this image for this reason (of which the URL may be left out), with this hint.
#[track_caller]
pub fn assert_failed(output: Output, image: &str, reason: &str, hint: &str) {
    let output = output.expect_code(1);
    let told = format!("{}{}", output.stdout, told(&output));
    let any = |fits: &dyn Fn(&str) -> bool| told.lines().map(str::trim).any(fits);
    let rest = |line: &str| line.strip_prefix(reason).map(str::to_owned);
    assert!(
        any(&|line| line.starts_with(&format!("failed   {image}")))
            && any(&|line| rest(line).is_some_and(|rest| rest.is_empty() || rest.starts_with(" (http")))
            && any(&|line| line.strip_prefix("hint: ") == Some(hint)),
        "{image}\n{reason}\n{hint}\nare not all in\n{told}"
    );
}

/// Checks that a registry has every part of these images, byte for byte.
#[track_caller]
pub fn assert_pushed(registry: &RealRegistry, repository: &str, images: &[(&str, Image)]) {
    for (tag, image) in images {
        assert!(
            registry.has_image(repository, tag, image),
            "{repository}:{tag} isn't what was sent"
        );
    }
}

/// Checks that a directory has every part of an image under this name, byte for byte.
#[track_caller]
pub fn assert_stored(dir: &Path, name: &str, image: &Image) {
    let reference: Reference = name.parse().expect("a valid name");
    let manifests = dir.join(reference.repository().to_string()).join("manifests");
    let same = |path: PathBuf, bytes: &[u8]| {
        let found = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(found == bytes, "{} has other bytes", path.display());
    };
    for document in &image.manifests {
        same(manifests.join(document.digest.as_str()), &document.bytes);
    }
    for (blob, bytes) in &image.blobs {
        same(dir.join("blobs").join(blob.digest.as_str()), bytes);
    }
    if let Some(tag) = reference.tag() {
        same(manifests.join(tag.as_str()), &image.root.bytes);
        let layout = fs::read(manifests.join("layout")).expect("a layout beside the manifests");
        let layout: Value = serde_json::from_slice(&layout).expect("a layout is JSON");
        assert_eq!(layout[tag.as_str()], json!(image.digest()), "{name}");
    }
}

/// Checks that a directory has the image of each family, pulled from this repository.
#[track_caller]
pub fn assert_pulled(dir: &Path, from: &Site, repository: &str) {
    for ((_, image), name) in images().iter().zip(from.references(repository)) {
        assert_stored(dir, &name, image);
    }
}

#[test]
fn a_registrys_log_tells_what_it_answered() {
    let log = "time=\"…\" level=error msg=\"\\\"PUT \"\n\
               127.0.0.1 - - [24/Nov/2026:17:40:17 +0000] \"PUT /v2/a/manifests/1 HTTP/1.1\" 201 0 \"\" \"x\"\n\
               127.0.0.1 - - [24/Nov/2026:17:40:17 +0000] \"GET /v2/ HTTP/1.1\" 200 2 \"\" \"x\"\n";
    assert_eq!(answered(log, "PUT"), [("/v2/a/manifests/1".to_owned(), 201)]);
    assert_eq!(answered(log, "POST"), []);
}
