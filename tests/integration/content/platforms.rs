//! Which platforms move, and what that makes of an index.

use std::collections::BTreeSet;

use transload_reference::MediaType;
use transload_test_support::image::{Document, Family, Image, IndexBuilder, Style, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::scripted::{Options, ScriptedRegistry};

use super::{assert_holds, folder, held, outcomes, transload, within};

/// Writes an image into a directory, as KubeKey does.
pub(super) fn store(dir: &str, repository: &str, tag: &str, image: &Image) {
    kubekey::write(
        dir.as_ref(),
        "hub.local",
        repository,
        tag,
        image,
        Generation::Third,
    );
}

/// Copies `image` with each list of platforms, and checks what is left of it.
#[track_caller]
fn assert_left(image: &Image, table: &[(&str, &Image)]) {
    let dirs = folder();
    let src = within(&dirs, "src");
    store(&src, "app", "v1", image);
    for (number, (asked, left)) in table.iter().enumerate() {
        let dest = within(&dirs, &number.to_string());
        let output = transload(&["copy", "--src", &src, "--dest", &dest, "--platform", asked], 0);
        assert_holds(&dest, &[held("hub.local/app:v1", left)]);
        let is_told = output
            .stderr
            .contains("1 index was filtered to the chosen platforms");
        assert_eq!(is_told, left.digest() != image.digest(), "{asked}");
    }
}

#[test]
fn platforms_are_chosen_by_variant_and_by_any_of_their_names() {
    for family in [Family::Docker, Family::Oci] {
        let of = |platforms: &[&str]| samples::index_of(family, platforms, 1);
        let all = samples::multi_platform(family, 1);
        assert_left(
            &all,
            &[
                ("linux/amd64", &of(&["linux/amd64"])),
                ("linux/x86_64", &of(&["linux/amd64"])),
                ("linux/arm64", &of(&["linux/arm64/v8"])),
                ("linux/arm64/v8", &of(&["linux/arm64/v8"])),
                ("linux/aarch64", &of(&["linux/arm64/v8"])),
                ("linux/arm/v6", &of(&["linux/arm/v6"])),
                ("linux/arm/v7", &of(&["linux/arm/v7"])),
                ("linux/armhf", &of(&["linux/arm/v7"])),
                ("linux/arm", &of(&["linux/arm/v6", "linux/arm/v7"])),
                (
                    "linux/arm64,linux/arm/v6",
                    &of(&["linux/arm/v6", "linux/arm64/v8"]),
                ),
                ("linux/amd64,linux/arm,linux/arm64", &all),
                ("all", &all),
            ],
        );
    }
}

#[test]
fn an_index_that_tells_no_variant_has_the_usual_one() {
    let of = |platforms: &[&str]| samples::index_of(Family::Oci, platforms, 1);
    assert_left(
        &of(&["linux/arm", "linux/arm64"]),
        &[
            ("linux/arm/v7", &of(&["linux/arm"])),
            ("linux/arm64/v8", &of(&["linux/arm64"])),
        ],
    );
}

const WINDOWS: [&str; 3] = [
    "windows(10.0.17763.6414)/amd64",
    "windows(10.0.20348.2762)/amd64",
    "windows(10.0.26100.1)/amd64",
];

#[test]
fn a_version_of_windows_is_chosen_by_how_it_begins() {
    let of = |platforms: &[&str]| samples::index_of(Family::Oci, platforms, 1);
    let all = of(&["linux/amd64", WINDOWS[0], WINDOWS[1], WINDOWS[2]]);
    assert_left(
        &all,
        &[
            ("windows/amd64", &of(&WINDOWS)),
            (WINDOWS[1], &of(&WINDOWS[1..2])),
            ("windows(10.0.20348)/amd64", &of(&WINDOWS[1..2])),
            (
                "windows(10.0.17763)/x86_64,windows(10.0.26100)/amd64",
                &of(&[WINDOWS[0], WINDOWS[2]]),
            ),
            ("all", &all),
        ],
    );
}

#[test]
fn versions_of_windows_are_told_apart_wherever_they_are_shown() {
    let dirs = folder();
    let (src, dest, report) = (
        within(&dirs, "src"),
        within(&dirs, "dest"),
        within(&dirs, "report.json"),
    );
    store(&src, "app", "v1", &samples::index_of(Family::Oci, &WINDOWS, 1));
    store(&src, "one", "v1", &samples::single(Family::Oci, WINDOWS[1], 2));
    let copy = [
        "copy",
        "--src",
        &src,
        "--dest",
        &dest,
        "--platform",
        "windows/amd64",
    ];
    let inspect = ["inspect", "hub.local/app:v1", "--src", &src];
    for args in [
        &[&copy[..], &["--dry-run"]].concat()[..],
        &[&copy[..], &["--report", &report]].concat(),
        &["list", &dest],
        &inspect,
        &["inspect", "hub.local/one:v1", "--src", &src],
    ] {
        let output = transload(args, 0);
        let is_single = args.contains(&"hub.local/one:v1");
        for platform in if is_single { &WINDOWS[1..2] } else { &WINDOWS[..] } {
            assert!(output.stdout.contains(platform), "{args:?}: {}", output.stdout);
        }
    }
    let report = std::fs::read_to_string(report).expect("a report");
    assert!(
        WINDOWS.iter().all(|platform| report.contains(platform)),
        "{report}"
    );
    let none = [
        "copy",
        "--src",
        &src,
        "--dest",
        &dest,
        "--platform",
        "windows(10.0.14393)/amd64",
    ];
    let output = transload(&none, 1);
    let cause = "has no windows(10.0.14393)/amd64 (it has windows(10.0.17763.6414)/amd64, windows(10.0.20348.2762)/amd64";
    assert!(
        output.stderr.contains(cause) || output.stdout.contains(cause),
        "{}",
        output.stderr
    );
}

#[test]
fn an_attestation_goes_where_its_image_goes() {
    assert_left(
        &samples::attested(1),
        &[
            ("linux/amd64", &samples::attested_of(&["linux/amd64"], 1)),
            ("linux/arm64", &samples::attested_of(&["linux/arm64"], 1)),
            ("linux/amd64,linux/arm64", &samples::attested(1)),
        ],
    );
}

#[test]
fn an_index_in_an_index_is_cut_down_too() {
    let outer = || IndexBuilder::new(Family::Oci).style(Style::Compact);
    let inner = |platforms: &[&str]| samples::index_of(Family::Oci, platforms, 1);
    let s390x = samples::single(Family::Oci, "linux/s390x", 1);
    assert_left(
        &samples::nested(1),
        &[
            ("linux/s390x", &outer().image(&s390x).build()),
            ("linux/arm/v6", &outer().image(&inner(&["linux/arm/v6"])).build()),
            (
                "linux/s390x,linux/amd64",
                &outer().image(&s390x).image(&inner(&["linux/amd64"])).build(),
            ),
            (
                "linux/amd64,linux/arm,linux/arm64",
                &outer().image(&samples::multi_platform(Family::Oci, 1)).build(),
            ),
            (
                "linux/amd64,linux/arm,linux/arm64,linux/s390x",
                &samples::nested(1),
            ),
        ],
    );
}

#[test]
fn a_platform_that_the_index_does_not_tell_is_looked_up_in_the_image() {
    let [amd64, arm64] = ["linux/amd64", "linux/arm64"].map(|name| samples::single(Family::Oci, name, 1));
    let of = |images: &[&Image]| {
        let index = IndexBuilder::new(Family::Oci);
        let add = |index: IndexBuilder, image: &&Image| index.described(image.root.descriptor(), image);
        images.iter().fold(index, add).build()
    };
    assert_left(
        &of(&[&amd64, &arm64]),
        &[
            ("linux/arm64", &of(&[&arm64])),
            ("linux/arm64,linux/amd64", &of(&[&amd64, &arm64])),
        ],
    );
}

#[test]
fn artifacts_are_never_left_out() {
    let chart = samples::helm_chart("chart", "1.0.0");
    let amd64 = samples::single(Family::Oci, "linux/amd64", 1);
    let charts = IndexBuilder::new(Family::Oci).image(&chart).build();
    let index = || IndexBuilder::new(Family::Oci).image(&chart).annotation("a", "b");
    let mixed = index()
        .image(&amd64)
        .image(&samples::single(Family::Oci, "linux/arm64", 1))
        .build();
    assert_left(&chart, &[("linux/s390x", &chart)]);
    assert_left(
        &samples::artifact(&amd64),
        &[("linux/s390x", &samples::artifact(&amd64))],
    );
    assert_left(&charts, &[("linux/s390x", &charts)]);
    assert_left(&mixed, &[("linux/amd64", &index().image(&amd64).build())]);
}

/// An index written by hand, with fields that nobody knows, in a formatting of its own; the entries stand in it as they are.
fn handwritten(entries: &[(&Image, String)]) -> Image {
    let texts: Vec<&str> = entries.iter().map(|(_, text)| text.as_str()).collect();
    let text = format!(
        "{{ \"x-first\" : [ 1e2, {{ }} ],\n\"manifests\":\t[\n{}\n ], \"schemaVersion\": 2 ,\n \
         \"annotations\":{{\"kept\":\"\\u00fc\\/\"}}, \"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"x-last\":null}}\n",
        texts.join(" ,\r\n")
    );
    let mut manifests: Vec<Document> = entries.iter().map(|(image, _)| image.root.clone()).collect();
    let root = Document::new(text.into_bytes(), MediaType::OCI_INDEX);
    manifests.push(root.clone());
    Image {
        root,
        manifests,
        blobs: entries
            .iter()
            .flat_map(|(image, _)| image.blobs.clone())
            .collect(),
        platform: None,
    }
}

#[test]
fn what_is_kept_of_an_index_keeps_its_bytes_and_the_fields_that_nobody_knows() {
    let entry = |platform: &str, extra: &str| {
        let image = samples::single(Family::Oci, platform, 1);
        let (os, architecture) = platform.split_once('/').unwrap();
        let text = format!(
            "  {{{extra} \"size\":{},  \"platform\": {{\"os\" : \"{os}\", \"architecture\":\"{architecture}\"}},\t\
             \"digest\" :\"{}\",\"mediaType\":\"application\\/vnd.oci.image.manifest.v1+json\" }}",
            image.root.bytes.len(),
            image.digest()
        );
        (image, text)
    };
    let (amd64, s390x, arm64) = (
        entry("linux/amd64", "\"x\":{\"deep\":[1, 2.0]},"),
        entry("linux/s390x", "\"x-other\":\"é\","),
        entry("linux/arm64", " \"annotations\":{\"b\":\"2\",\"a\":\"1\"},"),
    );
    let of = |entries: &[&(Image, String)]| {
        let entries: Vec<(&Image, String)> = entries
            .iter()
            .map(|(image, text)| (image, text.clone()))
            .collect();
        handwritten(&entries)
    };
    assert_left(
        &of(&[&amd64, &s390x, &arm64]),
        &[
            ("linux/amd64", &of(&[&amd64])),
            ("linux/amd64,linux/arm64", &of(&[&amd64, &arm64])),
            (
                "linux/arm64,linux/s390x,linux/amd64",
                &of(&[&amd64, &s390x, &arm64]),
            ),
        ],
    );
}

#[test]
fn the_old_and_the_new_digest_of_an_index_that_was_cut_are_told() {
    let dirs = folder();
    let (src, dest) = (within(&dirs, "src"), within(&dirs, "dest"));
    let (whole, cut) = (
        samples::multi_platform(Family::Docker, 1),
        samples::index_of(Family::Docker, &["linux/arm/v6", "linux/arm64/v8"], 1),
    );
    store(&src, "app", "v1", &whole);
    let args = [
        "copy",
        "--src",
        &src,
        "--dest",
        &dest,
        "--platform",
        "linux/arm64,linux/arm/v6",
        "-v",
    ];
    let output = transload(&args, 0);
    let expected = format!(
        "hub.local/app:v1 in {dest}: its index was filtered to these platforms: {} became {}\n",
        whole.digest(),
        cut.digest()
    );
    assert!(output.stderr.contains(&expected), "{}", output.stderr);
    let line = format!(
        "copied   hub.local/app:v1 in {src} -> {dest}  sha256:{}  linux/arm/v6,linux/arm64",
        &cut.digest().hex()[..12],
    );
    assert_eq!(outcomes(&output), BTreeSet::from([line]));
}

/// What of an image moves where its index stays as it is.
fn sparse(whole: &Image, moved: &[&Image]) -> Image {
    let mut manifests: Vec<Document> = moved.iter().flat_map(|image| image.manifests.clone()).collect();
    manifests.push(whole.root.clone());
    Image {
        root: whole.root.clone(),
        manifests,
        blobs: moved.iter().flat_map(|image| image.blobs.clone()).collect(),
        platform: None,
    }
}

#[test]
fn an_index_may_stay_as_it_is_while_some_of_its_platforms_move() {
    let dirs = folder();
    let (src, dest) = (within(&dirs, "src"), within(&dirs, "dest"));
    let whole = samples::multi_platform(Family::Oci, 1);
    store(&src, "app", "v1", &whole);
    let [amd64, v6] = ["linux/amd64", "linux/arm/v6"].map(|name| samples::single(Family::Oci, name, 1));
    let registry = ScriptedRegistry::with(Options {
        sparse_indexes: true,
        ..Options::default()
    });
    let options = ["--index", "original", "--platform", "linux/amd64,linux/arm/v6"];
    let output = transload(
        &[&["copy", "--src", &src, "--dest", &dest][..], &options].concat(),
        0,
    );
    assert!(!output.stdout.contains("its index was"), "{}", output.stdout);
    let left = sparse(&whole, &[&amd64, &v6]);
    assert_holds(&dest, &[held("hub.local/app:v1", &left)]);
    transload(
        &[&["push", "--src", &dest, "--dest", registry.host()][..], &options].concat(),
        0,
    );
    assert!(registry.has_image("app", "v1", &left));
    assert_eq!(
        registry.blobs().len(),
        left.blobs.len() - 1,
        "a layer that both share counts once"
    );
}

#[test]
fn what_a_directory_has_of_an_index_that_stays_as_it_is_can_be_pushed_alone() {
    let dirs = folder();
    let (src, dest) = (within(&dirs, "src"), within(&dirs, "dest"));
    let whole = samples::multi_platform(Family::Oci, 1);
    store(&src, "app", "v1", &whole);
    let kept = ["linux/amd64", "linux/arm/v6"];
    let platforms = kept.join(",");
    let options = ["--index", "original", "--platform", &platforms];
    transload(
        &[&["copy", "--src", &src, "--dest", &dest][..], &options].concat(),
        0,
    );
    let registry = ScriptedRegistry::start();
    let output = transload(&["push", "--src", &dest, "--dest", registry.host()], 0);
    assert!(
        output.stdout.contains("the index is cut to these"),
        "{}",
        output.stdout
    );
    assert!(registry.has_image("app", "v1", &samples::index_of(Family::Oci, &kept, 1)));
    let lacking = transload(
        &[
            "push",
            "--src",
            &dest,
            "--dest",
            registry.host(),
            "--platform",
            "linux/arm64",
        ],
        1,
    );
    assert!(lacking.stdout.contains("linux/arm64"), "{}", lacking.stdout);
}

#[test]
fn platforms_are_added_later_to_an_index_that_stays_as_it_is() {
    let dirs = folder();
    let (src, dest) = (within(&dirs, "src"), within(&dirs, "dest"));
    let registry = ScriptedRegistry::with(Options {
        sparse_indexes: true,
        ..Options::default()
    });
    let whole = samples::nested(1);
    store(&src, "app", "v1", &whole);
    for dest in [&dest, registry.host()] {
        for platforms in ["linux/amd64", "linux/s390x", "linux/arm/v6", "all"] {
            let output = transload(
                &[
                    "copy",
                    "--src",
                    &src,
                    "--dest",
                    dest,
                    "--index",
                    "original",
                    "--platform",
                    platforms,
                ],
                0,
            );
            assert!(
                output.stdout.starts_with("copied "),
                "{platforms}: {}",
                output.stdout
            );
        }
    }
    assert_holds(&dest, &[held("hub.local/app:v1", &whole)]);
    assert!(registry.has_image("app", "v1", &whole));
}

#[test]
fn an_image_that_is_pinned_by_its_digest_keeps_it() {
    let dirs = folder();
    let src = within(&dirs, "src");
    let (whole, cut) = (
        samples::multi_platform(Family::Oci, 1),
        samples::index_of(Family::Oci, &["linux/amd64"], 1),
    );
    store(&src, "app", "v1", &whole);
    let amd64 = samples::single(Family::Oci, "linux/amd64", 1);
    for (number, pinned) in [
        format!("hub.local/app@{}", whole.digest()),
        format!("hub.local/app:v1@{}", whole.digest()),
    ]
    .iter()
    .enumerate()
    {
        let dest = within(&dirs, &format!("{number}"));
        let args = [
            "copy",
            "--src",
            &src,
            "--dest",
            &dest,
            pinned,
            "--platform",
            "linux/amd64",
        ];
        let output = transload(&args, 1);
        let cause = format!(
            "{pinned} is pinned to {}, and leaving platforms out of its index would give it the digest {}",
            whole.digest(),
            cut.digest()
        );
        assert_eq!(
            output.stdout,
            format!("failed   {pinned} in {src} -> {dest}\n         {cause}\n")
        );
        let hint = "\n  hint: take all platforms, name the image by tag, or set index: original to keep the index and move only some of its parts\n";
        assert!(output.stderr.contains(hint), "{}", output.stderr);
        assert_holds(&dest, &[]);

        transload(&[&args[..], &["--index", "original"]].concat(), 0);
        assert_holds(&dest, &[held(pinned, &sparse(&whole, &[&amd64]))]);
        transload(&[&args[..7], &["linux/amd64,linux/arm,linux/arm64"]].concat(), 0);
        assert_holds(&dest, &[held(pinned, &whole)]);
    }
}
