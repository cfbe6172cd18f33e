//! Bundles whose changed layers travel as differences.

mod flaws;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use transload_reference::{Digest, MediaType};
use transload_test_support::image::{Family, Image, ImageBuilder, noise, tar, zstd_frame};
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::real::{Auth, Tls};
use transload_test_support::scripted::{Action, Fault, Reply};
use transload_test_support::ssh::{make_key, signer_line};
use transload_test_support::{RealRegistry, ScriptedRegistry, Transload};

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
        let size = if at == own { 30_000 } else { 8000 };
        let text = noise(seed, size).into_iter().map(|byte| format!("{byte:02x}"));
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
        let report = self.path("report.json").display().to_string();
        let more = ["--dest", &bundle, "--base", &self.there(), "--delta"];
        self.pull(2, &[more.as_slice(), &["--report", &report]].concat());
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
    let told = fs::read_to_string(months.path("report.json")).expect("the report");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let images = told["tasks"][0]["images"].as_array().expect("images");
    let moved = images
        .iter()
        .map(|image| image["blobs"]["moved"]["bytes"].as_u64());
    let moved: Option<u64> = moved.sum();
    assert!(moved.is_some_and(|moved| moved < small), "{told}");

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
fn old_layers_are_downloaded_once_whatever_is_made_of_them_and_however_often_it_is_sent() {
    let months = Months::new();
    let registry = &months.0.registry;
    registry.put_image("lib/os", "v3", &image(1, 3));
    let delta = months.0.bundle("delta");
    let more = ["--dest", &delta, "--base", &months.there(), "--delta"];
    months.0.pull(&["lib/os:v2", "lib/os:v3"], &more);
    let there = ScriptedRegistry::start();
    there.put_image("lib/os", "v1", &image(1, 1));
    let busy = Reply::status(503).header("Retry-After", "0");
    there.fault(Fault::new("PATCH", "/blobs/uploads/", Action::Answer(busy.clone())).first(2));
    there.fault(Fault::new("PUT", "/blobs/uploads/", Action::Answer(busy)).first(2));
    let push = ["push", "--src", &delta, "--dest", there.host(), "--plain-http"];
    Transload::new().args(push).run().expect_code(0);
    for month in [2, 3] {
        assert!(there.has_image("lib/os", &format!("v{month}"), &image(1, month)));
    }
    assert_eq!(there.log().count("GET", layer(1, 1).as_str()), 1);
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
    let told = "is incomplete, and can't be served";
    assert!(served.stderr.contains(told), "{}", served.stderr);
    let archive = format!("oci-archive:{}", months.path("a.tar").display());
    let packed = copy(&delta, &["--dest", &archive]).run().expect_code(1);
    assert!(
        packed.stderr.contains("it travels as a difference to"),
        "{}",
        packed.stderr
    );
    let hint = "copy into a directory with the old layers first";
    assert!(packed.stderr.contains(hint), "{}", packed.stderr);

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
fn differences_are_in_volumes_that_are_carried_off_and_a_lost_one_is_named() {
    let months = Months::new();
    let off = months.path("off");
    fs::create_dir(&off).expect("a writable folder");
    let command = format!("mv \"$1\" '{}/'", off.display());
    let bundle = months.0.bundle("delta");
    let cut = ["--volume-size", "70K", "--volume-command", &command];
    let more = ["--dest", &bundle, "--base", &months.there(), "--delta"];
    let names = NAMES.map(|name| format!("{name}:v2"));
    // Its layers are new to the other side.
    let names = names.iter().map(String::as_str).chain(["team/new:v1"]);
    months
        .0
        .pull(&names.collect::<Vec<_>>(), &[more.as_slice(), &cut].concat());
    let count = fs::read_dir(&off).expect("volumes").count();
    assert!(count > 3, "{count}");
    let volumes = off.display().to_string();
    let verify = ["verify", &bundle, "--volumes", &volumes];
    let whole = Transload::new().args(verify).run().expect_code(0);
    assert!(
        whole.stdout.contains("3 layers as differences"),
        "{}",
        whole.stdout
    );

    // The last of the differences is in the second one.
    fs::rename(off.join("vol-0002.tar"), months.path("vol-0002.tar")).expect("a volume");
    let want = months.path("want.tli").display().to_string();
    let copy = || copy(&bundle, &["--dest", &months.there(), "--volumes", &volumes]);
    let short = copy().args(["--missing", &want]).run().expect_code(1);
    assert!(
        short.stderr.contains("(vol-0002.tar isn't there)"),
        "{}",
        short.stderr
    );
    let wanted = fs::read_to_string(&want).expect("what is missing");
    let layers = [1, 2, 3].map(|own| layer(own, 2));
    let lost = layers.iter().filter(|layer| wanted.contains(layer.as_str()));
    assert_eq!(lost.count(), 1, "{wanted}");
    fs::rename(months.path("vol-0002.tar"), off.join("vol-0002.tar")).expect("a volume");
    copy().run().expect_code(0);
    months.has_second_month(&months.there());
}

#[test]
fn a_bundle_with_differences_is_signed_later_and_its_import_has_a_receipt() {
    let months = Months::new();
    let delta = months.delta("delta");
    let key = make_key(months.0.dir.path(), "alice", "ed25519");
    let signers = months.path("allowed_signers");
    fs::write(&signers, signer_line("alice@example.com", "", &key)).expect("the list");
    let (key, signers) = (key.display().to_string(), signers.display().to_string());
    let there = months.there();
    months.pull(
        2,
        &["--dest", &delta, "--base", &there, "--delta", "--sign", &key],
    );
    let receipt = months.path("receipt.json").display().to_string();
    copy(
        &delta,
        &["--dest", &there, "--trust", &signers, "--receipt", &receipt],
    )
    .run()
    .expect_code(0);
    let verify = ["verify", "--receipt", &receipt, "--against", &there];
    let proven = Transload::new().args(verify).run().expect_code(0);
    assert!(proven.stdout.contains("3 of 3 arrived"), "{}", proven.stdout);
}
