//! Referrers: signatures, SBOMs and the like, of an image's manifests and of each other.

use std::collections::HashSet;

use transload_layout_store::StoredImage;
use transload_reference::{Descriptor, Digest, MediaType, RawManifest, ReferrerTag, Repository, printable};

use super::walk::{MAX_DEPTH, MAX_MANIFESTS, Walk, too_many};
use crate::fault::Fault;
use crate::job::Referrers;
use crate::outcome::{LeftReferrers, Link, Referrer};
use crate::parallel_map::parallel_map;
use crate::place::Source;

/// The longest artifact type that is shown, in characters.
const LONGEST_TYPE: usize = 100;

/// A referrer of an image, or a part of one.
#[derive(Debug, Clone)]
pub(crate) struct Attached {
    pub manifest: RawManifest,
    /// How it is found; none for a part of the referrer that comes after it.
    pub link: Option<Link>,
}

impl Attached {
    /// Returns what is told of it; none of a part.
    pub fn told(&self) -> Option<Referrer> {
        Some(Referrer {
            digest: self.manifest.digest().clone(),
            artifact_type: self
                .manifest
                .referrer()
                .and_then(|referrer| referrer.artifact_type),
            link: self.link.clone()?,
        })
    }
}

/// A question to a source: what refers to a manifest, or whether cosign keeps something of it under a tag.
struct Question<'a> {
    subject: &'a Digest,
    tag: Option<ReferrerTag>,
}

/// Asks a source what refers to manifests of a repository: by their subjects, and by cosign's tags. The questions go out together.
///
/// # Errors
/// If one of them has no answer.
fn find(
    source: &dyn Source,
    repository: &Repository,
    subjects: &[Digest],
    wanted: &Referrers,
) -> Result<Vec<Referrer>, Fault> {
    let by_subject = wanted.takes_subjects().then_some(None);
    let by_tag = ReferrerTag::COSIGN
        .into_iter()
        .filter(|tag| wanted.takes_tag(*tag));
    let kinds: Vec<Option<ReferrerTag>> = by_subject.into_iter().chain(by_tag.map(Some)).collect();
    let questions: Vec<Question<'_>> = subjects
        .iter()
        .flat_map(|subject| kinds.iter().map(move |&tag| Question { subject, tag }))
        .collect();
    let ask = |question: &Question<'_>| match question.tag {
        None => {
            let listed = source.referrers(repository, question.subject)?.into_iter();
            let is_wanted = |referrer: &Descriptor| {
                // A list may leave the type out.
                referrer.artifact_type.is_none() || wanted.takes_type(referrer.artifact_type.as_deref())
            };
            let found = listed.filter(is_wanted).map(|referrer| Referrer {
                digest: referrer.digest,
                artifact_type: referrer.artifact_type,
                link: Link::Subject(question.subject.clone()),
            });
            Ok(found.collect())
        }
        Some(kind) => {
            let tag = kind.of(question.subject);
            let found = source.find_tag(repository, &tag)?;
            let found = found.map(|digest| Referrer {
                digest,
                artifact_type: None,
                link: Link::Tag(tag),
            });
            Ok(found.into_iter().collect())
        }
    };
    // A disk isn't quicker for more at once.
    let answers: Result<Vec<Vec<Referrer>>, Fault> = match source.offers().is_remote {
        true => parallel_map(&questions, ask).into_iter().collect(),
        false => questions.iter().map(ask).collect(),
    };
    Ok(answers?.into_iter().flatten().collect())
}

/// Asks a source what refers to manifests of a repository, what refers to that, and so on. Nothing is fetched: the source's lists are believed.
///
/// # Errors
/// As [`find`], and if there are too many.
pub(crate) fn find_all(
    source: &dyn Source,
    repository: &Repository,
    subjects: Vec<Digest>,
) -> Result<Vec<Referrer>, Fault> {
    let mut all = Vec::new();
    let mut asked = HashSet::new();
    let mut level = subjects;
    for _ in 0..MAX_DEPTH {
        level.retain(|digest| asked.insert(digest.clone()));
        if level.is_empty() {
            break;
        }
        let found = find(source, repository, &level, &Referrers::All)?;
        level = found.iter().map(|referrer| referrer.digest.clone()).collect();
        all.extend(found);
        if all.len() > MAX_MANIFESTS {
            return Err(too_many("referrers", MAX_MANIFESTS));
        }
    }
    Ok(all)
}

/// Whether an image of a source belongs to another one that is there: by its `subject`, if it has no tag; by a tag of these kinds, or as the list of
/// another one's referrers.
pub(crate) fn belongs(
    source: &dyn Source,
    image: &StoredImage,
    takes_tag: impl Fn(ReferrerTag) -> bool,
) -> bool {
    let repository = image.reference.repository();
    let subject: Option<Digest> = match image.reference.tag() {
        Some(tag) => match ReferrerTag::parse(tag) {
            Some((kind, of)) if kind == ReferrerTag::Index || takes_tag(kind) => {
                of.as_str().replacen('-', ":", 1).parse().ok()
            }
            _ => None,
        },
        None => {
            let manifest = source.find_manifest(repository, &image.digest).ok().flatten();
            manifest.and_then(|manifest| Some(manifest.view().subject()?.digest.clone()))
        }
    };
    // What can't be read is complained about once its image is asked for.
    let is_there = |subject: &Digest| matches!(source.find_manifest(repository, subject), Ok(Some(_)));
    subject.as_ref().is_some_and(is_there)
}

impl Walk<'_> {
    /// The referrers of an image's manifests that move, and the number of those that don't come along. A cut index has another digest: what
    /// refers to the original doesn't fit it.
    pub(super) fn referrers_of(
        &mut self,
        original: &RawManifest,
        root: &RawManifest,
    ) -> Result<(Vec<Attached>, LeftReferrers), Fault> {
        let children = self.gathered.manifests.iter().map(|child| child.digest().clone());
        let subjects: Vec<Digest> = children.chain([root.digest().clone()]).collect();
        let repository = self.mapping.from.reference().repository();
        let mut left = LeftReferrers::default();
        let wanted = &self.job.referrers;
        if *wanted == Referrers::None {
            // Where that costs no request, whoever doesn't ask is told. A file that can't be read is nobody's trouble then.
            if !self.source.offers().is_remote {
                let found = find_all(self.source, repository, subjects).unwrap_or_default();
                // Where all images of the source move, those under a tag are among them.
                let takes_all = self.job.images.is_empty() && self.job.globs.is_empty();
                let is_left = |found: &&Referrer| !takes_all || matches!(found.link, Link::Subject(_));
                let left_behind = found.iter().filter(is_left);
                let digests: HashSet<&Digest> = left_behind.map(|found| &found.digest).collect();
                left.unasked = digests.len();
            }
            return Ok((Vec::new(), left));
        }
        if original.digest() != root.digest() {
            left.of_index = find(self.source, repository, &[original.digest().clone()], wanted)?.len();
        }
        Ok((self.referrers(subjects, wanted)?, left))
    }

    /// Gathers what refers to these manifests, what refers to that, and so on, subjects first.
    pub(super) fn referrers(
        &mut self,
        subjects: Vec<Digest>,
        wanted: &Referrers,
    ) -> Result<Vec<Attached>, Fault> {
        let repository = self.mapping.from.reference().repository().clone();
        let mut attached = Vec::new();
        let (mut asked, mut taken) = (HashSet::new(), HashSet::new());
        let mut level = subjects;
        for _ in 0..MAX_DEPTH {
            level.retain(|digest| asked.insert(digest.clone()));
            if level.is_empty() {
                return Ok(attached);
            }
            let mut found = find(self.source, &repository, &level, wanted)?;
            found.retain(|found| taken.insert(found.clone()));
            if taken.len() > MAX_MANIFESTS {
                return Err(too_many("referrers", MAX_MANIFESTS));
            }
            let parts: Vec<Descriptor> = found.iter().map(part).collect();
            self.fetch_ahead(parts.iter())?;
            level.clear();
            for (Referrer { digest, link, .. }, part) in found.into_iter().zip(&parts) {
                let manifest = self.child(part)?;
                if self.is_referrer(&manifest, &link, wanted) {
                    self.attach(manifest, link, &mut attached)?;
                    level.push(digest);
                }
            }
        }
        Err(too_many("referrers on top of each other", MAX_DEPTH))
    }

    /// Whether a manifest is what the source's list says, and of a type that comes along.
    fn is_referrer(&mut self, manifest: &RawManifest, link: &Link, wanted: &Referrers) -> bool {
        let Link::Subject(subject) = link else { return true };
        let own = manifest.view().subject().map(|own| &own.digest);
        if own != Some(subject) {
            self.gathered.warnings.push(format!(
                "{} is listed as a referrer of {subject} and doesn't refer to it: it is left out",
                manifest.digest()
            ));
            return false;
        }
        let artifact_type = manifest.referrer().and_then(|referrer| referrer.artifact_type);
        let is_wanted = wanted.takes_type(artifact_type.as_deref());
        if !is_wanted {
            let artifact_type = printable(artifact_type.as_deref().unwrap_or("no type"), LONGEST_TYPE);
            log::debug!("{} ({artifact_type}) isn't asked for", manifest.digest());
        }
        is_wanted
    }

    /// Adds a referrer with its blobs; if it is an index, its parts come before it.
    fn attach(
        &mut self,
        manifest: RawManifest,
        link: Link,
        attached: &mut Vec<Attached>,
    ) -> Result<(), Fault> {
        let (image, platforms) = (
            std::mem::take(&mut self.gathered.manifests),
            std::mem::take(&mut self.gathered.platforms),
        );
        let gathered = self.whole(manifest.clone(), 0);
        self.gathered.platforms = platforms;
        let parts = std::mem::replace(&mut self.gathered.manifests, image);
        gathered?;
        let parts = parts
            .into_iter()
            .filter(|part| part.digest() != manifest.digest());
        attached.extend(parts.map(|manifest| Attached { manifest, link: None }));
        attached.push(Attached {
            manifest,
            link: Some(link),
        });
        Ok(())
    }
}

/// A descriptor by which a referrer is fetched: nothing but the digest is known of some.
fn part(referrer: &Referrer) -> Descriptor {
    Descriptor::new(MediaType::OCI_MANIFEST, referrer.digest.clone(), 0)
}
