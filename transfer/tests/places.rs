//! Copies between all kinds of places: whatever lies between, an image keeps its bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_registry_client::HostRule;
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_transfer::inventory::{compare_places, names};
use transload_transfer::job::{Job, Location};
use transload_transfer::maintenance::check;
use transload_transfer::place::LocalPlace;
use transload_transfer::{Observer, Options, Status, Unobserved, run};

/// Kinds of places, each with what stands before its path.
const KINDS: [(&str, &str); 5] = [
    ("local://", "directory"),
    ("oci:", "layout"),
    ("oci-archive:", "oci.tar"),
    ("docker-archive:", "docker.tar"),
    ("local://", "plain.tar"),
];

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    /// A directory `images` with images of several kinds, two tags of one name in different repositories among them.
    fn new() -> Scene {
        let scene = Scene {
            folder: tempfile::tempdir().unwrap(),
        };
        let images = [
            ("team/app", "v1", samples::multi_platform(Family::Oci, 1)),
            ("other/app", "v1", samples::multi_platform(Family::Docker, 2)),
            (
                "team/app",
                "v2",
                samples::single(Family::Docker, "linux/amd64", 3),
            ),
            ("team/nested", "v1", samples::nested(4)),
            ("team/attested", "v1", samples::attested(5)),
            ("charts/app", "1.0.0", samples::helm_chart("app", "1.0.0")),
        ];
        for (name, tag, image) in images {
            let to = scene.path("images");
            kubekey::write(&to, "hub.example.com", name, tag, &image, Generation::Third);
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, (scheme, name): (&str, &str)) -> String {
        format!("{scheme}{}", self.path(name).display())
    }

    fn place(&self, kind: (&str, &str)) -> LocalPlace {
        let location = Location::parse(&self.text(kind)).unwrap();
        location.local().unwrap().clone()
    }

    /// Copies all images. Returns what became of them, in a word each.
    fn copy(&self, from: &str, to: &str) -> Vec<String> {
        let mut job = Job::new("copy", Location::parse(to).unwrap().into());
        job.source = Some(Location::parse(from).unwrap().into());
        told(&job)
    }

    /// The images of a place, with their digests.
    fn images(&self, kind: (&str, &str)) -> BTreeMap<String, String> {
        let source = self.place(kind).open(&Arc::default()).unwrap();
        let inventory = names(source.as_ref(), None).unwrap();
        assert!(inventory.damage.is_empty());
        let entries = inventory.entries.into_iter();
        entries
            .map(|entry| (entry.reference.to_string(), entry.digest.to_string()))
            .collect()
    }

    #[track_caller]
    fn assert_is_whole(&self, kind: (&str, &str)) {
        let pool = transload_transfer::pool(2).unwrap();
        let [here, there] =
            [("local://", "images"), kind].map(|kind| self.place(kind).open(&Arc::default()).unwrap());
        let found = compare_places(here.as_ref(), there.as_ref(), None, true, &pool).unwrap();
        assert_eq!((found.alike, found.is_same()), (6, true), "{kind:?}: {found:?}");
        let cancel = Arc::default();
        let health = check(there.as_ref(), &self.path(kind.1), None, &pool, &cancel, &|_| {}).unwrap();
        assert!(health.findings.is_empty(), "{kind:?}: {:?}", health.findings);
        assert_eq!(health.images, 6);
    }
}

fn told(job: &Job) -> Vec<String> {
    let nobody: Arc<dyn Observer> = Arc::new(Unobserved);
    let summary = run(std::slice::from_ref(job), &Options::default(), &nobody).unwrap();
    let images = summary.jobs.into_iter().flat_map(|job| job.images);
    images
        .map(|image| match image.status {
            Status::Copied => "copied".to_owned(),
            Status::AlreadyThere => "there".to_owned(),
            other => format!("{}: {other:?}", image.image),
        })
        .collect()
}

#[test]
fn images_keep_their_bytes_and_names_between_any_two_places_on_disks() {
    for from in KINDS {
        let scene = Scene::new();
        assert_eq!(
            scene.copy(&scene.text(("local://", "images")), &scene.text(from)),
            ["copied"; 6]
        );
        scene.assert_is_whole(from);
        for (number, (scheme, name)) in KINDS.into_iter().enumerate() {
            let name = format!("{number}-{name}");
            let to = (scheme, name.as_str());
            assert_eq!(
                scene.copy(&scene.text(from), &scene.text(to)),
                ["copied"; 6],
                "{from:?} {to:?}"
            );
            scene.assert_is_whole(to);
            assert_eq!(
                scene.copy(&scene.text(from), &scene.text(to)),
                ["there"; 6],
                "{from:?} {to:?}"
            );
        }
    }
}

#[test]
fn the_same_images_give_the_same_archive_whichever_place_they_come_from() {
    let scene = Scene::new();
    let mut first: Option<Vec<u8>> = None;
    let mut from = ("local://", "images");
    for (number, (_, name)) in KINDS.into_iter().enumerate() {
        let archive = format!("{number}.tar");
        scene.copy(&scene.text(from), &scene.text(("oci-archive:", &archive)));
        let bytes = fs::read(scene.path(&archive)).unwrap();
        assert!(first.get_or_insert_with(|| bytes.clone()) == &bytes, "{from:?}");
        let next = (KINDS[number].0, name);
        scene.copy(&scene.text(from), &scene.text(next));
        from = next;
    }
}

#[test]
fn a_registry_is_filled_from_every_kind_and_fills_every_kind() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.copy(&scene.text(("local://", "images")), &scene.text(kind));
        let registry = ScriptedRegistry::start();
        let mut rule = HostRule::new(registry.host());
        rule.plain_http = Some(true);
        let mut push = Job::new("push", Location::parse(registry.host()).unwrap().into());
        push.source = Some(Location::parse(&scene.text(kind)).unwrap().into());
        push.hosts = vec![rule.clone()];
        assert_eq!(told(&push), ["copied"; 6], "{kind:?}");
        let back = format!("back-{}", kind.1);
        let mut pull = Job::new(
            "pull",
            Location::parse(&scene.text((kind.0, &back))).unwrap().into(),
        );
        pull.source = Some(Location::parse(registry.host()).unwrap().into());
        pull.images = scene
            .images(kind)
            .keys()
            .map(|name| name.parse().unwrap())
            .collect();
        pull.hosts = vec![rule];
        assert_eq!(told(&pull), ["copied"; 6], "{kind:?}");
        scene.assert_is_whole((kind.0, &back));
    }
}

#[test]
fn a_tag_alone_stands_for_the_only_image_that_has_it() {
    let scene = Scene::new();
    for (scheme, name) in [("oci:", "layout"), ("oci-archive:", "images.tar")] {
        let place = scene.text((scheme, name));
        scene.copy(&scene.text(("local://", "images")), &place);
        let to = format!("to-{name}");
        let directory = scene.text(("local://", &format!("{to}.d")));
        assert_eq!(scene.copy(&format!("{place}:v2"), &directory), ["copied"]);
        let names: Vec<String> = scene
            .images(("local://", &format!("{to}.d")))
            .into_keys()
            .collect();
        assert_eq!(names, ["hub.example.com/team/app:v2"]);
        let several = scene.copy(&format!("{place}:v1"), &scene.text(("oci:", &to)));
        assert!(
            several[0].contains("has several images with the tag v1"),
            "{several:?}"
        );
        let other_name = format!("{place}:hub.example.com/team/app:v2");
        assert_eq!(
            scene.copy(&other_name, &scene.text(("oci:", &format!("{to}:new")))),
            ["copied"]
        );
    }
}

#[test]
fn an_archive_with_something_else_is_left_as_it_is() {
    let scene = Scene::new();
    let archive = ("oci-archive:", "images.tar");
    scene.copy(&scene.text(("local://", "images")), &scene.text(archive));
    let before = fs::read(scene.path("images.tar")).unwrap();
    let mut job = Job::new("copy", Location::parse(&scene.text(archive)).unwrap().into());
    job.source = Some(
        Location::parse(&scene.text(("local://", "images")))
            .unwrap()
            .into(),
    );
    job.images = vec!["hub.example.com/team/app:v1".parse().unwrap()];
    let told = told(&job);
    assert!(
        told[0].contains("images.tar is there, and holds something else"),
        "{told:?}"
    );
    assert!(fs::read(scene.path("images.tar")).unwrap() == before);
    assert!(!scene.path("images.tar.partial").exists());
}

#[test]
fn a_damaged_archive_fails_the_images_of_the_damage_and_no_file_is_left_that_looks_whole() {
    let scene = Scene::new();
    let archive = ("oci-archive:", "images.tar");
    scene.copy(&scene.text(("local://", "images")), &scene.text(archive));
    damage_last_blob(&scene.path("images.tar"));
    let pool = transload_transfer::pool(2).unwrap();
    let source = scene.place(archive).open(&Arc::default()).unwrap();
    let health = check(
        source.as_ref(),
        Path::new("images.tar"),
        None,
        &pool,
        &Arc::default(),
        &|_| {},
    )
    .unwrap();
    assert_eq!(health.findings.len(), 1, "{:?}", health.findings);
    let into_directory = scene.copy(&scene.text(archive), &scene.text(("local://", "directory")));
    let failed = into_directory.iter().filter(|told| *told != "copied").count();
    assert!((1..6).contains(&failed), "{into_directory:?}");
    let into_archive = scene.copy(&scene.text(archive), &scene.text(("oci-archive:", "other.tar")));
    assert!(
        into_archive.iter().all(|told| told != "copied"),
        "{into_archive:?}"
    );
    assert!(!scene.path("other.tar").exists());
}

/// Flips a bit of the last entry's last byte that isn't padding: behind it are two blocks of zeros at least.
fn damage_last_blob(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
}
