//! Registries that lost parts of images that they list: what is looked up, what is sent, and what is told.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use transload_policy::PlatformSet;
use transload_reference::Digest;
use transload_registry_client::{HostRule, NoCredentials};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::scripted::{Action, Fault as Rule, Reply};

use crate::job::{Endpoint, IndexMode, Job, Location};
use crate::{Event, ImageOutcome, Observer, Options, Preview, Status, Summary, Unobserved, preview, run};

/// A registry that has images, and one that they were copied to.
struct Scene {
    from: ScriptedRegistry,
    to: ScriptedRegistry,
    images: Vec<(String, Image)>,
}

/// What a run did and told.
struct Ran {
    outcomes: Vec<ImageOutcome>,
    warnings: Vec<String>,
    /// The repositories of the images that were told to be done, in that order.
    finished: Vec<String>,
}

#[derive(Default)]
struct Told(Mutex<(Vec<String>, Vec<String>)>);

impl Observer for Told {
    fn event(&self, event: &Event<'_>) {
        let mut told = self.0.lock().unwrap();
        match event {
            Event::Warning { text } => told.0.push((*text).to_owned()),
            Event::ImageFinished { outcome } => {
                let (_, name) = outcome.image.split_once('/').unwrap();
                told.1.push(name.to_owned());
            }
            _ => {}
        }
    }
}

fn options() -> Options {
    Options {
        jobs: 1,
        request_retries: 0,
        idle: Duration::from_secs(60),
        limit_rate: None,
        uploads: None,
        credentials: Arc::new(NoCredentials),
        cancel: Arc::new(AtomicBool::new(false)),
    }
}

/// An image of a config, a layer that all share, and a layer of its own.
fn single(seed: u64) -> Image {
    samples::single(Family::Oci, "linux/amd64", seed)
}

/// The layer that all single images share.
fn shared() -> Digest {
    single(0).blobs[1].0.digest.clone()
}

impl Scene {
    /// Images in repositories of these names, which the destination has.
    fn new(images: impl IntoIterator<Item = (String, Image)>) -> Scene {
        let scene = Scene::to_nowhere(images);
        for (name, image) in &scene.images {
            let (repository, tag) = name.split_once(':').unwrap();
            scene.to.put_image(repository, tag, image);
        }
        scene
    }

    /// The same, with an empty destination.
    fn to_nowhere(images: impl IntoIterator<Item = (String, Image)>) -> Scene {
        let scene = Scene {
            from: ScriptedRegistry::start(),
            to: ScriptedRegistry::start(),
            images: images.into_iter().collect(),
        };
        for (name, image) in &scene.images {
            let (repository, tag) = name.split_once(':').unwrap();
            scene.from.put_image(repository, tag, image);
        }
        scene
    }

    fn singles(count: u64) -> Scene {
        Scene::new((0..count).map(|seed| (format!("r{seed}:v1"), single(seed))))
    }

    fn job(&self, images: std::ops::Range<usize>) -> Job {
        let mut job = Job::new("copy", Endpoint::Fixed(Location::parse(self.to.host()).unwrap()));
        let names = self.images[images]
            .iter()
            .map(|(name, _)| format!("{}/{name}", self.from.host()).parse().unwrap());
        job.images = names.collect();
        for host in [self.from.host(), self.to.host()] {
            let mut rule = HostRule::new(host);
            rule.plain_http = Some(true);
            job.hosts.push(rule);
        }
        job
    }

    fn run(&self, change: impl FnOnce(&mut Job)) -> Ran {
        let mut job = self.job(0..self.images.len());
        change(&mut job);
        self.run_all(&[job])
    }

    fn run_all(&self, jobs: &[Job]) -> Ran {
        self.to.log().clear();
        let told = Arc::new(Told::default());
        let Summary { jobs, .. } = run(jobs, &options(), &(Arc::clone(&told) as Arc<dyn Observer>)).unwrap();
        let (warnings, finished) = std::mem::take(&mut *told.0.lock().unwrap());
        let kept: Vec<String> = jobs.iter().flat_map(|job| job.warnings.clone()).collect();
        assert_eq!(kept, warnings, "what is told is in the summary");
        Ran {
            outcomes: jobs.into_iter().flat_map(|job| job.images).collect(),
            warnings,
            finished,
        }
    }

    fn lose(&self, repository: &str, blob: &Digest) {
        assert!(self.to.remove_blob(repository, blob));
    }

    /// Fails where the destination lacks anything.
    fn assert_whole(&self) {
        for (name, image) in &self.images {
            let (repository, tag) = name.split_once(':').unwrap();
            assert!(self.to.has_image(repository, tag, image), "{name}");
        }
    }

    /// The paths of the requests of a method for blobs or manifests of the destination.
    fn paths(&self, method: &str, part: &str) -> Vec<String> {
        let requests = self.to.log().requests();
        let chosen = requests.iter().filter(|request| request.is(method, part));
        chosen.map(|request| request.path.clone()).collect()
    }

    /// The number of blobs that were looked up. Fails where one was looked up twice.
    fn looked_up(&self) -> usize {
        let looks = self.paths("HEAD", "/blobs/");
        let distinct: HashSet<&String> = looks.iter().collect();
        assert_eq!(looks.len(), distinct.len(), "{looks:#?}");
        looks.len()
    }
}

impl Ran {
    fn statuses(&self) -> Vec<&'static str> {
        let status = |outcome: &ImageOutcome| match outcome.status {
            Status::Copied => "copied",
            Status::AlreadyThere => "there",
            Status::Failed(_) => "failed",
            _ => "other",
        };
        self.outcomes.iter().map(status).collect()
    }

    fn moved(&self) -> Vec<usize> {
        let blobs = self.outcomes.iter();
        blobs.map(|outcome| outcome.blobs.moved.blobs).collect()
    }

    /// Fails unless the loss was told once, in these words.
    fn assert_told(&self, scene: &Scene) {
        let warning = format!(
            "{} lacks blobs or manifests that it listed or took: checking all images there (as with --check-existing)",
            scene.to.host()
        );
        assert_eq!(self.warnings, [warning]);
    }
}

#[test]
fn a_rerun_of_whole_images_takes_one_request_an_image_and_a_sample_of_sixteen_blobs() {
    let scene = Scene::singles(40);
    let ran = scene.run(|_| {});
    assert_eq!(ran.statuses(), ["there"; 40]);
    assert_eq!(ran.warnings, [""; 0]);
    assert_eq!(scene.paths("HEAD", "/manifests/").len(), 40);
    assert_eq!(scene.looked_up(), 16);
    assert_eq!(scene.to.log().requests().len(), 56);
    // All of them on request, and nothing is written.
    let ran = scene.run(|job| job.check_existing = true);
    assert_eq!(ran.statuses(), ["there"; 40]);
    assert_eq!(ran.warnings, [""; 0]);
    assert_eq!(scene.looked_up(), 120);
    assert_eq!(scene.to.log().requests().len(), 160);
}

#[test]
fn what_a_registry_lost_of_an_image_is_sent_and_its_manifest_written_again() {
    let image = single(1);
    let digests: Vec<&Digest> = image.blobs.iter().map(|(blob, _)| &blob.digest).collect();
    let table: [(&str, &[&Digest]); 4] = [
        ("the config", &digests[..1]),
        ("a layer", &digests[1..2]),
        ("the other layer", &digests[2..]),
        ("everything", &digests),
    ];
    for (case, lost) in table {
        for is_damaged in [false, true] {
            for check_existing in [false, true] {
                let scene = Scene::new([("app:v1".to_owned(), image.clone())]);
                for digest in lost {
                    scene.lose("app", digest);
                    if is_damaged {
                        scene.to.put_blob("app", digest, b"cut short");
                    }
                }
                let ran = scene.run(|job| job.check_existing = check_existing);
                assert_eq!(ran.statuses(), ["copied"], "{case}");
                assert_eq!(ran.moved(), [lost.len()], "{case}");
                assert_eq!(ran.outcomes[0].blobs.present.blobs, 3 - lost.len(), "{case}");
                scene.assert_whole();
                assert_eq!(scene.looked_up(), 3, "{case}");
                assert_eq!(scene.paths("PUT", "/manifests/"), ["/v2/app/manifests/v1"]);
                if !check_existing {
                    ran.assert_told(&scene);
                }
                assert_eq!(scene.run(|_| {}).statuses(), ["there"], "{case}");
            }
        }
    }
}

#[test]
fn a_lost_child_of_an_index_is_a_loss_and_is_written_before_the_index() {
    let index = samples::multi_platform(Family::Oci, 1);
    let child = index.manifests[0].digest.clone();
    let scene = Scene::new([
        ("app:v1".to_owned(), index.clone()),
        ("other:v1".to_owned(), single(2)),
    ]);
    assert!(scene.to.remove_manifest("app", child.as_str()));
    let own = single(2).blobs[2].0.digest.clone();
    scene.lose("other", &own);
    let ran = scene.run(|_| {});
    assert_eq!(ran.statuses(), ["copied"; 2]);
    ran.assert_told(&scene);
    scene.assert_whole();
    let written = scene.paths("PUT", "/v2/app/manifests/");
    assert!(
        written.iter().any(|path| path.ends_with(child.as_str())),
        "{written:?}"
    );
    assert!(written.last().unwrap().ends_with("/v1"), "{written:?}");
}

#[test]
fn a_platform_that_is_added_to_a_sparse_index_is_no_loss() {
    let index = samples::multi_platform(Family::Oci, 1);
    let scene = Scene::new([
        ("app:v1".to_owned(), index.clone()),
        ("other:v1".to_owned(), single(2)),
    ]);
    for child in &index.manifests[1..4] {
        scene.to.remove_manifest("app", child.digest.as_str());
    }
    let ran = scene.run(|job| job.index = IndexMode::Original);
    assert_eq!(ran.statuses(), ["copied", "there"]);
    assert_eq!(ran.warnings, [""; 0]);
    scene.assert_whole();
}

#[test]
fn a_sign_of_loss_opens_the_images_again_that_were_taken_as_there() {
    // The sample is of the first images; the last one shows the loss.
    let singles = (0..9).map(|seed| (format!("r{seed}:v1"), single(seed)));
    let index = samples::multi_platform(Family::Oci, 100);
    let scene = Scene::new(singles.chain([("last:v1".to_owned(), index.clone())]));
    scene.lose("r7", &single(7).blobs[2].0.digest);
    assert_eq!(scene.run(|_| {}).statuses(), ["there"; 10], "nothing shows it");
    assert!(
        scene
            .to
            .remove_manifest("last", index.manifests[0].digest.as_str())
    );
    let ran = scene.run(|_| {});
    ran.assert_told(&scene);
    let mut expected = ["there"; 10];
    (expected[7], expected[9]) = ("copied", "copied");
    assert_eq!(ran.statuses(), expected);
    assert_eq!(ran.moved()[7], 1);
    scene.assert_whole();
    // Each blob once, though some were looked up before the sign.
    let blobs = index.blobs.len() + 9 * 3;
    assert_eq!(scene.looked_up(), blobs);
    let times = |name: &str| ran.finished.iter().filter(|finished| *finished == name).count();
    assert_eq!((times("r7:v1"), times("last:v1")), (2, 1), "{:?}", ran.finished);
    assert!(ran.outcomes.iter().all(|outcome| outcome.attempts == 1));
    assert_eq!(scene.paths("PUT", "/manifests/v1").len(), 2, "of what was mended");
}

#[test]
fn images_of_one_repository_that_share_a_lost_blob_bring_it_once_and_are_both_told_as_copied() {
    let scene = Scene::new([("app:v1".to_owned(), single(1)), ("app:v2".to_owned(), single(2))]);
    scene.lose("app", &shared());
    let ran = scene.run(|_| {});
    assert_eq!(ran.statuses(), ["copied"; 2]);
    assert_eq!(ran.moved(), [1, 0]);
    assert_eq!(ran.outcomes[1].blobs.shared.blobs, 1);
    scene.assert_whole();
    scene.looked_up();
    assert_eq!(scene.paths("POST", "/blobs/uploads/").len(), 1);
    ran.assert_told(&scene);
}

#[test]
fn images_of_two_repositories_that_share_a_lost_blob_bring_it_once_and_mount_it() {
    let scene = Scene::singles(2);
    scene.lose("r0", &shared());
    scene.lose("r1", &shared());
    let ran = scene.run(|_| {});
    assert_eq!(ran.statuses(), ["copied"; 2]);
    assert_eq!(ran.moved(), [1, 0]);
    assert_eq!(ran.outcomes[1].blobs.mounted.blobs, 1);
    scene.assert_whole();
    assert_eq!(scene.looked_up(), 6);
    // What one repository has still is lent to the other.
    scene.lose("r1", &shared());
    let ran = scene.run(|job| job.check_existing = true);
    assert_eq!(ran.statuses(), ["there", "copied"]);
    assert_eq!(ran.moved(), [0, 0]);
    assert_eq!(ran.outcomes[1].blobs.mounted.blobs, 1);
    scene.assert_whole();
}

/// A registry says that it has mounted a blob, and hasn't.
#[test]
fn a_manifest_that_is_refused_for_lack_of_a_blob_has_its_blobs_looked_up_and_sent_once() {
    let scene = Scene::to_nowhere((0..2).map(|seed| (format!("r{seed}:v1"), single(seed))));
    let mounted = Reply::status(201).header("Location", "/v2/r1/blobs/somewhere");
    scene
        .to
        .fault(Rule::new("POST", "mount=", Action::Answer(mounted)).every());
    let ran = scene.run(|_| {});
    assert_eq!(ran.statuses(), ["copied"; 2]);
    scene.assert_whole();
    assert_eq!(ran.moved(), [3, 3], "what was told as mounted wasn't");
    assert_eq!(ran.outcomes[1].blobs.mounted.blobs, 0);
    assert_eq!(scene.paths("PUT", "/v2/r1/manifests/").len(), 2);
    ran.assert_told(&scene);
}

#[test]
fn a_manifest_that_is_refused_for_lack_of_a_blob_for_ever_fails_its_image_alone() {
    let lacking = single(1).blobs[2].0.digest.clone();
    for (status, code) in [
        (404, "MANIFEST_BLOB_UNKNOWN"),
        (400, "MANIFEST_BLOB_UNKNOWN"),
        (404, "BLOB_UNKNOWN"),
    ] {
        let scene = Scene::to_nowhere((0..2).map(|seed| (format!("r{seed}:v1"), single(seed))));
        let error =
            serde_json::json!({"errors": [{"code": code, "message": "blob unknown", "detail": lacking}]});
        let refusal = Reply::status(status).body(error.to_string());
        scene
            .to
            .fault(Rule::new("PUT", "/v2/r1/manifests/", Action::Answer(refusal)).every());
        let ran = scene.run(|job| job.retries = 1);
        assert_eq!(ran.statuses(), ["copied", "failed"]);
        assert_eq!(scene.paths("PUT", "/v2/r1/manifests/").len(), 2, "and no more");
        assert_eq!(scene.paths("HEAD", "/v2/r1/blobs/").len(), 2 + 3);
        let Status::Failed(fault) = &ran.outcomes[1].status else {
            unreachable!()
        };
        let told = fault.to_string();
        for part in [
            scene.to.host(),
            "/r1: writing the manifest v1",
            code,
            lacking.as_str(),
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert!(fault.hint().unwrap().contains("look at its log and its storage"));
    }
}

#[test]
fn a_manifest_that_is_refused_for_another_reason_is_sent_once() {
    let scene = Scene::to_nowhere([("app:v1".to_owned(), single(1))]);
    let refusal = Reply::status(400).error("MANIFEST_INVALID", "no");
    scene
        .to
        .fault(Rule::new("PUT", "/manifests/", Action::Answer(refusal)).every());
    let ran = scene.run(|_| {});
    assert_eq!(ran.statuses(), ["failed"]);
    assert_eq!(scene.paths("PUT", "/manifests/").len(), 1);
    assert_eq!(ran.warnings, [""; 0]);
}

#[test]
fn a_sparse_index_that_is_refused_is_no_sign_of_loss() {
    let scene = Scene::to_nowhere([("app:v1".to_owned(), samples::multi_platform(Family::Oci, 1))]);
    let ran = scene.run(|job| {
        job.index = IndexMode::Original;
        job.platforms = PlatformSet::parse(&["linux/amd64"]).unwrap();
    });
    assert_eq!(ran.statuses(), ["failed"]);
    assert_eq!(ran.warnings, [""; 0]);
    assert_eq!(scene.paths("PUT", "/manifests/v1").len(), 2);
    let Status::Failed(fault) = &ran.outcomes[0].status else {
        unreachable!()
    };
    assert!(fault.hint().unwrap().contains("leave out index: original"));
}

#[test]
fn a_refused_manifest_is_a_sign_of_loss_for_the_images_that_were_taken_as_there() {
    let scene = Scene::singles(8);
    scene.lose("r6", &single(6).blobs[2].0.digest);
    scene.to.remove_manifest("r7", "v1");
    let refusal = Reply::status(404).error("MANIFEST_BLOB_UNKNOWN", "blob unknown");
    scene
        .to
        .fault(Rule::new("PUT", "/v2/r7/manifests/", Action::Answer(refusal)));
    let ran = scene.run(|_| {});
    ran.assert_told(&scene);
    assert_eq!(
        ran.statuses(),
        [
            "there", "there", "there", "there", "there", "there", "copied", "copied"
        ]
    );
    scene.assert_whole();
}

#[test]
fn what_a_task_learns_of_losses_holds_for_the_next_and_the_earlier_ones_are_told_of() {
    let scene = Scene::singles(9);
    scene.lose("r8", &single(8).blobs[2].0.digest);
    scene.lose("r7", &single(7).blobs[0].0.digest);
    let jobs = [scene.job(0..7), scene.job(7..8), scene.job(8..9)];
    // The first task's sample is the run's.
    assert_eq!(scene.run_all(&jobs).statuses(), ["there"; 9]);
    assert_eq!(scene.looked_up(), 16);

    let jobs = [scene.job(0..2), scene.job(7..8), scene.job(8..9)];
    let ran = scene.run_all(&jobs);
    assert_eq!(ran.statuses(), ["there", "there", "copied", "copied"]);
    assert_eq!(ran.warnings.len(), 1);
    assert!(
        ran.warnings[0].ends_with("run them again with --check-existing"),
        "{:?}",
        ran.warnings
    );
    scene.assert_whole();
}

#[test]
fn a_dry_run_shows_what_was_lost_of_the_sample() {
    let scene = Scene::singles(1);
    scene.lose("r0", &single(0).blobs[2].0.digest);
    let job = scene.job(0..1);
    let plans = preview(&[job], &options(), &(Arc::new(Unobserved) as Arc<dyn Observer>)).unwrap();
    let Ok(Preview::Moves {
        to_move, is_there, ..
    }) = &plans[0].images[0].result
    else {
        panic!("{plans:?}")
    };
    assert_eq!((to_move.blobs, *is_there), (1, false));
    assert_eq!(scene.looked_up(), 3);
}

#[test]
fn an_index_with_nothing_lost_costs_a_request_for_each_manifest() {
    let scene = Scene::new([("app:v1".to_owned(), samples::multi_platform(Family::Oci, 1))]);
    let ran = scene.run(|_| {});
    assert_eq!(ran.statuses(), ["there"]);
    assert_eq!(ran.outcomes[0].platforms.len(), 4);
    assert_eq!(scene.paths("HEAD", "/manifests/").len(), 5);
    assert!(scene.looked_up() <= 8, "one round trip");
    assert_eq!(scene.paths("PUT", ""), [""; 0]);
}
