//! A registry that keeps repositories in projects refuses a project: the user reads it once, however many images go there.

use std::fs;

use serde_json::{Value, json};
use transload_test_support::image::{Family, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Harbor, Options, Project};
use transload_test_support::{Output, ScriptedRegistry};

use super::help::*;

const IMAGES: usize = 40;

fn harbor() -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        harbor: Some(Harbor {
            projects: &[("theirs", Project::PullOnly), ("signed", Project::SignedOnly)],
            read_only: false,
        }),
        ..Options::bearer(false)
    })
}

/// Pushes a directory with 40 images to a project; with these arguments besides.
fn push(registry: &ScriptedRegistry, project: &str, args: &[&str]) -> Output {
    let folder = folder();
    let src = folder.path().join("src");
    for number in 0..IMAGES {
        let image = samples::single(Family::Oci, "linux/amd64", number as u64);
        let name = format!("image-{number}");
        kubekey::write(&src, "hub.local", &name, "v1", &image, Generation::Third);
    }
    let image = json!({
        "src": format!("local://{}", text(&src)),
        "dest": format!("{}/{project}", registry.host()),
        "auths": [{"repo": registry.host(), "username": USER, "password": PASSWORD, "plain_http": true}],
    });
    task(&image).args(args).run()
}

#[test]
fn a_missing_project_is_told_once_for_forty_images_and_in_a_dry_run() {
    let registry = harbor();
    let said = told(&push(&registry, "nope", &[]).expect_code(1));
    assert_eq!(said.matches("project nope not found").count(), 1, "{said}");
    assert_eq!(said.matches("hint: ").count(), 1, "{said}");
    assert!(
        said.contains("--create-projects") && said.contains("40 failed"),
        "{said}"
    );
    let requests = registry.log().requests().len();
    assert!(requests <= 8, "{requests} requests");

    registry.log().clear();
    let planned = push(&registry, "nope", &["--dry-run"]).expect_code(1);
    assert_eq!(
        planned.stdout.matches("project nope not found").count(),
        1,
        "{}",
        planned.stdout
    );
    assert!(planned.stdout.contains("--create-projects"), "{}", planned.stdout);
    assert_eq!(registry.log().count("GET", "/manifests/"), 1);
    let requests = registry.log().requests().len();
    assert!(requests <= 12, "{requests} requests");
}

#[test]
fn a_project_without_the_right_to_push_is_told_once_for_forty_images() {
    let registry = harbor();
    let said = told(&push(&registry, "theirs", &[]).expect_code(1));
    let text = "unauthorized to access repository: ";
    assert_eq!(said.matches(text).count(), 1, "{said}");
    assert!(
        said.contains("ask for the role Developer") && said.contains("40 failed"),
        "{said}"
    );
    // With the token that there is, with a new one, and with one for the repository alone.
    assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 3);
    let requests = registry.log().requests().len();
    assert!(requests <= 10, "{requests} requests");
}

#[test]
fn images_that_nobody_may_pull_are_pushed_again_without_complaint() {
    let registry = harbor();
    for _ in 0..2 {
        let said = told(&push(&registry, "signed", &[]).expect_code(0));
        assert!(said.contains("40 copied"), "{said}");
    }
    assert_eq!(registry.open_sessions(), 0);
}

#[test]
fn the_report_has_the_refusal_for_each_image() {
    let (registry, folder) = (harbor(), folder());
    let report = text(folder.path().join("report.json"));
    push(&registry, "nope", &["--report", &report]).expect_code(1);
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let images = report["tasks"][0]["images"].as_array().unwrap();
    let tells = |image: &&Value| image["error"].to_string().contains("project nope not found");
    assert_eq!(images.iter().filter(tells).count(), IMAGES);
}
