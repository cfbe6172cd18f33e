//! What images are called where they go: a mirror doesn't change it, a template does.

use std::fs;
use std::path::Path;

use serde_json::json;
use transload_test_support::Transload;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::kubekey::{self, Generation};

use super::help::*;

/// Images by the names that people write, and by their registry, repository and what they are referred to by.
fn named() -> [(&'static str, [&'static str; 3], Image); 3] {
    let image = |seed| samples::multi_platform(Family::Oci, seed);
    [
        ("alpine:3.19", ["docker.io", "library/alpine", "3.19"], image(1)),
        (
            "registry.k8s.io/pause",
            ["registry.k8s.io", "pause", "latest"],
            image(2),
        ),
        (
            "quay.io/calico/node:v3.28.2",
            ["quay.io", "calico/node", "v3.28.2"],
            image(3),
        ),
    ]
}

/// Every `…/manifests` folder of a directory, by its path.
fn repositories(dir: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir.join(below)).expect("a readable folder") {
        let entry = entry.expect("a readable folder");
        let name = entry.file_name().into_string().expect("names are text");
        let is_dir = entry.file_type().expect("a readable folder").is_dir();
        match name.as_str() {
            "manifests" => found.push(below.trim_matches('/').to_owned()),
            name if is_dir => found.extend(repositories(dir, format!("{below}/{name}").trim_matches('/'))),
            _ => {}
        }
    }
    found.sort();
    found
}

#[test]
fn images_keep_their_names_when_they_come_from_a_mirror() {
    let folder = folder();
    for (number, prefix) in ["", "/mirror/of"].iter().enumerate() {
        let mirror = Site::start(TOKENS);
        for (_, [_, repository, reference], image) in &named() {
            let path = format!("{prefix}/{repository}");
            mirror.push(path.trim_start_matches('/'), reference, image);
        }
        let (dir, src) = (
            folder.path().join(number.to_string()),
            format!("{}{prefix}", mirror.host()),
        );
        let mut args = vec![
            "pull".to_owned(),
            "--src".to_owned(),
            src,
            "--dest".to_owned(),
            text(&dir),
        ];
        args.extend(named().map(|(name, ..)| name.to_owned()));
        args.extend(mirror.options(&folder.path().join("auths.yaml")));
        let output = transload(args).expect_code(0);
        for (name, [registry, repository, reference], image) in &named() {
            assert_stored(&dir, &format!("{registry}/{repository}:{reference}"), image);
            assert!(output.stdout.contains(repository), "{name}");
        }
        let expected = [
            "docker.io/library/alpine",
            "quay.io/calico/node",
            "registry.k8s.io/pause",
        ];
        assert_eq!(repositories(&dir, ""), expected);
    }
}

/// Pushes the images of a directory to a registry with this template for the rest of their names.
fn push_as(registry: &Site, dir: &Path, template: &str, variables: &[&str]) {
    let image = json!({
        "src": format!("local://{}", text(dir)),
        "dest": format!("{}/{template}", registry.host()),
        "auths": [registry.entry()],
    });
    let set = variables.iter().flat_map(|variable| ["--set", variable]);
    task(&image).args(set).run().expect_code(0);
}

/// A repository and a tag, from the parts of a name.
type Named = fn([&str; 3]) -> (String, String);

#[test]
fn a_template_names_each_image_by_its_parts() {
    let (registry, folder) = (Site::start(PASSWORDS), folder());
    let dir = folder.path().join("images");
    for (_, [host, repository, reference], image) in &named() {
        kubekey::write(&dir, host, repository, reference, image, Generation::Third);
    }
    let table: [(&str, &[&str], Named); 4] = [
        (
            "{{ .module.image.src.reference.repository }}:{{ .module.image.src.reference.reference }}",
            &[],
            |[_, repository, reference]| (repository.to_owned(), reference.to_owned()),
        ),
        (
            "from/{{ .module.image.src.reference.registry }}/{{ .module.image.src.reference.repository }}",
            &[],
            // What is rendered has no tag: it is a namespace, and the image's own name follows.
            |[registry, repository, reference]| {
                (
                    format!("from/{registry}/{repository}/{repository}"),
                    reference.to_owned(),
                )
            },
        ),
        (
            "{{ .project }}/{{ base .module.image.reference.repository }}:{{ .module.image.reference.reference | replace \".\" \"-\" }}",
            &["project=kubernetes"],
            |[_, repository, reference]| {
                let base = repository.rsplit('/').next().unwrap_or_default();
                (format!("kubernetes/{base}"), reference.replace('.', "-"))
            },
        ),
        (
            "{{ if eq .module.image.src.reference.registry \"docker.io\" }}hub{{ else }}others{{ end }}",
            &[],
            |[registry, repository, reference]| {
                let namespace = if registry == "docker.io" { "hub" } else { "others" };
                (format!("{namespace}/{repository}"), reference.to_owned())
            },
        ),
    ];
    for (template, variables, name) in table {
        push_as(&registry, &dir, template, variables);
        for (_, parts, image) in &named() {
            let (repository, tag) = name(*parts);
            assert!(
                registry.has_image(&repository, &tag, image),
                "{template}: {repository}:{tag}"
            );
        }
    }
}

#[test]
fn a_template_takes_a_digest_where_there_is_no_tag() {
    let (first, second, folder) = (Site::with_images(PLAIN, "team/app"), Site::start(PLAIN), folder());
    let [_, (_, image)] = images();
    let pinned = format!("{}/team/app@{}", first.host(), image.digest());
    let dir = text(folder.path().join("images"));
    transload(["pull", &pinned, "--dest", &dir]).expect_code(0);
    let template =
        "new/{{ base .module.image.src.reference.repository }}:{{ .module.image.src.reference.reference }}";
    let dest = format!("{}/{template}", second.host());
    transload(["push", "--src", &dir, "--dest", &dest, &pinned]).expect_code(0);
    assert!(second.has_image("new/app", image.digest().as_str(), &image));
}

#[test]
fn images_are_named_in_a_file_or_on_standard_input() {
    let folder = folder();
    let registry = Site::with_images(PLAIN, "team/app");
    let list = format!(
        "# what the cluster needs\n\n  {}  # two spaces\r\n{}",
        registry.references("team/app")[0],
        registry.references("team/app")[1]
    );
    let file = folder.path().join("images.txt");
    fs::write(&file, &list).expect("a writable temporary folder");
    for (dest, from) in [("by-file", text(&file)), ("by-stdin", "-".to_owned())] {
        let dest = folder.path().join(dest);
        let args = ["pull", "--images-file", &from, "--dest", &text(&dest)];
        Transload::new()
            .args(args)
            .stdin(list.clone())
            .run()
            .expect_code(0);
        assert_pulled(&dest, &registry, "team/app");
    }
}
