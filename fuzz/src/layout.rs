//! The file `layout`.

use std::collections::BTreeMap;

use transload_layout_store::fuzzing::TagMap;
use transload_reference::{Digest, Tag};

/// A tag map keeps what it had, whatever is set and removed besides.
pub fn check(input: &[u8]) {
    let map = match TagMap::read(input) {
        Ok(map) => map,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = map.to_bytes();
    assert_eq!(
        texts(&written),
        texts(input),
        "nothing is lost, not even what is no tag"
    );
    assert_eq!(read(&written).tags(), map.tags());
    assert_eq!(
        read(&written).to_bytes(),
        written,
        "written twice, it is the same"
    );

    let tag: Tag = "new-tag".parse().expect("a tag");
    let digest = Digest::of(input);
    let mut changed = map;
    let before = changed.tags();
    changed.set(&tag, &digest);
    let with_it = read(&changed.to_bytes()).tags();
    assert!(with_it.contains(&(tag.clone(), digest)));
    assert!(
        before
            .iter()
            .all(|entry| entry.0 == tag || with_it.contains(entry))
    );
    assert!(changed.remove(&tag));
    assert!(!changed.remove(&tag));
    let mut expected = texts(input);
    expected.remove(tag.as_str());
    assert_eq!(texts(&changed.to_bytes()), expected);
}

fn read(bytes: &[u8]) -> TagMap {
    TagMap::read(bytes).expect("what was written can be read")
}

fn texts(bytes: &[u8]) -> BTreeMap<String, String> {
    serde_json::from_slice(bytes).expect("a map of texts")
}
