//! Failures: their waits, how often a host is asked, and when it is given up.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use transload_registry_client::{Client, Error, RetryPolicy};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, Options, Reply, Request};

use crate::help::*;

const IMAGES: usize = 20;

/// A registry with an image in each of the repositories `r0`, `r1` and so on.
fn registry() -> ScriptedRegistry {
    let registry = ScriptedRegistry::start();
    fill(&registry);
    registry
}

fn fill(registry: &ScriptedRegistry) {
    for number in 0..IMAGES {
        let image = samples::single(Family::Oci, "linux/amd64", number as u64);
        registry.put_image(&format!("r{number}"), "v1", &image);
    }
}

fn refuse(registry: &ScriptedRegistry, path: &str, status: u16) {
    registry.fault(Fault::new("GET", path, Action::Answer(Reply::status(status))).every());
}

fn fetch(client: &Client, registry: &ScriptedRegistry, number: usize) -> Result<(), Error> {
    let repository = repository(registry, &format!("r{number}"));
    client.manifest(&repository, &tag("v1")).map(|_| ())
}

/// Fetches every image with so many workers; the errors.
fn fetch_all(client: &Client, registry: &ScriptedRegistry, workers: usize) -> Vec<Error> {
    let queue = Mutex::new(0..IMAGES);
    let next = || queue.lock().unwrap().next();
    let work = || {
        let fetched = std::iter::from_fn(next).map(|number| fetch(client, registry, number));
        fetched.filter_map(Result::err).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let failed = workers.into_iter().flat_map(|worker| worker.join().unwrap());
        failed.collect()
    })
}

fn policy_of(attempts: u32) -> RetryPolicy {
    let short = Duration::from_millis(2);
    RetryPolicy::attempts(attempts).waits(short, short)
}

fn is_given_up(error: &Error) -> bool {
    error.operation().contains("given up, since")
}

#[test]
fn a_request_that_fails_backs_off_alone_and_holds_no_permit() {
    let hours = Duration::from_secs(7200);
    for status in [500, 502, 503] {
        let registry = registry();
        refuse(&registry, "/v2/r0/", status);
        let cancel = Arc::new(AtomicBool::new(false));
        let policy = RetryPolicy::attempts(3).waits(hours, hours);
        let client = builder().jobs(1).retry(policy).cancel(Arc::clone(&cancel));
        let client = client.build().unwrap();
        thread::scope(|scope| {
            let broken = scope.spawn(|| fetch(&client, &registry, 0));
            let is_refused = |requests: &[Request]| requests.iter().any(|request| request.finished);
            assert!(registry.log().wait_for(is_refused, Duration::from_secs(10)));
            for number in 1..IMAGES {
                fetch(&client, &registry, number).unwrap();
            }
            cancel.store(true, Ordering::Relaxed);
            broken.join().unwrap().unwrap_err();
        });
    }
}

#[test]
fn a_request_that_is_refused_for_ever_ends_while_others_succeed() {
    let registry = registry();
    refuse(&registry, "/v2/r0/", 429);
    let client = builder().retry(policy_of(3)).build().unwrap();
    let refused = thread::scope(|scope| {
        let broken = scope.spawn(|| fetch(&client, &registry, 0));
        while !broken.is_finished() {
            fetch(&client, &registry, 1).unwrap();
        }
        broken.join().unwrap().unwrap_err()
    });
    assert_eq!((refused.status(), refused.attempts()), (Some(429), 3));
    let asked = registry.log().count("GET", "/v2/r0/");
    // At most two refusals are tries before each of the waits, of which there are fifty.
    assert!((3..=153).contains(&asked), "{asked}");
}

#[test]
fn one_image_that_always_fails_never_makes_its_host_given_up() {
    for (status, workers) in [(503, 1), (503, 4), (429, 1), (429, 4)] {
        let registry = registry();
        refuse(&registry, "/v2/r0/", status);
        let mut policy = policy_of(4);
        policy.longest_outage = Duration::ZERO;
        let client = builder().retry(policy).build().unwrap();
        let failed = fetch_all(&client, &registry, workers);
        assert_eq!(failed.len(), 1, "{status} with {workers}: {failed:?}");
        assert!(!is_given_up(&failed[0]), "{}", failed[0]);
        let asked = registry.log().count("GET", "/v2/r0/");
        assert!(
            (4..=204).contains(&asked),
            "{status} with {workers}: {asked} tries"
        );
    }
}

#[test]
fn a_registry_that_allows_so_many_requests_fails_no_image() {
    let registry = registry();
    // Three of four are refused, whichever they are.
    for number in (1..2000).filter(|number| number % 4 != 0) {
        let refuse = Action::Answer(Reply::status(429));
        registry.fault(Fault::new("GET", "/manifests/", refuse).nth(number));
    }
    let failed = fetch_all(&client(), &registry, 8);
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_host_where_nothing_succeeds_is_given_up_once_and_told_once() {
    for status in [429, 500, 503] {
        let registry = registry();
        refuse(&registry, "/v2/", status);
        let client = builder().retry(policy_of(2)).build().unwrap();
        let failed = fetch_all(&client, &registry, 1);
        assert_eq!(failed.len(), IMAGES, "{status}");
        let asked = registry.log().requests().len();
        assert_eq!(asked, 6, "{status}");
        let (first, last) = (&failed[2], &failed[IMAGES - 1]);
        assert!(is_given_up(first) && first.status() == Some(status), "{first}");
        assert_eq!(first.to_string(), last.to_string());
        assert!(first.repository().is_none(), "it is about the host");

        let other = builder().retry(policy_of(2)).alongside(&client).build().unwrap();
        assert!(is_given_up(&fetch(&other, &registry, 0).unwrap_err()));
        assert_eq!(
            registry.log().requests().len(),
            asked,
            "they share what they know"
        );
        registry.clear_faults();
        other.readmit_hosts();
        fetch(&client, &registry, 0).unwrap();
    }
}

#[test]
fn a_registry_that_takes_no_upload_is_given_up_for_uploads_alone() {
    let registry = registry();
    let busy = Action::Answer(Reply::status(429));
    registry.fault(Fault::new("POST", "/blobs/uploads/", busy).every());
    let client = builder().retry(policy_of(2)).build().unwrap();
    let blob = descriptor(b"x");
    let told: Vec<Error> = (0..IMAGES)
        .map(|number| {
            fetch(&client, &registry, number).unwrap();
            let repository = repository(&registry, &format!("r{number}"));
            let pushed = client.push_blob(&repository, &blob, &mut |_| Ok(Box::new(&b"x"[..])));
            pushed.unwrap_err()
        })
        .collect();
    assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 6);
    assert!(
        told[IMAGES - 1].operation().contains("no upload succeeds there"),
        "{told:?}"
    );
}

#[test]
fn a_host_that_served_before_is_waited_for_longer() {
    for (outage, is_given_up_soon) in [(Duration::from_secs(60), false), (Duration::ZERO, true)] {
        let registry = registry();
        let mut policy = policy_of(2);
        policy.longest_outage = outage;
        let client = builder().retry(policy).build().unwrap();
        fetch(&client, &registry, 0).unwrap();
        registry.log().clear();
        refuse(&registry, "/v2/", 503);
        let failed = fetch_all(&client, &registry, 1);
        assert_eq!(failed.iter().any(is_given_up), is_given_up_soon);
        let asked = registry.log().requests().len();
        assert_eq!(asked == 2 * IMAGES, !is_given_up_soon, "{asked}");
    }
}

#[test]
fn a_host_that_refuses_connections_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = builder().retry(policy_of(6)).build().unwrap();
    let failed = |number: usize| {
        let repository = format!("{address}/r{number}").parse().unwrap();
        client.manifest(&repository, &tag("v1")).unwrap_err()
    };
    let told: Vec<Error> = (0..6).map(failed).collect();
    let given_up: Vec<bool> = told.iter().map(is_given_up).collect();
    assert_eq!(given_up, [false, false, true, true, true, true], "{told:?}");
    assert!(told[5].hint().unwrap().contains("nothing listens there"));
}

#[test]
fn requests_that_wait_for_a_token_share_the_failure_to_fetch_it() {
    const WORKERS: usize = 8;
    let registry = ScriptedRegistry::with(Options::bearer(true));
    // Later requests know the scheme, and ask for the token at once.
    registry.fault(Fault::new("GET", "/manifests/", Action::Hold).first(WORKERS));
    let broken = Reply::status(503);
    registry.fault(Fault::new("GET", "/token", Action::AnswerLate(broken.clone())));
    registry.fault(Fault::new("GET", "/token", Action::Answer(broken)).every());
    let client = builder().retry(policy_of(1)).build().unwrap();
    let repository = repository(&registry, "a");
    thread::scope(|scope| {
        let ask = || client.manifest(&repository, &tag("v1")).unwrap_err();
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(ask)).collect();
        let are_held =
            |requests: &[Request]| requests.iter().filter(|request| request.stalled).count() == WORKERS;
        assert!(registry.log().wait_for(are_held, Duration::from_secs(30)));
        registry.release();
        let is_asked = |requests: &[Request]| {
            let refused = requests.iter().filter(|request| request.status == Some(401));
            refused.count() == WORKERS
                && requests
                    .iter()
                    .any(|request| request.path == "/token" && request.stalled)
        };
        assert!(registry.log().wait_for(is_asked, Duration::from_secs(30)));
        registry.release();
        let errors: Vec<Error> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        assert!(
            errors.iter().all(|error| error.status() == Some(503)),
            "{errors:?}"
        );
    });
    // Requests that began before the failure share it, also those that ask for the token only afterwards.
    assert_eq!(registry.log().count("GET", "/token"), 1);
}

#[test]
fn a_token_server_that_fails_is_given_up_whatever_the_scope() {
    let (registry, tokens) = (registry(), ScriptedRegistry::start());
    refuse(&tokens, "/token", 503);
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"x\"", tokens.host());
    let challenge = Reply::status(401).header("WWW-Authenticate", &challenge);
    registry.fault(Fault::new("*", "/v2/", Action::Answer(challenge)).every());
    let client = builder().retry(policy_of(2)).build().unwrap();
    let failed = fetch_all(&client, &registry, 1);
    assert_eq!(failed.len(), IMAGES);
    let asked = tokens.log().requests().len();
    assert_eq!(asked, 6, "requests for tokens");
    let last = &failed[IMAGES - 1];
    assert!(
        last.to_string()
            .contains(&format!("{} was given up", tokens.host())),
        "{last}"
    );
}

#[test]
fn a_manifest_that_is_another_each_time_ends() {
    let registry = registry();
    for number in 1..100 {
        let another = Action::Corrupt { at: number };
        registry.fault(Fault::new("GET", "/manifests/", another).nth(number));
    }
    let client = builder().retry(policy_of(4)).build().unwrap();
    let error = fetch(&client, &registry, 0).unwrap_err();
    assert_eq!(error.attempts(), 4, "{error}");
    // The first answer isn't a try: the second tells whether the header is wrong.
    assert_eq!(registry.log().count("GET", "/manifests/"), 5);
}
