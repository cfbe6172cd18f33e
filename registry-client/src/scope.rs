//! Scopes of tokens, as in `repository:library/alpine:pull`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use transload_reference::Repository;

/// The prefix of a repository's resource.
const REPOSITORY: &str = "repository:";

/// Scopes by resource, sorted.
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
        let resource = format!("{REPOSITORY}{}", repository.path());
        let known = self.0.entry(resource).or_default();
        known.extend(actions.iter().map(|action| (*action).to_owned()));
        self
    }

    /// Adds the scopes of a challenge, separated by spaces.
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

    /// Adds actions at a resource, as in `repository:library/alpine`.
    pub fn allow(&mut self, resource: String, actions: impl IntoIterator<Item = String>) {
        self.0.entry(resource).or_default().extend(actions);
    }

    /// Adds other scopes.
    pub fn merge(&mut self, others: &Scopes) {
        for (resource, actions) in &others.0 {
            self.allow(resource.clone(), actions.iter().cloned());
        }
    }

    /// Whether these include all of the others.
    pub fn cover(&self, others: &Scopes) -> bool {
        others.0.iter().all(|(resource, actions)| {
            self.0
                .get(resource)
                .is_some_and(|known| known.contains("*") || known.is_superset(actions))
        })
    }

    /// Returns how many of the others' resources these name, with any action.
    pub fn count_named(&self, others: &Scopes) -> usize {
        others
            .0
            .keys()
            .filter(|resource| self.0.contains_key(*resource))
            .count()
    }

    /// Returns the number of resources.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the paths of the repositories.
    pub fn repositories(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .filter_map(|resource| resource.strip_prefix(REPOSITORY))
    }

    /// Estimates the size in bytes of a signed token that allows all of these.
    pub fn token_size(&self) -> usize {
        // Header, claims and a signature of 4096 bits; each scope as a JSON object.
        let scope = |(resource, actions): (&String, &BTreeSet<String>)| {
            let actions: usize = actions.iter().map(|action| action.len() + 3).sum();
            40 + resource.len() + actions
        };
        1300 + self.0.iter().map(scope).sum::<usize>() * 4 / 3
    }

    /// Returns each scope as text.
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

    #[test]
    fn scopes_cover_others_with_every_resource_and_action() {
        let [to, from]: [Repository; 2] = ["hub.local/b", "hub.local/a"].map(|name| name.parse().unwrap());
        let wide = Scopes::push(&to).and(&from, &["pull"]);
        assert!(wide.cover(&Scopes::pull(&to)) && wide.cover(&Scopes::push(&to)) && wide.cover(&wide));
        assert!(wide.cover(&Scopes::default()));
        assert!(!wide.cover(&Scopes::push(&from)) && !Scopes::push(&to).cover(&wide));
        let mut all = Scopes::default();
        all.allow("repository:b".to_owned(), ["*".to_owned()]);
        assert!(all.cover(&Scopes::push(&to)));
        assert_eq!((all.count_named(&wide), wide.count_named(&wide)), (1, 2));
        assert_eq!(wide.repositories().collect::<Vec<_>>(), ["a", "b"]);
    }
}
