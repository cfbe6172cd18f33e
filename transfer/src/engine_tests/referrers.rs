//! Referrers: which come along, in which order, and what is asked for them.

use transload_policy::PlatformSet;
use transload_reference::{Digest, Reference, ReferrerTag};
use transload_test_support::image::{Family, Image, samples};

use super::Engine;
use crate::job::IndexMode;
use crate::memory::{Call, Kind, Trouble};
use crate::outcome::{LeftReferrers, Link};

const KINDS: [Kind; 3] = [Kind::Store, Kind::Registry, Kind::File];

/// The digest of a referrer, as the repository's reference at the destination.
fn by_digest(image: &Image) -> Reference {
    format!("to.example/app@{}", image.digest()).parse().unwrap()
}

fn tagged(kind: ReferrerTag, subject: &Image) -> String {
    format!("app:{}", kind.of(subject.digest()))
}

/// An image with an SBOM, that SBOM's signature by subject, and cosign's signature by tag.
struct Signed {
    image: Image,
    sbom: Image,
    of_sbom: Image,
    cosign: Image,
}

impl Signed {
    fn new(image: Image) -> Signed {
        let sbom = samples::artifact(&image);
        Signed {
            of_sbom: samples::artifact(&sbom),
            cosign: samples::cosign_signature(&image),
            sbom,
            image,
        }
    }

    fn add_to(&self, engine: &mut Engine) {
        engine.to.need_subjects();
        engine.add("app:v1", &self.image);
        engine.attach("app", &self.sbom);
        engine.attach("app", &self.of_sbom);
        engine.attach(&tagged(ReferrerTag::Signature, &self.image), &self.cosign);
    }

    /// What of it the destination lacks.
    fn lacks(&self, engine: &Engine) -> Vec<String> {
        let mut lacks = engine.to.lacks(&by_digest(&self.sbom), &self.sbom);
        lacks.extend(engine.to.lacks(&by_digest(&self.of_sbom), &self.of_sbom));
        if engine.to_kind() != Kind::File {
            let tag = engine.target(&tagged(ReferrerTag::Signature, &self.image));
            lacks.extend(engine.to.lacks(&tag, &self.cosign));
        }
        lacks
    }
}

fn signed() -> Signed {
    Signed::new(samples::single(Family::Oci, "linux/amd64", 1))
}

#[test]
fn what_refers_to_an_image_and_to_that_comes_along_after_its_subject() {
    for kind in KINDS {
        let (mut engine, signed) = (Engine::to(kind), signed());
        signed.add_to(&mut engine);
        engine.job.referrers = "all".parse().unwrap();
        let outcomes = engine.outcomes();
        assert!(outcomes[0].status.is_success(), "{:?}", outcomes[0].status);
        if kind != Kind::File {
            assert_eq!(engine.lacks(), [""; 0]);
        }
        assert_eq!(signed.lacks(&engine), [""; 0], "{kind:?}");
        let carried: Vec<Digest> = outcomes[0]
            .referrers
            .iter()
            .map(|one| one.digest.clone())
            .collect();
        let expected = [&signed.sbom, &signed.cosign, &signed.of_sbom].map(|image| image.digest().clone());
        assert_eq!(carried, expected);
        assert_eq!(
            outcomes[0].referrers[0].artifact_type.as_deref(),
            Some("application/vnd.example.sbom.v1+json")
        );
        assert!(matches!(&outcomes[0].referrers[1].link, Link::Tag(tag) if tag.as_str().ends_with(".sig")));
        if kind == Kind::Registry {
            assert_eq!(engine.to.count(Call::AddReferrers), 2, "for each subject");
        }
    }
}

#[test]
fn each_manifest_is_asked_about_once() {
    let (mut engine, signed) = (Engine::to(Kind::Registry), signed());
    signed.add_to(&mut engine);
    engine.job.referrers = "all".parse().unwrap();
    engine.run();
    // The image, its SBOM, both signatures.
    assert_eq!(
        (
            engine.from.count(Call::Referrers),
            engine.from.count(Call::FindTag)
        ),
        (4, 12)
    );
}

#[test]
fn nobody_is_asked_for_referrers_that_nobody_wants() {
    let (mut engine, signed) = (Engine::to(Kind::Registry), signed());
    signed.add_to(&mut engine);
    let outcomes = engine.outcomes();
    assert_eq!(outcomes[0].referrers, []);
    assert_eq!(
        (
            engine.from.count(Call::Referrers),
            engine.from.count(Call::FindTag)
        ),
        (0, 0)
    );
}

#[test]
fn only_the_wanted_types_come_along_and_are_asked_for() {
    let cases = [
        ("application/vnd.example.sbom.v1+json", 2, true, false),
        ("application/other", 0, true, false),
        ("sig", 1, false, true),
        ("att,sbom", 0, false, true),
    ];
    for (types, carried, asks_lists, asks_tags) in cases {
        let (mut engine, signed) = (Engine::to(Kind::Registry), signed());
        signed.add_to(&mut engine);
        engine.job.referrers = types.parse().unwrap();
        let outcomes = engine.outcomes();
        assert_eq!(outcomes[0].referrers.len(), carried, "{types}");
        assert_eq!(engine.from.count(Call::Referrers) > 0, asks_lists, "{types}");
        assert_eq!(engine.from.count(Call::FindTag) > 0, asks_tags, "{types}");
    }
}

#[test]
fn a_cut_index_leaves_its_own_signature_and_keeps_its_childrens() {
    let index = samples::multi_platform(Family::Oci, 1);
    let child = index.manifests[0].clone();
    let child = Image::single(child, index.blobs.clone(), None);
    let (of_index, of_child) = (samples::artifact(&index), samples::cosign_signature(&child));
    for mode in [IndexMode::Filtered, IndexMode::Original] {
        let mut engine = Engine::to(Kind::Registry);
        engine.add("app:v1", &index);
        engine.attach("app", &of_index);
        engine.attach(&tagged(ReferrerTag::Signature, &child), &of_child);
        engine.job.referrers = "all".parse().unwrap();
        engine.job.platforms = PlatformSet::parse(&["linux/amd64"]).unwrap();
        engine.job.index = mode;
        let outcomes = engine.outcomes();
        let is_whole = mode == IndexMode::Original;
        let carried: Vec<&Digest> = outcomes[0].referrers.iter().map(|one| &one.digest).collect();
        assert_eq!(carried.contains(&of_index.digest()), is_whole);
        assert!(carried.contains(&of_child.digest()), "{:?}", outcomes[0]);
        let left = LeftReferrers {
            unasked: 0,
            of_index: usize::from(!is_whole),
        };
        assert_eq!(outcomes[0].left_referrers, left);
    }
}

#[test]
fn a_referrer_that_is_missing_is_brought_to_an_image_that_is_there() {
    for kind in [Kind::Store, Kind::Registry] {
        let (mut engine, signed) = (Engine::to(kind), signed());
        engine.add("app:v1", &signed.image);
        engine.job.referrers = "all".parse().unwrap();
        assert_eq!(engine.run(), ["copied"]);
        engine.attach("app", &signed.sbom);
        assert_eq!(engine.run(), ["copied"], "{kind:?}");
        assert_eq!(engine.to.lacks(&by_digest(&signed.sbom), &signed.sbom), [""; 0]);
        assert_eq!(engine.run(), ["there"], "{kind:?}");
    }
}

#[test]
fn an_image_whose_referrer_fails_isnt_tagged() {
    let (mut engine, signed) = (Engine::to(Kind::Registry), signed());
    signed.add_to(&mut engine);
    engine.job.referrers = "all".parse().unwrap();
    let digest = signed.of_sbom.digest().as_str();
    engine
        .to
        .trouble(Call::PutManifest, Some(digest), Trouble::Refuse, 1);
    assert!(engine.run()[0].starts_with("failed"));
    assert_eq!(engine.to.digest(&engine.target("app:v1")), None);
    engine.assert_a_rerun_completes();
    assert_eq!(signed.lacks(&engine), [""; 0]);
}

#[test]
fn images_of_one_digest_share_their_referrers() {
    for kind in KINDS {
        let (mut engine, signed) = (Engine::to(kind), signed());
        signed.add_to(&mut engine);
        engine.add("app:v2", &signed.image);
        engine.job.referrers = "all".parse().unwrap();
        assert_eq!(engine.run(), ["copied", "copied"]);
        assert_eq!(signed.lacks(&engine), [""; 0], "{kind:?}");
    }
}

#[test]
fn a_manifest_that_is_listed_and_refers_to_something_else_is_left_out() {
    let (mut engine, signed) = (Engine::to(Kind::Registry), signed());
    signed.add_to(&mut engine);
    engine
        .from
        .list_referrer(signed.image.digest(), signed.of_sbom.digest());
    engine.job.referrers = "application/vnd.example.sbom.v1+json".parse().unwrap();
    let outcomes = engine.outcomes();
    assert!(outcomes[0].status.is_success());
    assert!(
        outcomes[0].warnings[0].contains("doesn't refer to it: it is left out"),
        "{:?}",
        outcomes[0].warnings
    );
    assert_eq!(outcomes[0].referrers.len(), 2, "it comes by its own subject");
}

#[test]
fn referrers_on_top_of_each_other_have_an_end() {
    let mut engine = Engine::to(Kind::Registry);
    let mut top = samples::single(Family::Oci, "linux/amd64", 1);
    engine.add("app:v1", &top);
    for _ in 0..9 {
        top = samples::artifact(&top);
        engine.attach("app", &top);
    }
    engine.job.referrers = "all".parse().unwrap();
    let told = engine.run();
    assert!(
        told[0].contains("more than 8 referrers on top of each other"),
        "{told:?}"
    );
}
