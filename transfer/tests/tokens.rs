//! How many tokens a run asks for at a registry whose token service is like Harbor's: a user's token costs 150 ms of its CPU.

use std::sync::Arc;
use std::time::Duration;

use transload_registry_client::{Credential, HostRule, NoCredentials};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Authentication, HarborTokens, Options as Kind};
use transload_transfer::job::{Job, Location};
use transload_transfer::{JobSummary, Observer, Options, Status, Unobserved, run};

const IMAGES: u64 = 40;

fn harbor() -> ScriptedRegistry {
    ScriptedRegistry::with(Kind {
        authentication: Authentication::Bearer {
            anonymous: true,
            oauth2: false,
        },
        harbor_tokens: Some(HarborTokens {
            cost: Duration::from_millis(150),
            lockout: Duration::from_millis(1),
            public: &["new"],
            ..HarborTokens::default()
        }),
        ..Kind::default()
    })
}

/// Images that share layers: one all of them, others some.
fn images() -> Vec<Image> {
    let image = |seed: u64| {
        samples::single_builder(Family::Oci, "linux/amd64", seed)
            .noise_layer(seed % 7, 300)
            .noise_layer(100 + seed % 3, 300)
            .build()
    };
    (0..IMAGES).map(image).collect()
}

fn put(registry: &ScriptedRegistry, project: &str) {
    for (number, image) in images().iter().enumerate() {
        registry.put_image(&format!("{project}/app{number}"), "v1", image);
    }
}

/// Copies the images of a project to another one, of whichever registry.
fn job(from: &str, to: &str, rules: &[(&ScriptedRegistry, Option<&str>)]) -> Job {
    let mut job = Job::new("copy", Location::parse(to).unwrap().into());
    job.images = (0..IMAGES)
        .map(|number| format!("{from}/app{number}:v1").parse().unwrap())
        .collect();
    job.hosts = rules
        .iter()
        .map(|(registry, password)| {
            let mut rule = HostRule::new(registry.host());
            rule.plain_http = Some(true);
            rule.credential = password.map(|password| Credential::new(USER, password));
            rule
        })
        .collect();
    job
}

fn copy(job: Job) -> JobSummary {
    let options = Options {
        credentials: Arc::new(NoCredentials),
        ..Options::default()
    };
    let observer: Arc<dyn Observer> = Arc::new(Unobserved);
    run(&[job], &options, &observer).unwrap().jobs.remove(0)
}

fn ends(summary: &JobSummary) -> (usize, usize) {
    let count = |wanted: fn(&Status) -> bool| {
        summary
            .images
            .iter()
            .filter(|image| wanted(&image.status))
            .count()
    };
    (
        count(|status| matches!(status, Status::Copied)),
        count(|status| matches!(status, Status::AlreadyThere)),
    )
}

/// How many tokens were asked for, by the registry's log and the run's own account.
fn asked(registry: &ScriptedRegistry, summary: &JobSummary) -> usize {
    let asked = registry.log().count("GET", "/token");
    let told = &summary.token_requests[&format!("http://{}/token", registry.host())];
    assert_eq!(*told, asked as u64);
    asked
}

#[test]
fn a_push_of_forty_images_asks_for_few_tokens_and_a_rerun_for_fewer() {
    let (source, harbor) = (ScriptedRegistry::start(), harbor());
    put(&source, "app");
    let push = || {
        let from = format!("{}/app", source.host());
        copy(job(
            &from,
            &format!("{}/new", harbor.host()),
            &[(&source, None), (&harbor, Some(PASSWORD))],
        ))
    };
    let first = push();
    assert_eq!(ends(&first), (40, 0));
    let tokens = asked(&harbor, &first);
    assert!(tokens <= 6, "{tokens}");
    harbor.log().clear();
    let again = push();
    assert_eq!(ends(&again), (0, 40));
    let tokens = asked(&harbor, &again);
    assert!(tokens <= 3, "{tokens}");
}

#[test]
fn a_promotion_of_forty_images_mounts_their_blobs_with_few_tokens() {
    let harbor = harbor();
    put(&harbor, "staging");
    let host = harbor.host();
    let summary = copy(job(
        &format!("{host}/staging"),
        &format!("{host}/prod"),
        &[(&harbor, Some(PASSWORD))],
    ));
    assert_eq!(ends(&summary), (40, 0));
    let tally = summary.tally();
    assert_eq!(
        (tally.moved.blobs, tally.mounted.blobs > 0),
        (0, true),
        "{tally:?}"
    );
    let tokens = asked(&harbor, &summary);
    assert!(tokens <= 6, "{tokens}");
}

#[test]
fn a_push_with_a_wrong_password_to_a_public_project_fails_whatever_is_there_and_sends_it_twice() {
    let (source, harbor) = (ScriptedRegistry::start(), harbor());
    put(&source, "app");
    put(&harbor, "new/app");
    let from = format!("{}/app", source.host());
    let job = job(
        &from,
        &format!("{}/new", harbor.host()),
        &[(&source, None), (&harbor, Some("wrong"))],
    );
    let summary = copy(job);
    assert_eq!(ends(&summary), (0, 0));
    assert_eq!(harbor.failed_logins(), 2);
    let told: std::collections::HashSet<String> = summary
        .failures()
        .map(|image| match &image.status {
            Status::Failed(fault) => fault.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told.len(), 1, "one message: {told:?}");
    let told = told.into_iter().next().unwrap();
    assert!(told.contains("'s password"), "{told}");
}
