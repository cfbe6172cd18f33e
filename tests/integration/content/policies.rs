//! What a platform that is missing means: for the image, for the others, and for the exit status.

use std::collections::BTreeSet;

use transload_test_support::image::{Family, Image, samples};
use transload_test_support::{RealRegistry, ScriptedRegistry};

use super::platforms::store;
use super::{assert_holds, folder, held, outcomes, run_tasks, transload, within};

const ASKED: &str = "linux/amd64,linux/s390x";

/// Images of which some have both platforms that are asked for, some one, some none.
struct Shelf {
    full: Image,
    partial: Image,
    other: Image,
    single: Image,
    chart: Image,
}

impl Shelf {
    fn new() -> Shelf {
        Shelf {
            full: samples::index_of(Family::Docker, &["linux/amd64", "linux/arm64", "linux/s390x"], 1),
            partial: samples::attested(1),
            other: samples::index_of(
                Family::Oci,
                &["linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"],
                1,
            ),
            single: samples::single(Family::Docker, "linux/arm64", 1),
            chart: samples::helm_chart("chart", "1.0.0"),
        }
    }

    fn images(&self) -> [(&'static str, &Image); 5] {
        [
            ("full", &self.full),
            ("partial", &self.partial),
            ("other", &self.other),
            ("single", &self.single),
            ("chart", &self.chart),
        ]
    }

    /// What is left of `full`.
    fn full_cut(&self) -> Image {
        samples::index_of(Family::Docker, &["linux/amd64", "linux/s390x"], 1)
    }
}

/// What is said of an image after its way.
fn digest_of(image: &Image) -> String {
    format!("sha256:{}", &image.digest().hex()[..12])
}

#[test]
fn a_strict_image_that_lacks_a_platform_fails_and_the_others_move() {
    let (shelf, dirs, registry) = (Shelf::new(), folder(), RealRegistry::plain());
    let dest = within(&dirs, "dest");
    for (name, image) in shelf.images() {
        registry.push(name, "v1", image);
    }
    let host = registry.host();
    let names = shelf.images().map(|(name, _)| format!("{host}/{name}:v1"));
    let [full, partial, other, single, chart] = names.each_ref().map(String::as_str);
    let args = [
        "pull",
        "--dest",
        &dest,
        "--platform",
        ASKED,
        full,
        partial,
        other,
        single,
        chart,
    ];
    let output = transload(&args, 1);
    let cut = shelf.full_cut();
    let lacks_s390x = format!("source: {partial} has no linux/s390x (it has linux/amd64, linux/arm64)");
    let lacks_both = format!(
        "source: {other} has no linux/amd64, linux/s390x (it has linux/arm/v6, linux/arm/v7, linux/arm64)"
    );
    let is_arm = format!("source: {single} has no linux/amd64, linux/s390x (it has linux/arm64)");
    let expected = BTreeSet::from([
        format!(
            "copied   {full} -> {dest}  {}  linux/amd64,linux/s390x",
            digest_of(&cut),
        ),
        format!("copied   {chart} -> {dest}  {}", digest_of(&shelf.chart)),
        format!("failed   {partial} -> {dest}\n         {lacks_s390x}"),
        format!("failed   {other} -> {dest}\n         {lacks_both}"),
        format!("failed   {single} -> {dest}\n         {is_arm}"),
    ]);
    assert_eq!(outcomes(&output), expected);
    let table = format!(
        "\n\nFailed:\n  {partial} -> {dest}\n    {lacks_s390x}\n  {other} -> {dest}\n    {lacks_both}\n  {single} -> {dest}\n    {is_arm}\n  \
         hint: ask for platforms that it has, or set policy: warn to take what there is\n\n"
    );
    assert!(output.stderr.contains(&table), "{}", output.stderr);
    assert_holds(&dest, &[held(full, &cut), held(chart, &shelf.chart)]);
}

#[test]
fn what_exists_moves_with_a_warning_where_the_policy_is_to_warn() {
    let (shelf, dirs, registry) = (Shelf::new(), folder(), RealRegistry::plain());
    let src = within(&dirs, "src");
    for (name, image) in shelf.images() {
        store(&src, name, "v1", image);
    }
    let host = registry.host();
    let output = transload(
        &[
            "push",
            "--src",
            &src,
            "--dest",
            host,
            "--policy",
            "warn",
            "--platform",
            ASKED,
        ],
        0,
    );
    let (full, partial) = (shelf.full_cut(), samples::attested_of(&["linux/amd64"], 1));
    let way = |name: &str| format!("hub.local/{name}:v1 in {src} -> {host}/{name}:v1");
    let lacks =
        |name: &str, what: &str| format!("\n         warning: hub.local/{name}:v1 in {src} has no {what}");
    let expected = BTreeSet::from([
        format!(
            "copied   {}  {}  linux/amd64,linux/s390x",
            way("full"),
            digest_of(&full),
        ),
        format!(
            "copied   {}  {}  linux/amd64{}",
            way("partial"),
            digest_of(&partial),
            lacks(
                "partial",
                "linux/s390x (it has linux/amd64, linux/arm64); the others are moved"
            )
        ),
        format!(
            "skipped  {}\n         hub.local/other:v1 in {src} has no linux/amd64, linux/s390x \
             (it has linux/arm/v6, linux/arm/v7, linux/arm64); it is left out [{}]",
            way("other"),
            shelf.other.digest()
        ),
        format!(
            "copied   {}  {}  linux/arm64{}",
            way("single"),
            digest_of(&shelf.single),
            lacks(
                "single",
                "linux/amd64, linux/s390x (it has linux/arm64); it is moved as it is"
            )
        ),
        format!("copied   {}  {}", way("chart"), digest_of(&shelf.chart)),
    ]);
    assert_eq!(outcomes(&output), expected);
    for (name, image) in [
        ("full", &full),
        ("partial", &partial),
        ("single", &shelf.single),
        ("chart", &shelf.chart),
    ] {
        assert!(registry.has_image(name, "v1", image), "{name}");
    }
    assert_eq!(registry.manifest("other", "v1"), None);
}

#[test]
fn a_single_image_of_one_of_the_platforms_moves_where_that_is_accepted() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let image = samples::single(Family::Docker, "linux/amd64", 1);
    registry.put_image("team/single", "v1", &image);
    let (name, dest) = (
        format!("{}/team/single:v1", registry.host()),
        within(&dirs, "images"),
    );
    let platforms = "linux/amd64,linux/arm64";
    let pull = [
        "pull",
        name.as_str(),
        "--dest",
        dest.as_str(),
        "--platform",
        platforms,
    ];
    let refused = transload(&pull, 1);
    assert!(
        refused.stderr.contains("has no linux/arm64 (it has linux/amd64)")
            && refused.stderr.contains("set single: accept (--single accept)"),
        "{}",
        refused.stderr
    );
    assert_holds(&dest, &[]);
    let taken = transload(&[&pull[..], &["--single", "accept"]].concat(), 0);
    assert!(!taken.stdout.contains("warning"), "{}", taken.stdout);
    assert_holds(&dest, &[held(&name, &image)]);
    let task = format!(
        "- image: {{manifests: '{name}', dest: 'local://{dest}', platform: [linux/arm64, linux/s390x], single: accept, policy: ''}}\n"
    );
    let other = run_tasks(&task, &[], 1);
    assert!(
        other.stderr.contains("has no linux/arm64, linux/s390x"),
        "{}",
        other.stderr
    );
}
