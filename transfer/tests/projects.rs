//! Pushes to a registry that keeps repositories in projects: what one image is refused, the others of its project aren't asked for again.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use transload_registry_client::{Credential, HostRule};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Authentication, Harbor, HarborTokens, Options as Kind, Project};
use transload_transfer::job::{Job, Location};
use transload_transfer::{Observer, Options, Preview, Status, Unobserved, preview, run};

const IMAGES: usize = 40;

const PROJECTS: &[(&str, Project)] = &[
    ("open", Project::Open),
    ("theirs", Project::PullOnly),
    ("cache", Project::ProxyCache),
    ("full", Project::Full),
    ("fixed", Project::Immutable),
    ("signed", Project::SignedOnly),
];

fn harbor(read_only: bool) -> ScriptedRegistry {
    ScriptedRegistry::with(Kind {
        authentication: Authentication::Bearer {
            anonymous: false,
            oauth2: false,
        },
        harbor: Some(Harbor {
            projects: PROJECTS,
            read_only,
        }),
        harbor_tokens: Some(HarborTokens::default()),
        ..Kind::default()
    })
}

fn image(number: usize) -> Image {
    samples::single(Family::Oci, "linux/amd64", number as u64)
}

/// A directory with that many images of different names.
fn store(folder: &Path) {
    for number in 0..IMAGES {
        let name = format!("image-{number}");
        kubekey::write(
            folder,
            "hub.local",
            &name,
            "v1",
            &image(number),
            Generation::Third,
        );
    }
}

/// A push of a directory to a project.
fn push(folder: &Path, registry: &ScriptedRegistry, project: Option<&str>) -> Job {
    let mut rule = HostRule::new(registry.host());
    rule.credential = Some(Credential::new(USER, PASSWORD));
    rule.plain_http = Some(true);
    let to = Location::Registry {
        registry: registry.host().parse().unwrap(),
        prefix: project.map(str::to_owned),
    };
    let mut job = Job::new("push", to.into());
    job.source = Some(Location::directory(folder).into());
    job.hosts = vec![rule];
    job
}

fn nobody() -> Arc<dyn Observer> {
    Arc::new(Unobserved)
}

/// What became of a run's images.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    copied: usize,
    there: usize,
    failed: usize,
    /// What is told of the failures, each with its hint, once.
    told: BTreeSet<(String, Option<String>)>,
}

fn run_all(jobs: &[Job]) -> Outcome {
    let summary = run(jobs, &Options::default(), &nobody()).unwrap();
    let mut outcome = Outcome::default();
    for image in summary.jobs.iter().flat_map(|job| &job.images) {
        match &image.status {
            Status::Copied => outcome.copied += 1,
            Status::AlreadyThere => outcome.there += 1,
            Status::Failed(fault) => {
                outcome.failed += 1;
                outcome
                    .told
                    .insert((fault.to_string(), fault.hint().map(str::to_owned)));
            }
            other => panic!("{other:?}"),
        }
    }
    outcome
}

/// Checks that all failed, by one message with these parts, at the cost of this many requests.
#[track_caller]
fn assert_told_once(outcome: &Outcome, registry: &ScriptedRegistry, text: &str, hint: &str, most: usize) {
    assert_eq!((outcome.failed, outcome.told.len()), (IMAGES, 1), "{outcome:?}");
    let (told, hinted) = outcome.told.first().unwrap();
    assert!(told.contains(text), "{told}");
    assert!(
        hinted.as_ref().is_some_and(|told| told.contains(hint)),
        "{hinted:?}"
    );
    let requests = registry.log().requests();
    let asked: Vec<String> = requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    assert!(asked.len() <= most, "{}: {asked:#?}", asked.len());
}

#[test]
fn a_missing_project_costs_a_handful_of_requests_and_is_told_once() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(false));
    store(folder.path());
    let outcome = run_all(&[push(folder.path(), &registry, Some("nope"))]);
    let text =
        "/nope: pushing: the registry answered 401 Unauthorized: UNAUTHORIZED: project nope not found (";
    assert_told_once(&outcome, &registry, text, "--create-projects", 8);
    assert_eq!(registry.log().count("GET", "/manifests/"), 1);
}

#[test]
fn a_project_without_the_right_to_push_costs_a_handful_of_requests_and_is_told_once() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(false));
    store(folder.path());
    let outcome = run_all(&[push(folder.path(), &registry, Some("theirs"))]);
    let text = "action: push";
    // The tokens here say that they allow it: the batch's is asked for again, and one for the repository alone.
    assert_told_once(&outcome, &registry, text, "ask for the role Developer", 10);
    assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 3);
}

#[test]
fn a_proxy_cache_and_a_name_without_project_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let registry = harbor(false);
    let outcome = run_all(&[push(folder.path(), &registry, Some("cache"))]);
    assert_told_once(
        &outcome,
        &registry,
        "to a proxy project: cache",
        "choose another project",
        8,
    );
    let registry = harbor(false);
    let outcome = run_all(&[push(folder.path(), &registry, None)]);
    assert_told_once(
        &outcome,
        &registry,
        ": pushing: the registry answered 400 Bad Request",
        "/PROJECT",
        8,
    );
}

#[test]
fn a_quota_that_is_used_up_ends_its_project_and_is_told_once() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(false));
    store(folder.path());
    let outcome = run_all(&[push(folder.path(), &registry, Some("full"))]);
    assert_told_once(
        &outcome,
        &registry,
        "configured upper limit of 10.0 MiB",
        "Project Quotas",
        usize::MAX,
    );
    let refused = registry.log().count("PUT", "/blobs/uploads/");
    assert!(refused <= 20, "{refused} uploads were under way at once");
}

#[test]
fn in_read_only_mode_what_is_there_is_told_as_there() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(true));
    store(folder.path());
    for number in 0..IMAGES / 2 {
        registry.put_image(&format!("open/image-{number}"), "v1", &image(number));
    }
    let outcome = run_all(&[push(folder.path(), &registry, Some("open"))]);
    assert_eq!((outcome.there, outcome.failed), (IMAGES / 2, IMAGES / 2));
    assert_eq!(outcome.told.len(), 1, "{outcome:?}");
    assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 1);
}

#[test]
fn images_that_nobody_may_pull_are_pushed_and_pushed_again() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(false));
    store(folder.path());
    for _ in 0..2 {
        let outcome = run_all(&[push(folder.path(), &registry, Some("signed"))]);
        assert_eq!(outcome.copied, IMAGES, "{outcome:?}");
    }
    assert!(
        (0..IMAGES)
            .all(|number| { registry.has_image(&format!("signed/image-{number}"), "v1", &image(number)) })
    );
}

#[test]
fn a_project_that_is_refused_ends_no_other_project() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(false));
    store(folder.path());
    let jobs = ["theirs", "nope", "open"].map(|project| push(folder.path(), &registry, Some(project)));
    let outcome = run_all(&jobs);
    assert_eq!((outcome.failed, outcome.copied), (2 * IMAGES, IMAGES));
    let tells = |text: &str| outcome.told.iter().any(|(told, _)| told.contains(text));
    assert!(
        outcome.told.len() == 2 && tells("action: push") && tells("project nope not found"),
        "{outcome:?}"
    );
    assert_eq!(registry.open_sessions(), 0);
}

#[test]
fn a_user_who_is_refused_ends_no_images_of_another() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(false));
    store(folder.path());
    let mut job = push(folder.path(), &registry, Some("theirs"));
    let mut other = HostRule::new(format!("{}/theirs/image-7", registry.host()));
    other.credential = Some(Credential::new(USER, "wrong"));
    other.plain_http = Some(true);
    job.hosts.push(other);
    let outcome = run_all(&[job]);
    assert_eq!(outcome.failed, IMAGES);
    let texts: Vec<&String> = outcome.told.iter().map(|(text, _)| text).collect();
    assert!(
        texts.len() == 2 && texts.iter().any(|text| text.contains("logging in")),
        "{texts:#?}"
    );
}

#[test]
fn a_dry_run_tells_of_a_missing_project_once_by_one_get() {
    for project in [Some("nope"), None] {
        let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(false));
        store(folder.path());
        let job = push(folder.path(), &registry, project);
        let previews = preview(&[job], &Options::default(), &nobody()).unwrap();
        let told: BTreeSet<String> = previews[0]
            .images
            .iter()
            .map(|image| image.result.as_ref().unwrap_err().to_string())
            .collect();
        assert_eq!((previews[0].images.len(), told.len()), (IMAGES, 1), "{told:?}");
        assert_eq!(registry.log().count("GET", "/manifests/"), 1);
        let requests = registry.log().requests().len();
        assert!(requests <= 10, "{requests}");
    }
}

#[test]
fn a_dry_run_to_a_project_that_is_there_asks_once_more_and_fails_nothing() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), harbor(false));
    store(folder.path());
    let job = push(folder.path(), &registry, Some("open"));
    let previews = preview(&[job], &Options::default(), &nobody()).unwrap();
    let moves = |image: &transload_transfer::ImagePreview| matches!(image.result, Ok(Preview::Moves { .. }));
    assert!(previews[0].images.iter().all(moves));
    assert_eq!(registry.log().count("GET", "/manifests/"), 1);
}
