//! oras and regctl: what they attach to an image comes along, and they find it again, in registries and in OCI layouts.

use std::fs;

use serde_json::Value;
use transload_test_support::RealRegistry;
use transload_test_support::go;
use transload_test_support::image::{Family, samples};

use super::sandbox::{Sandbox, named, succeed};
use super::{text, transload};

/// The programs, and where Go finds them.
const PROGRAMS: [(&str, &str); 2] = [
    ("oras", "oras.land/oras/cmd/oras@v1.3.0"),
    ("regctl", "github.com/regclient/regclient/cmd/regctl@v0.11.1"),
];

/// The digests that `oras discover` tells, on all levels.
fn discovered(sandbox: &Sandbox, oras: &str, args: &[&str]) -> Vec<String> {
    fn gather(node: &Value, digests: &mut Vec<String>) {
        for referrer in node["referrers"].as_array().into_iter().flatten() {
            digests.extend(referrer["digest"].as_str().map(str::to_owned));
            gather(referrer, digests);
        }
    }
    let args = [&["discover", "--format", "json"], args].concat();
    let told = succeed(sandbox.client(oras).args(args));
    let mut digests = Vec::new();
    gather(&serde_json::from_str(&told).expect("JSON"), &mut digests);
    digests.sort();
    digests
}

#[test]
fn what_oras_attaches_is_found_by_oras_and_regctl_after_every_way() {
    let programs = PROGRAMS.map(|(name, package)| go::program(name, package).map(text));
    let [Some(oras), Some(regctl)] = programs else {
        return;
    };
    let Some(sandbox) = Sandbox::for_programs(&[&oras, &regctl]) else {
        return;
    };
    let discovered = |args: &[&str]| discovered(&sandbox, &oras, args);
    let (from, to) = (RealRegistry::plain(), RealRegistry::plain());
    from.push("app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let image = format!("{}/app:v1", from.host());
    fs::write(sandbox.path("sbom.json"), "{}\n").expect("a writable temporary folder");
    let attach = |kind: &str, subject: &str| {
        let args = [
            "attach",
            "--plain-http",
            "--artifact-type",
            kind,
            subject,
            "sbom.json",
        ];
        succeed(sandbox.client(&oras).args(args));
    };
    attach("application/spdx+json", &image);
    let sbom = discovered(&["--plain-http", &image]);
    attach(
        "application/vnd.example.signature",
        &format!("{}/app@{}", from.host(), sbom[0]),
    );
    let attached = discovered(&["--plain-http", &image]);
    assert_eq!(attached.len(), 2);

    let layout = sandbox.path("layout");
    let archive = named("oci-archive:", &sandbox.path("a.tar"), "");
    let (directory, oci) = (text(sandbox.path("images")), named("oci:", &layout, ""));
    let (all, in_layout) = (["--referrers", "all"], named("", &layout, ":v1"));
    // Registry, directory, archive, layout, registry.
    transload(&[&["pull", &image, "--dest", &directory], &all[..]].concat());
    for (src, dest) in [
        (directory.as_str(), archive.as_str()),
        (&archive, &oci),
        (&oci, to.host()),
    ] {
        transload(&[&["copy", "--src", src, "--dest", dest], &all[..]].concat());
    }
    assert_eq!(discovered(&["--oci-layout", &in_layout]), attached);
    let copied = format!("{}/app:v1", to.host());
    assert_eq!(discovered(&["--plain-http", &copied]), attached);

    let tree = |reference: &str| succeed(sandbox.client(&regctl).args(["artifact", "tree", reference]));
    succeed(
        sandbox
            .client(&regctl)
            .args(["registry", "set", "--tls", "disabled", to.host()]),
    );
    for reference in [named("ocidir://", &layout, ":v1"), copied] {
        let told = tree(&reference);
        for digest in &attached {
            assert!(told.contains(digest), "{reference}: {told}");
        }
    }
    // What regctl attaches to a layout comes along from there.
    let subject = named("ocidir://", &layout, ":v1");
    let put = [
        "artifact",
        "put",
        "--artifact-type",
        "application/x",
        "--subject",
        &subject,
    ];
    let put = [&put[..], &["-f", "sbom.json"]].concat();
    succeed(sandbox.client(&regctl).args(put));
    transload(&[&["copy", "--src", &oci, "--dest", to.host()], &all[..]].concat());
    let copied = format!("{}/app:v1", to.host());
    assert_eq!(discovered(&["--plain-http", &copied]).len(), 3);
}
