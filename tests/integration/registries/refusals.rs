//! Registries that say no to a user, or to everybody who isn't one.

use serde_json::json;
use transload_test_support::Output;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::real::{PASSWORD, USER};

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
    let refusal = "the registry answered 401 Unauthorized";
    let reason = format!(
        "source: {host}/team/app: reading the manifest oci: {refusal}: UNAUTHORIZED: authentication required"
    );
    assert_failed(pull, &format!("{host}/team/app:oci"), &reason, &hint);
    let reason = format!("destination: {host}/team/new: looking up the manifest v1: {refusal}");
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
    let refusal = "the token server answered 401 Unauthorized: UNAUTHORIZED";
    let reason = format!("source: {host}/team/app: reading the manifest oci: {refusal}");
    assert_failed(pull, &format!("{host}/team/app:oci"), &reason, &hint);
    let reason = format!("destination: {host}/team/new: looking up the manifest v1: {refusal}");
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
    let reason = format!(
        "source: {host}/team/app: reading the manifest oci: {refusal}: UNAUTHORIZED: authentication required"
    );
    assert_failed(pull, &format!("{host}/team/app:oci"), &reason, &hint(host));
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
