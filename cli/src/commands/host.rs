//! Hosts as `login`, `logout` and `check` name them, and how they are reached.

use transload_reference::{Reference, Registry, Repository};
use transload_registry_client::HostRule;

use crate::args::RegistryArgs;
use crate::jobs;
use crate::task::{Problem, TaskErrors};

/// A registry, and a path in it: none of it, a namespace or a repository.
pub(super) struct Host {
    pub registry: Registry,
    pub path: String,
}

impl Host {
    /// Reads `host` or `host/path`, with or without `oci://`.
    pub fn parse(argument: &str, text: &str) -> Result<Host, Problem> {
        let text = without_scheme(text).trim_end_matches('/');
        if let Some((scheme, rest)) = text.split_once("://") {
            let message = format!("{scheme}:// doesn't belong to a registry's name");
            // A user's name and password before the host aren't repeated.
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            let plain = if scheme.eq_ignore_ascii_case("http") {
                ", with --plain-http"
            } else {
                ""
            };
            return Err(Problem::of_file(argument, message).with_hint(format!("write {rest} alone{plain}")));
        }
        let wrong = |error: &dyn std::fmt::Display| Problem::of_file(argument, error.to_string());
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let registry: Registry = host.parse().map_err(|error| wrong(&error))?;
        if !path.is_empty() {
            Repository::new(registry.clone(), path).map_err(|error| wrong(&error))?;
        }
        Ok(Host {
            registry,
            path: path.to_owned(),
        })
    }

    /// The same, with a tag or a digest behind it allowed: what people have at hand is an image's name.
    pub fn parse_with_tag(argument: &str, text: &str) -> Result<Host, Problem> {
        let text = without_scheme(text);
        let last = text.rsplit('/').next().unwrap_or_default();
        match text.parse::<Reference>() {
            Ok(reference) if text.contains('/') && last.contains([':', '@']) => Ok(Host {
                registry: reference.registry().clone(),
                path: reference.repository().path().to_owned(),
            }),
            _ => Host::parse(argument, text),
        }
    }

    /// The repository, where there is a path.
    pub fn repository(&self) -> Option<Repository> {
        Repository::new(self.registry.clone(), &self.path).ok()
    }
}

fn without_scheme(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("oci://").unwrap_or(text)
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_str() {
            "" => self.registry.fmt(f),
            path => write!(f, "{}/{path}", self.registry),
        }
    }
}

/// The rules of `--auths`, with what the other options say of these registries.
pub(super) fn rules(registries: &[Registry], how: &RegistryArgs) -> Result<Vec<HostRule>, TaskErrors> {
    let mut rules = jobs::host_rules(registries, how)?;
    let is_named = |rule: &&mut HostRule| {
        let host = rule.repo.split('/').next();
        registries.iter().any(|registry| Some(registry.as_str()) == host)
    };
    for rule in rules.iter_mut().filter(is_named).filter(|_| how.is_insecure()) {
        rule.insecure = Some(true);
    }
    Ok(rules)
}
