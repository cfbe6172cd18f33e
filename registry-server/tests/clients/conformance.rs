use std::process::Command;

use transload_layout_store::Format;
use transload_test_support::go;

use super::Served;

/// The suite, at a commit of its repository.
const SUITE: &str =
    "github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111";

/// What is offered beyond the suite's defaults. Images without some of their layers aren't: `data.sparse` stays off.
const OFFERED: [&str; 4] = [
    "OCI_API_BLOBS_UPLOAD_CANCEL",
    "OCI_API_BLOBS_DIGEST_HEADER",
    "OCI_API_MANIFESTS_DIGEST_HEADER",
    "OCI_API_MANIFESTS_TAG_PARAM",
];

#[test]
fn every_category_of_the_conformance_suite_passes() {
    let Some(suite) = go::program("conformance", SUITE) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (format, name) in [(Format::KubeKey, "kubekey"), (Format::Oci, "oci")] {
        let served = Served::writable(&folder.path().join(name), format);
        let results = folder.path().join(format!("{name}-results"));
        let mut command = Command::new(&suite);
        command
            .current_dir(folder.path())
            .env("OCI_REGISTRY", &served.address)
            .env("OCI_TLS", "disabled")
            .env("OCI_VERSION", "1.1")
            .env("OCI_RESULTS_DIR", &results)
            .envs(OFFERED.map(|variable| (variable, "true")));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let failed: Vec<&str> = text
            .lines()
            .filter(|line| line.trim_end().ends_with("FAIL"))
            .collect();
        assert!(
            output.status.success() && failed.is_empty(),
            "{name}: {failed:#?}"
        );
        let passed = text
            .lines()
            .filter(|line| line.trim_end().ends_with(" Pass"))
            .count();
        assert!(passed > 50, "{name}: only {passed} passed: {text}");
    }
}
