//! Images of a registry beside those that a store has.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use transload_policy::ImagePattern;
use transload_reference::{Identifier, Reference, ReferrerTag, Repository, Tag};
use transload_registry_client::Client;

use super::compare::{Found, Gap, Lack, lacking_in, parts_there};
use crate::{Fault, Mapping, Side, Source};

/// What was found.
#[derive(Default)]
pub(super) struct Extra {
    pub found: Vec<Found>,
    pub warnings: Vec<String>,
}

/// Whether a tag is that of a list of referrers, which belong to their image.
fn is_list(tag: &str) -> bool {
    let tag: Option<Tag> = tag.parse().ok();
    let kind = tag.as_ref().and_then(ReferrerTag::parse);
    matches!(kind, Some((ReferrerTag::Index, _)))
}

/// The images under other tags in the repositories that a place's images go to.
pub(super) fn extra_images(
    here: &dyn Source,
    mappings: &[Mapping],
    client: &Client,
    pattern: Option<&ImagePattern>,
    pool: &rayon::ThreadPool,
) -> Extra {
    // By repository: the name that it has here, and the tags that are accounted for.
    let mut repositories: BTreeMap<&Repository, (&Repository, BTreeSet<&str>)> = BTreeMap::new();
    for mapping in mappings {
        if mapping.to.registry().is_some() {
            let there = mapping.to.reference();
            let here = mapping.from.reference().repository();
            let (_, tags) = repositories
                .entry(there.repository())
                .or_insert_with(|| (here, BTreeSet::new()));
            tags.extend(there.tag().map(Tag::as_str));
        }
    }
    let mut extra = Extra::default();
    let mut names: Vec<(Reference, Reference)> = Vec::new();
    for (there, (here, known)) in repositories {
        match client.tags(there) {
            Ok(tags) => {
                let unknown = tags
                    .iter()
                    .filter(|tag| !known.contains(tag.as_str()) && !is_list(tag));
                // What is no tag is nobody's image.
                for tag in unknown.filter_map(|tag| tag.parse::<Tag>().ok()) {
                    let name = Reference::new(here.clone(), Some(tag.clone()), None);
                    if ImagePattern::takes(pattern, &name) {
                        names.push((Reference::new(there.clone(), Some(tag), None), name));
                    }
                }
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => extra
                .warnings
                .push(format!("the registry's other contents aren't known: {error}")),
        }
    }
    extra.found = pool.install(|| {
        let names = names.par_iter();
        names
            .map(|(there, name)| {
                let one = image(here, client, there, name);
                one.unwrap_or_else(|fault| Found::trouble(there, &fault))
            })
            .collect()
    });
    extra
}

fn image(here: &dyn Source, client: &Client, there: &Reference, name: &Reference) -> Result<Found, Fault> {
    let repository = there.repository();
    let identifier: Identifier = there.identifier();
    let resolved = client.resolve(repository, &identifier);
    let digest = resolved
        .map_err(|error| Fault::registry(Side::Destination, error))?
        .digest;
    let lacking = lacking_in(
        here,
        name.repository(),
        &parts_there(client, repository, &digest)?,
    );
    let gap = Gap {
        image: there.to_string(),
        other: name.to_string(),
        digest,
        lacks: Lack::of(&lacking),
    };
    Ok(Found::OnlyInB(gap, lacking))
}
