//! `skopeo`, as a judge of what registries and transload hold.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// How one registry is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Plain HTTP, or TLS that isn't verified.
    pub insecure: bool,
    /// A folder with `*.crt` (authorities), `*.cert` and `*.key` (the client's).
    pub cert_dir: Option<PathBuf>,
    /// User and password.
    pub credentials: Option<(String, String)>,
}

impl Access {
    /// Plain HTTP without credentials.
    pub fn plain() -> Access {
        Access {
            insecure: true,
            ..Access::default()
        }
    }

    /// The options of `skopeo inspect` where `prefix` is empty; of `skopeo copy` where it is `src-` or `dest-`.
    pub fn options(&self, prefix: &str) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        if self.insecure {
            options.push(format!("--{prefix}tls-verify=false").into());
        }
        if let Some(dir) = &self.cert_dir {
            options.push(format!("--{prefix}cert-dir").into());
            options.push(dir.into());
        }
        match &self.credentials {
            Some((user, password)) => options.push(format!("--{prefix}creds={user}:{password}").into()),
            None => options.push(format!("--{prefix}no-creds").into()),
        }
        options
    }
}

/// The exact bytes of the manifest that a reference such as `docker://127.0.0.1:5000/team/app:v1` leads to.
///
/// # Panics
/// Where skopeo isn't installed or fails.
pub fn inspect_raw(reference: &str, access: &Access) -> Vec<u8> {
    let mut args: Vec<OsString> = vec!["inspect".into(), "--raw".into()];
    args.extend(access.options(""));
    args.push(reference.into());
    run(&args)
}

/// Runs `skopeo copy` with these arguments (see [`Access::options`]), with a policy that accepts everything.
///
/// # Panics
/// Where skopeo isn't installed or fails.
pub fn copy(args: &[OsString]) {
    let mut all: Vec<OsString> = vec!["copy".into(), "--quiet".into()];
    all.extend_from_slice(args);
    run(&all);
}

fn run(args: &[OsString]) -> Vec<u8> {
    let home = TempDir::new().expect("a temporary folder for skopeo's home");
    let output = command(home.path())
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("no skopeo (Debian package skopeo): {error}"));
    let shown: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    assert!(
        output.status.success(),
        "skopeo {}: {}\n{}",
        shown.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Skopeo with none of the caller's credentials, proxies and settings.
fn command(home: &Path) -> Command {
    let mut command = Command::new("skopeo");
    command
        .arg("--insecure-policy")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .env("TMPDIR", home);
    command
}
