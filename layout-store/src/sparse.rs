//! Which platforms of an index were left out on purpose.
//!
//! Manifests are written children first, so what an index names and isn't there when it is written was left out. That is noted in
//! `.transload/sparse/<repository>/<index>`, a JSON list of digests: what is missing later and isn't in it was lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use transload_reference::{Digest, RawManifest, Repository};

use crate::folders::{Kind, OWN, kind};
use crate::manifest::read;
use crate::{Error, Store};

impl Store {
    /// The manifests that an index names and that were left out when it was written: it is sparse by request. What of them was
    /// brought since is in it no more.
    pub fn left_out(&self, repository: &Repository, index: &Digest) -> BTreeSet<Digest> {
        // A note that can't be read says nothing, and what is missing is complained about.
        let bytes = read(&self.note(repository, index)).ok().flatten();
        let listed: Option<Vec<String>> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let listed = listed.unwrap_or_default();
        listed.iter().filter_map(|digest| digest.parse().ok()).collect()
    }

    /// Notes what of an index isn't there, before the index is written.
    pub(crate) fn note_left_out(&self, repository: &Repository, index: &RawManifest) -> Result<(), Error> {
        let missing: BTreeSet<String> = index
            .view()
            .children()
            .iter()
            .filter(|child| !matches!(self.manifest(repository, &child.digest), Ok(Some(_))))
            .map(|child| child.digest.to_string())
            .collect();
        if missing.is_empty() {
            return self.forget_left_out(repository, index.digest());
        }
        let path = self.note(repository, index.digest());
        let parent = path.parent().unwrap_or(self.root());
        self.make_folder(parent, &"the notes of what was left out")?;
        let bytes = serde_json::to_vec_pretty(&missing).unwrap_or_default();
        self.replace(&path, &bytes, repository)
    }

    /// Forgets the note of an index that is whole or goes.
    pub(crate) fn forget_left_out(&self, repository: &Repository, index: &Digest) -> Result<(), Error> {
        let path = self.note(repository, index);
        if kind(&path)? == Kind::Nothing {
            return Ok(());
        }
        fs::remove_file(&path).map_err(Error::io("removing", &path))
    }

    /// Removes the folders that held a repository's notes, where they hold nothing more. Nobody else may use the store meanwhile.
    pub(crate) fn remove_empty_notes(&self, repository: &Repository) {
        let folder = self.notes(repository);
        let own = self.root().join(OWN);
        let above = folder.ancestors().take_while(|path| *path != own);
        // The first that isn't empty, or isn't there, ends the climb.
        let _ = above.map(fs::remove_dir).find(Result::is_err);
    }

    fn note(&self, repository: &Repository, index: &Digest) -> PathBuf {
        self.notes(repository).join(index.to_string())
    }

    fn notes(&self, repository: &Repository) -> PathBuf {
        let mut path = self.root().join(OWN).join("sparse");
        path.push(repository.registry().as_str());
        path.extend(repository.path().split('/'));
        path
    }
}
