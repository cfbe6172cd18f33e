//! Certificates of an authority that nobody knows, and clients without one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use transload_test_support::Output;
use transload_test_support::image::{Family, samples};
use transload_test_support::kubekey::{self, Generation};

use super::help::*;

/// The content of every file of a directory.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert(text(&path), fs::read(&path).expect("a readable file"));
        }
    }
    files
}

#[test]
fn an_unknown_authority_is_told_with_what_to_do_and_nothing_moves() {
    let (registry, folder) = (Site::with_images(PRIVATE_CA, "team/app"), folder());
    let (host, dir) = (registry.host(), folder.path().join("images"));
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    kubekey::write(&dir, "hub.local", "team/app", "v1", &image, Generation::Third);
    let before = (files(&dir), registry.writes());
    let hint = format!(
        "the certificate of {host} comes from an authority that this machine doesn't know: give that authority's \
         certificate (PEM) as ca_file (--ca-file), or set insecure: true (--insecure) to trust any"
    );
    let reason = |side: &str, doing: &str, tag: &str| {
        format!(
            "{side}: {host}/team/app: {doing} the manifest {tag}: the certificate's issuer isn't trusted (unknown CA) \
             (https://{host}/v2/team/app/manifests/{tag})"
        )
    };

    let name = format!("{host}/team/app:oci");
    let pull = transload(["pull", &name, "--dest", &text(&dir)]);
    assert_failed(pull, &name, &reason("source", "reading", "oci"), &hint);
    let push = transload(["push", "--src", &text(&dir), "--dest", host]);
    assert_failed(
        push,
        "hub.local/team/app:v1",
        &reason("destination", "looking up", "v1"),
        &hint,
    );
    assert!(before == (files(&dir), registry.writes()), "something moved");
}

#[test]
fn certificates_are_not_checked_where_that_is_asked_for() {
    let registry = Site::with_images(PRIVATE_CA, "team/app");
    let (folder, host) = (folder(), registry.host());
    let settings = [
        json!({"auths": [{"repo": host, "insecure": true}]}),
        json!({"auths": [{"registry": host, "skip_tls_verify": true}]}),
        json!({"skip_tls_verify": true}),
    ];
    for (number, mut image) in settings.into_iter().enumerate() {
        let dir = folder.path().join(number.to_string());
        image["manifests"] = json!(registry.references("team/app"));
        image["dest"] = json!(format!("local://{}", text(&dir)));
        task(&image).run().expect_code(0);
        assert_pulled(&dir, &registry, "team/app");
    }
    let (dir, dest) = (text(folder.path().join("0")), format!("{host}/pushed"));
    transload(["push", "--src", &dir, "--dest", &dest, "--insecure"]).expect_code(0);
    assert_pushed(&registry, "pushed/team/app", &images());
}

#[test]
fn a_registry_with_an_entry_of_its_own_is_not_covered_by_the_tasks_default() {
    let registry = Site::with_images(PRIVATE_CA, "team/app");
    let (folder, host) = (folder(), registry.host());
    for entry in [
        json!({"repo": host}),
        json!({"repo": host, "insecure": false}),
        json!({"repo": format!("{host}/team")}),
    ] {
        let image = json!({
            "manifests": registry.references("team/app"),
            "dest": format!("local://{}", text(folder.path().join("images"))),
            "skip_tls_verify": true,
            "auths": [entry],
        });
        let told = told(&task(&image).run().expect_code(1));
        assert!(told.contains("the certificate's issuer isn't trusted"), "{told}");
    }
}

#[test]
fn a_client_without_a_certificate_is_told_to_give_one() {
    let registry = Site::with_images(CLIENT_CERTIFICATE, "team/app");
    let (folder, host) = (folder(), registry.host());
    let run = |auth: Value| -> Output {
        let image = json!({
            "manifests": [format!("{host}/team/app:oci")],
            "dest": format!("local://{}", text(folder.path().join("images"))),
            "auths": [auth],
        });
        task(&image).run()
    };
    let reason = format!(
        "source: {host}/team/app: reading the manifest oci: TLS: the registry refused the client's certificate or the lack \
         of one (received fatal alert: BadCertificate) (https://{host}/v2/team/app/manifests/oci)"
    );
    let hint = format!("{host} wants a client certificate: give cert_file and key_file");
    assert_failed(
        run(json!({"repo": host, "ca_file": registry.ca_file()})),
        &format!("{host}/team/app:oci"),
        &reason,
        &hint,
    );
    run(registry.entry()).expect_code(0);
}
