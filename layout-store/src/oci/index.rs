//! The file `index.json`: an OCI layout's images.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use transload_reference::{Descriptor, Digest, MAX_IMAGE_LIST_ENTRIES, MAX_IMAGE_LIST_SIZE, MediaType};

use super::names::{FULL_NAME, REF_NAME, Said};
use crate::Error;

/// The file's text, taken apart so that whatever isn't changed stays as it is, byte for byte.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    /// All fields but the entries.
    fields: Vec<(String, Box<RawValue>)>,
    pub entries: Vec<Entry>,
}

/// An entry, which stands for an image.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    text: Box<RawValue>,
    /// What it says; else why it can't be used.
    pub image: Result<Image, String>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub media_type: MediaType,
    pub digest: Digest,
    pub size: u64,
    pub said: Said,
}

impl Index {
    /// An index of no images.
    pub fn new() -> serde_json::Result<Index> {
        let media_type = MediaType::OCI_INDEX;
        Ok(Index {
            fields: vec![
                ("schemaVersion".to_owned(), to_raw_value(&2)?),
                ("mediaType".to_owned(), to_raw_value(&media_type)?),
            ],
            entries: Vec::new(),
        })
    }

    /// Reads the file's bytes; `path` is for the error.
    ///
    /// # Errors
    /// Where they are no JSON object, or its `manifests` no list, or there are too many entries.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Index, Error> {
        // Commas in texts are counted too, which no real index has many of.
        let commas = bytes.iter().filter(|byte| **byte == b',').count();
        if commas > MAX_IMAGE_LIST_ENTRIES {
            let reason = format!(
                "it has about {commas} fields and entries; at most {MAX_IMAGE_LIST_ENTRIES} are read"
            );
            return Err(Error::damaged(path, reason));
        }
        serde_json::from_slice(bytes)
            .map_err(|error| Error::damaged(path, format!("it should list images: {error}")))
    }

    /// The bytes of the file at `path`.
    ///
    /// # Errors
    /// Where there are more than [`Index::parse`] reads back.
    pub fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let commas = bytes.iter().filter(|byte| **byte == b',').count();
        if bytes.len() as u64 > MAX_IMAGE_LIST_SIZE || commas > MAX_IMAGE_LIST_ENTRIES {
            return Err(Error::TooManyTags {
                path: path.to_owned(),
                tags: self.entries.len(),
                size: bytes.len() as u64,
            });
        }
        Ok(bytes)
    }
}

impl Entry {
    /// An entry for a manifest of which so much is said.
    pub fn new(mut manifest: Descriptor, said: &Said) -> serde_json::Result<Entry> {
        manifest.annotations = said.annotations(&manifest.digest);
        to_raw_value(&manifest).map(Entry::read)
    }

    fn read(text: Box<RawValue>) -> Entry {
        let image = serde_json::from_str(text.get())
            .map(|descriptor: Descriptor| Image {
                said: Said::of(&descriptor.annotations),
                media_type: descriptor.media_type,
                digest: descriptor.digest,
                size: descriptor.size,
            })
            .map_err(|error| error.to_string());
        Entry { text, image }
    }

    /// Whether both can be used and say the same of an image, as far as that is understood.
    pub fn says_the_same(&self, other: &Entry) -> bool {
        self.image.is_ok() && self.image == other.image
    }

    /// The same entry, with all else that it says, of another name.
    pub fn renamed(&self, said: &Said, digest: &Digest) -> serde_json::Result<Entry> {
        self.changed(|fields| {
            let annotations = fields.get("annotations").map(|text| text.get());
            let annotations: Option<BTreeMap<String, String>> =
                serde_json::from_str(annotations.unwrap_or("null"))?;
            let mut annotations = annotations.unwrap_or_default();
            for name in [FULL_NAME, REF_NAME] {
                annotations.remove(name);
            }
            annotations.extend(said.annotations(digest));
            fields.remove("annotations");
            if !annotations.is_empty() {
                set(fields, "annotations", &annotations)?;
            }
            Ok(())
        })
    }

    /// The same entry, with all else that it says, with the size and media type that its manifest has.
    pub fn corrected(&self, manifest: &Descriptor) -> serde_json::Result<Entry> {
        self.changed(|fields| {
            set(fields, "mediaType", &manifest.media_type)?;
            set(fields, "size", &manifest.size)
        })
    }

    fn changed(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Box<RawValue>>) -> serde_json::Result<()>,
    ) -> serde_json::Result<Entry> {
        let mut fields = serde_json::from_str(self.text.get())?;
        change(&mut fields)?;
        to_raw_value(&fields).map(Entry::read)
    }

    /// What it says of its name, even if it can't be used.
    pub fn said(&self) -> Said {
        #[derive(Deserialize)]
        struct Named {
            #[serde(default)]
            annotations: BTreeMap<String, serde_json::Value>,
        }
        if let Ok(image) = &self.image {
            return image.said.clone();
        }
        let Ok(named) = serde_json::from_str::<Named>(self.text.get()) else {
            return Said::default();
        };
        let texts = named.annotations.into_iter();
        Said::of(
            &texts
                .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
                .collect(),
        )
    }
}

fn set(
    fields: &mut BTreeMap<String, Box<RawValue>>,
    name: &str,
    value: &impl Serialize,
) -> serde_json::Result<()> {
    fields.insert(name.to_owned(), to_raw_value(value)?);
    Ok(())
}

impl Serialize for Index {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        let entries: Vec<&RawValue> = self.entries.iter().map(|entry| &*entry.text).collect();
        map.serialize_entry(MANIFESTS, &entries)?;
        map.end()
    }
}

/// The field of the entries.
const MANIFESTS: &str = "manifests";

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Index, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Index;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Index, A::Error> {
                let mut fields = Vec::new();
                let mut entries = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name != MANIFESTS {
                        fields.push((name, map.next_value()?));
                        continue;
                    }
                    // Which of two counts, each program decides for itself: that is how one image is smuggled in as another.
                    if entries.is_some() {
                        return Err(A::Error::duplicate_field(MANIFESTS));
                    }
                    let list: Option<Vec<Box<RawValue>>> = map.next_value()?;
                    entries = Some(list.unwrap_or_default().into_iter().map(Entry::read).collect());
                }
                let entries = entries.unwrap_or_default();
                Ok(Index { fields, entries })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
