//! Suggestions for an image or tag that doesn't exist.

use std::cmp::Reverse;
use std::collections::HashMap;

use transload_reference::{Reference, Repository, Tag};

use super::versions::by_version;

/// How many are named.
const MOST_NAMED: usize = 5;

/// Returns at most five tags that are most like the wanted one, the likest first: what begins and ends as it does, and of those alike the
/// newest. Tags that signatures and attestations are kept under are left out.
pub(crate) fn nearest<'a>(wanted: &str, tags: &'a [Tag]) -> Vec<&'a str> {
    let mut near: Vec<&str> = tags
        .iter()
        .map(Tag::as_str)
        .filter(|tag| !tag.starts_with("sha256-"))
        .collect();
    near.sort_by(|a, b| by_version(b, a));
    near.sort_by_cached_key(|tag| Reverse(likeness(wanted, tag)));
    near.truncate(MOST_NAMED);
    near
}

/// How many letters two tags have in common at their beginnings and their ends.
fn likeness(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let shorter = a.len().min(b.len());
    let at_start = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let pairs_from_end = a.bytes().rev().zip(b.bytes().rev());
    let at_end = pairs_from_end.take_while(|(a, b)| a == b).count();
    (at_start + at_end).min(shorter)
}

/// The names of a directory's images, by what a mistyped one has in common with them.
pub(crate) struct Names {
    tags: HashMap<Repository, Vec<Tag>>,
    /// The repositories by the last part of their paths.
    repositories: HashMap<String, Vec<Repository>>,
}

impl Names {
    /// The names of these images.
    pub fn new(images: impl Iterator<Item = Reference>) -> Names {
        let mut names = Names {
            tags: HashMap::new(),
            repositories: HashMap::new(),
        };
        for image in images {
            let Some(tag) = image.tag() else { continue };
            let repository = image.repository();
            let tags = names.tags.entry(repository.clone()).or_insert_with(|| {
                let same_name = names.repositories.entry(last_part(repository).to_owned());
                same_name.or_default().push(repository.clone());
                Vec::new()
            });
            tags.push(tag.clone());
        }
        names
    }

    /// Returns at most five names like the wanted one: the nearest tags of its repository, then images of repositories with the same
    /// last part.
    pub fn near(&self, wanted: &Reference) -> Vec<String> {
        let latest = Tag::latest();
        let tag = wanted.tag().unwrap_or(&latest);
        let same_name = self.repositories.get(last_part(wanted.repository()));
        let others = same_name.into_iter().flatten();
        let repositories =
            std::iter::once(wanted.repository()).chain(others.filter(|other| *other != wanted.repository()));
        let images = repositories.flat_map(|repository| {
            let tags = self.tags.get(repository).map_or(&[] as &[Tag], Vec::as_slice);
            nearest(tag.as_str(), tags)
                .into_iter()
                .map(move |tag| format!("{repository}:{tag}"))
        });
        images.take(MOST_NAMED).collect()
    }
}

fn last_part(repository: &Repository) -> &str {
    let path = repository.path();
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tags_that_are_named_are_those_that_may_have_been_meant() {
        let tags: Vec<Tag> = [
            "latest",
            "v1.33.5",
            "v1.34.0",
            "v1.34.1",
            "v1.34.2",
            "v1.34.10",
            "v1.4",
            "v1.34.1-rc.1",
            "3.19-alpine",
            "3.20-alpine",
            "3.20",
            "sha256-aa.sig",
        ]
        .map(|tag| tag.parse().unwrap())
        .to_vec();
        let table = [
            ("v1.34.9", "v1.34.10"),
            ("1.34.1", "v1.34.1"),
            ("V1.34.2", "v1.34.2"),
            ("v1.43.1", "v1.34.1"),
            ("lates", "latest"),
            ("3.21-alpine", "3.20-alpine"),
            ("zzz", "v1.34.10"),
        ];
        for (wanted, first) in table {
            let near = nearest(wanted, &tags);
            assert_eq!((near[0], near.len()), (first, MOST_NAMED), "{wanted}: {near:?}");
        }
        assert_eq!(nearest("v1", &[]), [""; 0]);
    }

    #[test]
    fn of_tags_alike_the_newest_comes_first() {
        let tags = ["v1.9", "v1.10", "v1.9-rc.1", "v1.08"].map(|tag| tag.parse().unwrap());
        assert_eq!(nearest("v1", &tags), ["v1.10", "v1.9", "v1.9-rc.1", "v1.08"]);
    }

    #[test]
    fn names_like_a_missing_image_are_tags_of_its_repository_and_repositories_of_its_name() {
        let images = [
            "hub.io/a/app:v1",
            "hub.io/a/app:v2",
            "docker.io/b/app:v9",
            "hub.io/a/web:v1",
        ];
        let names = Names::new(images.iter().map(|image| image.parse().unwrap()));
        let near = |wanted: &str| names.near(&wanted.parse().unwrap());
        assert_eq!(
            near("hub.io/a/app:v3"),
            ["hub.io/a/app:v2", "hub.io/a/app:v1", "docker.io/b/app:v9"]
        );
        assert_eq!(
            near("app:v9"),
            ["hub.io/a/app:v2", "hub.io/a/app:v1", "docker.io/b/app:v9"]
        );
        assert_eq!(near("hub.io/a/other:v1"), [""; 0]);
    }
}
