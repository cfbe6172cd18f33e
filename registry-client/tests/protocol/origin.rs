//! URLs that a registry names: which requests go there, and the errors of their failures.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use transload_reference::{Digest, RawManifest, Repository};
use transload_registry_client::{
    Client, Credential, Error, HostRule, RetryPolicy, UploadEntry, UploadJournal,
};
use transload_test_support::ScriptedRegistry;
use transload_test_support::scripted::{Action, Authentication, Fault, Listener, Options, Reply, Tls};

use crate::help::*;

/// A blob that is large enough for its upload to be kept in a journal.
const LARGE: usize = 5 << 20;

fn with_password() -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    })
}

fn push(client: &Client, repository: &Repository, bytes: &[u8]) -> Result<(), Error> {
    client.push_blob(
        repository,
        &descriptor(bytes),
        &mut opener(bytes, &mut Vec::new()),
    )
}

/// Opens each upload at this address.
fn lead(registry: &ScriptedRegistry, location: &str) {
    let reply = Reply::status(202).header("Location", location);
    registry.fault(Fault::new("POST", "/blobs/uploads/", Action::Answer(reply)).every());
}

fn redirect(registry: &ScriptedRegistry, method: &str, path: &str, location: &str) {
    let reply = Reply::status(307).header("Location", location);
    registry.fault(Fault::new(method, path, Action::Answer(reply)).every());
}

/// The methods and paths that were asked for, each once.
fn asked(registry: &ScriptedRegistry) -> Vec<String> {
    let requests = registry.log().requests();
    let mut asked: Vec<_> = requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    asked.sort();
    asked.dedup();
    asked
}

/// An address on this machine that nobody listens at.
fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A journal with one session, which records every change.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

impl UploadJournal for Journal {
    fn claim(&self, _: &Repository, _: &Digest) -> Option<Box<dyn UploadEntry>> {
        Some(Box::new(self.clone()))
    }
}

impl UploadEntry for Journal {
    fn location(&self) -> Option<String> {
        self.0.lock().unwrap().first().cloned()
    }

    fn save(&mut self, location: &str) {
        self.0.lock().unwrap().push(location.to_owned());
    }

    fn forget(&mut self) {
        self.0.lock().unwrap().clear();
    }
}

#[test]
fn an_upload_elsewhere_gets_the_blobs_bytes_and_no_other_request() {
    let (registry, elsewhere) = (with_password(), ScriptedRegistry::start());
    let victim = format!("/v2/prod/app/manifests/{}", descriptor(b"x").digest);
    lead(&registry, &format!("http://{}{victim}", elsewhere.host()));
    // A storage that cuts is tried again, and never asked how far it got.
    elsewhere.fault(Fault::new("PUT", "/", Action::Reset { after: None }).every());
    let journal = Journal::default();
    let saved = format!("http://{}/v2/a/blobs/uploads/1", elsewhere.host());
    journal.0.lock().unwrap().push(saved);
    let mut rule = HostRule::new(registry.host());
    rule.credential = Some(user());
    let client = builder()
        .hosts(vec![rule])
        .upload_journal(Arc::new(journal.clone()))
        .build()
        .unwrap();
    let (to, from) = (repository(&registry, "to"), repository(&registry, "from"));
    let bytes = content(LARGE);
    let error = push(&client, &to, &bytes).unwrap_err();
    assert!(error.to_string().contains(elsewhere.host()), "{error}");
    // A mount is refused with a session elsewhere, which isn't needed: the blob is there.
    let blob = put(&registry, "to", b"there");
    assert!(!client.mount_blob(&to, &blob.digest, &from).unwrap());
    assert_eq!(client.has_blob(&to, &blob.digest).unwrap(), Some(5));
    let requests = elsewhere.log().requests();
    assert!(!requests.is_empty(), "the bytes weren't sent");
    for request in &requests {
        let is_bytes = matches!(request.method.as_str(), "PUT" | "PATCH");
        assert!(
            is_bytes && request.path == victim,
            "{} {}",
            request.method,
            request.path
        );
        assert_eq!(request.header("authorization"), None);
    }
    assert_eq!(journal.location(), None, "a session elsewhere was kept");
}

#[test]
fn an_own_address_that_is_no_upload_gets_nothing() {
    for location in [
        "/v2/prod/app/manifests/v1",
        "/v2/to/blobs/uploads/../../manifests/v1",
        "/v2/to/blobs/uploads/%2e%2e/%2E./manifests/v1",
        "/v2/to/tags/list",
    ] {
        let registry = with_password();
        lead(&registry, location);
        let client = client_of(user(), &registry);
        let to = repository(&registry, "to");
        let error = push(&client, &to, b"bytes").unwrap_err();
        assert!(error.to_string().contains("none of an upload"), "{error}");
        let blob = put(&registry, "to", b"there");
        assert!(
            !client
                .mount_blob(&to, &blob.digest, &repository(&registry, "from"))
                .unwrap()
        );
        client.has_blob(&to, &blob.digest).unwrap();
        let there = format!("HEAD /v2/to/blobs/{}", blob.digest);
        let expected = [there, "POST /v2/to/blobs/uploads/".to_owned()];
        assert_eq!(asked(&registry), expected, "{location}");
    }
}

#[test]
fn an_own_session_of_another_form_takes_bytes_and_is_not_cancelled() {
    let registry = ScriptedRegistry::start();
    lead(&registry, "/artifacts-uploads/1");
    let (client, to) = (client(), repository(&registry, "to"));
    let blob = put(&registry, "to", b"there");
    assert!(
        !client
            .mount_blob(&to, &blob.digest, &repository(&registry, "from"))
            .unwrap()
    );
    client.has_blob(&to, &blob.digest).unwrap();
    assert_eq!(registry.log().count("DELETE", "/"), 0);
    push(&client, &to, b"bytes").unwrap_err();
    assert!(registry.log().count("PUT", "/artifacts-uploads/1") > 0);
}

#[test]
fn no_registry_may_redirect_to_a_host_with_settings_of_its_own() {
    let elsewhere = ScriptedRegistry::start();
    let client = |registry: &ScriptedRegistry| {
        let mut own = HostRule::new(registry.host());
        own.credential = Some(user());
        let other = HostRule::new(format!("{}/team", elsewhere.host()));
        builder().hosts(vec![own, other]).build().unwrap()
    };
    let address = format!("http://{}/x", elsewhere.host());
    let refused = |error: Error| {
        let text = error.to_string();
        assert!(text.contains("a host that this run has settings for"), "{text}");
    };
    let registry = with_password();
    let blob = put(&registry, "a", b"bytes");
    redirect(&registry, "GET", "/blobs/", &address);
    lead(&registry, &address);
    let a = repository(&registry, "a");
    refused(client(&registry).open_blob(&a, &blob, 0).unwrap_err());
    refused(push(&client(&registry), &a, b"other").unwrap_err());
    let challenge = format!("Bearer realm=\"{address}\"");
    let reply = Reply::status(401).header("WWW-Authenticate", &challenge);
    registry.fault(Fault::new("GET", "/tags/", Action::Answer(reply)).every());
    refused(client(&registry).tags(&a).unwrap_err());
    assert_eq!(asked(&elsewhere), [] as [&str; 0]);
}

#[test]
fn writes_are_not_redirected_to_another_origin_and_no_delete_is_redirected() {
    let (registry, elsewhere) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let (client, a) = (client(), repository(&registry, "a"));
    let away = format!("http://{}/x", elsewhere.host());
    redirect(&registry, "PUT", "/manifests/", &away);
    redirect(&registry, "POST", "/blobs/uploads/", &away);
    redirect(&registry, "DELETE", "/blobs/uploads/", "/v2/a/manifests/v1");
    let manifest = RawManifest::parse(b"{}".to_vec(), None).unwrap();
    let error = client.push_manifest(&a, &tag("v1"), &manifest).unwrap_err();
    assert!(error.to_string().contains("redirects a PUT"), "{error}");
    let error = push(&client, &a, b"bytes").unwrap_err();
    assert!(error.to_string().contains("redirects a POST"), "{error}");
    assert_eq!(asked(&elsewhere), [] as [&str; 0]);
    registry.clear_faults();
    redirect(&registry, "DELETE", "/blobs/uploads/", "/v2/a/manifests/v1");
    let blob = put(&registry, "a", b"there");
    registry.fault(Fault::new(
        "POST",
        "mount=",
        Action::Answer(Reply::status(202).header("Location", "/v2/a/blobs/uploads/1")),
    ));
    assert!(
        !client
            .mount_blob(&a, &blob.digest, &repository(&registry, "b"))
            .unwrap()
    );
    client.has_blob(&a, &blob.digest).unwrap();
    assert_eq!(registry.log().count("DELETE", "/blobs/uploads/"), 1);
    assert_eq!(registry.log().count("DELETE", "/manifests/"), 0);
}

#[test]
fn a_request_that_is_redirected_away_and_back_carries_no_password() {
    let (registry, elsewhere) = (with_password(), ScriptedRegistry::start());
    let client = client_of(user(), &registry);
    let a = repository(&registry, "a");
    client.has_blob(&a, &descriptor(b"x").digest).unwrap();
    redirect(
        &registry,
        "GET",
        "/tags/",
        &format!("http://{}/x", elsewhere.host()),
    );
    redirect(
        &elsewhere,
        "GET",
        "/x",
        &format!("http://{}/v2/a/secret", registry.host()),
    );
    let error = client.tags(&a).unwrap_err();
    assert!(error.to_string().contains("sends us back"), "{error}");
    assert_eq!(registry.log().count("GET", "/secret"), 0);
}

#[test]
fn a_mount_between_rules_is_an_upload() {
    let registry = ScriptedRegistry::start();
    let mut one = HostRule::new(format!("{}/one", registry.host()));
    one.credential = Some(Credential::new("anna", "first"));
    let client = builder().hosts(vec![one]).build().unwrap();
    let blob = put(&registry, "two/app", b"shared");
    let (one, two) = (repository(&registry, "one/app"), repository(&registry, "two/app"));
    assert!(!client.mount_blob(&one, &blob.digest, &two).unwrap());
    assert_eq!(asked(&registry), [] as [&str; 0]);
    let other = repository(&registry, "two/other");
    assert!(client.mount_blob(&other, &blob.digest, &two).unwrap());
}

/// Returns an error's hint, which names the failed URL and its source, but not the registry's own port.
#[track_caller]
fn assert_named(error: &Error, registry: &ScriptedRegistry, address: &str, named: &str) {
    let hint = error.hint().unwrap_or_default();
    assert!(hint.starts_with(&format!("{address}, wh")), "{error}\n{hint}");
    assert!(hint.contains(named) && hint.contains("external_url"), "{hint}");
    for wrong in ["check the port of", "check the spelling of", "set plain_http"] {
        assert!(!hint.contains(wrong), "{hint}");
    }
    assert!(hint.contains(registry.host()), "{hint}");
}

#[test]
fn an_address_that_fails_is_named_with_the_registry_that_named_it() {
    let registry = ScriptedRegistry::start();
    // Each has a client of its own, which has to learn how to log in.
    let client = || builder().retry(RetryPolicy::attempts(1)).build().unwrap();
    let a = repository(&registry, "a");
    let blob = put(&registry, "a", b"bytes");
    let gone = format!("http://{}", dead());
    for (address, trouble) in [
        (gone, "refuses connections"),
        ("http://nobody.invalid".to_owned(), "isn't known here"),
        // The registry speaks plain HTTP, and says https of itself.
        (
            format!("https://{}", registry.host()),
            "speaks plain HTTP, and was named with https",
        ),
    ] {
        registry.clear_faults();
        redirect(&registry, "GET", "/blobs/", &format!("{address}/x"));
        lead(&registry, &format!("{address}/x"));
        let challenge = format!("Bearer realm=\"{address}/token\",service=\"s\"");
        let reply = Reply::status(401).header("WWW-Authenticate", &challenge);
        registry.fault(Fault::new("GET", "/tags/", Action::Answer(reply)).every());
        let errors = [
            (
                client().open_blob(&a, &blob, 0).unwrap_err(),
                "sent us for the content",
            ),
            (
                push(&client(), &a, b"other").unwrap_err(),
                "sent us with the upload",
            ),
            (client().tags(&a).unwrap_err(), "named as its token server"),
        ];
        for (error, named) in errors {
            assert_named(&error, &registry, &address, named);
            assert!(error.hint().unwrap().contains(trouble), "{:?}", error.hint());
        }
    }
}

#[test]
fn a_storage_with_a_certificate_of_its_own_wants_its_authority_in_the_registrys_settings() {
    let registry = ScriptedRegistry::start();
    let storage = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    let blob = put(&registry, "a", b"bytes");
    redirect(
        &registry,
        "GET",
        "/blobs/",
        &format!("https://{}/x", storage.host()),
    );
    let ask = |ca_file| {
        let mut rule = HostRule::new(registry.host());
        rule.ca_file = ca_file;
        let client = builder().hosts(vec![rule]).build().unwrap();
        client
            .open_blob(&repository(&registry, "a"), &blob, 0)
            .unwrap_err()
    };
    let error = ask(None);
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("as ca_file (--ca-file) of ") && hint.contains(storage.host()),
        "{hint}"
    );
    assert_eq!(ask(Some(storage.ca_file())).status(), Some(404));
}

#[test]
fn a_question_about_an_upload_is_not_redirected_to_another_origin() {
    let (registry, elsewhere) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let a = repository(&registry, "a");
    redirect(
        &registry,
        "GET",
        "/blobs/uploads/",
        &format!("http://{}/x", elsewhere.host()),
    );
    registry.fault(Fault::new(
        "PUT",
        "/blobs/uploads/",
        Action::CutUpload { after: 1000 },
    ));
    let bytes = content(LARGE);
    push(&client(), &a, &bytes).unwrap();
    assert!(
        registry.log().count("GET", "/blobs/uploads/") > 0,
        "it wasn't asked"
    );
    assert_eq!(asked(&elsewhere), [] as [&str; 0]);
}

#[test]
fn a_client_certificate_is_shown_to_the_registry_alone() {
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Mutual,
        redirect_blobs: true,
        ..Options::default()
    });
    let mut rule = HostRule::new(registry.host());
    rule.ca_file = Some(registry.ca_file());
    rule.cert_file = Some(registry.cert_file());
    rule.key_file = Some(registry.key_file());
    let client = builder()
        .plain_http(None)
        .retry(RetryPolicy::attempts(1))
        .hosts(vec![rule])
        .build()
        .unwrap();
    client.ping(&registry.host().parse().unwrap()).unwrap();
    let blob = put(&registry, "a", b"bytes");
    let error = client
        .open_blob(&repository(&registry, "a"), &blob, 0)
        .unwrap_err();
    assert!(
        error.url().unwrap().contains(registry.content_host().unwrap()),
        "{error}"
    );
    let requests = registry.log().requests();
    assert!(
        requests
            .iter()
            .all(|request| request.listener == Listener::Registry)
    );
}
