//! What a run will need of each registry, so that one token can be asked for that serves many of its repositories.

use std::collections::HashMap;
use std::sync::Mutex;

use transload_reference::{Registry, Repository};

use crate::core::lock;
use crate::scope::Scopes;

/// What a run needs a repository for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// To read from it.
    Pull,
    /// To write to it, and to look at what is there.
    Push,
}

/// What will be needed, by registry, in the order of the images' turns.
#[derive(Default)]
pub(crate) struct Expected(Mutex<HashMap<Registry, Plan>>);

#[derive(Default)]
struct Plan {
    turns: Vec<(Repository, Scopes)>,
    /// Where a repository is among them, by its path.
    permits: HashMap<String, usize>,
}

impl Expected {
    pub fn add(&self, repository: &Repository, need: Need) {
        let scopes = match need {
            Need::Pull => Scopes::pull(repository),
            Need::Push => Scopes::push(repository),
        };
        let mut plans = lock(&self.0);
        let plan = plans.entry(repository.registry().clone()).or_default();
        match plan.permits.get(repository.path()) {
            Some(&place) => plan.turns[place].1.merge(&scopes),
            None => {
                plan.permits
                    .insert(repository.path().to_owned(), plan.turns.len());
                plan.turns.push((repository.clone(), scopes));
            }
        }
    }

    /// The repositories whose turns come with that of the one at `path`, itself included, and what is needed there: at most so many. They
    /// are the same for each of them. None where nobody expected it.
    pub fn batch(&self, registry: &Registry, path: &str, most: usize) -> Vec<(Repository, Scopes)> {
        let plans = lock(&self.0);
        let Some(plan) = plans.get(registry) else {
            return Vec::new();
        };
        let Some(place) = plan.permits.get(path) else {
            return Vec::new();
        };
        let batch = plan.turns.chunks(most.max(1)).nth(place / most.max(1));
        batch.unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_the_same_for_all_its_repositories_and_what_is_needed_there_adds_up() {
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
