//! `auths`: credentials and transport settings by host.

use std::path::PathBuf;

use transload_reference::{Registry, Repository};
use transload_registry_client::{Client, Credential, HostRule};

use super::fields::Fields;
use super::files;
use super::keys::AUTH;
use super::reader::{Reader, describe, shortened};
use super::yaml::{Id, Node, Yaml};

/// An entry, of which the host may still have to be found out.
pub(super) struct Auth {
    at: Id,
    repo: Option<String>,
    /// Whether the host was given as `registry`.
    is_by_host: bool,
    credential: Option<Credential>,
    insecure: Option<bool>,
    plain_http: Option<bool>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

impl Auth {
    /// The rule for the client. `named` are the registries that the task's src and dest name; `insecure` is the setting for
    /// an entry that has none.
    pub(super) fn into_rule(
        self,
        named: &[Registry],
        insecure: bool,
        reader: &mut Reader<'_>,
    ) -> Option<HostRule> {
        let repo = match self.repo {
            Some(repo) => repo,
            None => match named {
                [registry] => registry.to_string(),
                [] => {
                    let message = "this entry has no `repo`, and neither src nor dest names the registry that it is for";
                    reader
                        .sink
                        .error(self.at, message)
                        .hint("add `repo: the.registry`");
                    return None;
                }
                several => {
                    let names: Vec<_> = several.iter().map(Registry::as_str).collect();
                    let message = format!(
                        "this entry has no `repo`, and src and dest name several registries: {}",
                        names.join(", ")
                    );
                    reader
                        .sink
                        .error(self.at, message)
                        .hint("add `repo: the.registry`");
                    return None;
                }
            },
        };
        let mut rule = HostRule::new(repo);
        rule.credential = self.credential;
        rule.insecure = self.insecure.or(insecure.then_some(true));
        rule.plain_http = self.plain_http;
        rule.ca_file = self.ca_file;
        rule.cert_file = self.cert_file;
        rule.key_file = self.key_file;
        Some(rule)
    }
}

/// Reads a list of entries, or a text that renders to one.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Vec<Auth> {
    let rendered;
    let list = match &node.value {
        Yaml::Text(_) => match reader.value("auths", node) {
            Some(value) => {
                rendered = Node::literal(node.id, &value);
                &rendered
            }
            None => return Vec::new(),
        },
        _ => node,
    };
    match &list.value {
        Yaml::Null => Vec::new(),
        Yaml::Text(text) if text.trim().is_empty() => Vec::new(),
        Yaml::List(entries) => {
            let entries = entries.iter().filter_map(|entry| read_entry(entry, reader));
            first_of_each_host(entries.collect(), reader)
        }
        found => {
            // A text here may well be a secret: it isn't shown.
            let found = if matches!(found, Yaml::Text(_)) {
                "a text".to_owned()
            } else {
                describe(list)
            };
            reader.sink.error(
                node.id,
                format!("`auths` must be a list of mappings, not {found}"),
            );
            Vec::new()
        }
    }
}

/// Of several entries by `registry` for one host the first, as in KubeKey.
fn first_of_each_host(entries: Vec<Auth>, reader: &mut Reader<'_>) -> Vec<Auth> {
    let mut kept: Vec<Auth> = Vec::new();
    for entry in entries {
        let is_like = |other: &Auth| other.is_by_host && entry.is_by_host && other.repo == entry.repo;
        match &entry.repo {
            Some(host) if kept.iter().any(is_like) => {
                let message = format!("an entry before this one is for {host}: it is taken, as in KubeKey");
                reader.sink.warn(entry.at, message);
            }
            _ => kept.push(entry),
        }
    }
    kept
}

fn read_entry(entry: &Node, reader: &mut Reader<'_>) -> Option<Auth> {
    if !matches!(entry.value, Yaml::Map(_)) {
        let found = if matches!(entry.value, Yaml::Text(_)) {
            "a text".to_owned()
        } else {
            describe(entry)
        };
        reader.sink.error(
            entry.id,
            format!("an entry of `auths` must be a mapping, not {found}"),
        );
        return None;
    }
    let errors = reader.sink.error_count();
    let fields = Fields::of("an entry of `auths`", entry, reader.sink)?;
    fields.check(&AUTH.names(), reader.sink);
    let repo = fields.either("repo", "registry", reader.sink);
    let repo = repo.and_then(|node| {
        reader
            .text("repo", node)
            .and_then(|text| checked_repo(node.id, &text, reader))
    });
    let repo = match fields.get("registry") {
        Some(node) => repo.map(|repo| repo.map(|repo| whole_registry(node.id, repo, reader))),
        None => repo,
    };
    let insecure = fields.either("insecure", "skip_tls_verify", reader.sink);
    let insecure = insecure.and_then(|node| reader.flag("insecure", node));
    let plain_http = fields
        .get("plain_http")
        .and_then(|node| reader.flag("plain_http", node));
    let credential = credential(&fields, reader);
    let mut file = |name: &'static str| {
        let node = fields.get(name)?;
        let path = PathBuf::from(reader.text(name, node)?);
        // Empty is as good as none: templates give that.
        if path.as_os_str().is_empty() {
            return None;
        }
        if let Err((message, hint)) = files::check(&path) {
            let note = reader.sink.error(node.id, format!("`{name}`: {message}"));
            if let Some(hint) = hint {
                note.hint(hint);
            }
        }
        Some(path)
    };
    let (ca_file, cert_file, key_file) = (file("ca_file"), file("cert_file"), file("key_file"));
    match (fields.get("cert_file"), fields.get("key_file")) {
        (Some(given), None) => {
            reader
                .sink
                .error(given.id, "`cert_file` needs the `key_file` that belongs to it");
        }
        (None, Some(given)) => {
            reader
                .sink
                .error(given.id, "`key_file` needs the `cert_file` that belongs to it");
        }
        _ => {}
    }
    if reader.sink.error_count() == errors {
        let mut rule = HostRule::new("localhost");
        rule.ca_file = ca_file.clone();
        rule.cert_file = cert_file.clone();
        rule.key_file = key_file.clone();
        check_content(rule, &fields, reader);
    }
    (reader.sink.error_count() == errors).then_some(Auth {
        at: entry.id,
        repo: repo.flatten(),
        is_by_host: fields.get("registry").is_some(),
        credential,
        insecure,
        plain_http,
        ca_file,
        cert_file,
        key_file,
    })
}

/// Whether the certificates and keys of an entry can be used.
fn check_content(rule: HostRule, fields: &Fields<'_>, reader: &mut Reader<'_>) {
    let prefix = format!("{}: ", rule.repo);
    let client = Client::builder()
        .hosts(vec![rule])
        .proxies_from_env(false)
        .build();
    let Err(error) = client else { return };
    let text = error.kind().to_string();
    let text = text.strip_prefix(&prefix).unwrap_or(&text);
    let (name, what) = text.split_once(' ').unwrap_or(("", text));
    match fields.get(name) {
        Some(node) => {
            let note = reader.sink.error(node.id, format!("`{name}`: {what}"));
            if name != "key_file" {
                note.hint("a certificate in PEM begins with -----BEGIN CERTIFICATE-----");
            }
        }
        None => {
            reader.sink.error(fields.at, text);
        }
    }
}

/// A host or a host and the beginning of repositories' paths. Empty is as good as none: templates give that.
fn checked_repo(at: Id, text: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let name = text.trim();
    if let Some((scheme @ ("http" | "https"), rest)) = name.split_once("://") {
        let rest = rest.split('@').next_back().unwrap_or(rest).trim_end_matches('/');
        let note = reader
            .sink
            .error(at, format!("`repo` is a host, without {scheme}://"));
        match scheme {
            "http" => note.hint(format!("write `repo: {rest}` and `plain_http: true`")),
            _ => note.hint(format!("write `repo: {rest}`")),
        }
        return None;
    }
    let name = name.strip_prefix("oci://").unwrap_or(name).trim_end_matches('/');
    if name.is_empty() {
        return Some(None);
    }
    let (host, path) = name
        .split_once('/')
        .map_or((name, None), |(host, path)| (host, Some(path)));
    let checked = host.parse::<Registry>().and_then(|registry| match path {
        Some(path) => Repository::new(registry.clone(), path).map(|_| format!("{registry}/{path}")),
        None => Ok(registry.to_string()),
    });
    match checked {
        Ok(repo) => Some(Some(repo)),
        Err(cause) => {
            let message = format!(
                "`repo: {}` is neither a host nor a host and a path: {cause}",
                shortened(name)
            );
            reader.sink.error(at, message);
            None
        }
    }
}

/// The registry alone of what stands under `registry`, since KubeKey compares the host alone.
fn whole_registry(at: Id, repo: String, reader: &mut Reader<'_>) -> String {
    let Some((host, _)) = repo.split_once('/') else {
        return repo;
    };
    let message = format!("`registry: {repo}` stands for all of {host}, as in KubeKey");
    let hint = format!("write `repo: {repo}` for its repositories below this path alone");
    reader.sink.warn(at, message).hint(hint);
    host.to_owned()
}

fn credential(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Credential> {
    let (username, password) = (fields.get("username"), fields.get("password"));
    let name = username.and_then(|node| reader.text("username", node));
    let word = password.and_then(|node| reader.text("password", node));
    match (username, password) {
        (None, None) => None,
        (Some(given), None) => {
            reader.sink.error(given.id, "`username` needs a `password`");
            None
        }
        (None, Some(given)) => {
            reader.sink.error(given.id, "`password` needs a `username`");
            None
        }
        (Some(name_node), Some(word_node)) => match (name?, word?) {
            // What templates give where no credentials are set.
            (name, word) if name.is_empty() && word.is_empty() => None,
            (_, word) if word.is_empty() => {
                reader
                    .sink
                    .error(word_node.id, "`password` is empty, and `username` isn't");
                None
            }
            (name, _) if name.is_empty() => {
                reader
                    .sink
                    .error(name_node.id, "`username` is empty, and `password` isn't");
                None
            }
            (username, password) => Some(Credential::new(username, password)),
        },
    }
}
