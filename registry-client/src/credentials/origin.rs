//! The origin of credentials.

use std::fmt;
use std::path::{Path, PathBuf};

/// The origin of credentials. `Display` shows it as `auths entry hub.local/team` or `docker config ~/.docker/config.json`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CredentialOrigin {
    /// The client's rule with this name ([`HostRule::repo`](crate::HostRule::repo)).
    Rule(String),
    /// What such a rule calls it ([`HostRule::credential_origin`](crate::HostRule::credential_origin)).
    Named(String),
    /// An entry of a credential file.
    File {
        /// The file.
        path: PathBuf,
        /// The entry's key: a host, with a path in it or as a URL.
        entry: String,
    },
    /// A credential helper: `pass` for the program `docker-credential-pass`.
    Helper(String),
    /// Another source.
    Other,
}

impl CredentialOrigin {
    /// Returns the origin of a file's entry.
    pub(crate) fn entry(file: &Path, key: &str) -> CredentialOrigin {
        CredentialOrigin::File {
            path: file.to_owned(),
            entry: key.to_owned(),
        }
    }
}

impl fmt::Display for CredentialOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialOrigin::Rule(repo) => write!(f, "auths entry {repo}"),
            CredentialOrigin::Named(origin) => f.write_str(origin),
            CredentialOrigin::File { path, entry } => {
                let is_dockers = path.file_name().is_some_and(|name| name == "config.json");
                let what = if is_dockers {
                    "docker config"
                } else {
                    "credentials file"
                };
                let home = std::env::var_os("HOME").map(PathBuf::from);
                write!(f, "{what} {} (entry {entry})", below(home.as_deref(), path))
            }
            CredentialOrigin::Helper(name) => write!(f, "credential helper {name}"),
            CredentialOrigin::Other => f.write_str("another source"),
        }
    }
}

/// Returns a path with `~` for the home folder.
fn below(home: Option<&Path>, path: &Path) -> String {
    let rest = home
        .filter(|home| home.parent().is_some())
        .and_then(|home| path.strip_prefix(home).ok());
    match rest {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_told_in_words_that_lead_there() {
        let file = |path: &str| CredentialOrigin::File {
            path: path.into(),
            entry: "hub.local".to_owned(),
        };
        let table = [
            (
                CredentialOrigin::Rule("hub.local/team".to_owned()),
                "auths entry hub.local/team",
            ),
            (
                file("/etc/d/config.json"),
                "docker config /etc/d/config.json (entry hub.local)",
            ),
            (
                file("/run/auth.json"),
                "credentials file /run/auth.json (entry hub.local)",
            ),
            (
                CredentialOrigin::Helper("pass".to_owned()),
                "credential helper pass",
            ),
        ];
        for (origin, text) in table {
            assert_eq!(origin.to_string(), text);
        }
    }

    #[test]
    fn the_home_folder_is_shortened_unless_it_is_the_root() {
        let home = |home: &str, path: &str| below(Some(Path::new(home)), Path::new(path));
        assert_eq!(
            home("/home/anna", "/home/anna/.docker/config.json"),
            "~/.docker/config.json"
        );
        assert_eq!(home("/home/anna", "/home/annabel/x"), "/home/annabel/x");
        assert_eq!(home("/", "/x"), "/x");
        assert_eq!(below(None, Path::new("/x")), "/x");
    }
}
