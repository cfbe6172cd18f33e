//! What is found out of old layers and differences that aren't what they should be.

use std::fs;

use transload_reference::Digest;
use transload_test_support::{ScriptedRegistry, Transload};

use super::{Months, NAMES, copy, image, layer};

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
    let told = "warning: 2 blobs of 2 images are in neither place";
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
fn a_layer_whose_old_one_the_base_has_lost_travels_whole_with_a_warning() {
    let months = Months::new();
    let base = ScriptedRegistry::start();
    for (name, own) in NAMES.into_iter().zip(1..) {
        base.put_image(name, "v1", &image(own, 1));
    }
    assert!(base.remove_blob("team/app", &layer(2, 1)));
    let bundle = months.0.bundle("delta");
    let names = NAMES.map(|name| format!("{}/{name}:v2", months.0.registry.host()));
    let pull = Transload::new().arg("pull").args(names).arg("--plain-http");
    let bases = NAMES.map(|name| format!("{}/{name}:v1", base.host()));
    let bases = bases.iter().flat_map(|base| ["--base", base]);
    let pull = pull.args(bases).args(["--dest", &bundle, "--delta"]);
    let pulled = pull.run().expect_code(0);
    let told = format!(
        "warning: {} travels whole, since it or {} of the base can't be read: ",
        layer(2, 2),
        layer(2, 1)
    );
    assert!(pulled.stderr.contains(&told), "{}", pulled.stderr);
    assert!(
        pulled.stderr.contains("2 layers as differences"),
        "{}",
        pulled.stderr
    );
    copy(&bundle, &["--dest", &months.there()]).run().expect_code(0);
    months.has_second_month(&months.there());
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

#[test]
fn without_room_for_temporary_files_it_is_told_which_folder_they_need() {
    let months = Months::new();
    let delta = months.delta("delta");
    let nowhere = months.path("nowhere");
    let failed = copy(&delta, &["--dest", &months.there()])
        .env("TMPDIR", &nowhere)
        .run();
    let failed = failed.expect_code(1);
    let told = format!("writing a temporary file in {}: ", nowhere.display());
    assert!(failed.stderr.contains(&told), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("TMPDIR names a folder with more room"),
        "{}",
        failed.stderr
    );
    copy(&delta, &["--dest", &months.there()]).run().expect_code(0);
}
