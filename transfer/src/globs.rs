//! Globs for tags: which images they stand for, found out before anything moves.

use std::collections::{HashMap, HashSet};

use transload_reference::{Reference, Repository, Tag};
use transload_registry_client::Client;

use super::ends::open_source;
use super::fault::{Fault, Side};
use super::place::{Opener, Place, Refusal};
use super::prepare::Wrong;
use super::suggest::nearest;
use super::versions::by_version;
use crate::job::{Endpoint, EndpointError, ImageName, TagGlob};

/// How many images one glob may stand for. Who wants more wants a mirror of a repository, and names its parts.
const MAX_IMAGES: usize = 1000;

/// Where a glob's tags are listed.
#[derive(Clone, PartialEq, Eq, Hash)]
struct List {
    place: Place,
    repository: Repository,
}

fn refusal_of(error: &EndpointError) -> Refusal {
    Refusal::wrong(error, error.hint())
}

/// The images that the task's globs stand for at its source, without those that it names itself: each glob's in the order of their
/// versions. One that stands for none is refused; what else is wrong with one is noted.
pub(super) fn expand<'a>(
    client: &Client,
    opener: &Opener,
    wrong: &mut Wrong<'a>,
    refused: &mut Vec<(&'a TagGlob, Fault)>,
) -> Vec<ImageName> {
    let job = wrong.job;
    let mut seen: HashSet<Reference> = job.images.iter().map(|image| image.reference().clone()).collect();
    let mut lists: HashMap<List, Vec<Tag>> = HashMap::new();
    let mut images = Vec::new();
    for glob in &job.globs {
        match resolve(glob, job.source.as_ref(), client, opener, &mut lists) {
            Ok(tags) => {
                let named = tags.iter().map(|tag| glob.image(tag));
                images.extend(named.filter(|image| seen.insert(image.reference().clone())));
            }
            Err(Refusal {
                message,
                hint,
                failed: true,
                ..
            }) => {
                let fault = Fault::refused(Some(Side::Source), format!("{}: {message}", glob.place()));
                refused.push((glob, fault.maybe_hint(hint)));
            }
            Err(Refusal { message, hint, .. }) => wrong.push_at(glob, message, hint),
        }
    }
    images
}

/// The tags that a glob stands for.
fn resolve(
    glob: &TagGlob,
    source: Option<&Endpoint>,
    client: &Client,
    opener: &Opener,
    lists: &mut HashMap<List, Vec<Tag>>,
) -> Result<Vec<Tag>, Refusal> {
    let place = place(glob, source)?;
    let all = match lists.get(&place) {
        Some(all) => all,
        None => {
            let mut all = place.tags(client, opener)?;
            all.sort_by(|a, b| by_version(a.as_str(), b.as_str()));
            all.dedup();
            lists.entry(place.clone()).or_insert(all)
        }
    };
    let tags: Vec<Tag> = all.iter().filter(|tag| glob.matches(tag)).cloned().collect();
    match tags.len() {
        0 => Err(no_match(glob, &place, all)),
        1..=MAX_IMAGES => Ok(tags),
        more => Err(Refusal::wrong(
            format!("{glob} stands for {more} images, and at most {MAX_IMAGES} are taken by one glob"),
            Some(
                "narrow it: v1.3* takes less than v1*, and [0-9]* takes only tags that begin with a digit"
                    .to_owned(),
            ),
        )),
    }
}

fn no_match(glob: &TagGlob, place: &List, all: &[Tag]) -> Refusal {
    if all.is_empty() {
        return Refusal {
            failed: true,
            ..Refusal::wrong(format!("{glob}: {place} has no tags"), None)
        };
    }
    let near = nearest(&glob.beginning(), all);
    let of = match all.len() {
        1 => "the one tag".to_owned(),
        number => format!("any of the {number} tags"),
    };
    let others = if all.len() > near.len() { " and others" } else { "" };
    Refusal {
        failed: true,
        ..Refusal::wrong(
            format!("{glob} doesn't match {of} of {place}"),
            (!near.is_empty()).then(|| format!("it has {}{others}", near.join(", "))),
        )
    }
}

/// Where a glob's tags are listed: in the repository that the source has its images in.
fn place(glob: &TagGlob, source: Option<&Endpoint>) -> Result<List, Refusal> {
    let source = match source {
        None => {
            let repository = glob.repository().clone();
            let place = Place::Registry(repository.registry().clone());
            return Ok(List { place, repository });
        }
        Some(source) => source,
    };
    if let Some(image) = source.image() {
        return Err(Refusal::wrong(
            format!("src is the one image {image}, and {glob} may stand for several"),
            Some(format!("give src as {} alone, or leave it out", image.place())),
        ));
    }
    let mut place = None;
    for tag in ["1", "v2.0-x"].iter().filter_map(|tag| tag.parse::<Tag>().ok()) {
        let image = glob.image(&tag);
        let target = source
            .locate(&image)
            .and_then(|location| location.target(&image))
            .map_err(|error| refusal_of(&error))?;
        let repository = target.reference().repository().clone();
        let keeps_tags = target.reference().tag() == Some(&tag) && target.reference().digest().is_none();
        let found = List {
            place: target.place().clone(),
            repository,
        };
        if !keeps_tags || place.as_ref().is_some_and(|place| *place != found) {
            return Err(Refusal::wrong(
                format!("{glob}: src depends on the tag, so there is no list of tags to match"),
                Some("name the images, or let src be a template of registry and repository alone".to_owned()),
            ));
        }
        place = Some(found);
    }
    place.ok_or_else(|| refusal_of(&EndpointError::Empty))
}

impl List {
    fn tags(&self, client: &Client, opener: &Opener) -> Result<Vec<Tag>, Refusal> {
        let source = open_source(client, opener, &self.place);
        let tags = source.and_then(|source| source.tags(&self.repository));
        tags.map_err(|fault| Refusal::failed(&fault))
    }
}

impl std::fmt::Display for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place.path() {
            None => self.repository.fmt(f),
            Some(path) => write!(f, "{} in {}", self.repository, path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;
    use std::sync::Arc;

    use transload_reference::Registry;

    use crate::job::{Location, PlaceTemplate};

    fn glob(text: &str) -> TagGlob {
        match text.parse() {
            Ok(crate::job::ImageEntry::Glob(glob)) => glob,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// A template that writes a place from an image's repository and tag.
    #[derive(Debug)]
    struct Written(fn(&str, &str) -> String);

    impl fmt::Display for Written {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a template")
        }
    }

    impl PlaceTemplate for Written {
        fn locate(&self, image: &ImageName) -> Result<Location, EndpointError> {
            let reference = image.reference();
            let tag = reference.tag().map(Tag::as_str).unwrap_or_default();
            Location::parse(&(self.0)(reference.repository().path(), tag))
        }

        fn named_registry(&self) -> Option<Registry> {
            None
        }
    }

    /// Where the tags are listed, or why they can't be.
    #[test]
    fn a_globs_tags_are_listed_where_the_source_has_its_images() {
        let fixed = |text: &str| Some(Endpoint::Fixed(Location::parse(text).unwrap()));
        let template =
            |written: fn(&str, &str) -> String| Some(Endpoint::Template(Arc::new(Written(written))));
        let cases = [
            (None, Ok("docker.io/library/alpine")),
            (
                fixed("mirror.example.com/k8s"),
                Ok("mirror.example.com/k8s/library/alpine"),
            ),
            (
                fixed("local:///srv/images"),
                Ok("docker.io/library/alpine in /srv/images"),
            ),
            (
                template(|repository, tag| format!("mirror.example.com/all/{repository}:{tag}")),
                Ok("mirror.example.com/all/library/alpine"),
            ),
            (
                fixed("mirror.example.com/alpine:3"),
                Err("src is the one image mirror.example.com/alpine:3"),
            ),
            (
                template(|_, tag| format!("mirror.example.com/x:{}", tag.trim_start_matches('v'))),
                Err("src depends on the tag"),
            ),
            (
                template(|_, tag| format!("mirror.example.com/{tag}/x:{tag}")),
                Err("src depends on the tag"),
            ),
        ];
        for (source, expected) in cases {
            match (place(&glob("alpine:v*"), source.as_ref()), expected) {
                (Ok(place), Ok(name)) => assert_eq!(place.to_string(), name),
                (Err(refusal), Err(message)) => {
                    assert!(refusal.message.contains(message), "{}", refusal.message)
                }
                (Ok(place), Err(message)) => panic!("{place} instead of {message}"),
                (Err(refusal), Ok(name)) => panic!("{} instead of {name}", refusal.message),
            }
        }
    }
}
