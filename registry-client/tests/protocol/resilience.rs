//! Faults that the client survives, and fatal ones.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use transload_registry_client::{Client, ErrorKind, HostRule, Network, NoticeKind, RetryPolicy, Timeouts};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Authentication, Fault, Options, Reply, Request, Tls};

use crate::help::*;

#[test]
fn a_cut_transfer_goes_on_where_it_was() {
    for ignore_range in [false, true] {
        let registry = ScriptedRegistry::with(Options {
            ignore_range,
            ..Options::default()
        });
        let bytes = content(1_000_000);
        let blob = put(&registry, "a", &bytes);
        registry.fault(Fault::new("GET", "/blobs/", Action::Truncate { after: 400_000 }));
        let (client, notices) = Notices::of(builder());
        assert!(read(&client, &repository(&registry, "a"), &blob, 0).unwrap() == bytes);
        assert_eq!(notices.kinds(), [NoticeKind::Resume { offset: 400_000 }]);
        let requests = registry.log().requests();
        assert_eq!(requests[1].header("range"), Some("bytes=400000-"));
    }
}

#[test]
fn a_link_that_is_cut_all_the_time_is_survived_as_long_as_it_brings_bytes() {
    let registry = ScriptedRegistry::start();
    let bytes = content(2_000_000);
    let blob = put(&registry, "a", &bytes);
    registry.fault(Fault::new("GET", "/blobs/", Action::Truncate { after: 100_000 }).every());
    assert!(read(&client(), &repository(&registry, "a"), &blob, 0).unwrap() == bytes);
    assert_eq!(registry.log().count("GET", "/blobs/"), 20);
}

#[test]
fn a_link_that_brings_nothing_is_given_up() {
    let registry = ScriptedRegistry::start();
    let blob = put(&registry, "a", &content(100_000));
    registry.fault(Fault::new("GET", "/blobs/", Action::Truncate { after: 10 }).every());
    let (client, notices) = Notices::of(builder().jobs(4));
    let error = read(&client, &repository(&registry, "a"), &blob, 0).unwrap_err();
    let slower = NoticeKind::SlowDown { concurrency: 2 };
    assert!(notices.kinds().contains(&slower), "it may be too many at once");
    let error = error.downcast::<transload_registry_client::Error>().unwrap();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Network {
                network: Network::Reset,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!((error.attempts(), registry.log().count("GET", "/blobs/")), (4, 4));
}

#[test]
fn a_stalled_transfer_is_noticed_by_the_lack_of_bytes() {
    let registry = ScriptedRegistry::start();
    let bytes = content(500_000);
    let blob = put(&registry, "a", &bytes);
    registry.fault(Fault::new("GET", "/blobs/", Action::Stall { after: 200_000 }));
    let mut timeouts = Timeouts::default();
    timeouts.idle = Duration::from_millis(300);
    let client = builder().timeouts(timeouts).build().unwrap();
    assert!(read(&client, &repository(&registry, "a"), &blob, 0).unwrap() == bytes);
    assert_eq!(
        registry.log().requests()[1].header("range"),
        Some("bytes=200000-")
    );
}

fn push_to_a_stalled_registry(
    registry: &ScriptedRegistry,
    client: &Client,
) -> transload_registry_client::Error {
    push_and_stall(registry, client, &mut |offset| {
        Ok(Box::new(std::io::repeat(7).take(VAST - offset)))
    })
}

#[test]
fn a_stalled_upload_is_noticed_by_the_lack_of_bytes() {
    let registry = ScriptedRegistry::start();
    let mut timeouts = Timeouts::default();
    timeouts.idle = Duration::from_millis(300);
    let builder = builder().timeouts(timeouts).retry(RetryPolicy::attempts(1));
    let error = push_to_a_stalled_registry(&registry, &builder.build().unwrap());
    let is_stalled = matches!(
        error.kind(),
        ErrorKind::Network {
            network: Network::Stalled,
            ..
        }
    );
    assert!(
        is_stalled && error.to_string().contains("no byte moved for too long"),
        "{error}"
    );
}

#[test]
fn the_flag_stops_a_stalled_upload() {
    let registry = ScriptedRegistry::start();
    let cancel = Arc::new(AtomicBool::new(false));
    let client = builder().cancel(Arc::clone(&cancel)).build().unwrap();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| push_to_a_stalled_registry(&registry, &client));
        let is_stalled = |requests: &[transload_test_support::scripted::Request]| {
            requests.iter().any(|request| request.stalled)
        };
        assert!(registry.log().wait_for(is_stalled, Duration::from_secs(10)));
        // Nothing tells when the last buffer between the two is full.
        std::thread::sleep(Duration::from_millis(500));
        let start = Instant::now();
        cancel.store(true, Ordering::Relaxed);
        let error = worker.join().unwrap();
        assert!(error.is_cancelled(), "{error}");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    });
}

#[test]
fn passing_failures_are_tried_again_and_lasting_ones_are_not() {
    let registry = ScriptedRegistry::start();
    registry.put_image("a", "v1", &samples::multi_platform(Family::Oci, 1));
    let repository = repository(&registry, "a");
    for (status, tries) in [(408, 3), (429, 3), (500, 3), (502, 3), (503, 3), (504, 3)] {
        registry.clear_faults();
        registry.log().clear();
        registry.fault(Fault::new("GET", "/manifests/", Action::Answer(Reply::status(status))).first(2));
        client().manifest(&repository, &tag("v1")).unwrap();
        assert_eq!(registry.log().count("GET", "/manifests/"), tries, "{status}");
    }
    for status in [400, 403, 404, 405, 410, 418, 501] {
        registry.clear_faults();
        registry.log().clear();
        registry.fault(Fault::new("GET", "/manifests/", Action::Answer(Reply::status(status))).every());
        let error = client().manifest(&repository, &tag("v1")).unwrap_err();
        assert_eq!((error.status(), error.is_retryable()), (Some(status), false));
        assert_eq!(registry.log().count("GET", "/manifests/"), 1, "{status}");
    }
}

#[test]
fn the_tries_are_counted_and_told() {
    let registry = ScriptedRegistry::start();
    let busy = Reply::status(503)
        .header("Content-Type", "text/html")
        .body("<html>bad gateway</html>");
    registry.fault(Fault::new("GET", "/manifests/", Action::Answer(busy)).every());
    let (client, notices) = Notices::of(builder().jobs(4));
    let error = client
        .manifest(&repository(&registry, "a"), &tag("v1"))
        .unwrap_err();
    assert_eq!(
        (error.attempts(), registry.log().count("GET", "/manifests/")),
        (4, 4)
    );
    let text = error.to_string();
    assert!(
        text.contains("tried 4 times") && text.contains("/v2/a/manifests/v1") && text.contains("503"),
        "{text}"
    );
    let retries: Vec<_> = notices
        .all()
        .into_iter()
        .filter(|notice| notice.kind == NoticeKind::Retry)
        .collect();
    assert_eq!(
        retries.iter().map(|notice| notice.attempt).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!(
        notices
            .kinds()
            .iter()
            .any(|kind| matches!(kind, NoticeKind::SlowDown { concurrency: 2 }))
    );
}

#[test]
fn retry_after_is_granted_in_seconds_and_as_a_date() {
    let registry = ScriptedRegistry::start();
    registry.put_image("a", "v1", &samples::multi_platform(Family::Oci, 1));
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (value, shortest) in [("1", Duration::from_secs(1)), (past, Duration::ZERO)] {
        let busy = Reply::status(429).header("Retry-After", value);
        registry.clear_faults();
        registry.fault(Fault::new("GET", "/manifests/", Action::Answer(busy)));
        let (client, notices) = Notices::of(builder());
        client.manifest(&repository(&registry, "a"), &tag("v1")).unwrap();
        let wait = notices.all()[0].wait;
        assert!(
            wait >= shortest && wait < shortest + Duration::from_millis(100),
            "{value}: {wait:?}"
        );
    }
}

#[test]
fn a_spent_quota_is_named_and_not_waited_for() {
    let registry = ScriptedRegistry::start();
    let spent = Reply::status(429)
        .header("ratelimit-limit", "100;w=21600")
        .header("ratelimit-remaining", "0;w=21600")
        .error("TOOMANYREQUESTS", "You have reached your pull rate limit.");
    registry.fault(Fault::new("GET", "/manifests/", Action::Answer(spent)).every());
    let error = client()
        .manifest(&repository(&registry, "a"), &tag("v1"))
        .unwrap_err();
    assert_eq!(registry.log().count("GET", "/manifests/"), 1);
    assert!(error.hint().unwrap().contains("6 hours"), "{:?}", error.hint());
}

#[test]
fn a_dead_connection_in_the_pool_costs_no_failure() {
    let registry = ScriptedRegistry::start();
    registry.put_image("a", "v1", &samples::multi_platform(Family::Oci, 1));
    let (client, repository) = (client(), repository(&registry, "a"));
    for _ in 0..5 {
        client.manifest(&repository, &tag("v1")).unwrap();
        registry.disconnect();
    }
}

#[test]
fn a_registry_that_is_not_there_is_said_to_refuse() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let repository = format!("{address}/a").parse().unwrap();
    // Whether it would speak TLS can't be told either.
    for plain_http in [Some(true), Some(false), None] {
        let client = builder()
            .plain_http(plain_http)
            .retry(RetryPolicy::attempts(1))
            .build()
            .unwrap();
        let error = client.manifest(&repository, &tag("v1")).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Network {
                    network: Network::Refused,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("port") && error.is_retryable());
    }
}

#[test]
fn plain_http_that_was_not_asked_for_gets_no_password() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let place = repository(&registry, "a");
    let ca = tempfile::NamedTempFile::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(ca.path(), made.cert.pem()).unwrap();
    let rule = |change: &dyn Fn(&mut HostRule)| {
        let mut rule = HostRule::new(registry.host());
        change(&mut rule);
        let client = builder().plain_http(None).hosts(vec![rule]);
        client.retry(RetryPolicy::attempts(1)).build().unwrap()
    };
    // With either, HTTPS alone is spoken.
    for client in [
        rule(&|rule| rule.credential = Some(user())),
        rule(&|rule| rule.ca_file = Some(ca.path().to_owned())),
    ] {
        let error = client.tags(&place).unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("set plain_http: true"), "{error}: {hint}");
    }
    assert_eq!(registry.log().requests().len(), 0);
    // Credentials of files are looked for once they are asked for, and stay here.
    let found = builder()
        .plain_http(None)
        .credentials(Arc::new(Counting(user(), Mutex::new(0))))
        .build()
        .unwrap();
    let error = found.tags(&place).unwrap_err();
    assert!(error.to_string().contains("set plain_http: true"), "{error}");
    let is_shown = |request: &Request| request.header("authorization").is_some();
    assert!(!registry.log().requests().iter().any(is_shown));
    let asked = rule(&|rule| {
        rule.credential = Some(user());
        rule.plain_http = Some(true);
    });
    assert!(asked.tags(&place).unwrap_err().is_not_found());
}

/// A way to a registry that cuts its first connection.
fn cutting_once(registry: &ScriptedRegistry) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, to) = (listener.local_addr().unwrap(), registry.host().to_owned());
    // It ends with the test's process: nothing waits for it.
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            if number == 0 {
                continue;
            }
            let there = TcpStream::connect(&to).unwrap();
            let (mut from, mut back) = (stream.try_clone().unwrap(), there.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from, &mut &there).ok());
            thread::spawn(move || io::copy(&mut back, &mut &stream).ok());
        }
    });
    address.to_string()
}

#[test]
fn a_probe_that_is_cut_is_no_sign_of_plain_http() {
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    registry.put_image("a", "v1", &samples::multi_platform(Family::Oci, 1));
    let client = builder().plain_http(None).skip_tls_verify(true).build().unwrap();
    let repository = format!("{}/a", cutting_once(&registry)).parse().unwrap();
    client.manifest(&repository, &tag("v1")).unwrap();
}

#[test]
fn plain_http_is_found_out_on_the_loopback_and_nowhere_against_the_rule() {
    let registry = ScriptedRegistry::start();
    registry.put_image("a", "v1", &samples::multi_platform(Family::Oci, 1));
    let repository = repository(&registry, "a");
    let asking = builder().plain_http(None).build().unwrap();
    asking.manifest(&repository, &tag("v1")).unwrap();
    asking.manifest(&repository, &tag("v1")).unwrap();
    let mut timeouts = Timeouts::default();
    timeouts.connect = Duration::from_millis(300);
    let strict = builder()
        .plain_http(Some(false))
        .timeouts(timeouts)
        .retry(RetryPolicy::attempts(1))
        .build()
        .unwrap();
    let error = strict.manifest(&repository, &tag("v1")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Network { .. }), "{error}");
}

#[test]
fn the_flag_stops_a_stalled_read_and_a_long_wait() {
    let registry = ScriptedRegistry::start();
    let blob = put(&registry, "a", &content(500_000));
    let repository = repository(&registry, "a");
    let stop_after = |cancel: Arc<AtomicBool>,
                      work: &(dyn Fn(&Client) -> transload_registry_client::Error + Sync),
                      stalled: &str| {
        let client = builder().cancel(Arc::clone(&cancel)).build().unwrap();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| work(&client));
            let is_there = |requests: &[transload_test_support::scripted::Request]| {
                requests.iter().any(|request| request.is("GET", stalled))
            };
            assert!(registry.log().wait_for(is_there, Duration::from_secs(10)));
            let start = Instant::now();
            cancel.store(true, Ordering::Relaxed);
            let error = worker.join().unwrap();
            assert!(error.is_cancelled(), "{error}");
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        });
    };
    registry.fault(Fault::new("GET", "/blobs/", Action::Stall { after: 100_000 }));
    let read_all = |client: &Client| {
        match client.open_blob(&repository, &blob, 0) {
            Ok(mut reader) => reader
                .read_to_end(&mut Vec::new())
                .unwrap_err()
                .downcast()
                .unwrap(),
            // The flag may be faster than the answer's head.
            Err(error) => error,
        }
    };
    stop_after(Arc::default(), &read_all, "/blobs/");
    let busy = Reply::status(429).header("Retry-After", "60");
    registry.fault(Fault::new("GET", "/manifests/", Action::Answer(busy)).every());
    let ask = |client: &Client| client.manifest(&repository, &tag("v1")).unwrap_err();
    stop_after(Arc::default(), &ask, "/manifests/");
}

#[test]
fn hints_tell_what_to_do() {
    let registry = ScriptedRegistry::start();
    let repository = repository(&registry, "project/app");
    let table = [
        (Reply::status(403).error("DENIED", "no"), "no credentials"),
        (
            Reply::status(404).error("NAME_UNKNOWN", "no such repository"),
            "has no repository project/app",
        ),
        (
            Reply::status(404).error("NOT_FOUND", "project project not found"),
            "has no project project",
        ),
        (
            Reply::status(404).error("MANIFEST_UNKNOWN", "no"),
            "check the name and the tag",
        ),
        (Reply::status(507), "disk"),
        (Reply::status(500), "log"),
        (
            Reply::status(404)
                .header("Content-Type", "text/html")
                .body("<html>"),
            "web page",
        ),
    ];
    for (reply, part) in table {
        registry.clear_faults();
        registry.fault(Fault::new("GET", "/manifests/", Action::Answer(reply.clone())).every());
        let client = builder().retry(RetryPolicy::attempts(1)).build().unwrap();
        let error = client.manifest(&repository, &tag("v1")).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains(part), "{reply:?}: {hint}");
    }
}
