//! Manifests ([distribution specification, "Pulling manifests" and "Pushing manifests"]).
//!
//! [distribution specification, "Pulling manifests" and "Pushing manifests"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md

use transload_reference::{
    Algorithm, Descriptor, Digest, Identifier, MAX_MANIFEST_SIZE, ManifestError, MediaType, RawManifest,
    Repository,
};

use crate::answer::Answer;
use crate::core::Core;
use crate::error::{Cause, Error, ErrorKind};
use crate::notice::NoticeKind;
use crate::operation::Operation;
use crate::request::Call;
use crate::scope::Scopes;
use crate::tries::Tries;

/// The accepted media types. Schema 1 can't be copied.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// The largest manifest that registries accept, in bytes.
const MAX_PUSHED_MANIFEST: usize = 4 * 1024 * 1024;

/// A destination's answer about a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It exists, with this media type, digest and size.
    Found(Box<Descriptor>),
    /// It doesn't exist.
    Missing,
    /// The registry refuses to tell: it may not be looked up (403), or not pulled (412: Harbor's rules for unsigned and vulnerable images). A
    /// push may succeed.
    Undisclosed,
}

impl Lookup {
    /// Returns the descriptor of a manifest that was found.
    pub fn found(self) -> Option<Descriptor> {
        match self {
            Lookup::Found(descriptor) => Some(*descriptor),
            Lookup::Missing | Lookup::Undisclosed => None,
        }
    }
}

impl Core {
    pub fn resolve(&self, repository: &Repository, identifier: &Identifier) -> Result<Descriptor, Error> {
        let scopes = Scopes::pull(repository);
        let mut call = self
            .manifest_call(Operation::LookUpManifest, "HEAD", repository, identifier)?
            .scopes(scopes);
        let answer = self.run(&mut call, None)?;
        match answer.status {
            200 => match described(&answer, identifier) {
                Some(descriptor) => Ok(descriptor),
                None => Ok(self.manifest(repository, identifier)?.descriptor()),
            },
            // Not every registry answers HEAD.
            400 | 405 | 406 | 501 => Ok(self.manifest(repository, identifier)?.descriptor()),
            _ => self.explain(call, identifier, answer),
        }
    }

    pub fn find_manifest(&self, repository: &Repository, identifier: &Identifier) -> Result<Lookup, Error> {
        // Asks with the rights of a push, so that one token serves both.
        let scopes = Scopes::push(repository);
        let mut call = self
            .manifest_call(Operation::LookUpManifest, "HEAD", repository, identifier)?
            .scopes(scopes.clone());
        let answer = self.run(&mut call, None)?;
        match answer.status {
            200 => match described(&answer, identifier) {
                Some(descriptor) => Ok(Lookup::Found(Box::new(descriptor))),
                None => self.fetch_described(repository, identifier, scopes),
            },
            404 => Ok(Lookup::Missing),
            403 | 412 => Ok(Lookup::Undisclosed),
            400 | 405 | 406 | 501 => self.fetch_described(repository, identifier, scopes),
            _ => {
                let found = self.explain(call, identifier, answer)?;
                Ok(Lookup::Found(Box::new(found)))
            }
        }
    }

    /// Repeats a refused HEAD as GET, once: an answer to HEAD has no body that tells why.
    fn explain(&self, call: Call, identifier: &Identifier, refused: Answer) -> Result<Descriptor, Error> {
        let is_doubtful =
            refused.status != 401 || refused.insufficient.is_some() || call.place.has_credential;
        let error = refused.into_error(&call.place);
        if !is_doubtful {
            return Err(error);
        }
        let call = Call {
            method: "GET",
            renews: false,
            ..call
        };
        match self.fetch(call, identifier) {
            Ok(manifest) => Ok(manifest.descriptor()),
            Err(told) if told.message().is_some() => Err(told),
            Err(_) => Err(error),
        }
    }

    fn fetch_described(
        &self,
        repository: &Repository,
        identifier: &Identifier,
        scopes: Scopes,
    ) -> Result<Lookup, Error> {
        match self.fetch_manifest(repository, identifier, scopes) {
            Ok(manifest) => Ok(Lookup::Found(Box::new(manifest.descriptor()))),
            Err(error) if error.status() == Some(412) => Ok(Lookup::Undisclosed),
            Err(error) if error.is_not_found() && error.reason().is_none() => Ok(Lookup::Missing),
            Err(error) => Err(error),
        }
    }

    pub fn manifest(&self, repository: &Repository, identifier: &Identifier) -> Result<RawManifest, Error> {
        self.fetch_manifest(repository, identifier, Scopes::pull(repository))
    }

    fn fetch_manifest(
        &self,
        repository: &Repository,
        identifier: &Identifier,
        scopes: Scopes,
    ) -> Result<RawManifest, Error> {
        let call = self.manifest_call(Operation::ReadManifest, "GET", repository, identifier)?;
        self.fetch(call.scopes(scopes), identifier)
    }

    fn fetch(&self, mut call: Call, identifier: &Identifier) -> Result<RawManifest, Error> {
        let mut tries = Tries::default();
        let mut doubted: Option<Digest> = None;
        loop {
            let is_first_doubt = doubted.is_none();
            let error = match self.fetch_once(&mut call, identifier, &mut doubted) {
                Ok(manifest) => return Ok(manifest),
                // A second answer tells whether the header is wrong or the bytes are.
                Err(_) if is_first_doubt && doubted.is_some() => continue,
                Err(error) => error,
            };
            // `run` retries requests. This loop retries damaged or truncated bytes.
            let is_damage = matches!(error.kind(), ErrorKind::Manifest(_) | ErrorKind::Network { .. });
            if !is_damage || !error.is_retryable() {
                return Err(tries.end(error));
            }
            self.again(&mut tries, error, NoticeKind::Retry)?;
        }
    }

    fn fetch_once(
        &self,
        call: &mut Call,
        identifier: &Identifier,
        doubted: &mut Option<Digest>,
    ) -> Result<RawManifest, Error> {
        let answer = self.run(call, None)?;
        if answer.status != 200 {
            return Err(answer.into_error(&call.place));
        }
        if let Some(length) = answer.content_length()
            && length > MAX_MANIFEST_SIZE
        {
            return Err(call.fail(ErrorKind::Manifest(ManifestError::TooLarge { size: length })));
        }
        let content_type = answer.header("content-type").map(str::to_owned);
        let told = told_digest(&answer);
        let bytes = answer.bytes(MAX_MANIFEST_SIZE, &call.place)?;
        let content_type = content_type.as_deref();
        let read = match identifier {
            Identifier::Digest(digest) => RawManifest::verified(bytes, content_type, digest),
            Identifier::Tag(_) => {
                let digest = Digest::of(&bytes);
                // The bytes are damaged, or the header is wrong. The same bytes twice are right.
                match told.filter(|told| told.algorithm() == digest.algorithm() && *told != digest) {
                    Some(told) if doubted.replace(digest.clone()) != Some(digest) => {
                        RawManifest::verified(bytes, content_type, &told)
                    }
                    _ => RawManifest::parse(bytes, content_type),
                }
            }
        };
        read.map_err(|error| call.fail(ErrorKind::Manifest(error)))
    }

    pub fn push_manifest(
        &self,
        repository: &Repository,
        identifier: &Identifier,
        manifest: &RawManifest,
    ) -> Result<(), Error> {
        let mut call = self
            .manifest_call(Operation::WriteManifest, "PUT", repository, identifier)?
            .scopes(Scopes::push(repository))
            .header("content-type", manifest.media_type().as_str());
        if manifest.bytes().len() > MAX_PUSHED_MANIFEST {
            let message = format!(
                "the manifest has {} bytes; registries take at most {MAX_PUSHED_MANIFEST}",
                manifest.bytes().len()
            );
            return Err(call.protocol(message));
        }
        call.checked_bytes = manifest.bytes().len() as u64;
        let mut tries = Tries::default();
        let answer = loop {
            let answer = self.run(&mut call, Some(manifest.bytes()))?;
            if answer.is_success() && !answer.is_page() {
                break answer;
            }
            let error = refused(answer, &call, identifier, manifest);
            if !error.is_of_right_digest() {
                return Err(error);
            }
            self.again(&mut tries, error, NoticeKind::Retry)?;
        };
        if answer.header("oci-subject").is_some() {
            self.learn_of_referrers_api(&call.reach, true);
        }
        let told = told_digest(&answer);
        answer.drain();
        let Some(told) = told.filter(|told| told != manifest.digest()) else {
            return Ok(());
        };
        if told != Digest::with(told.algorithm(), manifest.bytes()) {
            let message = format!("the registry stored {told} instead of {}", manifest.digest());
            return Err(call.protocol(message));
        }
        // The content is right, under another algorithm's digest. An index needs it under this one.
        if matches!(identifier, Identifier::Digest(_))
            && self.find_manifest(repository, identifier)? == Lookup::Missing
        {
            let message = format!(
                "the registry stored the manifest as {told} and doesn't have it as {}",
                manifest.digest()
            );
            return Err(call.protocol(message));
        }
        Ok(())
    }

    fn manifest_call(
        &self,
        operation: fn(Identifier) -> Operation,
        method: &'static str,
        repository: &Repository,
        identifier: &Identifier,
    ) -> Result<Call, Error> {
        let call = Call::new(
            self,
            operation(identifier.clone()),
            repository,
            method,
            &format!("/manifests/{identifier}"),
        )?;
        Ok(if method == "PUT" {
            call
        } else {
            call.header("accept", ACCEPT)
        })
    }
}

/// Turns the refusal of a manifest into an error that tells what is unusual about the manifest.
fn refused(answer: Answer, call: &Call, identifier: &Identifier, manifest: &RawManifest) -> Error {
    let url = answer.url.clone();
    let mut refusal = answer.into_refusal();
    let (media_type, algorithm) = (manifest.media_type().as_str(), manifest.digest().algorithm());
    let is_of_content = matches!(refusal.status, 400 | 404 | 405 | 415 | 422);
    let (mut notes, mut cause) = (Vec::new(), None);
    if refusal.status == 415 && !refusal.message.iter().any(|message| message.contains(media_type)) {
        notes.push(format!("it was sent as {media_type}"));
    }
    if is_of_content && matches!(identifier, Identifier::Digest(_)) && algorithm != Algorithm::Sha256 {
        cause = Some(Cause::OtherAlgorithm);
        let algorithm = algorithm.as_str();
        notes.push(format!(
            "registries needn't take a digest other than sha256, and this one is {algorithm}"
        ));
    }
    if !notes.is_empty() {
        let notes = notes.join("; ");
        refusal.message = Some(match refusal.message {
            Some(message) => format!("{message} ({notes})"),
            None => notes,
        });
    }
    Error::new(&call.place, ErrorKind::Status(refusal))
        .at(&url)
        .because(cause)
}

/// Returns the digest that an answer's head tells of a manifest.
fn told_digest(answer: &Answer) -> Option<Digest> {
    answer.header("docker-content-digest")?.parse().ok()
}

/// Reads a manifest's descriptor from an answer's head, if it is complete.
fn described(answer: &Answer, identifier: &Identifier) -> Option<Descriptor> {
    let media_type = MediaType::new(answer.header("content-type")?);
    // The length of an encoded body isn't the manifest's.
    let size = answer
        .content_length()
        .filter(|_| answer.foreign_encoding().is_none())?;
    let digest = match identifier {
        Identifier::Digest(digest) => digest.clone(),
        Identifier::Tag(_) => told_digest(answer)?,
    };
    (!media_type.as_str().is_empty()).then(|| Descriptor::new(media_type, digest, size))
}
