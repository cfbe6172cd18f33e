//! Registries that say no to a user, or to everybody who isn't one.

use std::path::Path;

use serde_json::json;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::proxy::Proxy;
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Action, Fault, Options, Reply, Tls};
use transload_test_support::{Output, ScriptedRegistry, Transload};

use super::help::*;

const WRONG: &str = "hunter2-but-wrong";
/// User and wrong password as the header of Basic authentication has them.
const WRONG_ENCODED: &str = "dGVzdGVyOmh1bnRlcjItYnV0LXdyb25n";
/// User and password as that header has them.
const ENCODED: &str = "dGVzdGVyOmNvcnJlY3Q6aG9yc2U=";
/// What every JSON web token begins with.
const TOKEN: &str = "eyJ";

/// The image that is pushed.
fn new_image() -> Image {
    samples::single(Family::Oci, "linux/amd64", 3)
}

/// Pulls from and pushes to a registry as the user with this password, or as nobody, with everything told that can be.
fn pull_and_push(registry: &Site, password: Option<&str>) -> [Output; 2] {
    let folder = folder();
    let (src, dest) = (folder.path().join("src"), folder.path().join("dest"));
    kubekey::write(
        &src,
        "hub.local",
        "team/new",
        "v1",
        &new_image(),
        Generation::Third,
    );
    let auth = match password {
        Some(password) => {
            json!({"repo": registry.host(), "username": USER, "password": password, "plain_http": true})
        }
        None => json!({"repo": registry.host()}),
    };
    let pull = json!({
        "manifests": registry.references("team/app"),
        "dest": format!("local://{}", text(&dest)),
        "auths": [auth],
    });
    let push = json!({
        "src": format!("local://{}", text(&src)),
        "dest": registry.host(),
        "auths": [auth],
    });
    [pull, push].map(|image| task(&image).args(["-vvv", "--jobs", "1"]).run())
}

/// Checks that what the program said has none of these.
#[track_caller]
fn assert_untold(output: &Output, secrets: &[&str]) {
    for text in [&output.stdout, &output.stderr] {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in:\n{text}");
        }
    }
}

#[test]
fn a_wrong_password_is_told_with_side_image_and_host() {
    let registry = Site::with_images(PASSWORDS, "team/app");
    let (host, writes) = (registry.host(), registry.writes());
    let [pull, push] = pull_and_push(&registry, Some(WRONG));
    for output in [&pull, &push] {
        assert_untold(output, &[WRONG, WRONG_ENCODED]);
    }
    let hint = format!(
        "{host} refused the user name or the password: check them in auths, or log in again; --dry-run tells which credentials \
             are used and where they come from"
    );
    let refusal = format!(
        "{host} refused {USER}'s password (auths entry {host}): the registry answered 401 Unauthorized"
    );
    let reason = format!("source: {host}: logging in: {refusal}: UNAUTHORIZED: authentication required");
    assert_failed(pull, &format!("{host}/team/app:oci"), &reason, &hint);
    let reason = format!("destination: {host}: logging in: {refusal}");
    assert_failed(push, "hub.local/team/new:v1", &reason, &hint);
    assert_eq!(registry.writes(), writes);
}

#[test]
fn a_password_that_the_token_server_refuses_is_told_alike() {
    let registry = Site::with_images(TOKENS, "team/app");
    let (host, writes) = (registry.host(), registry.writes());
    let [pull, push] = pull_and_push(&registry, Some(WRONG));
    for output in [&pull, &push] {
        assert_untold(output, &[WRONG, WRONG_ENCODED, TOKEN]);
    }
    let hint = format!(
        "{host} refused the user name or the password: check them in auths, or log in again; --dry-run tells which credentials are \
         used and where they come from"
    );
    let refusal = format!(
        "{host} refused {USER}'s password (auths entry {host}): the token server answered 401 Unauthorized: UNAUTHORIZED"
    );
    let reason = format!("source: {host}: logging in: {refusal}");
    assert_failed(pull, &format!("{host}/team/app:oci"), &reason, &hint);
    let reason = format!("destination: {host}: logging in: {refusal}");
    assert_failed(push, "hub.local/team/new:v1", &reason, &hint);
    assert_eq!(registry.writes(), writes);
}

#[test]
fn who_gives_no_password_is_told_that_there_was_none() {
    let hint = |host: &str| {
        format!(
            "no credentials for {host} were found: give them in auths (repo: {host}), or log in: `transload login {host}`"
        )
    };
    let registry = Site::with_images(PASSWORDS, "team/app");
    let host = registry.host();
    let [pull, push] = pull_and_push(&registry, None);
    let refusal = "the registry answered 401 Unauthorized";
    // The first one's cause is the others' too.
    let first = &registry.references("team/app")[0];
    let tag = first.rsplit(':').next().expect("a tag");
    let reason = format!(
        "source: {host}/team/app: reading the manifest {tag}: {refusal}: UNAUTHORIZED: authentication required"
    );
    assert_failed(pull, first, &reason, &hint(host));
    let reason = format!("destination: {host}/team/new: looking up the manifest v1: {refusal}");
    assert_failed(push, "hub.local/team/new:v1", &reason, &hint(host));

    // Everybody may pull here, with a token that is for nothing else.
    let registry = Site::with_images(TOKENS, "team/app");
    let host = registry.host();
    let [pull, push] = pull_and_push(&registry, None);
    pull.expect_code(0);
    let users: Vec<_> = registry
        .token_requests()
        .into_iter()
        .map(|request| request.user)
        .collect();
    assert!(
        !users.is_empty() && users.iter().all(Option::is_none),
        "{users:?}"
    );
    let first = &new_image().blobs[0].0.digest;
    let reason = format!(
        "destination: {host}/team/new: uploading the blob {first}: {refusal}: UNAUTHORIZED: authentication required (the token \
         server gave a token that doesn't allow repository:team/new:pull,push)"
    );
    assert_failed(push, "hub.local/team/new:v1", &reason, &hint(host));
}

#[test]
fn the_right_password_and_tokens_are_not_told_either() {
    for shape in [PASSWORDS, TOKENS] {
        let registry = Site::with_images(shape, "team/app");
        for output in pull_and_push(&registry, Some(PASSWORD)) {
            assert_untold(&output.expect_code(0), &[PASSWORD, ENCODED, TOKEN]);
        }
    }
}

/// A directory with an image under each of these names, all of the same type.
fn stored(folder: &Path, names: &[&str]) -> Vec<Image> {
    let write = |(seed, name): (u64, &&str)| {
        let image = samples::single(Family::Docker, "linux/amd64", seed);
        kubekey::write(folder, "hub.local", name, "v1", &image, Generation::Third);
        image
    };
    (1..).zip(names).map(write).collect()
}

#[test]
fn a_type_of_manifests_that_was_refused_costs_no_more_blobs() {
    let registry = ScriptedRegistry::start();
    let detail = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{"mediaType":"application/vnd.docker.distribution.manifest.v2+json"}}]}"#;
    let refusal = Reply::status(415).body(detail);
    registry.fault(Fault::new("PUT", "/manifests/", Action::Answer(refusal)).every());
    let folder = folder();
    let src = folder.path().join("src");
    let images = stored(&src, &["team/one", "team/two", "team/three"]);
    let dest = format!("{}/mirror", registry.host());
    let output = transload(["push", "--src", &text(&src), "--dest", &dest, "--jobs", "1"]).expect_code(1);
    let told = told(&output);
    let project =
        "refused another manifest of the type application/vnd.docker.distribution.manifest.v2+json in mirror";
    assert!(
        told.matches("manifest invalid (mediaType: application/vnd.docker.")
            .count()
            == 1
            && told.matches(project).count() == 1
            && told.contains("\"docker2s2\""),
        "{told}"
    );
    assert_eq!(
        registry.blobs().len(),
        images[0].blobs.len(),
        "those of the first image alone"
    );
    assert_eq!(registry.log().count("PUT", "/manifests/"), 1);
}

#[test]
fn a_blob_of_another_size_in_a_registry_is_as_good_as_none() {
    let registry = ScriptedRegistry::start();
    let folder = folder();
    let src = folder.path().join("src");
    let images = stored(&src, &["team/one"]);
    for (blob, bytes) in &images[0].blobs {
        registry.put_blob("mirror/team/one", &blob.digest, &bytes[1..]);
    }
    let dest = format!("{}/mirror", registry.host());
    transload(["push", "--src", &text(&src), "--dest", &dest]).expect_code(0);
    assert!(registry.has_image("mirror/team/one", "v1", &images[0]));
}

#[test]
fn a_proxys_page_in_place_of_a_blob_names_the_proxy() {
    const NAME: &str = "hub.example.com";
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Named(&[NAME]),
        ..Options::default()
    });
    let proxy = Proxy::start(&[(NAME, registry.host())]);
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let (image, folder, ca_file) = (format!("{NAME}/team/app:v1"), folder(), text(registry.ca_file()));
    let dest = text(folder.path().join("images"));
    for status in [200, 403, 502] {
        registry.clear_faults();
        let page = Reply::status(status)
            .header("Content-Type", "text/html")
            .body("<html>blocked by policy</html>");
        registry.fault(Fault::new("GET", "/blobs/", Action::Answer(page)).every());
        let args = [
            "pull",
            &image,
            "--dest",
            &dest,
            "--ca-file",
            &ca_file,
            "--retries",
            "0",
        ];
        let output = Transload::new().args(args).env("HTTPS_PROXY", proxy.url()).run();
        let told = told(&output.expect_code(1));
        let through = format!(
            "the answer is a web page, through the proxy {} (from HTTPS_PROXY)",
            proxy.url()
        );
        assert!(
            told.contains(&through)
                && told.contains(&format!("add {NAME} to NO_PROXY"))
                && !told.contains("damaged"),
            "{status}: {told}"
        );
    }
}
