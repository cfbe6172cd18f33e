//! The benchmark measures what it says. No figure of it is judged here.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use transload_test_support::Transload;

#[test]
fn every_row_is_run_and_its_result_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("result.json");
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--scale", "0.0001", "--peers", "none"])
        .args(["--only", "pull,rerun,push,copy,layer-slow,bundles", "--json"])
        .arg(&json)
        .env("TRANSLOAD_BIN", Transload::new().program())
        .output()
        .expect("the benchmark starts");
    let (said, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{told}");
    let result: Value = serde_json::from_slice(&fs::read(json).expect("the JSON")).expect("it is JSON");
    let rows = result["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 5, "{result:#}");
    for row in rows {
        let run = &row["programs"][0]["runs"][0];
        assert!(
            run["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0),
            "{row:#}"
        );
        let requests = run["requests"].as_u64();
        match row["row"].as_str() {
            Some("copy") => assert_eq!(requests, Some(0), "{row:#}"),
            // One for each of the six images.
            Some("rerun") => assert_eq!(requests, Some(6), "{row:#}"),
            _ => assert!(requests.is_some_and(|requests| requests > 0), "{row:#}"),
        }
    }
    assert!(said.contains("| pull the release, loopback "), "{said}");
    let bundles = result["bundles"].as_array().expect("steps");
    let ratios = bundles.iter().filter(|step| step["ratio"].is_number());
    assert_eq!((bundles.len(), ratios.count()), (6, 3), "{result:#}");
}

#[test]
fn a_benchmark_that_is_interrupted_leaves_neither_files_nor_programs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--scale", "0.0001", "--peers", "none"])
        .args(["--only", "pull", "--repeat", "100000", "--scratch"])
        .arg(folder.path())
        .env("TMPDIR", folder.path())
        .env("TRANSLOAD_BIN", Transload::new().program())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the benchmark starts");
    let told = BufReader::new(bench.stderr.take().expect("a pipe"));
    let mut lines = told.lines().map(|line| line.expect("text"));
    assert!(lines.any(|line| line.contains("measured transload")));
    let works_there = |file: &fs::DirEntry| {
        let command = fs::read(file.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&*folder.path().to_string_lossy())
    };
    let programs = || {
        let processes = fs::read_dir("/proc").expect("Linux");
        processes.flatten().filter(works_there).count()
    };
    assert!(programs() >= 2, "the benchmark and its registry");

    kill_process(Pid::from_child(&bench), Signal::TERM).expect("it runs");
    let rest: Vec<String> = lines.collect();
    let status = bench.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("stopping")), "{rest:?}");
    assert!(!rest.iter().any(|line| line.contains("failed")), "{rest:?}");
    assert_eq!(programs(), 0, "{rest:?}");
    let left: Vec<_> = fs::read_dir(folder.path()).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
}
