//! The benchmark measures what it says. No figure of it is judged here.

use std::fs;
use std::process::Command;

use serde_json::Value;
use transload_test_support::Transload;

#[test]
fn every_row_is_run_and_its_result_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("result.json");
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--scale", "0.0001", "--peers", "none"])
        .args(["--only", "pull-tls,rerun,push,copy,layer-slow", "--json"])
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
    assert!(said.contains("| pull the release, loopback, TLS "), "{said}");
}
