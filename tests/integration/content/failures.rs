//! What fails stops nothing else, and all of it is told at the end.

use std::collections::BTreeSet;
use std::fs;

use transload_reference::Digest;
use transload_test_support::image::{Document, Family, Image, samples};
use transload_test_support::scripted::{Action, Fault};
use transload_test_support::{Output, ScriptedRegistry};

use super::platforms::store;
use super::{assert_holds, folder, held, outcomes, run_tasks, transload, within};

fn image(seed: u64) -> Image {
    samples::single(Family::Oci, "linux/amd64", seed)
}

/// The digest of the layer that no other image has.
fn own_layer(image: &Image) -> &Digest {
    &image.blobs[2].0.digest
}

fn short(image: &Image) -> String {
    format!("sha256:{}", &image.digest().hex()[..12])
}

/// One failure: from where to where, why, and what to do about it.
struct Failure {
    way: String,
    cause: String,
    hint: String,
}

/// What is said of failures when they happen.
fn told(failures: &[Failure]) -> BTreeSet<String> {
    let line = |failure: &Failure| format!("failed   {}\n         {}", failure.way, failure.cause);
    failures.iter().map(line).collect()
}

/// The table of failures at the end.
fn table(failures: &[Failure]) -> String {
    let row = |failure: &Failure| {
        format!(
            "  {}\n    {}\n  hint: {}\n",
            failure.way, failure.cause, failure.hint
        )
    };
    failures.iter().map(row).collect()
}

/// Checks that the last words are these failures, then totals.
#[track_caller]
fn assert_ends_with(output: &Output, failures: &str) {
    let (_, totals) = output
        .stderr
        .split_once(failures)
        .unwrap_or_else(|| panic!("{failures}\n{}", output.stderr));
    assert!(
        !totals.contains("hint: ") && !totals.contains("Failed"),
        "{totals}"
    );
}

#[test]
fn images_that_fail_stop_no_other() {
    let (from, to) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    for seed in 0..6 {
        from.put_image(&format!("app{seed}"), "v1", &image(seed));
    }
    let [lost, rotten] = [image(1), image(3)];
    let [lost, rotten] = [own_layer(&lost), own_layer(&rotten)];
    from.remove_blob("app1", lost);
    from.remove_manifest("app2", "v1");
    from.fault(Fault::new("GET", rotten.as_str(), Action::Corrupt { at: 5 }).after(0));
    let (host, far) = (from.host(), to.host());
    let names: Vec<String> = (0..6).map(|seed| format!("{host}/app{seed}:v1")).collect();
    let mut args = vec!["copy", "--dest", far];
    args.extend(names.iter().map(String::as_str));
    let output = transload(&args, 1);

    let mut wrong = image(3).blob(rotten).unwrap().to_vec();
    wrong[5] = !wrong[5];
    let failures = [
        Failure {
            way: format!("{host}/app1:v1 -> {far}/app1:v1"),
            cause: format!(
                "source: {host}/app1: reading the blob {lost}: the registry answered 404 Not Found: BLOB_UNKNOWN: blob unknown to \
                 registry (http://{host}/v2/app1/blobs/{lost})"
            ),
            hint: format!(
                "{host} has the image's manifest and lacks this part of it: the image was pushed in part, or the storage is damaged; \
                 push it again"
            ),
        },
        Failure {
            way: format!("{host}/app2:v1 -> {far}/app2:v1"),
            cause: format!(
                "source: {host}/app2: reading the manifest v1: the registry answered 404 Not Found: MANIFEST_UNKNOWN: manifest unknown \
                 (http://{host}/v2/app2/manifests/v1)"
            ),
            hint: format!(
                "check the name and the tag: {host} has no such image in app2, or hides it from this user"
            ),
        },
        Failure {
            way: format!("{host}/app3:v1 -> {far}/app3:v1"),
            cause: format!(
                "source: the bytes that came aren't the blob's: content has digest {} instead of {rotten}",
                Digest::of(&wrong)
            ),
            hint: "the source may be damaged, or something on the way changes the bytes".to_owned(),
        },
    ];
    let mut expected = told(&failures);
    for seed in [0, 4, 5] {
        expected.insert(format!(
            "copied   {host}/app{seed}:v1 -> {far}/app{seed}:v1  {}",
            short(&image(seed))
        ));
        assert!(to.has_image(&format!("app{seed}"), "v1", &image(seed)), "{seed}");
    }
    assert_eq!(outcomes(&output), expected);
    assert_ends_with(&output, &format!("\n\nFailed:\n{}\n", table(&failures)));
    for seed in 1..4 {
        assert_eq!(to.tags(&format!("app{seed}")), [""; 0]);
    }
}

#[test]
fn a_blob_that_was_damaged_on_its_way_to_a_registry_is_fetched_again() {
    let (from, to) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    from.put_image("app", "v1", &image(1));
    for (number, digest) in [&image(1).blobs[0].0.digest, own_layer(&image(1))]
        .into_iter()
        .enumerate()
    {
        from.fault(Fault::new("GET", digest.as_str(), Action::Corrupt { at: 7 }).first(number + 1));
    }
    transload(
        &["copy", &format!("{}/app:v1", from.host()), "--dest", to.host()],
        0,
    );
    assert!(to.has_image("app", "v1", &image(1)));
}

#[test]
fn what_a_directory_lacks_fails_with_the_nearest_names() {
    let dirs = folder();
    let (src, dest) = (within(&dirs, "src"), within(&dirs, "dest"));
    let stored = [
        ("team/app", "v1"),
        ("team/app", "v2"),
        ("other/app", "v1"),
        ("db", "1.0"),
    ];
    for (seed, (repository, tag)) in stored.into_iter().enumerate() {
        store(&src, repository, tag, &image(seed as u64));
    }
    let absent = [
        (
            "hub.local/team/app:v3",
            "it has hub.local/team/app:v2, hub.local/team/app:v1, hub.local/other/app:v1",
        ),
        ("hub.local/team/db:1.0", "it has hub.local/db:1.0"),
        (
            "hub.local/cache:1",
            "`transload list` shows what the directory holds",
        ),
    ];
    let [one, two, three] = absent.map(|(name, _)| name);
    let output = transload(
        &[
            "copy",
            "--src",
            &src,
            "--dest",
            &dest,
            one,
            two,
            three,
            "hub.local/db:1.0",
        ],
        1,
    );
    for name in [one, two, three] {
        let told = output.cause_of(name).unwrap_or_default();
        let cause = format!("source: {src} has no image hub.local/");
        assert!(told.trim().starts_with(&cause), "{name}: {told}");
        let way = format!("failed   {name} in {src} -> {dest}");
        assert!(output.stdout.contains(&way), "{}", output.stdout);
    }
    assert_eq!(
        output.stdout.matches("has no image").count(),
        1,
        "{}",
        output.stdout
    );
    let copied = format!(
        "copied   hub.local/db:1.0 in {src} -> {dest}  {}",
        short(&image(3))
    );
    assert!(outcomes(&output).contains(&copied), "{}", output.stdout);
    // They fail alike, and each has a hint of its own.
    let row = |(name, hint): (&str, &str)| format!("    {name}\n      hint: {hint}\n");
    let rows = absent.map(row).concat();
    assert!(
        output.stderr.contains(&format!(
            "\n\nFailed:\n  3 images: source: {src} has no image …\n{rows}\n"
        )),
        "{}",
        output.stderr
    );
    assert_holds(&dest, &[held("hub.local/db:1.0", &image(3))]);
}

fn repair(directory: &str) -> String {
    format!("`transload verify --repair {directory}` fetches it again where its registry can be reached")
}

#[test]
fn a_directory_whose_files_are_damaged_or_gone_gives_what_is_whole() {
    let dirs = folder();
    let (src, to) = (within(&dirs, "src"), ScriptedRegistry::start());
    let images = [image(0), image(1), image(2)];
    for (seed, image) in images.iter().enumerate() {
        store(&src, &format!("app{seed}"), "v1", image);
    }
    let [gone, rotten] = [0, 1].map(|seed| format!("{src}/blobs/{}", own_layer(&images[seed])));
    fs::remove_file(&gone).unwrap();
    let mut bytes = fs::read(&rotten).unwrap();
    bytes[7] ^= 1;
    fs::write(&rotten, &bytes).unwrap();

    let output = transload(&["push", "--src", &src, "--dest", to.host()], 1);
    let way = |seed: u64| format!("hub.local/app{seed}:v1 in {src} -> {}/app{seed}:v1", to.host());
    let failures = [
        Failure {
            way: way(0),
            cause: format!("source: {gone} is missing"),
            hint: "pull the image into the directory again".to_owned(),
        },
        Failure {
            way: way(1),
            cause: format!(
                "source: {rotten} is damaged: its digest is {}",
                Digest::of(&bytes)
            ),
            hint: repair(&src),
        },
    ];
    let mut expected = told(&failures);
    expected.insert(format!("copied   {}  {}", way(2), short(&images[2])));
    assert_eq!(outcomes(&output), expected);
    assert_ends_with(&output, &format!("\n\nFailed:\n{}\n", table(&failures)));
    assert!(to.has_image("app2", "v1", &images[2]));
    assert_eq!(to.tags("app0").len() + to.tags("app1").len(), 0);
}

#[test]
fn a_task_takes_from_the_directory_that_one_before_it_fills() {
    let (from, to, dirs) = (ScriptedRegistry::start(), ScriptedRegistry::start(), folder());
    let (first, second) = (within(&dirs, "new/first"), within(&dirs, "new/second"));
    for seed in 0..3 {
        from.put_image(&format!("team/app{seed}"), "v1", &image(seed));
    }
    let (host, far) = (from.host(), to.host());
    let tasks = format!(
        "
- name: fetch
  image:
    manifests: [{host}/team/app0:v1, {host}/team/absent:v1, {host}/team/app1:v1, {host}/team/app2:v1]
    dest: local://{first}
- name: carry
  image: {{src: local://{first}, dest: local://{second}, pattern: app1|app2}}
- name: deliver
  image:
    src: local://{second}
    manifests: [{host}/team/app2:v1, {host}/team/app0:v1]
    dest: {far}/mirror
"
    );
    let output = run_tasks(&tasks, &[], 1);
    let names = [0, 1, 2].map(|seed| format!("{host}/team/app{seed}:v1"));
    let images = [0, 1, 2].map(image);
    let stored: Vec<_> = names
        .iter()
        .zip(&images)
        .map(|(name, image)| held(name, image))
        .collect();
    assert_holds(&first, &stored);
    assert_holds(&second, &stored[1..]);
    assert!(to.has_image("mirror/team/app2", "v1", &images[2]));
    assert_eq!(to.tags("mirror/team/app0"), [""; 0]);

    let absent = Failure {
        way: format!("{host}/team/absent:v1 -> {first}"),
        cause: format!(
            "source: {host}/team/absent: reading the manifest v1: the registry answered 404 Not Found: MANIFEST_UNKNOWN: manifest \
             unknown (http://{host}/v2/team/absent/manifests/v1)"
        ),
        hint: format!(
            "check the name and the tag: {host} has no such image in team/absent, or hides it from this user"
        ),
    };
    let left_out = Failure {
        way: format!("{} in {second} -> {far}/mirror/team/app0:v1", names[0]),
        cause: format!("source: {second} has no image {}", names[0]),
        hint: "`transload list` shows what the directory holds".to_owned(),
    };
    let tables = format!(
        "\n\nFailed (fetch):\n{}\nFailed (deliver):\n{}\n",
        table(&[absent]),
        table(&[left_out])
    );
    assert_ends_with(&output, &tables);
}

#[test]
fn a_directory_that_stayed_empty_fails_the_next_task_too() {
    let (from, dirs) = (ScriptedRegistry::start(), folder());
    let (first, second) = (within(&dirs, "first"), within(&dirs, "second"));
    let tasks = format!(
        "
- name: fetch
  image: {{manifests: {}/team/absent, dest: local://{first}}}
- name: carry
  image: {{src: local://{first}, dest: local://{second}}}
",
        from.host()
    );
    let output = run_tasks(&tasks, &[], 1);
    let cause = format!("source: {first} holds no images");
    assert!(output.stderr.contains(&cause), "{}", output.stderr);
}

/// An image passes or fails by its own manifest, whichever image brings the blobs that it shares.
#[test]
fn a_wrong_size_in_a_manifest_fails_its_image_alone_and_behind_another() {
    let registry = ScriptedRegistry::start();
    let right = image(1);
    registry.put_image("right", "v1", &right);
    let mut manifest: serde_json::Value = serde_json::from_slice(&right.root.bytes).expect("JSON");
    let size = &mut manifest["layers"][1]["size"];
    *size = (size.as_u64().expect("the layer's size") + 1).into();
    let wrong = Document::new(manifest.to_string().into_bytes(), right.root.media_type.clone());
    registry.put_manifest("wrong", Some("v1"), &wrong);
    for (blob, bytes) in &right.blobs {
        registry.put_blob("wrong", &blob.digest, bytes);
    }
    let names = ["right", "wrong"].map(|name| format!("{}/{name}:v1", registry.host()));
    for images in [&names[1..], &names[..]] {
        let dirs = folder();
        let dest = within(&dirs, "dest");
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        let output = transload(
            &[&["pull", "--dest", &dest, "--jobs", "1"][..], &images].concat(),
            1,
        );
        let failed: Vec<&str> = output
            .stdout
            .lines()
            .filter(|line| line.starts_with("failed "))
            .collect();
        assert!(
            failed.len() == 1 && failed[0].contains("/wrong:v1"),
            "{}",
            output.stdout
        );
    }
}
