//! Pushing manifests.

use std::collections::BTreeMap;
use std::io::Read;

use transload_layout_store::{Error as StoreError, Store};
use transload_reference::{
    Descriptor, MAX_MANIFEST_SIZE, Manifest, ManifestError, MediaKind, RawManifest, Repository, Tag,
};

use super::writing::Writing;
use crate::http::{Payload, Request, Response};
use crate::problem::{Code, Problem};
use crate::query::{Query, encode};
use crate::route::Wanted;

/// How many missing parts are named.
const NAMED: usize = 5;
/// How many tags one request may set.
const TAGS: usize = 100;

impl Writing {
    /// PUT: takes a manifest whose parts are there, under its digest, with the tags that the path and the parameters `tag` name.
    pub fn put_manifest(
        &self,
        name: &str,
        repository: &Repository,
        wanted: &Wanted,
        request: &mut Request<'_>,
        query: &Query,
    ) -> Result<Response, Problem> {
        let tags = tags(wanted, query)?;
        let manifest = read(wanted, request)?;
        let missing = self.directory.write(|store| {
            let missing = self.missing(store, repository, &manifest)?;
            if missing.is_empty() {
                put(store, repository, &manifest, &tags)?;
            }
            Ok(missing)
        })?;
        self.wake_sweeper();
        if !missing.is_empty() {
            let names: Vec<String> = missing
                .iter()
                .take(NAMED)
                .map(|part| part.digest.to_string())
                .collect();
            let message = format!(
                "{} of the manifest's parts aren't here: {}",
                missing.len(),
                names.join(", ")
            );
            return Err(Problem::new(Code::ManifestBlobUnknown, message));
        }
        let digest = manifest.digest();
        let mut headers = vec![
            ("Location", format!("/v2/{}/manifests/{digest}", encode(name))),
            ("Docker-Content-Digest", digest.to_string()),
        ];
        let subject = manifest.view().subject();
        headers.extend(subject.map(|subject| ("OCI-Subject", subject.digest.to_string())));
        headers.extend(tags.iter().map(|tag| ("OCI-Tag", tag.to_string())));
        Ok(Response {
            status: 201,
            headers,
            body: Payload::Empty,
        })
    }

    /// The parts of a manifest that aren't there. A layer that is given out elsewhere needn't be.
    fn missing(
        &self,
        store: &Store,
        repository: &Repository,
        manifest: &RawManifest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        let mut missing = Vec::new();
        for blob in manifest.view().blobs() {
            if !blob.media_type.is_foreign_layer() && !store.has_blob(blob)? {
                missing.push(blob.clone());
            }
        }
        if !self.options.sparse_indexes {
            for child in manifest.view().children() {
                // Build caches have indexes of layers.
                let is_blob = child.media_type.kind() == MediaKind::Other && store.has_blob(child)?;
                let is_there = is_blob || store.manifest(repository, &child.digest)?.is_some();
                if !is_there {
                    missing.push(child.clone());
                }
            }
        }
        Ok(missing)
    }
}

fn put(
    store: &Store,
    repository: &Repository,
    manifest: &RawManifest,
    tags: &[Tag],
) -> Result<(), StoreError> {
    store.check_place(repository, tags.first())?;
    store.sync_blobs()?;
    store.put_manifest(repository, manifest)?;
    if tags.is_empty() {
        store.keep(repository, manifest.digest())?;
    } else {
        let tags: Vec<_> = tags
            .iter()
            .map(|tag| (tag.clone(), manifest.digest().clone()))
            .collect();
        store.tag_all(&BTreeMap::from([(repository.clone(), tags)]))?;
    }
    match (manifest.view().subject(), manifest.referrer()) {
        (Some(subject), Some(referrer)) => store.add_referrers(repository, &subject.digest, &[referrer]),
        _ => Ok(()),
    }
}

fn tags(wanted: &Wanted, query: &Query) -> Result<Vec<Tag>, Problem> {
    let mut tags = Vec::new();
    if let Wanted::Tag(tag) = wanted {
        tags.push(tag.clone());
    }
    for tag in query.all("tag") {
        match tag.parse()? {
            Wanted::Tag(tag) => tags.push(tag),
            Wanted::Digest(_) => return Err(Problem::new(Code::TagInvalid, "a digest isn't a tag")),
        }
    }
    tags.sort();
    tags.dedup();
    if tags.len() > TAGS {
        let message = format!("{} tags in one request; at most {TAGS} are taken", tags.len());
        return Err(Problem::new(Code::TagInvalid, message));
    }
    Ok(tags)
}

fn read(wanted: &Wanted, request: &mut Request<'_>) -> Result<RawManifest, Problem> {
    let too_large = || {
        let message = format!("a manifest may have {MAX_MANIFEST_SIZE} bytes");
        Problem::new(Code::SizeInvalid, message)
    };
    if request
        .body
        .length()
        .is_some_and(|length| length > MAX_MANIFEST_SIZE)
    {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    (&mut request.body)
        .take(MAX_MANIFEST_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Problem::new(Code::ManifestInvalid, format!("the body broke off: {error}")))?;
    if bytes.len() as u64 > MAX_MANIFEST_SIZE {
        return Err(too_large());
    }
    let content_type = request.header("content-type");
    let manifest = match wanted {
        Wanted::Tag(_) => RawManifest::parse(bytes, content_type),
        Wanted::Digest(digest) => RawManifest::verified(bytes, content_type, digest),
    };
    let manifest = manifest.map_err(|error| {
        let code = match error {
            ManifestError::Verify(_) => Code::DigestInvalid,
            _ => Code::ManifestInvalid,
        };
        Problem::new(code, error.to_string())
    })?;
    if matches!(manifest.view(), Manifest::Opaque) {
        let message = format!("{} isn't a known type of manifest", manifest.media_type());
        return Err(Problem::new(Code::ManifestInvalid, message));
    }
    Ok(manifest)
}
