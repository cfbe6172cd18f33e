//! Reads credential files: Docker's `config.json` and its relatives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::Deserialize;
use transload_reference::Registry;

use super::{CredentialError, exposure};
use crate::config::{Credential, is_path_prefix};
use crate::secret::Secret;

/// The largest file to read, in bytes.
pub(super) const MAX_FILE_SIZE: u64 = 16 * 1024 * 1024;

/// The key of Docker Hub's credentials.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    cred_helpers: Option<BTreeMap<String, Option<String>>>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Document {
    /// The entries by key. A null one is ignored.
    fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        let entries = self.auths.iter().flatten();
        entries.filter_map(|(key, entry)| Some((key, entry.as_ref()?)))
    }

    /// Whether it holds credentials.
    fn holds_a_secret(&self) -> bool {
        self.entries().any(|(_, entry)| {
            let secrets = [
                &entry.auth,
                &entry.password,
                &entry.identitytoken,
                &entry.registrytoken,
            ];
            secrets
                .iter()
                .any(|secret| secret.as_deref().is_some_and(|text| !text.is_empty()))
        })
    }
}

/// A credential file.
pub(super) struct ConfigFile {
    path: PathBuf,
    document: Document,
}

impl ConfigFile {
    /// Reads a file; `None` if it doesn't exist.
    pub fn read(path: &Path) -> Result<Option<ConfigFile>, CredentialError> {
        let fail = |what: &str| CredentialError::new(format!("credentials file {}: {what}", path.display()));
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(fail(&error.to_string())),
        };
        if metadata.len() > MAX_FILE_SIZE {
            return Err(fail("it is too large to be one"));
        }
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_end(&mut text))
            .map_err(|error| fail(&error.to_string()))?;
        // A device has no size.
        if text.len() as u64 > MAX_FILE_SIZE {
            return Err(fail("it is too large to be one"));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let is_old = is_old(path);
        // The parser's message may quote a secret: only its position is told.
        let place = |error: serde_json::Error| {
            fail(&format!(
                "line {}, column {} is invalid",
                error.line(),
                error.column()
            ))
        };
        let document = if is_old {
            Document {
                auths: serde_json::from_slice(&text).map_err(place)?,
                ..Document::default()
            }
        } else {
            let document: Option<Document> = serde_json::from_slice(&text).map_err(place)?;
            document.unwrap_or_default()
        };
        if document.holds_a_secret()
            && let Some(warning) = exposure(path)
        {
            log::warn!("{warning}");
        }
        Ok(Some(ConfigFile {
            path: path.to_owned(),
            document,
        }))
    }

    /// Returns the helper for a host.
    pub fn helper_of(&self, registry: &Registry) -> Option<&str> {
        let helpers = self.document.cred_helpers.as_ref()?;
        let matching = |key: &&String| normalise(key) == (registry.to_string(), String::new());
        let key = helpers.keys().find(matching)?;
        helpers.get(key)?.as_deref().filter(|helper| !helper.is_empty())
    }

    /// Returns the helper for all hosts.
    pub fn store(&self) -> Option<&str> {
        self.document
            .creds_store
            .as_deref()
            .filter(|helper| !helper.is_empty())
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the keys of the entries for exactly this path of a registry, in any notation, and whether each has credentials.
    pub fn keys_of(&self, registry: &Registry, path: &str) -> Vec<(String, bool)> {
        let entries = self.document.entries();
        entries
            .filter(|(key, _)| is_key_of(key, registry, path))
            .map(|(key, entry)| (key.clone(), !matches!(entry.credential(), Ok(None))))
            .collect()
    }

    /// Returns the keys of a registry's other entries with credentials.
    pub fn other_keys_of(&self, registry: &Registry, path: &str) -> Vec<String> {
        let entries = self.document.entries();
        entries
            .filter(|(key, entry)| {
                let (host, prefix) = normalise(key);
                host == registry.as_str() && prefix != path && !matches!(entry.credential(), Ok(None))
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Returns key and entry with the longest path that covers a repository, unless empty.
    pub fn entry(
        &self,
        registry: &Registry,
        path: &str,
    ) -> Result<Option<(String, Credential)>, CredentialError> {
        let mut best: Option<(usize, &String, Credential)> = None;
        for (key, entry) in self.document.entries() {
            let (host, prefix) = normalise(key);
            let is_longer = best.as_ref().is_none_or(|(length, ..)| prefix.len() > *length);
            if host != registry.as_str() || !is_path_prefix(&prefix, path) || !is_longer {
                continue;
            }
            let found = entry.credential().map_err(|what| {
                CredentialError::new(format!(
                    "credentials file {}: the entry {key}: {what}",
                    self.path.display()
                ))
            })?;
            best = found.map(|found| (prefix.len(), key, found)).or(best);
        }
        Ok(best.map(|(_, key, credential)| (key.clone(), credential)))
    }
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken(Secret::new(token))));
        }
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Credential::RegistryToken(Secret::new(token))));
        }
        if let Some(mut auth) = given(&self.auth) {
            // The `base64` tool wraps its lines.
            auth.retain(|letter| !letter.is_ascii_whitespace());
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(auth)
                .map_err(|_| "\"auth\" isn't base64")?;
            let text = String::from_utf8(bytes).map_err(|_| "\"auth\" isn't text")?;
            let (username, password) = text.split_once(':').ok_or("\"auth\" has no colon in it")?;
            return Ok(Some(Credential::new(username, password.trim_end_matches('\0'))));
        }
        match (given(&self.username), given(&self.password)) {
            (Some(username), Some(password)) => Ok(Some(Credential::new(username, password))),
            _ => Ok(None),
        }
    }
}

/// Whether a file has the old format, with nothing but entries.
pub(super) fn is_old(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ".dockercfg")
}

/// Returns host and path of a key, which may be a URL.
fn normalise(key: &str) -> (String, String) {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = host
        .parse::<Registry>()
        .map_or_else(|_| host.to_ascii_lowercase(), |registry| registry.to_string());
    let path = path.trim_matches('/');
    // The API's version in a URL is no path of a repository.
    let path = if matches!(path, "v1" | "v2") { "" } else { path };
    (host, path.to_owned())
}

/// Whether a key is for exactly this path of a registry.
pub(super) fn is_key_of(key: &str, registry: &Registry, path: &str) -> bool {
    normalise(key) == (registry.to_string(), path.to_owned())
}

/// Returns the name under which helpers know a registry.
pub(super) fn server_name(registry: &Registry) -> String {
    if registry.is_docker_hub() {
        DOCKER_HUB_SERVER.to_owned()
    } else {
        registry.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> Result<Option<ConfigFile>, CredentialError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        ConfigFile::read(&path)
    }

    fn user(file: &ConfigFile, host: &str, path: &str) -> Option<String> {
        let (_, found) = file.entry(&host.parse().unwrap(), path).unwrap()?;
        found.username().map(str::to_owned)
    }

    #[test]
    fn the_longest_path_wins_and_keys_are_normalised() {
        // "hub:x", "old:x", "team:x", "app:x"
        let text = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"aHViOng="},
            "https://Hub.Local/v2/":{"auth":"b2xkOng="},
            "hub.local/team":{"auth":"dGVhbTp4"},
            "hub.local/team/app":{"username":"app","password":"x"},
            "hub.local/team/empty":{}
        }}"#;
        let file = file("config.json", text).unwrap().unwrap();
        let table = [
            ("docker.io", "library/alpine", Some("hub")),
            ("hub.local", "other", Some("old")),
            ("hub.local", "team/x", Some("team")),
            ("hub.local", "team/app/x", Some("app")),
            ("hub.local", "team/empty/x", Some("team")),
            ("hub.local:5000", "team", None),
        ];
        for (host, path, expected) in table {
            assert_eq!(user(&file, host, path).as_deref(), expected, "{host}/{path}");
        }
    }

    #[test]
    fn tokens_and_old_files_are_read() {
        let config = file(
            "config.json",
            r#"{"auths":{"a.b":{"auth":"dTpw","identitytoken":"t"},"c.d":{"registrytoken":"r"}}}"#,
        );
        let config = config.unwrap().unwrap();
        let get = |host: &str| {
            let found = config.entry(&host.parse().unwrap(), "x").unwrap();
            found.map(|(_, credential)| credential)
        };
        assert!(matches!(get("a.b"), Some(Credential::IdentityToken(_))));
        assert!(matches!(get("c.d"), Some(Credential::RegistryToken(_))));
        let old = file(".dockercfg", r#"{"https://a.b":{"auth":"dTpw","email":"x"}}"#)
            .unwrap()
            .unwrap();
        assert_eq!(user(&old, "a.b", "x").as_deref(), Some("u"));
    }

    #[test]
    fn line_breaks_in_base64_are_passed_over() {
        let token = "x".repeat(100);
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("robot:{token}"));
        let (first, second) = encoded.split_at(76);
        let auth = format!(" {first}\\r\\n{second}\\n");
        let text = format!(r#"{{"auths":{{"a.b":{{"auth":"{auth}"}}}}}}"#);
        let file = file("config.json", &text).unwrap().unwrap();
        let (_, found) = file.entry(&"a.b".parse().unwrap(), "x").unwrap().unwrap();
        assert_eq!(found, Credential::new("robot", token));
    }

    #[test]
    fn null_entries_are_ignored() {
        let host = "a.b".parse().unwrap();
        let entry = r#""a.b":{"auth":"dTpw"}"#;
        for (name, text) in [
            ("config.json", "null"),
            (
                "config.json",
                r#"{"auths":null,"credHelpers":null,"credsStore":null}"#,
            ),
            (
                "config.json",
                r#"{"auths":{"a.b":null},"credHelpers":{"a.b":null}}"#,
            ),
            (
                "config.json",
                r#"{"auths":{"a.b":{"auth":null,"username":null,"password":null,"identitytoken":null,"registrytoken":null}}}"#,
            ),
            (".dockercfg", "null"),
            (".dockercfg", r#"{"a.b":null}"#),
        ] {
            let file = file(name, text).unwrap().unwrap();
            assert_eq!(file.helper_of(&host), None, "{text}");
            assert_eq!(file.store(), None, "{text}");
            assert_eq!(file.entry(&host, "x").unwrap(), None, "{text}");
            assert_eq!(file.other_keys_of(&host, "x"), [""; 0], "{text}");
        }
        for (name, text) in [
            (
                "config.json",
                format!(r#"{{"auths":{{"c.d":null,{entry}}},"credHelpers":{{"c.d":null}}}}"#),
            ),
            (".dockercfg", format!(r#"{{"c.d":null,{entry}}}"#)),
        ] {
            let file = file(name, &text).unwrap().unwrap();
            assert_eq!(user(&file, "a.b", "x").as_deref(), Some("u"), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_without_end_is_no_credentials_file() {
        let error = ConfigFile::read(Path::new("/dev/zero")).err().unwrap();
        assert!(error.to_string().contains("too large"), "{error}");
    }

    #[test]
    fn broken_files_are_named_and_not_quoted() {
        assert!(file("config.json", "  \n").unwrap().is_none());
        let error = file("config.json", r#"{"auths":{"a.b":{"auth": secret}}}"#)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("config.json: line 1") && !error.contains("secret"),
            "{error}"
        );
        for auth in ["not base64", "bm9jb2xvbg=="] {
            let broken = file(
                "config.json",
                &format!(r#"{{"auths":{{"a.b":{{"auth":"{auth}"}}}}}}"#),
            )
            .unwrap()
            .unwrap();
            let error = broken
                .entry(&"a.b".parse().unwrap(), "x")
                .unwrap_err()
                .to_string();
            assert!(error.contains("a.b") && !error.contains(auth), "{error}");
        }
    }
}
