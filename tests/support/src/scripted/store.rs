//! The contents of a scripted registry.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use transload_reference::{Digest, ManifestError, RawManifest};

use crate::image::Document;

/// Everything in memory.
#[derive(Debug, Default)]
pub(super) struct Store {
    repositories: BTreeMap<String, Content>,
    sessions: HashMap<String, Session>,
    next_session: u64,
}

#[derive(Debug, Default)]
struct Content {
    manifests: HashMap<Digest, Document>,
    tags: BTreeMap<String, Digest>,
    blobs: HashMap<Digest, Arc<[u8]>>,
}

/// An upload that has begun.
#[derive(Debug)]
struct Session {
    repository: String,
    bytes: Vec<u8>,
    /// Grows with every answer, so that the use of an old Location shows.
    step: u64,
    /// Whether a chunk was smaller than the registry likes.
    small_chunk: bool,
}

/// Why a session can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SessionError {
    Unknown,
    /// The Location isn't the newest.
    Stale,
    /// The bytes don't start where the session ends.
    OutOfOrder,
}

/// Why a manifest is refused.
#[derive(Debug)]
pub(super) enum Refused {
    Invalid(String),
    Missing(Digest),
}

impl Store {
    pub(super) fn blob(&self, repository: &str, digest: &Digest) -> Option<Arc<[u8]>> {
        self.repositories.get(repository)?.blobs.get(digest).cloned()
    }

    pub(super) fn put_blob(&mut self, repository: &str, digest: Digest, bytes: Arc<[u8]>) {
        self.content(repository).blobs.insert(digest, bytes);
    }

    pub(super) fn remove_blob(&mut self, repository: &str, digest: &Digest) -> bool {
        self.content(repository).blobs.remove(digest).is_some()
    }

    pub(super) fn manifest(&self, repository: &str, identifier: &str) -> Option<&Document> {
        let content = self.repositories.get(repository)?;
        match identifier.parse::<Digest>() {
            Ok(digest) => content.manifests.get(&digest),
            Err(_) => content.manifests.get(content.tags.get(identifier)?),
        }
    }

    /// Stores a manifest under its digest, and under the tag if there is one. Nothing is checked.
    pub(super) fn put_manifest(&mut self, repository: &str, tag: Option<&str>, document: Document) {
        let content = self.content(repository);
        if let Some(tag) = tag {
            content.tags.insert(tag.to_owned(), document.digest.clone());
        }
        content.manifests.insert(document.digest.clone(), document);
    }

    /// Forgets a tag, or a manifest with its tags; whether there was one.
    pub(super) fn remove_manifest(&mut self, repository: &str, identifier: &str) -> bool {
        let content = self.content(repository);
        let Ok(digest) = identifier.parse::<Digest>() else {
            return content.tags.remove(identifier).is_some();
        };
        content.tags.retain(|_, tagged| *tagged != digest);
        content.manifests.remove(&digest).is_some()
    }

    /// Checks a manifest as registries do: that it is one, of the type that it was sent as, and that its parts are there.
    pub(super) fn check(&self, repository: &str, document: &Document, sparse: bool) -> Result<(), Refused> {
        let sent_as = document.media_type.as_str();
        let raw = match RawManifest::parse(document.bytes.clone(), Some(sent_as)) {
            Ok(raw) => raw,
            Err(ManifestError::Schema1 { .. }) => return Ok(()),
            Err(error) => return Err(Refused::Invalid(error.to_string())),
        };
        if *raw.media_type() != document.media_type {
            let text = format!("sent as {sent_as:?}, is {:?}", raw.media_type().as_str());
            return Err(Refused::Invalid(text));
        }
        let missing_child = raw.view().children().iter().find(|child| {
            let held = self.manifest(repository, child.digest.as_str());
            !sparse && held.is_none()
        });
        let mut blobs = raw.view().blobs();
        let missing = missing_child.or_else(|| {
            blobs.find(|blob| {
                let elsewhere = blob.is_foreign();
                !elsewhere && self.blob(repository, &blob.digest).is_none()
            })
        });
        match missing {
            Some(descriptor) => Err(Refused::Missing(descriptor.digest.clone())),
            None => Ok(()),
        }
    }

    /// Returns the tags in order; `None` if there is no such repository.
    pub(super) fn tags(&self, repository: &str) -> Option<Vec<String>> {
        let content = self.repositories.get(repository)?;
        Some(content.tags.keys().cloned().collect())
    }

    /// Every blob with the repository that holds it.
    pub(super) fn all_blobs(&self) -> impl Iterator<Item = (&str, &Digest)> {
        self.repositories
            .iter()
            .flat_map(|(name, content)| content.blobs.keys().map(move |digest| (name.as_str(), digest)))
    }

    /// The manifests of a repository, by their digests.
    pub(super) fn documents(&self, repository: &str) -> Vec<&Document> {
        let content = self.repositories.get(repository);
        let mut documents: Vec<&Document> = content
            .iter()
            .flat_map(|content| content.manifests.values())
            .collect();
        documents.sort_by(|a, b| a.digest.as_str().cmp(b.digest.as_str()));
        documents
    }

    /// Opens an upload session; gives its name.
    pub(super) fn open(&mut self, repository: &str) -> String {
        self.next_session += 1;
        let name = format!("session-{}", self.next_session);
        let session = Session {
            repository: repository.to_owned(),
            bytes: Vec::new(),
            step: 0,
            small_chunk: false,
        };
        self.sessions.insert(name.clone(), session);
        name
    }

    /// Returns the query of a session's newest Location, with characters that a client must not decode.
    pub(super) fn state(&self, name: &str) -> Option<String> {
        let session = self.sessions.get(name)?;
        Some(format!("_state={name}%2Fstep%3D{}%3D%3D", session.step))
    }

    /// How many bytes a session has.
    pub(super) fn offset(&self, repository: &str, name: &str) -> Option<u64> {
        let session = self.sessions.get(name)?;
        (session.repository == repository).then_some(session.bytes.len() as u64)
    }

    /// Adds bytes to a session. `start` is the offset that the client names.
    pub(super) fn append(
        &mut self,
        repository: &str,
        name: &str,
        query: &str,
        start: Option<u64>,
        bytes: &[u8],
    ) -> Result<(), SessionError> {
        let state = self.state(name).ok_or(SessionError::Unknown)?;
        let session = self.sessions.get_mut(name).ok_or(SessionError::Unknown)?;
        if session.repository != repository {
            return Err(SessionError::Unknown);
        }
        if !query.split('&').any(|part| part == state) {
            return Err(SessionError::Stale);
        }
        let end = session.bytes.len() as u64;
        if start.is_some_and(|start| start != end) {
            return Err(SessionError::OutOfOrder);
        }
        session.bytes.extend_from_slice(bytes);
        session.step += 1;
        Ok(())
    }

    pub(super) fn had_small_chunk(&self, name: &str) -> bool {
        self.sessions.get(name).is_some_and(|session| session.small_chunk)
    }

    pub(super) fn note_small_chunk(&mut self, name: &str) {
        if let Some(session) = self.sessions.get_mut(name) {
            session.small_chunk = true;
        }
    }

    /// Ends a session and returns its bytes, if there was one.
    pub(super) fn close(&mut self, repository: &str, name: &str) -> Option<Vec<u8>> {
        self.offset(repository, name)?;
        Some(self.sessions.remove(name)?.bytes)
    }

    /// How many sessions are open.
    pub(super) fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    fn content(&mut self, repository: &str) -> &mut Content {
        self.repositories.entry(repository.to_owned()).or_default()
    }
}
