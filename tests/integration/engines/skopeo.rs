//! skopeo, which copies images between all kinds of places.

use std::fs;
use std::process::Command;

use transload_reference::Digest;

use super::sandbox::{Sandbox, named, succeed};
use super::saved::{Expected, assert_read};
use super::text;
use super::written::Written;
use crate::serve::Served;

/// The digest of the image in a place such as `oci-archive:/tmp/x.tar`.
pub fn digest(sandbox: &Sandbox, place: &str) -> String {
    let mut inspect = sandbox.command("skopeo");
    let manifest = succeed(inspect.args(["--insecure-policy", "inspect", "--raw", place]));
    Digest::of(manifest.as_bytes()).to_string()
}

fn copy(sandbox: &Sandbox, args: &[&str]) -> Command {
    let mut command = sandbox.command("skopeo");
    command.args(["--insecure-policy", "copy", "--quiet"]).args(args);
    command
}

#[test]
fn skopeo_finds_the_same_bytes_in_archives_and_layouts() {
    let Some(sandbox) = Sandbox::for_programs(&["skopeo"]) else {
        return;
    };
    let written = Written::new();
    for case in &written.cases {
        let (archive, layout) = (written.archive(case), written.layout(case));
        let by_pipe = sandbox.path("piped.tar");
        let output = written
            .to_stdout(case)
            .command()
            .output()
            .expect("transload starts");
        assert!(output.status.success(), "{output:?}");
        fs::write(&by_pipe, output.stdout).expect("a writable temporary folder");
        for (number, from) in [
            named("oci-archive:", &archive, ""),
            named("oci-archive:", &archive, &format!(":{}", case.tag)),
            named("oci-archive:", &by_pipe, ""),
            named("oci:", &layout, &format!(":{}", case.tag)),
        ]
        .iter()
        .enumerate()
        {
            let dir = sandbox.path(&format!("{}-{number}", case.digest().hex()));
            let to = named("dir:", &dir, "");
            succeed(&mut copy(&sandbox, &["--all", "--preserve-digests", from, &to]));
            let root = fs::read(dir.join("manifest.json")).expect("the root's manifest");
            assert!(root == case.image.root.bytes, "{from}: other bytes");
            for (blob, bytes) in &case.image.blobs {
                let copied = fs::read(dir.join(blob.digest.hex())).expect("every blob");
                assert!(copied == *bytes, "{from}: {} has other bytes", blob.digest);
            }
        }
        for file in [&archive, &by_pipe] {
            let from = named("docker-archive:", file, &format!(":{}", case.name));
            let id = ["inspect", "--config", "--raw", &from];
            let config = succeed(sandbox.command("skopeo").args(id));
            assert_eq!(Digest::of(config.as_bytes()), *case.id());
        }
    }
}

#[test]
fn what_skopeo_copies_into_files_and_folders_is_read() {
    let Some(sandbox) = Sandbox::for_programs(&["skopeo"]) else {
        return;
    };
    let written = Written::new();
    for case in &written.cases {
        let from = named("oci-archive:", &written.archive(case), "");
        for scheme in ["oci-archive:", "oci:"] {
            let place = sandbox.path(&format!(
                "{}{}",
                scheme.trim_end_matches(':'),
                case.digest().hex()
            ));
            let to = named(scheme, &place, &format!(":{}", case.name));
            succeed(&mut copy(&sandbox, &["--all", &from, &to]));
            assert_read(&place, &case.name, Expected::Same(&case.image));
        }
        let place = sandbox.path(&format!("{}.tar", case.digest().hex()));
        let to = named("docker-archive:", &place, &format!(":{}", case.name));
        succeed(&mut copy(
            &sandbox,
            &["--override-arch=amd64", "--override-os=linux", &from, &to],
        ));
        assert_read(&place, &case.name, Expected::New(case.id()));
    }
}

#[test]
fn skopeo_pulls_from_a_server_and_pushes_to_it_byte_for_byte() {
    let Some(sandbox) = Sandbox::for_programs(&["skopeo"]) else {
        return;
    };
    let written = Written::new();
    let served = Served::start(&[&written.store()]);
    let taking = Served::start(&[&text(sandbox.path("pushed")), "--writable"]);
    for case in &written.cases[..2] {
        let from = format!("docker://{}/{}", served.host(), case.name);
        let to = format!("docker://{}/{}", taking.host(), case.name);
        let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
        succeed(
            copy(&sandbox, &["--all", "--preserve-digests"])
                .args(tls)
                .args([&from, &to]),
        );
        let dir = sandbox.path(case.digest().hex());
        let back = [&to, &named("dir:", &dir, "")];
        succeed(
            copy(&sandbox, &["--all", "--preserve-digests"])
                .args(tls)
                .args(back),
        );
        let root = fs::read(dir.join("manifest.json")).expect("the root's manifest");
        assert!(root == case.image.root.bytes, "other bytes");
        for (blob, bytes) in &case.image.blobs {
            assert!(
                fs::read(dir.join(blob.digest.hex())).expect("every blob") == *bytes,
                "{}",
                blob.digest
            );
        }
    }
}
