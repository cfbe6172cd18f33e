//! Settings of hosts: credentials, TLS and transport.

use std::path::PathBuf;

use transload_reference::{Registry, Repository};

use crate::credentials::CredentialOrigin;
use crate::secret::Secret;

/// Credentials for a registry. `Debug` shows the user name and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// A user name and a password, or an access token in its place.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An OAuth2 refresh token, which is exchanged for access tokens
    /// ([specification](https://distribution.github.io/distribution/spec/auth/oauth/)).
    IdentityToken(Secret),
    /// A bearer token to send as it is.
    RegistryToken(Secret),
}

/// The user name that marks the password as an identity token.
pub(crate) const IDENTITY_TOKEN_USER: &str = "<token>";

impl Credential {
    /// Returns credentials of a user name and a password. The name `<token>` marks the password as an identity token, as in credential helpers.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Credential {
        let username = username.into();
        let password = Secret::new(password);
        if username == IDENTITY_TOKEN_USER {
            Credential::IdentityToken(password)
        } else {
            Credential::Basic { username, password }
        }
    }

    /// Returns the user name, if there is one.
    pub fn username(&self) -> Option<&str> {
        match self {
            Credential::Basic { username, .. } => Some(username),
            _ => None,
        }
    }

    /// Returns whether the user is a robot account of Harbor, by the default prefix of their names.
    pub(crate) fn is_robot(&self) -> bool {
        self.username().is_some_and(|name| name.starts_with("robot$"))
    }
}

/// The settings of a registry, or of the repositories below a path in it.
///
/// ```
/// use transload_registry_client::{Credential, HostRule};
///
/// let mut rule = HostRule::new("hub.local/team");
/// rule.credential = Some(Credential::new("robot", "password"));
/// rule.ca_file = Some("/etc/ssl/hub.pem".into());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HostRule {
    /// `host` or `host/path-prefix`, without scheme. The longest rule that matches wins.
    pub repo: String,
    /// The credentials; without them, the client's [`CredentialSource`](crate::CredentialSource) is asked.
    pub credential: Option<Credential>,
    /// Where they come from, for messages: `--creds`. `None`: the rule's entry in a list (`auths entry REPO`).
    pub credential_origin: Option<String>,
    /// Whether the host's certificates, but not a proxy's, go unverified (default: false).
    pub insecure: Option<bool>,
    /// Whether to speak plain HTTP. `None`: HTTPS. A registry on this machine is also probed for plain HTTP if this rule has neither
    /// credentials nor certificates; no credentials are sent over it.
    pub plain_http: Option<bool>,
    /// A file with certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// A file with a client certificate and its chain (PEM).
    pub cert_file: Option<PathBuf>,
    /// A file with that certificate's private key (PEM).
    pub key_file: Option<PathBuf>,
}

impl HostRule {
    /// Returns a rule for `host` or `host/path-prefix` with default settings.
    pub fn new(repo: impl Into<String>) -> HostRule {
        HostRule {
            repo: repo.into(),
            ..HostRule::default()
        }
    }

    /// Returns the origin of its credentials.
    pub(crate) fn origin(&self) -> CredentialOrigin {
        match &self.credential_origin {
            Some(origin) => CredentialOrigin::Named(origin.clone()),
            None => CredentialOrigin::Rule(self.repo.clone()),
        }
    }
}

/// A rule with its name parsed.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub registry: Registry,
    pub prefix: String,
    pub settings: HostRule,
}

impl Rule {
    fn read(settings: HostRule) -> Result<Rule, String> {
        let name = settings.repo.trim();
        let name = name
            .strip_prefix("https://")
            .or_else(|| name.strip_prefix("http://"))
            .unwrap_or(name)
            .trim_end_matches('/');
        let (host, prefix) = name.split_once('/').unwrap_or((name, ""));
        let registry: Registry = host
            .parse()
            .map_err(|error| format!("the rule for \"{}\" names no host: {error}", settings.repo))?;
        Ok(Rule {
            registry,
            prefix: prefix.trim_end_matches('/').to_owned(),
            settings,
        })
    }

    fn matches(&self, registry: &Registry, path: &str) -> bool {
        self.registry == *registry && is_path_prefix(&self.prefix, path)
    }
}

/// Returns whether `prefix` is `path` or a folder above it.
pub(crate) fn is_path_prefix(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// All rules of a client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub fn read(settings: Vec<HostRule>) -> Result<Rules, String> {
        settings
            .into_iter()
            .map(Rule::read)
            .collect::<Result<_, _>>()
            .map(Rules)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// Returns the index of the longest rule that matches; of two equal ones, the later.
    pub fn find(&self, registry: &Registry, path: &str) -> Option<usize> {
        let matching = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.matches(registry, path));
        matching
            .max_by_key(|(_, rule)| rule.prefix.len())
            .map(|(at, _)| at)
    }

    pub fn get(&self, index: Option<usize>) -> Option<&HostRule> {
        self.0.get(index?).map(|rule| &rule.settings)
    }

    /// Returns the index of a repository's rule.
    pub fn of(&self, repository: &Repository) -> Option<usize> {
        self.find(repository.registry(), repository.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_matching_rule_wins() {
        let names = [
            "hub.local",
            "hub.local/team",
            "hub.local/team/app",
            "index.docker.io",
            "hub.local:5000",
        ];
        let rules = Rules::read(names.map(HostRule::new).to_vec()).unwrap();
        let table = [
            ("hub.local", "other/app", Some(0)),
            ("hub.local", "team", Some(1)),
            ("hub.local", "team/x", Some(1)),
            ("hub.local", "team/app/x", Some(2)),
            ("hub.local", "team/application", Some(1)),
            ("hub.local", "teams/app", Some(0)),
            ("docker.io", "library/alpine", Some(3)),
            ("hub.local:5000", "team/app", Some(4)),
            ("hub.local:5001", "team/app", None),
            ("elsewhere", "team/app", None),
        ];
        for (host, path, expected) in table {
            let registry = host.parse().unwrap();
            assert_eq!(rules.find(&registry, path), expected, "{host}/{path}");
        }
    }

    #[test]
    fn of_two_rules_alike_the_later_wins() {
        let rules = Rules::read(vec![HostRule::new("a.b"), HostRule::new("a.b/")]).unwrap();
        assert_eq!(rules.find(&"a.b".parse().unwrap(), "x"), Some(1));
    }

    #[test]
    fn a_rule_may_be_written_as_a_url_and_must_name_a_host() {
        assert_eq!(
            Rules::read(vec![HostRule::new("https://a.b/c/")])
                .unwrap()
                .find(&"a.b".parse().unwrap(), "c/d"),
            Some(0)
        );
        for bad in ["", "/x", "a b", "host:port"] {
            assert!(Rules::read(vec![HostRule::new(bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_credential_shows_no_secret() {
        let shown = format!("{:?}", Credential::new("anna", "hunter2"));
        assert!(shown.contains("anna") && !shown.contains("hunter2"), "{shown}");
        assert!(matches!(
            Credential::new("<token>", "x"),
            Credential::IdentityToken(_)
        ));
    }
}
