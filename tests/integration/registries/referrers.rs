//! Signatures, SBOMs and the like: from registries with and without the referrers API, to both, and by way of directories.

use serde_json::Value;
use transload_reference::{RawManifest, ReferrerTag, ReferrersIndex};
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::scripted::{Options, Referrers};
use transload_test_support::zot::Zot;
use transload_test_support::{RealRegistry, ScriptedRegistry};

use super::help::*;
use crate::serve::Served;

/// An image with an SBOM, that SBOM's own SBOM, and cosign's signature.
struct Signed {
    image: Image,
    sbom: Image,
    of_sbom: Image,
    signature: Image,
}

impl Signed {
    fn new(image: Image) -> Signed {
        let sbom = samples::artifact(&image);
        Signed {
            of_sbom: samples::artifact(&sbom),
            signature: samples::cosign_signature(&image),
            sbom,
            image,
        }
    }

    fn signature_tag(&self) -> String {
        ReferrerTag::Signature.of(self.image.digest()).to_string()
    }

    fn put(&self, registry: &ScriptedRegistry) {
        registry.put_image("app", "v1", &self.image);
        registry.put_image("app", "sbom", &self.sbom);
        registry.put_image("app", "of-sbom", &self.of_sbom);
        registry.put_image("app", &self.signature_tag(), &self.signature);
    }

    #[track_caller]
    fn assert_in(&self, registry: &ScriptedRegistry) {
        assert!(registry.has_image("app", "v1", &self.image));
        assert!(registry.has_image("app", &self.signature_tag(), &self.signature));
        for referrer in [&self.sbom, &self.of_sbom] {
            let digest = referrer.digest().as_str();
            assert!(registry.manifest("app", digest).is_some(), "{digest}");
        }
    }
}

fn signed() -> Signed {
    Signed::new(samples::single(Family::Oci, "linux/amd64", 1))
}

fn scripted(referrers: Referrers, subjects_first: bool) -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        referrers,
        subjects_first,
        ..Options::default()
    })
}

fn source() -> ScriptedRegistry {
    scripted(Referrers::Filtered, false)
}

#[test]
fn a_registry_that_wants_subjects_first_gets_them_first_and_no_list() {
    let (from, to, signed) = (source(), scripted(Referrers::Unfiltered, true), signed());
    signed.put(&from);
    let image = format!("{}/app:v1", from.host());
    let args = ["copy", &image, "--dest", to.host(), "--referrers", "all"];
    let output = transload(args).expect_code(0);
    assert!(
        told(&output).contains("3 referrers came along"),
        "{}",
        told(&output)
    );
    signed.assert_in(&to);
    let tags = to.tags("app");
    assert_eq!(tags.len(), 2, "the image's and cosign's: {tags:?}");
    let again = transload(args).expect_code(0);
    assert!(told(&again).contains("1 there already"), "{}", told(&again));
    // One question for each manifest, and one for each tag of cosign's.
    let (asked, tags) = (from.log().count("GET", "/referrers/"), 2 * 4 * 3);
    assert_eq!(asked, 2 * 4);
    assert_eq!(from.log().count("HEAD", "/manifests/sha256-"), tags);
}

#[test]
fn a_registry_without_the_api_gets_a_list_that_keeps_what_was_there() {
    let (from, to, signed) = (source(), RealRegistry::plain(), signed());
    signed.put(&from);
    let image = format!("{}/app:v1", from.host());
    let copy =
        |types: &str| transload(["copy", &image, "--dest", to.host(), "--referrers", types]).expect_code(0);
    copy("application/vnd.example.sbom.v1+json");
    let other = samples::single_builder(Family::Oci, "linux/amd64", 9)
        .config("application/vnd.example.config.v1+json", b"{}")
        .subject(&signed.image.root.descriptor())
        .build();
    from.put_image("app", "other", &other);
    copy("application/vnd.example.config.v1+json");
    let list = to
        .manifest("app", ReferrerTag::Index.of(signed.image.digest()).as_str())
        .expect("a list under the referrers tag");
    let list = RawManifest::parse(list.bytes, Some(list.media_type.as_str())).expect("an index");
    let list = ReferrersIndex::of(&list).expect("an index");
    assert!(
        list.has(signed.sbom.digest()) && list.has(other.digest()),
        "{list:?}"
    );
    assert_eq!(list.referrers().len(), 2);
    // And it is read where the API is missing.
    let folder = folder();
    let dir = text(folder.path().join("images"));
    let image = format!("{}/app:v1", to.host());
    transload(["pull", &image, "--dest", &dir, "--referrers", "all"]).expect_code(0);
    let listed = transload(["list", &dir, "--output", "json"])
        .expect_code(0)
        .stdout;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed["images"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(
        listed["images"][0]["referrers"].as_array().map(Vec::len),
        Some(3),
        "{listed}"
    );
}

#[test]
fn referrers_go_through_directories_layouts_and_archives_and_stay_with_their_image() {
    let (from, signed, folder) = (source(), signed(), folder());
    signed.put(&from);
    let image = format!("{}/app:v1", from.host());
    for place in ["images", "oci:layout", "oci-archive:images.tar"] {
        let (scheme, name) = place.rsplit_once(':').unwrap_or(("", place));
        let path = text(folder.path().join(name));
        let place = match scheme {
            "" => path.clone(),
            scheme => format!("{scheme}:{path}"),
        };
        transload(["copy", &image, "--dest", &place, "--referrers", "all"]).expect_code(0);
        let to = scripted(Referrers::Unfiltered, true);
        // None are asked for, and some are known.
        let output = transload(["push", "--src", &place, "--dest", to.host()]).expect_code(0);
        let told = told(&output);
        assert!(told.contains("2 referrers left behind"), "{place}: {told}");
        assert_eq!(to.log().count("GET", "/referrers/"), 0);
        assert!(
            to.manifest("app", signed.sbom.digest().as_str()).is_none(),
            "{place}"
        );
        let dry = [
            "push",
            "--src",
            &place,
            "--dest",
            to.host(),
            "--referrers",
            "all",
            "--dry-run",
        ];
        let plan = transload(dry).expect_code(0).stdout;
        assert!(plan.contains("3 referrers come along"), "{place}: {plan}");
        transload(&dry[..7]).expect_code(0);
        signed.assert_in(&to);
        if scheme.is_empty() {
            transload(["verify", &path]).expect_code(0);
            let pruned = transload(["prune", &path, "--keep-pattern", "app:v1$", "--yes"]).expect_code(0);
            assert!(pruned.stdout.contains("that refer to them"), "{}", pruned.stdout);
            let shown = transload(["inspect", &image, "--src", &path])
                .expect_code(0)
                .stdout;
            assert!(
                shown.contains("application/vnd.example.sbom.v1+json, about"),
                "{shown}"
            );
        }
    }
}

#[test]
fn the_signature_of_an_index_that_is_cut_is_told_once_and_its_childrens_come_along() {
    let (from, to, folder) = (source(), source(), folder());
    let index = samples::multi_platform(Family::Oci, 1);
    let child = index.manifests[0].clone();
    let child = Image::single(child, index.blobs.clone(), None);
    for tag in ["v1", "v2"] {
        from.put_image("app", tag, &index);
    }
    from.put_image("app", "sbom", &samples::artifact(&index));
    let signature = samples::cosign_signature(&child);
    let tag = ReferrerTag::Signature.of(child.digest()).to_string();
    from.put_image("app", &tag, &signature);
    let report = text(folder.path().join("report.json"));
    let images = ["v1", "v2"].map(|tag| format!("{}/app:{tag}", from.host()));
    let args = [
        "copy",
        &images[0],
        &images[1],
        "--dest",
        to.host(),
        "--referrers",
        "all",
    ];
    let more = ["--platform", "linux/amd64", "--report", &report];
    let output = transload(args.iter().chain(&more)).expect_code(0);
    let told = told(&output);
    let text = "2 signatures and other referrers of 2 indexes aren't carried: `--index original` keeps them";
    assert_eq!(told.matches(text).count(), 1, "{told}");
    assert!(to.has_image("app", &tag, &signature));
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
    let task = &report["tasks"][0];
    assert_eq!(task["warnings"][0], text);
    assert_eq!(task["images"][0]["left_referrers"]["of_index"], 1);
    assert_eq!(task["images"][0]["referrers"][0]["tag"], tag.as_str());
}

/// Copies an image with its referrers to a registry with the API, and from there to another one.
#[track_caller]
fn assert_takes_and_gives(host: &str) {
    let (from, to, signed) = (source(), scripted(Referrers::Unfiltered, true), signed());
    signed.put(&from);
    for (from, to) in [(from.host(), host), (host, to.host())] {
        let image = format!("{from}/app:v1");
        let copied = transload(["copy", &image, "--dest", to, "--referrers", "all"]).expect_code(0);
        assert!(
            told(&copied).contains("3 referrers came along"),
            "{}",
            told(&copied)
        );
    }
    signed.assert_in(&to);
    assert_eq!(to.tags("app").len(), 2, "no list was written");
}

#[test]
fn transload_serve_takes_referrers_and_gives_them_again() {
    let folder = folder();
    let served = Served::start(&[&text(folder.path().join("images")), "--writable"]);
    assert_takes_and_gives(served.host());
}

#[test]
fn zot_takes_referrers_and_gives_them_again() {
    let Some(program) = Zot::program() else {
        return;
    };
    assert_takes_and_gives(Zot::start(&program).host());
}
