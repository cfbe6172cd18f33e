//! What a token is asked to allow, as in `repository:library/alpine:pull`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use transload_reference::Repository;

/// Scopes by resource, in a fixed order whatever order they were added in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    pub fn pull(repository: &Repository) -> Scopes {
        Scopes::default().and(repository, &["pull"])
    }

    pub fn push(repository: &Repository) -> Scopes {
        Scopes::default().and(repository, &["pull", "push"])
    }

    pub fn and(mut self, repository: &Repository, actions: &[&str]) -> Scopes {
        let resource = format!("repository:{}", repository.path());
        let known = self.0.entry(resource).or_default();
        known.extend(actions.iter().map(|action| (*action).to_owned()));
        self
    }

    /// Adds what a challenge asks for: scopes with spaces between them.
    pub fn add(&mut self, text: &str) {
        for scope in text.split_ascii_whitespace() {
            if let Some((resource, actions)) = scope.rsplit_once(':') {
                let known = self.0.entry(resource.to_owned()).or_default();
                known.extend(
                    actions
                        .split(',')
                        .filter(|action| !action.is_empty())
                        .map(str::to_owned),
                );
            }
        }
    }

    /// Each scope on its own.
    pub fn each(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(resource, actions)| {
            let actions: Vec<_> = actions.iter().map(String::as_str).collect();
            format!("{resource}:{}", actions.join(","))
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.each().collect();
        f.write_str(&all.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_sorted_and_merged() {
        let to: Repository = "hub.local/b".parse().unwrap();
        let from: Repository = "hub.local/a/a".parse().unwrap();
        let mut scopes = Scopes::push(&to).and(&from, &["pull"]);
        assert_eq!(scopes.to_string(), "repository:a/a:pull repository:b:pull,push");
        let before = scopes.clone();
        scopes.add("repository:b:push,pull");
        assert_eq!(scopes, before);
        scopes.add("registry:catalog:* broken repository:host:5000/x:pull");
        assert_eq!(
            scopes.to_string(),
            "registry:catalog:* repository:a/a:pull repository:b:pull,push repository:host:5000/x:pull"
        );
    }
}
