use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use transload_reference::Digest;

use super::*;

#[test]
fn paths_that_climb_lead_nowhere() {
    let (folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    std::fs::write(folder.path().join("secret"), b"secret").unwrap();
    for target in [
        "/v2/../secret",
        "/../secret",
        "/v2/app/blobs/../../secret",
        "/v2/app/blobs/%2e%2e%2f%2e%2e%2fsecret",
        "/v2/../../manifests/secret",
        "/v2/..%2f..%2fetc/manifests/v1",
        "/v2/app/manifests/..",
        "/v2/app/manifests/%2e%2e",
        "/v2/.transload/partial/manifests/v1",
        "/v2/app/../../blobs/uploads/x",
        "/v2/app/blobs/uploads/../../../../secret",
        "/v2/quay.io/../x/tags/list",
        "/v2/app/tags/list?ns=../..",
    ] {
        for method in [
            Method::Get,
            Method::Put,
            Method::Post,
            Method::Patch,
            Method::Delete,
        ] {
            let answer = with_body(&registry, method, target, b"bytes");
            assert!(
                (400..=416).contains(&answer.status),
                "{method:?} {target}: {}",
                answer.status
            );
            assert!(!answer.text().contains("secret\""), "{method:?} {target}");
        }
    }
    let mut outside: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    outside.sort();
    assert_eq!(outside, [".transload", "blobs", "secret"]);
}

#[test]
fn unfinished_uploads_are_bounded_in_number_and_bytes() {
    let options = WriteOptions::default().uploads(3).upload_bytes(10);
    let (_folder, registry) = taking(Format::KubeKey, options);
    let begin = || bare(&registry, Method::Post, "/v2/app/blobs/uploads/");
    let locations: Vec<String> = (0..3).map(|_| begin().header("Location").to_owned()).collect();
    let refused = begin();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "TOOMANYREQUESTS")
    );
    assert!(refused.header("Retry-After").parse::<u32>().is_ok());
    assert_eq!(
        with_body(&registry, Method::Patch, &locations[0], &[0; 8]).status,
        202
    );
    assert_eq!(
        with_body(&registry, Method::Patch, &locations[1], &[0; 3]).status,
        429
    );
    assert_eq!(get(&registry, &locations[1]).header("Range"), "0-0");
    assert_eq!(bare(&registry, Method::Delete, &locations[0]).status, 204);
    assert_eq!(
        with_body(&registry, Method::Patch, &locations[1], &[0; 10]).status,
        202
    );
    let digest = Digest::of(&[0; 10]);
    let done = bare(
        &registry,
        Method::Put,
        &format!("{}?digest={digest}", locations[1]),
    );
    assert_eq!(done.status, 201, "what is finished counts no more");
    assert_eq!(begin().status, 202);
}

#[test]
fn a_manifest_without_end_is_cut() {
    let (_folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    let body = vec![b' '; 9 * 1024 * 1024];
    for is_chunked in [false, true] {
        let sent = Sent {
            body: &body,
            is_chunked,
            ..Sent::default()
        };
        let answer = send(&registry, Method::Put, "/v2/app/manifests/v1", &sent);
        assert_eq!((answer.status, answer.code().as_str()), (413, "SIZE_INVALID"));
    }
}

#[test]
fn a_push_whose_host_is_no_registry_is_told_what_to_do() {
    let (_folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    for host in ["", "a b", "../..", "x:y"] {
        let sent = Sent {
            headers: &[("Host", host)],
            ..Sent::default()
        };
        let answer = send(&registry, Method::Post, "/v2/app/blobs/uploads/", &sent);
        assert_eq!(answer.status, 400, "{host}");
        assert!(answer.text().contains("--as"), "{}", answer.text());
    }
}

#[test]
fn any_target_is_answered() {
    let (_folder, registry) = taking(Format::Oci, WriteOptions::default());
    let targets = (
        "(/v2)?/[a-z0-9/._:%-]{0,40}",
        prop::option::of("[a-z0-9=&%/.]{0,20}"),
    );
    let answered = TestRunner::default().run(&targets, |(path, query)| {
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        for method in [
            Method::Get,
            Method::Post,
            Method::Put,
            Method::Patch,
            Method::Delete,
        ] {
            let answer = with_body(&registry, method, &target, b"x");
            prop_assert!(
                (200..500).contains(&answer.status),
                "{} {}",
                target,
                answer.status
            );
        }
        Ok(())
    });
    answered.unwrap();
}
