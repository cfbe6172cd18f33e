//! A Harbor's refusals and their errors: projects, rights, quotas, tags and pull policies.

use transload_reference::RawManifest;
use transload_registry_client::{Client, Credential, Error, Extent, Lookup, Reason};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::scripted::{Action, Fault, Harbor, Options, Project, Reply};

use crate::help::*;

const PROJECTS: &[(&str, Project)] = &[
    ("open", Project::Open),
    ("theirs", Project::PullOnly),
    ("cache", Project::ProxyCache),
    ("full", Project::Full),
    ("fixed", Project::Immutable),
    ("signed", Project::SignedOnly),
];

fn harbor(read_only: bool) -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        harbor: Some(Harbor {
            projects: PROJECTS,
            read_only,
        }),
        ..Options::bearer(true)
    })
}

fn image() -> Image {
    samples::single(Family::Oci, "linux/amd64", 1)
}

fn manifest() -> RawManifest {
    RawManifest::parse(image().root.bytes, None).unwrap()
}

fn push_blob(client: &Client, registry: &ScriptedRegistry, path: &str) -> Result<(), Error> {
    let bytes = content(1000);
    let mut opened = Vec::new();
    client.push_blob(
        &repository(registry, path),
        &descriptor(&bytes),
        &mut opener(&bytes, &mut opened),
    )
}

#[test]
fn a_manifest_that_may_not_be_pulled_can_be_pushed() {
    let registry = harbor(false);
    let (client, repository) = (client_of(user(), &registry), repository(&registry, "signed/app"));
    let lookup = |tag: &str| client.find_manifest(&repository, &self::tag(tag)).unwrap();
    assert_eq!(lookup("v1"), Lookup::Missing);
    registry.put_image("signed/app", "v1", &image());
    assert_eq!(lookup("v1"), Lookup::Undisclosed);
    client
        .push_manifest(&repository, &tag("v2"), &manifest())
        .unwrap();
    assert!(registry.has_image("signed/app", "v2", &image()));
}

#[test]
fn the_refusal_of_a_pull_by_policy_shows_the_registrys_text() {
    let registry = harbor(false);
    registry.put_image("signed/app", "v1", &image());
    let (client, repository) = (client_of(user(), &registry), repository(&registry, "signed/app"));
    let error = client.resolve(&repository, &tag("v1")).unwrap_err();
    assert_eq!(error.reason(), Some(Reason::PullPolicy));
    assert_eq!(error.message(), Some("The image is not signed by cosign."));
    assert_eq!(registry.log().count("GET", "/manifests/"), 1);
}

#[test]
fn one_get_tells_that_a_project_is_missing() {
    for credential in [Some(user()), None] {
        let registry = harbor(false);
        let client = match credential {
            Some(credential) => client_of(credential, &registry),
            None => client(),
        };
        let error = client
            .find_manifest(&repository(&registry, "nope/team/app"), &tag("v1"))
            .unwrap_err();
        assert_eq!(error.reason(), Some(Reason::MissingProject), "{error}");
        assert_eq!(error.message(), Some("project nope not found"), "told once");
        assert_eq!(registry.log().count("GET", "/manifests/"), 1);
        // The challenge, a token, a login since the token doesn't say whose it is, HEAD, a new token and HEAD, and GET.
        let requests = registry.log().requests().len();
        assert!(requests <= 7, "{requests}");
        let told = error.of_extent(Extent::Project);
        let text = format!(
            "{}/nope: pushing: the registry answered 401 Unauthorized: UNAUTHORIZED: project nope not found (",
            registry.host()
        );
        assert!(told.to_string().starts_with(&text), "{told}");
        let hint = told.hint().unwrap();
        assert!(
            hint.contains("no project nope") && hint.contains("--create-projects"),
            "{hint}"
        );
    }
}

#[test]
fn a_get_without_a_message_leaves_the_heads_answer() {
    for (get, message) in [
        (Reply::status(404), None),
        (Reply::status(403).error("DENIED", "why"), Some("why")),
    ] {
        let registry = ScriptedRegistry::start();
        let head = Action::Answer(Reply::status(418));
        registry.fault(Fault::new("HEAD", "/manifests/", head).every());
        registry.fault(Fault::new("GET", "/manifests/", Action::Answer(get)).every());
        let error = client()
            .find_manifest(&repository(&registry, "team/app"), &tag("v1"))
            .unwrap_err();
        let status = if message.is_some() { 403 } else { 418 };
        assert_eq!((error.status(), error.message()), (Some(status), message));
        assert_eq!(registry.log().requests().len(), 2);
    }
}

#[test]
fn refusals_of_a_push_are_told_apart_with_the_registrys_text_and_a_hint() {
    let table = [
        (
            "theirs/app",
            false,
            Reason::NoRightToPush,
            "unauthorized to access repository: theirs/app, action: push",
            "ask for the role Developer",
        ),
        (
            "cache/app",
            false,
            Reason::ProxyCacheProject,
            "denied: can not push artifact to a proxy project: cache",
            "choose another project as dest",
        ),
        (
            "full/app",
            false,
            Reason::QuotaExceeded,
            "will exceed the configured upper limit of 10.0 MiB.",
            "Project Quotas",
        ),
        (
            "open/app",
            true,
            Reason::ReadOnly,
            "The system is in read only mode. Any modification is prohibited.",
            "is in read-only mode",
        ),
        (
            "app",
            false,
            Reason::NoProjectInName,
            "bad request: invalid repository name: app",
            "/PROJECT",
        ),
        (
            "nope/app",
            false,
            Reason::MissingProject,
            "project nope not found",
            "no project nope",
        ),
    ];
    for (path, read_only, reason, text, hint) in table {
        let registry = harbor(read_only);
        let error = push_blob(&client_of(user(), &registry), &registry, path).unwrap_err();
        assert_eq!(error.reason(), Some(reason), "{error}");
        let message = error.message().unwrap();
        assert!(
            message.contains(text) && message.matches(text).count() == 1,
            "{message}"
        );
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
        assert!(!error.is_retryable());
    }
}

#[test]
fn an_immutable_tag_is_reported() {
    let registry = harbor(false);
    registry.put_image("fixed/app", "v1", &image());
    let (client, repository) = (client_of(user(), &registry), repository(&registry, "fixed/app"));
    let push = |tag: &str| client.push_manifest(&repository, &self::tag(tag), &manifest());
    let error = push("v1").unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ImmutableTag));
    assert_eq!(
        error.message(),
        Some("Failed to process request due to 'app:v1' configured as immutable.")
    );
    assert!(error.hint().unwrap().contains("push under another tag"));
    push("v2").unwrap();
}

#[test]
fn a_robot_without_the_right_to_push_gets_a_hint_for_robots() {
    let registry = ScriptedRegistry::start();
    let text = "unauthorized to access repository: team/app, action: push";
    let refusal = Reply::status(401)
        .header("WWW-Authenticate", "Basic realm=\"harbor\"")
        .error("UNAUTHORIZED", &format!("{text}: {text}"));
    registry.fault(Fault::new("POST", "/blobs/uploads/", Action::Answer(refusal)).every());
    for (name, reason) in [
        ("robot$team+ci", Reason::RobotWithoutPush),
        ("anna", Reason::NoRightToPush),
    ] {
        let client = client_of(Credential::new(name, "secret"), &registry);
        let error = push_blob(&client, &registry, "team/app").unwrap_err();
        assert_eq!((error.reason(), error.message()), (Some(reason), Some(text)));
        let is_told = error.hint().unwrap().contains("\"Push Repository\"");
        assert_eq!(is_told, reason == Reason::RobotWithoutPush);
    }
}

#[test]
fn a_push_without_credentials_gets_a_hint_about_credentials_alone() {
    let registry = harbor(false);
    let error = push_blob(&client(), &registry, "theirs/app").unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("no credentials for"), "{hint}");
}
