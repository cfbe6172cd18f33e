//! Which platforms of an index were left out on purpose.
//!
//! Manifests are written children first, so what an index names and isn't there when it is written was left out. That is noted in a file of
//! its own below `.transload/sparse`, a JSON list of digests: what is missing later and isn't in it was lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use transload_reference::{Digest, RawManifest};

use crate::Error;
use crate::directory::Directory;
use crate::folders::{self, OWN, read};

/// The folder of all notes.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join(OWN).join("sparse")
}

/// What a note says was left out.
pub(crate) fn left_out(note: &Path) -> BTreeSet<Digest> {
    // A note that can't be read says nothing, and what is missing is complained about.
    let bytes = read(note).ok().flatten();
    let listed: Option<Vec<String>> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let listed = listed.unwrap_or_default();
    listed.iter().filter_map(|digest| digest.parse().ok()).collect()
}

/// Notes what of an index isn't there, before the index is written. Where nothing is missing, there is a note if `always`.
pub(crate) fn note_left_out(
    directory: &Directory,
    note: &Path,
    index: &RawManifest,
    always: bool,
    is_there: impl Fn(&Digest) -> bool,
) -> Result<(), Error> {
    let missing: BTreeSet<String> = index
        .view()
        .children()
        .iter()
        .filter(|child| !is_there(&child.digest))
        .map(|child| child.digest.to_string())
        .collect();
    if missing.is_empty() && !always {
        return folders::remove(note);
    }
    let parent = note.parent().unwrap_or(directory.root());
    directory.make_folder(parent, &"the notes of what was left out")?;
    let bytes = serde_json::to_vec_pretty(&missing).unwrap_or_default();
    directory.replace(note, &bytes, &"a note of what was left out")
}
