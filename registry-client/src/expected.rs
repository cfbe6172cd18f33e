//! The repositories that a run will need, so that one token can serve many of them.

use std::collections::HashMap;
use std::sync::Mutex;

use transload_reference::{Registry, Repository};

use crate::core::lock;
use crate::scope::Scopes;

/// The access that a run needs to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// Read.
    Pull,
    /// Write, and look up.
    Push,
}

/// The needs by registry, in the order in which they arise.
#[derive(Default)]
pub(crate) struct Expected(Mutex<HashMap<Registry, Plan>>);

#[derive(Default)]
struct Plan {
    turns: Vec<(Repository, Needs)>,
    /// The index of each repository, by path.
    permits: HashMap<String, usize>,
}

/// What a run needs of a repository: less than its scopes, since there may be thousands of repositories.
#[derive(Default)]
struct Needs {
    pull: bool,
    push: bool,
}

impl Needs {
    fn add(&mut self, need: Need) {
        match need {
            Need::Pull => self.pull = true,
            Need::Push => self.push = true,
        }
    }

    fn scopes(&self, repository: &Repository) -> Scopes {
        let mut scopes = Scopes::default();
        if self.pull {
            scopes.merge(&Scopes::pull(repository));
        }
        if self.push {
            scopes.merge(&Scopes::push(repository));
        }
        scopes
    }
}

impl Expected {
    pub fn add(&self, repository: &Repository, need: Need) {
        let mut plans = lock(&self.0);
        let plan = plans.entry(repository.registry().clone()).or_default();
        match plan.permits.get(repository.path()) {
            Some(&place) => plan.turns[place].1.add(need),
            None => {
                plan.permits
                    .insert(repository.path().to_owned(), plan.turns.len());
                let mut needs = Needs::default();
                needs.add(need);
                plan.turns.push((repository.clone(), needs));
            }
        }
    }

    /// Returns the batch of at most `most` repositories that the one at `path` is in, with their needs. All of a batch get the same answer.
    /// `None` if the repository wasn't announced.
    pub fn batch(&self, registry: &Registry, path: &str, most: usize) -> Vec<(Repository, Scopes)> {
        let plans = lock(&self.0);
        let Some(plan) = plans.get(registry) else {
            return Vec::new();
        };
        let Some(place) = plan.permits.get(path) else {
            return Vec::new();
        };
        let batch = plan.turns.chunks(most.max(1)).nth(place / most.max(1));
        let batch = batch.unwrap_or_default().iter();
        batch
            .map(|(repository, needs)| (repository.clone(), needs.scopes(repository)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_repositories_of_a_batch_get_the_same_batch_and_their_needs_add_up() {
        let expected = Expected::default();
        let repository = |name: &str| name.parse::<Repository>().unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            expected.add(&repository(&format!("hub.local/{name}")), Need::Pull);
        }
        expected.add(&repository("other.local/x"), Need::Pull);
        expected.add(&repository("hub.local/b"), Need::Push);
        let hub = "hub.local".parse().unwrap();
        let batch = |path: &str, most| {
            let batch = expected.batch(&hub, path, most);
            batch
                .iter()
                .map(|(_, scopes)| scopes.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(batch("a", 2), ["repository:a:pull", "repository:b:pull,push"]);
        assert_eq!(batch("a", 2), batch("b", 2));
        assert_eq!(batch("e", 2), ["repository:e:pull"]);
        assert_eq!((batch("c", 20).len(), batch("c", 0).len()), (5, 1));
        assert!(batch("x", 20).is_empty());
    }
}
