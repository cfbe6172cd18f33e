//! Referrers: manifests about another manifest, such as its signatures ([image specification, "Guidelines for Artifact Usage"];
//! [distribution specification, "Listing Referrers"]).
//!
//! [image specification, "Guidelines for Artifact Usage"]: https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
//! [distribution specification, "Listing Referrers"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Descriptor, Digest, Manifest, ManifestError, MediaType, RawManifest, Tag};

/// How long the digest in a tag may be, in characters (distribution specification, "Referrers Tag Schema").
const LONGEST_IN_TAG: usize = 64;

/// The fields of a manifest that only its entry in a list of referrers needs. Annotations that aren't texts are left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    artifact_type: Option<Value>,
    annotations: Option<Value>,
}

impl RawManifest {
    /// Returns this manifest's entry in the list of its subject's referrers, with its artifact type (or that of its config) and annotations;
    /// none if it has no subject.
    pub fn referrer(&self) -> Option<Descriptor> {
        self.view().subject()?;
        let told: Told = serde_json::from_slice(self.bytes()).ok()?;
        let artifact_type = match told.artifact_type {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let config = match self.view() {
            Manifest::Image(image) => Some(image.config.media_type.as_str().to_owned()),
            _ => None,
        };
        let annotations = match told.annotations {
            Some(Value::Object(annotations)) => annotations,
            _ => serde_json::Map::new(),
        };
        let mut descriptor = self.descriptor();
        descriptor.artifact_type = artifact_type.or(config.filter(|config| !config.is_empty()));
        descriptor.annotations = annotations
            .into_iter()
            .filter_map(|(key, value)| match value {
                Value::String(text) => Some((key, text)),
                _ => None,
            })
            .collect();
        Some(descriptor)
    }
}

/// A list of a manifest's referrers: the answer of the referrers API, and the index under the referrers tag.
///
/// ```
/// use transload_reference::{RawManifest, ReferrersIndex};
///
/// let index = ReferrersIndex::default().to_manifest()?;
/// assert_eq!(index.media_type().as_str(), "application/vnd.oci.image.index.v1+json");
/// assert!(ReferrersIndex::of(&index).is_some_and(|index| index.referrers().is_empty()));
/// # Ok::<(), transload_reference::ManifestError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReferrersIndex {
    referrers: Vec<Descriptor>,
}

impl ReferrersIndex {
    /// Returns the list that an index holds; none if the manifest is no index.
    pub fn of(manifest: &RawManifest) -> Option<ReferrersIndex> {
        match manifest.view() {
            Manifest::Index(index) => Some(ReferrersIndex {
                referrers: index.manifests.clone(),
            }),
            _ => None,
        }
    }

    /// The referrers, in the order of the list.
    pub fn referrers(&self) -> &[Descriptor] {
        &self.referrers
    }

    /// Adds a referrer, unless its digest is listed. Returns whether it was added.
    pub fn add(&mut self, referrer: Descriptor) -> bool {
        let is_new = !self.has(&referrer.digest);
        if is_new {
            self.referrers.push(referrer);
        }
        is_new
    }

    /// Returns whether a digest is listed.
    pub fn has(&self, digest: &Digest) -> bool {
        self.referrers.iter().any(|known| known.digest == *digest)
    }

    /// Keeps the referrers of one artifact type.
    pub fn retain_type(&mut self, artifact_type: &str) {
        self.referrers
            .retain(|referrer| referrer.artifact_type.as_deref() == Some(artifact_type));
    }

    /// Returns the list as an OCI index.
    ///
    /// # Errors
    /// If it has more bytes or entries than a manifest may have.
    pub fn to_manifest(&self) -> Result<RawManifest, ManifestError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            schema_version: u32,
            media_type: MediaType,
            manifests: &'a [Descriptor],
        }
        let document = Document {
            schema_version: 2,
            media_type: MediaType::OCI_INDEX,
            manifests: &self.referrers,
        };
        let bytes = serde_json::to_vec(&document).map_err(ManifestError::Json)?;
        RawManifest::parse(bytes, Some(MediaType::OCI_INDEX.as_str()))
    }
}

impl FromIterator<Descriptor> for ReferrersIndex {
    /// Lists each digest once.
    fn from_iter<I: IntoIterator<Item = Descriptor>>(referrers: I) -> ReferrersIndex {
        let by_digest: BTreeMap<Digest, Descriptor> = referrers
            .into_iter()
            .map(|referrer| (referrer.digest.clone(), referrer))
            .collect();
        ReferrersIndex {
            referrers: by_digest.into_values().collect(),
        }
    }
}

/// A tag that belongs to a manifest by its digest, such as `sha256-<hex>.sig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ReferrerTag {
    /// `sha256-<hex>`: the list of referrers, at a registry without the referrers API (distribution specification, "Referrers Tag Schema").
    Index,
    /// `sha256-<hex>.sig`: cosign's signatures.
    Signature,
    /// `sha256-<hex>.att`: cosign's attestations.
    Attestation,
    /// `sha256-<hex>.sbom`: an SBOM that cosign attached.
    Sbom,
}

impl ReferrerTag {
    /// The tags that cosign writes.
    pub const COSIGN: [ReferrerTag; 3] = [
        ReferrerTag::Signature,
        ReferrerTag::Attestation,
        ReferrerTag::Sbom,
    ];

    /// How the tag ends, after the digest: `.sig`, for example.
    pub fn ending(self) -> &'static str {
        match self {
            ReferrerTag::Index => "",
            ReferrerTag::Signature => ".sig",
            ReferrerTag::Attestation => ".att",
            ReferrerTag::Sbom => ".sbom",
        }
    }

    /// Returns the tag of this kind for a manifest. A digest of more than 64 characters is cut.
    ///
    /// ```
    /// use transload_reference::{Digest, ReferrerTag};
    ///
    /// let tag = ReferrerTag::Signature.of(&Digest::of(b"a manifest"));
    /// assert!(tag.as_str().starts_with("sha256-") && tag.as_str().ends_with(".sig"));
    /// ```
    pub fn of(self, subject: &Digest) -> Tag {
        let hex = subject.hex();
        let hex = hex.get(..LONGEST_IN_TAG).unwrap_or(hex);
        Tag::checked(format!("{}-{hex}{}", subject.algorithm().as_str(), self.ending()))
    }

    /// Returns what a tag is to the manifest that it belongs to, and that manifest's own tag, `sha256-<hex>`, to compare with
    /// `ReferrerTag::Index.of(…)`; none for other tags.
    pub fn parse(tag: &Tag) -> Option<(ReferrerTag, Tag)> {
        let text = tag.as_str();
        let with_ending = ReferrerTag::COSIGN
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_suffix(kind.ending())?)));
        let (kind, bare) = with_ending.unwrap_or((ReferrerTag::Index, text));
        let (algorithm, hex) = bare.split_once('-')?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_digest = matches!(algorithm, "sha256" | "sha512")
            && hex.len() == LONGEST_IN_TAG
            && hex.bytes().all(is_hex);
        is_digest.then(|| (kind, Tag::checked(bare.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> RawManifest {
        RawManifest::parse(text.as_bytes().to_vec(), None).unwrap()
    }

    fn descriptor(kind: &str, name: &[u8]) -> String {
        let digest = Digest::of(name);
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":2}}"#)
    }

    #[test]
    fn a_referrer_is_listed_with_its_type_and_its_annotations() {
        let subject = descriptor(MediaType::OCI_MANIFEST.as_str(), b"subject");
        let config = descriptor("application/vnd.example.config", b"{}");
        let cases = [
            (
                "its own type comes first",
                format!(
                    r#"{{"schemaVersion":2,"artifactType":"application/sbom","config":{config},"layers":[],"subject":{subject},"annotations":{{"a":"b","n":1}}}}"#
                ),
                Some("application/sbom"),
                1,
            ),
            (
                "its config's type otherwise",
                format!(
                    r#"{{"schemaVersion":2,"artifactType":"","config":{config},"layers":[],"subject":{subject},"annotations":null}}"#
                ),
                Some("application/vnd.example.config"),
                0,
            ),
            (
                "an index has none",
                format!(r#"{{"schemaVersion":2,"manifests":[],"subject":{subject},"annotations":[]}}"#),
                None,
                0,
            ),
            (
                "a withdrawn artifact manifest",
                format!(
                    r#"{{"mediaType":"{}","artifactType":"application/x","blobs":[],"subject":{subject}}}"#,
                    MediaType::OCI_ARTIFACT
                ),
                Some("application/x"),
                0,
            ),
        ];
        for (case, text, artifact_type, annotations) in cases {
            let manifest = manifest(&text);
            let referrer = manifest.referrer().expect(case);
            assert_eq!(referrer.artifact_type.as_deref(), artifact_type, "{case}");
            assert_eq!(referrer.annotations.len(), annotations, "{case}");
            assert_eq!(
                (&referrer.digest, referrer.size, &referrer.media_type),
                (manifest.digest(), manifest.size(), manifest.media_type())
            );
        }
        let alone = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#);
        assert_eq!(manifest(&alone).referrer(), None);
    }

    #[test]
    fn a_list_reads_back_and_has_each_digest_once() {
        let mut one = Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(b"1"), 1);
        one.artifact_type = Some("x".to_owned());
        let two = Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(b"2"), 1);
        let mut index = ReferrersIndex::default();
        assert!(index.add(one.clone()) && index.add(two.clone()) && !index.add(one.clone()));
        let read = ReferrersIndex::of(&index.to_manifest().unwrap()).unwrap();
        assert_eq!(read, index);
        index.retain_type("x");
        assert_eq!(index.referrers(), std::slice::from_ref(&one));
        let collected: ReferrersIndex = [one.clone(), two, one].into_iter().collect();
        assert_eq!(collected.referrers().len(), 2);
    }

    #[test]
    fn a_list_beyond_a_manifests_bounds_is_refused() {
        let entry = Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(b"1"), 1);
        let index = ReferrersIndex {
            referrers: vec![entry; crate::MAX_MANIFEST_ENTRIES],
        };
        assert!(matches!(
            index.to_manifest(),
            Err(ManifestError::TooLarge { .. } | ManifestError::TooMany { .. })
        ));
    }

    #[test]
    fn tags_of_a_digest_are_told_from_others() {
        for digest in [Digest::of(b"1"), Digest::with(crate::Algorithm::Sha512, b"1")] {
            let bare = ReferrerTag::Index.of(&digest);
            assert_eq!(bare.as_str().len(), "sha256-".len() + 64);
            for kind in ReferrerTag::COSIGN.into_iter().chain([ReferrerTag::Index]) {
                assert_eq!(ReferrerTag::parse(&kind.of(&digest)), Some((kind, bare.clone())));
            }
        }
        let hex = "a".repeat(64);
        for other in [
            "v1".to_owned(),
            "sha256-abc.sig".to_owned(),
            format!("sha1-{hex}"),
            format!("sha256-{hex}.txt"),
            format!("sha256-{}", hex.to_uppercase()),
            format!("sha256-{hex}.sig.sig"),
        ] {
            assert_eq!(ReferrerTag::parse(&other.parse().unwrap()), None, "{other}");
        }
    }
}
