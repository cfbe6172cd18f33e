//! Bundles whose changed layers travel as differences.

use std::fs;
use std::path::PathBuf;

use transload_reference::{Digest, MediaType};
use transload_test_support::image::{Family, Image, ImageBuilder, noise, tar, zstd_frame};
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::real::{Auth, Tls};
use transload_test_support::{RealRegistry, Transload};

use super::World;
use super::written::kill_once;
use crate::content::{assert_is, tree};

/// How many files a layer has.
const FILES: u64 = 30;
/// The images of each month.
const NAMES: [&str; 3] = ["lib/os", "team/app", "team/web"];

/// The files of a layer, one of which differs each month.
fn files(own: u64, month: u64) -> Vec<(String, Vec<u8>)> {
    let file = |at| {
        let seed = own * 1000 + at + if at == own { month * 1_000_000 } else { 0 };
        // Each byte has two letters: gzip finds something to pack.
        let text = noise(seed, 8000).into_iter().map(|byte| format!("{byte:02x}"));
        (
            format!("usr/share/file-{at}"),
            text.collect::<String>().into_bytes(),
        )
    };
    (0..FILES).map(file).collect()
}

/// An image of a month; the layer that all share never changes.
fn image(own: u64, month: u64) -> Image {
    let (shared, own) = (files(99, 0), files(own, month));
    let builder = ImageBuilder::new(Family::Oci).platform("linux/amd64");
    builder.layer(&borrowed(&shared)).layer(&borrowed(&own)).build()
}

fn borrowed(files: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    let files = files.iter();
    files
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect()
}

/// The digest of the layer that differs.
fn layer(own: u64, month: u64) -> Digest {
    let image = image(own, month);
    let layers = image.blobs.iter().rev();
    let mut layers = layers.filter(|(blob, _)| blob.media_type == MediaType::OCI_LAYER_GZIP);
    layers.next().expect("a layer").0.digest.clone()
}

/// Two months at a registry; the other side, `there`, has the first one. With the second as a bundle of differences, `delta`.
struct Months(World);

impl Months {
    fn new() -> Months {
        let world = World::new();
        for (name, own) in NAMES.into_iter().zip(1..) {
            for month in [1, 2] {
                world
                    .registry
                    .put_image(name, &format!("v{month}"), &image(own, month));
            }
        }
        let months = Months(world);
        months.pull(1, &["--dest", &months.there()]);
        months
    }

    fn there(&self) -> String {
        format!("oci:{}", self.path("there").display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn pull(&self, month: u64, more: &[&str]) {
        let names = NAMES.map(|name| format!("{name}:v{month}"));
        self.0.pull(&names.each_ref().map(String::as_str), more);
    }

    /// Writes the second month as differences.
    fn delta(&self, name: &str) -> String {
        let bundle = self.0.bundle(name);
        self.pull(2, &["--dest", &bundle, "--base", &self.there(), "--delta"]);
        bundle
    }

    fn has_second_month(&self, place: &str) {
        Transload::new().args(["verify", place]).run().expect_code(0);
        for (name, own) in NAMES.into_iter().zip(1..) {
            let image = format!("{}/{name}:v2", self.0.registry.host());
            let listed = Transload::new().args(["list", place, "--output", "json"]).run();
            let listed = listed.expect_code(0).stdout;
            assert!(listed.contains(&image), "{listed}");
            let digest = layer(own, 2);
            let blob = self.path("there/blobs/sha256").join(digest.hex());
            assert_eq!(Digest::of(&fs::read(blob).expect("the layer")), digest);
        }
    }
}

fn copy(source: &str, more: &[&str]) -> Transload {
    Transload::new()
        .args(["copy", "--src", source])
        .args(more.iter().copied())
}

fn volumes(folder: &PathBuf) -> u64 {
    let files = fs::read_dir(folder).expect("the bundle").flatten();
    let volumes = files.filter(|file| file.file_name().to_string_lossy().ends_with(".tar"));
    volumes.map(|file| file.metadata().expect("a volume").len()).sum()
}

#[test]
fn a_month_of_differences_is_a_fraction_and_gives_the_same_bytes_in_a_directory_and_a_registry() {
    let months = Months::new();
    let delta = months.delta("delta");
    months.pull(
        2,
        &["--dest", &months.0.bundle("plain"), "--base", &months.there()],
    );
    let (small, large) = (volumes(&months.path("delta")), volumes(&months.path("plain")));
    assert!(small * 4 < large, "{small} and {large}");

    let there = RealRegistry::start(Tls::Off, Auth::Off);
    let mirror = format!("{}/mirror", there.host());
    let push = |source: &str| {
        let push = Transload::new().args(["push", "--src", source, "--dest", &mirror]);
        push.arg("--plain-http").run().expect_code(0)
    };
    push(&months.there());
    let pushed = push(&delta);
    assert!(pushed.stderr.contains("  moved "), "{}", pushed.stderr);
    for (name, own) in NAMES.into_iter().zip(1..) {
        let digest = there
            .manifest(&format!("mirror/{name}"), "v2")
            .map(|found| found.digest);
        assert_eq!(digest.as_ref(), Some(image(own, 2).digest()), "{name}");
    }
    let against = ["verify", &delta, "--against", &mirror, "--plain-http"];
    let checked = Transload::new().args(against).run().expect_code(0);
    assert!(
        checked.stdout.contains("3 layers as differences ("),
        "{}",
        checked.stdout
    );
    let again = push(&delta);
    assert!(!again.stderr.contains("  moved "), "{}", again.stderr);

    let copied = copy(&delta, &["--dest", &months.there()]).run().expect_code(0);
    assert!(copied.stderr.contains("  moved "), "{}", copied.stderr);
    months.has_second_month(&months.there());
}

#[test]
fn the_same_images_and_base_give_the_same_bytes_also_from_a_directory() {
    let months = Months::new();
    months.delta("delta");
    let here = format!("oci:{}", months.path("here").display());
    months.pull(2, &["--dest", &here]);
    let local = months.0.bundle("local");
    copy(&here, &["--dest", &local, "--base", &months.there(), "--delta"])
        .run()
        .expect_code(0);
    let bundle = |name: &str| tree(months.path(name).to_str().expect("a plain name"));
    assert_is(&bundle("local"), &bundle("delta"));
    // It is there already.
    let again = copy(&here, &["--dest", &local, "--base", &months.there(), "--delta"]);
    let again = again.run().expect_code(0);
    assert!(!again.stderr.contains("  moved "), "{}", again.stderr);
    assert!(
        again.stderr.contains("making differences: 0 of 3 layers"),
        "{}",
        again.stderr
    );
    let json = copy(&here, &["--dest", &local, "--base", &months.there(), "--delta"]);
    let json = json.args(["--progress", "json"]).run().expect_code(0).stderr;
    let told = json.lines().find(|line| line.contains("\"differences_made\""));
    assert!(told.is_some_and(|told| told.contains("\"layers\":3")), "{json}");
    assert!(json.contains("\"layers_compared\""), "{json}");
}

#[test]
fn bases_are_directories_registries_and_earlier_bundles_and_no_lists_of_digests() {
    let months = Months::new();
    let there = RealRegistry::start(Tls::Off, Auth::Off);
    let mirror = format!("{}/mirror", there.host());
    let push = Transload::new().args(["push", "--src", &months.there(), "--dest", &mirror]);
    push.arg("--plain-http").run().expect_code(0);
    let one = months.0.bundle("one");
    months.pull(1, &["--dest", &one]);
    months.pull(
        2,
        &["--dest", &months.0.bundle("plain"), "--base", &months.there()],
    );
    let plain = volumes(&months.path("plain"));
    for (name, base) in [("by-registry", mirror.as_str()), ("by-bundle", one.as_str())] {
        let bundle = months.0.bundle(name);
        months.pull(2, &["--dest", &bundle, "--base", base, "--delta"]);
        assert!(volumes(&months.path(name)) * 4 < plain, "{name}");
        let push = Transload::new().args(["push", "--src", &bundle, "--dest", &mirror]);
        push.arg("--plain-http").run().expect_code(0);
    }
    let have = months.path("have.tli").display().to_string();
    let inventory = ["inventory", &months.there(), "-o", &have];
    Transload::new().args(inventory).run().expect_code(0);
    let list = months.path("one/BUNDLE.json").display().to_string();
    let name = format!("{}/lib/os:v2", months.0.registry.host());
    for (bases, told) in [
        (vec![], "differences (--delta) need a base to compare layers with"),
        (vec![&have], "have.tli has digests alone"),
        (vec![&have, &list], "one/BUNDLE.json have digests alone"),
    ] {
        let dest = months.0.bundle("nothing");
        let mut pull = Transload::new().args(["pull", &name, "--plain-http", "--delta", "--dest", &dest]);
        for base in bases {
            pull = pull.args(["--base", base]);
        }
        let refused = pull.run().expect_code(2);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
        assert!(!months.path("nothing").exists());
    }
}

#[test]
fn layers_that_a_difference_does_not_pay_for_travel_whole() {
    let months = Months::new();
    let host = months.0.registry.host();
    let packed = |month: u64| {
        let tar = tar(&borrowed(&files(7, month)));
        let builder = ImageBuilder::new(Family::Oci).platform("linux/amd64");
        let builder = builder.blob_layer(MediaType::OCI_LAYER_ZSTD.as_str(), &zstd_frame(&tar));
        builder.noise_layer(month, 50_000).build()
    };
    for month in [1, 2] {
        months
            .0
            .registry
            .put_image("team/zstd", &format!("v{month}"), &packed(month));
    }
    months.0.pull(&["team/zstd:v1"], &["--dest", &months.there()]);
    let whole = months.0.bundle("whole");
    months.0.pull(
        &["team/zstd:v2"],
        &["--dest", &whole, "--base", &months.there(), "--delta"],
    );
    let list = fs::read_to_string(months.path("whole/BUNDLE.json")).expect("the list");
    assert!(
        list.contains("\"version\":1,") && !list.contains("differences"),
        "{list}"
    );
    // The other side needs nothing more than it needs of any bundle.
    let empty = format!("oci:{}", months.path("empty").display());
    copy(&whole, &["--dest", &empty]).run().expect_code(0);
    let listed = Transload::new().args(["list", &empty]).run().expect_code(0);
    assert!(
        listed.stdout.contains(&format!("{host}/team/zstd")),
        "{}",
        listed.stdout
    );
}

/// The second month is made complete by a second bundle of what is missing.
fn is_completed(months: &Months, delta: &str, place: &str, want: &str) {
    // Also by the same command.
    let again = months.0.bundle("again");
    let more = ["--base", &months.there(), "--delta"];
    months.pull(
        2,
        &[["--dest", &again, "--only", want].as_slice(), &more].concat(),
    );
    let again = months.path("again").display().to_string();
    copy(delta, &["--dest", place, "--volumes", &again])
        .run()
        .expect_code(0);
    Transload::new().args(["verify", place]).run().expect_code(0);
}

#[test]
fn without_the_old_layers_the_new_ones_are_named_and_come_whole_in_a_second_bundle() {
    let months = Months::new();
    let delta = months.delta("delta");
    let want = months.path("want.tli").display().to_string();
    let other = format!("oci:{}", months.path("other").display());
    months.0.pull(&["lib/os:v1"], &["--dest", &other]);
    let dry = copy(&delta, &["--dest", &other, "--dry-run"])
        .run()
        .expect_code(1);
    assert!((dry.stdout + &dry.stderr).contains("travels as a difference to sha256:"));
    let short = copy(&delta, &["--dest", &other, "--missing", &want])
        .run()
        .expect_code(1);
    let told = "warning: 2 blobs of 2 images are neither here nor there";
    assert!(short.stderr.contains(told), "{}", short.stderr);
    let named = "sha256:… (it travels as a difference to sha256:…)";
    assert!(short.stderr.contains(named), "{}", short.stderr);
    let wanted = fs::read_to_string(&want).expect("what is missing");
    for (own, is_missing) in [(1, false), (2, true), (3, true)] {
        assert_eq!(wanted.contains(layer(own, 2).as_str()), is_missing, "{wanted}");
    }
    let against = ["verify", &delta, "--against", &months.there()];
    Transload::new().args(against).run().expect_code(0);
    let lacking = Transload::new()
        .args(["verify", &delta, "--against", &other])
        .run();
    let lacking = lacking.expect_code(1).stdout;
    assert!(
        lacking.contains("2 blobs of 2 images are in neither"),
        "{lacking}"
    );
    is_completed(&months, &delta, &other, &want);
}

#[test]
fn an_old_layer_that_is_damaged_is_found_out_and_the_new_one_comes_whole_in_a_second_bundle() {
    let months = Months::new();
    let delta = months.delta("delta");
    let want = months.path("want.tli").display().to_string();
    let old = months.path("there/blobs/sha256").join(layer(2, 1).hex());
    let whole = fs::read(&old).expect("the old layer");
    // In a block's bytes, and in its last ones.
    for at in [whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&old, bytes).expect("the old layer");
        let short = copy(&delta, &["--dest", &months.there(), "--missing", &want]).run();
        let short = short.expect_code(1);
        let told = format!(
            "the layer {} travels as a difference to {}, and can't be rebuilt: that is damaged there",
            layer(2, 2),
            layer(2, 1)
        );
        assert!(short.stderr.contains(&told), "{}", short.stderr);
        assert!(short.stderr.contains("--only want.tli"), "{}", short.stderr);
        let wanted = fs::read_to_string(&want).expect("what is missing");
        assert!(wanted.contains(layer(2, 2).as_str()), "{wanted}");
    }
    fs::write(&old, whole).expect("the old layer");
    is_completed(&months, &delta, &months.there(), &want);
}

#[test]
fn a_flipped_bit_of_a_difference_is_named_and_nothing_is_made_of_it() {
    let months = Months::new();
    let delta = months.delta("delta");
    let volume = months.path("delta/vol-0001.tar");
    let mut bytes = fs::read(&volume).expect("the volume");
    // The largest blobs come last; they are the differences.
    let at = bytes.len() - 3000;
    bytes[at] ^= 8;
    fs::write(&volume, bytes).expect("the volume");
    let broken = Transload::new().args(["verify", &delta]).run().expect_code(1);
    let told = broken.stdout.lines().find(|line| line.contains(", offset "));
    let told = told.expect("the place");
    assert!(
        told.contains("vol-0001.tar") && told.contains("is damaged"),
        "{told}"
    );
    assert!(told.contains(":v2)"), "the image: {told}");
    let failed = copy(&delta, &["--dest", &months.there()]).run().expect_code(1);
    assert!(failed.stderr.contains("1 failed"), "{}", failed.stderr);
    Transload::new()
        .args(["verify", &months.there()])
        .run()
        .expect_code(0);
}

#[test]
fn writing_and_importing_that_were_killed_go_on_and_end_the_same() {
    let months = Months::new();
    months.delta("delta");
    let conditions = LinkConditions {
        rate: Some(1_000_000),
        ..LinkConditions::default()
    };
    let link = Link::start(months.0.registry.host(), conditions);
    let names = NAMES.map(|name| format!("{}/{name}:v2", link.host()));
    let pull = |name: &str| {
        let dest = months.0.bundle(name);
        let pull = Transload::new().arg("pull").args(&names).arg("--plain-http");
        pull.args(["--quiet", "--dest", &dest, "--base", &months.there(), "--delta"])
    };
    pull("whole").run().expect_code(0);
    let mut kills = 0;
    for share in 1..6 {
        let (begin, most) = (link.bytes_from_server(), share * 150_000);
        if !kill_once(pull("cut"), || link.bytes_from_server() - begin > most) {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0);
    pull("cut").run().expect_code(0);
    let bundle = |name: &str| tree(months.path(name).to_str().expect("a plain name"));
    assert_is(&bundle("cut"), &bundle("whole"));

    let there = RealRegistry::start(Tls::Off, Auth::Off);
    let mirror = format!("{}/mirror", there.host());
    let first = Transload::new().args(["push", "--src", &months.there(), "--dest", &mirror]);
    first.arg("--plain-http").run().expect_code(0);
    let slow = Link::start(there.host(), conditions);
    let dest = format!("{}/mirror", slow.host());
    let push = || {
        let push = Transload::new().args(["push", "--src", &months.0.bundle("delta"), "--dest", &dest]);
        push.arg("--plain-http")
    };
    let mut kills = 0;
    for share in 1..6 {
        let (begin, most) = (slow.bytes_to_server(), share * 100_000);
        if !kill_once(push(), || slow.bytes_to_server() - begin > most) {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0);
    push().run().expect_code(0);
    for (name, own) in NAMES.into_iter().zip(1..) {
        let digest = there
            .manifest(&format!("mirror/{name}"), "v2")
            .map(|found| found.digest);
        assert_eq!(digest.as_ref(), Some(image(own, 2).digest()), "{name}");
    }
}

#[test]
fn one_destination_that_has_the_old_layers_is_enough_for_all() {
    let months = Months::new();
    let delta = months.delta("delta");
    let other = format!("oci:{}", months.path("other").display());
    months.pull(1, &["--dest", &other]);
    let lost = months.path("other/blobs/sha256").join(layer(1, 1).hex());
    fs::remove_file(lost).expect("an old layer");
    let damaged = months.path("other/blobs/sha256").join(layer(2, 1).hex());
    let mut bytes = fs::read(&damaged).expect("an old layer");
    bytes[1000] ^= 1;
    fs::write(&damaged, bytes).expect("an old layer");
    let both = ["--dest", &other, "--dest", &months.there()];
    copy(&delta, &both).run().expect_code(0);
    months.has_second_month(&months.there());
    for own in [1, 2, 3] {
        let there = months.path("other/blobs/sha256").join(layer(own, 2).hex());
        assert_eq!(Digest::of(&fs::read(there).expect("the layer")), layer(own, 2));
    }
}

#[test]
fn a_bundle_with_differences_is_looked_at_like_any_and_neither_served_nor_unpacked_by_the_script() {
    let months = Months::new();
    let delta = months.delta("delta");
    let listed = Transload::new().args(["list", &delta]).run().expect_code(0);
    assert!(listed.stdout.contains("team/app"), "{}", listed.stdout);
    let name = format!("{}/team/app:v2", months.0.registry.host());
    let inspect = ["inspect", &name, "--src", &delta];
    // As of any bundle, what the other side has is missing here.
    let inspected = Transload::new().args(inspect).run().expect_code(1);
    let row = format!("{}  ", layer(2, 2));
    let row = inspected.stdout.lines().find(|line| line.contains(&row));
    assert!(
        row.is_some_and(|row| row.ends_with("MISSING")),
        "{}",
        inspected.stdout
    );
    let compared = Transload::new().args(["diff", &delta, &delta]).run();
    let compared = compared.expect_code(1).stdout;
    assert!(compared.contains("3 incomplete"), "{compared}");
    let whole = Transload::new().args(["verify", &delta]).run().expect_code(0);
    assert!(
        whole.stdout.contains("whole; --against PLACE tells"),
        "{}",
        whole.stdout
    );

    let served = Transload::new()
        .args(["serve", &delta, "--listen", "127.0.0.1:0"])
        .run();
    let served = served.expect_code(2);
    let told = "lacks something that its images need, and can't be served";
    assert!(served.stderr.contains(told), "{}", served.stderr);
    let archive = format!("oci-archive:{}", months.path("a.tar").display());
    let packed = copy(&delta, &["--dest", &archive]).run().expect_code(1);
    assert!(
        packed.stderr.contains("it travels as a difference to"),
        "{}",
        packed.stderr
    );

    let layout = months.path("layout");
    let import = std::process::Command::new("sh")
        .arg(months.path("delta/import.sh"))
        .arg(&layout)
        .output()
        .expect("a shell");
    let told = String::from_utf8_lossy(&import.stderr).into_owned();
    assert_eq!(import.status.code(), Some(1));
    assert!(told.contains("transload is needed to rebuild them"), "{told}");
    assert!(!layout.exists());
    let sums = std::process::Command::new("sha256sum")
        .args(["--quiet", "-c", "SHA256SUMS"])
        .current_dir(months.path("delta"))
        .status();
    assert!(sums.expect("sha256sum").success());
}

#[test]
fn a_list_that_lies_of_the_old_layer_makes_nothing() {
    let months = Months::new();
    let delta = months.delta("delta");
    let list = months.path("delta/BUNDLE.json");
    let text = fs::read_to_string(&list).expect("the list");
    let lie = text.replace(layer(2, 1).as_str(), layer(3, 1).as_str());
    let size = |own| {
        let blob = months.path("there/blobs/sha256").join(layer(own, 1).hex());
        format!("\"base_size\":{}", fs::metadata(blob).expect("a layer").len())
    };
    let lie = lie.replace(&size(2), &size(3));
    fs::write(&list, &lie).expect("the list");
    // The volumes are of the list that lies.
    let volume = months.path("delta/vol-0001.tar");
    let mut bytes = fs::read(&volume).expect("the volume");
    let [old, new] = [&text, &lie].map(|text| Digest::of(text.as_bytes()).to_string());
    let at = bytes.windows(old.len()).position(|bytes| bytes == old.as_bytes());
    let at = at.expect("whose volume it is");
    bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
    fs::write(&volume, bytes).expect("the volume");
    let want = months.path("want.tli").display().to_string();
    let short = copy(&delta, &["--dest", &months.there(), "--missing", &want]).run();
    let short = short.expect_code(1);
    assert!(short.stderr.contains("1 failed"), "{}", short.stderr);
    assert!(
        short.stderr.contains("and can't be rebuilt: "),
        "{}",
        short.stderr
    );
    let wanted = fs::read_to_string(&want).expect("what is missing");
    assert!(wanted.contains(layer(2, 2).as_str()), "{wanted}");
    let place = months.there();
    Transload::new().args(["verify", &place]).run().expect_code(0);
}
