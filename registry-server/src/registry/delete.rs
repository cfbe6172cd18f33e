//! Deleting tags, manifests and blobs.

use transload_layout_store::Removed;
use transload_reference::{Digest, Repository};

use super::writing::Writing;
use crate::http::{Payload, Response};
use crate::problem::{Code, Problem};
use crate::route::Wanted;

impl Writing {
    /// Deletes a tag, or a manifest with all its tags. Blobs stay until they are pruned.
    pub fn delete_manifest(&self, repository: &Repository, wanted: &Wanted) -> Result<Response, Problem> {
        let removed = match wanted {
            Wanted::Tag(tag) => match self.directory.write(|store| store.untag(repository, tag))? {
                true => Removed::Done,
                false => Removed::Missing,
            },
            Wanted::Digest(digest) => self
                .directory
                .remove(|exclusive| exclusive.remove_manifest(repository, digest))?,
        };
        self.wake_sweeper();
        answer(removed, Code::ManifestUnknown, "manifest", "an index")
    }

    /// Deletes a blob that no image needs.
    pub fn delete_blob(&self, digest: &Digest) -> Result<Response, Problem> {
        let removed = self.directory.remove(|exclusive| exclusive.remove_blob(digest))?;
        answer(removed, Code::BlobUnknown, "blob", "an image")
    }
}

fn answer(removed: Removed, unknown: Code, what: &str, whole: &str) -> Result<Response, Problem> {
    match removed {
        Removed::Done => Ok(Response {
            status: 202,
            headers: Vec::new(),
            body: Payload::Empty,
        }),
        Removed::Missing => Err(Problem::new(unknown, format!("there is no such {what} here"))),
        _ => {
            let message = format!("the {what} is a part of {whole} that is here: delete that first");
            Err(Problem::new(Code::Unsupported, message))
        }
    }
}
