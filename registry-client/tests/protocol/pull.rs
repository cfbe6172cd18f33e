//! Pulls.

use std::io::Read;

use transload_reference::{Digest, Identifier, MediaKind, RawManifest};
use transload_registry_client::{ErrorKind, Lookup};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, Listener, Options, Reply};

use crate::help::*;

#[test]
fn an_image_is_pulled_whole_over_one_connection() {
    for family in [Family::Oci, Family::Docker] {
        let registry = ScriptedRegistry::start();
        let image = samples::multi_platform(family, 1);
        registry.put_image("team/app", "v1", &image);
        let (client, repository) = (client(), repository(&registry, "team/app"));
        let found = client.resolve(&repository, &tag("v1")).unwrap();
        assert_eq!(found.digest, image.root.digest);
        assert_eq!(found.media_type.kind(), MediaKind::Index);
        for document in &image.manifests {
            let manifest = client
                .manifest(&repository, &document.digest.clone().into())
                .unwrap();
            assert_eq!(manifest.bytes(), document.bytes);
        }
        for (blob, bytes) in &image.blobs {
            assert_eq!(&read(&client, &repository, blob, 0).unwrap(), &**bytes);
        }
        let requests = registry.log().requests();
        assert!(
            requests
                .iter()
                .all(|request| request.connection == requests[0].connection),
            "connections are used again"
        );
        assert!(
            requests
                .iter()
                .all(|request| request.header("accept-encoding") == Some("identity"))
        );
    }
}

#[test]
fn an_offset_is_asked_for_as_a_range() {
    let registry = ScriptedRegistry::start();
    let bytes = content(100_000);
    let blob = put(&registry, "a", &bytes);
    let (client, repository) = (client(), repository(&registry, "a"));
    for offset in [0, 1, 65_536, 99_999, 100_000] {
        let rest = read(&client, &repository, &blob, offset).unwrap();
        assert!(rest == bytes[usize::try_from(offset).unwrap()..], "from {offset}");
    }
    let ranges: Vec<_> = registry
        .log()
        .requests()
        .iter()
        .map(|r| r.header("range").map(str::to_owned))
        .collect();
    let expected = [None, Some("bytes=1-"), Some("bytes=65536-"), Some("bytes=99999-")];
    assert_eq!(ranges, expected.map(|range| range.map(str::to_owned)));
    assert!(client.open_blob(&repository, &blob, 100_001).is_err());
}

#[test]
fn a_part_of_a_blob_is_read_alone() {
    let registry = ScriptedRegistry::start();
    let bytes = content(300_000);
    let blob = put(&registry, "a", &bytes);
    let (client, repository) = (client(), repository(&registry, "a"));
    // A cut in its middle is mended within the part.
    registry.fault(Fault::new("GET", "/blobs/", Action::Truncate { after: 100_000 }).nth(1));
    let opened = client.open_blob_part(&repository, &blob, 1000..250_000).unwrap();
    let mut part = Vec::new();
    let mut reader = opened.expect("parts are served");
    reader.read_to_end(&mut part).unwrap();
    assert!(part == bytes[1000..250_000]);
    let requests = registry.log().requests();
    let ranges = requests
        .iter()
        .filter_map(|request| request.header("range"))
        .collect::<Vec<_>>();
    assert_eq!(ranges, ["bytes=1000-249999", "bytes=101000-249999"]);
}

#[test]
fn of_a_registry_without_parts_none_is_fetched() {
    for refusal in [None, Some(Action::Answer(Reply::status(416)))] {
        let registry = ScriptedRegistry::with(Options {
            ignore_range: refusal.is_none(),
            ..Options::default()
        });
        let blob = put(&registry, "a", &content(300_000));
        if let Some(refusal) = refusal {
            registry.fault(Fault::new("GET", "/blobs/", refusal).every());
        }
        let opened = client().open_blob_part(&repository(&registry, "a"), &blob, 1000..250_000);
        assert!(opened.unwrap().is_none());
        assert_eq!(registry.log().count("GET", "/blobs/"), 1);
    }
}

#[test]
fn a_registry_that_ignores_ranges_still_gives_the_rest() {
    let registry = ScriptedRegistry::with(Options {
        ignore_range: true,
        ..Options::default()
    });
    let bytes = content(200_000);
    let blob = put(&registry, "a", &bytes);
    let rest = read(&client(), &repository(&registry, "a"), &blob, 123_456).unwrap();
    assert!(rest == bytes[123_456..]);
}

#[test]
fn a_range_that_is_refused_or_wrong_is_no_silent_damage() {
    let registry = ScriptedRegistry::start();
    let bytes = content(1000);
    let blob = put(&registry, "a", &bytes);
    let (client, repository) = (client(), repository(&registry, "a"));
    registry.fault(Fault::new("GET", "/blobs/", Action::Answer(Reply::status(416))));
    assert_eq!(
        read(&client, &repository, &blob, 500).unwrap(),
        bytes[500..],
        "the whole is asked for instead"
    );
    for wrong in [
        "bytes 0-999/1000",
        "bytes 501-999/1000",
        "bytes 500-999/2000",
        "bytes 500-600/1000",
        "nonsense",
    ] {
        registry.clear_faults();
        let headers = vec![("Content-Range".to_owned(), wrong.to_owned())];
        registry.fault(Fault::new("GET", "/blobs/", Action::Headers(headers)).every());
        assert!(client.open_blob(&repository, &blob, 500).is_err(), "{wrong}");
    }
}

#[test]
fn a_blob_of_another_size_is_refused_early() {
    let registry = ScriptedRegistry::start();
    let bytes = content(1000);
    for size in [999, 1001] {
        let mut blob = put(&registry, "a", &bytes);
        blob.size = size;
        let error = client()
            .open_blob(&repository(&registry, "a"), &blob, 0)
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Size { got: 1000, .. }),
            "{error}"
        );
        assert!(!error.is_retryable());
    }
    // Without a length in the head, the last read finds it out.
    let chunked = ScriptedRegistry::with(Options {
        chunked_answers: true,
        ..Options::default()
    });
    let mut blob = put(&chunked, "a", &bytes);
    blob.size = 999;
    assert!(read(&client(), &repository(&chunked, "a"), &blob, 0).is_err());
    blob.size = 1000;
    assert_eq!(
        read(&client(), &repository(&chunked, "a"), &blob, 0).unwrap(),
        bytes
    );
}

#[test]
fn blobs_are_fetched_from_where_a_redirect_leads_without_credentials() {
    use transload_test_support::scripted::Authentication;
    let authentication = Authentication::Basic;
    let registry = ScriptedRegistry::with(Options {
        redirect_blobs: true,
        authentication,
        ..Options::default()
    });
    let bytes = content(100_000);
    let blob = put(&registry, "a", &bytes);
    let client = client_of(user(), &registry);
    let repository = repository(&registry, "a");
    assert!(read(&client, &repository, &blob, 0).unwrap() == bytes);
    assert!(read(&client, &repository, &blob, 5).unwrap() == bytes[5..]);
    let requests = registry.log().requests();
    let elsewhere: Vec<_> = requests
        .iter()
        .filter(|request| request.listener == Listener::Content)
        .collect();
    assert_eq!(elsewhere.len(), 2);
    assert!(
        elsewhere
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
    assert_eq!(elsewhere[1].header("range"), Some("bytes=5-"));
}

#[test]
fn redirects_that_never_end_or_lead_nowhere_are_given_up() {
    let registry = ScriptedRegistry::start();
    let blob = descriptor(b"abc");
    let (client, repository) = (client(), repository(&registry, "a"));
    let here = format!("/v2/a/blobs/{}", blob.digest);
    let table = [
        (Some(here.as_str()), "redirects", 11),
        (Some("file:///etc/passwd"), "file", 1),
        (None, "Location", 1),
    ];
    for (location, part, requests) in table {
        registry.clear_faults();
        registry.log().clear();
        let mut reply = Reply::status(307);
        if let Some(location) = location {
            reply = reply.header("Location", location);
        }
        registry.fault(Fault::new("GET", "/blobs/", Action::Answer(reply)).every());
        let error = client.open_blob(&repository, &blob, 0).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(registry.log().count("GET", "/blobs/"), requests);
    }
}

#[test]
fn where_head_does_not_serve_the_manifest_is_fetched_and_hashed() {
    let kinds = [
        Options {
            no_head: true,
            ..Options::default()
        },
        Options {
            no_content_digest: true,
            ..Options::default()
        },
        Options {
            chunked_answers: true,
            ..Options::default()
        },
    ];
    for options in kinds {
        let registry = ScriptedRegistry::with(options.clone());
        let image = samples::multi_platform(Family::Oci, 1);
        registry.put_image("a", "v1", &image);
        let (client, repository) = (client(), repository(&registry, "a"));
        for found in [
            client.resolve(&repository, &tag("v1")).unwrap(),
            client
                .find_manifest(&repository, &tag("v1"))
                .unwrap()
                .found()
                .unwrap(),
        ] {
            assert_eq!(
                (found.digest, found.size),
                (image.root.digest.clone(), image.root.bytes.len() as u64),
                "{options:?}"
            );
        }
        assert!(
            client
                .resolve(&repository, &tag("v2"))
                .unwrap_err()
                .is_not_found()
        );
        let found = client.find_manifest(&repository, &tag("v2")).unwrap();
        assert_eq!(found, Lookup::Missing);
        let (blob, bytes) = &image.blobs[0];
        assert_eq!(
            client.has_blob(&repository, &blob.digest).unwrap(),
            Some(bytes.len() as u64),
            "{options:?}"
        );
        assert_eq!(client.has_blob(&repository, &Digest::of(b"other")).unwrap(), None);
    }
}

#[test]
fn a_head_that_a_presigned_url_refuses_becomes_a_get() {
    let registry = ScriptedRegistry::with(Options {
        redirect_blobs: true,
        ..Options::default()
    });
    let blob = put(&registry, "a", &content(5000));
    registry.fault(Fault::new("HEAD", "/content", Action::Answer(Reply::status(403))).every());
    assert_eq!(
        client()
            .has_blob(&repository(&registry, "a"), &blob.digest)
            .unwrap(),
        Some(5000)
    );
    let asked = |method| registry.log().count(method, "/content/");
    assert_eq!((asked("HEAD"), asked("GET")), (1, 1));
}

#[test]
fn a_header_that_lies_about_a_tags_digest_is_not_believed() {
    let registry = ScriptedRegistry::start();
    let image = samples::multi_platform(Family::Oci, 1);
    registry.put_image("a", "v1", &image);
    let lie = vec![("Docker-Content-Digest".to_owned(), Digest::of(b"lie").to_string())];
    registry.fault(Fault::new("GET", "/manifests/", Action::Headers(lie)).every());
    let manifest = client()
        .manifest(&repository(&registry, "a"), &tag("v1"))
        .unwrap();
    assert_eq!(manifest.digest(), &image.root.digest);
}

#[test]
fn a_manifest_that_was_damaged_on_its_way_is_fetched_again() {
    let registry = ScriptedRegistry::start();
    let image = samples::multi_platform(Family::Oci, 1);
    registry.put_image("a", "v1", &image);
    let (client, repository) = (client(), repository(&registry, "a"));
    for identifier in [tag("v1"), Identifier::Digest(image.root.digest.clone())] {
        for action in [
            Action::Corrupt { at: 30 },
            Action::Truncate { after: 30 },
            Action::Close,
        ] {
            registry.clear_faults();
            registry.fault(Fault::new("GET", "/manifests/", action.clone()));
            let manifest = client.manifest(&repository, &identifier).unwrap();
            assert_eq!(manifest.bytes(), image.root.bytes, "{identifier} {action:?}");
        }
    }
    registry.clear_faults();
    registry.fault(Fault::new("GET", "/manifests/", Action::Corrupt { at: 30 }).every());
    let error = client
        .manifest(&repository, &image.root.digest.clone().into())
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Manifest(_)) && error.attempts() == 4,
        "{error}"
    );
}

#[test]
fn a_body_that_is_no_manifest_is_refused() {
    let registry = ScriptedRegistry::start();
    let html = Reply::status(200)
        .header("Content-Type", "text/html")
        .body("<html>log in</html>");
    registry.fault(Fault::new("GET", "/manifests/html", Action::Answer(html)));
    let old = r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]}"#;
    let old = Reply::status(200)
        .header(
            "Content-Type",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
        )
        .body(old);
    registry.fault(Fault::new("GET", "/manifests/old", Action::Answer(old)));
    let huge = Reply::status(200).body(vec![b' '; 9 * 1024 * 1024]);
    registry.fault(Fault::new("GET", "/manifests/huge", Action::Answer(huge)));
    let (client, repository) = (client(), repository(&registry, "a"));
    for (name, part) in [
        ("html", "can't be read"),
        ("old", "schema 1"),
        ("huge", "at most"),
    ] {
        let error = client.manifest(&repository, &tag(name)).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Manifest(_)) && error.to_string().contains(part),
            "{error}"
        );
    }
    assert_eq!(
        registry.log().count("GET", "/manifests/"),
        3,
        "trying again wouldn't help"
    );
}

#[test]
fn one_accept_header_asks_for_everything_that_can_be_moved() {
    let registry = ScriptedRegistry::start();
    registry.put_image("a", "v1", &samples::multi_platform(Family::Docker, 1));
    client()
        .manifest(&repository(&registry, "a"), &tag("v1"))
        .unwrap();
    let accept = registry.log().requests()[0].header("accept").unwrap().to_owned();
    let types: Vec<_> = accept.split(", ").map(|name| RawTypes(name).kind()).collect();
    assert_eq!(
        types,
        [
            MediaKind::Index,
            MediaKind::Image,
            MediaKind::Index,
            MediaKind::Image
        ]
    );
}

struct RawTypes<'a>(&'a str);

impl RawTypes<'_> {
    fn kind(&self) -> MediaKind {
        transload_reference::MediaType::new(self.0).kind()
    }
}

#[test]
fn tags_are_listed_over_all_pages() {
    use transload_test_support::scripted::Locations;
    for locations in [Locations::Absolute, Locations::Relative, Locations::WithoutScheme] {
        let registry = ScriptedRegistry::with(Options {
            page_size: Some(2),
            locations,
            ..Options::default()
        });
        let image = samples::multi_platform(Family::Oci, 1);
        for tag in ["a", "b", "c", "d", "e"] {
            registry.put_image("x/y", tag, &image);
        }
        assert_eq!(
            client().tags(&repository(&registry, "x/y")).unwrap(),
            ["a", "b", "c", "d", "e"]
        );
    }
}

#[test]
fn a_list_of_tags_may_be_null_and_never_leads_elsewhere() {
    let registry = ScriptedRegistry::start();
    let page = |link: &str| {
        Reply::status(200)
            .header("Link", link)
            .body(r#"{"name":"a","tags":null}"#)
    };
    let (client, repository) = (client(), repository(&registry, "a"));
    registry.fault(Fault::new(
        "GET",
        "/tags/list",
        Action::Answer(page("<x>; rel=prev")),
    ));
    assert_eq!(client.tags(&repository).unwrap(), Vec::<String>::new());
    for link in [
        "<https://elsewhere.example/v2/a/tags/list>; rel=next",
        "</v2/a/tags/list>; rel=next",
    ] {
        registry.clear_faults();
        registry.fault(Fault::new("GET", "/tags/list", Action::Answer(page(link))).every());
        assert!(client.tags(&repository).is_err(), "{link}");
    }
}

#[test]
fn a_pushed_manifest_is_the_same_byte_for_byte() {
    let registry = ScriptedRegistry::start();
    let image = samples::multi_platform(Family::Oci, 1);
    registry.put_image("a", "v1", &image);
    let manifest = RawManifest::parse(image.root.bytes.clone(), None).unwrap();
    let (client, repository) = (client(), repository(&registry, "a"));
    client.push_manifest(&repository, &tag("v2"), &manifest).unwrap();
    let held = registry.manifest("a", "v2").unwrap();
    assert_eq!(held.bytes, image.root.bytes);
    let request = registry.log().requests().pop().unwrap();
    assert_eq!(
        request.header("content-type"),
        Some(manifest.media_type().as_str())
    );
}

#[test]
fn inline_data_is_used_instead_of_a_request_if_it_is_right() {
    let registry = ScriptedRegistry::start();
    let blob = put(&registry, "a", b"0123456789");
    let (client, repository) = (client(), repository(&registry, "a"));
    let inline = blob.clone().with_data(b"0123456789");
    assert_eq!(read(&client, &repository, &inline, 4).unwrap(), b"456789");
    assert_eq!(registry.log().count("GET", "/blobs/"), 0);
    let wrong = blob.with_data(b"0123456780");
    assert_eq!(read(&client, &repository, &wrong, 4).unwrap(), b"456789");
    assert_eq!(registry.log().count("GET", "/blobs/"), 1);
}

#[test]
fn referrers_come_from_the_api_or_from_the_fallback_tag() {
    let registry = ScriptedRegistry::start();
    let subject = Digest::of(b"subject");
    let child = |name: &str, kind: &str| {
        let digest = Digest::of(name.as_bytes());
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":1,"artifactType":"{kind}"}}"#)
    };
    let index = |children: &[String]| {
        let media_type = "application/vnd.oci.image.index.v1+json";
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{}]}}"#,
            children.join(",")
        )
    };
    let repository = repository(&registry, "a");
    let names = |kind: Option<&str>| {
        // A client learns which registry lacks the API.
        let found = client().referrers(&repository, &subject, kind).unwrap();
        found
            .into_iter()
            .map(|referrer| referrer.digest)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(None), [], "neither the API nor the tag");
    let pages = [
        Reply::status(200)
            .header("Link", "<?page=2>; rel=next")
            .body(index(&[child("1", "x"), child("2", "y")])),
        Reply::status(200)
            .header("OCI-Filters-Applied", "artifactType")
            .body(index(&[child("3", "z")])),
    ];
    for kind in [None, Some("x")] {
        registry.clear_faults();
        for (number, page) in (1..).zip(&pages) {
            registry.fault(Fault::new("GET", "/referrers/", Action::Answer(page.clone())).nth(number));
        }
        let all = [Digest::of(b"1"), Digest::of(b"2"), Digest::of(b"3")];
        let of_kind = [Digest::of(b"1"), Digest::of(b"3")];
        assert_eq!(names(kind), if kind.is_none() { &all[..] } else { &of_kind[..] });
    }
    registry.clear_faults();
    let tagged = Reply::status(200).body(index(&[child("1", "x"), child("2", "y")]));
    let fallback = format!("/manifests/sha256-{}", subject.hex());
    registry.fault(Fault::new("GET", &fallback, Action::Answer(tagged)).every());
    assert_eq!(names(Some("y")), [Digest::of(b"2")]);
}

#[test]
fn a_body_that_ends_with_its_connection_is_counted() {
    let registry = ScriptedRegistry::start();
    let bytes = content(1000);
    let whole = put(&registry, "a", &bytes);
    let mut longer = descriptor(&content(1001));
    longer.size = 1001;
    registry.put_blob("a", &longer.digest, &bytes);
    let no_length = Action::NoHeader("Content-Length".to_owned());
    registry.fault(Fault::new("GET", "/blobs/", no_length).every());
    let (client, repository) = (client(), repository(&registry, "a"));
    assert_eq!(read(&client, &repository, &whole, 0).unwrap(), bytes);
    let error = read(&client, &repository, &longer, 0).unwrap_err();
    assert!(
        error.to_string().contains("it ended before the last byte"),
        "{error}"
    );
}

#[test]
fn as_many_connections_are_kept_as_there_are_jobs() {
    const JOBS: usize = 12;
    let registry = ScriptedRegistry::start();
    registry.put_image("a", "v1", &samples::multi_platform(Family::Oci, 1));
    registry.fault(Fault::new("GET", "/manifests/", Action::Hold).every());
    let client = builder().jobs(JOBS).build().unwrap();
    let repository = repository(&registry, "a");
    // The first request learns the scheme, while the others wait.
    client.tags(&repository).unwrap();
    for round in 1..=2 {
        std::thread::scope(|scope| {
            for _ in 0..JOBS {
                scope.spawn(|| client.manifest(&repository, &tag("v1")).unwrap());
            }
            let all_there = |requests: &[transload_test_support::scripted::Request]| {
                requests.iter().filter(|request| request.stalled).count() == JOBS * round
            };
            assert!(
                registry
                    .log()
                    .wait_for(all_there, std::time::Duration::from_secs(20))
            );
            registry.release();
        });
    }
    let requests = registry.log().requests();
    let connections: std::collections::BTreeSet<_> =
        requests.iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), JOBS);
}
