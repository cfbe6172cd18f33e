//! Referrers: signatures, SBOMs and the like, of an image's manifests and of each other.

use std::collections::HashSet;

use transload_reference::{Descriptor, Digest, RawManifest, ReferrerTag, Repository, printable};

use super::{MAX_DEPTH, MAX_MANIFESTS, Walk, too_many};
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

/// What refers to a manifest, as its source says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Found {
    pub digest: Digest,
    pub link: Link,
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
pub(crate) fn find(
    source: &dyn Source,
    repository: &Repository,
    subjects: &[Digest],
    wanted: &Referrers,
) -> Result<Vec<Found>, Fault> {
    let by_subject = wanted.takes_subjects().then_some(None);
    let by_tag = ReferrerTag::COSIGN
        .into_iter()
        .filter(|tag| wanted.takes_tag(*tag));
    let kinds: Vec<Option<ReferrerTag>> = by_subject.into_iter().chain(by_tag.map(Some)).collect();
    let questions: Vec<Question<'_>> = subjects
        .iter()
        .flat_map(|subject| kinds.iter().map(move |&tag| Question { subject, tag }))
        .collect();
    let answers = parallel_map(&questions, |question| match question.tag {
        None => {
            let listed = source.referrers(repository, question.subject)?.into_iter();
            let is_wanted = |referrer: &Descriptor| {
                // A list may leave the type out.
                referrer.artifact_type.is_none() || wanted.takes_type(referrer.artifact_type.as_deref())
            };
            let found = listed.filter(is_wanted).map(|referrer| Found {
                digest: referrer.digest,
                link: Link::Subject(question.subject.clone()),
            });
            Ok(found.collect())
        }
        Some(kind) => {
            let tag = kind.of(question.subject);
            let found = source.find_tag(repository, &tag)?;
            let found = found.map(|digest| Found {
                digest,
                link: Link::Tag(tag),
            });
            Ok(found.into_iter().collect())
        }
    });
    let answers: Result<Vec<Vec<Found>>, Fault> = answers.into_iter().collect();
    Ok(answers?.into_iter().flatten().collect())
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
                let found = find(self.source, repository, &subjects, &Referrers::All).unwrap_or_default();
                // Where all images of the source move, those under a tag are among them.
                let takes_all = self.job.images.is_empty() && self.job.globs.is_empty();
                let is_left = |found: &&Found| !takes_all || matches!(found.link, Link::Subject(_));
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
            let parts: Vec<Descriptor> = found.iter().map(Found::part).collect();
            self.fetch_ahead(parts.iter())?;
            level.clear();
            for (Found { digest, link }, part) in found.into_iter().zip(&parts) {
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

impl Found {
    /// A descriptor by which the manifest is fetched: nothing but the digest is known of some.
    fn part(&self) -> Descriptor {
        Descriptor::new(
            transload_reference::MediaType::OCI_MANIFEST,
            self.digest.clone(),
            0,
        )
    }
}
