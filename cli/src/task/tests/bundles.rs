//! What a task says of bundles.

use std::path::PathBuf;

use serde_json::json;
use transload_transfer::bundle::VolumeSize;
use transload_transfer::job::{Bundling, Endpoint};

use super::*;

fn load(keys: &str) -> Result<Job, Vec<String>> {
    let text = format!("- image: {{manifests: 'alpine:1', {keys}}}\n");
    load_str(
        "t.yaml",
        &text,
        &options(json!({"size": "fat32", "base": ["a.tli", "b.tli"]})),
    )
    .map(|loaded| loaded.jobs.into_iter().next().unwrap())
    .map_err(|errors| errors.problems().iter().map(ToString::to_string).collect())
}

#[test]
fn a_bundle_is_written_as_the_task_says() {
    let keys = "dest: 'bundle:out', base: '{{ .base }}', delta: true, only: want.tli, volume_size: '{{ .size }}', volume_command: 'mv $1 /x'";
    let job = load(keys).unwrap();
    let Bundling {
        base,
        delta,
        only,
        limit,
        command,
        ..
    } = job.bundling;
    assert_eq!(base, ["a.tli", "b.tli"]);
    assert!(delta);
    assert_eq!(only, Some(PathBuf::from("want.tli")));
    assert_eq!(limit, Some(VolumeSize::FAT32));
    assert_eq!(command.as_deref(), Some("mv $1 /x"));
    let empty = load("dest: 'bundle:out', base: '', only: '', volume_size: '', volume_command: ''");
    let empty = empty.unwrap().bundling;
    assert!(!empty.delta);
    assert!(
        empty.base.is_empty() && empty.only.is_none() && empty.limit.is_none() && empty.command.is_none()
    );
}

#[test]
fn a_bundle_is_read_with_further_folders() {
    let job = load("src: 'bundle:in', volumes: [/a, /b], missing: want.tli, dest: 'oci:out'").unwrap();
    assert_eq!(job.missing, Some(PathBuf::from("want.tli")));
    let source = job.source.as_ref().and_then(Endpoint::local).cloned();
    let plain = load("src: 'bundle:in', dest: 'oci:out'").unwrap();
    let plain = plain.source.as_ref().and_then(Endpoint::local).cloned();
    let folders = vec![PathBuf::from("/a"), PathBuf::from("/b")];
    assert_eq!(source, plain.map(|place| place.with_volumes(folders)));
}

#[test]
fn keys_that_fit_no_bundle_are_mistakes_where_they_stand() {
    for (keys, told) in [
        ("dest: 'oci:out', base: x", "`base` is for writing bundles"),
        (
            "dest: hub.kubekey, volume_size: 4G",
            "`volume_size` is for writing bundles",
        ),
        (
            "dest: 'bundle:out', volume_size: 1K",
            "a volume has at least 64 KiB",
        ),
        (
            "dest: 'bundle:out', volume_size: [4G]",
            "`volume_size` must be text",
        ),
        (
            "src: 'oci:in', dest: 'oci:out', volumes: /a",
            "`volumes`: `src` isn't a bundle",
        ),
        ("dest: 'oci:out', delta: true", "`delta` is for writing bundles"),
        ("dest: 'oci:out', volumes: /a", "`volumes`: `src` isn't a bundle"),
    ] {
        let problems = load(keys).unwrap_err();
        assert!(problems[0].contains(told), "{keys}: {problems:?}");
    }
}
