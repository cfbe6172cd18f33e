//! Images go from any kind of place to any other, and stay what they are.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Output, Stdio};

use tempfile::TempDir;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::{ScriptedRegistry, Transload};

use crate::content::{assert_is, tree};

/// The kinds of places: a directory, an OCI layout, an archive, a bundle, a pipe and a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Directory,
    Layout,
    Archive,
    Bundle,
    Pipe,
    Registry,
}

const PLACES: [Place; 6] = [
    Place::Directory,
    Place::Layout,
    Place::Archive,
    Place::Bundle,
    Place::Pipe,
    Place::Registry,
];

/// Images of many kinds in a registry, and in a folder that has them in every kind of place.
struct World {
    registry: ScriptedRegistry,
    images: Vec<(&'static str, Image)>,
    dir: TempDir,
}

impl World {
    fn new() -> World {
        let registry = ScriptedRegistry::start();
        let single = samples::single(Family::Docker, "linux/amd64", 1);
        let images = vec![
            ("team/docker", samples::multi_platform(Family::Docker, 1)),
            ("team/oci", samples::multi_platform(Family::Oci, 2)),
            ("team/attested", samples::attested(3)),
            ("team/nested", samples::nested(4)),
            ("charts/chart", samples::helm_chart("chart", "1.0.0")),
            ("team/odd", samples::unusual_layers()),
            ("team/sbom", samples::artifact(&single)),
            ("other/single", single),
        ];
        for (repository, image) in &images {
            registry.put_image(repository, "v1", image);
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        World {
            registry,
            images,
            dir,
        }
    }

    /// Where an image is, as its name has it: all by tag but the last, which goes by its digest.
    fn identifier(&self, at: usize) -> String {
        if at + 1 < self.images.len() {
            return ":v1".to_owned();
        }
        format!("@{}", self.images[at].1.digest())
    }

    fn names(&self) -> Vec<String> {
        let host = self.registry.host();
        let images = self.images.iter().enumerate();
        images
            .map(|(at, (repository, _))| format!("{host}/{repository}{}", self.identifier(at)))
            .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Copies everything from one place into another.
    #[track_caller]
    fn copy(&self, from: Place, from_name: &str, to: Place, to_name: &str, host: &str) -> Output {
        let mut program = Transload::new().arg("copy");
        if from == Place::Registry || to == Place::Registry {
            program = program.arg("--plain-http");
        }
        if from == Place::Registry {
            program = program.args(self.names());
        } else {
            program = program.args(["--src", &self.text(from, from_name)]);
        }
        let to_text = if to == Place::Registry {
            host.to_owned()
        } else {
            self.text(to, to_name)
        };
        let program = program.args(["--dest", &to_text]);
        let mut command = program.command();
        if from == Place::Pipe {
            command.stdin(File::open(self.path(from_name)).expect("what was written before"));
        } else {
            command.stdin(Stdio::null());
        }
        if to == Place::Pipe {
            command.stdout(File::create(self.path(to_name)).expect("a writable folder"));
        }
        let output = command.output().expect("transload starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{from:?} to {to:?}: {told}");
        output
    }

    /// How a place on the disk is written.
    fn text(&self, place: Place, name: &str) -> String {
        let path = self.path(name);
        let path = path.to_str().expect("temporary folders have plain names");
        match place {
            Place::Directory => path.to_owned(),
            Place::Layout => format!("oci:{path}"),
            Place::Archive => format!("oci-archive:{path}"),
            Place::Bundle => format!("bundle:{path}"),
            Place::Pipe => "-".to_owned(),
            Place::Registry => unreachable!("a registry is no path"),
        }
    }

    /// What a place on the disk has: each image's name and digest.
    #[track_caller]
    fn listed(&self, name: &str) -> Vec<(String, String)> {
        let path = self.path(name);
        let output = Transload::new()
            .arg("list")
            .arg(path)
            .args(["--output", "json"])
            .run()
            .expect_code(0);
        let listed: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let images = listed["images"].as_array().expect("the images");
        let mut images: Vec<_> = images
            .iter()
            .map(|image| (text(&image["image"]), text(&image["digest"])))
            .collect();
        images.sort();
        images
    }
}

#[test]
fn every_place_gives_every_other_the_same_images() {
    let world = World::new();
    let digests = world.images.iter().map(|(_, image)| image.digest().to_string());
    let mut expected: Vec<_> = world.names().into_iter().zip(digests).collect();
    expected.sort();

    for to in [
        Place::Directory,
        Place::Layout,
        Place::Archive,
        Place::Bundle,
        Place::Pipe,
    ] {
        world.copy(Place::Registry, "", to, &format!("{to:?}"), "");
        assert_eq!(world.listed(&format!("{to:?}")), expected, "registry to {to:?}");
    }
    for from in PLACES.into_iter().filter(|from| *from != Place::Registry) {
        for to in PLACES {
            let name = format!("{from:?}-to-{to:?}");
            let registry = ScriptedRegistry::start();
            world.copy(from, &format!("{from:?}"), to, &name, registry.host());
            if to != Place::Registry {
                assert_eq!(world.listed(&name), expected, "{name}");
                Transload::new()
                    .arg("verify")
                    .arg(world.path(&name))
                    .run()
                    .expect_code(0);
                continue;
            }
            for (at, (repository, image)) in world.images.iter().enumerate() {
                let identifier = world.identifier(at);
                let is_there = registry.has_image(repository, &identifier[1..], image);
                assert!(is_there, "{name}: {repository}{identifier}");
            }
        }
    }
}

#[test]
fn a_directory_that_went_through_another_place_is_the_same_byte_for_byte() {
    let world = World::new();
    world.copy(Place::Registry, "", Place::Directory, "first", "");
    let directory = |name: &str| tree(world.path(name).to_str().expect("a plain name"));
    for by in [Place::Archive, Place::Pipe, Place::Layout, Place::Bundle] {
        let (there, back) = (format!("{by:?}"), format!("back-from-{by:?}"));
        world.copy(Place::Directory, "first", by, &there, "");
        world.copy(by, &there, Place::Directory, &back, "");
        assert_is(&directory(&back), &directory("first"));
    }
}

#[test]
fn the_same_images_make_the_same_archive_whatever_place_they_come_from() {
    let world = World::new();
    world.copy(Place::Registry, "", Place::Archive, "first.tar", "");
    let first = fs::read(world.path("first.tar")).expect("an archive");
    world.copy(Place::Archive, "first.tar", Place::Layout, "layout", "");
    world.copy(Place::Layout, "layout", Place::Pipe, "piped.tar", "");
    world.copy(Place::Pipe, "piped.tar", Place::Directory, "directory", "");
    world.copy(Place::Directory, "directory", Place::Archive, "last.tar", "");
    for name in ["piped.tar", "last.tar"] {
        let archive = fs::read(world.path(name)).expect("an archive");
        assert!(archive == first, "{name} has other bytes");
    }
}

#[test]
fn the_large_blobs_of_a_pipe_go_straight_into_a_directory() {
    let world = World::new();
    let registry = ScriptedRegistry::start();
    let image = samples::single_builder(Family::Oci, "linux/amd64", 1)
        .noise_layer(1, 9 << 20)
        .noise_layer(2, 9 << 20)
        .build();
    registry.put_image("team/large", "v1", &image);
    Transload::new()
        .args([
            "copy",
            &format!("{}/team/large:v1", registry.host()),
            "--plain-http",
        ])
        .args(["--dest", &world.text(Place::Archive, "large.tar")])
        .run()
        .expect_code(0);
    let bytes = fs::read(world.path("large.tar")).expect("the archive");
    let copy = |dest: &str, bytes: &[u8]| {
        let dest = world.path(dest);
        let program = Transload::new().args(["copy", "--src", "-", "--dest"]);
        program.arg(dest).stdin(bytes).run()
    };

    // What came whole before the pipe broke is there, without a name.
    let cut = copy("images", &bytes[..bytes.len() - (5 << 20)]).expect_code(2);
    assert!(cut.stderr.contains("the archive was cut off"), "{}", cut.stderr);
    let blobs = fs::read_dir(world.path("images/blobs"))
        .expect("the directory")
        .count();
    assert_eq!(blobs, 1, "the first layer");
    assert_eq!(world.listed("images"), []);

    let whole = copy("images", &bytes).expect_code(0);
    assert!(whole.stdout.contains("copied"), "{}", whole.stdout);
    let again = copy("images", &bytes).expect_code(0);
    assert!(!again.stdout.contains("copied"), "{}", again.stdout);
    world.copy(Place::Archive, "large.tar", Place::Directory, "by offsets", "");
    let directory = |name: &str| tree(world.path(name).to_str().expect("a plain name"));
    assert_is(&directory("images"), &directory("by offsets"));
}
