//! Manifests and indexes, and cutting these down.

use serde_json::Value;
use transload_policy::{Keep, PlatformSet, filter_index, select};
use transload_reference::{Descriptor, Digest, Manifest, MediaType, RawManifest};

const CONTENT_TYPES: [Option<&str>; 3] = [
    None,
    Some("application/vnd.oci.image.index.v1+json; charset=utf-8"),
    Some("application/vnd.docker.distribution.manifest.v2+json"),
];

/// A manifest keeps its bytes and their digest; an index that is cut down keeps all but what was cut.
pub fn check(input: &[u8]) {
    for content_type in CONTENT_TYPES {
        let raw = match RawManifest::parse(input, content_type) {
            Ok(raw) => raw,
            Err(error) => {
                assert!(!error.is_retryable(), "the same bytes fail in the same way");
                continue;
            }
        };
        is_whole(&raw, input, content_type);
        // What a child holds that isn't text is moved, too, but can't be cut.
        if let Manifest::Index(_) = raw.view()
            && std::str::from_utf8(input).is_ok()
        {
            can_be_cut(&raw);
        }
    }
}

fn is_whole(raw: &RawManifest, input: &[u8], content_type: Option<&str>) {
    assert_eq!(raw.bytes(), input);
    assert_eq!(raw.digest(), &Digest::of(input));
    assert_eq!(raw.size(), input.len() as u64);
    assert!(
        !raw.media_type().as_str().is_empty(),
        "a registry must be told something"
    );
    let again = RawManifest::verified(input, content_type, raw.digest()).expect("it is what it is");
    assert_eq!(again.view(), raw.view());
    assert!(RawManifest::verified(input, content_type, &Digest::of(b"other")).is_err());
    let told = RawManifest::parse(input, Some(raw.media_type().as_str())).expect("it is of its type");
    assert_eq!(
        (told.media_type(), told.view()),
        (raw.media_type(), raw.view()),
        "told its own type, it is the same"
    );
    raw.view()
        .blobs()
        .chain(raw.view().children())
        .for_each(is_described);
}

fn is_described(descriptor: &Descriptor) {
    let text = serde_json::to_string(descriptor).expect("a descriptor can be written");
    assert_eq!(
        serde_json::from_str::<Descriptor>(&text).ok().as_ref(),
        Some(descriptor),
        "{text}"
    );
    if let Ok(Some(content)) = descriptor.inline_data() {
        assert_eq!(content.len() as u64, descriptor.size);
        assert_eq!(
            Digest::with(descriptor.digest.algorithm(), &content),
            descriptor.digest
        );
    }
}

fn can_be_cut(raw: &RawManifest) {
    let children = raw.view().children();
    let wanted = PlatformSet::parse(&["linux/amd64", "linux/arm"]).expect("platforms");
    let chosen = match raw.view() {
        Manifest::Index(index) => select(index, &wanted).keep,
        _ => Vec::new(),
    };
    assert!(chosen.is_sorted() && chosen.iter().all(|at| *at < children.len()));
    let kept = |at: usize| if chosen.contains(&at) { Keep::Yes } else { Keep::No };
    has_but(
        raw,
        &chosen,
        &filter_index(raw, kept).expect("an index can be cut"),
    );
    let all: Vec<usize> = (0..children.len()).collect();
    let same = filter_index(raw, |_| Keep::Yes).expect("an index can be cut");
    assert_eq!(same.bytes(), raw.bytes(), "nothing was cut");
    for alone in all.iter().take(4) {
        let only = filter_index(raw, |at| if at == *alone { Keep::Yes } else { Keep::No });
        has_but(raw, &[*alone], &only.expect("an index can be cut"));
    }
    let other = Descriptor::new(MediaType::OCI_INDEX, Digest::of(b"other"), 12_345);
    let replaced = filter_index(raw, |_| Keep::Replaced(other.clone())).expect("an index can be cut");
    assert_eq!(replaced.view().children().len(), children.len());
    for (new, old) in replaced.view().children().iter().zip(children) {
        let expected = Descriptor {
            digest: other.digest.clone(),
            size: other.size,
            data: None,
            ..old.clone()
        };
        assert_eq!(new, &expected);
    }
}

/// Whether the one is the other with these children, and has all else that it had.
fn has_but(raw: &RawManifest, chosen: &[usize], cut: &RawManifest) {
    let children = raw.view().children();
    let expected: Vec<&Descriptor> = chosen.iter().map(|at| &children[*at]).collect();
    assert_eq!(cut.view().children().iter().collect::<Vec<_>>(), expected);
    assert_eq!(cut.media_type(), raw.media_type());
    // Numbers that no float holds and halves of letters are only passed on.
    let Ok(mut whole) = serde_json::from_slice::<Value>(raw.bytes()) else {
        return;
    };
    let rest: Value = serde_json::from_slice(cut.bytes()).expect("what is left is JSON");
    if let Some(entries) = whole.get_mut("manifests").and_then(Value::as_array_mut) {
        let mut at = 0..;
        entries.retain(|_| at.next().is_some_and(|at| chosen.contains(&at)));
    }
    assert_eq!(rest, whole);
}
