//! What a lock file says, read, written, kept and held against what is found.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use transload_reference::RawManifest;
use transload_transfer::job::Pins;
use transload_transfer::{Fault, LeftReferrers, Link, Referrer, Tally};

use super::*;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An image that arrived: what its tag stood for, what was written, and the platforms with their digests.
fn arrived(image: &str, source: &str, written: &str, platforms: &[&str]) -> ImageOutcome {
    let parts: Vec<(Platform, Digest)> = platforms
        .iter()
        .map(|platform| (platform.parse().unwrap(), digest(&format!("{source} {platform}"))))
        .collect();
    ImageOutcome {
        contents: Arc::default(),
        image: image.to_owned(),
        label: image.to_owned(),
        source: image.to_owned(),
        destination: image.to_owned(),
        status: Status::Copied,
        source_digest: Some(digest(source)),
        digest: Some(digest(written)),
        platforms: parts.iter().map(|(platform, _)| platform.clone()).collect(),
        parts,
        warnings: Vec::new(),
        referrers: Vec::new(),
        left_referrers: LeftReferrers::default(),
        verified_by: Vec::new(),
        blobs: Tally::default(),
        attempts: 1,
        began: None,
        elapsed: Duration::ZERO,
    }
}

fn recorded(before: &Lock, outcomes: &[ImageOutcome], today: &str) -> Lock {
    let mut lock = before.clone();
    lock.record(outcomes, today);
    lock
}

fn read(text: &str) -> Lock {
    Lock::read("t.lock", text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// The blocks as `image digest-of written-as since`, by what made their digests.
fn blocks(lock: &Lock, texts: &[&str]) -> Vec<String> {
    let name = |of: &Digest| {
        texts
            .iter()
            .find(|text| digest(text) == *of)
            .map_or("?", |text| *text)
    };
    let blocks = lock.entries.iter().flat_map(|(image, entries)| {
        entries.iter().map(move |entry| {
            format!(
                "{image} {} {} {}",
                name(&entry.digest),
                name(&entry.written),
                entry.locked
            )
        })
    });
    blocks.collect()
}

#[test]
fn what_several_keep_at_once_is_all_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.lock");
    std::thread::scope(|scope| {
        for number in 0..16 {
            let lock = LockFile::Kept(path.clone());
            let outcome = arrived(&format!("quay.io/team/app:{number}"), "a", "a", &[]);
            scope.spawn(move || lock.record(&[outcome]).unwrap());
        }
    });
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(read(&text).entries.len(), 16, "{text}");
}

#[test]
fn the_text_is_sorted_and_says_the_same_for_the_same() {
    let outcomes = [
        arrived("quay.io/team/web:v1", "w", "w", &[]),
        arrived("alpine:3.19", "a", "cut", &["linux/arm64", "linux/amd64"]),
        arrived("[::1]:5000/app:1", "v6", "v6", &["linux/arm/v7"]),
    ];
    let lock = recorded(&Lock::default(), &outcomes, "2026-11-25");
    let text = lock.to_string();
    let expected = format!(
        "\
# What each image's tag stood for when transload moved it, and what was written.
# --lock keeps this file, --locked moves exactly what it has or fails. Keep it with the list of images, and review what changes.
version: 1
images:
  - image: \"[::1]:5000/app:1\"
    digest: {v6}
    written: {v6}
    locked: 2026-11-25
    platforms:
      - {{platform: linux/arm/v7, digest: {v6_arm}}}

  - image: docker.io/library/alpine:3.19
    digest: {a}
    written: {cut}
    locked: 2026-11-25
    platforms:
      - {{platform: linux/amd64, digest: {a_amd}}}
      - {{platform: linux/arm64, digest: {a_arm}}}

  - image: quay.io/team/web:v1
    digest: {w}
    written: {w}
    locked: 2026-11-25
    platforms: []
",
        v6 = digest("v6"),
        v6_arm = digest("v6 linux/arm/v7"),
        a = digest("a"),
        cut = digest("cut"),
        a_amd = digest("a linux/amd64"),
        a_arm = digest("a linux/arm64"),
        w = digest("w"),
    );
    assert_eq!(text, expected);
    let again = read(&text);
    assert_eq!(again.entries, lock.entries);
    // A later day changes nothing where nothing changed.
    assert_eq!(recorded(&again, &outcomes, "2027-01-01").to_string(), text);
    assert!(Lock::default().to_string().ends_with("\nimages: []\n"));
    assert_eq!(read(&Lock::default().to_string()).entries, BTreeMap::new());
}

#[test]
fn what_arrived_is_noted_and_what_did_not_stays() {
    let texts = ["a", "b", "c", "cut", "other cut", "web"];
    let before = recorded(
        &Lock::default(),
        &[
            arrived("app:1", "a", "cut", &["linux/amd64"]),
            arrived("web:1", "web", "web", &[]),
        ],
        "2026-01-01",
    );
    let failed = ImageOutcome {
        status: Status::Failed(Fault::refused(None, "no")),
        ..arrived("app:1", "b", "b", &[])
    };
    let left_out = ImageOutcome {
        status: Status::Skipped("by rule".to_owned()),
        ..arrived("app:1", "b", "b", &[])
    };
    let stopped = ImageOutcome {
        status: Status::Interrupted,
        ..arrived("app:1", "b", "b", &[])
    };
    let there = ImageOutcome {
        status: Status::AlreadyThere,
        ..arrived("app:1", "b", "b", &[])
    };
    let kept = [
        "docker.io/library/app:1 a cut 2026-01-01",
        "docker.io/library/web:1 web web 2026-01-01",
    ];
    let app = |text: &str| vec![format!("docker.io/library/app:1 {text}"), kept[1].to_owned()];
    let same = || kept.map(str::to_owned).to_vec();
    let cases: Vec<(&str, Vec<ImageOutcome>, Vec<String>)> = vec![
        ("nothing was reached", vec![], same()),
        ("failed", vec![failed], same()),
        ("left out", vec![left_out], same()),
        ("stopped", vec![stopped], same()),
        (
            "the same again",
            vec![arrived("app:1", "a", "cut", &["linux/amd64"])],
            same(),
        ),
        (
            "the tag moved",
            vec![arrived("app:1", "b", "b", &[])],
            app("b b 2026-06-06"),
        ),
        (
            "the tag moved, and all was there",
            vec![there],
            app("b b 2026-06-06"),
        ),
        (
            "other platforms",
            vec![arrived("app:1", "a", "other cut", &["linux/arm64"])],
            app("a other cut 2026-06-06"),
        ),
        (
            "what was written was pushed on",
            vec![arrived("app:1", "cut", "cut", &["linux/amd64"])],
            same(),
        ),
        (
            "pulled and pushed in one run",
            vec![
                arrived("app:1", "b", "c", &["linux/amd64"]),
                arrived("app:1", "c", "c", &["linux/amd64"]),
            ],
            app("b c 2026-06-06"),
        ),
    ];
    for (case, outcomes, expected) in cases {
        let lock = recorded(&before, &outcomes, "2026-06-06");
        assert_eq!(blocks(&lock, &texts), expected, "{case}");
    }
    let two_forms = [
        arrived("app:1", "a", "other cut", &["linux/arm64"]),
        arrived("app:1", "a", "cut", &["linux/amd64"]),
    ];
    let mut forms = blocks(&recorded(&before, &two_forms, "2026-06-06"), &texts);
    forms.sort();
    assert_eq!(
        forms,
        [
            "docker.io/library/app:1 a cut 2026-01-01",
            "docker.io/library/app:1 a other cut 2026-06-06",
            kept[1],
        ],
        "two forms in one run"
    );
}

#[test]
fn a_damaged_file_is_told_at_line_and_column() {
    let (a, b) = (digest("a"), digest("b"));
    let whole = format!(
        "version: 1\nimages:\n  - image: app:1\n    digest: {a}\n    written: {b}\n    locked: 2026-11-25\n    platforms:\n      - {{platform: linux/amd64, digest: {a}}}\n"
    );
    assert_eq!(read(&whole).entries.len(), 1);
    for empty in ["", "\n", "# nothing\n", "---\n"] {
        assert_eq!(read(empty).entries, BTreeMap::new(), "{empty:?}");
    }
    let cases: [(&str, &str, &str); 13] = [
        (
            "version: 1",
            "version: 2",
            "1:10: `version` must be 1, not the number 2",
        ),
        (
            "version: 1",
            "version: one",
            "1:10: `version` must be 1, not the text \"one\"",
        ),
        ("version: 1\n", "", "1:1: a lock file needs `version`"),
        ("images:", "imagse:", "2:1: a lock file has no key `imagse`"),
        ("app:1", "App:1", "3:12: `image`: "),
        ("digest: sha256:", "digest: sha256-", "4:13: `digest`: "),
        ("    written", "    writen", "5:5: an image has no key `writen`"),
        (
            "2026-11-25",
            "20261125",
            "6:13: `locked` must be text, not the number 20261125",
        ),
        (
            "      - {platform",
            "      {platform",
            "8:7: `platforms` must be a list, not a mapping",
        ),
        ("{platform: linux/amd64, ", "{", "8:9: `platform` is missing here"),
        (
            "  - image",
            "<<<<<<< HEAD\n  - image",
            "4:10: this isn't valid YAML",
        ),
        (
            "  - image: app:1",
            "  - image: app:1\n    image: app:1",
            "4:5: the key `image` is repeated",
        ),
        ("    locked: 2026-11-25\n", "", "3:5: `locked` is missing here"),
    ];
    for (from, to, expected) in cases {
        let text = whole.replacen(from, to, 1);
        let errors = match Lock::read("t.lock", &text) {
            Ok(lock) => panic!("{text}\nis {lock:?}"),
            Err(errors) => errors.to_string(),
        };
        assert!(errors.contains(&format!("t.lock:{expected}")), "{text}\n{errors}");
    }
    let cut = &whole[..whole.len() - 30];
    assert!(Lock::read("t.lock", cut).is_err(), "{cut}");
}

fn index(platforms: &[(&str, &str)]) -> RawManifest {
    let manifests: Vec<_> = platforms
        .iter()
        .map(|(architecture, of)| {
            serde_json::json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(of), "size": 2,
                "platform": {"os": "linux", "architecture": architecture},
            })
        })
        .collect();
    let text = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
    });
    RawManifest::parse(text.to_string().into_bytes(), None).unwrap()
}

#[test]
fn drift_is_told_with_what_changed() {
    let image: ImageName = "app:1".parse().unwrap();
    let both = index(&[("amd64", "x"), ("arm64", "y")]);
    let one = index(&[("amd64", "x")]);
    let parts = |platforms: &[(&str, &str)]| -> Vec<(Platform, Digest)> {
        platforms
            .iter()
            .map(|(platform, of)| (platform.parse().unwrap(), digest(of)))
            .collect()
    };
    let (amd, arm) = (("linux/amd64", "x"), ("linux/arm64", "y"));
    let lock = |source: &RawManifest, written: &RawManifest, platforms: &[(&str, &str)]| {
        let outcome = ImageOutcome {
            source_digest: Some(source.digest().clone()),
            digest: Some(written.digest().clone()),
            parts: parts(platforms),
            ..arrived("app:1", "", "", &[])
        };
        let mut lock = recorded(&Lock::default(), &[outcome], "2026-11-25");
        lock.file = "images.lock".to_owned();
        lock
    };
    let cut = lock(&both, &one, &[amd]);
    assert!(cut.check_source(&image, both.digest()).is_ok());
    assert!(
        cut.check_source(&image, one.digest()).is_ok(),
        "what was written is as good"
    );
    assert!(
        cut.check_result(&image, both.digest(), &one, &parts(&[amd]))
            .is_ok()
    );
    assert!(
        cut.check_result(&image, one.digest(), &one, &parts(&[amd]))
            .is_ok()
    );
    assert!(cut.check_listed(&[&image]).is_ok());

    let moved = cut.check_source(&image, &digest("new")).unwrap_err();
    assert_eq!(
        moved.to_string(),
        format!(
            "source: docker.io/library/app:1 stood for {} on 2026-11-25, and stands for {} now",
            both.digest(),
            digest("new")
        )
    );
    assert_eq!(
        moved.hint().unwrap(),
        format!(
            "if that is meant, run once without --locked: images.lock takes it up, for review; to move what is locked, name it \
             docker.io/library/app@{}",
            both.digest()
        )
    );
    let platforms = cut
        .check_result(&image, both.digest(), &both, &parts(&[amd, arm]))
        .unwrap_err();
    assert_eq!(
        platforms.to_string(),
        format!(
            "docker.io/library/app:1 was written with linux/amd64 ({}) on 2026-11-25, and would be written with linux/amd64, linux/arm64 \
             ({}) now",
            one.digest(),
            both.digest()
        )
    );
    let skipped = cut.check_skipped(&image, "it lacks linux/s390x").unwrap_err();
    assert!(
        skipped
            .to_string()
            .ends_with("and nothing of it would be now: it lacks linux/s390x"),
        "{skipped}"
    );

    // An index that is kept whole has the same digest with any of its platforms.
    let sparse = lock(&both, &both, &[amd]);
    assert!(
        sparse
            .check_result(&image, both.digest(), &both, &parts(&[amd]))
            .is_ok()
    );
    assert!(
        sparse
            .check_result(&image, both.digest(), &both, &parts(&[amd, arm]))
            .is_err()
    );

    let other: ImageName = "web:1".parse().unwrap();
    let unlisted = cut.check_listed(&[&image, &other]).unwrap_err().to_string();
    assert!(unlisted.contains(&format!("{other} isn't in ")), "{unlisted}");
    assert_eq!(
        cut.check_result(&other, one.digest(), &one, &[])
            .unwrap_err()
            .to_string(),
        "docker.io/library/web:1 isn't in images.lock"
    );
    assert!(
        cut.check_skipped(&other, "by rule").is_ok(),
        "left out then as now"
    );
}

#[test]
fn referrers_that_came_along_are_noted_and_bind() {
    let image: ImageName = "app:1".parse().unwrap();
    let [signature, sbom] = ["signature", "sbom"].map(digest);
    let mut outcome = arrived("app:1", "a", "a", &[]);
    outcome.referrers = vec![Referrer {
        digest: signature.clone(),
        artifact_type: None,
        link: Link::Subject(digest("a")),
    }];
    let lock = recorded(&Lock::default(), &[outcome], "2026-11-25");
    let text = lock.to_string();
    assert!(
        text.ends_with(&format!("    referrers:\n      - {signature}\n")),
        "{text}"
    );
    assert_eq!(read(&text).entries, lock.entries);
    let check = |referrers: &[&Digest]| {
        let referrers = referrers.iter().map(|digest| (*digest).clone()).collect();
        let checked = lock.check_referrers(&image, &digest("a"), &referrers);
        checked.map_err(|fault| fault.to_string())
    };
    assert_eq!(check(&[&signature]), Ok(()));
    let gone = check(&[]).unwrap_err();
    assert!(gone.ends_with("would come without it now"), "{gone}");
    let new = check(&[&signature, &sbom]).unwrap_err();
    assert!(
        new.contains(sbom.as_str()) && new.ends_with("would come with it now"),
        "{new}"
    );
}

proptest! {
    /// Platforms come from registries: whatever they hold, the file reads back as what was noted.
    #[test]
    fn any_platform_reads_back(os in "\\PC{1,12}", architecture in "[ -~]{1,12}", version in "\\PC{0,12}") {
        let mut platform = Platform::new(&os, &architecture, None);
        platform.os_version = Some(version);
        let mut outcome = arrived("app:1", "a", "b", &[]);
        outcome.parts = vec![(platform, digest("p"))];
        let lock = recorded(&Lock::default(), &[outcome], "2026-11-25");
        prop_assert_eq!(read(&lock.to_string()).entries, lock.entries);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = Lock::read("t.lock", &text);
    }
}
