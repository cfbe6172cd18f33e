//! Lists of referrers, and manifests with a subject, which become entries of one.

use transload_reference::{Descriptor, Digest, MediaType, RawManifest, ReferrersIndex};

/// A list keeps its entries whatever is added, and a manifest's entry is about that manifest.
pub fn check(input: &[u8]) {
    let Ok(manifest) = RawManifest::parse(input, None) else {
        return;
    };
    if let Some(entry) = manifest.referrer() {
        assert!(manifest.view().subject().is_some(), "it is about something");
        assert_eq!((&entry.digest, entry.size), (manifest.digest(), manifest.size()));
        let list: ReferrersIndex = [entry.clone(), entry.clone()].into_iter().collect();
        assert_eq!(read(&list).referrers(), [entry]);
    }
    let Some(list) = ReferrersIndex::of(&manifest) else {
        return;
    };
    let before = list.referrers().to_vec();
    let mut added = list.clone();
    for referrer in &before {
        assert!(!added.add(referrer.clone()), "it is listed");
    }
    assert_eq!(added, list);
    let new = Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(input), input.len() as u64);
    if added.add(new.clone()) {
        assert_eq!(added.referrers().last(), Some(&new));
        assert_eq!(&added.referrers()[..before.len()], before);
    }
    assert!(added.has(&new.digest));
    if let Ok(written) = added.to_manifest() {
        assert_eq!(
            ReferrersIndex::of(&written),
            Some(added.clone()),
            "written and read, it is the same"
        );
    }
    let wanted = before.first().and_then(|referrer| referrer.artifact_type.clone());
    let wanted = wanted.unwrap_or_default();
    added.retain_type(&wanted);
    assert!(
        added
            .referrers()
            .iter()
            .all(|referrer| referrer.artifact_type.as_ref() == Some(&wanted))
    );
}

fn read(list: &ReferrersIndex) -> ReferrersIndex {
    let written = list.to_manifest().expect("no more than an entry");
    ReferrersIndex::of(&written).expect("an index")
}
