//! Which images a task is about.

use std::collections::HashSet;

use transload_layout_store::{StoredImage, part_leftovers};
use transload_reference::Reference;
use transload_registry_client::Client;

use super::{SAME_AGAIN, Wrong};
use crate::ends::open_source;
use crate::fault::{Fault, Side};
use crate::globs;
use crate::job::{Endpoint, ImageName, Job, Referrers, TagGlob, Target};
use crate::place::{Opener, Place, Source, by_tag_alone};
use crate::plan::belongs;

/// The images that the task is about: those it lists, else those of its source; of these, those that its pattern matches.
pub(super) fn named_images<'a>(
    client: &Client,
    opener: &Opener,
    wrong: &mut Wrong<'a>,
    warnings: &mut Vec<String>,
    refused: &mut Vec<(&'a TagGlob, Fault)>,
) -> Vec<ImageName> {
    let job = wrong.job;
    let names = match (&job.source, job.images.as_slice()) {
        (_, listed) if !job.globs.is_empty() => {
            let listed = listed.to_vec();
            listed
                .into_iter()
                .chain(globs::expand(client, opener, wrong, refused))
                .collect()
        }
        (source, []) => images_of_source(client, opener, source.as_ref(), wrong, warnings),
        (_, listed) => listed.to_vec(),
    };
    let Some(pattern) = &job.pattern else {
        if names.is_empty() && refused.is_empty() && wrong.problems.is_empty() {
            warnings.push("there are no images to move".to_owned());
        }
        return names;
    };
    let before = names.len();
    let names: Vec<ImageName> = names
        .into_iter()
        .filter(|name| pattern.matches(name.written(), name.reference()))
        .collect();
    if names.is_empty() && refused.is_empty() && wrong.problems.is_empty() {
        warnings.push(format!(
            "the pattern \"{pattern}\" matches no image (of {before})"
        ));
    }
    names
}

/// Of the images, those that an earlier run left.
pub(super) fn left_images(names: Vec<ImageName>, wrong: &mut Wrong<'_>) -> Vec<ImageName> {
    let Some(earlier) = &wrong.job.earlier else {
        return names;
    };
    let globs = wrong.job.globs.iter();
    let known = names.iter().map(ImageName::written);
    let known: HashSet<&str> = known.chain(globs.clone().map(TagGlob::written)).collect();
    let mut strange = earlier
        .open
        .keys()
        .filter(|image| !known.contains(image.as_str()));
    if let Some(image) = strange.next().filter(|_| wrong.problems.is_empty()) {
        let more = match strange.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!("the report doesn't fit: it has {image}{more}, which isn't among the images");
        wrong.note(None, message, Some(SAME_AGAIN.to_owned()));
        return Vec::new();
    }
    names
        .into_iter()
        .filter(|name| {
            // A glob that stood for nothing may stand for images now.
            let is_of_open_glob = |glob: &TagGlob| {
                earlier.open.contains_key(glob.written()) && glob.stands_for(name.reference())
            };
            earlier.leaves(name.written()) || globs.clone().any(is_of_open_glob)
        })
        .collect()
}

/// The images that a source says by itself.
fn images_of_source(
    client: &Client,
    opener: &Opener,
    source: Option<&Endpoint>,
    wrong: &mut Wrong<'_>,
    warnings: &mut Vec<String>,
) -> Vec<ImageName> {
    if let Some(image) = source.and_then(Endpoint::image) {
        return vec![whole_name(client, opener, image).into()];
    }
    let Some(place) = source.and_then(Endpoint::local) else {
        let hint = "list them in manifests, or give a src that holds some (local://…) or is one (registry/repository:tag)";
        wrong.note(None, "no images are named", Some(hint.to_owned()));
        return Vec::new();
    };
    let source = open_source(client, opener, &Place::Local(place.clone()));
    match source.and_then(|source| without_referrers(source.as_ref(), wrong.job)) {
        Ok(images) if images.is_empty() => {
            let message = format!("{place} holds no images");
            let hint = "pull images into it first, or check the path: `transload list DIR` shows what a directory holds";
            wrong.push(Some(Side::Source), message, Some(hint.to_owned()), true);
            Vec::new()
        }
        Ok(images) if wrong.job.untagged => images.into_iter().map(|image| image.reference.into()).collect(),
        Ok(images) => without_leftovers(images, warnings),
        Err(fault) => {
            wrong.note(Some(Side::Source), fault.text(), fault.hint().map(str::to_owned));
            Vec::new()
        }
    }
}

/// The name of an image that a source names: where that is a tag alone, the name of the image that has it.
fn whole_name(client: &Client, opener: &Opener, image: &Target) -> Reference {
    let named = match image.place() {
        Place::Registry(_) => None,
        Place::Local(local) => open_source(client, opener, image.place())
            .and_then(|source| by_tag_alone(local, image.reference(), || source.images()))
            .ok()
            .flatten(),
    };
    // What can't be told now is told when the image is asked for.
    named.map_or_else(|| image.reference().clone(), |named| named.reference)
}

/// A source's images but those that belong to another one that is there. What cosign keeps under a tag is an image like others, unless it comes
/// along with its subject.
fn without_referrers(source: &dyn Source, job: &Job) -> Result<Vec<StoredImage>, Fault> {
    let mut images = source.images()?;
    images.retain(|image| {
        // Who asks for images without a tag gets these, too, unless they come along.
        let is_asked_for =
            job.untagged && job.referrers == Referrers::None && image.reference.tag().is_none();
        is_asked_for || !belongs(source, image, |kind| job.referrers.takes_tag(kind))
    });
    Ok(images)
}

/// Images but those that moved tags left behind, which a warning tells.
fn without_leftovers(images: Vec<StoredImage>, warnings: &mut Vec<String>) -> Vec<ImageName> {
    let (wanted, leftovers) = part_leftovers(images);
    if let [first, others @ ..] = leftovers.as_slice() {
        let (number, more) = match others.len() {
            0 => ("an image".to_owned(), String::new()),
            more => (format!("{} images", more + 1), format!(" and {more} more")),
        };
        warnings.push(format!(
            "{number} without a tag left out, beside tagged ones of the same repository: {}{more} (--untagged or `untagged: true` includes them)",
            first.reference
        ));
    }
    wanted.into_iter().map(|image| image.reference.into()).collect()
}
