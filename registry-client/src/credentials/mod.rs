//! Sources of credentials besides rules.

mod docker;
mod file;
mod helper;
mod keep;
mod origin;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use transload_reference::Registry;

use crate::config::Credential;
use docker::ConfigFile;
pub use origin::CredentialOrigin;

pub use keep::Forgotten;

/// How long a helper's answer is cached: some give tokens that live for an hour.
const HELPER_ANSWER_LIFE: Duration = Duration::from_secs(300);

/// A failure of a credential file or helper. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CredentialError {
    message: String,
}

impl CredentialError {
    /// Returns an error with this text, which must hold no secret.
    pub fn new(message: impl Into<String>) -> CredentialError {
        CredentialError {
            message: message.into(),
        }
    }
}

/// A source of credentials. A client asks once for each repository, and again after a refusal.
///
/// ```
/// use transload_registry_client::reference::Registry;
/// use transload_registry_client::{Credential, CredentialError, CredentialSource};
///
/// struct Environment;
///
/// impl CredentialSource for Environment {
///     fn credential(&self, registry: &Registry, _: &str) -> Result<Option<Credential>, CredentialError> {
///         if registry.as_str() != "hub.local" {
///             return Ok(None);
///         }
///         let password = std::env::var("HUB_PASSWORD").map_err(|_| CredentialError::new("HUB_PASSWORD isn't set"))?;
///         Ok(Some(Credential::new("robot", password)))
///     }
/// }
/// ```
pub trait CredentialSource: Send + Sync {
    /// Returns the same as [`CredentialSource::credential`], with the origin of the credentials.
    ///
    /// # Errors
    /// The same.
    fn find(
        &self,
        registry: &Registry,
        path: &str,
    ) -> Result<Option<(Credential, CredentialOrigin)>, CredentialError> {
        let found = self.credential(registry, path)?;
        Ok(found.map(|credential| (credential, CredentialOrigin::Other)))
    }

    /// Returns the credentials for the repository `path` of `registry`, if there are any.
    ///
    /// # Errors
    /// If a file is unreadable or a helper fails.
    fn credential(&self, registry: &Registry, path: &str) -> Result<Option<Credential>, CredentialError>;
}

impl<S: CredentialSource + ?Sized> CredentialSource for Arc<S> {
    fn credential(&self, registry: &Registry, path: &str) -> Result<Option<Credential>, CredentialError> {
        (**self).credential(registry, path)
    }

    fn find(
        &self,
        registry: &Registry,
        path: &str,
    ) -> Result<Option<(Credential, CredentialOrigin)>, CredentialError> {
        (**self).find(registry, path)
    }
}

/// Returns a warning if other users can read or change a file of secrets. `None` if only its owner can, it isn't a file, or the system has no
/// such permissions.
#[cfg(unix)]
pub fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).ok()?;
    let mode = metadata.permissions().mode() & 0o777;
    let what = match mode & 0o077 {
        0 => return None,
        others if others & 0o044 != 0 && others & 0o022 != 0 => "read and change",
        others if others & 0o022 != 0 => "change",
        _ => "read",
    };
    let path = path.display();
    metadata
        .is_file()
        .then(|| format!("other users may {what} the secrets in {path} (mode {mode:03o}): chmod 600 {path}"))
}

/// Does nothing: this system has no such permissions.
#[cfg(not(unix))]
pub fn exposure(_: &Path) -> Option<String> {
    None
}

/// Returns why not to write to a path: another user put a file or a symbolic link there, in a sticky directory that everyone may write to,
/// such as /tmp. Linux can enforce the same rule (`fs.protected_symlinks`, `fs.protected_regular`).
#[cfg(unix)]
pub fn planted(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    const STICKY_FOR_ALL: u32 = 0o1002;
    let found = path.symlink_metadata().ok().filter(|found| !found.is_dir())?;
    let folder = folder_of(path).metadata().ok()?;
    let is_for_all = folder.mode() & STICKY_FOR_ALL == STICKY_FOR_ALL;
    let own = rustix::process::geteuid().as_raw();
    let is_strange = found.uid() != own && found.uid() != folder.uid();
    (is_for_all && is_strange).then(|| {
        format!(
            "{} belongs to another user, in a directory where every user may put files: it may be a trap",
            path.display()
        )
    })
}

/// Does nothing: this system has no such permissions.
#[cfg(not(unix))]
pub fn planted(_: &Path) -> Option<String> {
    None
}

/// Returns the folder that a file is in: the current one for a bare name.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A source without credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

impl CredentialSource for NoCredentials {
    fn credential(&self, _: &Registry, _: &str) -> Result<Option<Credential>, CredentialError> {
        Ok(None)
    }
}

/// The credential files of docker, podman and their relatives, and the credential helpers that they name, in the usual order:
/// `REGISTRY_AUTH_FILE` alone if it is set, else `containers/auth.json` below `XDG_RUNTIME_DIR` and the configuration folder, then
/// Docker's `config.json` (in `DOCKER_CONFIG` or `~/.docker`), then `~/.dockercfg`.
///
/// Within a file, a helper for the host (`credHelpers`) comes first, then the entry with the longest path, then `credsStore`.
pub struct DefaultCredentials {
    paths: Vec<PathBuf>,
    /// The file to write to, whatever others exist.
    chosen: Option<PathBuf>,
    /// The file to create if none exists.
    new_file: Option<PathBuf>,
    files: OnceLock<Result<Vec<ConfigFile>, CredentialError>>,
    answers: Mutex<HashMap<(String, String), HelperAnswer>>,
}

/// A helper's answer about a server, and its time.
type HelperAnswer = (Instant, Option<Credential>);

impl fmt::Debug for DefaultCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredentials")
            .field("paths", &self.paths)
            .finish()
    }
}

impl Default for DefaultCredentials {
    fn default() -> DefaultCredentials {
        DefaultCredentials::new()
    }
}

impl DefaultCredentials {
    /// Returns the source with the files that the environment names. They are read when first needed.
    pub fn new() -> DefaultCredentials {
        DefaultCredentials::of_environment(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> DefaultCredentials {
        let paths = usual_files(&variable);
        let is_dockers = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "config.json");
        let dockers = paths.iter().find(is_dockers).cloned();
        let only = variable("REGISTRY_AUTH_FILE").map(PathBuf::from);
        let told = variable("DOCKER_CONFIG").and(dockers.clone());
        DefaultCredentials {
            chosen: only.or(told),
            new_file: dockers,
            ..DefaultCredentials::from_files(paths)
        }
    }

    /// Returns the source with these files, in this order. Missing ones are skipped; the first that exists is written to.
    pub fn from_files(paths: Vec<PathBuf>) -> DefaultCredentials {
        DefaultCredentials {
            chosen: None,
            new_file: paths.first().cloned(),
            paths,
            files: OnceLock::new(),
            answers: Mutex::default(),
        }
    }

    fn files(&self) -> Result<&[ConfigFile], CredentialError> {
        let files = self.files.get_or_init(|| {
            let read = self
                .paths
                .iter()
                .filter_map(|path| ConfigFile::read(path).transpose());
            read.collect()
        });
        files.as_deref().map_err(CredentialError::clone)
    }

    fn ask(&self, helper: &str, server: &str) -> Result<Option<Credential>, CredentialError> {
        let key = (helper.to_owned(), server.to_owned());
        // Held while the helper runs, since it may prompt.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, answer)) = answers.get(&key)
            && at.elapsed() < HELPER_ANSWER_LIFE
        {
            return Ok(answer.clone());
        }
        let answer = helper::get(helper, server)?;
        answers.insert(key, (Instant::now(), answer.clone()));
        Ok(answer)
    }
}

impl CredentialSource for DefaultCredentials {
    fn credential(&self, registry: &Registry, path: &str) -> Result<Option<Credential>, CredentialError> {
        Ok(self.find(registry, path)?.map(|(credential, _)| credential))
    }

    fn find(
        &self,
        registry: &Registry,
        path: &str,
    ) -> Result<Option<(Credential, CredentialOrigin)>, CredentialError> {
        let ask = |helper: &str| {
            let answer = self.ask(helper, &docker::server_name(registry))?;
            Ok(answer.map(|found| (found, CredentialOrigin::Helper(helper.to_owned()))))
        };
        for file in self.files()? {
            if let Some(helper) = file.helper_of(registry)
                && let Some(found) = ask(helper)?
            {
                return Ok(Some(found));
            }
            if let Some((entry, found)) = file.entry(registry, path)? {
                let path = file.path().to_owned();
                return Ok(Some((found, CredentialOrigin::File { path, entry })));
            }
            if let Some(helper) = file.store()
                && let Some(found) = ask(helper)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn usual_files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    if let Some(only) = variable("REGISTRY_AUTH_FILE") {
        return vec![only.into()];
    }
    let home = variable("HOME")
        .or_else(|| variable("USERPROFILE"))
        .map(PathBuf::from);
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let folder = |name: &str, otherwise: &str| {
        variable(name)
            .map(PathBuf::from)
            .or_else(|| below_home(otherwise))
    };
    let candidates = [
        variable("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("containers/auth.json")),
        folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("containers/auth.json")),
        folder("DOCKER_CONFIG", ".docker").map(|folder| folder.join("config.json")),
        below_home(".dockercfg"),
    ];
    candidates.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(variables: &[(&str, &str)]) -> Vec<String> {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).into())
        };
        usual_files(find)
            .into_iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn the_usual_files_are_looked_at_in_the_usual_order() {
        assert_eq!(files(&[("REGISTRY_AUTH_FILE", "/a"), ("HOME", "/h")]), ["/a"]);
        assert_eq!(
            files(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/1")]),
            [
                "/run/1/containers/auth.json",
                "/h/.config/containers/auth.json",
                "/h/.docker/config.json",
                "/h/.dockercfg"
            ]
        );
        assert_eq!(
            files(&[("DOCKER_CONFIG", "/d"), ("XDG_CONFIG_HOME", "/c")]),
            ["/c/containers/auth.json", "/d/config.json"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn helpers_are_asked_in_their_order_and_once() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("docker-credential-scripted");
        let count = folder.path().join("count");
        let script = format!(
            "#!/bin/sh\nread server\necho $server >> {}\ncase $server in\n\
             known.example) echo '{{\"Username\":\"<token>\",\"Secret\":\"abc\"}}';;\n\
             broken.example) echo 'the keychain is locked' >&2; exit 1;;\n\
             *) echo 'credentials not found in native keychain'; exit 1;;\nesac\n",
            count.display()
        );
        std::fs::write(&helper, script).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = folder.path().join("config.json");
        let text = format!(
            r#"{{"credHelpers":{{"known.example":"{helper}","broken.example":"{helper}","other.example":"{helper}"}},
               "auths":{{"other.example":{{"auth":"dTpw"}}}}}}"#,
            helper = helper.display()
        );
        // A helper is a bare name in real files; the tests' own lies outside of PATH.
        std::fs::write(&config, text).unwrap();
        let source = DefaultCredentials::from_files(vec![config]);
        let ask = |host: &str| source.credential(&host.parse().unwrap(), "a/b");
        for _ in 0..2 {
            assert!(
                matches!(ask("known.example"), Ok(Some(Credential::IdentityToken(token))) if token.expose() == "abc")
            );
        }
        assert_eq!(ask("other.example"), Ok(Some(Credential::new("u", "p"))));
        assert!(
            ask("broken.example")
                .unwrap_err()
                .to_string()
                .contains("keychain is locked")
        );
        assert_eq!(ask("unknown.example"), Ok(None));
        let origin = |host: &str| source.find(&host.parse().unwrap(), "a/b").unwrap().unwrap().1;
        assert!(
            matches!(origin("known.example"), CredentialOrigin::Helper(name) if name.ends_with("scripted"))
        );
        assert!(matches!(
            origin("other.example"),
            CredentialOrigin::File { path, entry } if path.ends_with("config.json") && entry == "other.example"
        ));
        assert_eq!(
            std::fs::read_to_string(count).unwrap(),
            "known.example\nother.example\nbroken.example\n"
        );
    }
}
