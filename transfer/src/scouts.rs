//! The first image of each project goes ahead of the others, and so do the first look and the first write. What they learn, such as that there
//! is no such project or no right to push to it, every other image would learn with requests of its own.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::blobs::ImageId;

/// The images of each project that wait for its first one.
#[derive(Default)]
pub(crate) struct Followers(Mutex<HashMap<String, Project>>);

struct Project {
    first: ImageId,
    /// None once the first image has found out what there is to find out.
    waiting: Option<Vec<ImageId>>,
}

impl Followers {
    /// Whether an image of this project may begin: the first one, or any once that was [released](Self::release). Another is kept until then.
    pub fn may_begin(&self, project: &str, image: ImageId) -> bool {
        let mut projects = self.lock();
        let Some(known) = projects.get_mut(project) else {
            let first = Project {
                first: image,
                waiting: Some(Vec::new()),
            };
            projects.insert(project.to_owned(), first);
            return true;
        };
        match &mut known.waiting {
            Some(waiting) if known.first != image => {
                waiting.push(image);
                false
            }
            _ => true,
        }
    }

    /// Returns the images that waited for this one, if it is the first of its project: they may begin now.
    pub fn release(&self, project: &str, image: ImageId) -> Vec<ImageId> {
        let mut projects = self.lock();
        let first = projects.get_mut(project).filter(|known| known.first == image);
        first.and_then(|known| known.waiting.take()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Project>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        let mut answered = self.lock();
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Scout<'_> {
    fn drop(&mut self) {
        self.scouts.lock().insert(self.project.to_owned(), true);
        self.scouts.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn images_follow_the_first_of_their_project_once_it_lets_them() {
        let followers = Followers::default();
        assert!(followers.may_begin("team", 1) && followers.may_begin("other", 2));
        assert!(!followers.may_begin("team", 3) && !followers.may_begin("team", 4));
        assert!(followers.may_begin("team", 1), "it begins anew");
        assert!(followers.release("team", 3).is_empty(), "it is another's to tell");
        assert_eq!(followers.release("team", 1), [3, 4]);
        assert!(followers.release("team", 1).is_empty());
        assert!(followers.may_begin("team", 3) && followers.may_begin("team", 5));
    }

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
