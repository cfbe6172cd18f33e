//! The first look at each project of a registry goes ahead of the others, and so does the first write. What they learn, such as that there is no
//! such project or no right to push to it, every other request would learn with requests of its own.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::lock::lock;

/// Sends the first request of a kind to each project alone.
#[derive(Default)]
pub(crate) struct Scouts {
    /// Whether the first request is answered, by project.
    answered: Mutex<HashMap<String, bool>>,
    changed: Condvar,
}

/// The first request to a project. Those that wait for its answer go on once this is dropped.
pub(crate) struct Scout<'a> {
    scouts: &'a Scouts,
    project: &'a str,
}

impl Scouts {
    /// Returns the scout where nothing was asked of this project before. Else waits for the scout's answer, and returns `None`.
    pub fn first<'a>(&'a self, project: &'a str) -> Option<Scout<'a>> {
        let mut answered = lock(&self.answered);
        if !answered.contains_key(project) {
            answered.insert(project.to_owned(), false);
            return Some(Scout {
                scouts: self,
                project,
            });
        }
        let is_underway = |answered: &mut HashMap<String, bool>| answered.get(project) == Some(&false);
        drop(
            self.changed
                .wait_while(answered, is_underway)
                .unwrap_or_else(PoisonError::into_inner),
        );
        None
    }
}

impl Drop for Scout<'_> {
    fn drop(&mut self) {
        lock(&self.scouts.answered).insert(self.project.to_owned(), true);
        self.scouts.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn the_first_goes_alone_and_the_others_once_it_is_answered() {
        let (scouts, is_answered) = (Scouts::default(), AtomicBool::new(false));
        let scout = scouts.first("team").unwrap();
        assert!(scouts.first("other").is_some(), "each project has its own");
        thread::scope(|scope| {
            let others: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| scouts.first("team").is_none() && is_answered.load(Ordering::SeqCst)))
                .collect();
            is_answered.store(true, Ordering::SeqCst);
            drop(scout);
            assert!(others.into_iter().all(|other| other.join().unwrap()));
        });
        assert!(scouts.first("team").is_none());
    }
}
