//! Directories from elsewhere: as a source, as a destination, to be listed.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use transload_test_support::kubekey::{self, Generation};

use super::*;

/// Somebody's directory with two images, of which one is to be spoilt.
fn store(arena: &Arena, name: &str) -> (Image, Image) {
    let images = (
        samples::single(Family::Oci, "linux/amd64", 1),
        samples::single(Family::Oci, "linux/amd64", 2),
    );
    let dir = arena.here().join(name);
    kubekey::write(
        &dir,
        "hub.example",
        "evil/app",
        "v1",
        &images.0,
        Generation::Third,
    );
    kubekey::write(
        &dir,
        "hub.example",
        "good/app",
        "v1",
        &images.1,
        Generation::Third,
    );
    images
}

fn pipe(path: &Path) {
    let status = Command::new("mkfifo")
        .arg(path)
        .status()
        .expect("mkfifo is part of every Unix");
    assert!(status.success());
}

/// Puts something else in a file's or folder's place.
fn replace(path: &Path, with: impl Fn(&Path)) {
    if path.is_dir() {
        fs::remove_dir_all(path).expect("a removable folder");
    } else {
        fs::remove_file(path).expect("a removable file");
    }
    with(path);
}

type Trap<'a> = (&'a str, Box<dyn Fn(&Path) + 'a>);

fn traps(arena: &Arena) -> Vec<Trap<'_>> {
    let beside = arena.beside();
    let file = beside.join("file");
    let short = arena.here().join("s");
    vec![
        (
            "a link to a file",
            Box::new(move |path: &Path| symlink(&file, path).expect("a writable folder")),
        ),
        (
            "a link to a folder",
            Box::new(move |path: &Path| symlink(&beside, path).expect("a writable folder")),
        ),
        (
            "a link to itself",
            Box::new(|path: &Path| symlink(path, path).expect("a writable folder")),
        ),
        (
            "a link to a device",
            Box::new(|path: &Path| symlink("/dev/zero", path).expect("a writable folder")),
        ),
        ("a pipe", Box::new(pipe)),
        (
            "a socket",
            Box::new(move |path: &Path| {
                // Its path is short, unlike that of what it stands in for.
                drop(UnixListener::bind(&short).expect("a writable folder"));
                fs::rename(&short, path).expect("a writable folder");
            }),
        ),
    ]
}

#[test]
fn a_source_with_traps_fails_the_image_that_steps_into_one_and_no_other() {
    let arena = Arena::new();
    for (number, (trap, lay)) in traps(&arena).into_iter().enumerate() {
        for place in ["blob", "manifest", "layout", "repository"] {
            let case = format!("{trap} for a {place}");
            let (from, to) = (format!("from{number}{place}"), format!("./to{number}{place}"));
            let (evil, good) = store(&arena, &from);
            let manifests = arena.here().join(&from).join("hub.example/evil/app/manifests");
            let path = match place {
                "blob" => arena
                    .here()
                    .join(&from)
                    .join("blobs")
                    .join(evil.blobs[0].0.digest.as_str()),
                "manifest" => manifests.join(evil.digest().as_str()),
                "layout" => manifests.join("layout"),
                _ => arena.here().join(&from).join("hub.example/evil"),
            };
            replace(&path, &lay);
            let args = [
                "copy",
                "--src",
                &from,
                "--dest",
                &to,
                "hub.example/evil/app:v1",
                "hub.example/good/app:v1",
            ];
            let output = arena.fails(&args);
            assert!(
                output
                    .stdout
                    .contains(&format!("failed   hub.example/evil/app:v1 in {from}")),
                "{case}\n{}",
                output.stdout
            );
            assert!(
                output.stdout.contains("copied   hub.example/good/app:v1"),
                "{case}\n{}",
                output.stdout
            );
            assert!(arena.holds(&to, &good), "{case}");
            let list = Transload::new()
                .args(["list", &from])
                .current_dir(arena.here())
                .time_limit(PATIENCE)
                .run();
            arena.check(&list, &case);
        }
    }
}

#[test]
fn a_folder_of_blobs_that_is_a_link_is_not_looked_through() {
    let arena = Arena::new();
    store(&arena, "from");
    let blobs = arena.here().join("from/blobs");
    fs::rename(&blobs, arena.here().join("elsewhere")).expect("a writable folder");
    symlink("../elsewhere", &blobs).expect("a writable folder");
    let output = arena.fails(&[
        "copy",
        "--src",
        "from",
        "--dest",
        "./to",
        "hub.example/good/app:v1",
    ]);
    assert!(
        output
            .stdout
            .contains("from/blobs is damaged: it is no folder of the store's own"),
        "{}",
        output.stdout
    );
}

#[test]
fn a_destination_with_traps_is_not_written_through() {
    let arena = Arena::new();
    let (_registry, image, name) = good();
    let host = name.split('/').next().expect("a host").to_owned();
    let digest = image.blobs[0].0.digest.to_string();
    for (number, (trap, lay)) in traps(&arena).into_iter().enumerate() {
        for (at, place) in [
            "blobs".to_owned(),
            format!("blobs/{digest}"),
            ".transload".to_owned(),
            ".transload/partial".to_owned(),
            format!(".transload/partial/{digest}"),
            ".transload/lock".to_owned(),
            host.clone(),
            format!("{host}/good/app/manifests"),
            format!("{host}/good/app/manifests/layout"),
            format!("{host}/good/app/manifests/v1"),
            format!("{host}/good/app/manifests/{}", image.digest()),
        ]
        .iter()
        .enumerate()
        {
            let case = format!("{trap} at {place}");
            let dest = format!("./to{number}-{at}");
            let root = arena.here().join(&dest);
            // It is a store, whatever else it is.
            fs::create_dir_all(root.join("other.example/app/manifests")).expect("a writable folder");
            fs::create_dir_all(root.join(if at < 2 { ".transload" } else { "blobs" }))
                .expect("a writable folder");
            let path = root.join(place);
            fs::create_dir_all(path.parent().expect("a path in a folder")).expect("a writable folder");
            lay(&path);
            let output = arena.program(&["pull", "--dest", &dest, &name]).run();
            arena.check(&output, &case);
            // A manifest or tag that is no file is replaced by one; everything else is left alone and told of.
            let is_replaced = place.ends_with("manifests/v1") || place.ends_with(image.digest().as_str());
            if !is_replaced {
                assert_ne!(output.code, Some(0), "{case}\n{}{}", output.stdout, output.stderr);
                assert!(!path.is_file() || path.is_symlink(), "{case}");
                let said = format!("{}{}", output.stdout, output.stderr);
                assert!(
                    said.contains(place.split('/').next_back().expect("a name")),
                    "{case}: {said}"
                );
            }
            if place.ends_with("/lock") {
                assert!(
                    !root.join("blobs").join(&digest).exists(),
                    "{case}: bytes were moved first"
                );
            }
        }
    }
}

#[test]
fn a_directory_that_is_itself_a_link_is_used() {
    let arena = Arena::new();
    let (_registry, image, name) = good();
    fs::create_dir(arena.here().join("real")).expect("a writable folder");
    symlink("real", arena.here().join("link")).expect("a writable folder");
    arena
        .program(&["pull", "--dest", "link", &name])
        .run()
        .expect_code(0);
    assert!(arena.holds("real", &image));
}

#[test]
fn tag_maps_of_the_wrong_kind_are_named_and_spoil_no_other_image() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let long = format!("{{\"v1\":[\"\\u001b[31m{}\"]}}", "x".repeat(6 << 20));
    let arena = Arena::new();
    for (number, text) in ["[]", "7", "\"text\"", "null", "{\"v1\":7}", "{", &deep, &long]
        .iter()
        .enumerate()
    {
        let (from, to) = (format!("from{number}"), format!("./to{number}"));
        let (_, good) = store(&arena, &from);
        let layout = arena
            .here()
            .join(&from)
            .join("hub.example/evil/app/manifests/layout");
        fs::write(&layout, text).expect("a writable folder");
        let output = arena.fails(&[
            "copy",
            "--src",
            &from,
            "--dest",
            &to,
            "hub.example/evil/app:v1",
            "hub.example/good/app:v1",
        ]);
        assert!(
            output
                .stdout
                .contains("layout is damaged: it should map tags to digests"),
            "{}",
            output.stdout
        );
        assert!(arena.holds(&to, &good));
    }
    // A hundred megabytes, which take no room on the disk.
    store(&arena, "from");
    let layout = arena.here().join("from/hub.example/evil/app/manifests/layout");
    fs::File::create(&layout)
        .and_then(|file| file.set_len(100 << 20))
        .expect("a writable folder");
    let output = arena.fails(&[
        "copy",
        "--src",
        "from",
        "--dest",
        "./to",
        "hub.example/evil/app:v1",
    ]);
    assert!(
        output.stdout.contains(
            "layout is damaged: it has 104857600 bytes; of a map of tags, at most 8388608 are read"
        ),
        "{}",
        output.stdout
    );
}

#[test]
fn names_in_a_directory_lead_nowhere_else_and_are_shown_as_they_are_not_as_they_act() {
    let arena = Arena::new();
    let (evil, _) = store(&arena, "from");
    let manifests = arena.here().join("from/hub.example/evil/app/manifests");
    let digest = evil.digest();
    let map = format!(
        r#"{{"../../../../../beside/file":"{digest}","\u001b[2J":"{digest}","v2":"sha256:../../../../../../beside/file","v1":"{digest}"}}"#
    );
    fs::write(manifests.join("layout"), map).expect("a writable folder");
    let odd = arena
        .here()
        .join("from/evil\u{1b}[2J\nerror: all is lost.example/app/manifests");
    fs::create_dir_all(&odd).expect("a writable folder");
    fs::write(odd.join("layout"), format!("{{\"v1\":\"{digest}\"}}")).expect("a writable folder");
    let output = arena
        .program(&["copy", "--src", "from", "--dest", "./to"])
        .run()
        .expect_code(0);
    arena.check(&output, "names");
    assert!(
        output
            .stderr
            .contains("evil\\u{1b}[2J\\nerror: all is lost.example"),
        "{}",
        output.stderr
    );
    let list = Transload::new()
        .args(["list", "to", "--output", "names"])
        .current_dir(arena.here())
        .run()
        .expect_code(0);
    let names: Vec<&str> = list
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["hub.example/evil/app:v1", "hub.example/good/app:v1"]);
}
