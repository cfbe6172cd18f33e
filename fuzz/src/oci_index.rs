//! The file `index.json` of an OCI image layout.

use serde_json::Value;
use transload_layout_store::fuzzing::OciIndex;
use transload_reference::{Descriptor, Digest, MediaType, Reference, Repository, Tag};

/// An index keeps what it had, whatever names come and go besides.
pub fn check(input: &[u8]) {
    let index = match OciIndex::read(input) {
        Ok(index) => index,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let flaws = index.flaws().expect("a name for the directory");
    assert!(flaws.iter().all(|flaw| flaw.len() < 2_000), "they are for people");
    for (name, digest) in index.images() {
        assert_eq!(name.to_string().parse(), Ok(name.clone()), "it can be asked for");
        let found = index.image(&name);
        assert!(found.is_err() || found.is_ok_and(|found| found == Some(digest)));
    }
    let written = bytes(&index);
    assert_eq!(bytes(&read(&written)), written, "written twice, it is the same");
    if let (Ok(before), Ok(after)) = (value(input), value(&written)) {
        let (before, after) = (with_entries(before), with_entries(after));
        assert_eq!(before, after, "nothing is lost");
    }

    let repository: Repository = "hub.local/new".parse().expect("a repository");
    let tag: Tag = "new-tag".parse().expect("a tag");
    let name = Reference::new(repository.clone(), Some(tag.clone()), None);
    let manifest = Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(input), input.len() as u64);
    let mut changed = index;
    changed.remove(&name);
    let before = others(&changed, &name);
    assert_eq!(changed.set(&repository, &tag, &manifest).ok(), Some(true));
    assert_eq!(changed.set(&repository, &tag, &manifest).ok(), Some(false));
    let mut changed = read(&bytes(&changed));
    assert_eq!(changed.image(&name).ok().flatten(), Some(manifest.digest));
    assert_eq!(others(&changed, &name), before);
    assert!(changed.remove(&name));
    assert!(!changed.remove(&name));
    assert_eq!(others(&read(&bytes(&changed)), &name), before);
}

/// The images of other names.
fn others(index: &OciIndex, name: &Reference) -> Vec<(Reference, Digest)> {
    let mut images = index.images();
    images.retain(|(other, _)| other != name && other.repository() != name.repository());
    images
}

fn read(bytes: &[u8]) -> OciIndex {
    OciIndex::read(bytes).expect("what was written can be read")
}

fn bytes(index: &OciIndex) -> Vec<u8> {
    index.to_bytes().expect("no more than was read")
}

/// The whole as values. What serde_json takes for no value is too deep for it, or has numbers beyond it.
fn value(bytes: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(bytes)
}

/// The same with a list of entries, which may be missing or null.
fn with_entries(mut index: Value) -> Value {
    if index["manifests"].is_null() {
        index["manifests"] = Value::Array(Vec::new());
    }
    index
}
