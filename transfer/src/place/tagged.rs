//! The images of a file, found by their tags.

use std::fmt::Display;
use std::sync::OnceLock;

use transload_layout_store::{Listing, StoredImage};
use transload_reference::{Digest, Reference, Repository, Tag};

use super::{LocalPlace, by_tag_alone};
use crate::fault::{Fault, Side};
use crate::suggest::Names;

/// The images of an archive or bundle, in its order.
pub(super) struct TaggedImages {
    place: LocalPlace,
    /// What it is, such as "archive".
    noun: &'static str,
    images: Vec<StoredImage>,
    /// Their places in the order of repositories and tags; of one name, the first comes first.
    by_tag: Vec<usize>,
    /// Their names, once one is missing.
    names: OnceLock<Names>,
}

impl TaggedImages {
    pub fn new(place: &LocalPlace, noun: &'static str, images: Vec<StoredImage>) -> TaggedImages {
        let mut by_tag: Vec<usize> = (0..images.len()).collect();
        by_tag.sort_by(|one, other| key(&images[*one].reference).cmp(&key(&images[*other].reference)));
        TaggedImages {
            place: place.clone(),
            noun,
            images,
            by_tag,
            names: OnceLock::new(),
        }
    }

    /// All images.
    pub fn listing(&self) -> Listing {
        let mut listing = Listing::default();
        listing.images = self.images.clone();
        listing
    }

    /// The digest of an image: by its tag, by its digest if the place has that, or by the tag alone.
    pub fn resolve(
        &self,
        image: &Reference,
        has: impl FnOnce(&Digest) -> Result<bool, Fault>,
    ) -> Result<Digest, Fault> {
        let found = match (image.tag(), image.digest()) {
            (Some(tag), _) => self.find(image.repository(), tag),
            (None, Some(digest)) if has(digest)? => Some(digest),
            _ => None,
        };
        if let Some(digest) = found {
            return Ok(digest.clone());
        }
        if let Some(found) = by_tag_alone(&self.place, image, || Ok(self.images.clone()))? {
            return Ok(found.digest);
        }
        let names = || Names::new(self.images.iter().map(|image| image.reference.clone()));
        let names = self.names.get_or_init(names);
        Err(missing_image(&self.place, self.noun, image, names))
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

/// Tells that a place lacks an image, and what it has instead.
pub(super) fn missing_image(place: impl Display, noun: &str, image: &Reference, names: &Names) -> Fault {
    let fault = Fault::refused(Some(Side::Source), format!("{place} has no image {image}"));
    match names.near(image).as_slice() {
        [] => fault.with_hint(format!("`transload list` shows what the {noun} holds")),
        near => fault.with_hint(format!("it has {}", near.join(", "))),
    }
}

fn key(name: &Reference) -> (&Repository, Option<&Tag>) {
    (name.repository(), name.tag())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_first_image_of_a_tag_is_found() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let image = |name: &str, content: &str| StoredImage::new(name.parse().unwrap(), digest(content));
        let images = vec![
            image("hub.local/b:v1", "1"),
            image("hub.local/a:v2", "2"),
            image("hub.local/a:v1", "3"),
            image("hub.local/a:v1", "4"),
            image(&format!("hub.local/a@{}", digest("5")), "5"),
        ];
        let place = LocalPlace::directory(Path::new("images.tar"));
        let images = TaggedImages::new(&place, "archive", images);
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
        assert_eq!(images.listing().images.len(), 5);
    }
}
