//! Cutting an index down to some of its children.
//!
//! The index is cut as text: what remains keeps its bytes, its order, its line breaks and the fields that nobody here knows.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;
use transload_reference::{Descriptor, ManifestError, RawManifest};

/// What becomes of an index's child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// It stays as it is.
    Yes,
    /// It goes.
    No,
    /// Another takes its place, such as a nested index that was cut down itself: the digest and size change and an inlined
    /// copy (`data`) of the old one goes; the rest of its entry stays.
    Replaced(Descriptor),
}

/// Why an index can't be cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It isn't an index, or its entries have no digest and size.
    #[error("the index can't be filtered: {0}")]
    Json(#[from] serde_json::Error),
    /// What remains isn't an index. This doesn't happen to an index that could be read.
    #[error("the filtered index can't be read: {0}")]
    Manifest(#[from] ManifestError),
}

impl FilterError {
    /// Always false: the same index fails the same way.
    pub fn is_retryable(&self) -> bool {
        false
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some("take all platforms: then the index isn't filtered")
    }
}

/// Cuts an index down to the children for which `keep`, told their positions, doesn't say [`Keep::No`]. If all stay, so does
/// every byte.
///
/// # Errors
/// Where `raw` is no index.
pub fn filter_index(raw: &RawManifest, keep: impl Fn(usize) -> Keep) -> Result<RawManifest, FilterError> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        manifests: &'a RawValue,
    }
    let bytes = raw.bytes();
    let document: Document<'_> = serde_json::from_slice(bytes)?;
    // Go programs write null for an empty list.
    let entries: Option<Vec<&RawValue>> = serde_json::from_str(document.manifests.get())?;
    let entries = entries.unwrap_or_default();
    let decisions: Vec<Keep> = (0..entries.len()).map(keep).collect();
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Ok(raw.clone());
    };
    if decisions.iter().all(|keep| *keep == Keep::Yes) {
        return Ok(raw.clone());
    }
    let mut cut = bytes[..span(bytes, first).start].to_vec();
    let mut is_first = true;
    let mut end_of_previous = span(bytes, first).start;
    for (entry, decision) in entries.iter().zip(&decisions) {
        let place = span(bytes, entry);
        if *decision != Keep::No {
            if !is_first {
                // The comma and white space that stood before this entry.
                cut.extend_from_slice(&bytes[end_of_previous..place.start]);
            }
            is_first = false;
            match decision {
                Keep::Replaced(descriptor) => replace(entry, descriptor, &mut cut)?,
                _ => cut.extend_from_slice(&bytes[place.clone()]),
            }
        }
        end_of_previous = place.end;
    }
    cut.extend_from_slice(&bytes[span(bytes, last).end..]);
    Ok(RawManifest::parse(cut, Some(raw.media_type().as_str()))?)
}

/// Writes an entry with another digest and size, and without inlined content, which would be the old one's.
fn replace(entry: &RawValue, descriptor: &Descriptor, cut: &mut Vec<u8>) -> Result<(), FilterError> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        digest: &'a RawValue,
        #[serde(borrow)]
        size: &'a RawValue,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let bytes = entry.get().as_bytes();
    let fields: Entry<'_> = serde_json::from_slice(bytes)?;
    let mut changes = vec![
        (span(bytes, fields.digest), format!("\"{}\"", descriptor.digest)),
        (span(bytes, fields.size), descriptor.size.to_string()),
    ];
    if let Some(data) = fields.data {
        changes.push((field(bytes, &span(bytes, data)), String::new()));
    }
    changes.sort_by_key(|(place, _)| place.start);
    let mut from = 0;
    for (place, text) in changes {
        cut.extend_from_slice(&bytes[from..place.start]);
        cut.extend_from_slice(text.as_bytes());
        from = place.end;
    }
    cut.extend_from_slice(&bytes[from..]);
    Ok(())
}

/// Where a field of an object stands, with its key and the comma that parts it from the rest. Other fields must exist.
fn field(object: &[u8], value: &Range<usize>) -> Range<usize> {
    let before = object[..value.start].trim_ascii_end();
    let before = before.strip_suffix(b":").unwrap_or(before).trim_ascii_end();
    // A key holds no bare quotation mark between its own two.
    let key = before.strip_suffix(b"\"").unwrap_or(before);
    let start = key.iter().rposition(|byte| *byte == b'"').unwrap_or(key.len());
    let preceding = object[..start].trim_ascii_end();
    if preceding.ends_with(b",") {
        return preceding.len() - 1..value.end;
    }
    let following = object[value.end..].trim_ascii_start();
    let following = following
        .strip_prefix(b",")
        .unwrap_or(following)
        .trim_ascii_start();
    start..object.len() - following.len()
}

/// Where in `bytes` a value that was read from it without copying stands.
fn span(bytes: &[u8], value: &RawValue) -> Range<usize> {
    let text = value.get();
    let start = text.as_ptr() as usize - bytes.as_ptr() as usize;
    start..start + text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transload_reference::{Digest, MediaType};

    use super::*;

    const INDEX: &str = r#"{
   "future": {"manifests": [1, 2]},
   "schemaVersion": 2,
   "mediaType": "application/vnd.oci.image.index.v1+json",
   "manifests": [
      {"size": 10, "x": [1, {"y": null}], "digest": "A", "mediaType": "application/vnd.oci.image.manifest.v1+json"},
      {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "B", "size": 11, "annotations": {"k": "v é"}},
      {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "C",   "size" :12 }
   ],
   "annotations": {"kept": "yes"}
}
"#;

    fn index() -> RawManifest {
        let text = ["A", "B", "C"].iter().fold(INDEX.to_owned(), |text, name| {
            text.replace(
                &format!("\"{name}\""),
                &format!("\"{}\"", Digest::of(name.as_bytes())),
            )
        });
        RawManifest::parse(text.into_bytes(), None).unwrap()
    }

    fn lines(raw: &RawManifest) -> Vec<String> {
        String::from_utf8(raw.bytes().to_vec())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn nothing_filtered_changes_no_byte() {
        let raw = index();
        assert_eq!(filter_index(&raw, |_| Keep::Yes).unwrap().digest(), raw.digest());
    }

    #[test]
    fn what_is_kept_keeps_its_bytes_and_its_lines() {
        let raw = index();
        let filtered = filter_index(&raw, |at| if at == 1 { Keep::No } else { Keep::Yes }).unwrap();
        let (before, mut expected) = (lines(&raw), lines(&raw));
        expected.remove(6);
        assert_eq!(lines(&filtered), expected);
        let last_only = filter_index(&raw, |at| if at == 2 { Keep::Yes } else { Keep::No }).unwrap();
        assert_eq!(lines(&last_only)[5], before[7]);
        assert_eq!(last_only.media_type(), &MediaType::OCI_INDEX);
    }

    #[test]
    fn a_replaced_child_changes_only_its_digest_and_size() {
        let raw = index();
        let other = Descriptor::new(MediaType::OCI_INDEX, Digest::of(b"other"), 7);
        let filtered = filter_index(&raw, |at| {
            if at == 0 {
                Keep::Replaced(other.clone())
            } else {
                Keep::Yes
            }
        })
        .unwrap();
        let expected = lines(&raw)[5]
            .replace("10", "7")
            .replace(&Digest::of(b"A").to_string(), &other.digest.to_string());
        assert_eq!(lines(&filtered)[5], expected);
        assert_eq!(lines(&filtered)[6..], lines(&raw)[6..]);
    }

    #[test]
    fn a_replaced_child_loses_its_inlined_content() {
        let other = Descriptor::new(MediaType::OCI_INDEX, Digest::of(b"other"), 7);
        let (old, new) = (Digest::of(b"old"), &other.digest);
        for (entry, expected) in [
            (
                r#"{"data":"AA==","digest":"OLD","size":1}"#,
                r#"{"digest":"NEW","size":7}"#,
            ),
            (
                r#"{"size":1 , "data" : "AA==","digest":"OLD"}"#,
                r#"{"size":7 ,"digest":"NEW"}"#,
            ),
            (
                r#"{"size":1,"digest":"OLD","data":"AA==", "a":"data"}"#,
                r#"{"size":7,"digest":"NEW", "a":"data"}"#,
            ),
            (
                "{\"d\\u0061ta\": \"AA==\" ,\n \"size\":1,\"digest\":\"OLD\"}",
                r#"{"size":7,"digest":"NEW"}"#,
            ),
            (
                r#"{"size":1,"digest":"OLD","x":{"data":"AA=="}}"#,
                r#"{"size":7,"digest":"NEW","x":{"data":"AA=="}}"#,
            ),
        ] {
            let index = |entry: &str| format!(r#"{{"manifests":[{entry}]}}"#);
            let text = index(&entry.replace("OLD", &old.to_string()));
            let raw = RawManifest::parse(text.into_bytes(), None).unwrap();
            let filtered = filter_index(&raw, |_| Keep::Replaced(other.clone())).unwrap();
            assert_eq!(
                std::str::from_utf8(filtered.bytes()).unwrap(),
                index(&expected.replace("NEW", &new.to_string()))
            );
        }
    }

    #[test]
    fn an_index_of_nothing_stays_one() {
        let filtered = filter_index(&index(), |_| Keep::No).unwrap();
        assert!(filtered.view().children().is_empty());
        for empty in [r#"{"manifests": [ ]}"#, r#"{"manifests":null}"#] {
            let empty = RawManifest::parse(empty.as_bytes().to_vec(), None).unwrap();
            let filtered = filter_index(&empty, |_| Keep::No).unwrap();
            assert_eq!(filtered.digest(), empty.digest());
        }
    }

    #[test]
    fn an_image_is_no_index() {
        let raw = RawManifest::parse(br#"{"mediaType":"application/vnd.new+json"}"#.to_vec(), None).unwrap();
        assert!(matches!(
            filter_index(&raw, |_| Keep::Yes),
            Err(FilterError::Json(_))
        ));
    }

    proptest! {
        #[test]
        fn a_filtered_index_holds_exactly_what_was_kept(
            sizes in proptest::collection::vec((any::<u32>(), any::<bool>()), 0..8),
            space in "[ \n\t]{0,3}",
            unknown in "[a-z]{1,8}",
        ) {
            let entries: Vec<String> = sizes.iter().map(|(size, _)| {
                format!(r#"{{{space}"x-{unknown}":{{"z":[{size}]}},"digest":"{}",{space}"size":{size}}}"#, Digest::of(&size.to_le_bytes()))
            }).collect();
            let text = format!(r#"{{"{unknown}-own":1,"schemaVersion":2,"manifests":[{space}{}{space}]}}"#, entries.join(&format!("{space},{space}")));
            let raw = RawManifest::parse(text.into_bytes(), None).unwrap();
            let filtered = filter_index(&raw, |at| if sizes[at].1 { Keep::Yes } else { Keep::No }).unwrap();
            let kept: Vec<Descriptor> = raw.view().children().iter().zip(&sizes).filter(|(_, (_, keep))| *keep).map(|(child, _)| child.clone()).collect();
            prop_assert_eq!(filtered.view().children(), kept.as_slice());
            let text = std::str::from_utf8(filtered.bytes()).unwrap();
            for (entry, (_, keep)) in entries.iter().zip(&sizes) {
                if *keep {
                    prop_assert!(text.contains(entry.as_str()));
                }
            }
        }
    }
}
