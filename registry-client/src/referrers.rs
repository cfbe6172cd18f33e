//! Lists the referrers of a manifest, and adds to the list of a registry without the referrers API ([distribution specification, "Listing Referrers"] and
//! ["Referrers Tag Schema"]).
//!
//! [distribution specification, "Listing Referrers"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
//! ["Referrers Tag Schema"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema

use std::time::{Duration, Instant};

use transload_reference::{
    Descriptor, Digest, Identifier, MAX_MANIFEST_SIZE, RawManifest, ReferrerTag, ReferrersIndex, Repository,
};

use crate::core::{Core, lock};
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::origin::Reach;
use crate::pages::{Pages, next_page};
use crate::request::Call;
use crate::retry::chance;

/// The largest number of pages to read.
const MAX_PAGES: u32 = 1000;

/// How often a list is written again because another writer replaced it.
const MAX_WRITES: u32 = 10;

/// The longest wait before a list that was written is read again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The codes of a 404 that is about the repository or the manifest, and not about the API.
const NOT_ABOUT_THE_API: [&str; 2] = ["NAME_UNKNOWN", "MANIFEST_UNKNOWN"];

impl Core {
    pub fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        let mut index = match self.listed_referrers(repository, digest, artifact_type)? {
            Some(index) => index,
            None => self.tagged_referrers(repository, digest)?,
        };
        if let Some(artifact_type) = artifact_type {
            index.retain_type(artifact_type);
        }
        Ok(index.referrers().to_vec())
    }

    /// Asks the referrers API. Returns `None` if the registry doesn't have it, which is learnt for its other repositories.
    fn listed_referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<ReferrersIndex>, Error> {
        let mut call = Call::new(
            self,
            Operation::ListReferrers(Some(digest.clone())),
            repository,
            "GET",
            &format!("/referrers/{digest}"),
        )?
        .header("accept", "application/vnd.oci.image.index.v1+json");
        if self.has_referrers_api(&call.reach) == Some(false) {
            return Ok(None);
        }
        if let Some(artifact_type) = artifact_type {
            call.url = call.url.with_query("artifactType", artifact_type);
        }
        let mut index = ReferrersIndex::default();
        let mut pages = Pages::default();
        for _ in 0..MAX_PAGES {
            let answer = self.run(&mut call, None)?;
            // The API answers 200 even if there are none.
            if matches!(answer.status, 400 | 404 | 405 | 501) {
                let refusal = answer.into_refusal();
                let code = refusal.code.as_deref().unwrap_or_default();
                if refusal.status == 404 && !NOT_ABOUT_THE_API.contains(&code) {
                    self.learn_of_referrers_api(&call.reach, false);
                }
                return Ok(None);
            }
            if answer.status != 200 {
                return Err(answer.into_error(&call.place));
            }
            self.learn_of_referrers_api(&call.reach, true);
            let is_filtered = artifact_type.is_some()
                && answer
                    .header("oci-filters-applied")
                    .is_some_and(|filters| filters.split(',').any(|filter| filter.trim() == "artifactType"));
            let next = next_page(&call, &answer)?;
            let content_type = answer.header("content-type").map(str::to_owned);
            let bytes = answer.bytes(MAX_MANIFEST_SIZE, &call.place)?;
            let page = RawManifest::parse(bytes, content_type.as_deref());
            let page = page.map_err(|error| call.fail(ErrorKind::Manifest(error)))?;
            let found = ReferrersIndex::of(&page).unwrap_or_default();
            pages.count(&call, page.bytes().len(), found.referrers().is_empty())?;
            for referrer in found.referrers() {
                let mut referrer = referrer.clone();
                if is_filtered {
                    // What the registry has filtered needn't be told.
                    referrer.artifact_type = artifact_type.map(str::to_owned);
                }
                index.add(referrer);
            }
            match next {
                Some(next) => call.url = next,
                None => return Ok(Some(index)),
            }
        }
        Err(call.protocol(format!("the list has more than {MAX_PAGES} pages")))
    }

    /// Reads the list under the referrers tag; an empty one if there is none.
    fn tagged_referrers(&self, repository: &Repository, digest: &Digest) -> Result<ReferrersIndex, Error> {
        let tag = Identifier::Tag(ReferrerTag::Index.of(digest));
        match self.manifest(repository, &tag) {
            Ok(manifest) => Ok(ReferrersIndex::of(&manifest).unwrap_or_default()),
            Err(error) if error.is_not_found() => Ok(ReferrersIndex::default()),
            Err(error) => Err(error),
        }
    }

    pub fn add_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrers: &[Descriptor],
    ) -> Result<(), Error> {
        let reach = self.reach(repository.registry(), Some(repository))?;
        let has_api = match self.has_referrers_api(&reach) {
            Some(has_api) => has_api,
            None => self.listed_referrers(repository, subject, None)?.is_some(),
        };
        if has_api {
            return Ok(());
        }
        let tag = Identifier::Tag(ReferrerTag::Index.of(subject));
        let call = Call::new(
            self,
            Operation::WriteManifest(tag.clone()),
            repository,
            "PUT",
            &format!("/manifests/{tag}"),
        )?;
        for written in 0..=MAX_WRITES {
            let began = Instant::now();
            let mut index = self.tagged_referrers(repository, subject)?;
            let mut lacks = false;
            for referrer in referrers {
                lacks |= index.add(referrer.clone());
            }
            if !lacks {
                return Ok(());
            }
            if written == MAX_WRITES {
                break;
            }
            let manifest = index.to_manifest();
            let manifest = manifest.map_err(|error| call.fail(ErrorKind::Manifest(error)))?;
            self.push_manifest(repository, &tag, &manifest)?;
            // Another writer that read the list before this write replaces it after about as long as this one took. The part that is random
            // makes two writers part.
            let wait = began.elapsed().mul_f64(1.0 + chance()).min(LONGEST_WAIT);
            if !self.cancel.sleep(wait, || false) {
                return Err(call.fail(ErrorKind::Cancelled));
            }
        }
        Err(call.protocol(format!(
            "the list of referrers was written {MAX_WRITES} times, and other writers replaced it each time"
        )))
    }

    /// Returns whether a registry has the referrers API, if that has been learnt.
    fn has_referrers_api(&self, reach: &Reach) -> Option<bool> {
        lock(&self.referrers_api).get(reach).copied()
    }

    /// Learns whether a registry has the referrers API. Once it has answered, it has it.
    pub fn learn_of_referrers_api(&self, reach: &Reach, has_it: bool) {
        let mut known = lock(&self.referrers_api);
        *known.entry(reach.clone()).or_default() |= has_it;
    }
}
