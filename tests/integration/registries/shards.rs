//! Several runs that share one task.

use std::collections::BTreeMap;

use transload_test_support::image::{Family, samples};
use transload_test_support::{ScriptedRegistry, Transload};

use super::help::*;

const SHARDS: usize = 3;

#[test]
fn shards_that_run_at_once_bring_all_images_and_each_blob_once_into_its_repository() {
    let (source, destination) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let folder = folder();
    let list = folder.path().join("images.txt");
    let mut lines = String::new();
    let mut images = Vec::new();
    for repository in ["base/one", "base/two", "team/api", "team/web", "tools/cli"] {
        for seed in 1..=3 {
            let image = samples::multi_platform(Family::Oci, seed);
            source.put_image(repository, &format!("v{seed}"), &image);
            images.push((repository, format!("v{seed}"), image));
        }
        // A glob is as good as its tags.
        lines += &match repository {
            "team/web" => format!("{}/{repository}:v*\n", source.host()),
            _ => (1..=3)
                .map(|seed| format!("{}/{repository}:v{seed}\n", source.host()))
                .collect(),
        };
    }
    std::fs::write(&list, lines).unwrap();

    let run = |number: usize| {
        // As in the pods of an Indexed Job, which count from 0.
        let index = (number - 1).to_string();
        let own = format!("{number}/{SHARDS}");
        let shard = if number == 1 { SHARDS.to_string() } else { own };
        Transload::new()
            .args([
                "copy",
                "--plain-http",
                "--images-file",
                &text(&list),
                "--shard",
                &shard,
            ])
            .args(["--dest", destination.host()])
            .env("JOB_COMPLETION_INDEX", index)
            .spawn()
    };
    let running: Vec<_> = (1..=SHARDS).map(run).collect();
    for shard in running {
        shard.wait().expect_code(0);
    }

    for (repository, tag, image) in &images {
        assert!(
            destination.has_image(repository, tag, image),
            "{repository}:{tag}"
        );
    }
    let mut brought: BTreeMap<String, usize> = BTreeMap::new();
    for request in destination.log().requests() {
        if request.method == "PUT" && request.path.contains("/blobs/uploads/") {
            let repository = request.path.split("/blobs/").next().unwrap_or_default();
            let digest = request.query.split("digest=").nth(1).unwrap_or_default();
            *brought.entry(format!("{repository} {digest}")).or_default() += 1;
        }
    }
    assert!(brought.values().all(|times| *times == 1), "{brought:?}");
}

#[test]
fn more_shards_than_repositories_leave_one_with_nothing_to_do() {
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let folder = folder();
    let image = format!("{}/team/app:v1", registry.host());
    let run = |shard: &str| {
        let dest = text(folder.path().join("images"));
        transload(["pull", &image, "--plain-http", "--dest", &dest, "--shard", shard])
    };
    let idle = run("1/2").expect_code(0);
    let told = "warning: no image is left for this shard: the images go to 1 repository\n";
    assert!(idle.stderr.contains(told), "{}", idle.stderr);
    assert!(run("2/2").expect_code(0).stdout.contains("copied"));

    let alone = run("2").expect_code(2);
    assert!(
        alone.stderr.contains("have JOB_COMPLETION_INDEX"),
        "{}",
        alone.stderr
    );
}
