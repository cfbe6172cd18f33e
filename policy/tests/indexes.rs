//! Indexes as registries have them: which children a platform list takes, what is said of the rest, and what remains.
//!
//! The files in `data` have the layout, spacing and fields of what Docker, BuildKit, the official images' builder, Kubernetes'
//! release tools and signing tools write.

use std::collections::HashSet;

use proptest::prelude::*;
use transload_policy::{Decision, Keep, Mode, PlatformSet, filter_index, judge, select};
use transload_reference::{Index, Manifest, RawManifest};

const DOCKER: &str = include_str!("data/docker-list.json");
const BUILDKIT: &str = include_str!("data/buildkit-index.json");
const OFFICIAL: &str = include_str!("data/official-index.json");
const PAUSE: &str = include_str!("data/pause-list.json");
const NESTED: &str = include_str!("data/nested-index.json");
const REFERRERS: &str = include_str!("data/referrers-index.json");
const UNTOLD: &str = include_str!("data/untold-index.json");
const ALL: [&str; 7] = [DOCKER, BUILDKIT, OFFICIAL, PAUSE, NESTED, REFERRERS, UNTOLD];

fn parse(text: &str) -> (RawManifest, Index) {
    let raw = RawManifest::parse(text.as_bytes().to_vec(), None).unwrap();
    let Manifest::Index(index) = raw.view() else {
        panic!("no index")
    };
    let index = index.clone();
    (raw, index)
}

fn set(wanted: &[&str]) -> PlatformSet {
    PlatformSet::parse(wanted).unwrap()
}

fn only(keep: &[usize]) -> impl Fn(usize) -> Keep {
    move |at| if keep.contains(&at) { Keep::Yes } else { Keep::No }
}

#[test]
fn each_index_gives_the_children_that_are_asked_for() {
    for (text, wanted, keep) in [
        (DOCKER, &[][..], &[0, 1, 2, 3, 4, 5, 6][..]),
        (DOCKER, &["all"], &[0, 1, 2, 3, 4, 5, 6]),
        (DOCKER, &["linux/amd64", "linux/arm64"], &[0, 3]),
        (DOCKER, &["linux/aarch64"], &[3]),
        (DOCKER, &["linux/arm"], &[1, 2]),
        (DOCKER, &["linux/arm/v6"], &[1]),
        (DOCKER, &["linux/armhf"], &[2]),
        (DOCKER, &["linux/i386"], &[4]),
        (DOCKER, &["linux/riscv64"], &[]),
        (BUILDKIT, &["linux/arm64"], &[1, 4]),
        (BUILDKIT, &["linux/arm/v7", "linux/amd64"], &[0, 2, 3, 5]),
        (OFFICIAL, &["linux/arm64/v8"], &[2, 3]),
        (OFFICIAL, &[], &[0, 1, 2, 3]),
        (PAUSE, &["windows/amd64"], &[5, 6]),
        (PAUSE, &["linux/amd64"], &[0]),
        (NESTED, &["linux/arm64"], &[]),
        (NESTED, &[], &[0, 1, 2]),
        (REFERRERS, &["linux/amd64"], &[0, 1]),
        (UNTOLD, &["linux/amd64"], &[0, 1]),
        (UNTOLD, &["linux/arm64"], &[0, 1, 2, 3]),
    ] {
        let (_, index) = parse(text);
        assert_eq!(select(&index, &set(wanted)).keep, keep, "{wanted:?} of {text}");
    }
}

#[test]
fn indexes_without_a_platform_are_left_to_their_own_children() {
    let (_, index) = parse(NESTED);
    assert_eq!(select(&index, &set(&["linux/amd64"])).nested, [0, 1]);
    assert_eq!(select(&index, &set(&[])).nested, Vec::<usize>::new());
}

#[test]
fn what_is_missing_is_told_with_what_there_is() {
    for (text, wanted, mode, expected) in [
        (DOCKER, &["linux/amd64"][..], Mode::Strict, None),
        (REFERRERS, &["linux/amd64"], Mode::Strict, None),
        (
            OFFICIAL,
            &["linux/arm64", "linux/s390x"],
            Mode::Strict,
            Some("has no linux/s390x (it has linux/amd64, linux/arm64)"),
        ),
        (
            BUILDKIT,
            &["linux/riscv64", "linux/amd64", "linux/arm/v6"],
            Mode::Warn,
            Some(
                "has no linux/riscv64, linux/arm/v6 (it has linux/amd64, linux/arm/v7, linux/arm64); the others are moved",
            ),
        ),
        (
            PAUSE,
            &["windows/arm64"],
            Mode::Warn,
            Some(
                "has no windows/arm64 (it has linux/amd64, linux/arm/v7, linux/arm64, linux/ppc64le, linux/s390x, windows/amd64); it is left out",
            ),
        ),
    ] {
        let (_, index) = parse(text);
        let wanted = set(wanted);
        let told = match judge(&select(&index, &wanted), &wanted, mode) {
            Decision::Take => None,
            Decision::Warn(shortfall) | Decision::Skip(shortfall) | Decision::Refuse(shortfall) => {
                Some(shortfall.to_string())
            }
        };
        assert_eq!(told.as_deref(), expected, "{wanted:?}");
    }
}

#[test]
fn an_index_that_loses_nothing_is_the_same_bytes() {
    for text in ALL {
        let (raw, _) = parse(text);
        let same = filter_index(&raw, |_| Keep::Yes).unwrap();
        assert_eq!(same.bytes(), text.as_bytes());
        assert_eq!(
            (same.digest(), same.media_type()),
            (raw.digest(), raw.media_type())
        );
    }
}

#[test]
fn a_cut_index_differs_in_whole_entries_only() {
    let (raw, index) = parse(BUILDKIT);
    let keep = select(&index, &set(&["linux/arm64"])).keep;
    let filtered = filter_index(&raw, only(&keep)).unwrap();
    let lines: Vec<&str> = BUILDKIT.lines().collect();
    // The last entry that stays loses the comma that parted it from the next one.
    let expected = [
        &lines[..4],
        &lines[13..22],
        &lines[45..57],
        &["    }"],
        &lines[lines.len() - 2..],
    ];
    let text = std::str::from_utf8(filtered.bytes()).unwrap();
    assert_eq!(text, expected.concat().join("\n"));
    assert_eq!(filtered.media_type(), raw.media_type());
}

#[test]
fn an_index_can_be_cut_again() {
    let (raw, index) = parse(DOCKER);
    let first = filter_index(
        &raw,
        only(&select(&index, &set(&["linux/arm", "linux/amd64"])).keep),
    )
    .unwrap();
    let (_, rest) = parse(std::str::from_utf8(first.bytes()).unwrap());
    let again = filter_index(&first, only(&select(&rest, &set(&["linux/arm/v7"])).keep)).unwrap();
    let directly = filter_index(&raw, only(&select(&index, &set(&["linux/arm/v7"])).keep)).unwrap();
    assert_eq!(again.bytes(), directly.bytes());
}

/// The document without the entries at the positions that aren't kept, as a JSON library sees it.
fn cut_by_value(text: &str, keep: &[usize]) -> serde_json::Value {
    let mut document: serde_json::Value = serde_json::from_str(text).unwrap();
    let entries = document["manifests"].as_array_mut().unwrap();
    let mut at = 0;
    entries.retain(|_| {
        at += 1;
        keep.contains(&(at - 1))
    });
    document
}

proptest! {
    #[test]
    fn a_cut_index_says_what_the_whole_said_of_what_stays(
        which in 0..ALL.len(),
        keep in proptest::collection::hash_set(0usize..8, 0..8),
    ) {
        let (raw, index) = parse(ALL[which]);
        let keep: Vec<usize> = keep.into_iter().filter(|at| *at < index.manifests.len()).collect();
        let filtered = filter_index(&raw, only(&keep)).unwrap();
        let value: serde_json::Value = serde_json::from_slice(filtered.bytes()).unwrap();
        // Written out, values show the order of their fields as well.
        prop_assert_eq!(value.to_string(), cut_by_value(ALL[which], &keep).to_string());
        prop_assert_eq!(filtered.digest() == raw.digest(), keep.len() == index.manifests.len());
    }

    #[test]
    fn a_choice_names_each_child_once_and_no_other(
        which in 0..ALL.len(),
        wanted in proptest::collection::vec(
            "linux/(amd64|arm|arm/v6|arm/v7|arm64|arm64/v8|386|s390x|mips)|windows/amd64", 0..4),
    ) {
        let (_, index) = parse(ALL[which]);
        let wanted = PlatformSet::parse(&wanted).unwrap();
        let selection = select(&index, &wanted);
        let places: HashSet<usize> = selection.keep.iter().chain(&selection.nested).copied().collect();
        prop_assert_eq!(places.len(), selection.keep.len() + selection.nested.len());
        prop_assert!(places.iter().all(|at| *at < index.manifests.len()));
        for at in &selection.keep {
            let platform = index.manifests[*at].platform.as_ref().filter(|platform| !platform.is_unknown());
            let patterns = wanted.patterns().unwrap_or_default();
            if let (Some(platform), Some(_)) = (platform, wanted.patterns()) {
                prop_assert!(patterns.iter().any(|pattern| pattern.matches(platform)));
            }
        }
        // Nothing is both there and missing.
        for missing in wanted.missing(&selection.satisfied) {
            prop_assert!(!selection.existing.iter().any(|platform| missing.matches(platform)));
        }
    }

    #[test]
    fn hostile_text_is_cut_or_refused_and_never_panics(
        at in 0usize..3000,
        junk in "[{}\\[\\],:\"0-9a-z \\\\]{1,6}",
        which in 0..ALL.len(),
    ) {
        let mut text = ALL[which].to_owned();
        let at = at % text.len();
        text.replace_range(at..(at + junk.len()).min(text.len()), &junk);
        if let Ok(raw) = RawManifest::parse(text.into_bytes(), None)
            && let Manifest::Index(index) = raw.view()
        {
            let count = index.manifests.len();
            let filtered = filter_index(&raw, |at| if at == 0 { Keep::No } else { Keep::Yes }).unwrap();
            prop_assert_eq!(filtered.view().children().len(), count.saturating_sub(1));
            let replaced = filter_index(&raw, |_| Keep::Replaced(raw.descriptor())).unwrap();
            prop_assert!(replaced.view().children().iter().all(|child| child.digest == *raw.digest()));
        }
    }
}
