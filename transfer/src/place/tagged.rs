//! The images of a file, found by their tags.

use transload_layout_store::StoredImage;
use transload_reference::{Digest, Reference, Repository, Tag};

/// The images of an archive or bundle, in its order.
#[derive(Debug)]
pub(super) struct TaggedImages {
    images: Vec<StoredImage>,
    /// Their places in the order of repositories and tags; of one name, the first comes first.
    by_tag: Vec<usize>,
}

impl TaggedImages {
    pub fn new(images: Vec<StoredImage>) -> TaggedImages {
        let mut by_tag: Vec<usize> = (0..images.len()).collect();
        by_tag.sort_by(|one, other| key(&images[*one].reference).cmp(&key(&images[*other].reference)));
        TaggedImages { images, by_tag }
    }

    /// All images.
    pub fn all(&self) -> &[StoredImage] {
        &self.images
    }

    /// The digest of the first image with this tag.
    pub fn find(&self, repository: &Repository, tag: &Tag) -> Option<&Digest> {
        let wanted = (repository, Some(tag));
        let at = |place: &usize| key(&self.images[*place].reference);
        let first = self.by_tag.partition_point(|place| at(place) < wanted);
        let place = self.by_tag.get(first).filter(|&place| at(place) == wanted)?;
        Some(&self.images[*place].digest)
    }
}

fn key(name: &Reference) -> (&Repository, Option<&Tag>) {
    (name.repository(), name.tag())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_image_of_a_tag_is_found() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let image = |name: &str, content: &str| StoredImage::new(name.parse().unwrap(), digest(content));
        let images = TaggedImages::new(vec![
            image("hub.local/b:v1", "1"),
            image("hub.local/a:v2", "2"),
            image("hub.local/a:v1", "3"),
            image("hub.local/a:v1", "4"),
            image(&format!("hub.local/a@{}", digest("5")), "5"),
        ]);
        for (repository, tag, found) in [
            ("hub.local/a", "v1", Some("3")),
            ("hub.local/a", "v2", Some("2")),
            ("hub.local/b", "v1", Some("1")),
            ("hub.local/a", "v3", None),
            ("hub.local/c", "v1", None),
        ] {
            let (repository, tag) = (repository.parse().unwrap(), tag.parse().unwrap());
            assert_eq!(
                images.find(&repository, &tag),
                found.map(digest).as_ref(),
                "{repository}:{tag}"
            );
        }
        assert_eq!(images.all().len(), 5);
    }
}
