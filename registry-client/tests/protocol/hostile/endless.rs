//! Answers without end.

use super::*;

#[test]
fn answers_without_end_are_ended() {
    let registry = bearer();
    let spaces = " ".repeat(16 * 1024);
    let chunk = format!("4000\r\n{spaces}\r\n");
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let too_large = "larger than the 8388608 bytes";
    let head = "the answer's head";
    let cases = [
        ("chunks", chunked.clone(), chunk.clone(), too_large),
        (
            "bytes until the connection closes",
            format!("{OK}\r\n"),
            spaces.clone(),
            too_large,
        ),
        (
            "8 GiB announced",
            format!("{OK}Content-Length: 8589934592\r\n\r\n"),
            spaces.clone(),
            "8589934592 bytes",
        ),
        (
            "headers",
            "HTTP/1.1 200 OK\r\n".to_owned(),
            "X-A: a\r\n".repeat(1000),
            "",
        ),
        (
            "a header",
            "HTTP/1.1 200 OK\r\nX-A: ".to_owned(),
            spaces.replace(' ', "a"),
            head,
        ),
        (
            "a header's name",
            "HTTP/1.1 200 OK\r\n".to_owned(),
            spaces.replace(' ', "a"),
            head,
        ),
        (
            "a status line",
            "HTTP/1.1 200 ".to_owned(),
            spaces.replace(' ', "a"),
            head,
        ),
        (
            "provisional answers",
            String::new(),
            "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
            "",
        ),
        (
            "early hints",
            String::new(),
            "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n".to_owned(),
            "",
        ),
        ("a chunk's size", chunked.clone(), "0".repeat(4096), ""),
        (
            "a chunk's extension",
            format!("{chunked}1;x="),
            "a".repeat(4096),
            "",
        ),
        (
            "trailers",
            format!("{chunked}0\r\n"),
            "X-A: a\r\n".repeat(1000),
            "",
        ),
        ("a trailer", format!("{chunked}0\r\nX-A: "), "a".repeat(4096), ""),
        (
            "noise",
            "\u{1b}[2J\u{7}".to_owned(),
            "\u{1b}[31m".repeat(1000),
            "",
        ),
        ("empty lines", String::new(), "\r\n".repeat(1000), ""),
    ];
    for (case, start, forever, expected) in cases {
        let error = manifest(&registry, "/manifests/v1", case, raw(start, forever));
        assert!(error.to_string().contains(expected), "{case}: {error}");
    }
    let error = manifest(
        &registry,
        "/token",
        "a token in chunks",
        raw(chunked.clone(), chunk.clone()),
    );
    assert!(
        error.to_string().contains("larger than the 1048576 bytes"),
        "{error}"
    );
    let refusal = chunked.replace("200 OK", "403 Forbidden");
    for path in ["/manifests/v1", "/token"] {
        let error = manifest(
            &registry,
            path,
            "an error in chunks",
            raw(refusal.clone(), chunk.clone()),
        );
        assert_eq!(error.status(), Some(403), "{error}");
    }
    // An answer that nobody wants the body of is the answer all the same.
    registry.clear_faults();
    registry.fault(
        Fault::new(
            "*",
            "/manifests/v1",
            raw(refusal.replace("403 Forbidden", "404 Not Found"), chunk),
        )
        .every(),
    );
    let found = once().find_manifest(&repository(&registry, "a"), &tag("v1"));
    assert_eq!(found.unwrap(), Lookup::Missing);
}

#[test]
fn a_blob_without_end_is_read_to_its_announced_end_and_one_byte() {
    let registry = ScriptedRegistry::start();
    let blob = descriptor(&content(10));
    let spaces = " ".repeat(16 * 1024);
    for (case, head, forever) in [
        ("until the connection closes", format!("{OK}\r\n"), spaces.clone()),
        (
            "chunks",
            format!("{OK}Transfer-Encoding: chunked\r\n\r\n"),
            format!("4000\r\n{spaces}\r\n"),
        ),
        (
            "a length that is another",
            format!("{OK}Content-Length: 11\r\n\r\n"),
            spaces.clone(),
        ),
        (
            "the largest length",
            format!("{OK}Content-Length: {}\r\n\r\n", u64::MAX),
            spaces,
        ),
    ] {
        registry.clear_faults();
        registry.fault(Fault::new("GET", "/blobs/", raw(head, forever)).every());
        let (client, repository, blob) = (once(), repository(&registry, "a"), blob.clone());
        let error = fails(case, move || {
            read(&client, &repository, &blob, 0).map_err(|error| match error.downcast::<Error>() {
                Ok(error) => error,
                Err(error) => *error.into_inner().unwrap().downcast::<Error>().unwrap(),
            })
        });
        assert!(
            matches!(error.kind(), ErrorKind::Size { expected: 10, .. }),
            "{case}: {error}"
        );
    }
}

#[test]
fn lists_without_end_are_ended() {
    let registry = ScriptedRegistry::start();
    let list = |link: &str, body: &str| Action::Answer(Reply::status(200).header("Link", link).body(body));
    // Each page leads to the other, and nothing is on either.
    for (there, here) in [("last=1", "last=2"), ("last=2", "last=1")] {
        let link = format!("</v2/a/tags/list?{here}>; rel=next");
        registry.fault(Fault::new("GET", there, list(&link, r#"{"tags":[]}"#)).every());
    }
    registry.fault(
        Fault::new(
            "GET",
            "/tags/list",
            list("<?last=1>; rel=next", r#"{"tags":["x"]}"#),
        )
        .every(),
    );
    let (client, place) = (once(), repository(&registry, "a"));
    let error = fails("a circle", move || client.tags(&place));
    assert!(
        error.to_string().contains("its last 10 pages were empty"),
        "{error}"
    );
    assert!(registry.log().count("GET", "/tags/list") < 20);
    // Each page is full.
    registry.clear_faults();
    let full = format!(r#"{{"tags":["{}"]}}"#, "x".repeat(15 << 20));
    for (there, here) in [("last=1", "last=2"), ("last=2", "last=1")] {
        let link = format!("</v2/a/tags/list?{here}>; rel=next");
        registry.fault(Fault::new("GET", there, list(&link, &full)).every());
    }
    registry.fault(Fault::new("GET", "/tags/list", list("<?last=1>; rel=next", "{}")).every());
    let (client, place) = (once(), repository(&registry, "a"));
    let error = fails("full pages", move || client.tags(&place));
    assert!(error.to_string().contains("more than 67108864 bytes"), "{error}");
    // Referrers are listed the same way.
    registry.clear_faults();
    let empty = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    for (there, here) in [("last=1", "last=2"), ("last=2", "last=1")] {
        let link = format!("<?{here}>; rel=next");
        registry.fault(Fault::new("GET", there, list(&link, empty)).every());
    }
    registry.fault(Fault::new("GET", "/referrers/", list("<?last=1>; rel=next", empty)).every());
    let (client, place) = (once(), repository(&registry, "a"));
    let error = fails("referrers", move || {
        client.referrers(&place, &Digest::of(b""), None)
    });
    assert!(error.to_string().contains("pages were empty"), "{error}");
    // A link to another host is another host's list, and credentials would go along.
    registry.clear_faults();
    let other = ScriptedRegistry::start();
    for link in [
        format!("<http://{}/v2/a/tags/list?last=1>; rel=next", other.host()),
        format!("<//{}/x>; rel=next", other.host()),
        "<file:///etc/passwd>; rel=next".to_owned(),
        "<https://user:word@hub.example/>; rel=next".to_owned(),
    ] {
        registry.clear_faults();
        registry.fault(Fault::new("GET", "/tags/list", list(&link, "{}")).every());
        let (client, place) = (once(), repository(&registry, "a"));
        let error = fails(&link, move || client.tags(&place));
        assert!(error.to_string().contains("the link to the next page"), "{error}");
    }
    assert_eq!(other.log().requests().len(), 0);
}

#[test]
fn challenges_without_end_are_ended() {
    for (challenge, most) in [
        ("Basic realm=\"x\"", 2),
        ("Bearer realm=\"/token?n=1\",service=\"s\"", 4),
    ] {
        let registry = ScriptedRegistry::start();
        let reply = Reply::status(401).header("WWW-Authenticate", challenge);
        registry.fault(Fault::new("*", "/manifests/", Action::Answer(reply)).every());
        let token = Reply::status(200).body(r#"{"token":"t"}"#);
        registry.fault(Fault::new("GET", "/token", Action::Answer(token)).every());
        let (client, place) = (client_of(user(), &registry), repository(&registry, "a"));
        let error = fails(challenge, move || client.manifest(&place, &tag("v1")));
        assert!(error.is_denied(), "{error}");
        assert!(registry.log().count("GET", "/manifests/") <= most, "{challenge}");
    }
    // A token server that sends us on and on.
    let registry = ScriptedRegistry::start();
    let reply = Reply::status(401).header("WWW-Authenticate", "Bearer realm=\"/token\"");
    registry.fault(Fault::new("*", "/manifests/", Action::Answer(reply)).every());
    let circle = Reply::status(302).header("Location", "/token");
    registry.fault(Fault::new("GET", "/token", Action::Answer(circle)).every());
    let (client, place) = (client_of(user(), &registry), repository(&registry, "a"));
    let error = fails("a circle", move || client.manifest(&place, &tag("v1")));
    assert!(error.to_string().contains("more than 10 redirects"), "{error}");
    // A challenge of the largest size that a head may have.
    let long = format!("{}Bearer realm=\"/token\"", "x=\\\"y\\\",,".repeat(6000));
    let reply = Reply::status(401).header("WWW-Authenticate", &long);
    manifest(
        &registry,
        "/manifests/",
        "a long challenge",
        Action::Answer(reply),
    );
}

/// A registry that takes bytes and forgets them again.
#[test]
fn an_upload_that_never_gets_further_is_given_up() {
    let registry = ScriptedRegistry::with(Options {
        max_body: Some(3 << 20),
        ..Options::default()
    });
    let bytes = content(8 << 20);
    // Chunks of 512 KiB are taken, and after some of them the session says that it has none.
    let lost = Reply::status(202)
        .header("Range", "0-0")
        .header("Location", "/v2/a/blobs/uploads/1");
    registry.fault(
        Fault::new(
            "PATCH",
            "/blobs/uploads/",
            Action::Answer(Reply::status(202).header("Location", "/v2/a/blobs/uploads/1")),
        )
        .first(2),
    );
    registry.fault(Fault::new("PATCH", "/blobs/uploads/", Action::Answer(Reply::status(500))).nth(3));
    for round in 1..40 {
        let at = 3 * round;
        registry.fault(
            Fault::new(
                "PATCH",
                "/blobs/uploads/",
                Action::Answer(Reply::status(202).header("Location", "/v2/a/blobs/uploads/1")),
            )
            .nth(at + 1),
        );
        registry.fault(
            Fault::new(
                "PATCH",
                "/blobs/uploads/",
                Action::Answer(Reply::status(202).header("Location", "/v2/a/blobs/uploads/1")),
            )
            .nth(at + 2),
        );
        registry
            .fault(Fault::new("PATCH", "/blobs/uploads/", Action::Answer(Reply::status(500))).nth(at + 3));
    }
    registry.fault(Fault::new("GET", "/blobs/uploads/", Action::Answer(lost)).every());
    let place: Repository = repository(&registry, "a");
    let client = client();
    let began = Instant::now();
    let error = fails("an upload", move || {
        client.push_blob(&place, &descriptor(&bytes), &mut opener(&bytes, &mut Vec::new()))
    });
    assert_eq!(error.status(), Some(500), "{error}");
    assert!(
        registry.log().count("PATCH", "/blobs/uploads/") <= 3 * 6,
        "{} after {:?}",
        registry.log().count("PATCH", "/blobs/uploads/"),
        began.elapsed()
    );
}
