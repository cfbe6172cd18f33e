//! What of one place's images another lacks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use transload_layout_store::part_leftovers;
use transload_policy::ImagePattern;
use transload_reference::{Descriptor, Digest, Reference, Repository};
use transload_registry_client::{Client, ErrorKind};

use super::extra::extra_images;
use super::parts::Parts;
use crate::plan::{belongs, find_all};
use crate::{Fault, Mapping, RegistrySource, Side, Source};

/// Two places, A and B, beside each other.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many images are alike.
    pub alike: usize,
    /// Images of A that B lacks.
    pub only_in_a: Vec<Gap>,
    /// Images of B that A lacks.
    pub only_in_b: Vec<Gap>,
    /// Names that stand for one image in A and for another in B.
    pub differing: Vec<Differing>,
    /// Images that both have, of which one lacks parts.
    pub incomplete: Vec<Differing>,
    /// What A lacks in all.
    pub a_lacks: Lack,
    /// What B lacks in all.
    pub b_lacks: Lack,
    /// What couldn't be compared.
    pub troubles: Vec<Trouble>,
    /// What couldn't be looked at, and spoils nothing else.
    pub warnings: Vec<String>,
}

/// An image that one place has.
#[derive(Debug)]
pub struct Gap {
    /// Its name where it is.
    pub image: String,
    /// Its name where it would be.
    pub other: String,
    /// Its digest.
    pub digest: Digest,
    /// What of it the other place lacks.
    pub lacks: Lack,
}

/// An image that both have.
#[derive(Debug)]
pub struct Differing {
    /// Its name in A.
    pub a: String,
    /// Its name in B.
    pub b: String,
    /// What it stands for in A.
    pub digest_a: Digest,
    /// What it stands for in B.
    pub digest_b: Digest,
    /// What of B's A lacks.
    pub a_lacks: Lack,
    /// What of A's B lacks.
    pub b_lacks: Lack,
}

/// What is lacking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lack {
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many manifests that an index says are there.
    pub manifests: usize,
    /// How many referrers of the image, such as signatures, that the other place has.
    pub referrers: usize,
}

/// An image that couldn't be compared.
#[derive(Debug)]
pub struct Trouble {
    /// Its name.
    pub image: String,
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Comparison {
    /// Whether nothing is lacking anywhere.
    pub fn is_same(&self) -> bool {
        self.only_in_a.is_empty()
            && self.only_in_b.is_empty()
            && self.differing.is_empty()
            && self.incomplete.is_empty()
    }

    /// The same with A and B the other way round.
    pub fn turned(self) -> Comparison {
        let turn = |list: Vec<Differing>| {
            let turned = list.into_iter().map(|one| Differing {
                a: one.b,
                b: one.a,
                digest_a: one.digest_b,
                digest_b: one.digest_a,
                a_lacks: one.b_lacks,
                b_lacks: one.a_lacks,
            });
            turned.collect()
        };
        Comparison {
            only_in_a: self.only_in_b,
            only_in_b: self.only_in_a,
            differing: turn(self.differing),
            incomplete: turn(self.incomplete),
            a_lacks: self.b_lacks,
            b_lacks: self.a_lacks,
            ..self
        }
    }

    fn add(&mut self, found: Found, totals: &mut Totals) {
        match found {
            Found::Alike => self.alike += 1,
            Found::OnlyInA(gap, blobs) => {
                totals.b.extend(blobs);
                self.only_in_a.push(gap);
            }
            Found::OnlyInB(gap, blobs) => {
                totals.a.extend(blobs);
                self.only_in_b.push(gap);
            }
            Found::Both(both, a, b) => {
                totals.a.extend(a);
                totals.b.extend(b);
                totals.manifests_of_a += both.a_lacks.manifests;
                totals.manifests_of_b += both.b_lacks.manifests;
                totals.referrers_of_a += both.a_lacks.referrers;
                totals.referrers_of_b += both.b_lacks.referrers;
                if both.digest_a == both.digest_b {
                    self.incomplete.push(both);
                } else {
                    self.differing.push(both);
                }
            }
            Found::Trouble(trouble) => self.troubles.push(trouble),
        }
    }

    fn of(found: impl IntoIterator<Item = Found>) -> Comparison {
        let mut comparison = Comparison::default();
        let mut totals = Totals::default();
        for one in found {
            comparison.add(one, &mut totals);
        }
        comparison.a_lacks = Lack::of(&totals.a);
        comparison.b_lacks = Lack::of(&totals.b);
        comparison.a_lacks.manifests = totals.manifests_of_a;
        comparison.b_lacks.manifests = totals.manifests_of_b;
        comparison.a_lacks.referrers = totals.referrers_of_a;
        comparison.b_lacks.referrers = totals.referrers_of_b;
        comparison
    }
}

/// Blobs by their digests, each once.
pub(super) type Blobs = BTreeMap<Digest, u64>;

/// What each place lacks in all.
#[derive(Default)]
struct Totals {
    a: Blobs,
    b: Blobs,
    manifests_of_a: usize,
    manifests_of_b: usize,
    referrers_of_a: usize,
    referrers_of_b: usize,
}

impl Lack {
    pub(super) fn of(blobs: &Blobs) -> Lack {
        Lack {
            blobs: blobs.len(),
            bytes: blobs.values().sum(),
            manifests: 0,
            referrers: 0,
        }
    }

    fn with_referrers(mut self, missing: usize) -> Lack {
        self.referrers = missing;
        self
    }

    fn with_manifests(mut self, missing: &[Digest]) -> Lack {
        self.manifests = missing.len();
        self
    }
}

/// What became of one name.
pub(super) enum Found {
    Alike,
    OnlyInA(Gap, Blobs),
    OnlyInB(Gap, Blobs),
    /// What A lacks, and what B lacks.
    Both(Differing, Blobs, Blobs),
    Trouble(Trouble),
}

impl Found {
    pub(super) fn trouble(image: &impl ToString, fault: &Fault) -> Found {
        Found::Trouble(Trouble {
            image: image.to_string(),
            message: fault.text(),
            hint: fault.hint().map(str::to_owned),
        })
    }
}

/// The blobs of these that a place on a disk lacks.
pub(super) fn lacking_in(place: &dyn Source, repository: &Repository, parts: &Parts) -> Blobs {
    let lacks = |blob: &&Descriptor| !matches!(place.has_blob(repository, blob), Ok(true));
    let lacking = parts.blobs.values().filter(lacks);
    lacking.map(|blob| (blob.digest.clone(), blob.size)).collect()
}

/// The referrers of an image's manifests that a place has.
fn referrers(place: &dyn Source, repository: &Repository, parts: &Parts) -> Result<BTreeSet<Digest>, Fault> {
    let found = find_all(place, repository, parts.digests())?;
    Ok(found.into_iter().map(|referrer| referrer.digest).collect())
}

/// Compares two places on disks: with what moved tags left behind in them if `untagged`.
///
/// # Errors
/// Where the images of one can't be told: its folder, a tag map or an index can't be read.
pub fn compare_places(
    a: &dyn Source,
    b: &dyn Source,
    pattern: Option<&ImagePattern>,
    untagged: bool,
    pool: &rayon::ThreadPool,
) -> Result<Comparison, Fault> {
    let images = |place: &dyn Source| -> Result<HashMap<Reference, Digest>, Fault> {
        let mut images = place.images()?;
        images.retain(|image| !belongs(place, image, |_| false));
        if !untagged {
            images = part_leftovers(images).0;
        }
        let wanted = images
            .into_iter()
            .filter(|image| ImagePattern::takes(pattern, &image.reference));
        Ok(wanted.map(|image| (image.reference, image.digest)).collect())
    };
    let (in_a, in_b) = (images(a)?, images(b)?);
    let names: BTreeSet<&Reference> = in_a.keys().chain(in_b.keys()).collect();
    let names: Vec<&Reference> = names.into_iter().collect();
    let found: Vec<Found> = pool.install(|| {
        let names = names.into_par_iter();
        names
            .map(|name| {
                let one = of_places((a, in_a.get(name)), (b, in_b.get(name)), name);
                one.unwrap_or_else(|fault| Found::trouble(name, &fault))
            })
            .collect()
    });
    Ok(Comparison::of(found))
}

/// One name in two places.
fn of_places(
    (a, in_a): (&dyn Source, Option<&Digest>),
    (b, in_b): (&dyn Source, Option<&Digest>),
    name: &Reference,
) -> Result<Found, Fault> {
    let repository = name.repository();
    let parts = |place: &dyn Source, digest: Option<&Digest>| match digest {
        Some(digest) => Parts::of(place, repository, digest),
        None => Ok(Parts::default()),
    };
    let (of_a, of_b) = (parts(a, in_a)?, parts(b, in_b)?);
    let a_lacks = lacking_both(a, repository, &of_a, &of_b);
    let b_lacks = lacking_both(b, repository, &of_b, &of_a);
    let (about_a, about_b) = (referrers(a, repository, &of_a)?, referrers(b, repository, &of_b)?);
    let a_lacks_referrers = about_b.difference(&about_a).count();
    let b_lacks_referrers = about_a.difference(&about_b).count();
    let is_whole = of_a.missing.is_empty() && of_b.missing.is_empty() && about_a == about_b;
    let gap = |digest: &Digest, blobs: &Blobs| Gap {
        image: name.to_string(),
        other: name.to_string(),
        digest: digest.clone(),
        lacks: Lack::of(blobs).with_referrers(a_lacks_referrers + b_lacks_referrers),
    };
    Ok(match (in_a, in_b) {
        (Some(digest), None) => Found::OnlyInA(gap(digest, &b_lacks), b_lacks),
        (None, Some(digest)) => Found::OnlyInB(gap(digest, &a_lacks), a_lacks),
        (Some(digest_a), Some(digest_b)) => {
            if digest_a == digest_b && is_whole && a_lacks.is_empty() && b_lacks.is_empty() {
                return Ok(Found::Alike);
            }
            let both = Differing {
                a: name.to_string(),
                b: name.to_string(),
                digest_a: digest_a.clone(),
                digest_b: digest_b.clone(),
                a_lacks: Lack::of(&a_lacks)
                    .with_manifests(&of_a.missing)
                    .with_referrers(a_lacks_referrers),
                b_lacks: Lack::of(&b_lacks)
                    .with_manifests(&of_b.missing)
                    .with_referrers(b_lacks_referrers),
            };
            Found::Both(both, a_lacks, b_lacks)
        }
        (None, None) => Found::Alike,
    })
}

/// What a place lacks of its own image, and of the other's of the same name.
fn lacking_both(place: &dyn Source, repository: &Repository, own: &Parts, others: &Parts) -> Blobs {
    let mut lacking = lacking_in(place, repository, own);
    lacking.extend(lacking_in(place, repository, others));
    lacking
}

/// Compares a place on a disk, A, with where a registry, B, would have its images. Unless `one_way` is set, the registry's other tags in the same
/// repositories are images that A lacks.
///
/// # Errors
/// Where the registry can't be reached at all.
pub fn compare_with_registry(
    here: &dyn Source,
    mappings: &[Mapping],
    client: &Client,
    pattern: Option<&ImagePattern>,
    one_way: bool,
    pool: &rayon::ThreadPool,
) -> Result<Comparison, transload_registry_client::Error> {
    let compared = |mapping: &Mapping| {
        let one = with_registry(here, mapping, client)?;
        Ok(one.unwrap_or_else(|fault| Found::trouble(&mapping.name, &fault)))
    };
    // A registry that can't be reached would fail every image, each after its tries.
    let (first, others) = match mappings.split_first() {
        Some((first, others)) => (Some(compared(first)?), others),
        None => (None, mappings),
    };
    let others: Result<Vec<Found>, transload_registry_client::Error> =
        pool.install(|| others.par_iter().map(compared).collect());
    let mut found: Vec<Found> = first.into_iter().chain(others?).collect();
    let mut warnings = Vec::new();
    if !one_way {
        let extra = extra_images(here, mappings, client, pattern, pool);
        found.extend(extra.found);
        warnings = extra.warnings;
    }
    Ok(Comparison {
        warnings,
        ..Comparison::of(found)
    })
}

/// One image of a place on a disk, and what a registry has for it. The outer error is that nobody answers there.
fn with_registry(
    here: &dyn Source,
    mapping: &Mapping,
    client: &Client,
) -> Result<Result<Found, Fault>, transload_registry_client::Error> {
    let there = mapping.to.reference();
    let repository = there.repository();
    let digest_b = match client.resolve(repository, &there.identifier()) {
        Ok(descriptor) => Some(descriptor.digest),
        Err(error) if error.is_not_found() => None,
        Err(error) if matches!(error.kind(), ErrorKind::Network { .. } | ErrorKind::Cancelled) => {
            return Err(error);
        }
        Err(error) => return Ok(Err(Fault::registry(Side::Destination, error))),
    };
    let of = Image {
        name: mapping.from.reference(),
        there,
        here,
        client,
    };
    Ok(of.compare(digest_b))
}

struct Image<'a> {
    name: &'a Reference,
    there: &'a Reference,
    here: &'a dyn Source,
    client: &'a Client,
}

impl Image<'_> {
    fn compare(&self, digest_b: Option<Digest>) -> Result<Found, Fault> {
        let repository = self.name.repository();
        let digest_a = self.here.resolve(self.name)?;
        let parts = Parts::of(self.here, repository, &digest_a)?;
        let lacking_here = lacking_in(self.here, repository, &parts);
        let is_whole = parts.missing.is_empty() && lacking_here.is_empty();
        let Some(digest_b) = digest_b else {
            let lacking = self.lacking_there(&parts)?;
            let gap = Gap {
                image: self.name.to_string(),
                other: self.there.to_string(),
                digest: digest_a,
                lacks: Lack::of(&lacking),
            };
            return Ok(Found::OnlyInA(gap, lacking));
        };
        let lacking_referrers = match digest_a == digest_b {
            true => self.referrers_lacking_there(&parts)?,
            false => 0,
        };
        if digest_a == digest_b && is_whole && lacking_referrers == 0 {
            return Ok(Found::Alike);
        }
        let (a_lacks, b_lacks) = if digest_a == digest_b {
            (lacking_here, Blobs::new())
        } else {
            let mut a_lacks = self.lacking_of_theirs(&digest_b)?;
            a_lacks.extend(lacking_here);
            (a_lacks, self.lacking_there(&parts)?)
        };
        let both = Differing {
            a: self.name.to_string(),
            b: self.there.to_string(),
            digest_a,
            digest_b,
            a_lacks: Lack::of(&a_lacks).with_manifests(&parts.missing),
            b_lacks: Lack::of(&b_lacks).with_referrers(lacking_referrers),
        };
        Ok(Found::Both(both, a_lacks, b_lacks))
    }

    /// How many of the image's referrers the registry lacks. It is asked only if there are some.
    fn referrers_lacking_there(&self, parts: &Parts) -> Result<usize, Fault> {
        let here = referrers(self.here, self.name.repository(), parts)?;
        if here.is_empty() {
            return Ok(0);
        }
        let repository = self.there.repository();
        let source = RegistrySource::new(self.client.clone(), repository.registry().clone());
        let there = referrers(&source, repository, parts)?;
        Ok(here.difference(&there).count())
    }

    /// The blobs of an image that the registry's repository lacks.
    fn lacking_there(&self, parts: &Parts) -> Result<Blobs, Fault> {
        let mut lacking = Blobs::new();
        for blob in parts.blobs.values() {
            let found = self.client.has_blob(self.there.repository(), &blob.digest);
            let found = found.map_err(|error| Fault::registry(Side::Destination, error))?;
            if found != Some(blob.size) {
                lacking.insert(blob.digest.clone(), blob.size);
            }
        }
        Ok(lacking)
    }

    /// The blobs of the registry's image that the store lacks.
    fn lacking_of_theirs(&self, digest: &Digest) -> Result<Blobs, Fault> {
        let parts = parts_there(self.client, self.there.repository(), digest)?;
        Ok(lacking_in(self.here, self.name.repository(), &parts))
    }
}

/// The parts of a registry's image.
pub(super) fn parts_there(client: &Client, repository: &Repository, digest: &Digest) -> Result<Parts, Fault> {
    let source = RegistrySource::new(client.clone(), repository.registry().clone());
    Parts::of(&source, repository, digest)
}
