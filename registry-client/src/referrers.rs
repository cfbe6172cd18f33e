//! Lists the referrers of a manifest ([distribution specification, "Listing Referrers"]).
//!
//! [distribution specification, "Listing Referrers"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers

use transload_reference::{
    Descriptor, Digest, Identifier, MAX_MANIFEST_SIZE, Manifest, RawManifest, Repository, Tag,
};

use crate::core::Core;
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::request::Call;
use crate::tags::{Pages, next_page};

/// The largest number of pages to read.
const MAX_PAGES: u32 = 1000;

impl Core {
    pub fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        let mut call = Call::new(
            self,
            Operation::ListReferrers(Some(digest.clone())),
            repository,
            "GET",
            &format!("/referrers/{digest}"),
        )?
        .header("accept", "application/vnd.oci.image.index.v1+json");
        if let Some(artifact_type) = artifact_type {
            call.url = call.url.with_query("artifactType", artifact_type);
        }
        let is_wanted = |referrer: &Descriptor| {
            artifact_type.is_none() || referrer.artifact_type.as_deref() == artifact_type
        };
        let mut referrers = Vec::new();
        let mut pages = Pages::default();
        for _ in 0..MAX_PAGES {
            let answer = self.run(&mut call, None)?;
            // The API answers 200 even if there are none.
            if matches!(answer.status, 400 | 404 | 405 | 501) {
                answer.drain();
                let found = self.tagged_referrers(repository, digest)?;
                return Ok(found.into_iter().filter(is_wanted).collect());
            }
            if answer.status != 200 {
                return Err(answer.into_error(&call.place));
            }
            let is_filtered = answer
                .header("oci-filters-applied")
                .is_some_and(|filters| filters.split(',').any(|filter| filter.trim() == "artifactType"));
            let next = next_page(&call, &answer)?;
            let content_type = answer.header("content-type").map(str::to_owned);
            let bytes = answer.bytes(MAX_MANIFEST_SIZE, &call.place)?;
            let page = RawManifest::parse(bytes, content_type.as_deref());
            let page = page.map_err(|error| call.fail(ErrorKind::Manifest(error)))?;
            let found = children(&page);
            pages.count(&call, page.bytes().len(), found.is_empty())?;
            referrers.extend(
                found
                    .into_iter()
                    .filter(|referrer| is_filtered || is_wanted(referrer)),
            );
            match next {
                Some(next) => call.url = next,
                None => return Ok(referrers),
            }
        }
        Err(call.protocol(format!("the list has more than {MAX_PAGES} pages")))
    }

    fn tagged_referrers(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Descriptor>, Error> {
        let name = format!("{}-{}", digest.algorithm().as_str(), digest.hex());
        // The specification truncates: 32 characters of the algorithm, 64 of the encoded part.
        let name: String = name
            .chars()
            .take(digest.algorithm().as_str().len() + 65)
            .collect();
        let Ok(tag) = name.parse::<Tag>() else {
            return Ok(Vec::new());
        };
        match self.manifest(repository, &Identifier::Tag(tag)) {
            Ok(index) => Ok(children(&index)),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn children(index: &RawManifest) -> Vec<Descriptor> {
    match index.view() {
        Manifest::Index(index) => index.manifests.clone(),
        _ => Vec::new(),
    }
}
