//! Too few open files. The limit is the whole process's, so that this test has a program of its own.

use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use transload_reference::Identifier;
use transload_registry_client::{Client, ErrorKind, Network, NoticeKind, RetryPolicy};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};

/// Every file that this process may open.
type Hoard = Arc<Mutex<Vec<File>>>;

fn fill(hoard: &Hoard) {
    let mut files = hoard.lock().unwrap();
    files.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
}

#[test]
fn a_request_waits_for_files_a_bounded_number_of_times() {
    let registry = ScriptedRegistry::start();
    registry.put_image("a", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(256);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();

    let hoard = Hoard::default();
    let notices: Arc<Mutex<Vec<NoticeKind>>> = Arc::default();
    let client = |is_freed: bool| {
        let (hoard, notices) = (Arc::clone(&hoard), Arc::clone(&notices));
        let short = Duration::from_millis(1);
        Client::builder()
            .plain_http(Some(true))
            .proxies_from_env(false)
            .retry(RetryPolicy::attempts(1).waits(short, short))
            .on_notice(move |notice| {
                notices.lock().unwrap().push(notice.kind);
                if is_freed {
                    hoard.lock().unwrap().clear();
                }
            })
            .build()
            .unwrap()
    };
    // A name, which has to be looked up, and an address.
    // Connections stay until the end: the registry's side of each is a file of this process, too.
    let mut kept = Vec::new();
    let port = registry.host().rsplit(':').next().unwrap();
    for host in [registry.host().to_owned(), format!("localhost:{port}")] {
        let repository = format!("{host}/a").parse().unwrap();
        let tag = Identifier::Tag("v1".parse().unwrap());
        notices.lock().unwrap().clear();
        fill(&hoard);
        let freed = client(true);
        freed.manifest(&repository, &tag).unwrap();
        kept.push(freed);
        let told = notices.lock().unwrap().clone();
        assert_eq!(
            told[..2],
            [NoticeKind::Retry, NoticeKind::SlowDown { concurrency: 4 }],
            "{host}"
        );

        fill(&hoard);
        let error = client(false).manifest(&repository, &tag).unwrap_err();
        hoard.lock().unwrap().clear();
        let is_told = matches!(
            error.kind(),
            ErrorKind::Network {
                network: Network::NoFiles,
                ..
            }
        );
        assert!(
            is_told && error.hint().unwrap().contains("ulimit -n"),
            "{host}: {error}"
        );
    }
}
