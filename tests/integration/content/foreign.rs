//! What isn't moved by rule: layers that their publisher alone gives out, and manifests of schema 1.

use std::collections::BTreeSet;

use transload_test_support::image::{Family, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::{RealRegistry, ScriptedRegistry};

use super::{assert_holds, folder, held, outcomes, transload, within};

/// The foreign layer's only address, at a registry that nobody should ask.
fn publisher() -> (ScriptedRegistry, String) {
    let publisher = ScriptedRegistry::start();
    let url = format!("http://{}/layers/base.tar.gz", publisher.host());
    (publisher, url)
}

#[test]
fn a_foreign_layer_is_left_where_it_is_and_reported_on_every_way() {
    let (publisher, url) = publisher();
    let (docker, layer) = samples::foreign(&url);
    let oci = samples::single_builder(Family::Oci, "windows/amd64", 1)
        .foreign_layer(&layer, &[&url, "https://mirror.example.com/base"])
        .build();
    let dirs = folder();
    let (one, other) = (within(&dirs, "one"), within(&dirs, "other"));
    for (image, urls) in [
        (docker, url.clone()),
        (oci, format!("{url}, https://mirror.example.com/base")),
    ] {
        let (from, to) = (RealRegistry::plain(), RealRegistry::plain());
        from.push("win/app", "v1", &image);
        let name = format!("{}/win/app:v1", from.host());
        let ways: [(&[&str], String); 4] = [
            (&["copy", &name, "--dest", &one], format!("{name} -> {one}")),
            (
                &["copy", &name, "--src", &one, "--dest", &other],
                format!("{name} in {one} -> {other}"),
            ),
            (
                &[
                    "copy",
                    &name,
                    "--src",
                    &one,
                    "--dest",
                    &format!("{}/a", to.host()),
                ],
                format!("{name} in {one} -> {}/a/win/app:v1", to.host()),
            ),
            (
                &["copy", &name, "--dest", &format!("{}/b", to.host())],
                format!("{name} -> {}/b/win/app:v1", to.host()),
            ),
        ];
        for (args, way) in ways {
            let output = transload(args, 0);
            let expected = format!(
                "copied   {way}  sha256:{}\n         warning: the foreign layer {} ({} bytes) isn't copied: its publisher distributes it only at {urls}",
                &image.digest().hex()[..12],
                transload_reference::Digest::of(&layer),
                layer.len(),
            );
            assert_eq!(outcomes(&output), BTreeSet::from([expected]));
        }
        for dir in [&one, &other] {
            assert_holds(dir, &[held(&name, &image)]);
            std::fs::remove_dir_all(dir).unwrap();
        }
        for repository in ["a/win/app", "b/win/app"] {
            assert!(to.has_image(repository, "v1", &image), "{repository}");
        }
    }
    assert_eq!(publisher.log().requests().len(), 0);
}

#[test]
fn a_layer_that_is_called_foreign_but_has_no_address_moves_like_any_other() {
    let image = samples::single_builder(Family::Oci, "windows/amd64", 1)
        .blob_layer(
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            b"from nowhere else",
        )
        .build();
    let (from, to, dirs) = (RealRegistry::plain(), RealRegistry::plain(), folder());
    from.push("win/app", "v1", &image);
    let name = format!("{}/win/app:v1", from.host());
    let dir = within(&dirs, "dir");
    let output = transload(&["pull", &name, "--dest", &dir], 0);
    assert!(!output.stdout.contains("warning"), "{}", output.stdout);
    assert_holds(&dir, &[held(&name, &image)]);
    transload(&["push", "--src", &dir, "--dest", to.host()], 0);
    assert!(to.has_image("win/app", "v1", &image));
}

#[test]
fn schema_1_is_refused_by_its_name() {
    let old = samples::schema1("old/app", "v1");
    let new = samples::single(Family::Docker, "linux/amd64", 1);
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let src = within(&dirs, "src");
    for (tag, image) in [("v1", &old), ("v2", &new)] {
        registry.put_image("old/app", tag, image);
        kubekey::write(
            src.as_ref(),
            "hub.local",
            "old/app",
            tag,
            image,
            Generation::Third,
        );
    }
    let [from_registry, from_directory] = ["a", "b"].map(|name| within(&dirs, name));
    let [one, other] = ["v1", "v2"].map(|tag| format!("{}/old/app:{tag}", registry.host()));
    let reason = "Docker schema 1 manifest (application/vnd.docker.distribution.manifest.v1+json): this format was withdrawn and \
                  can't be moved unchanged; rebuild or re-push the image with a current tool";
    for platforms in [&[][..], &["--platform", "linux/amd64"]] {
        let output = transload(
            &[&["pull", &one, &other, "--dest", &from_registry], platforms].concat(),
            1,
        );
        let host = registry.host();
        let failure = format!(
            "{one} -> {from_registry}\n         source: {host}/old/app: reading the manifest v1: {reason} (http://{host}/v2/old/app/manifests/v1)\n",
        );
        assert!(output.stdout.contains(&failure), "{}", output.stdout);
        let hint =
            "\n  hint: pull and push the image with a current docker, podman or skopeo, then try again\n";
        assert!(output.stderr.contains(hint), "{}", output.stderr);

        let output = transload(
            &[&["copy", "--src", &src, "--dest", &from_directory], platforms].concat(),
            1,
        );
        let failure = format!(
            "hub.local/old/app:v1 in {src} -> {from_directory}\n         source: {src}/hub.local/old/app/manifests/{}: {reason}\n",
            old.digest()
        );
        assert!(output.stdout.contains(&failure), "{}", output.stdout);
        let hint = "\n  hint: pull and push the image with a current docker, podman or skopeo, then pull it into the directory again\n";
        assert!(output.stderr.contains(hint), "{}", output.stderr);

        assert_holds(&from_registry, &[held(&other, &new)]);
        assert_holds(&from_directory, &[held("hub.local/old/app:v2", &new)]);
    }
}
