//! Content descriptors ([image specification, "OCI Content Descriptors"]).
//!
//! [image specification, "OCI Content Descriptors"]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Digest, MediaType, Platform, Verifier, VerifyError};

/// What a piece of content is, how big it is and how it is identified ([image specification, "Content Descriptors"]).
///
/// [image specification, "Content Descriptors"]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md
///
/// Fields that this type doesn't know are dropped when it is read: the raw bytes of the manifest that it stands in are what
/// moves, see [`RawManifest`](crate::RawManifest).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type. Some old manifests leave it out; then it is empty.
    #[serde(default = "no_media_type")]
    pub media_type: MediaType,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content, in bytes.
    pub size: u64,
    /// Where else the content can be had; foreign layers have these.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// Free notes, such as `vnd.docker.reference.digest`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The platform, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Box<Platform>>,
    /// The type of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content itself, in base64, where it is small enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

fn no_media_type() -> MediaType {
    MediaType::new("")
}

/// Go programs write `null` for a list or map that they left empty.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Descriptor {
    /// A descriptor of the three things that every descriptor has; `size` is in bytes.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            data: None,
        }
    }

    /// The same descriptor with its content in it.
    pub fn with_data(mut self, content: &[u8]) -> Descriptor {
        self.data = Some(base64::engine::general_purpose::STANDARD.encode(content));
        self
    }

    /// Whether it is a foreign layer that tells where it is to be had ([`urls`](Descriptor::urls)): its publisher gives it out there
    /// alone, and registries and stores needn't have it. One without addresses is nowhere but where its image is.
    pub fn is_foreign(&self) -> bool {
        self.media_type.is_foreign_layer() && !self.urls.is_empty()
    }

    /// The content that the descriptor carries itself, if it does.
    ///
    /// # Errors
    /// Where it isn't base64 or isn't what digest and size say; the content has to be fetched then.
    pub fn inline_data(&self) -> Result<Option<Vec<u8>>, VerifyError> {
        let Some(data) = &self.data else { return Ok(None) };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(data)
            .unwrap_or_default();
        let mut verifier = Verifier::of(self);
        verifier.update(&bytes)?;
        verifier.finish()?;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_missing_fields_are_read() {
        let digest = Digest::of(b"{}");
        let text = format!(r#"{{"digest":"{digest}","size":2,"urls":null,"annotations":null,"new":[1]}}"#);
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!((descriptor.size, descriptor.media_type.as_str()), (2, ""));
    }

    #[test]
    fn a_negative_size_or_a_bad_digest_is_refused() {
        let digest = Digest::of(b"");
        assert!(
            serde_json::from_str::<Descriptor>(&format!(r#"{{"digest":"{digest}","size":-1}}"#)).is_err()
        );
        assert!(serde_json::from_str::<Descriptor>(r#"{"digest":"sha256:../../etc","size":1}"#).is_err());
    }

    #[test]
    fn a_layer_is_foreign_only_with_an_address_of_its_own() {
        let mut layer = Descriptor::new(MediaType::DOCKER_FOREIGN_LAYER, Digest::of(b""), 0);
        assert!(!layer.is_foreign());
        layer.urls.push("https://publisher.example/layer".to_owned());
        assert!(layer.is_foreign());
        layer.media_type = MediaType::DOCKER_LAYER;
        assert!(!layer.is_foreign());
    }

    #[test]
    fn inline_data_is_verified_before_it_is_used() {
        let mut descriptor = Descriptor::new(MediaType::OCI_EMPTY, Digest::of(b"{}"), 2);
        assert_eq!(descriptor.inline_data(), Ok(None));
        descriptor = descriptor.with_data(b"{}");
        assert_eq!(descriptor.data.as_deref(), Some("e30="));
        assert_eq!(descriptor.inline_data(), Ok(Some(b"{}".to_vec())));
        descriptor.data = Some("e31=".into());
        assert!(descriptor.inline_data().is_err());
        descriptor.data = Some("not base64!".into());
        assert!(descriptor.inline_data().is_err());
    }
}
