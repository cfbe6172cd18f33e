//! Stores and removes credentials where docker, podman and their relatives look for them.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::{Map, Value, json};
use transload_reference::Registry;

use super::docker::{self, ConfigFile, is_key_of};
use super::{CredentialError, CredentialOrigin, DefaultCredentials, file, helper};
use crate::config::{Credential, IDENTITY_TOKEN_USER};

/// The result of removing credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forgotten {
    /// The places from which credentials were removed.
    pub removed: Vec<CredentialOrigin>,
    /// The places that still have credentials for other paths of the registry.
    pub left: Vec<CredentialOrigin>,
}

/// The fields of an entry with credentials.
const SECRET_FIELDS: [&str; 5] = ["auth", "username", "password", "identitytoken", "registrytoken"];

impl DefaultCredentials {
    /// Stores credentials for a registry, or for the repositories below `path` (empty for all): in the file that has some for it, else in that
    /// of `REGISTRY_AUTH_FILE` or `DOCKER_CONFIG`, else in the first that exists, else in a new `~/.docker/config.json`; with the credential
    /// helper that this file names for the registry, if it names one.
    ///
    /// # Errors
    /// If there is no home folder, the file can't be read or written, the helper fails, or a helper would have to store those of a path.
    pub fn keep(
        &self,
        registry: &Registry,
        path: &str,
        credential: &Credential,
    ) -> Result<CredentialOrigin, CredentialError> {
        let to = self.place_for(registry, path)?;
        let known = self.files()?.iter().find(|file| file.path() == to);
        let server = docker::server_name(registry);
        let key = match path {
            "" => server.clone(),
            path => format!("{registry}/{path}"),
        };
        if let Some(helper) = known.and_then(|file| file.helper_of(registry).or(file.store())) {
            if !path.is_empty() {
                return Err(CredentialError::new(format!(
                    "{} leaves credentials to the helper {}, which keeps them for whole registries only: log in to {registry}",
                    to.display(),
                    helper::program(helper)
                )));
            }
            helper::store(helper, &server, credential)?;
            // An old password in the file would win. Docker marks the hosts of its helper with an empty entry.
            change_entries(&to, registry, path, |entries, old| {
                entries.insert(key, Value::Object(old));
            })?;
            return Ok(CredentialOrigin::Helper(helper.to_owned()));
        }
        let origin = CredentialOrigin::entry(&to, &key);
        change_entries(&to, registry, path, |entries, mut entry| {
            entry.extend(fields(credential));
            entries.insert(key, Value::Object(entry));
        })?;
        Ok(origin)
    }

    /// Removes the credentials for exactly this path of a registry from every file and helper.
    ///
    /// # Errors
    /// If a file can't be read or written, or a helper fails.
    pub fn forget(&self, registry: &Registry, path: &str) -> Result<Forgotten, CredentialError> {
        let server = docker::server_name(registry);
        let mut forgotten = Forgotten::default();
        for file in self.files()? {
            let helpers = [file.helper_of(registry), file.store()];
            for helper in helpers.into_iter().flatten().filter(|_| path.is_empty()) {
                if self.ask(helper, &server)?.is_some() {
                    helper::erase(helper, &server)?;
                    forgotten
                        .removed
                        .push(CredentialOrigin::Helper(helper.to_owned()));
                }
            }
            let keys = file.keys_of(registry, path);
            if !keys.is_empty() {
                change_entries(file.path(), registry, path, |_, _| {})?;
            }
            // An empty entry marks a host of the helper.
            let with_credentials = keys.iter().filter(|(_, has_credentials)| *has_credentials);
            let removed = with_credentials.map(|(key, _)| CredentialOrigin::entry(file.path(), key));
            forgotten.removed.extend(removed);
            let others = file.other_keys_of(registry, path);
            let left = others.iter().map(|key| CredentialOrigin::entry(file.path(), key));
            forgotten.left.extend(left);
        }
        Ok(forgotten)
    }

    /// Returns the file to store credentials in: no earlier file may have some for the registry.
    fn place_for(&self, registry: &Registry, path: &str) -> Result<PathBuf, CredentialError> {
        let files = self.files()?;
        let is_writable = |file: &&ConfigFile| !docker::is_old(file.path());
        for file in files.iter().filter(is_writable) {
            if self.chosen.as_deref() == Some(file.path()) || self.answers_for(file, registry, path)? {
                return Ok(file.path().to_owned());
            }
        }
        let first = files.iter().find(is_writable).map(|file| file.path().to_owned());
        self.chosen
            .clone()
            .or(first)
            .or_else(|| self.new_file.clone())
            .ok_or_else(|| {
                CredentialError::new(
                    "there is no home directory to keep credentials in: set DOCKER_CONFIG or HOME",
                )
            })
    }

    fn answers_for(
        &self,
        file: &ConfigFile,
        registry: &Registry,
        path: &str,
    ) -> Result<bool, CredentialError> {
        // An unreadable entry hides those after it.
        if file.helper_of(registry).is_some() || !matches!(file.entry(registry, path), Ok(None)) {
            return Ok(true);
        }
        match file.store() {
            Some(helper) => Ok(self.ask(helper, &docker::server_name(registry))?.is_some()),
            None => Ok(false),
        }
    }
}

/// Replaces all entries for exactly this path of a registry, in any notation, with the one of `put`, which gets their other fields.
fn change_entries(
    path: &Path,
    registry: &Registry,
    prefix: &str,
    put: impl FnOnce(&mut Map<String, Value>, Map<String, Value>),
) -> Result<(), CredentialError> {
    file::change(path, |document| {
        let entries = if docker::is_old(path) {
            document
        } else {
            let entries = document.entry("auths").or_insert_with(|| json!({}));
            if !entries.is_object() {
                *entries = json!({});
            }
            match entries.as_object_mut() {
                Some(entries) => entries,
                None => return,
            }
        };
        let mut old = Map::new();
        entries.retain(|key, entry| {
            let is_it = is_key_of(key, registry, prefix);
            if let (true, Value::Object(entry)) = (is_it, entry) {
                old.append(entry);
            }
            !is_it
        });
        old.retain(|name, _| !SECRET_FIELDS.contains(&name.as_str()));
        put(entries, old);
    })
}

/// Returns the fields of an entry with credentials, as docker writes them.
fn fields(credential: &Credential) -> Vec<(String, Value)> {
    let encode = |username: &str, password: &str| {
        let pair = format!("{username}:{password}");
        Value::String(base64::engine::general_purpose::STANDARD.encode(pair))
    };
    match credential {
        Credential::Basic { username, password } => {
            vec![("auth".to_owned(), encode(username, password.expose()))]
        }
        Credential::IdentityToken(token) => vec![
            ("auth".to_owned(), encode(IDENTITY_TOKEN_USER, "")),
            ("identitytoken".to_owned(), token.expose().into()),
        ],
        Credential::RegistryToken(token) => vec![("registrytoken".to_owned(), token.expose().into())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::CredentialSource as _;

    #[test]
    fn concurrent_changes_of_a_credential_file_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/config.json");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let file = file.clone();
                scope.spawn(move || {
                    let source = DefaultCredentials::from_files(vec![file]);
                    let registry = format!("host{number}.example").parse().unwrap();
                    source.keep(&registry, "", &Credential::new("u", "p")).unwrap();
                });
            }
        });
        let source = DefaultCredentials::from_files(vec![file.clone()]);
        for number in 0..16 {
            let registry = format!("host{number}.example").parse().unwrap();
            let (found, origin) = source.find(&registry, "team/app").unwrap().unwrap();
            assert_eq!(found, Credential::new("u", "p"));
            assert_eq!(origin, CredentialOrigin::entry(&file, registry.as_str()));
        }
        let names = std::fs::read_dir(file.parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1, "nothing is left beside it");
    }

    #[test]
    fn removed_credentials_are_removed_from_every_file_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["auth.json", "config.json", ".dockercfg"].map(|name| folder.path().join(name));
        let entries = r#""https://a.b/v1/":{"auth":"dTpw"},"a.b/team":{"auth":"dTpw"},"c.d":{"auth":"dTpw"}"#;
        std::fs::write(&files[0], format!(r#"{{"auths":{{{entries}}},"other":1}}"#)).unwrap();
        std::fs::write(&files[1], r#"{"auths":{"a.b":{}}}"#).unwrap();
        std::fs::write(&files[2], format!("{{{entries}}}")).unwrap();
        let source = DefaultCredentials::from_files(files.to_vec());
        let registry = "a.b".parse().unwrap();
        let forgotten = source.forget(&registry, "").unwrap();
        let of = |key: &str| {
            [&files[0], &files[2]]
                .map(|file| CredentialOrigin::entry(file, key))
                .to_vec()
        };
        assert_eq!(forgotten.removed, of("https://a.b/v1/"));
        assert_eq!(forgotten.left, of("a.b/team"));
        let source = DefaultCredentials::from_files(files.to_vec());
        assert_eq!(source.find(&registry, "x").unwrap(), None);
        assert!(source.find(&registry, "team/x").unwrap().is_some());
        assert!(source.find(&"c.d".parse().unwrap(), "x").unwrap().is_some());
        assert!(
            std::fs::read_to_string(&files[0])
                .unwrap()
                .contains("\"other\": 1")
        );
    }

    #[test]
    fn a_bare_name_is_a_file_in_the_current_directory() {
        let here = std::env::current_dir().unwrap();
        let file = tempfile::NamedTempFile::new_in(&here).unwrap();
        let name = file.path().strip_prefix(&here).unwrap();
        file::change(name, |document| drop(document.insert("a".to_owned(), json!(1)))).unwrap();
        assert_eq!(
            std::fs::read_to_string(file.path()).unwrap(),
            "{\n\t\"a\": 1\n}\n"
        );
    }

    /// Only root can play another user.
    #[cfg(unix)]
    #[test]
    fn a_link_that_another_user_laid_where_everyone_may_is_not_followed() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
        let folder = tempfile::tempdir().unwrap();
        if folder.path().metadata().unwrap().uid() != 0 {
            return;
        }
        let shared = folder.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
        let (link, precious) = (shared.join("link"), folder.path().join("precious"));
        std::fs::write(&precious, "{}").unwrap();
        symlink(&precious, &link).unwrap();
        lchown(&link, Some(12345), None).unwrap();
        let error = file::change(&link, |_| {}).unwrap_err().to_string();
        assert!(error.contains("belongs to another user"), "{error}");
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "{}");
        lchown(&link, Some(0), None).unwrap();
        file::change(&link, |_| {}).unwrap();
    }

    #[test]
    fn a_loop_of_links_and_a_file_without_an_object_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.json");
        std::fs::write(&list, "[\"secret\"]").unwrap();
        let error = file::change(&list, |_| {}).unwrap_err().to_string();
        assert!(
            error.ends_with("it isn't a JSON object") && !error.contains("secret"),
            "{error}"
        );
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("link", &link).unwrap();
            let error = file::change(&link, |_| {}).unwrap_err().to_string();
            assert!(error.contains("too many symbolic links"), "{error}");
        }
    }
}
