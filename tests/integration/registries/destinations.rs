//! One run to many registries: the source is read once, and a registry that fails does so alone.

use std::collections::BTreeMap;

use serde_json::Value;
use transload_test_support::image::{Family, Image, ImageBuilder, samples};
use transload_test_support::scripted::{Action, Fault, Reply};
use transload_test_support::{Output, ScriptedRegistry, Transload};

use super::help::*;

fn source() -> (ScriptedRegistry, Vec<Image>) {
    let registry = ScriptedRegistry::start();
    let images: Vec<Image> = (0..4)
        .map(|seed| samples::multi_platform(Family::Oci, seed / 2))
        .collect();
    for (number, image) in images.iter().enumerate() {
        registry.put_image(&format!("team/app{number}"), "v1", image);
    }
    (registry, images)
}

fn sites(count: usize) -> Vec<ScriptedRegistry> {
    (0..count).map(|_| ScriptedRegistry::start()).collect()
}

fn copy(source: &ScriptedRegistry, images: usize, sites: &[ScriptedRegistry]) -> Transload {
    let names = (0..images).map(|number| format!("{}/team/app{number}:v1", source.host()));
    let dests = sites.iter().flat_map(|site| ["--dest", site.host()]);
    let program = Transload::new().args(["copy", "--plain-http", "--retries", "0"]);
    program.args(names).args(dests)
}

/// How often each path was asked for by GET.
fn gets(registry: &ScriptedRegistry) -> BTreeMap<String, usize> {
    let mut gets = BTreeMap::new();
    for request in registry.log().requests() {
        let is_content = request.path.contains("/blobs/") || request.path.contains("/manifests/");
        if request.method == "GET" && is_content {
            *gets.entry(request.path).or_default() += 1;
        }
    }
    gets
}

#[test]
fn one_read_of_the_source_serves_many_registries() {
    let (source, images) = source();
    let sites = sites(7);
    let output = copy(&source, images.len(), &sites).run().expect_code(0);
    for (number, image) in images.iter().enumerate() {
        for site in &sites {
            assert!(site.has_image(&format!("team/app{number}"), "v1", image));
        }
    }
    let more_than_once: Vec<_> = gets(&source)
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .collect();
    assert_eq!(more_than_once, []);
    // Images in pairs are the same: two of each blob would be read without what the run knows.
    let mut sizes = BTreeMap::new();
    for (blob, bytes) in images.iter().flat_map(|image| &image.blobs) {
        sizes.insert(blob.digest.to_string(), bytes.len() as u64);
    }
    let read: u64 = source
        .log()
        .requests()
        .iter()
        .filter(|request| request.is("GET", "/blobs/"))
        .filter_map(|request| sizes.get(request.path.rsplit('/').next()?))
        .sum();
    assert_eq!(read, sizes.values().sum::<u64>());
    let told = "28 images in ";
    assert!(output.stderr.contains(told), "{}", output.stderr);

    let again = copy(&source, images.len(), &sites).run().expect_code(0);
    assert!(again.stderr.contains("28 there already"), "{}", again.stderr);
}

fn report(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).expect("a report")
}

#[test]
fn a_registry_that_fails_fails_alone_and_only_its_images_are_left() {
    let (source, images) = source();
    let sites = sites(3);
    let broken = Reply::status(500);
    sites[1].fault(Fault::new("*", "/blobs/uploads/", Action::Answer(broken)).every());
    let folder = folder();
    let file = text(folder.path().join("report.json"));
    let output = copy(&source, images.len(), &sites)
        .args(["--report", &file])
        .run()
        .expect_code(1);
    let summary = format!(
        "complete at 2 of 3 destinations; {} lacks 4 of 4 images",
        sites[1].host()
    );
    assert!(output.stderr.contains(&summary), "{}", output.stderr);
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let told = written["tasks"][0]["images"].as_array().unwrap();
    assert_eq!(told.len(), 12);
    for image in told {
        let destination = image["destination"].as_str().unwrap();
        let fails = destination.starts_with(sites[1].host());
        let expected = if fails { "failed" } else { "copied" };
        assert_eq!(image["status"], expected, "{image}");
        assert!(image["image"].as_str().unwrap().ends_with(":v1"), "{image}");
    }

    sites[1].clear_faults();
    for site in &sites {
        site.log().clear();
    }
    let rest = copy(&source, images.len(), &sites)
        .args(["--only-failed", &file, "--report", "-"])
        .run()
        .expect_code(0);
    assert_eq!(report(&rest)["tasks"][0]["images"].as_array().unwrap().len(), 4);
    assert!((0..4).all(|number| sites[1].has_image(&format!("team/app{number}"), "v1", &images[number])));
    for site in [&sites[0], &sites[2]] {
        assert_eq!(site.log().count("*", "/"), 0, "it has all that it should");
    }
}

#[test]
fn a_directory_goes_to_several_registries_by_a_task_and_by_push() {
    let (source, images) = source();
    let folder = folder();
    let dir = text(folder.path().join("images"));
    let sites = sites(2);
    copy(&source, images.len(), &[])
        .args(["--dest", &dir])
        .run()
        .expect_code(0);
    let dests = sites.iter().flat_map(|site| ["--dest", site.host()]);
    let push = Transload::new().args(["push", "--plain-http", "--src", &dir]);
    push.args(dests).run().expect_code(0);
    let tasks = format!(
        "- image:\n    src: local://{dir}\n    dest: ['{}/again', '{}/again']\n    auths: [{{plain_http: true, repo: '{0}'}}, {{plain_http: true, repo: '{1}'}}]\n",
        sites[0].host(),
        sites[1].host(),
    );
    Transload::new()
        .args(["run", "-"])
        .stdin(tasks)
        .run()
        .expect_code(0);
    for site in &sites {
        for (number, image) in images.iter().enumerate() {
            for repository in [format!("team/app{number}"), format!("again/team/app{number}")] {
                assert!(site.has_image(&repository, "v1", image), "{repository}");
            }
        }
    }
}

#[test]
fn fifty_destinations_take_little_more_memory_than_two() {
    let source = ScriptedRegistry::start();
    for number in 0..4 {
        let image = ImageBuilder::new(Family::Oci)
            .noise_layer(number, 3_000_000)
            .build();
        source.put_image(&format!("team/app{number}"), "v1", &image);
    }
    let peak = |count: usize| {
        let sites = sites(count);
        let program = copy(&source, 4, &sites).args(["--jobs", "6"]);
        let output = program.run().expect_code(0);
        output.peak_memory_bytes
    };
    let (two, fifty) = (peak(2), peak(50));
    println!("peak of memory: {two} bytes for 2 registries, {fifty} for 50");
    assert!(fifty < two + (12 << 20), "{two} {fifty}");
}

#[test]
fn a_destination_is_given_once_and_a_pipe_stands_alone() {
    let twice = Transload::new().args(["copy", "a:1", "--dest", "a.local", "--dest", "a.local"]);
    let output = twice.run().expect_code(2);
    assert!(
        output.stderr.contains("--dest: a.local is given twice"),
        "{}",
        output.stderr
    );
    let pipe = Transload::new().args(["copy", "a:1", "--dest", "a.local", "--dest", "-"]);
    let output = pipe.run().expect_code(2);
    assert!(
        output.stderr.contains("can't be one of several destinations"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_shard_takes_its_images_to_all_destinations_and_reads_them_once() {
    let (source, images) = source();
    let sites = sites(3);
    for shard in ["1/2", "2/2"] {
        let output = copy(&source, images.len(), &sites).args(["--shard", shard]).run();
        let told = output.expect_code(0).stderr;
        assert!(told.contains("6 images in "), "{told}");
    }
    for (number, image) in images.iter().enumerate() {
        for site in &sites {
            assert!(site.has_image(&format!("team/app{number}"), "v1", image));
        }
    }
    assert!(gets(&source).values().all(|times| *times == 1));
}
