//! What the images of an archive are called.

use transload_archive::ArchivedImage;
use transload_layout_store::StoredImage;
use transload_reference::{Reference, Tag};

use crate::fault::{Fault, Side};
use crate::place::LocalPlace;

/// Names an archive's images. One with a full name keeps it. Others are in the repository of the name that is given for them, else in
/// `localhost/<name of the file>`, with the tag that the archive has, else by their digest; the only one of which nothing is said gets the
/// given name.
pub(super) fn named(place: &LocalPlace, images: &[ArchivedImage]) -> Result<Vec<StoredImage>, Fault> {
    let given = place.name();
    let repository = match given {
        Some(name) => name.repository().clone(),
        None => {
            let local = place.local_repository();
            local.map_err(|error| Fault::store(Side::Source, error))?
        }
    };
    let mut nameless = images.iter().filter(|image| image.name.is_none());
    let only = nameless.next().filter(|_| nameless.next().is_none());
    let name = |image: &ArchivedImage| {
        if let Some(reference) = &image.reference {
            return reference.clone();
        }
        if only.is_some_and(|only| only == image)
            && let Some(given) = given.filter(|given| given.tag().is_some())
        {
            return given.clone();
        }
        let tag: Option<Tag> = image.name.as_deref().and_then(|name| name.parse().ok());
        let by_digest = tag.is_none().then(|| image.root.digest.clone());
        Reference::new(repository.clone(), tag, by_digest)
    };
    let images = images.iter();
    Ok(images
        .map(|image| StoredImage::new(name(image), image.root.digest.clone()))
        .collect())
}
