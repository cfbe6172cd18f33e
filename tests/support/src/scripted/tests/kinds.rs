//! Registries that differ in what their options say.

use super::*;
use crate::image::Image;

fn bearer(tokens: TokenAnswers) -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        authentication: Authentication::Bearer {
            anonymous: true,
            oauth2: true,
        },
        tokens,
        ..Options::default()
    })
}

#[test]
fn tokens_come_in_the_field_that_is_asked_for() {
    let form = format!("grant_type=refresh_token&refresh_token={REFRESH_TOKEN}");
    for (field, by_get, by_post) in [
        (TokenField::ByMethod, "token", "access_token"),
        (TokenField::Token, "token", "token"),
        (TokenField::AccessToken, "access_token", "access_token"),
    ] {
        for expires_in in [None, Some(5)] {
            let registry = bearer(TokenAnswers {
                field,
                expires_in,
                ..TokenAnswers::default()
            });
            for (method, body, expected) in [("GET", "", by_get), ("POST", form.as_str(), by_post)] {
                let answer = ask(&registry, method, "/token", body.as_bytes());
                let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                let mut fields: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
                fields.sort_unstable();
                let mut all = vec![expected];
                all.extend(expires_in.map(|_| "expires_in"));
                all.sort_unstable();
                assert_eq!(fields, all, "{field:?} {method}");
                assert_eq!(answer["expires_in"].as_u64(), expires_in);
            }
        }
    }
}

#[test]
fn a_token_is_used_up() {
    let registry = bearer(TokenAnswers {
        uses: Some(2),
        ..TokenAnswers::default()
    });
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.put_image("a", "v1", &image);
    let token = ask(&registry, "GET", "/token?scope=repository:a:pull", b"");
    let token: serde_json::Value = serde_json::from_slice(&token.body).unwrap();
    let header = format!("Bearer {}", token["token"].as_str().unwrap());
    let headers = [("Authorization", header.as_str())];
    let status = |target: &str| ask_with(&registry, "GET", target, &headers, b"").status;
    // A refusal doesn't use it.
    let statuses = ["a", "b", "a", "a"].map(|repository| status(&format!("/v2/{repository}/manifests/v1")));
    assert_eq!(statuses, [200, 401, 200, 401]);
}

#[test]
fn only_the_last_chunk_may_be_small() {
    let registry = ScriptedRegistry::with(Options {
        chunk_min_length: Some(5),
        ..Options::default()
    });
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    let answer = ask(&registry, "PATCH", &session, b"hello");
    assert_eq!(answer.head.header("oci-chunk-min-length"), Some("5"));
    let answer = ask(&registry, "PATCH", &location(&answer), b" wor");
    assert_eq!(answer.status, 202, "it may be the last");
    let session = location(&answer);
    assert_eq!(ask(&registry, "PATCH", &session, b"ld and more").status, 400);
    let digest = Digest::of(b"hello wor");
    assert_eq!(
        ask(&registry, "PUT", &format!("{session}&digest={digest}"), b"").status,
        201
    );
}

#[test]
fn uploads_may_go_elsewhere_without_credentials() {
    let registry = ScriptedRegistry::with(Options {
        uploads_elsewhere: true,
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let known = [("Authorization", "Basic dGVzdGVyOmNvcnJlY3Q6aG9yc2U=")];
    let begun = ask_with(&registry, "POST", "/v2/a/blobs/uploads/", &known, b"");
    let host = registry.content_host().unwrap();
    assert!(
        begun
            .head
            .header("location")
            .unwrap()
            .starts_with(&format!("http://{host}/"))
    );
    let digest = Digest::of(b"hello");
    let target = format!("{}&digest={digest}", location(&begun));
    let there = Endpoint::plain(host);
    assert_eq!(
        there.request("PUT", &target, &known, b"hello").unwrap().status,
        400
    );
    assert_eq!(there.request("PUT", &target, &[], b"hello").unwrap().status, 201);
    // It is the registry that has the blob.
    let blob = format!("/v2/a/blobs/{digest}");
    assert_eq!(ask_with(&registry, "GET", &blob, &known, b"").body, b"hello");
    assert_eq!(there.request("GET", &blob, &[], b"").unwrap().status, 403);
}

#[test]
fn referrers_are_listed_by_registries_that_can() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let sbom = samples::artifact(&image);
    let kind = "application/vnd.example.sbom.v1+json";
    let list = |registry: &ScriptedRegistry, query: &str| {
        let target = format!("/v2/a/referrers/{}{query}", image.digest());
        let answer = ask(registry, "GET", &target, b"");
        let index: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let found: Vec<String> = index["manifests"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|referrer| format!("{} {}", referrer["digest"], referrer["artifactType"]))
            .collect();
        (
            answer.status,
            answer.head.header("oci-filters-applied").map(str::to_owned),
            found,
        )
    };
    let put = |registry: &ScriptedRegistry, image: &Image| {
        crate::push_plain(registry.host(), "a", "latest", image);
        let headers = [("Content-Type", image.root.media_type.as_str())];
        let target = format!("/v2/a/manifests/{}", image.digest());
        let answer = ask_with(registry, "PUT", &target, &headers, &image.root.bytes);
        answer.head.header("oci-subject").map(str::to_owned)
    };
    let all = vec![format!("{:?} {kind:?}", sbom.digest().as_str())];
    let filters = Some("artifactType".to_owned());
    for (referrers, by_kind, by_other) in [
        (Referrers::Off, (404, None, vec![]), (404, None, vec![])),
        (
            Referrers::Unfiltered,
            (200, None, all.clone()),
            (200, None, all.clone()),
        ),
        (
            Referrers::Filtered,
            (200, filters.clone(), all.clone()),
            (200, filters, vec![]),
        ),
    ] {
        let registry = ScriptedRegistry::with(Options {
            referrers,
            ..Options::default()
        });
        assert_eq!(put(&registry, &image), None);
        let subject = (referrers != Referrers::Off).then(|| image.digest().to_string());
        assert_eq!(put(&registry, &sbom), subject);
        assert_eq!(
            list(&registry, &format!("?artifactType={kind}").replace('+', "%2B")),
            by_kind
        );
        assert_eq!(list(&registry, "?artifactType=other"), by_other);
    }
}
