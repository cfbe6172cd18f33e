//! The first image of each project goes ahead of the others. What it learns, such as that there is no such project or no right to push to it,
//! every other image would learn with requests of its own.

use std::collections::HashMap;
use std::sync::Mutex;

use super::blobs::ImageId;
use crate::lock::lock;

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
        let mut projects = lock(&self.0);
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
    pub fn release(&self, image: ImageId) -> Vec<ImageId> {
        let mut projects = lock(&self.0);
        let first = projects.values_mut().find(|known| known.first == image);
        first.and_then(|known| known.waiting.take()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_follow_the_first_of_their_project_once_it_lets_them() {
        let followers = Followers::default();
        assert!(followers.may_begin("team", 1) && followers.may_begin("other", 2));
        assert!(!followers.may_begin("team", 3) && !followers.may_begin("team", 4));
        assert!(followers.may_begin("team", 1), "it begins anew");
        assert!(followers.release(3).is_empty(), "it is another's to tell");
        assert_eq!(followers.release(1), [3, 4]);
        assert!(followers.release(1).is_empty());
        assert!(followers.may_begin("team", 3) && followers.may_begin("team", 5));
    }
}
