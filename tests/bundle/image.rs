//! The container image of the program.

use std::fs;
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::Value;
use transload_test_support::RealRegistry;
use transload_test_support::real::skopeo::{self, Access};

use crate::{Bundle, Outcome, is_root, run};

pub fn pushed(bundle: &Bundle) -> Outcome {
    let archive = bundle.file(".image.tar");
    let layout = bundle.folder("image");
    run(Command::new("tar")
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(&layout));
    let registry = RealRegistry::plain();
    run(Command::new(bundle.program())
        .args(["push", "--plain-http", "--src"])
        .arg(layout.join("store"))
        .args(["--dest", &format!("{}/tools", registry.host())]));
    let version = run(Command::new(bundle.program()).arg("-V"));
    let version = version.trim().trim_start_matches("transload ");
    // skopeo reads the same image from the registry and from the archive.
    let name = format!("docker://{}/tools/transload/transload:{version}", registry.host());
    let manifest = skopeo::inspect_raw(&name, &registry.access());
    let archived = skopeo::inspect_raw(&format!("oci-archive:{}", archive.display()), &Access::plain());
    assert_eq!(manifest, archived, "{}", String::from_utf8_lossy(&manifest));
    // The image holds all that its program needs: it is run in its own layer.
    let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest is JSON");
    let digest = manifest["layers"][0]["digest"]
        .as_str()
        .expect("a layer has a digest");
    let layer = registry
        .blob("tools/transload/transload", digest)
        .expect("the layer was pushed");
    let root = bundle.folder("image-root");
    tar::Archive::new(GzDecoder::new(layer.as_slice()))
        .unpack(&root)
        .expect("a layer is a compressed tar");
    let told = if is_root() {
        run(Command::new("chroot").arg(&root).args(["/transload", "-V"]))
    } else {
        run(Command::new(root.join("transload")).arg("-V"))
    };
    assert_eq!(told, format!("transload {version}\n"));
    assert!(
        fs::metadata(root.join("usr/share/doc/transload/THIRD-PARTY.md")).is_ok(),
        "notices go along"
    );
    Outcome::Holds(format!("{digest} of {} bytes", layer.len()))
}
